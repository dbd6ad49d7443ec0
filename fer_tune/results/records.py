"""Typed records of one trial: what it is (trial.json) and how it ended (result.json)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

FORMAT_VERSION = 1


class Role(StrEnum):
    """What a trial is for."""

    TRIAL = "trial"
    BASELINE = "baseline"  # at lambda 0, so that another trial's gain can be told
    REFERENCE = "reference"  # of a method without lambda, which every lambda is compared with
    WARM_UP = "warm_up"  # the epochs that trials differing only in lambda share


class Status(StrEnum):
    """How a trial ended."""

    FINISHED = "finished"
    STOPPED = "stopped"  # by a scheduler
    DIVERGED = "diverged"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """What a trial is: the content of trial.json.

    Attributes:
        role: what it is for.
        cell: the key of the search that it belongs to.
        condition_key: the key of its condition.
        number: the place of its configuration in the search, from 0.
        seed: everything random in it follows from this.
        warm_up: the key of the warm-up that it continues, or None.
        varied: the settings in which the study's trials differ, by their names in the study file.
        validation_samples: how many samples score it.
        accuracy_shrinkage: what a difference in clean accuracy is multiplied by on its noisy validation labels.
        config: the whole configuration, as plain JSON.
    """

    role: Role = Role.TRIAL
    cell: str = "all"
    condition_key: str = "all"
    number: int = 0
    seed: int = 0
    warm_up: str | None = None
    varied: Mapping[str, Any] = field(default_factory=dict)
    validation_samples: int | None = None
    accuracy_shrinkage: float | None = None
    config: Mapping[str, Any]

    @classmethod
    def from_json(cls, found: Any) -> Self:
        """The record in a parsed trial.json. Raises ValueError where it is not one."""
        if not isinstance(found, Mapping) or not isinstance(found.get("config"), Mapping):
            raise ValueError("not a trial record")
        if unknown := set(found) - set(cls.__dataclass_fields__):
            raise ValueError(f"unknown keys {sorted(unknown)}")
        return cls(**{**found, "role": Role(found.get("role", Role.TRIAL))})

    def as_json(self) -> dict[str, Any]:
        """The content of trial.json."""
        return asdict(self)

    @property
    def is_warm_up(self) -> bool:
        """Whether it only serves other trials and has no result of its own."""
        return self.role is Role.WARM_UP


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """How a trial ended: the content of result.json.

    Attributes:
        status: how it ended.
        objective: the metric's mean over the last five epochs; None where there is none.
        metric: the name of what is maximised.
        epochs: how many epochs it ran.
        seconds: spent in its epochs.
        reason: why it did not finish; empty where it did.
    """

    status: Status
    objective: float | None
    metric: str
    epochs: int
    seconds: float
    reason: str = ""

    @classmethod
    def from_json(cls, found: Any) -> Self:
        """The result in a parsed result.json. Raises ValueError where it is not one."""
        if not isinstance(found, Mapping) or set(found) != set(cls.__dataclass_fields__):
            raise ValueError("not a trial's result")
        if not isinstance(found["objective"], float | int | None):
            raise ValueError("objective is not a number")
        return cls(**{**found, "status": Status(found["status"])})

    def as_json(self) -> dict[str, Any]:
        """The content of result.json."""
        return asdict(self)
