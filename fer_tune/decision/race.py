"""A paired race over seeds: which λ is best for the epochs that are trained, and how much trusting it can lose.

Block s of a race is every surviving arm (a λ with its settings) trained on seed s. After each block differences between
arms, paired by seed, decide which arms drop out and whether the race stops. Decisions depend on the scores of whole
blocks alone, so that a race that was killed and resumed decides the same again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

ERROR = 0.05  # chance that a given arm is dropped from among equal ones
MOST_PRIOR_DEGREES = 8


class Outcome(StrEnum):
    """What a race says after its last look."""

    RUNNING = "running"  # more blocks may follow
    WINNER = "winner"  # every other arm has dropped out
    TIE = "tie, cheapest taken"  # taking the pick loses less than the tolerance
    BUDGET = "pick at budget"  # the blocks or the time are used up
    UNDECIDED = "undecided"  # one seed and no prior: nothing is known of the spread between seeds


@dataclass(frozen=True)
class Prior:
    """What earlier studies with the same settings say of the spread between seeds.

    Attributes:
        spread: standard deviation of one arm's score about its mean, the seed's own level removed; in score units.
        degrees_of_freedom: how much that counts, above 0 and at most 8.
        source: where it comes from, in words.
    """

    spread: float
    degrees_of_freedom: float
    source: str


@dataclass(frozen=True)
class Drop:
    """An arm that has left the race.

    Attributes:
        arm: its place among the arms.
        block: after how many blocks it left, from 1.
        by: the arm that it lost to; None where it left because it has no score on a seed (it diverged or failed).
        difference: by how much it was behind, in score units; NaN where `by` is None.
    """

    arm: int
    block: int
    by: int | None
    difference: float


@dataclass(frozen=True)
class Standing:
    """Where a race stands after its last whole block.

    Attributes:
        outcome: what is decided.
        pick: the arm to take: the winner, the cheapest of a tie, the leader so far; None before the first block.
        loss: U, the score that taking the pick can lose against the best arm, with 95 %; NaN while nothing is known.
        blocks: how many whole blocks have counted.
        survivors: the arms still in the race, in their order.
        drops: the arms that left, in the order in which they left.
        means: (arms,) mean score of each arm over the blocks in which it ran; NaN where none.
        spread: pooled standard deviation of one arm's score about its mean, the seed's own level removed; NaN where
            unknown.
        prior: what the rule knew of the spread beforehand; None where there was nothing, or where the blocks
            contradicted it.
        contradicted: whether the blocks' own spread contradicted the prior that was given.
    """

    outcome: Outcome
    pick: int | None
    loss: float
    blocks: int
    survivors: tuple[int, ...]
    drops: tuple[Drop, ...]
    means: tuple[float, ...]
    spread: float
    prior: Prior | None
    contradicted: bool


def run_race(
    scores: np.ndarray,
    costs: Sequence[float],
    looks: int,
    tolerance: float,
    prior: Prior | None = None,
    stopped: bool = False,
) -> Standing:
    """Replay a race from its scores.

    Args:
        scores: (blocks, arms) of whole blocks in order, higher is better. NaN where an arm was not run because it had
            dropped out, or where it diverged or failed.
        costs: (arms,) seconds, or any other measure of what training with each arm costs; decides among equals.
        looks: how many blocks the race may have.
        tolerance: the race stops when the pick can lose at most so much; in score units, 0 or more.
        prior: what is known of the spread between seeds.
        stopped: no further block will be run, although there are fewer than `looks`.

    Raises ValueError for arrays of other shapes, or where there are fewer than two arms.
    """
    raise NotImplementedError
