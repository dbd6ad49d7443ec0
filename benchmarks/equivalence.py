"""Whether plain, fast and bf16 steps end in equal accuracy: paired seeds, one lambda, shortened runs."""

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.steps import VARIANTS
from fer_tune.data.loading import load_data
from fer_tune.models.spec import ModelSpec
from fer_tune.system.memory import keep_freed_memory
from fer_tune.training.spec import TrainingSpec

MARGIN = 0.02  # of accuracy
# True labels and a long warm-up, which is cheap, so that the game acts on an encoder near its plateau: while
# accuracy climbs, or with noisy labels in runs this short, two runs that differ in rounding alone end up to 25
# points apart, and no ten seeds could tell anything.
DATA = {"kind": "synthetic", "train": 2500, "validation": 14, "test": 1400}
TRAINING = {"lambda": 0.1, "lr": 1e-3, "epochs": 24, "warmup_epochs": 18, "batch_size": 64}
LAST = 5  # epochs whose mean is a run's accuracy


def final_accuracy(variant: str, seed: int) -> float:
    """Clean test accuracy of one shortened run, the mean of its last epochs."""
    torch.set_num_threads(1)
    keep_freed_memory()
    build, precision = VARIANTS[variant]
    training = TrainingSpec.model_validate({**TRAINING, "precision": precision})
    trainer = build(load_data(DATA, seed=seed), ModelSpec(width=0.125, encoder_norm="batch"), training, seed)
    accuracies = [trainer.run_epoch()["test_accuracy"] for _ in range(training.epochs)]
    accuracy = float(np.mean(accuracies[-LAST:]))
    print(f"seed {seed}, {variant}: {accuracy:.4f}", file=sys.stderr, flush=True)
    return accuracy


def measure(seeds: Sequence[int], workers: int) -> list[dict[str, Any]]:
    """Mean accuracy of each variant and its paired difference from plain fp32 with a 90 % interval.

    Two runs are called equivalent where the whole interval lies within the margin (two one-sided tests at 5 %).
    """
    work = [(variant, seed) for seed in seeds for variant in VARIANTS]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        found = dict(zip(work, pool.map(final_accuracy, *zip(*work, strict=True)), strict=True))
    accuracy = {variant: np.array([found[variant, seed] for seed in seeds]) for variant in VARIANTS}
    return [_row(variant, accuracy[variant], accuracy["plain fp32"]) for variant in VARIANTS]


def _row(variant: str, own: np.ndarray, plain: np.ndarray) -> dict[str, Any]:
    difference = own - plain
    row: dict[str, Any] = {"step": variant, "seeds": len(own), "accuracy": own.mean(), "difference": difference.mean()}
    if difference.any():
        low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.9)
        row |= {"low 90 %": low, "high 90 %": high, "equivalent": str(bool(low > -MARGIN and high < MARGIN))}
    return row
