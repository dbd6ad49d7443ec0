"""A paired race over seeds: which λ is best for the epochs that are trained, and how much trusting it can lose.

Block s of a race is every running arm (a λ with its settings) trained on seed s. After each block differences between
arms, paired by seed, decide which arms drop out, which rest, and whether the race stops. Decisions depend on the scores
of whole blocks alone, so that a race that was killed and resumed decides the same again.

The rule, with d the differences of two arms over the n blocks that both ran:

    s² = (2 ν₀ s₀² + 2 ν s₁² + Σ (d − mean d)²) / (ν₀ + ν + n − 1)

The prior says s₀ with ν₀ degrees of freedom. s₁ is the spread of all arms over the blocks at hand and ν its degrees of
freedom beyond the two arms' own, at most 8, so that unequal arms are told by their own differences once there are many.
An arm drops out where another is ahead by more than c(n) s / √n. The limits c(n) are simulated with equal arms, see
`critical_values`. The first look is after two blocks, because one block cannot contradict a prior; without a prior ν₀
is 0 and the first look is after three. A prior that the blocks contradict counts no longer; what it decided before
stands, since an arm that dropped out has no later scores.

An arm may be ahead of another by mean difference + c(n) s / √n, by the last block that both ran. U, what a pick can
lose, is the most that a surviving arm may be ahead of it. With 95 %, at all looks together, the best arm is still in
the race and truly ahead by no more: the error of U is the one that dropping spends. So U holds however the race stopped
and whichever arm is picked. It says nothing of arms that left because they have no score; these count as if they had
never run.

The leader is the arm with the smallest U. A survivor that may be ahead of it by no more than the tolerance rests: it
runs in no further block, because no more need be known of it. It comes back where another arm, which it may be ahead of
by more, takes the lead. Resting spends no error: what the limits promise holds at every look, so also at fewer of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from scipy import special

ERROR = 0.05  # chance that a given arm is dropped from among equal ones
MOST_DEGREES = 5  # that a prior counts for: few blocks can hardly contradict one that counts for more
MOST_SHARED = 8  # that the spread of all arms counts for, beside the prior and the two arms' own
FIRST_LOOK = 2  # after so many blocks, with a prior: one block cannot contradict it
FIRST_SHARE = 0.5  # of the error that each later look spends: after two blocks least is known of the spread
FEWEST_DEGREES = 2  # of a spread by which anything is decided: three blocks without a prior
DEGREES_STEP = 0.5  # a prior's degrees of freedom are rounded down to a multiple
CONTRADICTION = 0.01  # chance that a true prior is contradicted at one look
PAIRS, MOST_STUDIES = 2_000_000, 700_000  # simulated: errors of the limits about 0.01, a second, 150 MB


LEAST_SHRINKAGE = 0.05  # where labels are nearly random, points of clean accuracy would divide by 0


class Outcome(StrEnum):
    """What a race says after its last look."""

    RUNNING = "running"  # more blocks may follow
    WINNER = "winner"  # every other arm has dropped out
    TIE = "tie, cheapest taken"  # taking the pick loses less than the tolerance
    BUDGET = "pick at budget"  # the blocks or the time are used up
    UNDECIDED = "undecided"  # too few seeds and no prior: nothing is known of the spread between seeds


@dataclass(frozen=True)
class Prior:
    """What earlier studies with the same settings say of the spread between seeds.

    Attributes:
        spread: standard deviation of one arm's score about its mean, the seed's own level removed; in score units.
        degrees_of_freedom: how much that counts, above 0; more than 5 count as 5.
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
        running: those of them that the next block runs, if there is one; the others rest.
        drops: the arms that left, in the order in which they left.
        means: (arms,) mean score of each arm over the blocks in which it ran; NaN where none.
        counts: (arms,) in how many blocks each arm ran and has a score.
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
    running: tuple[int, ...]
    drops: tuple[Drop, ...]
    means: tuple[float, ...]
    counts: tuple[int, ...]
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
    first_look: int = FIRST_LOOK,
) -> Standing:
    """Replay a race from its scores.

    Args:
        scores: (blocks, arms) of whole blocks in order, higher is better. NaN where an arm was not run because it had
            dropped out or rested, or where it diverged or failed.
        costs: (arms,) what training with each arm costs, in any unit (`costs_of`); decides among equals.
        looks: how many blocks the race may have.
        tolerance: the race stops when the pick can lose at most so much; in score units, 0 or more.
        prior: what is known of the spread between seeds.
        stopped: no further block will be run, although there are fewer than `looks`.
        first_look: nothing is decided before so many blocks, at least two; `looks` for seeds that are a fixed list,
            which has one look alone and spends the whole error there.

    A race ends with its first winner or tie, and blocks after it do not count; nor do scores of an arm after it left or
    while it rests. A running arm without a score in a block leaves before that block's look. Where one arm is left, it
    is the winner and loses nothing against those that dropped out. Until the first look the outcome is RUNNING, or
    UNDECIDED where no block follows. `looks` belongs to the limits: a race with more of them may decide otherwise.

    Raises ValueError for arrays of other shapes, for fewer than two arms and for a prior that says nothing.
    """
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 2 or scores.shape[1] < 2 or len(costs) != scores.shape[1]:
        raise ValueError(f"scores {scores.shape} are not (blocks, arms) with two arms or more and {len(costs)} costs")
    if prior is not None and min(prior.spread, prior.degrees_of_freedom) <= 0:
        raise ValueError(f"{prior} needs a spread and degrees of freedom above 0")
    race = _Race(scores[: max(looks, 0)], np.asarray(costs, dtype=float), looks, tolerance, prior, first_look)
    while race.blocks < len(race.scores):
        race.next_block()
        if race.decision is not None:
            return race.standing(*race.decision)
    if race.blocks < looks and not stopped:
        return race.standing(Outcome.RUNNING, race.leader())
    return race.standing(Outcome.BUDGET if race.may_look() else Outcome.UNDECIDED, race.leader())


