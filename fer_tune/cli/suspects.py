"""`fer-tune data WHAT --suspects`: a table of the labels that are probably wrong, and a sheet of the worst."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fer_tune.cli.held_out import scores_of
from fer_tune.data.copies import sample_name
from fer_tune.data.dataset import Dataset
from fer_tune.data.files import write_csv
from fer_tune.data.index import Index
from fer_tune.data.labels import MISSING_CLASS, first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.data.sheet import write_groups
from fer_tune.data.votes import voting_sets
from fer_tune.training.held_out import labelled_samples
from fer_tune.training.noise_estimate import check_labels, estimate_noise
from fer_tune.training.suspects import Suspect, find_suspects

SHOWN = 50  # on the sheet


def report_suspects(dataset: Dataset, index: Index | None, folder: Path, title: str) -> Iterator[str]:
    """Judge the labels of a stored data set; write suspects.csv and .png into a folder; yield what to tell the user.

    Args:
        index: of the data set's files; None for faces that are drawn.

    Raises EstimateError where there are too few labels, or the images tell too little about them.
    """
    data = NoisyData(dataset, dataset.labels)
    check_labels(data)
    held_out = scores_of(data, folder.parent)
    estimate, suspects = estimate_noise(data, held_out), find_suspects(data, held_out)
    first, labels = first_categorical(dataset.label_sets), _count(data)
    table, sheet = folder / "suspects.csv", folder / "suspects.png"
    several = len(voting_sets(dataset.label_sets)) > 1
    write_csv(table, _rows(suspects, dataset, index, several))
    yield (
        f"About {estimate.ratio * labels:,.0f} of {labels:,} labels of training and validation ({estimate.ratio:.0%}, "
        f"{estimate.low:.0%} to {estimate.high:.0%}) are probably wrong. {len(suspects):,} of them can be named: "
        f"{table}, worst first, is the order in which to look at labels and correct them. Training does not use it"
    )
    if suspects:
        groups = [_group(suspect, dataset, index, first.names) for suspect in suspects[:SHOWN]]
        write_groups(sheet, groups, f"{title}: the labels that are most probably wrong")
        yield f"The {len(groups)} worst, to look at: {sheet}"


def _count(data: NoisyData) -> int:
    """How many labels of training and validation samples there are, every annotator's counted."""
    samples = labelled_samples(data)
    return sum(int((data.labels[s.name][samples] != MISSING_CLASS).sum()) for s in voting_sets(data.label_sets))


def _rows(suspects: Sequence[Suspect], dataset: Dataset, index: Index | None, several: bool) -> list[list[str]]:
    names = first_categorical(dataset.label_sets).names
    split_of = {int(i): split for split, members in dataset.splits.items() for i in members}
    rows = [["path", "given_label", "likely_label", "probability_wrong", "split", *(["label_set"] if several else [])]]
    for one in suspects:
        cells = [_name(one.sample, index), names[one.given], names[one.likely], f"{one.probability:.4f}"]
        rows.append([*cells, split_of[one.sample], *([one.label_set] if several else [])])
    return rows


def _group(
    suspect: Suspect, dataset: Dataset, index: Index | None, names: Sequence[str]
) -> tuple[list[np.ndarray], list[str]]:
    lines = [f"given: {names[suspect.given]}", f"likely: {names[suspect.likely]}", _name(suspect.sample, index)]
    return [dataset.images[suspect.sample]], lines


def _name(sample: int, index: Index | None) -> str:
    return f"face {sample}" if index is None else sample_name(sample, index)
