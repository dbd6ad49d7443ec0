"""Text on a terminal or in a pipe that may not hold every character."""

import codecs
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

REPLACEMENTS = {
    "λ": "lambda", "–": "-", "—": "-", "×": "x", "·": "*", "→": "->", "≥": ">=", "≤": "<=", "°": " degrees",
    "“": '"', "”": '"', "‘": "'", "’": "'", "…": "...",
}  # fmt: skip
HANDLER = "fer_tune.plain"
CLOSED_PIPE = 141  # exit code of a process that SIGPIPE ends


def never_fail_to_print() -> None:
    """Let standard output and error replace what their encoding does not hold, instead of raising UnicodeEncodeError.

    λ becomes lambda, a dash a hyphen, and any other character its escape, such as \\u6807.
    """
    codecs.register_error(HANDLER, _replaced)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # tests and notebooks put other objects in their place
        if reconfigure is not None:
            reconfigure(errors=HANDLER)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(REPLACEMENTS.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end


def is_closed() -> bool:
    """Whether standard output is a pipe that its reader has closed."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):  # tests and notebooks put other objects in its place
        return False
    watch = select.poll()
    watch.register(number, 0)  # errors are always reported
    return any(event & select.POLLERR for _, event in watch.poll(0))


@contextmanager
def quiet_when_closed() -> Iterator[None]:
    """End the process without a word where standard output is closed, as in `fer-tune studies | head -1`.

    Raises SystemExit with the exit code of a process that SIGPIPE ends.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not is_closed():
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # Python writes what is left when it ends
        os.close(nowhere)
        raise SystemExit(CLOSED_PIPE) from None
