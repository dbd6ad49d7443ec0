"""In what two versions of a study differ, and whether the trials of the older one still belong to the newer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """One setting that differs, by its dotted path. Harmless: every trial of the old study is one of the new."""

    path: str
    old: Any
    new: Any
    harmless: bool
    why: str = ""

    def __str__(self) -> str:
        return f"{self.path} was {json.dumps(self.old)}, is {json.dumps(self.new)}{self.why}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Every setting in which two resolved studies differ.

    More seeds, more values of a grid or a condition, and other resources take nothing from trials that have ended.
    More seeds would change what a search has been told, so they are harmless in grids alone.
    """
    searches = any(d.get("uniform") or d.get("log_uniform") for d in new["search"].values())
    grids = {path for path, _, _ in _leaves(old, new) if path.endswith(".grid")}
    found = []
    for path, before, after in _leaves(old, new):
        harmless, why = _judged(path, before, after, searches, bool(grids))
        found.append(Difference(path, before, after, harmless, why))
    return found


def _leaves(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _leaves(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield path, old, new


def _judged(path: str, old: Any, new: Any, searches: bool, grid_changes: bool) -> tuple[bool, str]:
    section = path.split(".")[0]
    if section == "resources":
        return True, ""
    if path == "seeds":
        if _grown(old, new) and searches:
            return False, " (more seeds would change what the search has been told)"
        return _grown(old, new), ""
    if (section == "conditions" or path.endswith(".grid")) and isinstance(old, Sequence) and isinstance(new, Sequence):
        return _grown(old, new), ""
    if path.endswith((".per_lambda", ".per_method")) and isinstance(old, Sequence) and isinstance(new, Sequence):
        return grid_changes and list(new[: len(old)]) == list(old), ""
    return False, ""


def _grown(old: Sequence[Any], new: Sequence[Any]) -> bool:
    """Whether values were only added at the end."""
    return len(new) > len(old) and list(new[: len(old)]) == list(old)
