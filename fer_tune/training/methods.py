"""The methods compared: the paper's joint training, its encoder alone, Co-teaching, generalised cross-entropy.

They share encoder, data, noise draw and evaluation. `joint` with lambda 0 and `multitask` are the same system. To add
one, name it in `TrainingSpec.method` and give `METHODS` a function that builds its `Trainer`.
"""

from collections.abc import Callable, Mapping
from functools import partial

from fer_tune.data.noisy import NoisyData
from fer_tune.models.spec import ModelSpec
from fer_tune.training.coteaching import CoTeacher
from fer_tune.training.losses import generalised_cross_entropy
from fer_tune.training.spec import TrainingSpec
from fer_tune.training.trainer import Trainer


def _gce(data: NoisyData, model: ModelSpec | None, training: TrainingSpec, seed: int) -> Trainer:
    """The multi-task VGGNet with a robust class loss (Zhang & Sabuncu, NeurIPS 2018)."""
    return Trainer(data, model, training, seed, class_loss=partial(generalised_cross_entropy, q=training.gce_q))


METHODS: Mapping[str, Callable[[NoisyData, ModelSpec | None, TrainingSpec, int], Trainer]] = {
    "joint": Trainer,
    "multitask": Trainer,
    "coteaching": CoTeacher,
    "gce": _gce,
}


def build_trainer(
    data: NoisyData, model: ModelSpec | None = None, training: TrainingSpec | None = None, seed: int = 0
) -> Trainer:
    """A run of the method that `training` names. Raises ValueError as `Trainer` and `CoTeacher` do."""
    training = training or TrainingSpec()
    return METHODS[training.method](data, model, training, seed)
