"""Made-up results folders with known answers, in the real format. Their numbers come from no training."""

import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from fer_tune.results.environment import environment
from fer_tune.results.files import write_cells, write_json
from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Role, Status, TrialRecord
from fer_tune.results.tables import write_tables
from fer_tune.study.plan import Plan, make_plan
from fer_tune.study.schema import Study

Curve = Callable[[float, int, np.ndarray], np.ndarray]  # clean accuracy of (lambda, seed, epochs)
CLASSES = 7


def plateau(level: Callable[[float], float], speed: float = 2.0) -> Curve:
    """A clean accuracy that saturates at level(lambda), a little different for each seed."""
    return lambda lam, seed, epoch: level(lam) * (1 - np.exp(-epoch / speed)) + 0.002 * seed


PEAK = plateau(lambda lam: 0.6 if lam == 0 else 0.85 - 0.5 * (lam - 0.2) ** 2)  # best at 0.2, rises and then falls


def epoch_row(epoch: float, lam: float, accuracy: float, shrinkage: float) -> dict[str, float]:
    """One row of a trial's history, everything derived from its clean accuracy."""
    joint = lam > 0
    noisy = 1 / CLASSES + (accuracy - 1 / CLASSES) * shrinkage
    return {
        "epoch": epoch,
        "generator_joint_loss": 2 + lam if joint else math.nan,
        "discriminator_joint_loss": 0.9 - 0.75 * lam if joint else math.nan,
        "val_accuracy": noisy,
        "val_ccc": noisy - 0.05,
        "val_dmi": noisy,
        "val_peer_accuracy": noisy - 1 / CLASSES,
        "task_loss": 1 - accuracy,
        "prediction_changes": max(0.02, 0.5 / epoch) + 0.1 * (1 - accuracy),
        "susceptibility": 0.3 - 0.2 * accuracy,
        "test_accuracy": accuracy,
        "test_ccc": accuracy - 0.1,
        "seconds": 1.0,
    }


def folder_writer(target: Path) -> Callable[..., Path]:
    """A function that writes results folders below `target`."""

    def write(
        curve: Curve,
        epochs: int = 30,
        broken: int = 0,
        complete: bool = True,
        baselines: int = 0,
        shifted: bool = False,
        **changes: Any,
    ) -> Path:
        """Write a results folder whose clean accuracy follows a curve; return its path.

        Args:
            curve: the clean accuracy.
            epochs: of each trial.
            broken: how many trials diverged.
            complete: whether the study is.
            baselines: how many trials of a gain have a baseline.
            shifted: the curve is of lambda less the noise ratio.
            changes: keys of the study file.
        """
        raw = {
            "name": "made_up",
            "noise": {"ratio": 0.4},
            "training": {"epochs": epochs},
            "search": {"lambda": {"grid": [0.0, 0.2, 0.6, 1.0]}},
            "seeds": [0, 1, 2],
        }
        plan = make_plan(Study.model_validate({**raw, **changes}))
        study = plan.study
        path = target / study.name
        path.mkdir()
        with patch("os.fsync"):  # nothing here must survive a power cut
            write_json(path / "study.json", plan.resolved)
            write_json(path / "environment.json", environment(["0" * 32]))
            write_json(path / "run.json", [{"wall_seconds": 60.0, "peak_memory_bytes": 2**30, "complete": complete}])
            for i, (key, record) in enumerate(planned(plan)):
                own = shifted_by(curve, record.config["noise"]["ratio"]) if shifted else curve
                made = (own, study.training.epochs, study.objective)
                write_trial(TrialFolder(path / "trials" / key), record, *made)
                if i < baselines:
                    write_trial(TrialFolder(path / "trials" / f"{key},baseline"), baseline_of(record), *made)
            for folder in sorted((path / "trials").iterdir())[:broken]:
                TrialFolder(folder).end(Status.DIVERGED, study.objective, "<b>task_loss</b> is not finite in epoch 3")
            write_tables(path)
        return path

    return write


