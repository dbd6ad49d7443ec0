"""Which trained network in hand is best on held-out labels: a statement about networks, not about their λs."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from fer_tune.analysis.results import Results
from fer_tune.analysis.trial_files import ValidationPredictions, validation_split
from fer_tune.decision.response import validation_size

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Network:
    """A trained network.

    Attributes:
        key: of its trial.
        name: what it was trained with: `λ = 0.3`, or the name of a comparison method.
        lam: its λ.
        seed: its seed.
        score: the objective on held-out labels after its last epoch.
        count: how many networks it was chosen from.
        as_good: keys of the others that are not significantly worse on the same images; None where nothing tells.
        test_accuracy: its accuracy on the test labels after its last epoch; NaN without test labels.
    """

    key: str
    name: str
    lam: float
    seed: int
    score: float
    count: int
    as_good: tuple[str, ...] | None
    test_accuracy: float


def best_network(results: Results, trials: pd.DataFrame) -> Network | None:
    """The network with the highest objective on held-out labels after its last epoch; None where none has one.

    Test labels only score it. Networks are compared on the same images by McNemar's exact test (two-sided, 5 %,
    corrected for all pairs); trials of older versions, which kept no held-out labels, by their shares of right
    predictions.

    Args:
        results: the study's results.
        trials: the trials to choose from: columns key, name, lambda, seed, validation_samples.
    """
    epochs = pd.concat([results.epochs, results.auxiliary_epochs])
    last = epochs[epochs["key"].isin(trials["key"])].sort_values("epoch").groupby("key").last()
    scores = last[results.objective].dropna() if len(last) else pd.Series(dtype=float)
    if scores.empty:
        return None
    about = trials.set_index("key").loc[scores.index]
    key = str(
        about.assign(score=scores).sort_values(["score", "lambda", "seed"], ascending=[False, True, True]).index[0]
    )
    own = about.loc[key]
    others = [str(other) for other in scores.index if other != key]
    samples = validation_size(about)
    return Network(
        key=key,
        name=str(own["name"]),
        lam=float(own["lambda"]),  # type: ignore[arg-type]
        seed=int(own["seed"]),  # type: ignore[arg-type]
        score=float(scores[key]),
        count=len(scores),
        as_good=_as_good(results, key, others, scores, samples),
        test_accuracy=float(last["test_accuracy"].get(key, math.nan)),
    )


def _as_good(
    results: Results, key: str, others: list[str], scores: pd.Series, samples: int | None
) -> tuple[str, ...] | None:
    """The networks that are not significantly worse than one; None where the objective is no share of right images."""
    if results.objective != "val_accuracy":
        return None
    pairs = math.comb(len(others) + 1, 2)
    own, found = validation_split(results, key), []
    for other in others:
        p = mcnemar(own, validation_split(results, other))
        if p is None and samples is not None:
            p = shares_differ(float(scores[key]), float(scores[other]), samples)
        if p is None:
            return None
        if p * pairs >= SIGNIFICANT:
            found.append(other)
    return tuple(found)


def mcnemar(first: ValidationPredictions | None, second: ValidationPredictions | None) -> float | None:
    """The p-value of two networks being right equally often on the same images (exact, two-sided).

    None where either trial kept no held-out labels, or they do not have the same images.
    """
    if first is None or second is None or first.given is None or second.given is None:
        return None
    if not np.array_equal(first.index, second.index):
        return None
    known = (first.given >= 0) & (second.given >= 0)
    right, other = ((each.predicted == each.given)[known] for each in (first, second))
    wins, losses = int((right & ~other).sum()), int((other & ~right).sum())
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def shares_differ(first: float, second: float, samples: int) -> float:
    """The p-value of two shares of right predictions on as many samples being equal (normal, two-sided).

    Too cautious where both networks saw the same images, since they err on the same ones.
    """
    error = math.sqrt(max(sum(share * (1 - share) for share in (first, second)) / samples, 1e-12))
    return float(2 * stats.norm.sf(abs(first - second) / error))
