"""Which trial runs next, and for how many epochs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SLICED_ROUNDS = 3
SLICES = 8
SLICE_SECONDS = 10.0


@dataclass(frozen=True)
class Candidate:
    is_warm_up: bool
    seconds_left: float
    epoch: int
    epochs: int
    seconds_an_epoch: float


def choose(candidates: Sequence[Candidate]) -> int:
    return max(range(len(candidates)), key=lambda i: (candidates[i].is_warm_up, candidates[i].seconds_left))


def run_until(candidate: Candidate, slots: int, trials_left: int, sliceable: bool) -> int:
    divides = not 1 < slots < trials_left < SLICED_ROUNDS * slots
    if divides or not sliceable or candidate.is_warm_up:
        return candidate.epochs
    shortest = math.ceil(SLICE_SECONDS / candidate.seconds_an_epoch)
    return min(candidate.epochs, candidate.epoch + max(1, shortest, math.ceil(candidate.epochs / SLICES)))
