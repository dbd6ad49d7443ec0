"""What a study costs before its first trial and after its last, against what its libraries take by themselves."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from benchmarks import timed
from benchmarks.workers import STUDY, run_study
from fer_tune.system.cpus import usable_cpus

SWEEP: dict[str, Any] = {
    **STUDY,
    "name": "around",
    "dataset": {"kind": "synthetic", "train": 3000, "validation": 1500, "test": 1500},
    "training": {**STUDY["training"], "epochs": 1},
    "search": {"lambda": {"grid": [0.0, 0.3, 1.0]}},
    "seeds": [0],
}
# A run of Ray Tune whose workers import the most expensive of what trials do before they begin, and train nothing.
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

folder, workers = sys.argv[1], int(sys.argv[2])
ray.init(
    address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False, object_store_memory=128 * 2**20,
    _temp_dir=folder, _system_config={"prestart_worker_first_driver": False},
)
results = tune.Tuner(
    tune.with_resources(Nothing, {"cpu": 1}),
    param_space={"trial": tune.grid_search(list(range(workers)))},
    run_config=tune.RunConfig(
        storage_path=folder, verbose=0, checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False)
    ),
).fit()
ray.shutdown()
sys.exit(bool(results.errors))
"""


def start_and_stop(rounds: int) -> Iterator[dict[str, Any]]:
    """Seconds of a study's command outside the time from its first trial's start to its last one's end.

    The study is nearly the default one, with one epoch: the report of a longer one takes a second more. `seconds_bare`
    is how long Ray Tune by itself takes here to start as many workers that import torch, and to end: what no study
    can save.
    """
    workers = min(usable_cpus(), len(SWEEP["search"]["lambda"]["grid"]))
    for number in range(1, rounds + 1):
        bare, _ = timed(lambda: _run_bare(workers))
        seconds, run = timed(lambda: run_study(SWEEP, workers))
        around = seconds - run["trials_seconds"]
        yield {"round": number, "seconds_around": around, "seconds_bare": bare, "ratio": around / bare}


def _run_bare(workers: int) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-c", BARE, folder, str(workers)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Ray Tune by itself does not run here: {done.stderr}")
