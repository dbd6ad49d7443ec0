"""Pure functions from tables and arrays to numbers. No figure, no file, no Ray, no torch."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

PAPER_TARGET = (2.6, 0.45)  # converged L_G and L_D of the paper's best runs (supplement, Fig. 6)
LAST_EPOCHS = 5
CONFIDENCE = 0.95
RISE_ALPHA = 0.05
PERMUTATIONS = 4999
RISE_POINTS = 0.01  # of accuracy on clean labels: a smaller rise decides nothing


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over n independent units, its 95 % interval and two-sided permutation p-value.

    The interval is NaN below five units.
    """

    rho: float
    low: float
    high: float
    p: float
    n: int


@dataclass(frozen=True)
class Trend:
    """Whether a curve still rises at its end.

    Attributes:
        rising: the slope is above 0 (one-sided, 5 % unless told) and worth at least one point of clean accuracy.
        slope: change an epoch over the window.
        more_epochs: epochs until a saturating curve is within a point of its end; 0 when not rising.
    """

    rising: bool
    slope: float
    more_epochs: int


def pooled_interval(values: pd.DataFrame, value: str, group: str) -> pd.DataFrame:
    """Mean of each group with a t interval from the variance pooled over all groups.

    Pooling keeps the stated coverage with two or three seeds a group. Returns columns mean, low, high,
    n; low and high are NaN where no group has two values.
    """
    groups = values.groupby(group)[value]
    table = groups.agg(mean="mean", n="count")
    freedom = int((table["n"] - 1).sum())
    if freedom < 1:
        return table.assign(low=np.nan, high=np.nan)
    variance = float((groups.var(ddof=1).fillna(0) * (table["n"] - 1)).sum()) / freedom
    half = t_quantile(freedom) * np.sqrt(variance / table["n"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def pooled_by_epoch(epochs: pd.DataFrame, metric: str, group: str = "lambda") -> pd.Series:
    """For each epoch the half width of a 95 % t interval of one value, its variance pooled over groups.

    Divide by the root of the number of seeds for the half width of a mean. NaN where no group has two seeds.
    """
    groups = epochs.dropna(subset=[metric]).groupby(["epoch", group], observed=True)[metric].agg(["var", "count"])
    groups["freedom"] = groups["count"] - 1
    groups["squares"] = groups["var"].fillna(0) * groups["freedom"]
    by_epoch = groups.groupby("epoch")[["squares", "freedom"]].sum()
    freedom = by_epoch["freedom"].where(by_epoch["freedom"] > 0)
    return stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(by_epoch["squares"] / freedom)


def t_quantile(freedom: int) -> float:
    """Of Student's t for a 95 % interval; the normal one for 0 degrees of freedom."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) if freedom else stats.norm.ppf((1 + CONFIDENCE) / 2))


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of independent values (n,) with its 95 % t interval, NaN for a single one."""
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return mean, float("nan"), float("nan")
    half = t_quantile(n - 1) * float(values.std(ddof=1)) / float(np.sqrt(n))
    return mean, mean - half, mean + half


def running_mean(epochs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean of a column over the five epochs until each one, trials (rows) by epoch; missing before there are five."""
    return epochs.pivot_table(index="key", columns="epoch", values=column).T.rolling(LAST_EPOCHS).mean().T


def paired_difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Mean of first - second, arrays (seeds,) in the same order, with its 95 % t interval."""
    return mean_interval(np.asarray(first, dtype=float) - np.asarray(second, dtype=float))


def rank_correlation(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray, units: np.ndarray, permute: bool = True
) -> Correlation | None:
    """Spearman correlation of two arrays (n,) over units, pairs with a missing value left out.

    Seeds of one lambda are no independent evidence: values are averaged over each unit (a lambda, a configuration)
    within each group (a condition), and ranked within the group, so that levels of groups do not count. Units that all
    groups share are permuted together, and only they count as independent; other units within their group. None below
    three units. The interval is Bonett and Wright's (2000). Without permutations p is NaN.
    """
    table = pd.DataFrame({"x": x, "y": y, "group": groups, "unit": units}).dropna()
    means = table.groupby(["group", "unit"], sort=True)[["x", "y"]].mean()
    wide = means.unstack("unit")
    shared = len(wide) > 1 and bool(wide.notna().to_numpy().all())
    rows = [means.xs(group, level="group").to_numpy() for group in wide.index]
    n = wide.shape[1] // 2 if shared or len(rows) == 1 else len(means) - len(rows) + 1
    ranks = [stats.rankdata(values, axis=0) - (len(values) + 1) / 2 for values in rows]
    scale = np.sqrt(sum((r[:, 0] ** 2).sum() for r in ranks) * sum((r[:, 1] ** 2).sum() for r in ranks))
    if n < 3 or scale == 0:
        return None
    rho = float(sum(r[:, 0] @ r[:, 1] for r in ranks) / scale)
    low = high = p = float("nan")
    if n >= 5:
        half = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
        middle = np.arctanh(np.clip(rho, -0.999999, 0.999999))
        low, high = min(rho, float(np.tanh(middle - half))), max(rho, float(np.tanh(middle + half)))
    if permute:
        found = _permuted(ranks, bool(shared)) / scale
        p = float(np.mean(np.abs(found) >= abs(rho) - 1e-9))
    return Correlation(rho, low, high, p, n)


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


def distance_to_target(
    generator_loss: pd.Series, discriminator_loss: pd.Series, target: tuple[float, float] = PAPER_TARGET
) -> pd.Series:
    """Distance of converged (L_G, L_D) to a target, each loss relative to its target value."""
    relative_g = (generator_loss - target[0]) / target[0]
    relative_d = (discriminator_loss - target[1]) / target[1]
    return pd.Series(np.hypot(relative_g, relative_d), index=generator_loss.index)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Counts (K, K) as shares of their row; an empty row stays 0."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def without_trend(values: np.ndarray, conditions: np.ndarray) -> np.ndarray:
    """Values (n,) less their linear trend over conditions (n, k), their mean kept.

    With too few values for the fit they are returned as they are.
    """
    values, centred = np.asarray(values, dtype=float), conditions - conditions.mean(axis=0)
    if len(values) < conditions.shape[1] + 3:
        return values
    slopes, *_ = np.linalg.lstsq(centred, values - values.mean(), rcond=None)
    return values - centred @ slopes


def trend(curve: np.ndarray, shrinkage: float = 1.0, alpha: float = RISE_ALPHA) -> Trend:
    """Whether a curve (epochs,) of validation accuracy still rises at its end, and for how long.

    The window is the last third, at least ten epochs. `shrinkage` is what label noise makes of a
    difference in clean accuracy.
    """
    curve = np.asarray(curve, dtype=float)
    epochs = len(curve)
    window = min(epochs, max(10, epochs // 3))
    fit = stats.linregress(np.arange(window), curve[-window:], alternative="greater")
    slope = float(fit.slope)
    rising = bool(fit.pvalue < alpha and slope * window > RISE_POINTS * shrinkage)
    return Trend(rising, slope, _epochs_to_plateau(curve, RISE_POINTS * shrinkage) if rising else 0)


def _epochs_to_plateau(curve: np.ndarray, tolerance: float) -> int:
    """Epochs beyond the curve's end until a fitted a - b exp(-t / c) is within tolerance of a.

    At least a quarter and at most three times the curve's length; the length where no fit is found.
    """
    epochs = len(curve)
    late = np.arange(epochs // 4, epochs)

    def saturating(t: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        return a - b * np.exp(-t / c)

    span = max(float(np.ptp(curve)), 1e-3)
    try:
        (_, b, c), _ = optimize.curve_fit(
            saturating,
            late,
            curve[late],
            p0=(curve[-1] + span / 4, span, epochs / 2),
            bounds=((0, 0, 1), (1.5, 5, 20 * epochs)),
        )
    except RuntimeError:
        return epochs
    plateau = c * np.log(max(b, 1e-9) / tolerance)
    return int(np.clip(np.ceil(plateau - epochs), np.ceil(epochs / 4), 3 * epochs))


def best_configurations(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials of the best configuration of each lambda, chosen by its mean score, never by test data.

    Where lambda is searched and not a grid, every configuration has a lambda of its own and is kept.
    """
    means = trials.groupby(["lambda", "configuration"], as_index=False)["score"].mean()
    chosen = means.loc[means.groupby("lambda")["score"].idxmax(), "configuration"]
    return trials[trials["configuration"].isin(chosen)]
