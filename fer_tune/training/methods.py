"""The systems compared: the paper's joint game, its VGGNet alone, Co-teaching, generalised cross-entropy.

They share encoder, data, noise draw and evaluation. `joint` with lambda 0 and `multitask` are the same system.
"""

from collections.abc import Mapping

from fer_tune.data.noisy import NoisyData
from fer_tune.models.spec import ModelSpec
from fer_tune.training.coteaching import CoTeacher
from fer_tune.training.gce import GceTrainer
from fer_tune.training.spec import TrainingSpec
from fer_tune.training.trainer import Trainer

METHODS: Mapping[str, type[Trainer]] = {
    "joint": Trainer,
    "multitask": Trainer,
    "coteaching": CoTeacher,
    "gce": GceTrainer,
}


def build_trainer(
    data: NoisyData, model: ModelSpec | None = None, training: TrainingSpec | None = None, seed: int = 0
) -> Trainer:
    """A run of the method that `training` names. Raises ValueError as `Trainer` does."""
    training = training or TrainingSpec()
    return METHODS[training.method](data, model, training, seed)


__all__ = ["METHODS", "CoTeacher", "GceTrainer", "build_trainer"]
