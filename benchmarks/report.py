"""Time and memory of the report against the number of trials, on made-up results folders."""

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fer_tune.data.labels import EMOTIONS
from fer_tune.results.environment import environment
from fer_tune.results.files import write_json
from fer_tune.results.records import Status
from fer_tune.results.tables import write_tables
from fer_tune.search.jobs import jobs_of
from fer_tune.study.plan import Plan, make_plan
from fer_tune.study.schema import Study

SIZES = (10, 100, 1000)  # trials
EPOCHS = 100
LAMBDAS = (0.0, 0.2, 0.4, 0.6, 1.0)
REPORTER = (
    "import sys; from fer_tune.analysis.report import main; main(sys.argv[1:]);"
    "from fer_tune.system.memory import own_peak_bytes; print(own_peak_bytes())"
)


def made_up_plan(trials: int) -> Plan:
    """A study with so many trials: five lambdas, up to four noise ratios, the rest seeds."""
    ratios = [0.1, 0.2, 0.4, 0.6][: max(1, min(4, trials // 25))]
    raw = {
        "name": "made_up",
        "training": {"epochs": EPOCHS},
        "conditions": {"noise_ratio": ratios},
        "search": {"lambda": {"grid": LAMBDAS}},
        "seeds": list(range(max(1, trials // (len(LAMBDAS) * len(ratios))))),
    }
    return make_plan(Study.model_validate(raw))


def write_made_up(folder: Path, trials: int) -> None:
    """A results folder of made-up numbers, in the real format; they come from no training."""
    plan = made_up_plan(trials)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "study.json", plan.resolved)
    write_json(folder / "environment.json", {**environment(["0" * 32]), "made_up": True})
    write_json(folder / "run.json", [{"wall_seconds": 60.0, "peak_memory_bytes": 2**30, "complete": True}])
    rng = np.random.default_rng(0)
    tested = (
        ",".join(["index", "emotion_true", "emotion_predicted", *(f"emotion_p_{name}" for name in EMOTIONS)]) + "\n"
    )
    tested += "".join(f"{i},{i % 7},{i % 5}{',0.142857' * 7}\n" for i in range(1500))
    for cell in plan.cells:
        for job in jobs_of(cell, folder, 0, {}):
            trial, config = job.folder, job.config
            trial.begin(job.record)
            trial.write_history(_history(config.training.lam, config.noise.ratio, rng))
            trial.end(Status.FINISHED, plan.study.objective)
            rows = "".join(f"{i},{k}\n" for i, k in enumerate(rng.integers(0, 7, 1500).tolist()))
            (trial.path / "predictions_validation.csv").write_text("index,emotion_predicted\n" + rows)
            (trial.path / "predictions.csv").write_text(tested)
    write_tables(folder)


def _history(lam: float, ratio: float, rng: np.random.Generator) -> list[dict[str, float]]:
    """Epochs of a run that gets better, with as many columns as a real one has."""
    level, rows = 0.85 - 0.5 * (lam - ratio) ** 2, []
    for epoch in range(1, EPOCHS + 1):
        clean = level * (1 - math.exp(-epoch / 12)) + 0.01 * rng.normal()
        row = {"epoch": float(epoch), "task_loss": 2 - clean, "seconds": 5.0, "images_per_second": 700.0}
        row |= {"generator_joint_loss": 2 + lam + 0.1 * rng.normal() if lam else math.nan}
        row |= {"discriminator_joint_loss": 0.9 - 0.5 * lam + 0.05 * rng.normal() if lam else math.nan}
        for split, accuracy in (("val", 1 / 7 + (clean - 1 / 7) * (1 - ratio * 7 / 6)), ("test", clean)):
            row |= {f"{split}_accuracy": accuracy, f"{split}_ccc": clean - 0.1, f"{split}_macro_f1": accuracy}
            row |= {f"{split}_mean_class_accuracy": accuracy}
            row |= {
                f"{split}_{metric}_{value}": clean for metric in ("rmse", "sign") for value in ("valence", "arousal")
            }
            row |= {f"{split}_recall_{k}": clean for k in range(7)}
        row |= {"val_dmi": clean, "val_peer_accuracy": clean, "prediction_changes": 0.3 / epoch + 0.01 * rng.random()}
        rows.append(row | {"susceptibility": 0.2 + 0.02 * rng.normal()})
    return rows


def by_trials() -> Iterator[dict[str, Any]]:
    """Seconds and peak memory of `python -m analysis.report`, and the page's size, against the number of trials."""
    for trials in SIZES:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "made_up"
            write_made_up(folder, trials)
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", REPORTER, str(folder)], capture_output=True, text=True, check=True
            )
            seconds = time.perf_counter() - start
            yield {
                "trials": len(list((folder / "trials").iterdir())),
                "epochs": EPOCHS,
                "seconds": seconds,
                "peak_bytes": int(done.stdout.split()[-1]),
                "page_bytes": (folder / "report" / "index.html").stat().st_size,
            }
