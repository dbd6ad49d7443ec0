"""Means and differences with their 95 % intervals, by Student's t."""

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95


def t_quantile(degrees_of_freedom: int) -> float:
    """Half width of a 95 % interval in standard errors, by Student's t; by the normal one for 0 degrees of freedom."""
    share = (1 + CONFIDENCE) / 2
    return float(stats.t.ppf(share, degrees_of_freedom) if degrees_of_freedom else stats.norm.ppf(share))


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of independent values (n,) and its 95 % interval: mean, low, high.

    The interval of a single one is NaN; so is everything where there is none.
    """
    # SciPy's ttest_1samp gives the same numbers, but warns where all values are equal, as seeds often are.
    n = len(values)
    mean = float(values.mean()) if n else float("nan")
    if n < 2:
        return mean, float("nan"), float("nan")
    half = t_quantile(n - 1) * float(stats.sem(values))
    return mean, mean - half, mean + half


def paired_difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Mean of first - second, arrays (seeds,) in the same order, and its 95 % interval: mean, low, high."""
    return mean_interval(np.asarray(first, dtype=float) - np.asarray(second, dtype=float))


def pooled_interval(values: pd.DataFrame, value: str, group: str) -> pd.DataFrame:
    """Mean of each group with a 95 % interval whose variance is pooled over all groups.

    Pooling keeps the stated coverage with two or three seeds a group. Missing values do not count. Returns columns
    mean, n, low, high, one row a group; low and high are NaN where no group has two values, the mean where it has none.
    """
    groups = values.groupby(group)[value]
    table = groups.agg(mean="mean", n="count")
    degrees = (table["n"] - 1).clip(lower=0)
    degrees_of_freedom = int(degrees.sum())
    if degrees_of_freedom < 1:
        return table.assign(low=np.nan, high=np.nan)
    variance = float((groups.var(ddof=1).fillna(0) * degrees).sum()) / degrees_of_freedom
    half = t_quantile(degrees_of_freedom) * np.sqrt(variance / table["n"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)
