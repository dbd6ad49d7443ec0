"""Labels images with a trained encoder, or exports it.

python -m fer_tune.predict results/NAME/trials/KEY photos/*.jpg > predictions.csv
python -m fer_tune.predict results/NAME/trials/KEY --export encoder.pt
"""

import argparse
import csv
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from pydantic import ValidationError
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from fer_tune.data.labels import LabelSet
from fer_tune.data.pictures import UNREADABLE, read_picture, why_unreadable
from fer_tune.models.encoder import Encoder
from fer_tune.results.folder import TrialFolder
from fer_tune.study.schema import TrialConfig

IMAGES_SKIPPED, USER_ERROR = 1, 2
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
BATCH = 64
TOLERANCE = 1e-4  # of exported against own outputs, absolute


class PredictError(Exception):
    """A checkpoint or image list that cannot be used; the message says what would be right."""


class Predictor(nn.Module):
    """An encoder that answers with probabilities and values instead of raw outputs.

    (N, 3, S, S) in [-1, 1], RGB -> (N, sum of sizes): probabilities of each categorical set, values of each
    continuous one, in the order of the label sets.
    """

    def __init__(self, encoder: Encoder, label_sets: Sequence[LabelSet]) -> None:
        super().__init__()
        self.encoder = encoder
        self.sizes = [s.size for s in label_sets]
        self.categorical = [s.kind == "categorical" for s in label_sets]

    def forward(self, images: Tensor) -> Tensor:
        parts = self.encoder(images).labels.split(self.sizes, dim=1)
        answers = [p.softmax(1) if c else p for p, c in zip(parts, self.categorical, strict=True)]
        return torch.cat(answers, dim=1)


@dataclass(frozen=True)
class Checkpoint:
    """A trained encoder with what it answers and the image size that it takes."""

    predictor: Predictor
    label_sets: tuple[LabelSet, ...]
    image_size: int

    @property
    def columns(self) -> list[str]:
        """Column names: the class and each class's probability, or the value, of every label set."""
        names: list[str] = []
        for s in self.label_sets:
            names += [s.name, *(f"{s.name}_p_{n}" for n in s.names)] if s.kind == "categorical" else list(s.names)
        return names

    @torch.no_grad()
    def answers(self, pixels: np.ndarray) -> Tensor:
        """What the predictor says of uint8 images (N, 3, S, S), RGB."""
        answers: Tensor = self.predictor(torch.from_numpy(pixels).float() / 127.5 - 1)
        return answers

    def cells(self, answers: np.ndarray) -> list[Any]:
        """One image's answers (sum of sizes,) as the cells of those columns."""
        row: list[Any] = []
        start = 0
        for s in self.label_sets:
            own = answers[start : start + s.size]
            row += [s.names[int(own.argmax())]] if s.kind == "categorical" else []
            row += [f"{value:.6f}" for value in own]
            start += s.size
        return row


