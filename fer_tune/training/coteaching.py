"""Co-teaching (Han et al., NeurIPS 2018): two networks, each trained on samples that the other finds easy."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_tune.data.labels import first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.training.losses import weighted_mean
from fer_tune.training.trainer import Trainer

FORGETTING_EPOCHS = 10  # over which the kept share falls (their T_k)


class CoTeacher(Trainer):
    """Two VGGNets on the first categorical set alone; the first one's predictions are reported.

    The share of a batch that each learns from falls linearly from 1 to 1 - `training.forget_rate` over the first
    ten epochs (their R(T)). Raises ValueError if no forget rate is given.
    """

    def __init__(self, data: NoisyData, *args: Any, **kwargs: Any) -> None:
        super().__init__(_first_set_alone(data), *args, **kwargs)
        if self.training.forget_rate is None:
            raise ValueError("coteaching needs training.forget_rate if noise.ratio does not give it")

    def build(self) -> None:
        super().build()
        self.peer = self.build_encoder("peer")
        self.optimisers["peer"] = self.build_optimiser(self.peer.parameters(), self.training.weight_decay)

    @property
    def kept(self) -> float:
        """Share of a batch that is kept in the current epoch (counted from 1)."""
        rate = self.training.forget_rate or 0.0
        return 1 - rate * min(self.epoch / FORGETTING_EPOCHS, 1.0)

    def task_update(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """One Adam step of each network on the samples whose loss is smallest under the other one."""
        present = ~torch.isnan(targets).any(1)
        zero = torch.zeros((), device=self.device)
        if not present.any():
            return {"cross_entropy": zero, "ccc_loss": zero, "task_loss": zero}
        images, classes = images[present], targets[present].argmax(1)
        with self.autocast():
            outputs = [network(images, self.generators["dropout"]).labels for network in (self.encoder, self.peer)]
        own, other = (F.cross_entropy(output.float(), classes, reduction="none") for output in outputs)
        count = max(1, round(self.kept * len(classes)))
        weight = self.class_weights.get(self.first.name)
        easy, easy_for_peer = (losses.detach().argsort()[:count] for losses in (own, other))
        loss = weighted_mean(own[easy_for_peer], classes[easy_for_peer], weight)
        self.descend("generator", loss)
        self.descend("peer", weighted_mean(other[easy], classes[easy], weight))
        return {"cross_entropy": loss.detach(), "ccc_loss": zero, "task_loss": loss.detach()}


def _first_set_alone(data: NoisyData) -> NoisyData:
    """The same data with its first categorical set as the only label set."""
    first = first_categorical(data.label_sets)

    def only(labels: Mapping[str, Any]) -> dict[str, Any]:
        return {first.name: labels[first.name]}

    dataset = replace(data.dataset, label_sets=(first,), labels=only(data.dataset.labels))
    return NoisyData(dataset, only(data.labels))
