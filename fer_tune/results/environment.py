"""The software and the machine that a study ran on."""

import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fer_tune.results.records import FORMAT_VERSION
from fer_tune.system.cpus import usable_cpus

PACKAGES = ("fer-tune", "torch", "ray", "optuna", "numpy", "pandas", "pydantic", "scipy", "scikit-learn")


def environment(digests: Iterable[str]) -> dict[str, Any]:
    """Versions and machine, by an allow-list: nothing else of the environment is recorded."""
    return {
        "format_version": FORMAT_VERSION,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": usable_cpus(),
        "git_commit": _git_commit(),
        "data_digests": sorted(digests),
        "command": _command(),
    }


def _command() -> list[str]:
    """The command line of this process, by the name of its door."""
    door = Path(sys.argv[0])
    if door.name == "__main__.py" and door.parent.name == "fer_tune":
        return ["python", "-m", "fer_tune", *sys.argv[1:]]
    if door.name == "fer-tune":
        return ["fer-tune", *sys.argv[1:]]
    return ["python", "-m", "fer_tune.run", *sys.argv[1:]]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the fer-tune checkout that runs, if it is one."""
    command = ["git", "rev-parse", "HEAD"]
    answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None if answer.returncode == 0 else None
