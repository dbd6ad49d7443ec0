"""`fer-tune compare`: two studies side by side."""

import argparse
from dataclasses import dataclass
from pathlib import Path

HELP = """Compare two finished studies: what each recommends, which settings differ, and the test accuracy of each
lambda that both tried, paired by seed."""
EPILOG = """examples:
  fer-tune compare results/mine results/mine_longer"""


@dataclass(frozen=True)
class CompareOptions:
    """The options of `fer-tune compare`; `add_options` explains each."""

    first: Path
    second: Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("first", type=Path, help="a results folder")
    parser.add_argument("second", type=Path, help="another results folder")


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> CompareOptions:
    """The options as given."""
    return CompareOptions(namespace.first, namespace.second)


def run(options: CompareOptions) -> int:
    """Run the command; return the exit code."""
    from fer_tune.analysis.compare import main

    return main([str(options.first), str(options.second)])
