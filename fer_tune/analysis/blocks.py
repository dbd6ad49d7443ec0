"""The race of a condition, run again from its trials: the scores of whole blocks, and where they leave it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fer_tune.analysis.results import Results
from fer_tune.analysis.study_record import column
from fer_tune.decision.race import FIRST_LOOK, Outcome, Standing, costs_of, run_race, score_scale
from fer_tune.decision.response import cross_fitted, shrinkage
from fer_tune.names import METHOD, find
from fer_tune.results.records import Role

TOLERANCE = 0.05  # of a study that does not say which loss it tolerates: five points of accuracy


@dataclass(frozen=True)
class Blocks:
    """The scores of whole blocks, and where the race over them stands.

    Attributes:
        lams: (A,) the arms, rising.
        scores: (B, A) of whole blocks in the order of the seeds; NaN where an arm was out of the race, rested or broke.
        seeds: of those blocks.
        standing: after the last of them; None before the first, or with one arm.
    """

    lams: tuple[float, ...]
    scores: np.ndarray
    seeds: tuple[int, ...]
    standing: Standing | None


def tolerance(results: Results) -> float:
    """The loss at which a study's race stops, a share of clean accuracy."""
    decide = results.study.decide
    return TOLERANCE if decide is None else decide.tolerance


def scale_of(results: Results, trials: pd.DataFrame) -> float:
    """What a point of clean accuracy is worth in the scores of a condition's trials: above 0, at most 1."""
    return score_scale(results.objective, shrinkage(trials))


def arms(results: Results, best: pd.DataFrame, broken: pd.DataFrame) -> list[float]:
    """The λs of a condition's race, rising. A study that has ended lacks those of which no trial is there."""
    tried = {float(lam) for lam in [*best["lambda"], *broken["lambda"]]}
    method = find(results.study.conditions, METHOD)
    name = results.study.section("training").get("method", "joint") if method is None else best[column(method)].iloc[0]
    if name != "joint" or results.whole:
        return sorted(tried)
    return sorted(tried | set(results.study.lambda_grid))


def replay(results: Results, condition: str, trials: pd.DataFrame) -> Blocks:
    """Run the race of one condition again from its scores.

    Args:
        results: the study's results.
        condition: its name.
        trials: its trials: columns lambda, configuration, seed, score, accuracy_shrinkage.
    """
    best, scale = cross_fitted(trials), scale_of(results, trials)
    broken = results.broken[(results.broken["condition"] == condition) & (results.broken["role"] == Role.TRIAL)]
    lams = arms(results, best, broken)
    scores = best.groupby(["seed", "lambda"])["score"].mean()
    failed = set(zip(broken["seed"], broken["lambda"], strict=True))
    rows: list[list[float]] = []
    seeds: list[int] = []
    standing, running = None, list(range(len(lams)))
    lost = results.whole and results.study.decide is None  # what a complete fixed list lacks is gone for good
    for seed in results.study.seeds:
        row = [float(scores.get((seed, lam), math.nan)) for lam in lams]
        ended = [not math.isnan(row[i]) or (seed, lams[i]) in failed for i in running]
        if not (any(ended) if lost else all(ended)):
            if lost:
                continue
            break
        seeds.append(seed)
        rows.append([value if i in running else math.nan for i, value in enumerate(row)])
        if len(lams) > 1 and results.study.decide is not None:
            standing = raced(results, lams, rows, scale)
            running = list(standing.running)
            if standing.outcome in (Outcome.WINNER, Outcome.TIE):
                break
    table = np.array(rows, dtype=float).reshape(len(rows), len(lams))
    if rows and len(lams) > 1:
        standing = raced(results, lams, rows, scale, ended=True)
    return Blocks(tuple(lams), table, tuple(seeds), standing)


def raced(
    results: Results, lams: Sequence[float], rows: Sequence[Sequence[float]], scale: float, ended: bool = False
) -> Standing:
    """Where the race stands after some blocks.

    Args:
        results: the study's results.
        lams: (A,) the arms.
        rows: (B, A) their scores, as in `Blocks`.
        scale: what a point of clean accuracy is worth in scores.
        ended: no further block is there.
    """
    decide = results.study.decide
    looks = len(rows) if decide is None else len(results.study.seeds)
    return run_race(
        np.array(rows, dtype=float),
        costs_of(lams),
        looks=looks,
        tolerance=tolerance(results) * scale,
        prior=results.prior,
        stopped=ended and (results.whole or results.budget_spent),
        first_look=looks if decide is None else FIRST_LOOK,
    )


def whole_blocks(results: Results) -> Results:
    """A race's results without trials that its rule did not ask for: idle workers run some ahead, in no fixed number.

    Everything, where no block is whole yet or the study has a fixed list of seeds.
    """
    if results.study.decide is None:
        return results
    kept: list[str] = []
    for condition, trials in results.trials.groupby("condition", sort=False):
        found = replay(results, str(condition), trials)
        counted = {
            (seed, lam)
            for seed, row in zip(found.seeds, found.scores, strict=True)
            for lam, score in zip(found.lams, row, strict=True)
            if not math.isnan(score)
        }
        places = zip(trials["seed"], trials["lambda"], strict=True)
        counts = np.array([place in counted for place in places], dtype=bool) | (len(found.lams) == 1)
        kept += trials.loc[counts, "key"].tolist()
    if not kept:
        return results
    trials, epochs = (table[table["key"].isin(kept)] for table in (results.trials, results.epochs))
    return replace(results, trials=trials, epochs=epochs)
