"""The real command line in processes of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fer_tune.results.folder import trial_folders

ROOT = Path(__file__).parents[2]


def run_command(*arguments: str | Path, cwd: Path, module: str = "fer_tune.run") -> subprocess.CompletedProcess[str]:
    """Run `python -m fer_tune.run` (or another module) to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def start(study: Path, cwd: Path, *words: str, **options: Any) -> subprocess.Popen[Any]:
    """Start `python -m fer_tune.run STUDY` in a process group of its own.

    It listens to SIGHUP even where nohup makes the tests ignore it.
    """
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "fer_tune.run", str(study), *words],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
            start_new_session=True,
            **options,
        )
    finally:
        signal.signal(signal.SIGHUP, before)


def start_piped(study: Path, cwd: Path, *words: str, **options: Any) -> subprocess.Popen[Any]:
    """As `start`; both outputs can be read as one text."""
    return start(study, cwd, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def epochs_done(results: Path) -> int:
    """Epochs that the trials of a results folder have run in all."""
    return sum(len(folder.history()) for folder in trial_folders(results))


def wait_for_epochs(results: Path, epochs: int) -> None:
    """Wait until the trials of a results folder have run this many epochs in all."""
    deadline = time.monotonic() + 120
    while epochs_done(results) < epochs:
        assert time.monotonic() < deadline, "the study does not start"
        time.sleep(0.05)
