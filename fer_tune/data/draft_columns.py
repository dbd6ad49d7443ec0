"""What a column of labels was taken for: classes with their spellings, a continuous value, or nothing and why."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fer_tune.data.errors import listed, printable, quoted
from fer_tune.data.spellings import propose
from fer_tune.data.tables import Table, gaps, numbers_in, whole_number

MAX_CLASSES = 30  # a column with more different values is not a label
MAX_MISTAKES = 0.05  # share of a column's cells that may be mistakes
MAX_COLUMNS = 40  # with more, a table holds features, not labels
IDENTIFIERS = frozenset(("id", "ids", "idx", "index", "uid", "uuid", "guid", "hash", "md5", "timestamp", "frame"))
LABEL_NAMES = frozenset(("emotion", "emotions", "expression", "expr", "label", "labels", "class", "target", "mood"))
PEOPLE = frozenset(("who", "subject", "person", "participant", "actor", "identity", "speaker", "celebrity"))
MEASURES = frozenset((
    "confidence", "conf", "score", "prob", "probability", "certainty", "agreement", "width", "height", "size", "weight",
    "relfcs", "age", "top", "left", "right", "bottom", "xmin", "ymin", "xmax", "ymax",
))  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """What a column was taken for.

    Attributes:
        remark: the same for a person, or why it was left out.
        classes: of a categorical label.
        map: by word: the class that it is proposed to mean; None for no label.
        continuous: whether it is a continuous value from -1 to 1.
    """

    remark: str
    classes: tuple[str, ...] = ()
    map: Mapping[str, str | None] = field(default_factory=dict)
    continuous: bool = False


def guess(table: Table, name: str, names: tuple[str, ...] = (), known_from: str = "the file") -> Guess:
    """What a column holds.

    Args:
        names: of its codes from 0, where they are known.
        known_from: what knows them.
    """
    if name in table.repeated or name.rpartition(".")[0] in table.repeated:
        return Guess("left out: several columns have this name")
    cells = table.text(name)
    missing = gaps(cells)
    cells = cells[~missing]
    if cells.empty:
        return Guess("left out: it holds no value")
    said = f"; {int(missing.sum())} of {len(table)} are missing" if missing.any() else ""
    markers = sorted(set(table.text(name)[missing]) - {""})
    said += f" ({listed(markers)})" if markers else ""
    if names:
        return _named(cells, names, known_from, said)
    return _by_name(name) or _guess_values(name, cells, said)


def tokens(name: str) -> set[str]:
    """The words in the name of a column, in small letters."""
    return set(filter(None, re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())))


def in_order(columns: Sequence[str]) -> list[str]:
    """Columns whose names speak of labels first: a study reports and optimises the accuracy of its first label set."""
    return sorted(columns, key=lambda name: not tokens(name) & LABEL_NAMES)


def _by_name(name: str) -> Guess | None:
    """A column that by its name is no label."""
    words = tokens(name) | {name.strip().lower()}
    if words & PEOPLE:
        return Guess(f"left out: it may name the person shown; `subject: {printable(name)}` keeps each in one split")
    if words & IDENTIFIERS:
        return Guess("left out: by its name it identifies rows, people or files; if it is a label, add it to `sets`")
    if words & MEASURES:
        return Guess("left out: by its name it measures something; if it is a label, add it to `sets`")
    return None


def _named(cells: "pd.Series[str]", names: tuple[str, ...], known_from: str, said: str) -> Guess:
    """Codes whose names are known."""
    present = sorted(set(cells.map(whole_number)))
    if not all(cell in names or (cell.isdigit() and int(cell) < len(names)) for cell in present):
        return Guess(f"left out: {listed(present)} are not codes of {listed(names)}, as {known_from} has them")
    classes = tuple(f"class {name}" if name.strip("-").isdigit() else name for name in names)
    codes = ", ".join(f"{k} {printable(name)}" for k, name in enumerate(classes[:MAX_CLASSES]))
    return Guess(f"{len(classes)} classes, as {known_from} has them: {codes}{said}", classes)


def _guess_values(name: str, cells: "pd.Series[str]", said: str) -> Guess:
    """What a column without gaps holds; `said` is what else there is to say of it."""
    values, wrong = numbers_in(cells)
    numbers = values[~wrong]
    fractions = (np.abs(values) <= 1).mean() >= 1 - MAX_MISTAKES and (
        (numbers % 1 != 0).any() or ((numbers < 0).any() and cells.str.contains(r"[.,]").any())
    )
    if fractions and (numbers < 0).any():
        return Guess(f"a continuous value{said}", continuous=True)
    if fractions:
        return Guess(
            "left out: fractions from 0 to 1 may be shares or probabilities; if they are a label, add "
            f"{{name: {_plain(name)}, kind: continuous, columns: [{name}], range: [0, 1]}} to `sets`{said}"
        )
    codes = cells.map(whole_number)
    counts = Counter(codes)
    spellings = propose(counts, junk=[name.strip()] if len(counts) > 2 else [])
    if (~wrong).mean() >= 1 - MAX_MISTAKES and (numbers % 1 != 0).any():
        low, high = f"{numbers.min():g}", f"{numbers.max():g}"
        return Guess(
            f"left out: numbers from {low} to {high}; a continuous value must be in [-1, 1], or its set needs "
            f"`range: [lowest, highest]`{said}"
        )
    present = list(spellings.classes)
    if len(present) < 2:
        return Guess(f"left out: every row has {quoted(codes.iloc[0])}{said}")
    if len(present) > MAX_CLASSES:
        kind = "different values, as many as rows" if len(present) == len(cells) else "different values"
        return Guess(f"left out: {len(present)} {kind}; more than {MAX_CLASSES} are not classes{said}")
    classes = _all_codes(present)
    about = f"{len(present)} classes"
    if len(classes) > len(present):
        about = f"classes {classes[0]} to {classes[-1]}, of which {len(present)} occur"
    proposed = f"; {spellings.said()}" if spellings.map else ""
    return Guess(f"{about}{proposed}{said}", tuple(classes), spellings.map)


def _all_codes(present: list[str]) -> list[str]:
    """Class codes without holes between the lowest and the highest; words as they are."""
    if not all(re.fullmatch(r"0|[1-9]\d{0,2}", word) for word in present):
        return present
    codes = sorted(map(int, present))
    if codes[-1] > MAX_CLASSES:
        return [str(code) for code in codes]
    return [str(code) for code in range(min(codes[0], 1), codes[-1] + 1)]


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)[:31]
