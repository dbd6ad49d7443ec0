"""What sweeps over RAF-DB and AffectNet would take on GPUs: measured arithmetic over stated rates.

Nothing here was run on a GPU. The operations are counted on this machine, the rates are assumptions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.steps import CASES, Case

PEAK_TFLOPS = {"T4": 65.0, "A100": 312.0, "H100": 989.0}  # vendors' dense 16-bit figures
SUSTAINED = 0.15  # of the peak: small images, narrow first layers, three small networks that take turns
LAMBDAS, SEEDS = 6, 3  # 0 and the paper's five, each on three seeds
GPU_COUNTS = (1, 8, 64)


@dataclass(frozen=True)
class Sweep:
    """One data set and how long a trial trains on it."""

    name: str
    train: int  # images
    held_out: int  # validation and test images, evaluated once an epoch as the training images are
    epochs: int
    warmup_epochs: int


SWEEPS = (Sweep("RAF-DB", 12_271, 3_068, 60, 6), Sweep("AffectNet", 290_000, 4_000, 20, 0))


def image_gflop(case: Case) -> dict[str, float]:
    """GFLOP that the fast step executes for an image: in the game, on the task alone, and to predict it."""
    data, indices = case.data(), torch.arange(case.batch)
    trainer = case.trainer("fast fp32", data)
    found = {}
    for name, playing in (("game", True), ("task", False)):
        with FlopCounterMode(display=False) as counter:
            trainer.train_step(indices, playing)
        found[name] = counter.get_total_flops() / case.batch / 1e9
    with FlopCounterMode(display=False) as counter:
        trainer.predict(indices.numpy())
    return found | {"predict": counter.get_total_flops() / case.batch / 1e9}


def trial_gflop(sweep: Sweep, gflop: dict[str, float], joint: bool) -> float:
    """GFLOP of one trial from its first epoch to its last, evaluation included."""
    games = sweep.epochs - sweep.warmup_epochs if joint else 0
    training = games * gflop["game"] + (sweep.epochs - games) * gflop["task"]
    seen = sweep.train + sweep.held_out
    return sweep.train * training + seen * sweep.epochs * gflop["predict"]


def project() -> Iterator[dict[str, Any]]:
    """Hours of each sweep on each GPU and number of them, one trial a GPU at a time.

    A sweep cannot end before its longest trial: with more GPUs than trials, the rest could run more seeds.
    """
    gflop = image_gflop(replace(CASES["full width, 64 px"], batch=4))
    for sweep in SWEEPS:
        joint, plain = trial_gflop(sweep, gflop, True), trial_gflop(sweep, gflop, False)
        total = SEEDS * ((LAMBDAS - 1) * joint + plain)
        for gpu, peak in PEAK_TFLOPS.items():
            rate = peak * 1e3 * SUSTAINED
            hours = {f"hours on {n}": max(total / n, joint) / rate / 3600 for n in GPU_COUNTS}
            images = rate / gflop["game"]
            row = {"sweep": sweep.name, "gpu": gpu, "images_per_second": images, "hours a trial": joint / rate / 3600}
            yield row | hours
