"""The study that a results folder holds, read once from `study.json`; short names of settings are resolved here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from fer_tune.names import LAMBDA, LR, METHOD, NOISE_RATIO, Setting, completed, find

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "name": (), "objective": (), "seeds": (), "conditions": (), "search": (), "model": (),
    "dataset": ("kind",), "noise": ("kind", "ratio"), "training": ("lr",),
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """The values that a condition takes: listed ones, or a range that they are drawn from.

    Attributes:
        values: in the order of the study file; empty where they are drawn.
        drawn_from: lowest and highest value of the range; None where values are listed.
    """

    values: tuple[Any, ...]
    drawn_from: tuple[float, float] | None


@dataclass(frozen=True)
class Decide:
    """How a study decides: its seeds are the blocks of a race, which may stop early.

    Attributes:
        tolerance: the race stops where the pick can lose at most so much accuracy, a share.
        baselines: comparison methods that run on the same seeds, by the settings in which they differ from a trial.
    """

    tolerance: float
    baselines: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class StudyRecord:
    """A resolved study.

    Attributes:
        name: its own name.
        objective: the metric that it maximises.
        seeds: one trial of a configuration for each, in order.
        decide: how a race over the seeds decides; None where the seeds are a fixed list, all of which run.
        conditions: within which trials compare.
        search: how each setting is searched, as the study file says (`{"grid": [0.0, 0.4]}`), without empty entries.
        raw: the content of `study.json`; newer settings that it lacks hold what its version did.
    """

    name: str
    objective: str
    seeds: tuple[int, ...]
    decide: Decide | None
    conditions: Mapping[Setting, Condition]
    search: Mapping[Setting, Mapping[str, Any]]
    raw: Mapping[str, Any]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """The record of a resolved study as `study.json` writes it. Raises ValueError where it lacks something."""
        _check(raw)
        raw = completed(raw)
        return cls(
            name=str(raw["name"]),
            objective=str(raw["objective"]),
            seeds=tuple(raw["seeds"]),
            decide=_decide(raw.get("decide")),
            conditions={Setting.named(name): _condition(values) for name, values in raw["conditions"].items()},
            search={
                Setting.named(name): {how: values for how, values in dimension.items() if values}
                for name, dimension in raw["search"].items()
            },
            raw=raw,
        )

    def section(self, name: str) -> Mapping[str, Any]:
        """One section of the study file: dataset, noise, model or training."""
        section: Mapping[str, Any] = self.raw[name]
        return section

    @property
    def drawn(self) -> dict[Setting, tuple[float, float]]:
        """The conditions that are drawn from a range, with its ends."""
        return {setting: c.drawn_from for setting, c in self.conditions.items() if c.drawn_from is not None}

    @property
    def listed(self) -> dict[Setting, tuple[Any, ...]]:
        """The conditions whose values are listed, with these."""
        return {setting: c.values for setting, c in self.conditions.items() if c.drawn_from is None}

    @property
    def lambda_grid(self) -> list[float]:
        """The λs of the grid, run or not; empty where λ is searched or fixed."""
        return [float(lam) for lam in self._searched(LAMBDA).get("grid", ())]

    @property
    def learning_rates(self) -> Mapping[str, Any]:
        """How the learning rate is searched; empty where it is fixed."""
        return self._searched(LR)

    @property
    def maximises_gain(self) -> bool:
        """Whether the noise ratio itself is searched, so that scores are gains over λ = 0 at the same noise."""
        return find(self.search, NOISE_RATIO) is not None

    @property
    def planned_trials(self) -> int:
        """How many trials the whole study has, or has at most where it decides; shared warm-ups are not counted.

        Baselines of a gain and comparison methods are included.
        """
        methods = self._values(METHOD) or (self.section("training")["method"],)
        others = math.prod(len(values) for setting, values in self.listed.items() if setting.path != METHOD)
        runs = len(self.seeds) * (2 if self.maximises_gain else 1)
        compared = len(self.decide.baselines) * len(self.seeds) if self.decide is not None else 0
        return others * (runs * sum(self._configurations(str(method)) for method in methods) + compared)

    def _configurations(self, method: str) -> int:
        """How many configurations a condition with this method has; a method other than joint has no λ to vary."""
        own = {s: how for s, how in self.search.items() if method == "joint" or s.path != LAMBDA}
        grids = math.prod(len(how["grid"]) for how in own.values() if "grid" in how)
        drawn = bool(self.drawn) or any({"uniform", "log_uniform"} & set(how) for how in own.values())
        return grids * (int(self.raw["optuna"]["trials"]) if drawn else 1)

    def _values(self, path: str) -> tuple[Any, ...]:
        """The listed values of a condition; empty where it is not one."""
        setting = find(self.listed, path)
        return () if setting is None else self.listed[setting]

    def _searched(self, path: str) -> Mapping[str, Any]:
        setting = find(self.search, path)
        return {} if setting is None else self.search[setting]


def column(setting: Setting) -> str:
    """The column of a setting in trials.csv and epochs.csv: λ and the learning rate have one name there."""
    return {LAMBDA: "lambda", LR: "lr"}.get(setting.path, setting.name)


def _decide(found: Any) -> Decide | None:
    """The section `decide`, which older versions did not write. Raises ValueError where it is damaged."""
    if found is None:
        return None
    if not isinstance(found, Mapping) or "tolerance" not in found:
        raise ValueError("decide has no tolerance")
    return Decide(float(found["tolerance"]), tuple(dict(each) for each in found.get("baselines") or ()))


def _condition(values: Any) -> Condition:
    if isinstance(values, Mapping):
        low, high = values["sample"]
        return Condition((), (float(low), float(high)))
    return Condition(tuple(values), None)


def _check(raw: Any) -> None:
    """Raise ValueError where a resolved study lacks what reports need."""
    if not isinstance(raw, Mapping):
        raise ValueError("it is not an object")
    for name, keys in REQUIRED.items():
        if name not in raw:
            raise ValueError(f"it has no {name}")
        if keys and not isinstance(raw[name], Mapping):
            raise ValueError(f"{name} is not a section")
        if lacking := [key for key in keys if key not in raw[name]]:
            raise ValueError(f"{name} has no {lacking[0]}")
