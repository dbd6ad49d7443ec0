"""How a score depends on lambda: its uncertainty, the best lambda's, and how many seeds would tell two apart.

What is known of the mean score of each lambda is kept as draws from its posterior: the seeds' mean plus Student's t
times its standard error. Seeds that every lambda has are compared pair by pair: a seed's own level cancels.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from fer_tune.analysis.statistics import CONFIDENCE, t_quantile

DRAWS = 4000
GRID = 101
SMOOTH_FROM = 4  # lambdas: fewer leave the shape between them to the prior
MOST_OF_A_GRID = 8  # lambdas: more are searched, each with a learning rate of its own and few trials
POWER = 0.8
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Response:
    """Scores over lambda.

    Attributes:
        lams: (L,) lambdas tried, rising.
        means: (L,) mean score over seeds.
        draws: (DRAWS, L) of the mean score, from its posterior.
        spread: standard deviation of one trial's score about its lambda's mean, the seed's own level taken out.
        freedom: degrees of freedom of the spread; 0 where there is one seed and it is only what a finite validation
            set leaves.
        counts: (L,) seeds of each lambda.
        grid: (G,) lambdas of the smooth curve; empty where fewer than four were tried.
        curves: (DRAWS, G) of the smooth curve, a Gaussian process through the means.
    """

    lams: np.ndarray
    means: np.ndarray
    draws: np.ndarray
    spread: float
    freedom: int
    counts: np.ndarray
    grid: np.ndarray
    curves: np.ndarray

    @property
    def seeds(self) -> int:
        """Of the lambda that has most."""
        return int(self.counts.max())

    @cached_property
    def p_best(self) -> np.ndarray:
        """(L,) the probability that each lambda tried is the best of them."""
        return np.bincount(self.draws.argmax(1), minlength=len(self.lams)) / len(self.draws)

    @cached_property
    def regret(self) -> np.ndarray:
        """(L,) expected score lost by taking each lambda instead of the best."""
        return (self.draws.max(1, keepdims=True) - self.draws).mean(0)

    @property
    def lam(self) -> float:
        """The lambda of least expected regret."""
        return float(self.lams[self.regret.argmin()])

    def band(self) -> pd.DataFrame:
        """Mean of the smooth curve with its 95 % band: columns mean, low, high, index lambda."""
        low, high = np.quantile(self.curves, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
        return pd.DataFrame({"mean": self.curves.mean(0), "low": low, "high": high}, index=self.grid)

    def interval(self) -> tuple[float, float]:
        """Within which the best lambda lies with 95 % at least.

        By the smooth curve where there is one, and never leaving out a lambda that is not told from the chosen one.
        """
        places, draws = (self.grid, self.curves) if len(self.grid) else (self.lams, self.draws)
        best = np.sort(places[draws.argmax(1)])
        tail = int((1 - CONFIDENCE) / 2 * len(best))
        kept = [float(best[tail]), float(best[-tail - 1]), self.lam, *self.close()]
        return min(kept), max(kept)

    def within(self, points: float) -> list[float]:
        """Lambdas whose mean score is expected within so much of the best one's."""
        return [float(lam) for lam in self.lams[self.means >= self.means.max() - points]]

    def difference(self, lam: float, other: float) -> tuple[float, float, float]:
        """Mean score of one lambda less another's, with its 95 % interval."""
        i, j = (int(np.flatnonzero(self.lams == x)[0]) for x in (lam, other))
        mean = float(self.means[i] - self.means[j])
        half = float(t_quantile(self.freedom) * self.spread * np.sqrt(1 / self.counts[i] + 1 / self.counts[j]))
        return mean, mean - half, mean + half

    def close(self) -> list[float]:
        """Lambdas, other than the one of least regret, that the data do not tell from it."""
        return [float(x) for x in self.lams if x != self.lam and self._untold(self.lam, float(x))]

    def _untold(self, lam: float, other: float) -> bool:
        _, low, high = self.difference(lam, other)
        return low <= 0 <= high

    def seeds_to_tell(self, lam: float, other: float, least: float) -> int:
        """How many more seeds would tell two lambdas apart with 80 % power, 0 where these do.

        The difference is taken as it was measured, or as `least` where it is smaller: nobody needs to know of less.
        """
        if not self._untold(lam, other):
            return 0
        difference = max(abs(self.difference(lam, other)[0]), least)
        return max(1, seeds_needed(difference, self.spread, self.freedom) - self.seeds)


def seeds_needed(difference: float, spread: float, freedom: int) -> int:
    """Seeds for a paired t test (two-sided, 5 %) to find a difference of two lambdas with 80 % power.

    `spread` is that of one trial about its lambda and seed; a pair's difference has sqrt(2) of it. The power is a
    mean over what the true spread may be, since with few seeds it is hardly known. At most 1,000.
    """
    quantiles = (np.arange(20) + 0.5) / 20
    true = spread * (np.sqrt(freedom / stats.chi2.ppf(quantiles, freedom)) if freedom else np.ones(1))
    effects = difference / (np.sqrt(2) * np.maximum(true, 1e-9))
    low, high = 2, MOST_SEEDS
    while low < high:  # power grows with seeds
        middle = (low + high) // 2
        low, high = (low, middle) if _power(effects, middle) >= POWER else (middle + 1, high)
    return low


def _power(effects: np.ndarray, seeds: int) -> float:
    edge = t_quantile(seeds - 1)
    shifts = np.minimum(effects * np.sqrt(seeds), 30)  # further out the power is 1 and its formula overflows
    return float(stats.nct.sf(edge, seeds - 1, shifts).mean())


