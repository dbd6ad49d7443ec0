"""Tells a user what a study runs and costs, before it runs."""

from pathlib import Path

from rich.console import Console

from fer_tune.data.copies import MOST_FILES, copies_lines, find_equal_files
from fer_tune.data.kinds import place_of
from fer_tune.data.labels import first_categorical
from fer_tune.data.loading import leaves_out_copies, read_index, split_sizes
from fer_tune.data.noise import accuracy_shrinkage
from fer_tune.names import FEWEST_EPOCHS, LAMBDA
from fer_tune.results.files import read_json_or
from fer_tune.search.prior import shipped_prior
from fer_tune.study.cost import START_SECONDS, duration, plan_bytes, plan_core_seconds
from fer_tune.study.plan import Cell, Plan

GAIN_NOTE = (
    "noise_ratio is optimised together with the other settings. Accuracy alone would always favour the least noise, so "
    "the objective is the gain over lambda = 0 at the same noise and seed, with training.lr as learning rate."
)
SLOW_START = (
    "it compares trials by their first epochs, in which large lambdas learn slowly. Halving at epochs 11 and 22 "
    "stopped the best lambda in 58 to 83 % of simulated studies. To choose lambda, use scheduler: none"
)
FEWEST_SEEDS = 3  # that show by themselves how much seeds differ
TWO_SIDED_95 = 1.96  # normal quantile


def say(console: Console, text: str) -> None:
    """Print a text as it is."""
    console.print(text, highlight=False, markup=False)


def describe_plan(plan: Plan, console: Console) -> None:
    """Say what a study runs, and how precisely its validation data measure accuracy."""
    study = plan.study
    cost = ("at most " if study.decide else "about ") + duration(plan_core_seconds(plan))
    epochs = _count(study.training.epochs, "epoch")
    say(console, f"{study.name}: {_trials(plan)}, {epochs} each; {cost} of one CPU core")
    varied = (*study.searched, *study.varied_conditions)
    if not any(setting.path == LAMBDA for setting in varied):
        say(console, f"note: lambda is not searched; every trial uses training.lambda = {study.training.lam:g}")
    if study.maximises_gain:
        say(console, GAIN_NOTE)
    for line in (*_noise_lines(plan), *_warnings(plan)):
        say(console, line)


def _trials(plan: Plan) -> str:
    """How the number of trials comes about: `4 searches × 2 configurations × 2 seeds = 16 trials`."""
    if plan.study.decide is not None:
        return _race(plan)
    sizes = {cell.configurations for cell in plan.cells}
    searches = "1 search" if len(plan.cells) == 1 else f"{len(plan.cells)} searches"
    if len(sizes) == 1:
        factors = [searches, _count(sizes.pop(), "configuration")]
    else:
        factors = [f"{sum(cell.configurations for cell in plan.cells)} configurations in {searches}"]
    factors.append(_count(len(plan.study.seeds), "seed"))
    if plan.study.maximises_gain:
        factors.append("2 (each also at lambda = 0)")
    return f"{' × '.join(factors)} = {_count(plan.total_trials, 'trial')}"


def _race(plan: Plan) -> str:
    """How many trials a race has: `a race of 3 lambdas over at most 6 seeds = at most 18 trials`."""
    conditions = len(plan.conditions)
    lambdas = max(sum(not cell.is_reference for cell in cells) for cells in plan.conditions.values())
    race = f"a race of {lambdas} lambdas" if conditions == 1 else f"{conditions} races of up to {lambdas} lambdas"
    assert plan.study.decide is not None
    others = [baseline.method for baseline in plan.study.decide.baselines]
    compared = f", and {' and '.join(others)} to compare with," if others else ""
    seeds = _count(len(plan.study.seeds), "seed")
    return f"{race}{compared} over at most {seeds} = at most {_count(plan.total_trials, 'trial')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def describe_cost(plan: Plan, console: Console, cores: int) -> None:
    """Say what a study would cost on this many cores, search by search."""
    wall = plan_core_seconds(plan) / max(1, min(cores, plan.total_trials)) + START_SECONDS
    like = f"on {_count(cores, 'core')} like our test machine: about {duration(wall)}"
    say(console, f"{like}; a GPU is commonly worth 20 cores or more")
    for cell in plan.cells:
        runs = f"{_count(cell.configurations, 'configuration')} × {_count(len(plan.study.seeds), 'seed')}"
        say(console, f"  {cell.key}: {runs}{_searched(cell)}")
    say(console, f"about {plan_bytes(plan) / 2**30:.2g} GiB of disk")


def describe_copies(plan: Plan, console: Console) -> None:
    """Warn of equal image files in two splits, where the data are few enough to look, in a second or two."""
    lines: dict[str, None] = {}  # conditions may share their images
    for spec in plan.datasets().values():
        if spec.kind == "synthetic":
            continue
        samples = sum(split_sizes(spec).values())
        copies = find_equal_files(read_index(spec), leaves_out_copies(spec)) if samples <= MOST_FILES else None
        if copies is None:
            lines[
                f"{place_of(spec)}: {samples} images are too many to look for equal ones here: fer-tune data does it"
            ] = None
        else:
            lines |= dict.fromkeys(copies_lines(copies))
    for line in lines:
        say(console, line)


