"""Problems of a data set, each with the place where it was found."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from fer_tune.errors import UserError

MOST_SHOWN = 5  # problems that one message lists
MOST_NAMES = 20  # names in one list
LONGEST_QUOTE = 60  # characters of a cell that a message repeats
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|-?\d[\d.,]*")  # what differs among problems of one kind
LONGEST_REASON = 200  # characters of another library's message


class DataError(UserError):
    """The data set cannot be used. The message lists the first few problems, one on each line."""


@dataclass
class _Problem:
    """One problem: where it was found first, and how often after that."""

    origin: str
    text: str
    more: int = 0

    def line(self) -> str:
        return f"  {self.origin}: {self.text}" + (f" (and {self.more:,} more like it)" if self.more else "")


class Problems:
    """Collects problems, so that one message lists several of them.

    A problem that is found many times is said once, with its first place and how often it comes again; of problems
    that differ only in what they quote a few are shown.
    """

    def __init__(self, summary: str) -> None:
        self.summary = summary
        self._problems: dict[str, _Problem] = {}
        self._remedies: dict[str, None] = {}

    def add(self, origin: str, text: str) -> None:
        """Add a problem found at `origin`, such as FILE:LINE."""
        known = self._problems.setdefault(text, _Problem(origin, text, -1))
        known.more += 1

    def suggest(self, remedy: str) -> None:
        """Add what would be right: a line at the end of the message, once however often it is suggested."""
        self._remedies[remedy] = None

    def raise_any(self) -> None:
        """Raise DataError with the first few problems, if there are any."""
        if not self._problems:
            return
        found = list(self._problems.values())
        kinds: dict[str, _Problem] = {}
        for problem in found:
            kinds.setdefault(QUOTED.sub("*", problem.text), problem)
        first = [problem.text for problem in kinds.values()]
        texts = set(list(dict.fromkeys([*first, *self._problems]))[:MOST_SHOWN])
        shown = [problem for problem in found if problem.text in texts]
        left = sum(1 + problem.more for problem in found if problem.text not in texts)
        lines = [problem.line() for problem in shown] + ([f"... and {left:,} more"] if left else [])
        raise DataError("\n".join([f"{self.summary}:", *lines, *self._remedies]))


def printable(name: str) -> str:
    """A name from a stranger's file on one line, shortened, without codes that a terminal would obey.

    >>> printable("a\\n\\x1b[31mb")
    'a\\\\n\\\\x1b[31mb'
    """
    short = name if len(name) <= LONGEST_QUOTE else f"{name[:LONGEST_QUOTE]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def listed(names: Sequence[str]) -> str:
    """Names separated by commas; of many only the first."""
    text = ", ".join(map(printable, names[:MOST_NAMES]))
    return f"{text} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else text


def quoted(cell: str) -> str:
    """A cell in quotes, shortened."""
    return repr(cell) if len(cell) <= LONGEST_QUOTE else f"{cell[:LONGEST_QUOTE]!r}..."


def one_line(error: Exception) -> str:
    """The first line of another library's message, shortened; the kind of error where it says nothing."""
    lines = str(error).split("\n")
    text = next((line.strip() for line in lines if line.strip()), type(error).__name__)
    return text[:LONGEST_REASON]


def in_yaml(words: Mapping[str, str | None]) -> str:
    """A mapping as one line of a study file.

    >>> in_yaml({"Happy": "happiness", "7": None})
    "{Happy: happiness, '7': null}"
    """
    text: str = yaml.safe_dump(dict(words), default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.strip()
