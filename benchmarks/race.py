"""What a race over seeds gets right: simulated studies whose truth is known.

All in accuracy. Scores on noisy labels, their spread and the tolerance are smaller by the same factor, which changes
no decision.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from fer_tune.decision.prior import prior_from
from fer_tune.decision.race import Outcome, Prior, Standing, run_race

LOOKS = 6
TOLERANCE = 0.05
POINT = 0.01
LEVEL = 0.03  # SD of what all arms of a seed share
# λ = 0, 0.3 and 1 of the default study with averaged weights; five: also 0.1 and 0.6
CLEAR = {3: (0.81, 0.91, 0.79), 5: (0.81, 0.86, 0.91, 0.86, 0.79)}
COSTS = {3: (1, 4, 4), 5: (1, 4, 4, 4, 4)}  # λ = 0 plays no game
EARLIER_DEGREES = 8  # of freedom, of the study that the prior comes from


@dataclass(frozen=True)
class Spread:
    """How scores vary between seeds, and what the race believes beforehand.

    Attributes:
        sd: SD between seeds of one arm, as between averaged networks; with unequal SDs their quadratic mean.
        factor: SD of the arm that varies most over that of the arm that varies least.
        tails: degrees of freedom of Student's t; None for the normal distribution.
        prior: the prior's SD relative to what an earlier study would say; None without a prior.
    """

    sd: float = 0.03
    factor: float = 1
    tails: int | None = None
    prior: float | None = 1


SPREADS = {
    "normal": Spread(),
    "unequal SDs": Spread(factor=3),
    "t, 5 degrees": Spread(tails=5),
    "prior too small": Spread(prior=1 / 1.5),
    "no prior": Spread(prior=None),
    "no prior, unequal SDs": Spread(factor=3, prior=None),
    "SD 0.02": Spread(sd=0.02),
    "SD 0.04": Spread(sd=0.04),
    "SD 0.04, prior too small": Spread(sd=0.04, prior=1 / 1.5),
}
DISTANCES = ("equal", "near", "trap", "clear")
ASKED = ("normal", "unequal SDs", "t, 5 degrees", "prior too small")  # over which the costs are pooled


def truth(distance: str, arms: int, sd: float) -> np.ndarray:
    """Mean accuracies (arms,) of one kind.

    - equal: no arm is better
    - near: the middle arm is ahead by half an SD
    - trap: the middle arm is ahead by 5.1 points, just more than the tolerance, so that a tie is wrong
    - clear: as in the default study
    """
    if distance == "clear":
        return np.array(CLEAR[arms])
    means = np.full(arms, 0.85)
    means[arms // 2] += {"equal": 0, "near": sd / 2, "trap": TOLERANCE + 0.001}[distance]
    return means


def study(means: np.ndarray, spread: Spread, rng: np.random.Generator) -> tuple[np.ndarray, Prior | None]:
    """Scores (6 seeds, arms) of one simulated study, and the prior that an earlier one like it gave."""
    arms = len(means)
    shares = np.geomspace(1, spread.factor, arms)
    scales = rng.permutation(spread.sd * shares / np.sqrt((shares**2).mean()))

    def draw(seeds: int) -> np.ndarray:
        noise = rng.standard_normal((seeds, arms))
        if spread.tails is not None:
            noise = rng.standard_t(spread.tails, (seeds, arms)) * np.sqrt(1 - 2 / spread.tails)
        return means + LEVEL * rng.standard_normal((seeds, 1)) + scales * noise

    earlier = prior_from([draw(1 + EARLIER_DEGREES // (arms - 1))])
    if earlier is None or spread.prior is None:
        return draw(LOOKS), None
    return draw(LOOKS), Prior(earlier.spread * spread.prior, earlier.degrees_of_freedom, earlier.source)


def races(arms: int, distance: str, spread: Spread, studies: int, seed: int) -> list[Standing]:
    """The standings at the end of simulated studies."""
    means, rng = truth(distance, arms, spread.sd), np.random.default_rng(seed)
    drawn = (study(means, spread, rng) for _ in range(studies))
    return [run_race(scores, COSTS[arms], LOOKS, TOLERANCE, prior) for scores, prior in drawn]


def measure(arms: int, distance: str, name: str, found: list[Standing]) -> dict[str, Any]:
    """One row of the table: how often the rule errs and what it costs.

    The best arm counts as dropped by over a point where it dropped out and the pick is truly worse by more than that.
    Where all arms are equal, the middle one counts as the best.
    """
    means, best = truth(distance, arms, SPREADS[name].sd), arms // 2
    picks = np.array([standing.pick for standing in found])
    lost = means.max() - means[picks]
    dropped = np.array([best not in standing.survivors for standing in found])
    losses = np.array([standing.loss for standing in found])
    row: dict[str, Any] = {
        "arms": arms, "scores": name, "means": distance,
        "best_dropped": _share(dropped), "by_over_a_point": _share(dropped & (lost > POINT)),
        "U_covers": _share(lost <= losses + 1e-12), "median_U": f"{np.median(losses):.3f}",
        "mean_loss": f"{lost.mean():.3f}", "median_cost": f"{np.median(costs(found)):.0%}",
    }  # fmt: skip
    for word, outcome in (("winner", Outcome.WINNER), ("tie", Outcome.TIE), ("budget", Outcome.BUDGET)):
        row[word] = _share(np.array([standing.outcome is outcome for standing in found]))
    return row | {"prior_forgotten": _share(np.array([standing.contradicted for standing in found]))}


def costs(found: list[Standing]) -> np.ndarray:
    """(studies,) trials that each race ran, as a share of all arms on all seeds."""
    return np.array([sum(standing.counts) / (len(standing.counts) * LOOKS) for standing in found])


def _share(hits: np.ndarray) -> str:
    return f"{100 * hits.mean():.1f} %"


def tables(studies: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """All scenarios with three and with five arms; what those with a prior cost together, without the trap."""
    rows, together = [], []
    for arms in CLEAR:
        asked = []
        for name, distance in product(SPREADS, DISTANCES):
            found = races(arms, distance, SPREADS[name], studies, seed)
            rows.append(measure(arms, distance, name, found))
            if name in ASKED and distance != "trap":
                asked.append(costs(found))
        cost = np.concatenate(asked)
        together.append({"arms": arms, "races": len(cost), "median_cost": f"{np.median(cost):.0%}"})
    return {
        f"races over seeds, {studies:,} simulated studies a row": rows,
        "pooled, with a prior": together,
    }
