"""What a report says first, and what it lacks and why. The command line reads this without loading figures."""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from fer_tune.analysis.text import plain_name, visible
from fer_tune.errors import UserError

Part = TypeVar("Part")


class ReportFailed(UserError):
    """Not even the page of a report can be written."""


class Kind(StrEnum):
    """How much a gap matters."""

    ABSENT = "absent"  # the study has nothing to show there: named in the page
    LEFT_OUT = "left out"  # results that do not count: also named on the terminal
    FAILED = "failed"  # a damaged file or a fault of fer-tune: also the exit code says so


@dataclass(frozen=True)
class Gap:
    """Something that a report lacks.

    Attributes:
        what: what is missing.
        why: the reason, without a full stop.
        kind: how much it matters.
    """

    what: str
    why: str
    kind: Kind

    def text(self) -> str:
        """The gap in words, on one line."""
        return f"{self.what}: {self.why}."


@dataclass(frozen=True)
class Report:
    """What a report says first, and what it lacks.

    Attributes:
        headline: a paragraph each.
        gaps: what is missing, and why; what a study has nothing to show in is only named in the page.
        notices: what a person must know before sending the page on, a sentence each.
    """

    headline: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def failures(self) -> list[Gap]:
        """The parts that failed and the files that are damaged."""
        return [gap for gap in self.gaps if gap.kind == Kind.FAILED]

    def text(self) -> str:
        """The headline, and below it what is missing and the notices."""
        lines = list(self.headline)
        for title, kind in (("Left out", Kind.LEFT_OUT), ("Missing from the report", Kind.FAILED)):
            lines += [f"{title}: {gap.text()}" for gap in self.gaps if gap.kind == kind]
        return visible("\n".join([*lines, *self.notices]))


def attempted(what: str, part: Callable[[], Part], otherwise: Part, gaps: list[Gap]) -> Part:
    """What a part of the report returns; `otherwise` where it fails, which is added to the gaps."""
    try:
        return part()
    except Exception as error:  # whatever it is, the rest is worth writing
        gaps.append(Gap(what, explained(error), Kind.FAILED))
        return otherwise


def explained(error: Exception) -> str:
    """An error on one line; of a fault of fer-tune also the place in its code."""
    first = str(error).strip().partition("\n")[0].rstrip(".")
    said = plain_name(first) if first else ""
    if isinstance(error, UserError):
        return said
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    own = [f for f in traceback.extract_tb(error.__traceback__) if "fer_tune" in f.filename]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}{': ' if said else ''}{said}{place}"


def counted(number: int, what: str) -> str:
    """A number of things in words: `1 trial`, `2 trials`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def listed(names: Iterable[object], most: int = 3) -> str:
    """Some names, and how many more there are."""
    shown = [plain_name(each) for each in names]
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more} more" if more > 0 else "")
