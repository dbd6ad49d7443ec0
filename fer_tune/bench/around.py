"""What a study costs before its first trial and after its last, against what its libraries take by themselves."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from fer_tune.bench.workers import STUDY, run_study

SWEEP: dict[str, Any] = {
    **STUDY,
    "name": "around",
    "dataset": {"kind": "synthetic", "train": 3000, "validation": 1500, "test": 1500},
    "training": {**STUDY["training"], "epochs": 1},
    "search": {"lambda": {"grid": [0.0, 0.3, 1.0]}},
    "seeds": [0],
}
# A run of Ray Tune in which two workers import what a trial imports before it begins, and train nothing.
BARE = """
import sys

import ray
from ray import tune

class Nothing(tune.Trainable):
    def setup(self, config):
        import pandas, torch

        torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])

    def step(self):
        return {"done": True}

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=sys.argv[1])
tune.Tuner(
    tune.with_resources(Nothing, {"cpu": 1}),
    param_space={"trial": tune.grid_search([0, 1])},
    run_config=tune.RunConfig(storage_path=sys.argv[1], verbose=0),
).fit()
ray.shutdown()
"""


def start_and_stop(rounds: int) -> Iterator[dict[str, Any]]:
    """Seconds of a study's command outside the time from its first trial's start to its last one's end.

    The study is the default one with one epoch, since what happens before and after does not depend on how many.
    `bare` runs nothing of this project: what its libraries take on this machine by themselves.
    """
    for number in range(1, rounds + 1):
        seconds, run = _timed(lambda: run_study(SWEEP, os.cpu_count() or 1))
        bare, _ = _timed(_run_bare)
        around = seconds - run["trials_seconds"]
        yield {"round": number, "seconds_around": around, "seconds_bare": bare, "ratio": around / bare}


def _timed(task: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = task()
    return time.perf_counter() - start, value


def _run_bare() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", BARE, folder]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
