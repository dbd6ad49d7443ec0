"""Reads a study file: the only reader of YAML."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fer_tune.names import LAMBDA, Setting, completed
from fer_tune.study.errors import MisplacedError, StudyError
from fer_tune.study.placement import StudySource, explain, explain_misplaced
from fer_tune.study.plan import Plan, make_plan
from fer_tune.study.schema import Study

STUDY_JSON = "study.json"  # in a results folder; an older version may have written it


def load_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Read a study file and expand it into a plan.

    Args:
        path: the study file (YAML, or the study.json that a results folder holds).
        overrides: `key.path=value` texts that replace or add values.

    Raises StudyError, naming file, line, key and what would be right; DataError where the plan needs a label file
    that cannot be used.
    """
    raw, source, races_by_default = _read(path, overrides)
    try:
        plan = make_plan(Study.model_validate_json(raw, strict=True))
        return replace(plan, races_by_default=races_by_default)
    except ValidationError as error:
        raise StudyError("\n".join(explain(error, source))) from None
    except MisplacedError as error:
        raise StudyError(explain_misplaced(error, source)) from None


def _read(path: Path, overrides: Sequence[str]) -> tuple[str, StudySource, bool]:
    """The file's settings with the overrides, as JSON text; where each came from; whether it races by default."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=_Loader)
        raw = yaml.load(text, Loader=_Loader)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: is not UTF-8 text: {error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise StudyError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(raw, dict):
        raise StudyError(f"{path}: a study file is a mapping of keys such as name, dataset, search")
    if path.name == STUDY_JSON:
        raw = completed(raw)
    options = {key: _override(raw, key, value) for key, value in map(_split_override, overrides)}
    if races_by_default := "seeds" not in raw and "decide" not in raw and _can_race(raw):
        raw["decide"] = {}
    try:
        return json.dumps(raw, default=str), StudySource(path, root, options), races_by_default
    except (TypeError, ValueError, RecursionError) as error:
        raise StudyError(f"{path}: keys must be text and nothing may contain itself: {error}") from None


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, except that it refuses duplicate keys and reads 1e-3 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"duplicate key {key.value!r}", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _can_race(raw: Mapping[str, Any]) -> bool:
    """Whether a study as it is written, unchecked, lists lambdas to choose from and nothing that a race cannot have."""
    search, conditions = raw.get("search"), raw.get("conditions") or {}
    if not isinstance(search, Mapping) or not isinstance(conditions, Mapping):
        return False
    named = {Setting.named(str(name)).path: values for name, values in search.items() if isinstance(values, Mapping)}
    grid = named.pop(LAMBDA, {}).get("grid")
    several = isinstance(grid, Sequence) and len(grid) > 1
    searched = any({"uniform", "log_uniform", "grid"} & set(values) for values in named.values())
    sampled = any(isinstance(values, Mapping) for values in conditions.values())
    return several and not searched and not sampled and raw.get("scheduler", "none") == "none"


def _split_override(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise StudyError(f"--set {text}: write key.path=value, such as training.epochs=4")
    try:
        return key, yaml.load(value, Loader=_Loader)
    except yaml.YAMLError as error:
        raise StudyError(f"--set {text}: the value is not valid YAML: {error}") from None


def _override(raw: dict[str, Any], key: str, value: Any) -> str:
    """Put a value into the raw study; return the option's text for messages."""
    *parents, last = key.split(".")
    if len(parents) > 1 and parents[0] in ("conditions", "search"):
        parents, last = _longest_key(raw.get(parents[0]), parents, last)
    place = raw
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise StudyError(f"--set {key}={value}: {parent} is not a mapping")
    place[last] = value
    return f"--set {key}"


def _longest_key(section: Any, parents: list[str], last: str) -> tuple[list[str], str]:
    """Keys under conditions and search may contain dots themselves (training.batch_size)."""
    rest = [*parents[1:], last]
    for length in range(len(rest), 1, -1):
        joined = ".".join(rest[:length])
        if isinstance(section, dict) and joined in section:
            path = [parents[0], joined, *rest[length:]]
            return path[:-1], path[-1]
    return parents, last