def load_checkpoint(path: Path) -> Checkpoint:
    """Load the encoder of a trial folder (or of the state.pt in it), weights only: nothing in it is run.

    Raises PredictError.
    """
    folder = TrialFolder(path if path.is_dir() else path.parent)
    if not folder.has_settings() or not folder.state.exists():
        raise PredictError(f"{path}: is no trial folder: name one such as results/NAME/trials/KEY")
    try:
        config = TrialConfig.model_validate(folder.settings()["config"])
        state = torch.load(folder.state, map_location="cpu", weights_only=True)
        total = sum(s.size for s in config.label_sets)
        model, size = config.model, config.dataset.image_size
        encoder = Encoder(size, total, model.features, model.width, model.encoder_norm, model.encoder_input)
        encoder.load_state_dict(state["trainer"]["networks"]["encoder"])
    except ValidationError as error:
        raise PredictError(f"{folder.path / 'trial.json'}: {error.errors()[0]['msg']}") from None
    except Exception as error:
        raise PredictError(f"{folder.state}: is no state of this trial: {str(error).splitlines()[0]}") from None
    return Checkpoint(Predictor(encoder, config.label_sets).eval(), config.label_sets, size)


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The files named, and every image below the folders named. Raises PredictError where there are none."""
    found: list[Path] = []
    for path in paths:
        found += sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not found:
        raise PredictError("name images, or folders of them")
    return found


def predict(checkpoint: Checkpoint, paths: Sequence[Path], console: Console) -> Iterator[tuple[Path, list[Any] | str]]:
    """Each path with its cells, or with why it could not be read."""
    for start in track(range(0, len(paths), BATCH), "labelling", console=console, transient=True):
        chunk = paths[start : start + BATCH]
        pictures = [_read(path, checkpoint.image_size) for path in chunk]
        good = [picture for picture in pictures if not isinstance(picture, str)]
        if good:
            answers = iter(checkpoint.answers(np.stack(good)).numpy())
        for path, picture in zip(chunk, pictures, strict=True):
            yield path, picture if isinstance(picture, str) else checkpoint.cells(next(answers))


def _read(path: Path, size: int) -> np.ndarray | str:
    try:
        return read_picture(path.read_bytes(), size)
    except UNREADABLE as error:
        return why_unreadable(error)


def export(checkpoint: Checkpoint, path: Path) -> float:
    """Write the predictor as TorchScript; return its largest difference from the original on random images.

    Raises PredictError where that exceeds 1e-4.
    """
    if not path.parent.is_dir():
        raise PredictError(f"{path}: the folder {path.parent} does not exist")
    generator = torch.Generator().manual_seed(0)
    size = checkpoint.image_size
    example, other = (torch.rand((n, 3, size, size), generator=generator) * 2 - 1 for n in (2, 5))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch, about its own format
        traced = torch.jit.trace(checkpoint.predictor, example, check_trace=False)
        torch.jit.save(traced, path)
        difference = float((torch.jit.load(path)(other) - checkpoint.predictor(other)).abs().max())
    if not difference <= TOLERANCE:
        path.unlink()
        raise PredictError(f"{path}: the exported encoder differs by {difference:.2g} from the original: not written")
    return difference


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, 1 where images were skipped, 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="python -m fer_tune.predict", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("checkpoint", type=Path, help="a trial folder: results/NAME/trials/KEY")
    add("images", type=Path, nargs="*", help="image files, or folders of them")
    add("--output", type=Path, help="CSV file to write (default: print it)")
    add("--export", type=Path, help="write the encoder as TorchScript instead")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        checkpoint = load_checkpoint(options.checkpoint)
        if options.export:
            difference = export(checkpoint, options.export)
            columns = ", ".join(c for c in checkpoint.columns)
            print(f"{options.export}: takes (N, 3, {checkpoint.image_size}, {checkpoint.image_size}) RGB in [-1, 1]; "
                  f"differs by at most {difference:.1e} from the original; answers: {columns}")  # fmt: skip
            return 0
        paths = find_images(options.images)
        if options.output is None:
            return _write(checkpoint, paths, sys.stdout, console)
        with open(options.output, "w", newline="", encoding="utf-8") as file:
            return _write(checkpoint, paths, file, console)
    except (PredictError, OSError) as error:
        print(error, file=sys.stderr)
        return USER_ERROR


def _write(checkpoint: Checkpoint, paths: Sequence[Path], file: TextIO, console: Console) -> int:
    """Write the CSV and name the images that were skipped; return the exit code."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["path", *checkpoint.columns])
    skipped = 0
    for path, cells in predict(checkpoint, paths, console):
        if isinstance(cells, str):
            skipped += 1
            console.print(f"skipped {path}: {cells}", highlight=False, markup=False, soft_wrap=True)
        else:
            writer.writerow([path, *cells])
    if skipped:
        console.print(f"{skipped} of {len(paths)} images were skipped", highlight=False)
    return IMAGES_SKIPPED if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
