"""What a step costs: the plain step against the fast one, side by side in one run."""

import json
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from fer_tune.data.dataset import Dataset
from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.data.noisy import NoisyData
from fer_tune.models.spec import ModelSpec
from fer_tune.system.memory import keep_freed_memory, own_peak_bytes
from fer_tune.training.devices import computes_bf16, usual_device
from fer_tune.training.reference import PlainTrainer
from fer_tune.training.spec import TrainingSpec
from fer_tune.training.trainer import Trainer

CIFAR_LABELS = tuple(LabelSet(f"annotator {i}", "categorical", tuple("0123456789")) for i in (1, 2, 3))
VARIANTS: dict[str, tuple[type[Trainer], str]] = {"plain fp32": (PlainTrainer, "fp32"), "fast fp32": (Trainer, "fp32")}
if computes_bf16(usual_device()):
    VARIANTS["fast bf16"] = (Trainer, "bf16")


@dataclass(frozen=True)
class Case:
    """One model on one kind of data: image size in pixels, label sets, images of a step, torch threads."""

    size: int
    label_sets: tuple[LabelSet, ...]
    batch: int
    model: ModelSpec
    threads: int

    def data(self, images: int | None = None) -> NoisyData:
        """Random images and labels: what a step costs does not depend on what it sees."""
        n = images or self.batch
        rng = np.random.default_rng(0)
        labels = {
            s.name: rng.integers(0, s.size, n) if s.kind == "categorical" else _values(rng, n, s.size)
            for s in self.label_sets
        }
        pixels = rng.integers(0, 256, (n, 3, self.size, self.size), dtype=np.uint8)
        splits = dict.fromkeys(("train", "validation", "test"), np.arange(n))
        return NoisyData(Dataset(self.label_sets, pixels, labels, splits, "random"), labels)

    def trainer(self, variant: str, data: NoisyData, **changes: Any) -> Trainer:
        """A trainer whose networks are ready to train, its settings changed by the given ones."""
        build, precision = VARIANTS[variant]
        settings = {"lambda": 0.4, "batch_size": self.batch, "precision": precision, **changes}
        training = TrainingSpec.model_validate(settings)
        trainer = build(data, self.model, training)
        for network in trainer.networks.values():
            network.train()
        return trainer


UPDATES: dict[str, dict[str, Any]] = {
    f"{order.replace('_', ' ')}, average {average:g}": {"order": order, "average": average}
    for order in ("generator_first", "discriminator_first")
    for average in (0.0, 0.998)
}
DEFAULT_MODEL = ModelSpec(width=0.125, encoder_norm="batch")  # of the default study
CASES = {
    "full width, 64 px": Case(64, FACE_LABELS, 64, ModelSpec(), 2),
    "full width, 32 px, three annotators": Case(32, CIFAR_LABELS, 128, ModelSpec(features=512), 2),
    "default study": Case(32, FACE_LABELS, 64, DEFAULT_MODEL, 1),
}


def _values(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    return rng.uniform(-1, 1, (n, size)).astype(np.float32)


def measure_steps(case: Case, rounds: int) -> dict[str, dict[str, float]]:
    """Images/s and executed GFLOP/s of each variant: medians over rounds that take turns."""
    torch.set_num_threads(case.threads)
    keep_freed_memory()
    data, indices = case.data(), torch.arange(case.batch)
    trainers = {variant: case.trainer(variant, data) for variant in VARIANTS}
    flops = {}
    for variant, trainer in trainers.items():
        with FlopCounterMode(display=False) as counter:
            trainer.train_step(indices, True)
        flops[variant] = counter.get_total_flops()
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(rounds):
        for variant, trainer in trainers.items():
            start = time.perf_counter()
            trainer.train_step(indices, True)
            seconds[variant].append(time.perf_counter() - start)
    median = {variant: statistics.median(times) for variant, times in seconds.items()}
    return {
        variant: {
            "images_per_second": case.batch / median[variant],
            "ratio": median["plain fp32"] / median[variant],
            "gflop_per_image": flops[variant] / case.batch / 1e9,
            "gflops": flops[variant] / median[variant] / 1e9,
        }
        for variant in VARIANTS
    }


def matrix_rate(precision: str, threads: int, size: int = 2048) -> float:
    """GFLOP/s of a square matrix product here, the best of five: what arithmetic can reach at most."""
    torch.set_num_threads(threads)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = torch.randn(2, size, size).to(dtype)
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds[1:]) / 1e9


