"""`fer-tune data WHAT --near-duplicates`: a table and a sheet of images that are nearly equal."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fer_tune.data.copies import sample_name, short_name
from fer_tune.data.dataset import SPLITS, Dataset
from fer_tune.data.files import write_csv
from fer_tune.data.index import Index
from fer_tune.data.labels import MISSING_CLASS
from fer_tune.data.near_duplicates import MOST_PAIRS, Pair, find_near_duplicates
from fer_tune.data.sheet import write_groups
from fer_tune.system.cpus import usable_cpus

SHOWN = 40  # pairs on the sheet
EXAMPLES = 5


def report_near_duplicates(dataset: Dataset, index: Index, folder: Path, title: str) -> Iterator[str]:
    """Search a stored data set; write near_duplicates.csv and .png into a folder; yield what to tell the user."""
    yield f"Looking for near-duplicates among {len(dataset.images):,} images…"
    found = find_near_duplicates(dataset.images, dataset.splits, usable_cpus())
    split_of = {int(i): split for split, members in dataset.splits.items() for i in members}
    across, within = _parted(found.pairs, split_of)
    if found.flat:
        yield f"{found.flat} images show nothing (all pixels are nearly equal) and were left out"
    yield f"near-duplicates: {_counts(across, split_of)}; {len(within)} pairs within one split"
    if found.cut:
        yield f"only the {MOST_PAIRS:,} most similar pairs were kept"
    if not found.pairs:
        return
    for pair in [*across, *within][:EXAMPLES]:
        names = (f"{short_name(i, index)} ({split_of[i]})" for i in (pair.first, pair.second))
        yield f"  {pair.how}, similarity {pair.similarity:.3f}: {', '.join(names)}"
    table, sheet = folder / "near_duplicates.csv", folder / "near_duplicates.png"
    write_csv(table, _rows([*across, *within], index, split_of))
    groups = [_group(pair, dataset, index, split_of) for pair in [*across, *within][:SHOWN]]
    write_groups(sheet, groups, f"{title}: the most similar pairs, those across splits first")
    yield f"every pair: {table}"
    yield f"the closest, to look at before you remove any (different pictures can look alike): {sheet}"


def _parted(pairs: Sequence[Pair], split_of: dict[int, str]) -> tuple[list[Pair], list[Pair]]:
    across = [pair for pair in pairs if split_of[pair.first] != split_of[pair.second]]
    return across, [pair for pair in pairs if split_of[pair.first] == split_of[pair.second]]


def _counts(across: Sequence[Pair], split_of: dict[int, str]) -> str:
    counts = Counter((split_of[pair.first], split_of[pair.second]) for pair in across)
    parts = [
        f"{counts[pair]} {pair[0]} and {pair[1]}" for pair in sorted(counts, key=lambda p: [*map(SPLITS.index, p)])
    ]
    return f"{len(across)} pairs across splits" + (f" ({', '.join(parts)})" if parts else "")


def _rows(pairs: Sequence[Pair], index: Index, split_of: dict[int, str]) -> list[list[str]]:
    header = ["similarity", "how", "first", "first_split", "first_label", "second", "second_split", "second_label"]
    rows = [header]
    for pair in pairs:
        cells = [
            cell for i in (pair.first, pair.second) for cell in (sample_name(i, index), split_of[i], _label(i, index))
        ]
        rows.append([f"{pair.similarity:.4f}", pair.how, *cells])
    return rows


def _group(pair: Pair, dataset: Dataset, index: Index, split_of: dict[int, str]) -> tuple[list[np.ndarray], list[str]]:
    both = (pair.first, pair.second)
    labels = " / ".join(f"{split_of[i]} {_label(i, index)}" for i in both)
    lines = [f"{pair.similarity:.3f} {pair.how}", labels, *(sample_name(i, index) for i in both)]
    return [dataset.images[i] for i in both], lines


def _label(i: int, index: Index) -> str:
    """The label of a sample in the first label set; empty where it has none."""
    first = index.label_sets[0]
    label = index.labels[first.name][i]
    if first.kind == "categorical":
        return "" if label == MISSING_CLASS else first.names[int(label)]
    return "" if np.isnan(label).any() else " ".join(f"{value:.2f}" for value in label.tolist())
