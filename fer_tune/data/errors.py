"""Problems of a data set, each with the place where it was found."""

from collections.abc import Sequence

from fer_tune.errors import UserError

MOST_SHOWN = 5  # problems that one message lists
MOST_NAMES = 20  # names in one list
LONGEST_QUOTE = 60  # characters of a cell that a message repeats
LONGEST_REASON = 200  # characters of another library's message


class DataError(UserError):
    """The data set cannot be used. The message lists the first few problems, one on each line."""


class Problems:
    """Collects problems, so that one message lists several of them."""

    def __init__(self, summary: str) -> None:
        self.summary = summary
        self.lines: list[str] = []

    def add(self, origin: str, text: str) -> None:
        """Add a problem found at `origin`, such as FILE:LINE."""
        self.lines.append(f"{origin}: {text}")

    def raise_any(self) -> None:
        """Raise DataError with the first few problems, if there are any."""
        if self.lines:
            more = f"\n... and {len(self.lines) - MOST_SHOWN} more" if len(self.lines) > MOST_SHOWN else ""
            raise DataError(f"{self.summary}:\n" + "\n".join(f"  {line}" for line in self.lines[:MOST_SHOWN]) + more)


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