def in_own_process(case: Case, variant: str) -> dict[str, float]:
    """Images/s of three steps after a first one, and peak resident bytes, of a process of its own."""
    code = "import pickle, sys; from benchmarks.steps import run_alone; run_alone(*pickle.load(sys.stdin.buffer))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=pickle.dumps((case, variant)), capture_output=True, check=True)
    return json.loads(done.stdout)


def run_alone(case: Case, variant: str) -> None:
    """Run four steps and print what `in_own_process` returns."""
    torch.set_num_threads(case.threads)
    keep_freed_memory()
    trainer, indices = case.trainer(variant, case.data()), torch.arange(case.batch)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        trainer.train_step(indices, True)
        seconds.append(time.perf_counter() - start)
    rate = case.batch / statistics.median(seconds[1:])
    print(json.dumps({"images_per_second": rate, "peak_bytes": own_peak_bytes()}))


def bench_steps(cases: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """One row a case and variant."""
    rows: list[dict[str, Any]] = []
    for name in cases:
        case = CASES[name]
        rates = {precision: matrix_rate(precision, case.threads) for _, precision in VARIANTS.values()}
        for variant, found in measure_steps(case, rounds).items():
            rate = rates[VARIANTS[variant][1]]
            memory = in_own_process(case, variant)["peak_bytes"]
            about = {"case": name, "batch": case.batch, "threads": case.threads, "step": variant}
            rows.append(about | found | {"matrix_gflops": rate, "peak_bytes": memory})
    return rows


def bench_updates(cases: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """One row a case, order of the updates and average: images/s with and without joint training, side by side.

    Times are CPU seconds of this process for each thread, which other processes change little: medians over rounds in
    which all take turns. The shares are what one update of the average takes of either kind of step.
    """
    rows: list[dict[str, Any]] = []
    for name in cases:
        case = CASES[name]
        torch.set_num_threads(case.threads)
        keep_freed_memory()
        data = case.data()
        trainers = {label: case.trainer("fast fp32", data, **changes) for label, changes in UPDATES.items()}
        turns = [{label: _update_seconds(t, case) for label, t in trainers.items()} for _ in range(rounds + 1)][1:]
        medians = {
            label: {kind: statistics.median(turn[label][kind] for turn in turns) for kind in turns[0][label]}
            for label in UPDATES
        }
        plain = medians[next(iter(UPDATES))]
        for label, own in medians.items():
            rows.append(
                {
                    "case": name,
                    "updates": label,
                    "images_per_second": case.batch / own["joint"],
                    "ratio": plain["joint"] / own["joint"],
                    "images_per_second_task_alone": case.batch / own["task"],
                    "ratio_task_alone": plain["task"] / own["task"],
                    "average_ms": own["average"] * 1e3,
                    "share": own["average"] / own["joint"],
                    "share_task_alone": own["average"] / own["task"],
                }
            )
    return rows


def _update_seconds(trainer: Trainer, case: Case) -> dict[str, float]:
    """CPU seconds of a step of joint training, of one of the task loss alone, and of one update of the average."""
    indices = torch.arange(case.batch)
    parts: dict[str, Callable[[], object]] = {
        "joint": lambda: trainer.train_step(indices, True),
        "task": lambda: trainer.train_step(indices, False),
    }
    if trainer.averaged is not None:
        parts["average"] = trainer.averaged.follow
    seconds = {"average": 0.0}
    for name, part in parts.items():
        start = time.process_time()
        part()
        seconds[name] = (time.process_time() - start) / case.threads
    return seconds


def top_costs(case: Case, variant: str, steps: int = 1, rows: int = 12) -> list[dict[str, Any]]:
    """The operations that a step spends most of its time in, by share of all time (torch profiler)."""
    torch.set_num_threads(case.threads)
    trainer, indices = case.trainer(variant, case.data()), torch.arange(case.batch)
    trainer.train_step(indices, True)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            trainer.train_step(indices, True)
    events = sorted(profiler.key_averages(), key=lambda e: -e.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    return [
        {"operation": e.key, "share": e.self_cpu_time_total / total, "ms a step": e.self_cpu_time_total / steps / 1e3,
         "calls a step": e.count / steps}
        for e in events[:rows]
    ]  # fmt: skip