def spread_of(trials: pd.DataFrame, value: str) -> tuple[float, int]:
    """Standard deviation of a trial about its configuration's mean, and its degrees of freedom (0: one seed).

    Where all configurations have the same seeds, the seeds' own levels are taken out.
    """
    table = trials.pivot_table(index="seed", columns="configuration", values=value)
    seeds, configurations = table.shape
    if table.notna().all(axis=None) and min(seeds, configurations) > 1:
        rest = table.sub(table.mean(axis=1), axis=0).sub(table.mean(axis=0), axis=1) + table.mean(axis=None)
        freedom = (seeds - 1) * (configurations - 1)
    else:
        rest = table - table.mean(axis=0)
        freedom = int((table.notna().sum() - 1).sum())
    if freedom < 1:
        return float("nan"), 0
    return float(np.sqrt((rest**2).sum(axis=None) / freedom)), freedom


def sampling_error(level: float, samples: int, objective: str) -> float:
    """Standard error of a score of that level on so many samples: of a share, or of a correlation (Lin, 1989, whose
    concordance has about that of Pearson's) where the score is val_ccc. Classes are taken as even."""
    if objective == "val_ccc":
        return float((1 - min(abs(level), 0.95) ** 2) / np.sqrt(samples - 1))
    level = float(np.clip(level, 0.05, 0.95))
    return float(np.sqrt(level * (1 - level) / samples))


def respond(
    trials: pd.DataFrame, value: str, validation: int, smoothed: bool = True, objective: str = "val_accuracy"
) -> Response:
    """The response of a score to lambda, from the trials of each lambda's best configuration.

    `validation` is the number of samples that scored them: with one seed the sampling error of `objective` on them is
    all that is known, a lower bound. Not `smoothed` leaves the curve out where no more than eight lambdas need it.
    """
    means = trials.groupby("lambda")[value].mean()
    spread, freedom = spread_of(trials, value)
    if not freedom:
        spread = sampling_error(float(means.abs().mean()), validation, objective)
    spread = max(spread, 1e-6)
    counts = trials.groupby("lambda")["seed"].nunique()
    lams = means.index.to_numpy(dtype=float)
    rng = np.random.default_rng(0)
    stretch = np.sqrt(freedom / rng.chisquare(freedom, DRAWS)) if freedom else np.ones(DRAWS)
    error = spread / np.sqrt(counts.to_numpy())
    draws = means.to_numpy() + rng.standard_normal((DRAWS, len(lams))) * error * stretch[:, None]
    grid, curves = np.empty(0), np.empty((DRAWS, 0))
    if len(lams) >= SMOOTH_FROM and (smoothed or len(lams) > MOST_OF_A_GRID):
        grid = np.linspace(lams[0], lams[-1], GRID)
        curves = smooth(lams, means.to_numpy(), error * t_quantile(freedom) / t_quantile(0), grid)
        if len(lams) > MOST_OF_A_GRID:
            draws = curves[:, np.abs(grid[None] - lams[:, None]).argmin(1)]
    return Response(lams, means.to_numpy(), draws, spread, freedom, counts.to_numpy(), grid, curves)


def smooth(lams: np.ndarray, means: np.ndarray, error: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Curves (DRAWS, G) through mean scores (L,) with standard errors (L,): a Gaussian process, Matern 5/2.

    Its length scale lies between a fifth and twice the range of lambda. Where means scatter more than their errors
    say, as with searched learning rates, the rest is noise.
    """
    span, scale = float(np.ptp(lams)), max(float(means.std()), 1e-6)
    kernel = ConstantKernel(1.0, (0.1, 10)) * Matern(span / 2, (span / 5, 2 * span), nu=2.5)
    if len(lams) > MOST_OF_A_GRID:
        kernel = kernel + WhiteKernel(0.1, (1e-4, 2.0))
    process = GaussianProcessRegressor(kernel, alpha=(error / scale) ** 2 + 1e-6, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound
        process.fit(lams[:, None], (means - means.mean()) / scale)
    if len(lams) > MOST_OF_A_GRID:  # the curve, without the noise about it
        mean, covariance = process.predict(grid[:, None], return_cov=True)
        covariance -= process.kernel_.k2.noise_level * np.eye(len(grid))
        draws = np.random.default_rng(0).multivariate_normal(
            mean, covariance, DRAWS, method="eigh", check_valid="ignore"
        )
    else:
        draws = process.sample_y(grid[:, None], DRAWS, random_state=0).T
    return means.mean() + scale * draws


def rises_then_falls(trials: pd.DataFrame, value: str) -> tuple[float, float] | None:
    """The best inner lambda and the p-value of its beating both ends of the grid, corrected for the choice.

    Each end is tested one-sided, paired by seed with the pooled spread; the larger p counts, times the number of inner
    lambdas. None with fewer than three lambdas or one seed.
    """
    means = trials.groupby("lambda")[value].mean()
    spread, freedom = spread_of(trials, value)
    if len(means) < 3 or not freedom:
        return None
    inner = means.iloc[1:-1]
    best = float(inner.index.to_numpy(dtype=float)[inner.to_numpy().argmax()])
    seeds = trials.groupby("lambda")["seed"].nunique()
    errors = {end: max(spread, 1e-9) * np.sqrt(1 / seeds[best] + 1 / seeds.iloc[end]) for end in (0, -1)}
    p = max(float(stats.t.sf((inner.max() - means.iloc[end]) / error, freedom)) for end, error in errors.items())
    return best, min(1.0, p * len(inner))
