"""What a study runs, worked out once after the file is read and passed down unchanged: its cells and their trials."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fer_tune.data.loading import dataset_key
from fer_tune.names import LAMBDA, METHOD, NEWER_SETTINGS, Setting
from fer_tune.study.errors import MisplacedError, plain_message, without_tags
from fer_tune.study.schema import SECTIONS, Dimension, Sample, Study, TrialConfig, Value

LONGEST_KEY = 200  # characters; trial folders add up to 25 to a cell's key, and file systems allow 255 bytes
Suggestion = Mapping[Setting, float]
End = Callable[[tuple[float, float]], float]  # min or max of a range


@dataclass(frozen=True)
class Cell:
    """One search of a study: one value of every condition and every grid, and the ranges left to Optuna.

    Attributes:
        study: the study that it belongs to.
        condition: the value of each listed condition.
        grid: the value of each grid, and of what goes with it (per_lambda, per_method).
        space: what Optuna chooses, sampled conditions included.
        sampled: the conditions in `space`, which are drawn and not searched.
        configurations: how many configurations the search tries.
        is_reference: it is a baseline of the race: another method, with which the lambdas are compared.
    """

    study: Study = field(repr=False)
    condition: Mapping[Setting, Value]
    grid: Mapping[Setting, Value]
    space: Mapping[Setting, Dimension]
    sampled: tuple[Setting, ...]
    configurations: int
    is_reference: bool = False

    @cached_property
    def key(self) -> str:
        """A name that is a safe folder name and stays the same when grids grow."""
        return _key({**self.condition, **self.grid})

    @cached_property
    def condition_key(self) -> str:
        """The name of its condition."""
        return _key(self.condition)

    def config(self, suggestion: Suggestion, seed: int) -> TrialConfig:
        """One trial's settings: the study's, with the cell's and the suggestion's values put in.

        Raises pydantic.ValidationError where they do not fit together.
        """
        raw = {section: getattr(self.study, section).model_dump(by_alias=True) for section in SECTIONS}
        for setting, value in {**self.condition, **self.grid, **suggestion}.items():
            raw[setting.section][setting.key] = value
        if raw["model"]["encoder_weights"]:  # workers run in another folder
            raw["model"]["encoder_weights"] = str(Path(raw["model"]["encoder_weights"]).resolve())
        if raw["training"]["method"] != "joint":
            raw["training"]["lambda"] = 0.0
        return TrialConfig.model_validate({**raw, "seed": seed})

    def at(self, end: End, seed: int = 0) -> TrialConfig:
        """A trial with every searched setting at the lowest (`min`) or highest (`max`) of its range."""
        return self.config({setting: end(d.range) for setting, d in self.space.items() if d.range}, seed)

    def typical(self, seed: int | None = None) -> TrialConfig:
        """A trial with every searched setting at the middle of its range; of the study's first seed unless named."""
        middle = {setting: d.middle for setting, d in self.space.items() if d.middle is not None}
        return self.config(middle, self.study.seeds[0] if seed is None else seed)


@dataclass(frozen=True)
class Plan:
    """Everything that a study runs.

    Attributes:
        study: the settings.
        cells: every search in a fixed order: conditions outermost, then grids.
        races_by_default: the study file names neither seeds nor a race.
    """

    study: Study
    cells: tuple[Cell, ...]
    races_by_default: bool = False

    @property
    def total_trials(self) -> int:
        """Trials with a result of their own, baselines included; shared warm-ups are not. A race may need fewer."""
        return sum(cell.configurations for cell in self.cells) * self.runs_per_configuration

    @property
    def runs_per_configuration(self) -> int:
        """Trials of one configuration: one for each seed, and their baselines where the gain is maximised."""
        return len(self.study.seeds) * (2 if self.study.maximises_gain else 1)

    @property
    def conditions(self) -> dict[str, tuple[Cell, ...]]:
        """The cells of each condition, by its key."""
        found: dict[str, tuple[Cell, ...]] = {}
        for cell in self.cells:
            found[cell.condition_key] = (*found.get(cell.condition_key, ()), cell)
        return found

    @property
    def resolved(self) -> Any:
        """The study as `study.json` holds it."""
        return resolved(self.study)

    def datasets(self) -> dict[str, Any]:
        """The specification of each different data set, by its key within the study."""
        specs = [cell.at(min).dataset for cell in self.cells]
        return {dataset_key(spec.model_dump(mode="json")): spec for spec in specs}


def resolved(study: Study) -> Any:
    """A study as `study.json` holds it: every default filled in."""
    return json.loads(study.model_dump_json(by_alias=True))


def left_open(study: Study) -> list[Setting]:
    """The newer settings that a study file does not name: in a folder that is continued they stay what they were."""
    return [
        Setting.named(f"{section}.{key}")
        for section, values in NEWER_SETTINGS.items()
        for key in values
        if key not in getattr(study, section).model_fields_set
    ]


