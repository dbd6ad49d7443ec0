"""The study file: what to run, as a typed and validated specification. The only reader of YAML."""

import difflib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from fer_tune.data.kinds import KINDS, DatasetSpec
from fer_tune.data.labels import LabelSet, first_categorical
from fer_tune.data.noise import NoiseSpec
from fer_tune.data.synthetic import SyntheticSpec
from fer_tune.data.votes import majority_sets
from fer_tune.models.spec import ModelSpec
from fer_tune.training.spec import TrainingSpec

NAMES = {  # short names of what a study varies
    "lambda": "training.lambda",
    "lr": "training.lr",
    "noise_ratio": "noise.ratio",
    "noise_kind": "noise.kind",
    "method": "training.method",
}
SECTIONS = ("dataset", "noise", "model", "training")
Value = bool | int | float | str
GAIN_NOTE = (
    "noise_ratio is optimised together with the rest: accuracy alone would only ever pick the least noise, "
    "so the objective is the gain over lambda = 0 at the same noise and seed, with the study file's learning rate."
)


class StudyError(ValueError):
    """A study that cannot be run; the message has one line a mistake and says where it stands."""


class _Misplaced(ValueError):
    """A mistake found across keys, with the place where it stands."""

    def __init__(self, loc: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.loc = loc


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class Sample(_Spec):
    """A condition drawn from a range to fill the space, for the surface of the best lambda over it."""

    sample: tuple[float, float] = Field(description="lowest and highest value")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range("sample", self.sample)
        return self


class Dimension(_Spec):
    """One searched setting: every value of a grid, one value for each lambda, or Optuna's choice within a range."""

    grid: tuple[float, ...] | None = Field(None, description="each value gets its own, equally large search")
    per_lambda: tuple[float, ...] | None = Field(None, description="one value for each value of lambda's grid")
    per_method: tuple[float, ...] | None = Field(None, description="one value for each value of the condition method")
    uniform: tuple[float, float] | None = Field(None, description="lowest and highest value")
    log_uniform: tuple[float, float] | None = Field(None, description="lowest and highest value, both above 0")

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = [name for name in Dimension.model_fields if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(f"give exactly one of {', '.join(Dimension.model_fields)}")
        if self.beside is not None:
            return self
        if self.grid is not None:
            if not self.grid:
                raise ValueError("grid is empty: list at least one value")
            if len(set(self.grid)) < len(self.grid):
                raise ValueError(f"grid names a value twice: {list(self.grid)}")
            return self
        bounds = self.uniform or self.log_uniform
        assert bounds is not None
        _check_range(named[0], bounds)
        if self.log_uniform is not None and bounds[0] <= 0:
            raise ValueError(f"log_uniform must start above 0: it starts at {bounds[0]:g}")
        return self

    @property
    def beside(self) -> tuple[float, ...] | None:
        """The values that stand beside those of another setting."""
        return self.per_lambda or self.per_method

    @property
    def range(self) -> tuple[float, float] | None:
        return self.uniform or self.log_uniform


class OptunaSpec(_Spec):
    """How Optuna searches what is not a grid."""

    trials: int = Field(8, ge=1, description="configurations of each search (each grid cell x condition)")
    sampler: Literal["tpe", "random", "qmc"] = Field("tpe", description="Optuna's sampler")
    batch: int = Field(4, ge=1, description="configurations suggested before the next results are told")
    seed: int = Field(0, ge=0, description="of the sampler")


class Resources(_Spec):
    """What one trial holds. `gpu: auto` is one whole GPU where there are any, else none."""

    cpu: int = Field(1, ge=1, description="CPUs of a trial, and its torch threads")
    gpu: Literal["auto"] | Annotated[float, Field(ge=0)] = Field(
        "auto", description="GPUs of a trial; may be a fraction"
    )
    deterministic: bool = Field(
        False, description="let torch use deterministic algorithms alone: on GPUs slower, on CPUs they always are"
    )


class TrialConfig(_Spec):
    """Everything that one trial is a function of."""

    dataset: DatasetSpec
    noise: NoiseSpec
    model: ModelSpec
    training: TrainingSpec
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        sets, training = self.dataset.label_sets, self.training
        first = first_categorical(sets)
        classes = first.size
        for name in self.noise.ratios:
            if name not in [s.name for s in sets]:
                text = f"no label set {name!r}{_nearest(name, [s.name for s in sets])}"
                raise _Misplaced(("noise", "ratios", name), text)
        if self.noise.kind == "instance" and all(s.kind == "categorical" for s in sets):
            raise _Misplaced(("noise", "kind"), "instance needs a continuous label set, such as valence and arousal")
        known = self.noise.ratio_of(first) and not training.majority
        if training.method == "coteaching" and training.forget_rate is None and not known:
            text = "coteaching needs training.forget_rate: the ratio of wrong labels is not known from `noise`"
            raise _Misplaced(("training", "method"), text)
        if self.noise.matrix is not None and len(self.noise.matrix) != classes:
            raise _Misplaced(("noise", "matrix"), f"matrix has {len(self.noise.matrix)} rows for {classes} classes")
        scores = ["image", "noise", *(s.name for s in self.label_sets), "joint"]
        for name in training.score_weights:
            if name not in scores:
                raise _Misplaced(("training", "score_weights", name), f"no score {name!r}{_nearest(name, scores)}")
        if isinstance(self.dataset, SyntheticSpec) and training.batch_size > self.dataset.train:
            text = f"batch_size {training.batch_size} exceeds the {self.dataset.train} training images"
            raise _Misplaced(("training", "batch_size"), text)
        if training.lam > 0 and training.warmup_epochs >= training.epochs:
            text = f"warmup_epochs {training.warmup_epochs} leaves none of {training.epochs} epochs to the joint game"
            raise _Misplaced(("training", "warmup_epochs"), text)
        return self

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """What this trial learns: one vote where annotators have several, and with Co-teaching classes alone."""
        sets = majority_sets(self.dataset.label_sets) if self.training.majority else self.dataset.label_sets
        return (first_categorical(sets),) if self.training.method == "coteaching" else sets

    @property
    def resolved_training(self) -> TrainingSpec:
        """The training settings with what other sections decide: the forget rate is the noise ratio if not given."""
        if self.training.method != "coteaching" or self.training.forget_rate is not None:
            return self.training
        ratio = self.noise.ratio_of(first_categorical(self.dataset.label_sets))
        return self.training.model_copy(update={"forget_rate": ratio})


def with_training(config: TrialConfig, **changes: Any) -> TrialConfig:
    """The same trial with other training settings, by their names in Python (`lam`, not `lambda`)."""
    return config.model_copy(update={"training": config.training.model_copy(update=changes)})


@dataclass(frozen=True)
class Cell:
    """One search of a study: a value of every condition and every grid, and what is left to Optuna."""

    condition: Mapping[str, Value]
    grid: Mapping[str, float]
    space: Mapping[str, Dimension]
    sampled: tuple[str, ...] = field(default=())  # conditions among `space`, drawn and not searched

    @property
    def key(self) -> str:
        """A name of this cell that is a safe folder name and stable when grids grow."""
        values = {**self.condition, **self.grid}
        return ",".join(f"{name}={_plain(value)}" for name, value in values.items()) or "all"

    @property
    def condition_key(self) -> str:
        return ",".join(f"{name}={_plain(value)}" for name, value in self.condition.items()) or "all"


class Study(_Spec):
    """A study file, resolved. The shape is documented in the README; `--schema` prints it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="names the results folder")
    dataset: DatasetSpec = Field(default_factory=SyntheticSpec)
    noise: NoiseSpec = Field(default_factory=NoiseSpec)
    model: ModelSpec = Field(default_factory=ModelSpec)
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    conditions: dict[str, tuple[Value, ...] | Sample] = Field(
        default_factory=dict, description="studied, never optimised: each value gets its own optimum"
    )
    search: dict[str, Dimension] = Field(default_factory=dict, description="optimised: lambda, lr, noise_ratio")
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1, description="repeats of a configuration")
    objective: Literal["val_accuracy", "val_mean_class_accuracy", "val_macro_f1", "val_ccc"] = Field(
        "val_accuracy", description="what is maximised, always on noisy validation data"
    )
    optuna: OptunaSpec = Field(default_factory=OptunaSpec)
    warm_start: str | None = Field(
        None, description="an earlier study's results folder; Optuna starts from its configurations"
    )
    scheduler: Literal["none", "asha", "median"] = Field(
        "none", description="may stop trials early; one instance a condition. A large lambda starts slowly: beware"
    )
    resources: Resources = Field(default_factory=Resources)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise _Misplaced(("seeds",), f"seeds names one twice: {list(self.seeds)}")
        for section, names in (("conditions", self.conditions), ("search", self.search)):
            for name in names:
                _check_name(section, name)
        both = {NAMES.get(n, n) for n in self.conditions} & {NAMES.get(n, n) for n in self.search}
        if both:
            raise _Misplaced(("search",), f"{sorted(both)} also under conditions: a setting has one role")
        for name, values in self.conditions.items():
            if isinstance(values, tuple) and (not values or len(set(values)) < len(values)):
                raise _Misplaced(("conditions", name), f"list at least one value, and each once: {list(values)}")
        for name, d in self.search.items():
            for key, own, others, of in (
                ("per_lambda", d.per_lambda, self._lambda_grid(), "lambda's grid"),
                ("per_method", d.per_method, self._methods(), "the condition method"),
            ):
                if own is not None and len(own) != len(others):
                    text = f"{key} lists {len(own)} values for {len(others)} values of {of}"
                    raise _Misplaced(("search", name), text)
        ranges = [(("conditions", n), n) for n, v in self.conditions.items() if isinstance(v, Sample)]
        ranges += [(("search", n), n) for n, d in self.search.items() if d.range is not None]
        for loc, name in ranges:
            if _field(name).annotation is not float:
                raise _Misplaced(loc, f"{name!r} is not a real number: list its values instead of a range")
            if NAMES.get(name, name).startswith(("dataset.", "model.")):
                raise _Misplaced(loc, f"{name!r} cannot be drawn from a range: list its values")
        sampled = any(isinstance(values, Sample) for values in self.conditions.values())
        if self.scheduler != "none" and (sampled or self.maximises_gain):
            text = "compares trials at different noise ratios: use none where a condition is sampled or optimised"
            raise _Misplaced(("scheduler",), f"{self.scheduler} {text}")
        self._check_trials()
        return self

    def _check_trials(self) -> None:
        """Build the corners of every search, so that no trial can fail on its settings later."""
        for cell in self.cells():
            ends = [[(name, end) for end in (d.range or ())] for name, d in cell.space.items()]
            for corner in itertools.product(*ends):
                try:
                    config = self.trial_config(cell, dict(corner), self.seeds[0])
                except ValidationError as error:
                    raise self._misplaced(error.errors()[0]) from None
                if self.objective == "val_ccc" and all(s.kind == "categorical" for s in config.label_sets):
                    raise _Misplaced(("objective",), f"val_ccc: {cell.key} learns no continuous label set")

    def _misplaced(self, problem: Any) -> _Misplaced:
        """A trial's mistake, placed at the condition or search that brought it in, else at its own key."""
        loc = _without_tags(problem["loc"]) or getattr(problem.get("ctx", {}).get("error"), "loc", ())
        setting = ".".join(str(part) for part in loc[:2])
        for section, names in (("conditions", self.conditions), ("search", self.search)):
            for name in names:
                if NAMES.get(name, name) == setting:
                    loc = (section, name)
        return _Misplaced(loc, _plain_message(problem))

    @property
    def maximises_gain(self) -> bool:
        """Whether the noise ratio is optimised, so that the objective is the gain over lambda = 0."""
        return any(NAMES.get(name, name) == "noise.ratio" for name in self.search)

    def _lambda_grid(self) -> tuple[float, ...]:
        """The values of lambda's grid; none where lambda is no grid."""
        dimension = _value(self.search, "training.lambda", None)
        return (dimension and dimension.grid) or ()

    def cells(self) -> list[Cell]:
        """Every search of the study, in a fixed order: conditions outermost, then grids."""
        listed = {k: v for k, v in self.conditions.items() if isinstance(v, tuple)}
        sampled = {k: Dimension(uniform=v.sample) for k, v in self.conditions.items() if isinstance(v, Sample)}
        result = []
        for condition in _product(listed):
            grids = {k: d.grid for k, d in self.search.items() if d.grid is not None}
            space = {k: d for k, d in self.search.items() if d.range is not None}
            if self._method(condition) != "joint":  # it has no lambda to search
                grids |= {name: (0.0,) for name in grids if NAMES.get(name, name) == "training.lambda"}
                space = {name: d for name, d in space.items() if NAMES.get(name, name) != "training.lambda"}
            for grid in _product(grids):
                beside = self._beside(condition, grid)
                result.append(Cell(condition, {**grid, **beside}, {**sampled, **space}, tuple(sampled)))
        return result

    def _method(self, condition: Mapping[str, Value]) -> Value:
        return _value(condition, "training.method", self.training.method)

    def _methods(self) -> tuple[Value, ...]:
        """The values of the condition method; none where it is no condition."""
        listed = {name: values for name, values in self.conditions.items() if isinstance(values, tuple)}
        return _value(listed, "training.method", ())

    def _beside(self, condition: Mapping[str, Value], grid: Mapping[str, float]) -> dict[str, float]:
        """The values that stand beside a cell's lambda or method."""
        lams, methods = self._lambda_grid(), self._methods()
        lam = _value(grid, "training.lambda", None)
        found = {}
        for name, dimension in self.search.items():
            if dimension.per_method is not None:
                found[name] = dimension.per_method[methods.index(self._method(condition))]
            elif dimension.per_lambda is not None and lam is not None:
                found[name] = dimension.per_lambda[lams.index(lam) if lam in lams else 0]
        return found

    def configurations(self, cell: Cell) -> int:
        """How many configurations a cell's search tries."""
        return self.optuna.trials if cell.space else 1

    def total_trials(self) -> int:
        """Every trial of the study, baselines of the gain objective included."""
        runs = sum(self.configurations(cell) for cell in self.cells()) * len(self.seeds)
        return runs * (2 if self.maximises_gain else 1)

    def trial_config(self, cell: Cell, suggestion: Mapping[str, float], seed: int) -> TrialConfig:
        """One trial's settings: the study's, with the cell's and the suggestion's values put in.

        Raises pydantic.ValidationError where they do not hold together.
        """
        raw = {section: getattr(self, section).model_dump(by_alias=True) for section in SECTIONS}
        for name, value in {**cell.condition, **cell.grid, **suggestion}.items():
            section, key = NAMES.get(name, name).split(".", 1)
            raw[section][key] = value
        if raw["model"]["encoder_weights"]:  # workers run elsewhere
            raw["model"]["encoder_weights"] = str(Path(raw["model"]["encoder_weights"]).resolve())
        if raw["training"]["method"] != "joint":
            raw["training"]["lambda"] = 0.0
        return TrialConfig.model_validate({**raw, "seed": seed})


def load_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Read a study file; `overrides` are `key.path=value` texts that replace or add values.

    Raises StudyError, naming file, line, key and what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=_Loader)
        raw = yaml.load(text, Loader=_Loader)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: is not UTF-8 text: {error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{path}:{mark.line + 1}" if mark else str(path)
        raise StudyError(f"{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(raw, dict):
        raise StudyError(f"{path}: a study file is a mapping of keys such as name, dataset, search")
    replaced = {key: _override(raw, key, value) for key, value in map(_split_override, overrides)}
    try:
        text = json.dumps(raw, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise StudyError(f"{path}: keys must be text and nothing may contain itself: {error}") from None
    try:
        return Study.model_validate_json(text, strict=True)
    except ValidationError as error:
        lines = [_describe(problem, path, root, replaced) for problem in _clearest(error.errors())]
        raise StudyError("\n".join(dict.fromkeys(lines))) from None


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader that refuses duplicate keys and reads 1e-3 as the number it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"key {key.value!r} stands twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _split_override(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise StudyError(f"--set {text}: write key.path=value, such as training.epochs=4")
    try:
        return key, yaml.load(value, Loader=_Loader)
    except yaml.YAMLError as error:
        raise StudyError(f"--set {text}: the value is not valid YAML: {error}") from None


def _override(raw: dict[str, Any], key: str, value: Any) -> str:
    """Put a value into the raw study; return the option's text for messages."""
    *parents, last = key.split(".")
    if len(parents) > 1 and parents[0] in ("conditions", "search"):
        parents, last = _longest_key(raw.get(parents[0]), parents, last)
    place = raw
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise StudyError(f"--set {key}={value}: {parent} is not a mapping")
    place[last] = value
    return f"--set {key}"


def _longest_key(section: Any, parents: list[str], last: str) -> tuple[list[str], str]:
    """Keys under conditions and search may contain dots themselves (training.batch_size)."""
    rest = [*parents[1:], last]
    for length in range(len(rest), 1, -1):
        joined = ".".join(rest[:length])
        if isinstance(section, dict) and joined in section:
            path = [parents[0], joined, *rest[length:]]
            return path[:-1], path[-1]
    return parents, last


@dataclass(frozen=True)
class _Problem:
    """One mistake: where it stands (without pydantic's names of union branches), of which kind, and in words."""

    loc: tuple[str | int, ...]
    kind: str
    text: str
    dataset: str = ""  # the kind of data set, where it stands in that section

    @property
    def is_mismatch(self) -> bool:
        """Whether the value is merely not of the type that a branch of a union asks for.

        A list whose items are wrong is called too short as well.
        """
        return self.kind.endswith("_type") or self.kind in ("literal_error", "too_short")


def _clearest(errors: Sequence[Any]) -> list[_Problem]:
    """One problem a key: a union's branches that the value never meant are passed over, or joined by `or`."""
    problems: list[_Problem] = []
    for error in errors:
        placed = getattr(error.get("ctx", {}).get("error"), "loc", None) or error["loc"]
        loc = _without_tags(placed)
        if error["type"] == "extra_forbidden":  # a key of the user's, whatever it looks like
            loc = (*_without_tags(placed[:-1]), placed[-1])
        dataset = str(placed[1]) if loc[:1] == ("dataset",) and loc != tuple(placed) else ""
        problems.append(_Problem(loc, error["type"], _plain_message(error), dataset))
    unknown = {p.loc[:-1] for p in problems if p.kind == "extra_forbidden"}
    problems = [p for p in problems if not (p.kind == "missing" and p.loc[:-1] in unknown)]
    meant = [p for p in problems if not (p.is_mismatch and any(_says_more(q, p) for q in problems))]
    merged: dict[tuple[str | int, ...], _Problem] = {}
    for problem in meant:
        before = merged.get(problem.loc)
        text = problem.text
        if before and before.text != text:
            text = f"{before.text.rsplit(': it is', 1)[0]} or {text}"
        merged[problem.loc] = replace(problem, text=text)
    return list(merged.values())


def _says_more(other: _Problem, problem: _Problem) -> bool:
    """Whether `other` is about the same value, or a part of it, and about more than its type."""
    within = other.loc[: len(problem.loc)] == problem.loc
    return within and (len(other.loc) > len(problem.loc) or not other.is_mismatch)


def _describe(problem: _Problem, path: Path, root: yaml.Node | None, replaced: Mapping[str, str]) -> str:
    loc = problem.loc
    key = ".".join(str(part) for part in loc)
    option = next((text for k, text in replaced.items() if key == k or key.startswith(k + ".")), None)
    where = option or f"{path}:{_line(root, loc)}"
    if problem.kind == "extra_forbidden":
        return f"{where}: unknown key {key!r}{_nearest(str(loc[-1]), _valid_keys(loc[:-1], problem.dataset))}"
    return f"{where}: {key + ': ' if key else ''}{problem.text}"


def _without_tags(loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """A place in the file, without the names that pydantic gives to branches of a union."""
    named = len(loc) > 1 and loc[0] == "dataset" and loc[1] in KINDS
    return tuple(part for i, part in enumerate(loc) if not _is_union_tag(part) and not (named and i == 1))


def _is_union_tag(part: str | int) -> bool:
    tags = ("Sample", "float", "int", "bool", "str", "constrained-float")
    return isinstance(part, str) and (part in tags or "[" in part)


def _plain_message(problem: Any) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return str(message)
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"kind must be one of {', '.join(KINDS)}: it is {problem['input'].get('kind')!r}"
    if problem["type"] == "missing":
        return "is missing: add it"
    if problem["type"] == "string_pattern_mismatch":
        return f"use up to 64 letters, digits, '.', '_' or '-', the first a letter or digit: it is {problem['input']!r}"
    if problem["type"] == "too_short":
        return "list at least one value"
    if len(problem["loc"]) == 2 and problem["loc"][0] == "search":
        return (
            "write {grid: [...]}, {uniform: [low, high]} or {log_uniform: [low, high]}; a fixed value goes under "
            f"training: it is {json.dumps(problem['input'], default=str)}"
        )
    if problem["loc"][0] == "conditions" and problem["type"] in ("tuple_type", "model_type", "dict_type"):
        return f"write a list of values, or {{sample: [low, high]}}: it is {json.dumps(problem['input'], default=str)}"
    message = message.replace("a valid array", "a list").replace("an object", "a mapping")
    return f"{message[0].lower()}{message[1:]}: it is {json.dumps(problem['input'], default=str)}"


def _line(root: yaml.Node | None, loc: Sequence[str | int]) -> int:
    """The line of the deepest node on the way to `loc`."""
    node, line = root, 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if match is None:
                break
            line, node = match[0].start_mark.line + 1, match[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _valid_keys(loc: Sequence[str | int], dataset: str = "") -> list[str]:
    """The keys that may stand at a place; in a data set's section those of its kind."""
    model: Any = Study
    for part in loc:
        if model is Study and part in ("conditions", "search"):
            return ["sample"] if part == "conditions" else list(Dimension.model_fields)
        if model is Study and part in SECTIONS:
            return list(_section_fields(str(part), dataset))
        model = next((f.annotation for n, f in model.model_fields.items() if (f.alias or n) == part), None)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return [f.alias or n for n, f in model.model_fields.items()]


def _nearest(key: str, valid: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    if close:
        return f": did you mean {close[0]!r}?"
    return f": valid keys are {', '.join(valid)}" if valid else ""


def _section_fields(section: str, kind: str = "") -> dict[str, FieldInfo]:
    """The settings of a section, as a study file names them; of all kinds where there are several and none is named."""
    annotation = Study.model_fields[section].annotation
    models = [annotation] if isinstance(annotation, type) else list(get_args(annotation))
    models = [m for m in models if kind in get_args(m.model_fields["kind"].annotation)] if kind else models
    return {f.alias or n: f for model in models for n, f in model.model_fields.items()}


def _field(name: str) -> FieldInfo:
    section, key = NAMES.get(name, name).split(".", 1)
    return _section_fields(section)[key]


def _check_name(section: str, name: str) -> None:
    parts = NAMES.get(name, name).split(".")
    fields = {s: list(_section_fields(s)) for s in SECTIONS}
    if len(parts) != 2 or parts[0] not in fields or parts[1] not in fields[parts[0]]:
        valid = [*NAMES, *(f"{s}.{n}" for s, names in fields.items() for n in names)]
        raise _Misplaced((section, name), f"unknown setting {name!r}{_nearest(name, valid)}")
    if section == "search" and (parts[0] in ("dataset", "model") or parts == ["training", "epochs"]):
        raise _Misplaced((section, name), f"{name!r} is never optimised: list its values under conditions")


def _check_range(name: str, bounds: tuple[float, float]) -> None:
    if bounds[0] >= bounds[1]:
        raise ValueError(f"{name} must rise from its lowest to its highest value: it is {list(bounds)}")


def _value(settings: Mapping[str, Any], full_name: str, default: Any) -> Any:
    """The value of a setting under whichever of its names it is listed."""
    return next((value for name, value in settings.items() if NAMES.get(name, name) == full_name), default)


def _product(values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for combination in itertools.product(*values.values()):
        yield dict(zip(values, combination, strict=True))


def _plain(value: Value) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text)
