"""Pure functions from tables and arrays to numbers. No figure, no file, no Ray, no torch."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

PAPER_TARGET = (2.6, 0.45)  # converged L_G and L_D of the paper's best runs (supplement, Fig. 6)
LAST_EPOCHS = 5
CONFIDENCE = 0.95
RISE_ALPHA = 0.05
RISE_POINTS = 0.01  # of accuracy on clean labels: a smaller rise decides nothing


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over n trials with its two-sided permutation p-value."""

    rho: float
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
    half = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance / table["n"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def pooled_by_epoch(epochs: pd.DataFrame, metric: str, group: str = "lambda") -> pd.Series:
    """For each epoch the half width of a 95 % t interval of one value, its variance pooled over groups.

    Divide by the root of the number of seeds for the half width of a mean. NaN where no group has two seeds.
    """
    groups = epochs.dropna(subset=[metric]).groupby(["epoch", group])[metric].agg(["var", "count"])
    groups["freedom"] = groups["count"] - 1
    groups["squares"] = groups["var"].fillna(0) * groups["freedom"]
    by_epoch = groups.groupby("epoch")[["squares", "freedom"]].sum()
    freedom = by_epoch["freedom"].where(by_epoch["freedom"] > 0)
    return stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(by_epoch["squares"] / freedom)


def paired_difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Mean of first - second, arrays (seeds,) in the same order, with its 95 % t interval."""
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    mean = float(difference.mean())
    if len(difference) < 2:
        return mean, float("nan"), float("nan")
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(difference) - 1) * difference.std(ddof=1) / np.sqrt(len(difference))
    return mean, mean - float(half), mean + float(half)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> Correlation | None:
    """Spearman correlation of two arrays (n,), pairs with a missing value left out; None below 4 pairs."""
    present = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x)[present], np.asarray(y)[present]
    if len(x) < 4 or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    ranks, others = (stats.zscore(stats.rankdata(values)) for values in (x, y))
    exchange = stats.permutation_test(
        (ranks,),
        lambda a, axis: (a * others).mean(axis=axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=4999,
        rng=np.random.default_rng(0),
    )
    return Correlation(float(exchange.statistic), float(exchange.pvalue), len(x))


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
    difference in clean accuracy. Shorter curves than six epochs count as rising: nothing is known of them.
    """
    curve = np.asarray(curve, dtype=float)
    epochs = len(curve)
    if epochs < 6:
        return Trend(True, float(curve[-1] - curve[0]) / max(1, epochs - 1), 2 * epochs)
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


@dataclass(frozen=True)
class Pick:
    """What one rule would choose within a panel, and what that costs against the oracle."""

    rule: str
    needs: str
    lam: float
    test_accuracy: float
    regret: float


def picks(trials: pd.DataFrame) -> list[Pick]:
    """Every rule's lambda over the best configurations (trials of one panel), the study's own rule first.

    Test accuracy only scores the picks; the oracle alone chooses by it.
    """
    names = {"score": "mean", "ccc_score": "mean", "test_accuracy": "mean", "test_score": "mean"}
    losses = {"generator_joint_loss": "mean", "discriminator_joint_loss": "mean"}
    names = {name: how for name, how in {**names, **losses}.items() if name in trials}
    table = trials.groupby("lambda").agg(names)
    rules: list[tuple[str, str, pd.Series]] = [("noisy validation", "held-out noisy labels", table["score"])]
    if "ccc_score" in table:
        rules.append(("noisy validation CCC", "held-out noisy values", table["ccc_score"]))
    distance = distance_to_target(table["generator_joint_loss"], table["discriminator_joint_loss"])
    rules.append(("paper's convergence target", "training labels alone", -distance))
    rules.append(("oracle", "clean test labels", table["test_score"]))
    best = table["test_score"].max()
    result = []
    for rule, needs, value in rules:
        if value.notna().any():
            lam = table.index.to_numpy(dtype=float)[int(np.nanargmax(value))].item()
            accuracy, value_then = table.loc[lam, ["test_accuracy", "test_score"]].astype(float)
            result.append(Pick(rule, needs, lam, float(accuracy), float(best - value_then)))
    return result


@dataclass(frozen=True)
class Recommendation:
    """What the study says of one panel.

    Attributes:
        picks: every rule's choice; the first is the recommendation.
        close: lambdas whose score the data do not tell from the best one's.
        rising: lambdas that rise at the end of training and could still overtake the best; then no winner
            is known. Each is given as many more epochs as it has had, at the slope that it ends with, and
            so is the best.
        best_rises: whether the best one rises too.
        more_epochs: how many more epochs those that rise need.
        edge: the best lambda is the smallest or largest one tried (of at least three).
    """

    panel: str
    picks: list[Pick]
    close: list[float]
    rising: list[float]
    best_rises: bool
    more_epochs: int
    edge: bool

    @property
    def lam(self) -> float:
        return self.picks[0].lam


def recommend(
    trials: pd.DataFrame, epochs: pd.DataFrame, panel: str, objective: str, shrinkage: float, validation: int
) -> Recommendation:
    """Recommend lambda for one panel from its trials and epochs (see `Recommendation`)."""
    best = best_configurations(trials[trials["panel"] == panel])
    chosen = picks(best)
    means = best.groupby("lambda")["score"].mean()
    lams: list[float] = sorted(means.index.to_numpy(dtype=float).tolist())
    top = chosen[0].lam
    error = _difference_error(best, validation)
    close = [lam for lam in lams if means[lam] >= means[top] - 1.96 * error]
    curves = epochs[epochs["key"].isin(best["key"])]
    alpha = RISE_ALPHA / len(lams)  # a study of many lambdas must not be held up by chance
    ends, later = {}, {}
    for lam in lams:
        curve = curves[curves["lambda"] == lam].groupby("epoch")[objective].mean().to_numpy()
        ends[lam] = trend(curve, shrinkage, alpha)
        later[lam] = means[lam] + (ends[lam].slope * len(curve) if ends[lam].rising else 0.0)
    rising = [lam for lam in lams if lam != top and ends[lam].rising and later[lam] >= later[top]]
    more = [ends[lam].more_epochs for lam in (*rising, top)]
    edge = len(lams) > 2 and top in (lams[0], lams[-1])
    return Recommendation(panel, chosen, close, rising, ends[top].rising, max(more), edge)


def _difference_error(trials: pd.DataFrame, validation: int) -> float:
    """Standard error of the difference of two lambdas' mean scores.

    From the spread of seeds where there are any, and never below what the finite validation set leaves
    (two accuracies on the same samples, taken as independent: an upper bound).
    """
    seeds = float(trials.groupby("lambda")["seed"].nunique().median())
    accuracy = trials["score"].abs().clip(0, 1).mean()
    sampling = np.sqrt(2 * accuracy * (1 - accuracy) / validation / seeds)
    spread = trials.groupby("lambda")["score"].var(ddof=1).mean()
    between = np.sqrt(2 * spread / seeds) if np.isfinite(spread) else 0.0
    return float(max(sampling, between))
