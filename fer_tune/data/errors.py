"""Problems of a data set, each with the place where it was found."""

from fer_tune.errors import UserError

MOST_SHOWN = 5  # problems that one message lists


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
