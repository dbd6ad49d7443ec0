"""Where time and memory go when a study grows: images, size, width, label sets, trials at once, trials in all."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import timed
from benchmarks.steps import CASES, Case, in_own_process
from fer_tune.data.dataset import open_dataset, save_dataset
from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.data.loading import load_data, read_dataset
from fer_tune.data.noise import NoiseSpec
from fer_tune.data.synthetic import SyntheticSpec
from fer_tune.models.spec import ModelSpec
from fer_tune.results.records import Status
from fer_tune.results.tables import write_tables
from fer_tune.study.plan import make_plan
from fer_tune.study.schema import Study
from fer_tune.system.memory import own_peak_bytes
from fer_tune.training.batches import Batches
from fer_tune.training.spec import TrainingSpec

DEFAULT = CASES["default study"]
TIMES = (
    ("images_per_second", "images/s", "o"),
    ("seconds to replay", "replaying the search", "s"),
    ("seconds of tables", "writing tables", "D"),
)


def by_model() -> Iterator[dict[str, Any]]:
    """Images/s and memory of a step against image size, width and number of label sets, one core."""
    small = replace(DEFAULT, batch=32)
    cases: list[tuple[str, Any, Case]] = [
        ("image size (px)", size, replace(small, size=size)) for size in (32, 64, 128)
    ]
    for width in (0.125, 0.25, 0.5, 1.0):
        cases.append(("width", width, replace(small, model=ModelSpec(width=width, encoder_norm="batch"))))
    for count in (1, 2, 4, 8):
        extra = tuple(LabelSet(f"annotator {i}", "categorical", FACE_LABELS[0].names) for i in range(count))
        cases.append(("label sets", count, replace(small, label_sets=extra)))
    for grows, value, case in cases:
        yield {"grows": grows, "value": value, **in_own_process(case, "fast fp32")}


def by_concurrency() -> Iterator[dict[str, Any]]:
    """Images/s of all trials together, and peak memory of each, against trials at once, one thread each."""
    for count in (1, 2, 4):
        with ThreadPoolExecutor(count) as pool:
            found = list(pool.map(lambda _: in_own_process(DEFAULT, "fast fp32"), range(count)))
        yield {
            "grows": "trials at once",
            "value": count,
            "images_per_second": sum(f["images_per_second"] for f in found),
            "peak_bytes": max(f["peak_bytes"] for f in found),
        }


def by_images(counts: tuple[int, ...] = (2_000, 8_000, 32_000)) -> Iterator[dict[str, Any]]:
    """Seconds to open a saved data set with its noise, images/s that batches are made at, and memory they need."""
    code = "import sys; from benchmarks.growth import read_alone; read_alone(sys.argv[1])"
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            spec = SyntheticSpec(train=count, validation=14, test=14)
            start = time.perf_counter()
            saved = save_dataset(read_dataset(spec), Path(folder))
            drawn = (time.perf_counter() - start) / count
            command = [sys.executable, "-c", code, str(saved)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, rate, peak = map(float, done.stdout.split())
            yield {
                "grows": "images", "value": count, "ms to draw one": drawn * 1e3, "seconds to open": seconds,
                "images_per_second": rate, "peak_bytes": peak,
            }  # fmt: skip


def read_alone(saved: str) -> None:
    """Open a data set, make augmented batches of it for an epoch, and print seconds, images/s and peak bytes."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    data = load_data(open_dataset(Path(saved)), NoiseSpec(ratio=0.4))
    opened = time.perf_counter() - start
    draws = {name: torch.Generator().manual_seed(0) for name in ("batches", "augmentation")}
    training = TrainingSpec(batch_size=DEFAULT.batch)
    batches = Batches(data, training, False, torch.device("cpu"), torch.channels_last, draws)
    start = time.perf_counter()
    for indices in batches.epoch():
        batches.training_images(indices)
    rate = len(data.dataset.splits["train"]) / (time.perf_counter() - start)
    print(opened, rate, own_peak_bytes())


def by_trials(counts: tuple[int, ...] = (10, 100, 1_000)) -> Iterator[dict[str, Any]]:
    """Seconds to replay a finished search and to write its tables, against trials in all (30 made-up epochs each)."""
    from fer_tune.search.cell_search import CellSearch
    from fer_tune.search.runner import is_complete

    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            study = Study.model_validate(
                {
                    "name": "made_up",
                    "search": {"lambda": {"uniform": (0.1, 1.0)}, "lr": {"log_uniform": (1e-4, 1e-2)}},
                    "optuna": {"trials": count, "sampler": "random"},
                }
            )
            plan = make_plan(study)
            search = CellSearch(plan.cells[0], Path(folder))
            rows = [{"epoch": float(e), "val_accuracy": 0.5, "seconds": 1.0} for e in range(1, 31)]
            while (job := search.next_job()) is not None:
                job.folder.begin(job.record)
                job.folder.write_history(rows)
                job.folder.end(Status.FINISHED, study.objective)
                search.complete(job.folder.key)
            replay, _ = timed(partial(is_complete, plan, Path(folder)))
            tables, _ = timed(partial(write_tables, Path(folder)))
            yield {"grows": "trials in all", "value": count, "seconds to replay": replay, "seconds of tables": tables}


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One figure of every table: time above, memory below, a column for each thing that grows."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    from fer_tune.analysis.figures import set_style

    set_style()
    names = list(dict.fromkeys(row["grows"] for row in rows))
    figure, axes = plt.subplots(2, len(names), figsize=(4.4 * len(names), 8), squeeze=False, layout="constrained")
    for column, name in enumerate(names):
        table = [row for row in rows if row["grows"] == name]
        values = [row["value"] for row in table]
        shown = [(metric, text, marker) for metric, text, marker in TIMES if metric in table[0]]
        spread = [row[metric] for row in table for metric, _, _ in shown]
        for metric, text, marker in shown:
            axes[0, column].plot(values, [row[metric] for row in table], marker=marker, label=text)
        axes[0, column].set_ylabel("images/s" if "images_per_second" in table[0] else "seconds")
        axes[0, column].legend(frameon=False)
        if "peak_bytes" in table[0]:
            axes[1, column].plot(values, [row["peak_bytes"] / 2**30 for row in table], marker="o", color="#8a5a00")
            axes[1, column].set_ylabel("peak memory of a process (GiB)")
            axes[1, column].set_ylim(bottom=0)
        else:
            axes[1, column].set_axis_off()
        for ax in axes[:, column]:
            ax.set_xscale("log", base=2)
            ax.set_xticks(values, [f"{value:g}" for value in values])
            ax.minorticks_off()
            ax.set_xlabel(name)
        if max(spread) > 4 * min(spread):
            axes[0, column].set_yscale("log")
            axes[0, column].yaxis.set_minor_formatter(NullFormatter())
        else:
            axes[0, column].set_ylim(0, 1.1 * max(spread))
        axes[0, column].yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    figure.savefig(path, dpi=80)
    plt.close(figure)
