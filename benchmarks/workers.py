"""What Ray adds: workers at once against one, the start of a trial, and the memory of a further trial.

Every figure comes from `run.json` of a real study, run by the real command line.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from fer_tune.results.files import read_json
from fer_tune.system.cpus import usable_cpus

STUDY: dict[str, Any] = {
    "dataset": {"kind": "synthetic", "train": 2000, "validation": 500, "test": 500},
    "noise": {"ratio": 0.4},
    "model": {"width": 0.125, "encoder_norm": "batch"},
    "training": {"epochs": 5, "batch_size": 64, "lambda": 0.3, "lr": 1e-3, "augment": False},
    "seeds": [0, 1, 2, 3],
}
TINY: dict[str, Any] = {
    **STUDY,
    "dataset": {"kind": "synthetic", "train": 64, "validation": 14, "test": 14},
    "training": {"epochs": 1, "batch_size": 32, "lambda": 0.0},
}


def by_workers() -> Iterator[dict[str, Any]]:
    """Images/s of four equal trials in all, on 1, 2, 4 ... workers of one CPU each.

    `overhead` is the share of the workers' time, from the first trial's start to the last one's end, that is
    not spent in epochs; `bytes_of_a_further_trial` compares peaks with one worker's.
    """
    first: Mapping[str, Any] | None = None
    workers = 1
    while workers <= min(usable_cpus(), len(STUDY["seeds"])):
        run = run_study({"name": f"workers_{workers}", **STUDY}, workers)
        first = first or run
        further = (run["peak_memory_bytes"] - first["peak_memory_bytes"]) / max(1, workers - 1)
        images = STUDY["dataset"]["train"] * STUDY["training"]["epochs"] * len(STUDY["seeds"])
        yield {
            "workers": workers,
            "images_per_second": images / run["trials_seconds"],
            "ratio": first["trials_seconds"] / run["trials_seconds"],
            "overhead": 1 - run["trained_seconds"] / (workers * run["trials_seconds"]),
            "seconds_around": run["wall_seconds"] - run["trials_seconds"],
            "peak_bytes": run["peak_memory_bytes"],
            "bytes_of_a_further_trial": further,
        }
        workers *= 2


def trial_starts(few: int = 10, many: int = 50) -> Iterator[dict[str, Any]]:
    """Seconds between the epochs of two trials on one worker: end of one, start of the next (actor reused).

    The difference of two studies of tiny trials, so that the worker's own start does not count.
    """
    idle = {}
    for count in (few, many):
        run = run_study({"name": f"starts_{count}", **TINY, "seeds": list(range(count))}, 1)
        idle[count] = run["trials_seconds"] - run["trained_seconds"]
    yield {"trials": many - few, "seconds_a_trial": (idle[many] - idle[few]) / (many - few)}


def run_study(study: Mapping[str, Any], cpus: int) -> dict[str, Any]:
    """Run a study in a folder of its own, on so many CPUs; return its last entry of run.json."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.yaml"
        file.write_text(yaml.safe_dump(json.loads(json.dumps(study))))
        command = [sys.executable, "-m", "fer_tune.run", str(file), "--results", folder, "--cpus", str(cpus)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        runs: list[dict[str, Any]] = read_json(Path(folder) / str(study["name"]) / "run.json")
        return runs[-1]
