"""Descriptive statistics: pure functions from tables and arrays to numbers."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from fer_tune.decision.intervals import CONFIDENCE
from fer_tune.names import LAST_EPOCHS

PERMUTATIONS = 4999
FEWEST_UNITS = 3  # of a correlation
FEWEST_UNITS_TO_INFER = 5  # by an interval or a p-value


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over n independent units, its 95 % interval and two-sided permutation p-value.

    Interval and p-value are NaN below five units: they say nothing of so few.
    """

    rho: float
    low: float
    high: float
    p: float
    n: int


def running_mean(epochs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean of a column over the five epochs up to each one: trials (rows) by epoch, missing before the fifth."""
    return epochs.pivot_table(index="key", columns="epoch", values=column).T.rolling(LAST_EPOCHS).mean().T


def rank_correlation(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray, units: np.ndarray, permute: bool = True
) -> Correlation | None:
    """Spearman correlation of two arrays (n,) over units; pairs with a missing value are left out.

    Trials of one λ are not independent evidence: losses and accuracy both follow from λ. Values are therefore averaged
    over each unit (a λ) within each group (a condition), and ranked within the group, so that the level of a group does
    not count. Groups that share units share their evidence too: only the units that all groups have then count, as
    often as there are units, and they are permuted together. Where each group has units of its own, these are permuted
    within it. None below three units. The interval is Bonett and Wright's (2000). Without permutations p is NaN.
    """
    table = pd.DataFrame({"x": x, "y": y, "group": groups, "unit": units}).dropna()
    means = table.groupby(["group", "unit"], sort=True)[["x", "y"]].mean()
    shared = bool(means.groupby("unit").size().gt(1).any())
    if shared:
        in_all = means.groupby("unit").size() == means.index.get_level_values("group").nunique()
        means = means[means.index.get_level_values("unit").isin(in_all.index[in_all])]
    rows = [part.to_numpy() for _, part in means.groupby(level="group")]
    n = len(rows[0]) if shared and rows else len(means) - len(rows) + 1
    if n < FEWEST_UNITS:
        return None
    ranks = [stats.rankdata(values, axis=0) - (len(values) + 1) / 2 for values in rows]
    scale = np.sqrt(sum((r[:, 0] ** 2).sum() for r in ranks) * sum((r[:, 1] ** 2).sum() for r in ranks))
    if scale == 0:
        return None
    rho = float(sum(r[:, 0] @ r[:, 1] for r in ranks) / scale)
    low = high = p = float("nan")
    if n >= FEWEST_UNITS_TO_INFER:
        low, high = _bonett_wright(rho, n)
        if permute:
            p = float(np.mean(np.abs(_permuted(ranks, shared) / scale) >= abs(rho) - 1e-9))
    return Correlation(rho, low, high, p, n)


def _bonett_wright(rho: float, n: int) -> tuple[float, float]:
    """95 % interval of a rank correlation over n units."""
    half = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    middle = np.arctanh(np.clip(rho, -0.999999, 0.999999))
    return min(rho, float(np.tanh(middle - half))), max(rho, float(np.tanh(middle + half)))


def _permuted(ranks: list[np.ndarray], together: bool) -> np.ndarray:
    """Sums of products of ranks under permutations of the units, the observed order among them.

    All permutations where there are few, else 4,999 drawn ones and the observed order.
    """
    rng = np.random.default_rng(0)

    def orders(size: int) -> np.ndarray:
        if math.factorial(size) <= PERMUTATIONS:
            return np.array(list(itertools.permutations(range(size))))
        drawn = rng.permuted(np.broadcast_to(np.arange(size), (PERMUTATIONS, size)), axis=1)
        return np.vstack([np.arange(size), drawn])

    if together:
        chosen = orders(len(ranks[0]))
        return np.asarray(sum(r[chosen, 0] @ r[:, 1] for r in ranks))
    if len(ranks) == 1:
        return ranks[0][orders(len(ranks[0])), 0] @ ranks[0][:, 1]
    total = np.zeros(PERMUTATIONS + 1)
    for r in ranks:
        drawn = rng.permuted(np.broadcast_to(r[:, 0], (PERMUTATIONS, len(r))), axis=1)
        total += np.vstack([r[:, 0], drawn]) @ r[:, 1]
    return total


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Counts (K, K) as shares of their row; an empty row, which has no shares, is NaN."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


def without_trend(values: np.ndarray, conditions: np.ndarray) -> np.ndarray:
    """Values (n,) less their linear trend over conditions (n, k), their mean kept.

    With too few values for the fit they are returned unchanged.
    """
    values, centred = np.asarray(values, dtype=float), conditions - conditions.mean(axis=0)
    if len(values) < conditions.shape[1] + 3:
        return values
    slopes, *_ = np.linalg.lstsq(centred, values - values.mean(), rcond=None)
    return values - centred @ slopes