def costs_of(lams: Iterable[float]) -> tuple[float, ...]:
    """What training with each λ costs, as far as it decides among equals: of several λs the smallest is the cheapest.

    λ = 0 trains no decoder and no discriminator. All others cost the same, so that the seconds they took tell only what
    else the machine did; a choice by them would not replay.
    """
    return tuple(float(lam) for lam in lams)


def score_scale(objective: str, shrinkage: float | None) -> float:
    """What a point of clean accuracy is worth in scores, in which tolerance and U are counted: above 0, at most 1.

    Args:
        objective: the metric that the study maximises. Noise shrinks CCC in another way, so its points are its own.
        shrinkage: what remains of a difference in clean accuracy on noisy labels; None where that is not known.
    """
    return 1.0 if objective == "val_ccc" or shrinkage is None else max(LEAST_SHRINKAGE, shrinkage)


@lru_cache(maxsize=64)
def critical_values(arms: int, looks: int, first: int, degrees_of_freedom: float) -> tuple[float, ...]:
    """Limits c(n) of t = mean difference · √n / s at the looks after blocks `first` … `looks`.

    With `arms` equal ones, normal scores of one variance and a prior estimated with `degrees_of_freedom`, a given arm
    is first behind any other by more than its limit with probability 0.05 over all looks together. Each look has the
    same share of that, the one after two blocks half as much. Other arms count whether or not they have dropped out
    themselves: U needs this, and the limits are the same to 0.001. Simulated with a fixed seed: the same numbers every
    time.
    """
    rng = np.random.default_rng(18)
    pairs = np.transpose(np.triu_indices(arms, 1))
    studies = max(1, min(PAIRS // len(pairs), MOST_STUDIES))
    known = 2 * rng.chisquare(degrees_of_freedom, studies) if degrees_of_freedom else np.zeros(studies)
    totals, squares = np.zeros((arms, studies)), np.zeros((len(pairs), studies))
    inside = np.ones((arms, studies), dtype=bool)
    limits, shares = [], [FIRST_SHARE if n == FIRST_LOOK else 1.0 for n in range(first, looks + 1)]
    for n in range(1, looks + 1):
        block = rng.standard_normal((arms, studies))
        totals += block
        for square, (one, other) in zip(squares, pairs, strict=True):
            square += (block[one] - block[other]) ** 2
        if n < first:
            continue
        weight, apart = 0, np.zeros(studies)
        if n > 1:
            weight = min(MOST_SHARED, (n - 1) * (arms - 2))
            apart = squares.sum(0) / arms - ((totals - totals.mean(0)) ** 2).sum(0) / n
            apart *= 2 * weight / ((n - 1) * (arms - 1))
        behind = np.full((arms, studies), -np.inf)
        for square, (one, other) in zip(squares, pairs, strict=True):
            total = totals[one] - totals[other]
            variance = (known + apart + square - total**2 / n) / (degrees_of_freedom + weight + n - 1)
            t = total / np.sqrt(n * variance)
            np.maximum(behind[other], t, out=behind[other])
            np.maximum(behind[one], -t, out=behind[one])
        behind[~inside] = -np.inf
        place = behind.size - round(ERROR * shares[n - first] / sum(shares) * behind.size)
        limits.append(float(np.partition(behind, place, axis=None)[place]))
        inside &= behind < limits[-1]
    return tuple(limits)


def residual(scores: np.ndarray) -> tuple[float, int]:
    """Sum of squares about the mean of each arm and the level of each seed, and its degrees of freedom.

    `scores` is (seeds, arms), NaN where an arm was not run on a seed. The sum is 0 without degrees of freedom.
    """
    scores = scores[~np.isnan(scores).all(1)]
    if not scores.size:
        return 0.0, 0
    if not np.isnan(scores).any():
        rest = scores - scores.mean(0) - scores.mean(1, keepdims=True) + scores.mean()
        return float((rest**2).sum()), (scores.shape[0] - 1) * (scores.shape[1] - 1)
    seeds, arms = np.nonzero(~np.isnan(scores))
    design = np.zeros((len(seeds), sum(scores.shape)))
    rows = np.arange(len(seeds))
    design[rows, seeds] = design[rows, scores.shape[0] + arms] = 1
    values = scores[seeds, arms] - np.nanmean(scores)
    fit, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    return float(((values - design @ fit) ** 2).sum()), len(values) - int(rank)


class _Race:
    """A race while it is replayed, block by block."""

    def __init__(
        self, scores: np.ndarray, costs: np.ndarray, looks: int, tolerance: float, prior: Prior | None, first_look: int
    ) -> None:
        self.scores, self.costs, self.looks, self.tolerance, self.prior = scores, costs, looks, tolerance, prior
        self.first_look = first_look
        self.ran = np.full(scores.shape, np.nan)  # what counts: an arm's scores up to where it left, but for its rests
        self.blocks = 0
        self.survivors = list(range(scores.shape[1]))
        self.running = list(self.survivors)
        self.drops: list[Drop] = []
        self.ahead = np.full((len(costs), len(costs)), np.inf)  # by how much each arm may be ahead of each other
        np.fill_diagonal(self.ahead, 0)
        self.contradicted = False
        self.decision: tuple[Outcome, int | None] | None = None

    def next_block(self) -> None:
        """Count one more block: arms leave or rest, and the race may be decided."""
        row = self.scores[self.blocks]
        self.ran[self.blocks, self.running] = row[self.running]
        self.blocks += 1
        for arm in [arm for arm in self.running if np.isnan(row[arm])]:
            self._leave(Drop(arm, self.blocks, None, float("nan")))
        self._test_prior()
        if self.may_look() and len(self.running) > 1:
            self._look()
        if not self.survivors:
            self.decision = Outcome.UNDECIDED, None
        elif len(self.survivors) == 1:
            self.decision = Outcome.WINNER, self.survivors[0]
        elif self.may_look():
            self._rest()

    def may_look(self) -> bool:
        """Whether the spread is known well enough to decide anything."""
        return self.blocks >= self._first_look()

    def leader(self) -> int | None:
        """The surviving arm that can lose least, before the first look the one with the highest mean.

        None before the first block and where all are lost.
        """
        if not self.blocks or not self.survivors:
            return None
        means = np.nanmean(self.ran[: self.blocks, self.survivors], 0)
        losses = self._losses()
        place = min(range(len(self.survivors)), key=lambda i: (losses[i], -means[i]))
        return self.survivors[place]

    def standing(self, outcome: Outcome, pick: int | None) -> Standing:
        """The race's record."""
        loss = float("nan")
        if pick is not None and (outcome is Outcome.WINNER or self.may_look()):
            loss = float(self._losses()[self.survivors.index(pick)])
        counts = (~np.isnan(self.ran)).sum(0)
        means = np.where(counts > 0, np.nansum(self.ran, 0) / np.maximum(counts, 1), np.nan)
        squares, degrees = residual(self.ran)
        spread = float(np.sqrt(squares / degrees)) if degrees else float("nan")
        return Standing(
            outcome, pick, loss, self.blocks, tuple(self.survivors), tuple(self.running), tuple(self.drops),
            tuple(means.tolist()), tuple(counts.tolist()), spread, self.prior, self.contradicted,
        )  # fmt: skip

    def _leave(self, drop: Drop) -> None:
        self.survivors.remove(drop.arm)
        self.running.remove(drop.arm)
        self.drops.append(drop)

    def _test_prior(self) -> None:
        """Forget the prior where the blocks spread significantly more than it says."""
        squares, degrees = residual(self.ran)
        if self.prior is None or not degrees:
            return
        ratio = squares / degrees / self.prior.spread**2
        if special.fdtrc(degrees, self.prior.degrees_of_freedom, ratio) < CONTRADICTION:
            self.prior, self.contradicted = None, True

    def _degrees(self) -> float:
        known = self.prior.degrees_of_freedom if self.prior else 0.0
        return min(MOST_DEGREES, known // DEGREES_STEP * DEGREES_STEP)

    def _first_look(self) -> int:
        """After how many blocks the spread has degrees of freedom enough."""
        return max(FIRST_LOOK, self.first_look, int(np.ceil(FEWEST_DEGREES + 1 - self._degrees())))

    def _margins(self) -> tuple[np.ndarray, np.ndarray]:
        """By how much each running arm (column) is behind each other one (row), and c(n) s / √n: both square.

        The latter is infinite for two arms that have run together in fewer blocks than the first look asks for.
        """
        values, first, degrees = self.ran[: self.blocks, self.running], self._first_look(), self._degrees()
        differences = values[:, :, None] - values[:, None, :]
        n = (~np.isnan(differences)).sum(0)
        mean = np.nansum(differences, 0) / np.maximum(n, 1)
        # Arms without a score count as if they had never run: fewer arms know less of a common spread.
        arms = len(self.survivors) + sum(drop.by is not None for drop in self.drops)
        limits = np.array([0.0] * first + list(critical_values(arms, self.looks, first, degrees)))
        known = 2 * degrees * self.prior.spread**2 if self.prior else 0.0
        squares, all_degrees = residual(self.ran)
        weight = np.clip(all_degrees - (n - 1), 0, MOST_SHARED)
        shared = 2 * weight * squares / all_degrees if all_degrees else 0.0
        variance = known + shared + np.nansum((differences - mean) ** 2, 0)
        together = n >= first
        n = np.where(together, n, first)
        margin = limits[n] * np.sqrt(variance / (degrees + weight + n - 1) / n)
        return mean, np.where(together, margin, np.inf)

    def _look(self) -> None:
        """Note what is known of all running arms; drop each that another one leads by more than chance allows."""
        arms = list(self.running)
        behind, margin = self._margins()
        known = np.isfinite(margin)
        np.fill_diagonal(known, False)
        place = np.ix_(arms, arms)
        self.ahead[place] = np.where(known, behind + margin, self.ahead[place])
        excess = np.where(known, behind - margin, -np.inf)
        by = excess.argmax(0)
        for own, arm in enumerate(arms):
            if excess[by[own], own] > 0:
                self._leave(Drop(arm, self.blocks, arms[by[own]], float(behind[by[own], own])))

    def _rest(self) -> None:
        """Let arms rest that cannot be ahead of the leader by more than the tolerance; where all do, it is a tie."""
        leader = self.leader()
        assert leader is not None
        far = [arm for arm in self.survivors if self.ahead[arm, leader] > self.tolerance]
        self.running = sorted([leader, *far])
        if not far:
            enough = [arm for arm, loss in zip(self.survivors, self._losses(), strict=True) if loss <= self.tolerance]
            self.decision = Outcome.TIE, min(enough, key=lambda arm: (self.costs[arm], arm))

    def _losses(self) -> np.ndarray:
        """U of every survivor."""
        return np.maximum(self.ahead[np.ix_(self.survivors, self.survivors)].max(0), 0)
