"""Which trial of a running study starts next, and up to which epoch it runs.

Warm-ups come first, because other trials wait for them; then whatever would end last. When few trials are left they
no longer divide evenly among the workers, and some workers would idle while the last trials run. Trials then run in
slices of their epochs: after each slice the trial with most left continues, so that all end at nearly the same time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SLICES = 8  # a trial is cut into at most so many
SLICED_ROUNDS = 3  # trials run in slices once fewer than so many are left for each worker
SLICE_SECONDS = 10.0  # estimated length of the shortest slice: starting one costs a few tenths of a second


@dataclass(frozen=True)
class Candidate:
    """A trial that could start now.

    Attributes:
        is_warm_up: the trial computes the shared first epochs of other trials.
        seconds_left: estimated seconds of the trial's remaining epochs and of what can only start after it.
        epoch: epochs that the trial has run, 0 or more.
        epochs: epochs that the trial runs in all.
        seconds_an_epoch: estimated seconds of one of its last epochs.
        is_spare: it runs ahead of a decision, on a worker that would idle, and may turn out not to be needed.
    """

    is_warm_up: bool
    seconds_left: float
    epoch: int
    epochs: int
    seconds_an_epoch: float
    is_spare: bool = False


def choose(candidates: Sequence[Candidate]) -> int:
    """The index of the candidate to start: a warm-up before all others, then the one that would end last, spares last.

    The first of equals is chosen. Raises ValueError where there are no candidates.
    """
    return max(
        range(len(candidates)),
        key=lambda i: (candidates[i].is_warm_up, not candidates[i].is_spare, candidates[i].seconds_left),
    )


def run_until(candidate: Candidate, slots: int, trials_left: int, sliceable: bool) -> int:
    """The epoch up to which a trial runs before another one may take its place: its last epoch, or the end of a slice.

    Args:
        candidate: the trial that starts.
        slots: how many trials run at once.
        trials_left: trials of the study that have not ended; warm-ups do not count.
        sliceable: whether the study allows slices at all; one with a scheduler does not.
    """
    few_left = 1 < slots < trials_left < SLICED_ROUNDS * slots
    if not (few_left or candidate.is_spare) or not sliceable or candidate.is_warm_up:
        return candidate.epochs
    shortest = math.ceil(SLICE_SECONDS / candidate.seconds_an_epoch)
    return min(candidate.epochs, candidate.epoch + max(1, shortest, math.ceil(candidate.epochs / SLICES)))
