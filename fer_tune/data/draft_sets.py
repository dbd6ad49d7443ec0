"""Drafts the label sets of a table: its columns of classes, each a set, and valence and arousal together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fer_tune.data.draft_columns import MAX_COLUMNS, MAX_MISTAKES, Guess, guess, in_order
from fer_tune.data.draft_scales import affect_columns, scale_of
from fer_tune.data.errors import printable
from fer_tune.data.manifest_spec import RESERVED_NAMES
from fer_tune.data.tables import Table, gaps, numbers_in

AFFECT = "affect"  # name of the drafted continuous set
FER2013 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")  # by its code


def draft_sets(
    table: Table, columns: list[str], is_fer2013: bool, answers: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Guess]]:
    """The label sets, and what each column was taken for."""
    guesses: dict[str, Guess] = {}
    affect = [name for name in affect_columns(columns) if name not in table.repeated and _is_numeric(table, name)]
    for name in columns:
        if name not in affect:
            own = table.classes.get(name, ())
            is_codes = is_fer2013 and name.strip().lower() == "emotion" and _codes_below(table, name, len(FER2013))
            if is_codes and not own:
                guesses[name] = guess(table, name, _fer2013(table, name), "FER2013")
            else:
                guesses[name] = guess(table, name, own)
    scaled = _affect_set(table, affect, guesses, answers)
    used = [name for name in columns if guesses[name].classes or guesses[name].continuous]
    for name in used[MAX_COLUMNS:]:
        guesses[name] = Guess(f"left out: {MAX_COLUMNS} columns before it are labels already")
    plain = [name for name, found in guesses.items() if found.continuous and name not in affect]
    continuous = [name for name, found in guesses.items() if found.continuous]
    taken = {*RESERVED_NAMES, *continuous, *([AFFECT] if continuous else [])}
    sets: list[dict[str, Any]] = []
    for name in in_order(columns):
        if guesses[name].classes:
            about: dict[str, Any] = {"name": _set_name(name, taken), "kind": "categorical", "columns": [name]}
            about["classes"] = list(guesses[name].classes)
            sets.append(about | ({"map": dict(guesses[name].map)} if guesses[name].map else {}))
            taken.add(str(about["name"]))
    groups = [(names, extra) for names, extra in [(affect, scaled), (plain, {})] if names]
    groups = [(affect + plain, {})] if len(groups) == 2 and not scaled else groups
    for names, extra in groups:
        names = [name for name in columns if name in names and guesses[name].continuous]
        if names:
            free = AFFECT not in {s["name"] for s in sets} and AFFECT not in continuous
            set_name = AFFECT if free else _set_name(AFFECT, {*taken, *(s["name"] for s in sets)})
            sets.append({"name": set_name, "kind": "continuous", "columns": names, **extra})
    return sets, {name: guesses[name] for name in columns}


def _affect_set(
    table: Table, affect: list[str], guesses: dict[str, Guess], answers: Mapping[str, Any]
) -> dict[str, Any]:
    """What the set of valence and arousal needs beside its columns; adds the guess of each column."""
    if not affect:
        return {}
    values = np.concatenate([numbers_in(table.text(name))[0] for name in affect])
    values = values[~np.isnan(values)]
    scale = scale_of(values, ", ".join(map(printable, affect)), str(table.path), answers)
    for name in affect:
        missing = int(gaps(table.text(name)).sum())
        said = f"; {missing} of {len(table)} are missing" if missing else ""
        text = f"left out: numbers from {values.min():g} to {values.max():g}, which is no usual scale; set `range`"
        guesses[name] = Guess(scale.remark + said, continuous=True) if scale else Guess(text)
    if scale is None:
        return {}
    extra: dict[str, Any] = {"range": [_short(end) for end in scale.range]} if scale.range else {}
    return extra | ({"missing": list(scale.missing)} if scale.missing else {})


def _is_numeric(table: Table, name: str) -> bool:
    cells = table.text(name)
    wrong, filled = numbers_in(cells)[1], ~gaps(cells)
    return bool(filled.any()) and wrong.sum() <= MAX_MISTAKES * filled.sum()


def _codes_below(table: Table, name: str, count: int) -> bool:
    values, wrong = numbers_in(table.text(name))
    return not wrong.any() and bool(np.nanmax(values) < count) and bool((values[~np.isnan(values)] % 1 == 0).all())


def _fer2013(table: Table, name: str) -> tuple[str, ...]:
    """FER2013's seven classes, with contempt where its code occurs."""
    highest = int(np.nanmax(numbers_in(table.text(name))[0]))
    return FER2013[: max(7, highest + 1)]


def _short(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _set_name(column: str, taken: set[str]) -> str:
    """A valid label set name that looks like the column's and is not taken."""
    kept = "".join(c if c.isascii() and c.isalnum() else "_" for c in column)[:31]
    name = kept if kept[:1].isalpha() else f"s{kept}"[:32]
    return next(new for k in range(len(taken) + 1) if (new := f"{name[:28]}_{k + 1}" if k else name) not in taken)
