"""On what scale a table has valence and arousal, and which number stands for a missing one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_tune.data.questions import Reading, ask

AFFECT_WORDS = frozenset(("valence", "arousal", "dominance", "val", "aro", "dom", "valencia", "pleasure"))
AFFECT_LETTERS = ({"v", "a"}, {"v", "a", "d"})  # columns of one letter, together
MARKERS = (-2.0, -5.0, -9.0, -99.0, -999.0)  # AffectNet's, Aff-Wild2's and other programs' numbers for no label
MAX_MISTAKES = 0.05  # share of the values that may lie outside of the scale
PLAIN = (-1.0, 1.0)


@dataclass(frozen=True)
class Scale:
    """How the values of some columns are read.

    Attributes:
        range: its lowest and highest value; None for -1 to 1.
        missing: numbers that mean no label.
        remark: the same for a person.
    """

    range: tuple[float, float] | None = None
    missing: tuple[str, ...] = ()
    remark: str = "a continuous value"


def affect_columns(columns: Sequence[str]) -> list[str]:
    """The columns whose names say that they hold valence, arousal or dominance."""
    letters = {name.strip().lower(): name for name in columns if len(name.strip()) == 1}
    single = [name for key, name in letters.items() if any({key} <= s <= set(letters) for s in AFFECT_LETTERS)]
    words = [name for name in columns if AFFECT_WORDS & set(re.split(r"[^a-z]+", name.lower()))]
    return [name for name in columns if name in single or name in words]


def scale_of(values: np.ndarray, named: str, where: str, answers: Mapping[str, Any]) -> Scale | None:
    """The scale of values (n,) of the columns `named`; None where no usual one holds them.

    Raises DataError where several usual scales hold them and none was answered.
    """
    missing, rest = _without_marker(values)
    inside = np.abs(rest) <= 1
    if inside.mean() >= 1 - MAX_MISTAKES and (rest[inside] % 1 != 0).any():
        rest = rest[inside]  # the check names the others
    said = f"; {_g(missing)} means no label" if missing is not None else ""
    markers = () if missing is None else (_g(missing),)
    readings = _readings(float(rest.min()), float(rest.max()))
    if not readings:
        return None
    finding = f"{named} {'goes' if ',' not in named else 'go'} from {_g(rest.min())} to {_g(rest.max())}"
    low, high = (float(end) for end in ask(where, finding, "range", readings, answers))
    if (low, high) == PLAIN:
        return Scale(None, markers, f"a continuous value{said}")
    return Scale((low, high), markers, f"a continuous value from {_g(low)} to {_g(high)}{said}")


def _without_marker(values: np.ndarray) -> tuple[float | None, np.ndarray]:
    """The number that means no label, if the lowest value is a usual one and the rest lies in [-1, 1]; the rest."""
    lowest = values.min()
    rest = values[values != lowest]
    if lowest in MARKERS and len(rest) and (rest >= -1).all() and (rest <= 1).all() and (rest % 1 != 0).any():
        return float(lowest), rest
    if lowest in MARKERS[2:] and len(rest) and (rest >= 0).all():
        return float(lowest), rest
    return None, values


def _readings(low: float, high: float) -> list[Reading]:
    """Usual scales that hold values from `low` to `high`, the likeliest first; the first alone where it is clear."""
    if low >= 0:
        return _readings_from_zero(low, high)
    largest = max(-low, high)
    if largest <= 1:
        return [Reading(list(map(int, PLAIN)), "the scale of AffectNet")]
    ends = next((end for end in (10, 100, 1000) if largest <= end), None)
    if ends is None:
        return []
    if largest > ends / 2:
        return [Reading([-ends, ends], "")]
    near = int(np.ceil(largest))
    return [Reading([-near, near], "these are its ends"), Reading([-ends, ends], "the ends do not occur")]


def _readings_from_zero(low: float, high: float) -> list[Reading]:
    if high <= 1:
        return [
            Reading([0, 1], "0 is the lowest, and 0.5 is neutral"),
            Reading([-1, 1], "0 is neutral, and none is negative"),
        ]
    if high > 10:
        end = next((end for end in (100, 1000) if high <= end), None)
        return [] if end is None else [Reading([0, end], "")]
    near = int(np.ceil(high))
    ends = [(1, near)] if low >= 1 and near >= 3 else []
    ends += [pair for pair in ((1, 9), (0, 10), *([] if low >= 1 else [(0, near)]), (-10, 10)) if pair not in ends]
    known = {(1, 9): "self-assessment manikins, 5 is neutral", (-10, 10): "0 is neutral, and none is negative"}
    usual = [pair for pair in ends if pair[0] <= low and high <= pair[1]]
    return [Reading(list(pair), known.get(pair, f"{(pair[0] + pair[1]) / 2:g} is neutral")) for pair in usual]


def _g(value: Any) -> str:
    return f"{float(value):g}"
