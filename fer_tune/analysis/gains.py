"""How much accuracy a λ gains over λ = 0 on the test labels. Report and `recommend` both take it from here."""

import numpy as np
import pandas as pd

from fer_tune.analysis.results import Results
from fer_tune.decision.intervals import paired_difference
from fer_tune.decision.response import cross_fitted

Gain = tuple[float, float, float]  # mean, low, high of the 95 % interval; low and high are NaN with one seed


def gain_by_seed(results: Results, condition: str, lam: float) -> tuple[pd.Series, float]:
    """Test accuracy at a λ less that at λ = 0 by seed (by draw too, where drawn), and how much wider its interval is.

    Each at its best configuration, chosen by the other seeds (`cross_fitted`). Only seeds that both have; empty for
    λ = 0.
    """
    trials = cross_fitted(results.trials[results.trials["condition"] == condition])
    own, base = (accuracy_by_seed(results, trials[trials["lambda"] == each]) for each in (lam, 0.0))
    gains = (own - base).dropna() if lam != 0 else own.iloc[:0]
    return gains, float(trials.loc[trials["lambda"].isin([0.0, lam]), "width"].max())


def accuracy_by_seed(results: Results, trials: pd.DataFrame) -> pd.Series:
    """Test accuracy by seed; where a condition was drawn, by seed and draw."""
    return trials.groupby(["seed", "number"] if results.study.drawn else ["seed"])["test_accuracy"].mean().dropna()


def gain(results: Results, condition: str, lam: float) -> Gain | None:
    """The mean gain of a λ in a condition, paired by seed; None where nothing was measured."""
    return _in_short(*gain_by_seed(results, condition, lam))


def gain_between(results: Results, conditions: tuple[str, str], lam: float, weight: float) -> Gain | None:
    """The gain of a λ between two conditions, interpolated for each seed that both have.

    Args:
        results: the study's results.
        conditions: their names.
        lam: the λ.
        weight: of the second condition, 0 to 1.
    """
    (first, width), (second, other) = (gain_by_seed(results, condition, lam) for condition in conditions)
    return _in_short(((1 - weight) * first + weight * second).dropna(), max(width, other))


def _in_short(gains: pd.Series, width: float) -> Gain | None:
    values = gains.to_numpy(dtype=np.float64)
    return paired_difference(values, np.zeros_like(values), width) if len(values) else None
