"""The rooms of the package, which of them each may import, and a checker that reads every import with ast."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEAVES = {"names", "errors", "system"}
DATA = {*LEAVES, "data"}
MAY_IMPORT: dict[str, set[str]] = {  # of this package; a room may always import itself
    "names": set(),
    "errors": set(),
    "system": set(),
    "data": LEAVES,
    "models": {"system", "errors"},
    "training": {*DATA, "models"},
    "study": {*DATA, "models", "training"},
    "results": LEAVES,
    "decision": {"names"},
    "search": {*DATA, "models", "training", "study", "results", "decision"},
    "analysis": {*LEAVES, "results", "decision"},
    "cli": {*DATA, "models", "training", "study", "results", "decision", "search", "analysis"},
    "door": {"cli"},
    "package": {"data", "models", "training"},  # fer_tune/__init__.py, the five lines of a notebook
    "script": {"analysis"},  # analysis/*.py, which run alone
    "benchmarks": {*DATA, "models", "training", "study", "results", "decision", "search", "analysis"},
}
FILES = {"io", "os", "pathlib", "shutil", "tempfile"}
NEVER: dict[str, set[str]] = {  # of other packages
    "names": {"ray", "torch"},
    "errors": {"ray", "torch"},
    "system": {"ray", "torch"},
    "data": {"ray"},
    "models": {"ray", "yaml"},
    "training": {"ray", "yaml"},
    "study": {"ray", "torch"},
    "results": {"ray", "torch"},
    "decision": {"ray", "torch", "yaml", *FILES},
    "analysis": {"ray", "torch"},
    "script": {"ray", "torch"},
    "cli": {"torch"},
    "door": {"ray", "torch"},
}
NEVER_IN_MODULE = {"fer_tune/search/trial.py": {"ray"}, "fer_tune/search/checkpoint.py": {"ray"}}
DOORS = {"run", "recommend", "predict", "annotate", "__main__"}


@dataclass(frozen=True)
class Violation:
    """An import that a room must not have."""

    path: Path
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


def room_of(path: Path) -> str:
    """The room of a file, whose path is relative to the repository."""
    parts = path.with_suffix("").parts
    if parts[0] == "benchmarks":
        return "benchmarks"
    if parts[0] == "analysis":
        return "script"
    if parts[1] == "__init__":
        return "package"
    if parts[1] in DOORS or (len(parts) == 3 and parts[2] == "__main__"):
        return "door"
    return parts[1]


def imports(path: Path, source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, in functions and under TYPE_CHECKING too."""
    package = path.parent.parts
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def violations(root: Path) -> list[Violation]:
    """Every import below fer_tune/, analysis/ and benchmarks/ that breaks a rule."""
    files = [path for name in ("fer_tune", "analysis", "benchmarks") for path in sorted((root / name).rglob("*.py"))]
    return [found for file in files for found in _violations_of(file.relative_to(root), file.read_text("utf-8"))]


def _violations_of(path: Path, source: str) -> Iterator[Violation]:
    room = room_of(path)
    if room not in MAY_IMPORT:
        yield Violation(path, 1, f"{room} is not a room")
        return
    is_contents = path.name == "__init__.py" and room not in ("package", "script", "benchmarks")
    for line, name in imports(path, source):
        top, _, rest = name.partition(".")
        if is_contents:
            yield Violation(path, line, f"the __init__.py of a room imports nothing: it imports {name}")
        elif top == "fer_tune" and rest:
            other = rest.partition(".")[0]
            allowed = {room, *MAY_IMPORT[room]}
            if other in MAY_IMPORT or other in DOORS:
                if other not in allowed:
                    yield Violation(path, line, f"{room} never imports {other}: it imports {name}")
            elif room not in ("cli", "benchmarks"):
                yield Violation(path, line, f"{room} imports {name}, which belongs to no room")
        elif top in ("analysis", "benchmarks", "tests"):
            inside = (room == "benchmarks" and top == "benchmarks") or (room, path.name, top) == BENCH
            if not inside:
                yield Violation(path, line, f"{room} never imports {top}/: it imports {name}")
        elif top in NEVER.get(room, ()) or top in NEVER_IN_MODULE.get(path.as_posix(), ()):
            yield Violation(path, line, f"{room} never imports {top}: it imports {name}")


BENCH = ("cli", "bench.py", "benchmarks")  # `fer-tune bench` runs the benchmarks of a checkout
