"""Text that other people wrote: shown as it is, or with readable codes for what cannot be shown.

Names of classes, label sets and files may hold any Unicode character. Nothing here can fail, whatever the text.
"""

import unicodedata
from collections.abc import Iterable, Sequence

JOINERS = "\u200c\u200d"  # Persian words and emoji need these format characters
HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}  # categories whose characters have no shape of their own
DOTTED_CIRCLE = "\u25cc"  # carries a mark that has no letter
MOST_MARKS = 4  # on one letter: more would run into the lines above


def code(character: str) -> str:
    """The readable code of a character, such as [U+0007]."""
    return f"[U+{ord(character):04X}]"


def visible(text: object) -> str:
    """Text with a code for every character that has no shape: control and format characters, lone surrogates.

    Line ends and tabs are kept. Marks that turn text around (U+202E and the like) are format characters too.
    """
    return "".join(code(c) if is_hidden(c) else c for c in str(text))


def is_hidden(character: str) -> bool:
    """Whether a character has no shape of its own and is not layout."""
    return unicodedata.category(character) in HIDDEN and character not in JOINERS and character not in "\n\t"


def plain_name(text: object) -> str:
    """A name on one line, in which nothing is invisible: also line ends and unusual spaces have a code."""
    shown = ""
    marks = 0
    raw = str(text)
    for i, c in enumerate(raw):
        marks = marks + 1 if unicodedata.category(c).startswith("M") else 0
        if _is_odd_space(raw, i) or marks > MOST_MARKS:
            shown += code(c)
        elif marks and (i == 0 or raw[i - 1].isspace()):
            shown += DOTTED_CIRCLE + c
        else:
            shown += visible(c)
    return shown or "(empty name)"


def _is_odd_space(text: str, place: int) -> bool:
    """Whether a space cannot be seen where it stands, or is not the usual one."""
    if text[place] != " ":
        return text[place].isspace()
    return place in (0, len(text) - 1) or text[place - 1] == " "


def shortened(text: str, most: int) -> str:
    """At most `most` characters of a text: its start and its end."""
    end = most // 3
    return text if len(text) <= most else f"{text[: most - end - 1]}…{text[-end:]}"


def joined(words: Sequence[str]) -> str:
    """Words in a sentence: `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def numbered(texts: Iterable[str]) -> list[str]:
    """The same texts, a number behind each that has come before."""
    found: dict[str, None] = {}
    for text in texts:
        fresh, number = text, 1
        while fresh in found:
            number += 1
            fresh = f"{text} ({number})"
        found[fresh] = None
    return list(found)
