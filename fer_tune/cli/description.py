"""What is said of a study before it runs."""

from rich.console import Console

from fer_tune.data.copies import MOST_FILES, copies_lines, find_equal_files
from fer_tune.data.labels import first_categorical
from fer_tune.data.loading import read_index, split_sizes
from fer_tune.data.noise import accuracy_shrinkage
from fer_tune.names import LAMBDA
from fer_tune.study.cost import START_SECONDS, duration, plan_bytes, plan_core_seconds
from fer_tune.study.plan import Cell, Plan

GAIN_NOTE = (
    "noise_ratio is optimised together with the other settings. Accuracy alone would always pick the least noise, so "
    "the objective is the gain over lambda = 0 at the same noise and seed, with the study file's learning rate."
)


def say(console: Console, text: str) -> None:
    """Print a text as it is."""
    console.print(text, highlight=False, markup=False)


def describe_plan(plan: Plan, console: Console) -> None:
    """Say what a study runs, and how well its validation data tell accuracies apart."""
    study, count = plan.study, len(plan.cells)
    cost = duration(plan_core_seconds(plan))
    say(
        console,
        f"{study.name}: {plan.total_trials} trials in {count} {'search' if count == 1 else 'searches'} "
        f"x {len(study.seeds)} seeds, {study.training.epochs} epochs each; about {cost} of one CPU core",
    )
    varied = (*study.searched, *study.varied_conditions)
    if not any(setting.path == LAMBDA for setting in varied):
        say(console, f"note: lambda is not searched; every trial uses training.lambda = {study.training.lam:g}")
    if study.maximises_gain:
        say(console, GAIN_NOTE)
    for line in _noise_lines(plan):
        say(console, line)


def describe_cost(plan: Plan, console: Console, cores: int) -> None:
    """Say what a study would cost on so many cores, search by search."""
    wall = plan_core_seconds(plan) / max(1, min(cores, plan.total_trials)) + START_SECONDS
    say(
        console,
        f"on {cores} cores like those measured: about {duration(wall)}; a GPU is commonly worth 20 cores or more",
    )
    for cell in plan.cells:
        say(console, f"  {cell.key}: {cell.configurations} x {len(plan.study.seeds)}{_searched(cell)}")
    say(console, f"about {plan_bytes(plan) / 2**30:.2g} GiB of disk")


def describe_copies(plan: Plan, console: Console) -> None:
    """Warn of equal image files in two splits, where the data are few enough to look, in a second or two."""
    lines: dict[str, None] = {}  # conditions may share their images
    for spec in plan.datasets().values():
        if spec.kind == "synthetic":
            continue
        samples = sum(split_sizes(spec).values())
        copies = find_equal_files(read_index(spec)) if samples <= MOST_FILES else None
        if copies is None:
            where = getattr(spec, "file", None) or spec.folder
            lines[f"{where}: {samples} images are too many to look for equal ones here: fer-tune data does it"] = None
        else:
            lines |= dict.fromkeys(copies_lines(copies))
    for line in lines:
        say(console, line)


def _searched(cell: Cell) -> str:
    parts = [
        f"{setting.name} {'drawn from' if setting in cell.sampled else 'searched in'} {list(dimension.range or ())}"
        for setting, dimension in cell.space.items()
    ]
    return "; " + ", ".join(parts) if parts else ""


def _noise_lines(plan: Plan) -> list[str]:
    """A line for each kind and ratio of noise: what it makes of an accuracy difference on validation data."""
    dataset = plan.study.dataset
    first, validation = first_categorical(dataset.label_sets), split_sizes(dataset)["validation"]
    sampling = f"the standard error of an accuracy there is up to {0.5 / validation**0.5:.3f}"
    noises = [cell.at(end).noise for cell in plan.cells for end in (min, max)]
    lines = []
    for noise in {noise.model_dump_json(): noise for noise in noises}.values():
        if dataset.kind != "synthetic" and not noise.ratio_of(first):
            lines.append(f"labels as they are, with an unknown share of wrong ones; {validation} validation samples: "
                         f"{sampling}")  # fmt: skip
        else:
            lines.append(
                f"noise {noise.kind} {noise.ratio_of(first):g}: on {validation} noisy validation samples an accuracy "
                f"difference shrinks to {accuracy_shrinkage(noise, first):.2f} of itself; {sampling}"
            )
    return lines