def shifted_by(curve: Curve, by: float) -> Curve:
    """The curve of lambda less `by`."""
    return lambda lam, seed, epoch: curve(lam - by, seed, epoch)


def planned(plan: Plan) -> Iterator[tuple[str, TrialRecord]]:
    """The key and record of every trial of a plan, searched values spread evenly over their ranges."""
    for cell in plan.cells:
        for number in range(cell.configurations):
            share = (number + 0.5) / cell.configurations
            suggestion = {s: d.range[0] + share * (d.range[1] - d.range[0]) for s, d in cell.space.items()}
            varied = {**cell.condition, **cell.grid, **suggestion}
            for seed in plan.study.seeds:
                config = cell.config(suggestion, seed)
                record = TrialRecord(
                    cell=cell.key,
                    condition_key=cell.condition_key,
                    number=number,
                    seed=seed,
                    varied={setting.name: value for setting, value in varied.items()},
                    accuracy_shrinkage=1 - config.noise.ratio * CLASSES / (CLASSES - 1),
                    validation_samples=1500,
                    config=config.model_dump(by_alias=True, mode="json"),
                )
                yield f"{cell.key},n{number:03d},s{seed}", record


def baseline_of(record: TrialRecord) -> TrialRecord:
    """The same trial at lambda 0, as a gain needs it."""
    training = {**record.config["training"], "lambda": 0.0}
    return replace(record, role=Role.BASELINE, config={**record.config, "training": training})


def write_trial(folder: TrialFolder, record: TrialRecord, curve: Curve, epochs: int, objective: str) -> None:
    """Write the folder of a finished trial."""
    folder.begin(record)
    lam, passed = record.config["training"]["lambda"], np.arange(1, epochs + 1)
    accuracies = curve(lam, record.seed, passed)
    rows = zip(passed, accuracies, strict=True)
    folder.write_history([epoch_row(float(e), lam, float(a), record.accuracy_shrinkage) for e, a in rows])
    folder.end(Status.FINISHED, objective)


def add_decide(
    path: Path, tolerance: float = 0.05, prior: Mapping[str, Any] | None = None, spent: bool = False
) -> Path:
    """Make the seeds of a study the blocks of a race; return its path.

    Args:
        path: the results folder.
        tolerance: the loss at which the race stops, a share of clean accuracy.
        prior: the content of `prior.json`.
        spent: whether the study ended because its budget was used up.
    """
    study, runs = (json.loads((path / name).read_text()) for name in ("study.json", "run.json"))
    with patch("os.fsync"):
        write_json(path / "study.json", {**study, "decide": {"tolerance": tolerance, "prior": None, "baselines": []}})
        if prior is not None:
            write_json(path / "prior.json", prior)
        if spent:
            write_json(path / "run.json", [{**runs[-1], "complete": False, "budget_spent": True}])
    return path


def add_references(path: Path, curve: Curve, seconds: float, method: str = "gce") -> Path:
    """Add a trial of a comparison method on every seed of a study with λ = 0; return the study's path.

    `seconds` is what an epoch of it takes.
    """
    for folder in map(TrialFolder, sorted((path / "trials").iterdir())):
        record = folder.record()
        if record.config["training"]["lambda"] > 0 or record.role is not Role.TRIAL:
            continue
        config = {**record.config, "training": {**record.config["training"], "method": method}}
        changes = {"role": Role.REFERENCE, "cell": f"method={method}", "varied": {"method": method}, "config": config}
        own = TrialFolder(folder.path.with_name(f"method={method},n000,s{record.seed}"))
        with patch("os.fsync"):
            write_trial(own, replace(record, **changes), curve, len(folder.history()), "val_accuracy")
            own.write_history([{**row, "seconds": seconds} for row in own.history()])
    with patch("os.fsync"):
        write_tables(path)
    return path


