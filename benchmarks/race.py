"""What a race over seeds gets right: simulated studies whose truth is known.

All in accuracy. Scores on noisy labels, their spread and the tolerance are smaller by the same factor, which changes
no decision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from fer_tune.decision.prior import prior_from
from fer_tune.decision.race import Outcome, Prior, Standing, run_race

LOOKS = 6
TOLERANCE = 0.05
POINT = 0.01
SPREAD = 0.03  # SD between seeds of one arm, as between averaged networks
LEVEL = 0.03  # SD of what all arms of a seed share
# λ = 0, 0.3 and 1 of the default study with averaged weights; five: also 0.1 and 0.6
CLEAR = {3: (0.81, 0.91, 0.79), 5: (0.81, 0.86, 0.91, 0.86, 0.79)}
COSTS = {3: (1, 4, 4), 5: (1, 4, 4, 4, 4)}  # λ = 0 plays no game
EARLIER_SEEDS = {3: 5, 5: 3}  # of the study that the prior comes from: 8 degrees of freedom


@dataclass(frozen=True)
class Spread:
    """How scores vary between seeds, and what the race believes beforehand.

    Attributes:
        factor: SD of the arm that varies most over that of the arm that varies least.
        tails: degrees of freedom of Student's t; None for the normal distribution.
        prior: the prior's SD relative to what an earlier study would say; None without a prior.
    """

    factor: float = 1
    tails: int | None = None
    prior: float | None = 1


SPREADS = {
    "normal": Spread(),
    "unequal SDs": Spread(factor=3),
    "t, 5 degrees": Spread(tails=5),
    "prior too small": Spread(prior=1 / 1.5),
    "no prior": Spread(prior=None),
}
DISTANCES = ("equal", "near", "clear")


def truth(distance: str, arms: int) -> np.ndarray:
    """Mean accuracies (arms,): equal, the best ahead by half an SD (the middle arm), or as in the default study."""
    if distance == "clear":
        return np.array(CLEAR[arms])
    means = np.full(arms, 0.85)
    means[arms // 2] += SPREAD / 2 if distance == "near" else 0
    return means


def study(
    means: np.ndarray, spread: Spread, rng: np.random.Generator
) -> tuple[np.ndarray, Prior | None]:
    """Scores (6 seeds, arms) of one simulated study, and the prior that an earlier one like it gave."""
    arms = len(means)
    shares = np.geomspace(1, spread.factor, arms)
    scales = rng.permutation(SPREAD * shares / np.sqrt((shares**2).mean()))

    def draw(seeds: int) -> np.ndarray:
        noise = rng.standard_normal((seeds, arms))
        if spread.tails is not None:
            noise = rng.standard_t(spread.tails, (seeds, arms)) * np.sqrt(1 - 2 / spread.tails)
        return means + LEVEL * rng.standard_normal((seeds, 1)) + scales * noise

    earlier = prior_from([draw(EARLIER_SEEDS[arms])])
    if earlier is None or spread.prior is None:
        return draw(LOOKS), None
    return draw(LOOKS), Prior(earlier.spread * spread.prior, earlier.degrees_of_freedom, earlier.source)


def arm_blocks(standing: Standing) -> int:
    """How many trials a race ran: each arm up to the block after which it left."""
    left = {drop.arm: drop.block for drop in standing.drops}
    return sum(left.get(arm, standing.blocks) for arm in range(len(standing.means)))


def races(arms: int, distance: str, spread: Spread, studies: int, seed: int) -> list[Standing]:
    """The standings at the end of simulated studies."""
    means, rng = truth(distance, arms), np.random.default_rng(seed)
    drawn = (study(means, spread, rng) for _ in range(studies))
    return [run_race(scores, COSTS[arms], LOOKS, TOLERANCE, prior) for scores, prior in drawn]


def measure(arms: int, distance: str, name: str, studies: int, seed: int) -> dict[str, Any]:
    """One row of the table: how often the rule errs and what it costs."""
    found = races(arms, distance, SPREADS[name], studies, seed)
    means = truth(distance, arms)
    best = int(means.argmax()) if distance != "equal" else arms // 2
    lost = np.array([means[best] - means[s.pick] for s in found])
    dropped = np.array([best not in s.survivors for s in found])
    loss = np.array([s.loss for s in found])
    costs = np.array([arm_blocks(s) for s in found]) / (arms * LOOKS)
    row: dict[str, Any] = {
        "arms": arms, "means": distance, "scores": name,
        "best_dropped_%": 100 * dropped.mean(), "by_over_a_point_%": 100 * (dropped & (lost > POINT)).mean(),
        "U_covers_%": 100 * (lost <= loss + 1e-12).mean(), "U_median": float(np.median(loss)),
        "lost_mean": float(lost.mean()), "cost_median_%": 100 * float(np.median(costs)),
    }  # fmt: skip
    for word, outcome in (("winner", Outcome.WINNER), ("tie", Outcome.TIE), ("budget", Outcome.BUDGET)):
        row[f"{word}_%"] = 100 * float(np.mean([s.outcome is outcome for s in found]))
    return row | {"prior_dropped_%": 100 * float(np.mean([s.contradicted for s in found]))}


def table(studies: int, seed: int) -> Iterator[dict[str, Any]]:
    """All scenarios with three and with five arms."""
    for arms, name, distance in product(CLEAR, SPREADS, DISTANCES):
        yield measure(arms, distance, name, studies, seed)
