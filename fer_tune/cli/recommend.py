"""`fer-tune recommend`: which lambda for another noise ratio or a new data set, from a finished study."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from fer_tune.errors import UserError

HELP = """Recommend a lambda for the study's own data, for another noise ratio, or for a new data set.

The study's own data are known by their content, and answered at once with its lambda. So are data that are labelled
alike, where the study used labels as they come. Otherwise the study must have added noise to its labels, like
studies/noise_kinds.yaml, and the noise of your labels is estimated: first you are told what that costs. Between two
noise ratios that the study tried, the answer is interpolated. It is never extrapolated: for other noise ratios, or for
other settings (image size, width, learning rate, epochs ...), the answer is "no evidence" and names what differs."""
EPILOG = """examples:
  fer-tune recommend results/mine --data data/mine
  fer-tune recommend results/noise_kinds --noise-kind symmetric --noise-ratio 0.3
  fer-tune recommend results/noise_kinds --noise-kind symmetric --data data/mine"""


@dataclass(frozen=True)
class RecommendOptions:
    """The options of `fer-tune recommend`; `add_options` explains each."""

    results: Path
    noise_ratio: float | None
    noise_kind: str | None
    data: Path | None
    quick: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("results", type=Path, help="results folder of a finished study, such as results/noise_kinds")
    add("--noise-ratio", type=float, metavar="R", help="share of wrong labels, within the range that the study tried")
    add("--noise-kind", metavar="KIND", help="kind of noise, if the study has several: symmetric, instance, ...")
    add("--data", type=Path, help="your data: a study file (YAML), data folder or table")
    add("--quick", action="store_true", help="with --data: estimate the noise of its labels from 2,000 images")


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> RecommendOptions:
    """The options as given."""
    return RecommendOptions(
        namespace.results, namespace.noise_ratio, namespace.noise_kind, namespace.data, namespace.quick
    )


def run(options: RecommendOptions) -> int:
    """Run the command; return the exit code 0, also for "no evidence". Raises UserError."""
    if (options.noise_ratio is None) == (options.data is None):
        raise UserError("give either --noise-ratio (such as 0.3) or --data (a study file, data folder or table)")
    if options.noise_ratio is not None and not 0 <= options.noise_ratio < 1:
        raise UserError(f"--noise-ratio {options.noise_ratio:g}: must be at least 0 and less than 1")
    if options.quick and options.data is None:
        raise UserError("--quick estimates the noise of data: it needs --data")
    from fer_tune.cli.advice import advice

    print("\n".join(advice(options)))
    return 0
