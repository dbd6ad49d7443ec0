"""Every setting of a study file, with its type, limits and default. Nothing else describes the study file."""

import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from fer_tune.data.kinds import DatasetSpec
from fer_tune.data.labels import LabelSet, first_categorical
from fer_tune.data.noise import NoiseSpec
from fer_tune.data.synthetic import SyntheticSpec
from fer_tune.data.votes import majority_sets
from fer_tune.models.spec import GAME_SIZES, ModelSpec
from fer_tune.names import LAMBDA, METHOD, NOISE_RATIO, SHORT_NAMES, Setting
from fer_tune.study.errors import MisplacedError, nearest
from fer_tune.training.spec import TrainingSpec

MOST_BLOCKS = 6  # seeds of a race that names none
SECTIONS = ("dataset", "noise", "model", "training")
Value = bool | int | float | str


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class Sample(_Spec):
    """A condition that is sampled evenly from a range, to map the best lambda over it."""

    sample: tuple[float, float] = Field(description="lowest and highest value")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range("sample", self.sample)
        return self


class Dimension(_Spec):
    """How one setting is searched: a grid of values, one value per lambda or method, or Optuna's choice in a range."""

    grid: tuple[float, ...] | None = Field(None, description="each value gets a search of its own, all equally large")
    per_lambda: tuple[float, ...] | None = Field(None, description="one value for each value of lambda's grid")
    per_method: tuple[float, ...] | None = Field(None, description="one value for each value of the condition method")
    uniform: tuple[float, float] | None = Field(None, description="lowest and highest value")
    log_uniform: tuple[float, float] | None = Field(None, description="lowest and highest value, both above 0")

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = [name for name in Dimension.model_fields if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(f"give exactly one of {', '.join(Dimension.model_fields)}")
        if self.paired is not None:
            return self
        if self.grid is not None:
            if not self.grid:
                raise ValueError("grid is empty: list at least one value")
            if len(set(self.grid)) < len(self.grid):
                raise ValueError(f"grid lists a value twice: {list(self.grid)}")
            return self
        bounds = self.uniform or self.log_uniform
        assert bounds is not None
        _check_range(named[0], bounds)
        if self.log_uniform is not None and bounds[0] <= 0:
            raise ValueError(f"log_uniform must start above 0: it starts at {bounds[0]:g}")
        return self

    @property
    def paired(self) -> tuple[float, ...] | None:
        """The values that go with those of another setting, one each."""
        return self.per_lambda or self.per_method

    @property
    def range(self) -> tuple[float, float] | None:
        """Lowest and highest value of what Optuna searches; None for listed values."""
        return self.uniform or self.log_uniform

    @property
    def middle(self) -> float | None:
        """The middle of the range on the scale that is searched: geometric for log_uniform."""
        if self.log_uniform is not None:
            return math.sqrt(self.log_uniform[0] * self.log_uniform[1])
        return sum(self.uniform) / 2 if self.uniform is not None else None


class OptunaSpec(_Spec):
    """How Optuna searches the settings that have a range."""

    trials: int = Field(
        8, ge=1, description="configurations of each search (each condition and grid value has its own search)"
    )
    sampler: Literal["tpe", "random", "qmc"] = Field("tpe", description="Optuna's sampler")
    batch: int = Field(
        4, ge=1, description="configurations suggested at once; Optuna sees their results before the next batch"
    )
    seed: int = Field(0, ge=0, description="seed of the sampler")


class Resources(_Spec):
    """What one trial uses. `gpu: auto` means one whole GPU if the machine has any, else none."""

    cpu: int = Field(1, ge=1, description="CPUs of a trial, which are also its torch threads")
    gpu: Literal["auto"] | Annotated[float, Field(ge=0)] = Field(
        "auto", description="GPUs of a trial; a fraction such as 0.25 runs four trials on each"
    )
    deterministic: bool = Field(
        False, description="use only deterministic algorithms (slower on a GPU; CPUs always use them)"
    )


class Baseline(_Spec):
    """Another method, run on the same seeds as the lambdas. It does not take part in the choice of lambda."""

    method: Literal["coteaching", "gce"] = Field(description="the method")
    lr: float | None = Field(None, gt=0, lt=1, description="its learning rate; default: training.lr")


class Decide(_Spec):
    """The race over seeds that chooses lambda. Its seeds are `seeds`, in their order."""

    tolerance: float = Field(
        0.05,
        ge=0,
        le=1,
        description="stop once the chosen lambda can lose at most so much accuracy (95 %): of clean accuracy where "
        "`noise` says how many labels are wrong, else of accuracy on the held-out labels as they are",
    )
    prior: str | None = Field(
        None,
        description="results folder of an earlier study with the same settings, which tells how much seeds differ, so "
        "that fewer of them suffice. Default: what fer-tune knows of its own drawn faces, where the settings are equal",
    )
    baselines: tuple[Baseline, ...] = Field((), description="other methods to compare with, on the same seeds")

    @model_validator(mode="after")
    def _check(self) -> Self:
        methods = [baseline.method for baseline in self.baselines]
        if len(set(methods)) < len(methods):
            raise ValueError(f"baselines lists a method twice: {methods}")
        return self


class ReportSpec(_Spec):
    """What the report shows of the data."""

    faces: Literal["none", "few"] | None = Field(
        None,
        description="test images on which methods disagree: `few` puts up to 24 of them into the report's page, and "
        "whoever gets the page sees these people. Default: few for synthetic (drawn) faces, none for all other data",
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
                text = f"no label set {name!r}{nearest(name, [s.name for s in sets])}"
                raise MisplacedError(("noise", "ratios", name), text)
        if self.noise.kind == "instance" and all(s.kind == "categorical" for s in sets):
            raise MisplacedError(
                ("noise", "kind"), "instance needs a continuous label set, such as valence and arousal"
            )
        known = self.noise.ratio_of(first) and not training.majority
        if training.method == "coteaching" and training.forget_rate is None and not known:
            text = "coteaching needs training.forget_rate, because `noise` does not say the share of wrong labels"
            raise MisplacedError(("training", "method"), text)
        if self.noise.matrix is not None and len(self.noise.matrix) != classes:
            raise MisplacedError(("noise", "matrix"), f"matrix has {len(self.noise.matrix)} rows for {classes} classes")
        scores = ["image", "noise", *(s.name for s in self.label_sets), "joint"]
        for name in training.score_weights:
            if name not in scores:
                raise MisplacedError(("training", "score_weights", name), f"no score {name!r}{nearest(name, scores)}")
        if isinstance(self.dataset, SyntheticSpec) and training.batch_size > self.dataset.train:
            text = f"batch_size {training.batch_size} exceeds the {self.dataset.train} training images"
            raise MisplacedError(("training", "batch_size"), text)
        if training.lam > 0 and training.warmup_epochs >= training.epochs:
            text = (
                f"warmup_epochs {training.warmup_epochs} leaves none of the {training.epochs} epochs for joint training"
            )
            raise MisplacedError(("training", "warmup_epochs"), text)
        if training.lr_warmup_epochs >= training.epochs:
            text = f"{training.lr_warmup_epochs} leaves no epoch of the {training.epochs} with the full learning rate"
            raise MisplacedError(("training", "lr_warmup_epochs"), text)
        self._check_sizes()
        return self

    def _check_sizes(self) -> None:
        """Refuse images that the decoder cannot make, or that are larger than those that there are."""
        size, game = self.dataset.image_size, self.model.game_size
        if game is not None and game > size:
            raise MisplacedError(("model", "game_size"), f"{game} exceeds dataset.image_size, which is {size}")
        if game is None and size not in GAME_SIZES and self.training.lam > 0:
            text = f"the decoder makes no images of {size} pixels: set model.game_size to 32, 64 or 128"
            raise MisplacedError(("dataset", "image_size"), text)

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """What this trial learns: the annotators' vote if `majority`, and only the classes with Co-teaching."""
        sets = majority_sets(self.dataset.label_sets) if self.training.majority else self.dataset.label_sets
        return (first_categorical(sets),) if self.training.method == "coteaching" else sets

    @property
    def resolved_training(self) -> TrainingSpec:
        """The training settings, completed from other sections: a missing forget rate is the noise ratio."""
        if self.training.method != "coteaching" or self.training.forget_rate is not None:
            return self.training
        ratio = self.noise.ratio_of(first_categorical(self.dataset.label_sets))
        return self.training.model_copy(update={"forget_rate": ratio})


def with_training(config: TrialConfig, **changes: Any) -> TrialConfig:
    """The same trial with other training settings, by their names in Python (`lam`, not `lambda`)."""
    return config.model_copy(update={"training": config.training.model_copy(update=changes)})


class Study(_Spec):
    """A study file, every default filled in. `fer-tune run --schema` prints its JSON Schema."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="name of the study and of its results folder"
    )
    dataset: DatasetSpec = Field(default_factory=SyntheticSpec)
    noise: NoiseSpec = Field(default_factory=NoiseSpec)
    model: ModelSpec = Field(default_factory=ModelSpec)
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    conditions: dict[str, tuple[Value, ...] | Sample] = Field(
        default_factory=dict,
        description="settings whose values are compared, never optimised: each value gets its own best lambda",
    )
    search: dict[str, Dimension] = Field(
        default_factory=dict, description="settings that are optimised: lambda, lr, noise_ratio ..."
    )
    decide: Decide | None = Field(
        None,
        description="the race over seeds that chooses lambda. It needs a grid of two lambdas or more with one "
        "configuration each: what else varies with lambda is given by per_lambda, and no other setting is searched. A "
        "study file that says neither `decide` nor `seeds` races where it can",
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default_factory=lambda fields: tuple(range(MOST_BLOCKS)) if fields.get("decide") else (0,),
        min_length=1,
        description="seeds of the trials. With `decide` they are the race's, in this order, and it stops as early as "
        "it can (default: 0 to 5); without, every configuration is run with each (default: 0)",
    )
    objective: Literal["val_accuracy", "val_mean_class_accuracy", "val_macro_f1", "val_ccc"] = Field(
        "val_accuracy", description="metric to maximise, on noisy validation data"
    )
    optuna: OptunaSpec = Field(default_factory=OptunaSpec)
    warm_start: str | None = Field(
        None, description="results folder of an earlier study, from whose configurations Optuna starts"
    )
    scheduler: Literal["none", "asha", "median"] = Field(
        "none",
        description="stops weak trials early, within each condition. Not for choosing lambda: large ones learn slowly "
        "at first, and halving at epochs 11 and 22 stopped the best one in 58 to 83 % of simulated studies",
    )
    resources: Resources = Field(default_factory=Resources)
    report: ReportSpec = Field(default_factory=ReportSpec)
    loggers: tuple[Literal["mlflow", "wandb"], ...] = Field(
        (),
        description="also log every epoch to MLflow (where MLFLOW_TRACKING_URI says) or to Weights & Biases (wandb); "
        "needs fer-tune[mlflow] or fer-tune[wandb]",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise MisplacedError(("seeds",), f"lists a seed twice: {list(self.seeds)}")
        self._check_roles()
        self._check_values()
        self._check_ranges()
        self._check_race()
        sampled = any(isinstance(values, Sample) for values in self.conditions.values())
        if self.scheduler != "none" and (sampled or self.maximises_gain):
            text = "would compare trials at different noise ratios: use none where a condition is sampled or optimised"
            raise MisplacedError(("scheduler",), f"{self.scheduler} {text}")
        return self

    def _check_roles(self) -> None:
        """Every varied setting exists and is named once."""
        roles: dict[str, str] = {}
        for section, names in (("conditions", self.conditions), ("search", self.search)):
            for name in names:
                _check_name(section, name)
                path = Setting.named(name).path
                if path in roles:
                    text = f"{path} is varied twice: list it either under conditions or under search"
                    raise MisplacedError((section, name), text)
                roles[path] = section

    def _check_values(self) -> None:
        """Conditions list values; values beside another setting are as many as that setting's."""
        for name, values in self.conditions.items():
            if isinstance(values, tuple) and (not values or len(set(values)) < len(values)):
                raise MisplacedError(
                    ("conditions", name), f"list at least one value, and no value twice: {list(values)}"
                )
        for name, dimension in self.search.items():
            for key, own, others, of in (
                ("per_lambda", dimension.per_lambda, self.lambda_grid, "lambda's grid"),
                ("per_method", dimension.per_method, self.methods, "the condition method"),
            ):
                if own is not None and len(own) != len(others):
                    text = f"{key} lists {len(own)} values for {len(others)} values of {of}"
                    raise MisplacedError(("search", name), text)

    def _check_ranges(self) -> None:
        """Only real numbers of noise and training are drawn from a range."""
        ranges = [("conditions", name) for name, values in self.conditions.items() if isinstance(values, Sample)]
        ranges += [("search", name) for name, dimension in self.search.items() if dimension.range is not None]
        for location in ranges:
            name = location[1]
            setting = Setting.named(name)
            if section_fields(setting.section)[setting.key].annotation is not float:
                raise MisplacedError(location, f"{name!r} is not a real number: list its values instead of a range")
            if setting.section in ("dataset", "model"):
                raise MisplacedError(location, f"{name!r} cannot be drawn from a range: list its values")

    def _check_race(self) -> None:
        """A race compares listed lambdas that are trained alike."""
        if self.decide is None:
            return
        if len(self.lambda_grid) < 2:
            raise MisplacedError(("decide",), "needs a grid of at least two values of lambda to choose from")
        others = {setting.name: d for setting, d in self.searched.items() if setting.path != LAMBDA}
        several = [name for name, d in others.items() if d.range is not None or len(d.grid or ()) > 1]
        if several:
            text = (
                f"races one configuration of each lambda, but search.{several[0]} gives each several: fix it under "
                "training, list one value for each lambda with per_lambda, or search with a list of `seeds` instead"
            )
            raise MisplacedError(("decide",), text)
        if any(isinstance(values, Sample) for values in self.conditions.values()):
            raise MisplacedError(("decide",), "needs conditions with listed values: use `seeds` where one is sampled")
        if self.scheduler != "none":
            raise MisplacedError(("scheduler",), f"{self.scheduler} would end trials that the race compares: use none")
        if self.maximises_gain:
            raise MisplacedError(
                ("decide",), "cannot race gains over lambda = 0: use `seeds` if noise_ratio is searched"
            )
        if self.methods and self.decide.baselines:
            raise MisplacedError(("decide", "baselines"), "the condition method compares methods already")

    @property
    def varied_conditions(self) -> dict[Setting, tuple[Value, ...] | Sample]:
        """The conditions by setting."""
        return {Setting.named(name): values for name, values in self.conditions.items()}

    @property
    def searched(self) -> dict[Setting, Dimension]:
        """What is searched by setting."""
        return {Setting.named(name): dimension for name, dimension in self.search.items()}

    @property
    def maximises_gain(self) -> bool:
        """Whether the noise ratio is optimised, so that the objective is the gain over lambda = 0."""
        return any(setting.path == NOISE_RATIO for setting in self.searched)

    @property
    def lambda_grid(self) -> tuple[float, ...]:
        """The values of lambda's grid; none where lambda is not a grid."""
        dimension = next((d for setting, d in self.searched.items() if setting.path == LAMBDA), None)
        return (dimension and dimension.grid) or ()

    @property
    def methods(self) -> tuple[Value, ...]:
        """The values of the condition method; none where it is not a condition."""
        values = next((v for setting, v in self.varied_conditions.items() if setting.path == METHOD), ())
        return values if isinstance(values, tuple) else ()


def section_fields(section: str, kind: str = "") -> dict[str, FieldInfo]:
    """The settings of a section, as a study file names them.

    A data set's section has several kinds: those of `kind`, or all of them together where `kind` is empty.
    """
    annotation = Study.model_fields[section].annotation
    models = [annotation] if isinstance(annotation, type) else list(get_args(annotation))
    models = [m for m in models if kind in get_args(m.model_fields["kind"].annotation)] if kind else models
    return {f.alias or n: f for model in models for n, f in model.model_fields.items()}


def _check_name(role: str, name: str) -> None:
    """Refuse a name that is not a setting, or one that must not be optimised. `role` is conditions or search."""
    setting = Setting.named(name)
    fields = {section: list(section_fields(section)) for section in SECTIONS}
    if setting.key not in fields.get(setting.section, ()):
        valid = [*SHORT_NAMES, *(f"{section}.{key}" for section, keys in fields.items() for key in keys)]
        raise MisplacedError((role, name), f"unknown setting {name!r}{nearest(name, valid)}")
    if role == "search" and (setting.section in ("dataset", "model") or setting.path == "training.epochs"):
        raise MisplacedError((role, name), f"{name!r} is never optimised: list its values under conditions")


def _check_range(name: str, bounds: tuple[float, float]) -> None:
    if bounds[0] >= bounds[1]:
        raise ValueError(f"{name} must list its lowest value first, then its highest: it is {list(bounds)}")
