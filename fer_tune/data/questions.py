"""Where two readings of a data set are possible, a person says which is right, in one line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from fer_tune.data.errors import DataError

ASKED_BY = "--answer"  # the option of `fer-tune data`
EXAMPLES: Mapping[type, str] = {
    str: "a name",
    list: "lowest and highest value, such as [-10, 10]",
    dict: "a mapping, such as {'1': train}",
}
MOST_READINGS = 6
ANSWERS: Mapping[str, type] = {"bytes": str, "file": str, "folder": str, "path": str, "range": list, "splits": dict}


@dataclass(frozen=True)
class Reading:
    """One way to read a data set: the value of a setting, and what speaks for it."""

    value: Any
    why: str


def ask(where: str, finding: str, key: str, readings: Sequence[Reading], answers: Mapping[str, Any]) -> Any:
    """The value that a person answered, or of the only reading.

    Args:
        where: the file or folder that the question is about.
        finding: what was found and can be read in several ways.
        key: the setting.
        answers: what was answered so far, by setting.

    Raises DataError with all readings, one of which must be answered.
    """
    if key in answers:
        return answers[key]
    if len(readings) == 1:
        return readings[0].value
    shown = readings[:MOST_READINGS]
    lines = [f"  {line_of(key, reading.value)}    {reading.why}" for reading in shown]
    more = [f"  ... and {len(readings) - len(shown)} more"] if len(readings) > len(shown) else []
    how = f"Say which is right, such as {ASKED_BY} {quoted_for_shell(line_of(key, readings[0].value))}"
    raise DataError("\n".join([f"{where}: {finding}. {len(readings)} readings are possible:", *lines, *more, how]))


def check_answers(answers: Mapping[str, Any]) -> None:
    """Raise DataError for a setting that nobody asks about, or an answer of another type."""
    for key, value in answers.items():
        kind = ANSWERS.get(key)
        numbers = key != "range" or (
            isinstance(value, list) and [isinstance(v, (int, float)) for v in value] == [True] * 2
        )
        if kind is None or not isinstance(value, kind) or not numbers:
            right = f"one of {', '.join(ANSWERS)}" if kind is None else EXAMPLES[kind]
            raise DataError(f"{ASKED_BY} {line_of(key, value)}: must be {right}")


def line_of(key: str, value: Any) -> str:
    """A setting as one line of a study file."""
    text: str = yaml.safe_dump({key: value}, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return text.strip()[1:-1]


def quoted_for_shell(line: str) -> str:
    """A line as a word of a shell command."""
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'
