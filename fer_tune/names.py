"""Names and numbers that several rooms must agree on. Every room may use them; they know none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

SHORT_NAMES = {
    "lambda": "training.lambda",
    "lr": "training.lr",
    "noise_ratio": "noise.ratio",
    "noise_kind": "noise.kind",
    "method": "training.method",
}
FINGERPRINT = {
    "dataset": ("image_size",),
    "noise": ("kind",),
    "model": ("width", "encoder", "game_size", "features", "encoder_norm", "encoder_input"),
    "training": (
        "epochs",
        "batch_size",
        "warmup_epochs",
        "gamma",
        "score_weights",
        "augment",
        "balance",
        "average",
        "order",
        "optimiser",
        "weight_decay",
        "schedule",
        "lr_warmup_epochs",
    ),
}  # settings that the best lambda may depend on: a result does not carry over to other values
# Settings that older versions did not have, by section, with what these versions did; today's defaults may differ.
NEWER_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "model": {"encoder": "vgg16", "game_size": None},
    "training": {
        "average": 0.0,
        "order": "generator_first",
        "optimiser": "adam",
        "weight_decay": 0.0,
        "schedule": "constant",
        "lr_warmup_epochs": 0,
        "crop_padding": "grey",
    },
}
LAST_EPOCHS = 5  # a trial's result is the mean of its last five epochs, declared beforehand
FEWEST_EPOCHS = 6  # with fewer nothing is known of a curve's end
LAMBDA, LR, NOISE_RATIO, NOISE_KIND, METHOD = SHORT_NAMES.values()


@dataclass(frozen=True)
class Setting:
    """One setting of a study.

    Attributes:
        name: as the study file writes it, short (`lambda`) or full (`training.lambda`). Trial folders and table
            columns are named after it.
        path: its full name, `section.key`.
    """

    name: str
    path: str

    @classmethod
    def named(cls, name: str) -> Self:
        """The setting that a study file calls `name`."""
        return cls(name, SHORT_NAMES.get(name, name))

    @property
    def section(self) -> str:
        """The study file's section: dataset, noise, model or training."""
        return self.path.partition(".")[0]

    @property
    def key(self) -> str:
        """Its key in that section."""
        return self.path.partition(".")[2]


def completed(written: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a results folder holds (study.json, a trial's config), completed where an older version wrote them.

    Each newer setting that they lack gets what that version did.
    """
    newer = {s: {**before, **written[s]} for s, before in NEWER_SETTINGS.items() if isinstance(written.get(s), Mapping)}
    return {**written, **newer}


def find(settings: Iterable[Setting], path: str) -> Setting | None:
    """The setting of that full name, or None."""
    return next((setting for setting in settings if setting.path == path), None)