def preparation(plan: Plan, results: Path) -> list[str]:
    """What a study prepares before its first trial, a line each: data sets that are not in its folder yet."""
    stored = read_json_or(results / "data" / "digests.json", {})
    lines = []
    for key, spec in plan.datasets().items():
        if spec.kind != "synthetic":
            lines.append(f"Reading {place_of(spec)}…")
        elif key not in stored:
            lines.append(f"Drawing {sum(split_sizes(spec).values()):,} faces…")
    return lines


def _searched(cell: Cell) -> str:
    parts = [
        f"{setting.name} {'sampled from' if setting in cell.sampled else 'searched in'} {list(dimension.range or ())}"
        for setting, dimension in cell.space.items()
    ]
    return "; " + ", ".join(parts) if parts else ""


def _noise_lines(plan: Plan) -> list[str]:
    """A line for each kind and ratio of noise: how large an accuracy difference appears on noisy validation data."""
    dataset = plan.study.dataset
    first, validation = first_categorical(dataset.label_sets), split_sizes(dataset)["validation"]
    sampling = f"accuracy measured on them has a standard error of up to {0.5 / validation**0.5:.3f}"
    noises = [cell.at(end).noise for cell in plan.cells for end in (min, max)]
    lines = []
    for noise in {noise.model_dump_json(): noise for noise in noises}.values():
        if dataset.kind != "synthetic" and not noise.ratio_of(first):
            lines.append(f"labels used as given; noise level unknown; {validation} validation samples: {sampling}")
        else:
            lines.append(
                f"noise {noise.kind} {noise.ratio_of(first):g}: on the {validation} noisy validation samples, a true "
                f"accuracy difference appears only {accuracy_shrinkage(noise, first):.2f} times as large; {sampling}"
            )
    return lines


def _warnings(plan: Plan) -> list[str]:
    """What the report will not be able to say, and why; what may mislead it. A line each."""
    study = plan.study
    said = [*_too_short(plan), *_too_few_samples(plan), *_too_few_seeds(plan)]
    searches_lambda = any(setting.path == LAMBDA for setting in study.searched)
    if searches_lambda and not study.maximises_gain and 0 not in study.lambda_grid:
        said.append(
            "lambda = 0 (plain training) is not among the lambdas, so the report cannot say whether the joint loss "
            "helps. Add 0 to the grid of lambda"
        )
    if study.scheduler != "none":
        said.append(f"scheduler {study.scheduler}: {SLOW_START}")
    return [f"warning: {text}." for text in said]


def _too_short(plan: Plan) -> list[str]:
    epochs = min(cell.typical().training.epochs for cell in plan.cells)
    if epochs >= FEWEST_EPOCHS:
        return []
    text = "the final accuracy cannot be predicted, so the answer holds for these few alone"
    return [f"with {_count(epochs, 'epoch')} (fewer than {FEWEST_EPOCHS}) {text}. Set training.epochs higher"]


def _too_few_seeds(plan: Plan) -> list[str]:
    """Where the report will say that nothing is decided, whatever comes out."""
    study = plan.study
    own = study.decide.prior if study.decide is not None else None
    if len(study.lambda_grid) < 2 or len(study.seeds) >= FEWEST_SEEDS or own or shipped_prior(plan) is not None:
        return []
    remedy = "Give more seeds" if study.decide is not None else "Remove `seeds`: then up to six are run"
    seeds = _count(len(study.seeds), "seed")
    return [f"{seeds} and no earlier study do not show how much seeds differ, so no lambda can be chosen. {remedy}"]


def _too_few_samples(plan: Plan) -> list[str]:
    """The smallest difference that the sampling error of the validation set lets be seen, where it exceeds a point."""
    study = plan.study
    if study.objective != "val_accuracy" or not any(setting.path == LAMBDA for setting in study.searched):
        return []
    first, samples = first_categorical(study.dataset.label_sets), split_sizes(study.dataset)["validation"]
    shrinkage = min(accuracy_shrinkage(cell.at(max).noise, first) for cell in plan.cells)
    if shrinkage <= 0 or not samples:
        return []
    error = 0.5 / (samples * len(study.seeds)) ** 0.5  # at most, of the mean over seeds of one lambda's accuracy
    least = TWO_SIDED_95 * 2**0.5 * error / shrinkage
    if least <= 0.01:
        return []
    seeds = _count(len(study.seeds), "seed")
    return [
        f"with {samples} validation samples and {seeds}, lambdas that differ by less than about {least:.2g} in "
        "accuracy cannot be told apart. More validation samples or seeds tell smaller differences"
    ]
