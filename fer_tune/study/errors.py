"""Mistakes in a study file, and how one of them is worded."""

import difflib
import json
from collections.abc import Sequence
from typing import Any

from fer_tune.data.kinds import KINDS
from fer_tune.errors import UserError

Location = tuple[str | int, ...]  # keys and list positions from the top of the study file
UNION_TAGS = (
    "Sample",
    "BoxColumns",
    "float",
    "int",
    "bool",
    "str",
    "constrained-float",
)  # pydantic's names of union branches


class StudyError(UserError):
    """A study that cannot be run. The message has one line per mistake and says where it is."""


class MisplacedError(StudyError):
    """A mistake that involves several keys, with the location to report."""

    def __init__(self, location: Location, message: str) -> None:
        super().__init__(message)
        self.location = location

    def __reduce__(self) -> tuple[type, tuple[Location, str]]:
        return MisplacedError, (self.location, str(self))


def nearest(key: str, valid: Sequence[str]) -> str:
    """The end of a message about an unknown key: the valid key that looks most like it, else all of them."""
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    if close:
        return f": did you mean {close[0]!r}?"
    return f": valid keys are {', '.join(valid)}" if valid else ""


def without_tags(location: Sequence[str | int]) -> Location:
    """A location in the file, without the names that pydantic adds for branches of a union."""
    in_dataset = len(location) > 1 and location[0] == "dataset" and location[1] in KINDS
    return tuple(part for i, part in enumerate(location) if not _is_union_tag(part) and not (in_dataset and i == 1))


def _is_union_tag(part: str | int) -> bool:
    return isinstance(part, str) and (part in UNION_TAGS or "[" in part)


def plain_message(problem: Any) -> str:
    """One of pydantic's errors in our own words: what is wrong and what would be right."""
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return str(message)
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"kind must be one of {', '.join(KINDS)}: it is {problem['input'].get('kind')!r}"
    if problem["type"] == "missing":
        return "is missing: add it"
    if problem["type"] == "string_pattern_mismatch":
        return f"use up to 64 letters, digits, '.', '_' or '-', the first a letter or digit: it is {problem['input']!r}"
    if problem["type"] == "too_short":
        return "list at least one value"
    given = json.dumps(problem["input"], default=str)
    if len(problem["loc"]) == 2 and problem["loc"][0] == "search":
        return (
            "write {grid: [...]}, {uniform: [low, high]} or {log_uniform: [low, high]}; a fixed value belongs under "
            f"training: it is {given}"
        )
    if problem["loc"][0] == "conditions" and problem["type"] in ("tuple_type", "model_type", "dict_type"):
        return f"write a list of values, or {{sample: [low, high]}}: it is {given}"
    message = message.replace("a valid array", "a list").replace("an object", "a mapping")
    return f"{message[0].lower()}{message[1:]}: it is {given}"
