"""What tests of every room share: small data, small studies, and two finished ones."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from fer_tune import ModelSpec, TrainingSpec, load_data
from fer_tune.data.noisy import NoisyData
from fer_tune.study.loading import load_plan
from fer_tune.study.plan import Plan
from tests.support.commands import ROOT, run_command
from tests.support.studies import SMALL_DATA, SMOKE, Finished, run_here, write_study

__all__ = ["ROOT", "SMALL_MODEL"]

SMALL_MODEL = ModelSpec(width=0.125, encoder_norm="batch")

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the smoke study start Ray, so they run alone."""
    for item in items:
        if "smoke" in getattr(item, "fixturenames", ()):
            item.add_marker("serial")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Commands that train in this process take all cores; the next test has one torch thread again."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data() -> NoisyData:
    return load_data(SMALL_DATA, {"ratio": 0.4}, seed=0)


@pytest.fixture
def training() -> TrainingSpec:
    return TrainingSpec(lam=0.5, lr=1e-3, epochs=4, batch_size=32)


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes the small study, changed by the given keys, and returns its path."""
    return lambda **changes: write_study(tmp_path, **changes)


@pytest.fixture
def plan_of(study_file: Callable[..., Path]) -> Callable[..., Plan]:
    """The plan of the small study, changed by the given keys."""
    return lambda **changes: load_plan(study_file(**changes))


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The smoke study, run once by the real command line: its results folder and what it printed."""
    folder = tmp_path_factory.mktemp("smoke")
    done = run_command(SMOKE, cwd=folder)
    return folder / "results" / "smoke", done


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A small study run to its end in this process: one warm-up and two trials. Tests must not change it."""
    folder = tmp_path_factory.mktemp("small")
    study = write_study(folder, training={"epochs": 3, "batch_size": 32, "warmup_epochs": 1})
    return Finished(study, run_here(load_plan(study), folder / "results" / "small"))


@pytest.fixture
def finished(small: Finished, tmp_path: Path) -> Finished:
    """A copy of the small study's results, which a test may change."""
    return Finished(small.study, Path(shutil.copytree(small.results, tmp_path / "results" / "small")))


@pytest.fixture
def smoke_copy(smoke: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> Finished:
    """A copy of the smoke study's results, which a test may change."""
    return Finished(SMOKE, Path(shutil.copytree(smoke[0], tmp_path / "results" / "smoke")))
