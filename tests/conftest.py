"""Small data and small studies that many tests share."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from fer_tune import ModelSpec, TrainingSpec, load_data
from fer_tune.data import NoisyData

ROOT = Path(__file__).parent.parent
SMALL_MODEL = ModelSpec(width=0.125, encoder_norm="batch")
SMALL_DATA = {"kind": "synthetic", "train": 64, "validation": 28, "test": 28}

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


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The smoke study, run once by the real command line: its results folder and what it printed."""
    folder = tmp_path_factory.mktemp("smoke")
    done = run_command(ROOT / "studies" / "smoke.yaml", cwd=folder)
    return folder / "results" / "smoke", done
