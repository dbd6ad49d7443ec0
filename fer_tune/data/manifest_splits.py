"""The splits of a manifest: as its column or its tables say, the rest drawn."""

from collections.abc import Mapping, Sequence

import numpy as np

from fer_tune.data.errors import DataError, Problems, in_yaml, quoted
from fer_tune.data.manifest_spec import ManifestSpec
from fer_tune.data.splits import cut_validation
from fer_tune.data.tables import Table, gaps, whole_number

SPLIT_OF_WORD = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
USUAL_WORDS = {  # what other words mean, in small letters: proposed, never taken for granted
    **{word: "val" if split == "validation" else split for word, split in SPLIT_OF_WORD.items()},
    "trn": "train", "trainset": "train", "train_set": "train", "public": "val", "publictest": "val", "dev": "val",
    "devel": "val", "development": "val", "tune": "val", "tuning": "val", "val_set": "val", "validate": "val",
    "privatetest": "test", "private": "test", "tst": "test", "eval": "test", "evaluation": "test", "holdout": "test",
    "testset": "test", "test_set": "test",
}  # fmt: skip
SAID_DIFFERENCE = 0.005  # between the share of a split that was asked for and the one that was possible
SAID_OF_CLASSES = 0.02  # the same where each class is rounded


def splits_of(
    spec: ManifestSpec,
    table: Table,
    words: np.ndarray | None,
    labels: Mapping[str, np.ndarray],
    subjects: np.ndarray | None,
    problems: Problems,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Indices of each split, and notes on those that were drawn.

    The splits are as the words say, the keys under `files` (N,) of each row, or where they are None as the column of
    the split says; test and validation are drawn if no row names them. Raises DataError where too few people are there
    to draw them from.
    """
    first = next(s.name for s in spec.sets if s.kind == "categorical")
    names, notes = _named_splits(spec, table, problems) if words is None else (_as_splits(words), [])
    nobody = int(gaps(table.raw(spec.subject)).sum()) if spec.subject else 0
    if nobody:
        notes.append(f"{table.path}: {nobody} rows have no {spec.subject}: each counts as one more person")
    train, validation, test = (np.flatnonzero(names == name) for name in ("train", "validation", "test"))
    drawn = {} if len(test) else {"test": (spec.test, spec.seed)}
    drawn |= {} if len(validation) else {"validation": (spec.validation, spec.seed + 1)}
    splits = {"train": train, "validation": validation, "test": test}
    if subjects is not None and len(train):
        _check_people(spec, table, subjects[train], list(drawn))
    for split, (share, seed) in drawn.items():
        pool = splits["train"]
        if not len(pool):
            continue
        people, stay, possible = None, 1, share
        if subjects is not None:
            people, stay = subjects[pool], len(drawn) if split == "test" else 1
            possible = _possible_share(share, spec.validation if stay > 1 else 0, people)
        splits["train"], splits[split] = cut_validation(pool, labels[first][pool], possible, seed, people, stay)
        given = len(splits[split]) / len(pool)
        if abs(given - share) > (SAID_OF_CLASSES if people is None else SAID_DIFFERENCE):
            of = "all samples" if split == "test" else "the training samples"
            why = "the split is stratified by class" if people is None else "each person stays in one split"
            notes.append(f"{split} is {given:.1%} of {of}, where {share:.1%} was asked for: {why}")
    if subjects is not None:
        _check_subjects(splits, subjects, table, problems)
    return splits, notes


def _possible_share(share: float, next_share: float, people: np.ndarray) -> float:
    """The share that leaves as much of its own for the next cut, where the largest person has most of the samples."""
    _, sizes = np.unique(people, return_counts=True)
    movable = 1 - sizes.max() / sizes.sum()  # the largest stays in training
    wanted = share + next_share * (1 - share)
    return share * movable / wanted if next_share and wanted > movable else share


def _as_splits(words: np.ndarray) -> np.ndarray:
    """The split (N,) that each key under `files` means."""
    return np.array([SPLIT_OF_WORD[word] for word in words], dtype=object)


def _named_splits(spec: ManifestSpec, table: Table, problems: Problems) -> tuple[np.ndarray, list[str]]:
    """The split (N,) that each row names, train where there is no such column; and notes."""
    if spec.split not in table.columns and not spec.names_split:
        return np.full(len(table), "train", dtype=object), []
    table.require([spec.split])
    cells = table.text(spec.split)
    missing = gaps(cells)
    if missing.all():
        notes = [f"{table.path}: column {spec.split} is empty, so the splits are drawn"]
        return np.full(len(table), "train", dtype=object), notes
    named = {word.strip(): SPLIT_OF_WORD[split] for word, split in (spec.splits or {}).items()}
    split_of = {cell: named.get(whole_number(cell), SPLIT_OF_WORD.get(cell.lower())) for cell in cells.unique()}
    split_of |= {cell: named[cell] for cell in split_of if cell in named}
    unknown = [cell for cell, split in split_of.items() if split is None]
    for i in np.flatnonzero(cells.isin(unknown)).tolist():
        problems.add(table.place(i), f"{spec.split} must be train, val or test: it is {quoted(cells.iloc[i])}")
    usual = {cell: USUAL_WORDS[cell.lower()] for cell in unknown if cell.lower() in USUAL_WORDS}
    if usual:
        problems.suggest(f"  Say what these words mean: `splits: {in_yaml({**(spec.splits or {}), **usual})}`")
    return cells.map(split_of).to_numpy(dtype=object), []


def _check_people(spec: ManifestSpec, table: Table, people: np.ndarray, drawn: Sequence[str]) -> None:
    """Raise DataError where a split that is drawn, or training, would be empty."""
    count = len(np.unique(people))
    if drawn and count <= len(drawn):
        raise DataError(
            f"{table.path}: column {spec.subject} names {count} {'person' if count == 1 else 'people'}, too few for "
            f"{' and '.join(['train', *drawn])} without a person in two of them: add people, or remove `subject`"
        )


def _check_subjects(splits: dict[str, np.ndarray], subjects: np.ndarray, table: Table, problems: Problems) -> None:
    """Add a problem for each sample whose subject is also in another split."""
    seen: dict[str, str] = {}
    for split, members in splits.items():
        for i in members:
            before = seen.setdefault(subjects[i], split)
            if before != split:
                problems.add(table.place(i), f"subject {quoted(str(subjects[i]))} is in {split} and in {before}")
