"""Turns validation errors into lines for people: FILE:LINE, the key, what is wrong and what would be right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from fer_tune.study.errors import Location, MisplacedError, nearest, plain_message, without_tags
from fer_tune.study.schema import SECTIONS, Dimension, Study, section_fields


@dataclass(frozen=True)
class StudySource:
    """Where the settings of a study came from.

    Attributes:
        path: the study file.
        root: its YAML nodes, which know their line numbers; None for an empty file.
        overrides: for each key that a `--set` option replaced, the text of that option.
    """

    path: Path
    root: yaml.Node | None
    overrides: Mapping[str, str]


@dataclass(frozen=True)
class _Problem:
    """One mistake.

    Attributes:
        location: its place in the file, without pydantic's names of union branches.
        kind: pydantic's error type.
        text: the message.
        dataset: the kind of data set, where the mistake is in that section.
    """

    location: Location
    kind: str
    text: str
    dataset: str = ""

    @property
    def is_type_mismatch(self) -> bool:
        """Whether the value only has another type than this branch of a union expects.

        Pydantic also calls a list too short when its items are wrong.
        """
        return self.kind.endswith("_type") or self.kind in ("literal_error", "too_short")


def explain(error: ValidationError, source: StudySource) -> list[str]:
    """One line for each mistake that pydantic found."""
    lines = [_line_of_text(problem, source) for problem in _clearest(error.errors())]
    return list(dict.fromkeys(lines))


def explain_misplaced(error: MisplacedError, source: StudySource) -> str:
    """The line for a mistake that was found while the study was expanded into trials."""
    return _line_of_text(_Problem(error.location, "value_error", str(error)), source)


def _clearest(errors: Sequence[Any]) -> list[_Problem]:
    """One problem per key: union branches that the value never meant are dropped, or joined by `or`."""
    problems = [_problem(error) for error in errors if error["type"] != "default_factory_not_called"]
    unknown = {p.location[:-1] for p in problems if p.kind == "extra_forbidden"}
    problems = [p for p in problems if not (p.kind == "missing" and p.location[:-1] in unknown)]
    meant = [p for p in problems if not (p.is_type_mismatch and any(_says_more(q, p) for q in problems))]
    merged: dict[Location, _Problem] = {}
    for problem in meant:
        before = merged.get(problem.location)
        text = problem.text
        if before and before.text != text:
            text = f"{before.text.rsplit(': it is', 1)[0]} or {text}"
        merged[problem.location] = replace(problem, text=text)
    return list(merged.values())


def _problem(error: Any) -> _Problem:
    placed = getattr(error.get("ctx", {}).get("error"), "location", None) or error["loc"]
    location = without_tags(placed)
    if error["type"] == "extra_forbidden":  # a key that the user wrote, whatever it looks like
        location = (*without_tags(placed[:-1]), placed[-1])
    dataset = str(placed[1]) if location[:1] == ("dataset",) and location != tuple(placed) else ""
    return _Problem(location, error["type"], plain_message(error), dataset)


def _says_more(other: _Problem, problem: _Problem) -> bool:
    """Whether `other` is about the same value or a part of it, and about more than its type."""
    within = other.location[: len(problem.location)] == problem.location
    return within and (len(other.location) > len(problem.location) or not other.is_type_mismatch)


def _line_of_text(problem: _Problem, source: StudySource) -> str:
    location = problem.location
    key = ".".join(str(part) for part in location)
    option = next((text for k, text in source.overrides.items() if key == k or key.startswith(k + ".")), None)
    where = option or f"{source.path}:{_line_number(source.root, location)}"
    if problem.kind == "extra_forbidden":
        valid = _valid_keys(location[:-1], problem.dataset)
        return f"{where}: unknown key {key!r}{nearest(str(location[-1]), valid)}"
    named = "" if option and option.endswith(f" {key}") else key
    return f"{where}: {named + ': ' if named else ''}{problem.text}"


def _line_number(root: yaml.Node | None, location: Location) -> int:
    """The line of the deepest node on the way to a location."""
    node, line = root, 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            match = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if match is None:
                break
            line, node = match[0].start_mark.line + 1, match[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _valid_keys(location: Location, dataset: str = "") -> list[str]:
    """The keys that are allowed at a location; in the data set's section, those of its kind."""
    model: Any = Study
    for part in location:
        if model is Study and part in ("conditions", "search"):
            return ["sample"] if part == "conditions" else list(Dimension.model_fields)
        if model is Study and part in SECTIONS:
            return list(section_fields(str(part), dataset))
        model = next((f.annotation for n, f in model.model_fields.items() if (f.alias or n) == part), None)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return [f.alias or n for n, f in model.model_fields.items()]
