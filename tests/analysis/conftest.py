"""Made-up results folders with known answers, in the real format. Their numbers come from no training."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_tune.results.environment import environment
from fer_tune.results.files import write_json
from fer_tune.results.folder import TrialFolder
from fer_tune.results.tables import write_tables
from fer_tune.study.schema import Study

Curve = Callable[[float, int, np.ndarray], np.ndarray]


def plateau(level: Callable[[float], float], speed: float = 2.0) -> Curve:
    """A clean accuracy that saturates at level(lambda), a little different for each seed."""
    return lambda lam, seed, epoch: level(lam) * (1 - np.exp(-epoch / speed)) + 0.002 * seed


def row(epoch: float, lam: float, accuracy: float, shrinkage: float) -> dict[str, float]:
    joint = lam > 0
    noisy = 1 / 7 + (accuracy - 1 / 7) * shrinkage
    return {
        "epoch": epoch,
        "generator_joint_loss": 2 + lam if joint else math.nan,
        "discriminator_joint_loss": 0.9 - 0.75 * lam if joint else math.nan,
        "val_accuracy": noisy,
        "val_ccc": noisy - 0.05,
        "val_dmi": noisy,
        "val_peer_accuracy": noisy - 1 / 7,
        "task_loss": 1 - accuracy,
        "prediction_changes": max(0.02, 0.5 / epoch) + 0.1 * (1 - accuracy),
        "susceptibility": 0.3 - 0.2 * accuracy,
        "test_accuracy": accuracy,
        "test_ccc": accuracy - 0.1,
        "seconds": 1.0,
    }


@pytest.fixture
def results_folder(tmp_path: Path):
    return folder_writer(tmp_path)


def folder_writer(tmp_path: Path):
    """What writes a results folder whose clean accuracy follows a curve, and returns its path.

    `shifted`: the curve is of lambda less the noise ratio.
    """

    def write(
        curve: Curve, epochs: int = 30, broken: int = 0, complete: bool = True, baselines=0, shifted=False, **changes
    ) -> Path:
        raw = {
            "name": "made_up",
            "noise": {"ratio": 0.4},
            "training": {"epochs": epochs},
            "search": {"lambda": {"grid": [0.0, 0.2, 0.6, 1.0]}},
            "seeds": [0, 1, 2],
        }
        study = Study.model_validate({**raw, **changes})
        path = tmp_path / study.name
        path.mkdir()
        write_json(path / "study.json", study.model_dump(mode="json", by_alias=True))
        write_json(path / "environment.json", environment(["0" * 32]))
        write_json(path / "run.json", [{"wall_seconds": 60.0, "peak_memory_bytes": 2**30, "complete": complete}])
        for cell in study.cells():
            for number in range(study.configurations(cell)):
                for seed in study.seeds:
                    own = _shifted(curve, study.trial_config(cell, {}, seed).noise.ratio) if shifted else curve
                    _write_trial(path, study, cell, number, seed, own)
                    if baselines > 0:
                        _write_trial(path, study, cell, number, seed, own, "baseline")
                        baselines -= 1
        for folder in sorted((path / "trials").iterdir())[:broken]:
            TrialFolder(folder).end("diverged", study.objective, "<b>task_loss</b> is not finite in epoch 3")
        write_tables(path)
        return path

    return write


def _shifted(curve: Curve, by: float) -> Curve:
    return lambda lam, seed, epoch: curve(lam - by, seed, epoch)


def _write_trial(path, study, cell, number, seed, curve, role="trial"):
    share = (number + 0.5) / study.configurations(cell)
    suggestion = {name: d.range[0] + share * (d.range[1] - d.range[0]) for name, d in cell.space.items()}
    config = study.trial_config(cell, suggestion, seed)
    if role == "baseline":
        config = config.model_copy(update={"training": config.training.model_copy(update={"lam": 0.0})})
    suffix = ",baseline" if role == "baseline" else ""
    folder = TrialFolder(path / "trials" / f"{cell.key},n{number:03d},s{seed}{suffix}")
    shrinkage = 1 - config.noise.ratio * 7 / 6
    folder.begin(
        {
            "cell": cell.key, "condition_key": cell.condition_key, "number": number, "seed": seed, "role": role,
            "warm_up": None,
            "varied": {**cell.condition, **cell.grid, **suggestion},
            "accuracy_shrinkage": shrinkage, "validation_samples": 1500,
            "config": config.model_dump(by_alias=True, mode="json"),
        }
    )  # fmt: skip
    lam, epoch = config.training.lam, np.arange(1, study.training.epochs + 1)
    accuracies = curve(lam, seed, epoch)
    folder.write_history([row(float(e), lam, float(a), shrinkage) for e, a in zip(epoch, accuracies, strict=True)])
    folder.end("finished", study.objective)