def as_begun(plan: Plan, begun: Study | TrialConfig) -> Plan:
    """The plan that continues what was begun with these settings.

    It takes over the newer settings that the study file does not name, and the seeds and the race where it names
    neither: their defaults today are not what an older version did.
    """
    study = plan.study
    if plan.races_by_default and isinstance(begun, Study):
        study = study.model_copy(update={"decide": begun.decide, "seeds": begun.seeds})
    for setting in left_open(study):
        before = getattr(getattr(begun, setting.section), setting.key)
        section = getattr(study, setting.section).model_copy(update={setting.key: before})
        study = study.model_copy(update={setting.section: section})
    return plan if study == plan.study else replace(make_plan(study), races_by_default=plan.races_by_default)


def make_plan(study: Study) -> Plan:
    """Expand a study into its cells, and check every corner of every search, so that no trial fails on its settings.

    Raises MisplacedError, which names the setting at fault.
    """
    plan = Plan(study, tuple(_cells(study)))
    _check_keys(plan)
    for cell in plan.cells:
        _check_corners(cell)
    return plan


def _cells(study: Study) -> Iterator[Cell]:
    conditions = study.varied_conditions
    listed = {setting: values for setting, values in conditions.items() if isinstance(values, tuple)}
    sampled = {s: Dimension(uniform=values.sample) for s, values in conditions.items() if isinstance(values, Sample)}
    for condition in _product(listed):
        method = _value(condition, METHOD, study.training.method)
        grids = {setting: d.grid for setting, d in study.searched.items() if d.grid is not None}
        space = {setting: d for setting, d in study.searched.items() if d.range is not None}
        if method != "joint":  # it has no lambda to search
            grids |= {setting: (0.0,) for setting in grids if setting.path == LAMBDA}
            space = {setting: d for setting, d in space.items() if setting.path != LAMBDA}
        space = {**sampled, **space}
        configurations = study.optuna.trials if space else 1
        for grid in _product(grids):
            paired = _paired(study, method, _value(grid, LAMBDA, None))
            yield Cell(study, condition, {**grid, **paired}, space, tuple(sampled), configurations)
        for baseline in study.decide.baselines if study.decide else ():
            own = {Setting.named("method"): baseline.method, Setting.named("lr"): baseline.lr or study.training.lr}
            yield Cell(study, condition, own, {}, (), 1, is_reference=True)


def _paired(study: Study, method: Value, lam: float | None) -> dict[Setting, float]:
    """The values that go with a cell's method or lambda."""
    found = {}
    for setting, dimension in study.searched.items():
        if dimension.per_method is not None:
            found[setting] = dimension.per_method[study.methods.index(method)]
        elif dimension.per_lambda is not None and lam is not None:
            grid = study.lambda_grid
            found[setting] = dimension.per_lambda[grid.index(lam) if lam in grid else 0]
    return found


def _check_corners(cell: Cell) -> None:
    ends = [[(setting, end) for end in (d.range or ())] for setting, d in cell.space.items()]
    for corner in itertools.product(*ends):
        try:
            config = cell.config(dict(corner), cell.study.seeds[0])
        except ValidationError as error:
            if cell.is_reference:
                raise MisplacedError(("decide", "baselines"), plain_message(error.errors()[0])) from None
            raise _misplaced(cell.study, error.errors()[0]) from None
        if cell.study.objective == "val_ccc" and all(s.kind == "categorical" for s in config.label_sets):
            raise MisplacedError(("objective",), f"val_ccc: {cell.key} learns no continuous label set")


def _misplaced(study: Study, problem: Any) -> MisplacedError:
    """A trial's mistake, reported at the condition or search that caused it, else at its own key."""
    location = without_tags(problem["loc"]) or getattr(problem.get("ctx", {}).get("error"), "location", ())
    path = ".".join(str(part) for part in location[:2])
    for role, names in (("conditions", study.conditions), ("search", study.search)):
        for name in names:
            if Setting.named(name).path == path:
                location = (role, name)
    return MisplacedError(location, plain_message(problem))


def _value(values: Mapping[Setting, Any], path: str, default: Any) -> Any:
    return next((value for setting, value in values.items() if setting.path == path), default)


def _product(values: Mapping[Setting, Sequence[Any]]) -> Iterator[dict[Setting, Any]]:
    for combination in itertools.product(*values.values()):
        yield dict(zip(values, combination, strict=True))


def _key(values: Mapping[Setting, Value]) -> str:
    """A folder name for these values; of a long one the end is replaced by a digest of it all."""
    key = ",".join(f"{setting.name}={_plain(value)}" for setting, value in values.items()) or "all"
    return key if len(key) <= LONGEST_KEY else f"{key[: LONGEST_KEY - 13]}+{_digest(key)}"


def _plain(value: Value) -> str:
    """A value as part of a folder name. One that is not ASCII gets a digest, so that no two values become one name."""
    text = repr(value) if isinstance(value, float) else str(value)
    kept = re.sub(r"[^A-Za-z0-9._+-]", "_", text)
    return kept if text.isascii() else f"{kept}+{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _check_keys(plan: Plan) -> None:
    """Refuse conditions whose trials would share a folder."""
    cells: dict[str, Cell] = {}
    for cell in plan.cells:
        other = cells.setdefault(cell.key, cell)
        if other is not cell:
            differing = next(s for s, value in cell.condition.items() if other.condition[s] != value)
            values = f"{other.condition[differing]!r} and {cell.condition[differing]!r}"
            text = f"{values} become the same folder name {cell.condition_key!r}: rename one of them"
            raise MisplacedError(("conditions", differing.name), text)
