"""Spellings of one class: what other case, blanks, synonyms and misspellings of an emotion most likely mean.

They are proposed to a person, never applied by themselves.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fer_tune.data.errors import printable

SYNONYMS = {
    word: words[0]
    for words in (
        ("neutral", "neutrality"),
        ("happy", "happiness", "joy", "joyful"),
        ("sad", "sadness"),
        ("surprise", "surprised", "suprise", "suprised"),
        ("fear", "fearful", "afraid", "scared"),
        ("disgust", "disgusted"),
        ("anger", "angry"),
        ("contempt", "contemptuous"),
    )
    for word in words
}
EMOTIONS = frozenset(SYNONYMS.values())  # however rare, these are no mistakes
SPREADSHEET_ERROR = re.compile(r"#[A-Z0-9/]+[!?]")  # such as #REF!
LIKE = 0.8  # difflib's ratio of a misspelt word
RARE = 0.05  # of the usual number of rows of a word: rarer ones may be misspelt
JUNK = 0.02  # the same: rarer ones that look like no other word may be junk ...
JUNK_ROWS = 0.0005  # ... if they are at most this share of the rows, or one row
MOST_WORDS = 300  # with more, words are not compared with each other
MOST_SAID = 12  # spellings in one line


@dataclass(frozen=True)
class Spellings:
    """Words of a column that are proposed to mean another one.

    Attributes:
        classes: the words that stay, in alphabetical order.
        map: by word: the class that it means, or None for no label.
        counts: the rows of each word in the map.
    """

    classes: tuple[str, ...]
    map: Mapping[str, str | None]
    counts: Mapping[str, int]

    def said(self) -> str:
        """`13 spellings of 8 classes: HAPPINESS -> happiness (387 rows), ...`; empty where nothing is proposed."""
        if not self.map:
            return ""
        order = sorted(self.map, key=lambda word: (self.map[word] is None, -self.counts[word], word))
        parts = [
            f"{printable(word)} -> {printable(self.map[word] or 'no label')} ({_rows(self.counts[word])})"
            for word in order
        ]
        more = f" and {len(parts) - MOST_SAID} more" if len(parts) > MOST_SAID else ""
        spellings = len(self.classes) + sum(target is not None for target in self.map.values())
        about = f"{spellings} spellings of {len(self.classes)} classes" if spellings > len(self.classes) else "left out"
        return f"{about}: {', '.join(parts[:MOST_SAID])}{more}"


def propose(counts: Mapping[str, int], classes: Sequence[str] | None = None, junk: Iterable[str] = ()) -> Spellings:
    """Which words of a column mean the same class.

    Args:
        counts: the rows of each word; missing markers are not among them.
        classes: the classes, where they are known: other words are mapped to them or stay out of the map. Without,
            the most frequent spelling names the class.
        junk: words that are no label, such as the column's own name.
    """
    if len(counts) > MOST_WORDS:
        return Spellings(tuple(sorted(counts)), {}, {})
    none = {word for word in counts if SPREADSHEET_ERROR.fullmatch(word) or word in junk}
    groups: dict[str, list[str]] = {}
    for word in counts:
        if word not in none:
            groups.setdefault(meaning(word), []).append(word)
    rows = {key: sum(counts[word] for word in words) for key, words in groups.items()}
    usual = sum(counts.values()) / max(len(counts), 1)
    if classes:
        leaders = {meaning(name): name for name in classes}
        doubtful = set(groups) - set(leaders)
    else:
        leaders = {key: max(words, key=lambda word: (counts[word], word)) for key, words in groups.items()}
        doubtful = {key for key in groups if rows[key] <= max(RARE * usual, 1) < usual / 2}
    alike = _alike(set(leaders) - doubtful)
    found: dict[str, str | None] = dict.fromkeys(sorted(none))
    for key, words in groups.items():
        leader = leaders.get(key)
        if key in doubtful and not _is_code(key) and key not in EMOTIONS:
            close = difflib.get_close_matches(key, alike, 1, LIKE)
            if not close and rows[key] <= min(max(JUNK_ROWS * sum(rows.values()), 1), JUNK * usual):
                found |= dict.fromkeys(words)
                continue
            leader = leaders[alike[close[0]]] if close else leader
        if leader is not None:
            found |= {word: leader for word in words if word != leader}
    kept = tuple(classes) if classes else tuple(sorted(word for word in counts if word not in found))
    return Spellings(kept, found, {word: counts[word] for word in found})


def _alike(keys: set[str]) -> dict[str, str]:
    """What a misspelt word is compared with: the meanings that are certain, and their synonyms."""
    return {key: key for key in sorted(keys)} | {word: key for word, key in SYNONYMS.items() if key in keys}


def meaning(word: str) -> str:
    """What spellings of one word have in common: case, blanks and synonyms of emotions do not count."""
    plain = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", word)).strip().casefold()
    return SYNONYMS.get(plain, plain) if not _is_code(word) else word


def _is_code(word: str) -> bool:
    return re.fullmatch(r"[+-]?\d+", word) is not None


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
