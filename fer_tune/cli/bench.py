"""`fer-tune bench`: runs the benchmarks of a checkout."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fer_tune
from fer_tune.errors import UserError

HELP = (
    "Measure how long a step and a study take on this machine, and how that scales. Needs a checkout of the repository."
)
EPILOG = """examples:
  fer-tune bench steps
  fer-tune bench --help"""
CHECKOUT = Path(fer_tune.__file__).parent.parent


@dataclass(frozen=True)
class BenchOptions:
    """The options of `fer-tune bench`: those of benchmarks/__main__.py."""

    words: Sequence[str]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="NAME ...", help="a benchmark and its options")


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> BenchOptions:
    """The options as given."""
    return BenchOptions(tuple(namespace.words))


def run(options: BenchOptions) -> int:
    """Run the command; return the exit code. Raises UserError where there is no checkout."""
    if not (CHECKOUT / "benchmarks" / "__main__.py").exists():
        raise UserError("the benchmarks are not part of the installed package: run this command in a checkout")
    sys.path.insert(0, str(CHECKOUT))
    from benchmarks.__main__ import main

    return main(options.words)
