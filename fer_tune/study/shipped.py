"""The study files that come with fer-tune: in a checkout in studies/, in a wheel inside the package."""

import difflib
from pathlib import Path

from fer_tune.study.errors import StudyError

PACKAGE = Path(__file__).parent.parent
QUESTION = "# Question:"


def shipped_folder() -> Path:
    """Where the shipped study files are."""
    installed = PACKAGE / "studies"
    return installed if installed.is_dir() else PACKAGE.parent / "studies"


def shipped_studies() -> dict[str, Path]:
    """Every shipped study file by name."""
    return {path.stem: path for path in sorted(shipped_folder().glob("*.yaml"))}


def find_study(name: Path) -> Path:
    """The study file that a user named: an existing path, else a shipped study of that name.

    Raises StudyError where it is neither.
    """
    if name.is_file() or name.suffix or len(name.parts) > 1:
        return name  # loading says what is wrong with a path that cannot be read
    return shipped_study(str(name))


def shipped_study(name: str) -> Path:
    """The shipped study file of that name. Raises StudyError where there is none."""
    shipped = shipped_studies()
    if name not in shipped:
        close = difflib.get_close_matches(name, shipped, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        text = f"{name}: no such file, and no shipped study has that name.{hint} Shipped studies: {', '.join(shipped)}"
        raise StudyError(text)
    return shipped[name]


def question(path: Path) -> str:
    """What a shipped study answers, from the comment at its head."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(QUESTION)), None)
    if start is None:
        return ""
    text = [lines[start].removeprefix(QUESTION).strip()]
    for line in lines[start + 1 :]:
        words = line.removeprefix("#").strip()
        if not line.startswith("#") or not words or ":" in words.split()[0]:
            break
        text.append(words)
    return " ".join(text)
