"""Held-out scores of a data set: computed once, with their cost said beforehand, then kept beside the data checks."""

import io
import time
import zipfile
from pathlib import Path

import numpy as np
from rich.console import Console

from fer_tune.cli.description import say
from fer_tune.data.noisy import NoisyData
from fer_tune.results.files import write_atomically
from fer_tune.study.cost import duration
from fer_tune.training.held_out import HeldOut, core_seconds, held_out_scores, labelled_samples, labels_key

KEPT = "held_out"  # folder below the data checks


def scores_of(data: NoisyData, checks: Path, most: int | None = None, advice: str = "") -> HeldOut:
    """Held-out scores of the labelled training and validation images, or of a sample of `most` of them.

    Args:
        checks: the folder `data_checks`. Scores kept there are read if they are of the same images and labels, and of
            as many images or more.
        advice: what else to say before the work begins.
    """
    count = len(labelled_samples(data))
    wanted = count if most is None else min(most, count)
    file = checks / KEPT / f"{labels_key(data)}.npz"
    kept = _read(file)
    if kept is not None and len(kept.samples) >= wanted:
        return kept
    console = Console(stderr=True, soft_wrap=True)
    part = "" if wanted == count else f" of {count:,}"
    say(console, f"Scoring the labels of {wanted:,}{part} images by all other images takes about "
                 f"{duration(core_seconds(wanted))} of one CPU core.{advice}")  # fmt: skip
    began = time.monotonic()
    with console.status("scoring the labels") as status:

        def progress(done: int, of: int) -> None:
            left = (time.monotonic() - began) / done * (of - done)
            status.update(f"scoring the labels: {done:,} of {of:,} images, about {duration(left)} left")

        found = held_out_scores(data, most, progress=progress)
    _keep(file, found, console)
    return found


def _read(file: Path) -> HeldOut | None:
    """Scores that were kept; None where there are none, or they are damaged and will be computed again."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return HeldOut(arrays["samples"], arrays["scores"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _keep(file: Path, found: HeldOut, console: Console) -> None:
    content = io.BytesIO()
    np.savez(content, samples=found.samples, scores=found.scores)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, content.getvalue())
    except OSError as error:
        say(console, f"note: the scores could not be kept for the next call: {file.parent}: {error.strerror}")
