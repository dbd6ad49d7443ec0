"""Generalised cross-entropy (Zhang and Sabuncu, NeurIPS 2018): the cheap robust loss."""

from functools import partial
from typing import Any

from fer_tune.training.losses import generalised_cross_entropy
from fer_tune.training.trainer import Trainer


class GceTrainer(Trainer):
    """The multi-task VGGNet with the generalised cross-entropy on every categorical set (`training.gce_q`)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.class_loss = partial(generalised_cross_entropy, q=self.training.gce_q)
