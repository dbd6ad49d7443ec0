"""Text on a terminal or in a pipe that may not hold every character."""

import codecs
import sys

REPLACEMENTS = {
    "λ": "lambda", "–": "-", "—": "-", "×": "x", "·": "*", "→": "->", "≥": ">=", "≤": "<=", "°": " degrees",
    "“": '"', "”": '"', "‘": "'", "’": "'", "…": "...",
}  # fmt: skip
HANDLER = "fer_tune.plain"


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
