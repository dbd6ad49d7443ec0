"""The recommended λ of one condition, and its limitations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_tune.decision.race import score_scale
from fer_tune.decision.response import Response, respond, rises_then_falls, shrinkage, validation_size
from fer_tune.decision.rising import RISE_ALPHA, RISE_POINTS, still_rises
from fer_tune.decision.rules import Pick
from fer_tune.names import FEWEST_EPOCHS


@dataclass(frozen=True)
class Missing:
    """What a comparison lacks.

    Attributes:
        seeds: the λs with fewer seeds than the study has, and how many they have.
        seeds_wanted: how many seeds the study has.
        baseline: λ = 0 is in the grid and has no result.
        stopped: the λs with trials that the scheduler stopped early.
    """

    seeds: Mapping[float, int]
    seeds_wanted: int
    baseline: bool
    stopped: Sequence[float]


@dataclass(frozen=True)
class Recommendation:
    """What a study says of one condition.

    Attributes:
        condition: its name, "all" where the study has one.
        response: of the deciding score on noisy validation. Its λ of least expected regret is recommended.
        picks: what each rule would choose here.
        answer: the λ that a race over seeds answers with; None where there is none, and the λ of least expected regret
            is the answer.
        rising: λs whose score still rises at the end of training. The answer is for the epochs that were trained;
            longer training may change it, and only training longer can tell.
        too_short: runs have fewer than six epochs, and nothing is known of how they would end.
        edge: the λ is the smallest or largest one tried (of at least three).
        peak: the best inner λ on clean test labels and the p-value of its beating both ends, or None.
        missing: what the comparison lacks.
        shrinkage: what remains of a difference in clean accuracy when it is measured in scores (`race.score_scale`).
    """

    condition: str
    response: Response
    picks: list[Pick]
    rising: list[float]
    too_short: bool
    edge: bool
    peak: tuple[float, float] | None
    missing: Missing
    shrinkage: float
    answer: float | None = None

    @property
    def lam(self) -> float:
        """The λ to take."""
        return self.response.lam if self.answer is None else self.answer

    @property
    def point(self) -> float:
        """What one point of clean accuracy is worth in scores."""
        return RISE_POINTS * self.shrinkage

    @property
    def indistinguishable(self) -> list[float]:
        """λs that are statistically indistinguishable from the recommended one."""
        return self.response.indistinguishable()

    @property
    def decided(self) -> bool:
        """Whether seeds tell the recommended λ from every other one, for the epochs that were trained.

        One seed decides nothing: how much seeds differ is then unknown.
        """
        return bool(self.response.degrees_of_freedom) and not (self.too_short or self.indistinguishable)


def recommend(
    condition: str,
    best: pd.DataFrame,
    epochs: pd.DataFrame,
    picks: list[Pick],
    objective: str,
    grid: Sequence[float],
    seeds: int,
) -> Recommendation:
    """The recommendation of one condition.

    Args:
        condition: its name.
        best: one row a trial that a λ is scored by (`cross_fitted`): columns lambda, configuration, seed, status,
            score, test_accuracy, validation_samples, accuracy_shrinkage.
        epochs: one row an epoch of those trials: columns lambda, epoch and the objective.
        picks: what each rule would choose here.
        objective: the metric that the study maximises.
        grid: the λs of the study's grid, run or not; empty where λ is searched.
        seeds: how many seeds the study has.
    """
    response = respond(best, "score", validation_size(best), objective=objective, stream=condition)
    scale = score_scale(objective, shrinkage(best))
    lams = [float(lam) for lam in response.lams]
    by_lambda = {lam: epochs[epochs["lambda"] == lam] for lam in lams}
    curves = {lam: rows.groupby("epoch")[objective].mean().dropna().to_numpy() for lam, rows in by_lambda.items()}
    too_short = min(len(curve) for curve in curves.values()) < FEWEST_EPOCHS
    alpha = RISE_ALPHA / len(lams)  # with many lambdas some would seem to rise by chance
    rising = [] if too_short else [lam for lam in lams if still_rises(curves[lam], scale, alpha)]
    tried = grid or lams
    return Recommendation(
        condition=condition,
        response=response,
        picks=picks,
        rising=rising,
        too_short=too_short,
        edge=len(tried) > 2 and response.lam in (min(tried), max(tried)),
        peak=rises_then_falls(best, "test_accuracy"),
        missing=_missing(best, grid, seeds),
        shrinkage=scale,
    )


def _missing(best: pd.DataFrame, grid: Sequence[float], seeds: int) -> Missing:
    counts = best.groupby("lambda")["seed"].nunique()
    lams = counts.index.to_numpy(dtype=float).tolist()
    stopped = best.loc[best["status"] == "stopped", "lambda"]
    return Missing(
        seeds={lam: int(n) for lam, n in zip(lams, counts, strict=True) if n < seeds},
        seeds_wanted=seeds,
        baseline=0.0 in grid and 0.0 not in lams,
        stopped=np.unique(stopped.to_numpy(dtype=float)).tolist(),
    )