def add_extended(path: Path, curve: Curve, epochs: int, lams: Iterable[float], seeds: Iterable[int]) -> Path:
    """Add trials of a race trained on to more epochs, of these λs and seeds; return the study's path."""
    for folder in map(TrialFolder, sorted((path / "trials").iterdir())):
        record = folder.record()
        lam = record.config["training"]["lambda"]
        if record.role is not Role.TRIAL or lam not in lams or record.seed not in seeds:
            continue
        config = {**record.config, "training": {**record.config["training"], "epochs": epochs}}
        own = TrialFolder(folder.path.with_name(f"{record.cell},e{epochs},n000,s{record.seed}"))
        changed = replace(record, role=Role.EXTENDED, continues=folder.key, config=config)
        with patch("os.fsync"):
            write_trial(own, changed, curve, epochs, "val_accuracy")
    with patch("os.fsync"):
        write_tables(path)
    return path


def remove_trials(path: Path, lam: float, seeds: Iterable[int]) -> Path:
    """Remove the trials of a λ on these seeds, as if they had not been run; return the study's path."""
    for folder in map(TrialFolder, sorted((path / "trials").iterdir())):
        record = folder.record()
        if record.config["training"]["lambda"] == lam and record.seed in seeds:
            shutil.rmtree(folder.path)
    with patch("os.fsync"):
        write_tables(path)
    return path


SAMPLES = 60  # test images of the folders below


def add_classes(path: Path, names: Sequence[str], absent: Sequence[int] = (), labelled: bool = True) -> Path:
    """Add what trials leave of a label set `mood` with these classes: predictions, labels, recalls and images.

    The joint method (λ > 0) is right about every class but the last, which it takes for the first; λ = 0 is wrong about
    every other sample. No sample has an absent class. `labelled`: whether the training labels have known ones.
    """
    present = [k for k in range(len(names)) if k not in absent]
    true = np.array([present[i % len(present)] for i in range(SAMPLES)])
    for folder in map(TrialFolder, sorted((path / "trials").iterdir())):
        joint = folder.record().config["training"]["lambda"] > 0
        other = np.where(true == len(names) - 1, 0, true) if joint else np.roll(true, 1)
        predicted = np.where(joint | (np.arange(SAMPLES) % 2 == 0), other, true)
        recalls = {
            f"test_recall_{name}": float((predicted[true == k] == k).mean()) if k in present else math.nan
            for k, name in enumerate(names)
        }
        with patch("os.fsync"):
            folder.write_history([{**row, **recalls} for row in folder.history()])
            chances = [np.where(predicted == k, 0.9, 0.1).tolist() for k in range(len(names))]
            columns = ["index", "mood_true", "mood_predicted", *(f"mood_p_{name}" for name in names)]
            rows = zip(range(SAMPLES), true.tolist(), predicted.tolist(), *chances, strict=True)
            write_cells(folder.path / "predictions.csv", columns, list(rows))
            classes = list(enumerate(predicted.tolist()))
            write_cells(folder.path / "predictions_validation.csv", ["index", "mood_predicted"], classes)
            counts = np.where(np.isin(np.arange(len(names)), present), 5.0, 0.0)[:, None] * np.ones(len(names))
            given = counts.tolist() if labelled else None
            about = {"digest": "ab" * 8, "set": "mood", "classes": list(names), "given_counts": given}
            write_json(folder.path / "labels.json", about)
    data = path / "data" / ("0" * 32)
    data.mkdir(parents=True)
    sets = [{"name": "mood", "kind": "categorical", "names": list(names)}]
    with patch("os.fsync"):
        write_json(data / "dataset.json", {"digest": "0" * 32, "label_sets": sets, "augmentation": "faces"})
        write_tables(path)
    np.save(data / "images.npy", np.random.default_rng(0).integers(0, 255, (SAMPLES, 3, 8, 8), dtype=np.uint8))
    return path
