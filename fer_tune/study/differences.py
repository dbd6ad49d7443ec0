"""How two versions of a study differ, and whether the trials of the older one are still valid in the newer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """One setting that differs.

    Attributes:
        path: its dotted path in the study file.
        old, new: both values.
        harmless: every trial of the old study is also a trial of the new one.
        why: what makes it harmful, for the message; empty where that is obvious.
    """

    path: str
    old: Any
    new: Any
    harmless: bool
    why: str = ""

    def __str__(self) -> str:
        return f"{self.path} was {json.dumps(self.old)}, is {json.dumps(self.new)}{self.why}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Every setting in which two resolved studies (as in study.json) differ.

    More seeds, more values of a grid or a condition, another race, other resources, another report and other loggers
    leave finished trials valid. Where Optuna searches, more seeds are harmful: they change the means that it was told.
    """
    searches = any(d.get("uniform") or d.get("log_uniform") for d in new["search"].values())
    grids = any(path.endswith(".grid") for path, _, _ in _differing_leaves(old, new))
    found = []
    for path, before, after in _differing_leaves(old, new):
        harmless, why = _judge(path, before, after, searches, grids)
        found.append(Difference(path, before, after, harmless, why))
    return found


def _differing_leaves(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _differing_leaves(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield path, old, new


def _judge(path: str, old: Any, new: Any, searches: bool, grid_changes: bool) -> tuple[bool, str]:
    """Whether a difference is harmless, and what to add to its message."""
    if path.split(".")[0] in ("resources", "decide", "report", "loggers"):
        return True, ""
    if not (isinstance(old, Sequence) and isinstance(new, Sequence)):
        return False, ""
    if path == "seeds":
        if _grown(old, new) and searches:
            return False, " (more seeds would change what the search was told)"
        return _grown(old, new), ""
    if path.startswith("conditions.") or path.endswith(".grid"):
        return _grown(old, new), ""
    if path.endswith((".per_lambda", ".per_method")):
        return grid_changes and list(new[: len(old)]) == list(old), ""
    return False, ""


def _grown(old: Sequence[Any], new: Sequence[Any]) -> bool:
    """Whether values were only added at the end."""
    return len(new) > len(old) and list(new[: len(old)]) == list(old)
