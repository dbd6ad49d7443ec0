"""A trained encoder, taken out of a trial folder: it labels images and can be exported as TorchScript."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from fer_tune.data.labels import LabelSet
from fer_tune.data.pictures import IMAGE_SUFFIXES, UNREADABLE, read_picture, why_unreadable, without_warnings
from fer_tune.errors import UserError
from fer_tune.models.encoder import Encoder, build_encoder
from fer_tune.results.folder import TrialFolder
from fer_tune.study.schema import TrialConfig
from fer_tune.system.safe_loading import why_not_loaded
from fer_tune.training.averaging import evaluated_encoder

BATCH = 64
EXPORT_TOLERANCE = 1e-4  # largest absolute difference between exported and own outputs


class CheckpointError(UserError):
    """A trial folder or image list that cannot be used; the message says what would be right."""


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
    """A trained encoder, its label sets, and the image size that it expects."""

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
        """The predictor's answers for uint8 images (N, 3, S, S), RGB."""
        answers: Tensor = self.predictor(torch.from_numpy(pixels).float() / 127.5 - 1)
        return answers

    def cells(self, answers: np.ndarray) -> list[Any]:
        """One image's answers (sum of sizes,) as the cells of `columns`."""
        row: list[Any] = []
        start = 0
        for s in self.label_sets:
            own = answers[start : start + s.size]
            row += [s.names[int(own.argmax())]] if s.kind == "categorical" else []
            row += [f"{value:.6f}" for value in own]
            start += s.size
        return row


def load_checkpoint(path: Path) -> Checkpoint:
    """Load the encoder of a trial folder (or of the state.pt in it). Weights only: nothing in the file is executed.

    Raises CheckpointError.
    """
    folder = TrialFolder(path if path.is_dir() else path.parent)
    if not folder.has_record() or not folder.state.exists():
        raise CheckpointError(f"{path}: is not a trial folder: name one such as results/NAME/trials/KEY")
    try:
        config = TrialConfig.model_validate(folder.record().config)
    except ValidationError as error:
        raise CheckpointError(f"{folder.path / 'trial.json'}: {error.errors()[0]['msg']}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of files that it did not write
            state = torch.load(folder.state, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{folder.state}: is not a state of this trial: {why_not_loaded(error)}") from None
    total = sum(s.size for s in config.label_sets)
    size = config.dataset.image_size
    encoder = build_encoder(size, total, config.model)
    try:
        encoder.load_state_dict(evaluated_encoder(state["trainer"]))
    except Exception:  # whatever a file of other content makes of torch
        text = "its tensors do not fit the model that trial.json describes"
        raise CheckpointError(f"{folder.state}: is not a state of this trial: {text}") from None
    return Checkpoint(Predictor(encoder, config.label_sets).eval(), config.label_sets, size)


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The named files, and every image below the named folders. Raises CheckpointError where there are none."""
    found: list[Path] = []
    for path in paths:
        found += sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES) if path.is_dir() else [path]
    if not found:
        raise CheckpointError("name images, or folders of them")
    return found


Track = Callable[[Sequence[int]], Iterable[int]]  # iterates, and shows progress meanwhile


def predict(
    checkpoint: Checkpoint, paths: Sequence[Path], track: Track = iter
) -> Iterator[tuple[Path, list[Any] | str]]:
    """Each path with its cells, or with the reason why it could not be read."""
    for start in track(range(0, len(paths), BATCH)):
        chunk = paths[start : start + BATCH]
        pictures = [_read(path, checkpoint.image_size) for path in chunk]
        good = [picture for picture in pictures if not isinstance(picture, str)]
        if good:
            answers = iter(checkpoint.answers(np.stack(good)).numpy())
        for path, picture in zip(chunk, pictures, strict=True):
            yield path, picture if isinstance(picture, str) else checkpoint.cells(next(answers))


def _read(path: Path, size: int) -> np.ndarray | str:
    if path.exists() and not path.is_file():  # reading a pipe would wait forever
        return "is not a file"
    try:
        with without_warnings():
            return read_picture(path.read_bytes(), size)
    except UNREADABLE as error:
        return why_unreadable(error)


def export(checkpoint: Checkpoint, path: Path) -> float:
    """Write the predictor as TorchScript; return its largest difference from the original on random images.

    Raises CheckpointError where that exceeds 1e-4.
    """
    if not path.parent.is_dir():
        raise CheckpointError(f"{path}: the folder {path.parent} does not exist")
    generator = torch.Generator().manual_seed(0)
    size = checkpoint.image_size
    example, other = (torch.rand((n, 3, size, size), generator=generator) * 2 - 1 for n in (2, 5))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch, about its own format
        traced = torch.jit.trace(checkpoint.predictor, example, check_trace=False)
        torch.jit.save(traced, path)
        difference = float((torch.jit.load(path)(other) - checkpoint.predictor(other)).abs().max())
    if not difference <= EXPORT_TOLERANCE:
        path.unlink()
        raise CheckpointError(
            f"{path}: the exported encoder differs by {difference:.2g} from the original: not written"
        )
    return difference
