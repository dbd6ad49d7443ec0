"""Small data and small studies that many tests share."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from fer_tune import ModelSpec, TrainingSpec, load_data
from fer_tune.data.noisy import NoisyData
from fer_tune.results.folder import trial_folders

ROOT = Path(__file__).parent.parent
SMALL_MODEL = ModelSpec(width=0.125, encoder_norm="batch")
SMALL_DATA = {"kind": "synthetic", "train": 64, "validation": 28, "test": 28}

CLOCK = ["seconds", "images_per_second"]

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data() -> NoisyData:
    return load_data(SMALL_DATA, {"ratio": 0.4}, seed=0)


@pytest.fixture
def training() -> TrainingSpec:
    return TrainingSpec(lam=0.5, lr=1e-3, epochs=4, batch_size=32)


@pytest.fixture
def study_file(tmp_path: Path):
    """Writes a small study, changed by the given keys, and returns its path."""

    def write(**changes: Any) -> Path:
        raw = {
            "name": "small",
            "dataset": SMALL_DATA,
            "noise": {"kind": "symmetric", "ratio": 0.4},
            "model": {"width": 0.125, "encoder_norm": "batch"},
            "training": {"epochs": 2, "batch_size": 32},
            "search": {"lambda": {"grid": [0.0, 0.5]}},
        }
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({**raw, **changes}, sort_keys=False))
        return path

    return write


def run_command(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The real command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "fer_tune.run", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def start(study: Path, cwd: Path, *words: str, **options: Any) -> subprocess.Popen:
    """The real command line in a process group of its own, not waited for.

    It hears a closed terminal, even where nohup lets the tests themselves pass over one.
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


def wait_for_epochs(results: Path, epochs: int) -> None:
    """Until the trials of a results folder have run so many epochs in all."""
    deadline = time.monotonic() + 120
    while sum(len(folder.history()) for folder in trial_folders(results)) < epochs:
        assert time.monotonic() < deadline, "the study does not start"
        time.sleep(0.05)


def tables(results: Path) -> list[pd.DataFrame]:
    """Both tables of a results folder, the columns aside that hold clock times."""
    read = [pd.read_csv(results / name) for name in ("trials.csv", "epochs.csv")]
    return [table.drop(columns=[c for c in CLOCK if c in table]) for table in read]


def assert_equal_tables(one: Path, other: Path) -> None:
    for ours, theirs in zip(tables(one), tables(other), strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The smoke study, run once by the real command line: its results folder and what it printed."""
    folder = tmp_path_factory.mktemp("smoke")
    done = run_command(ROOT / "studies" / "smoke.yaml", cwd=folder)
    return folder / "results" / "smoke", done
