"""`fer-tune predict`: labels images with a trained encoder, or exports it."""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import track

from fer_tune.cli.exits import PARTLY_DONE
from fer_tune.cli.trained import trial_folder

if TYPE_CHECKING:
    from fer_tune.search.checkpoint import Checkpoint

HELP = "Label images with a trained network, or export it as TorchScript."
EPILOG = """examples:
  fer-tune predict results/NAME photos/                      with the network that the study recommends
  fer-tune predict results/NAME/trials/KEY photos/ --output predictions.csv
  fer-tune predict results/NAME/trials/KEY --export encoder.pt"""


@dataclass(frozen=True)
class PredictOptions:
    """The options of `fer-tune predict`; `add_options` explains each."""

    checkpoint: Path
    images: Sequence[Path]
    output: Path | None
    export: Path | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("checkpoint", type=Path, help="a results folder (the network that it recommends), or a trial folder of one")
    add("images", type=Path, nargs="*", help="image files, or folders of them")
    add("--output", type=Path, help="CSV file to write (default: print the CSV)")
    add("--export", type=Path, help="write the encoder to this file as TorchScript and label nothing")


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> PredictOptions:
    """The options as given."""
    return PredictOptions(namespace.checkpoint, tuple(namespace.images), namespace.output, namespace.export)


def run(options: PredictOptions) -> int:
    """Run the command; return the exit code: 0, or 1 where images were skipped."""
    from fer_tune.search.checkpoint import export, find_images, load_checkpoint

    checkpoint = load_checkpoint(trial_folder(options.checkpoint))
    if options.export:
        difference = export(checkpoint, options.export)
        size = checkpoint.image_size
        print(
            f"{options.export}: input (N, 3, {size}, {size}), RGB in [-1, 1]; output columns: "
            f"{', '.join(checkpoint.columns)}; differs from the original by at most {difference:.1e}"
        )
        return 0
    paths = find_images(options.images)
    if options.output is None:
        return _write(checkpoint, paths, sys.stdout)
    with open(options.output, "w", newline="", encoding="utf-8") as file:
        return _write(checkpoint, paths, file)


def _write(checkpoint: "Checkpoint", paths: Sequence[Path], file: TextIO) -> int:
    """Write the CSV and name the images that were skipped; return the exit code."""
    from fer_tune.search.checkpoint import predict

    console = Console(stderr=True)
    show = partial(track, description="labelling", console=console, transient=True)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["path", *checkpoint.columns])
    skipped = 0
    for path, cells in predict(checkpoint, paths, show):
        if isinstance(cells, str):
            skipped += 1
            console.print(f"skipped {path}: {cells}", highlight=False, markup=False, soft_wrap=True)
        else:
            writer.writerow([path, *cells])
    if skipped:
        console.print(f"{skipped} of {len(paths)} images were skipped", highlight=False)
    return PARTLY_DONE if skipped else 0
