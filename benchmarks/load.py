"""A study of very many very small trials: seconds a trial, and the driver's memory while they end.

The study runs by the real command line; its driver is weighed from outside.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from matplotlib.figure import Figure

from benchmarks.workers import TINY
from fer_tune.results.files import read_json

SIZES = (100, 500, 2000)
TRIALS: dict[str, Any] = {
    **TINY,
    "dataset": {"kind": "synthetic", "train": 28, "validation": 14, "test": 14},
    "training": {"epochs": 1, "batch_size": 28, "lambda": 0.0},
}
MIB = 2**20


def by_trials(sizes: Sequence[int] = SIZES, figure: Path | None = None) -> Iterator[dict[str, Any]]:
    """Seconds a trial, and by how many bytes the driver grows with each, for studies of so many trials.

    Growth is the slope over the second half of the trials, when everything is loaded. `figure` shows it over time.
    """
    curves = []
    for trials in sizes:
        with tempfile.TemporaryDirectory() as folder:
            weighed, seconds = _weighed_run(Path(folder), trials)
            results = Path(folder) / f"load_{trials}"
            run = read_json(results / "run.json")[-1]
            whole = sum(1 for _ in results.glob("trials/*/result.json"))
            page = (results / "report" / "index.html").stat().st_size
        curves.append((trials, weighed))
        late = weighed[weighed[:, 1] >= trials / 2]
        yield {
            "trials": trials,
            "trials_ended": whole,
            "seconds": seconds,
            "seconds_a_trial": run["trials_seconds"] / trials,
            "driver_bytes_at_most": float(weighed[:, 2].max()),
            "driver_bytes_a_trial": float(np.polyfit(late[:, 1], late[:, 2], 1)[0]),
            "page_bytes": page,
        }
    if figure is not None:
        _draw(curves, figure)


def _weighed_run(folder: Path, trials: int) -> tuple[np.ndarray, float]:
    """Seconds, trials ended and the driver's resident bytes (n, 3), once a second; and the run's seconds."""
    study = folder / "study.yaml"
    study.write_text(yaml.safe_dump({"name": f"load_{trials}", **TRIALS, "seeds": list(range(trials))}))
    log = folder / "log"
    started = time.monotonic()
    with open(log, "w") as file:
        driver = psutil.Popen([sys.executable, "-m", "fer_tune.run", study, "--results", folder], stdout=file)
    rows = []
    while driver.poll() is None:
        try:
            weight = driver.memory_info().rss
        except psutil.NoSuchProcess:
            break
        if weight:  # none is left of a process that waits to be asked how it ended
            rows.append((time.monotonic() - started, log.read_text().count("\nfinished: "), weight))
        time.sleep(1)
    if driver.wait():
        raise subprocess.CalledProcessError(driver.returncode, driver.args)
    return np.array(rows, dtype=float), time.monotonic() - started


def _draw(curves: list[tuple[int, np.ndarray]], path: Path) -> None:
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    ax = figure.subplots()
    for (trials, weighed), colour in zip(curves, ("#e69f00", "#009e73", "#0072b2"), strict=False):
        ax.plot(weighed[:, 0] / 60, weighed[:, 2] / MIB, color=colour, label=f"{trials:,} trials")
    ax.set_xlabel("minutes since the command")
    ax.set_ylabel("memory of the driver (MiB)")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    figure.savefig(path, dpi=130)
