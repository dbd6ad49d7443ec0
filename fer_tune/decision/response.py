"""How a score depends on λ: its uncertainty, and the best λ.

What is known of each λ's mean score is kept as draws from its posterior: the seeds' mean plus Student's t times its
standard error. Where every λ has the same seeds they are compared pair by pair, so that a seed's own level cancels.
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
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fer_tune.decision.intervals import CONFIDENCE, t_quantile

DRAWS = 4000  # from the posterior
CURVE_POINTS = 101
FEWEST_FOR_A_CURVE = 4  # lambdas: with fewer the shape between them is left to the prior
MOST_OF_A_GRID = 8  # lambdas: more are searched, each with a learning rate of its own and few trials


@dataclass(frozen=True)
class Response:
    """Scores over λ.

    Attributes:
        lams: (L,) λs tried, rising.
        means: (L,) mean score over seeds.
        draws: (DRAWS, L) of the mean score, from its posterior.
        spread: standard deviation of one trial's score about its λ's mean, the seed's own level removed.
        degrees_of_freedom: of the spread; 0 with one seed, whose spread is the sampling error of the validation set.
        counts: (L,) seeds of each λ.
        grid: (G,) λs of the smooth curve; empty where fewer than four were tried.
        curves: (DRAWS, G) of the smooth curve, a Gaussian process through the means.
    """

    lams: np.ndarray
    means: np.ndarray
    draws: np.ndarray
    spread: float
    degrees_of_freedom: int
    counts: np.ndarray
    grid: np.ndarray
    curves: np.ndarray

    @property
    def seeds(self) -> int:
        """Seeds of the λ that has most."""
        return int(self.counts.max())

    @cached_property
    def p_best(self) -> np.ndarray:
        """(L,) probability that each λ tried is the best of them."""
        return np.bincount(self.draws.argmax(1), minlength=len(self.lams)) / len(self.draws)

    @cached_property
    def regret(self) -> np.ndarray:
        """(L,) expected score lost by taking each λ instead of the best."""
        return (self.draws.max(1, keepdims=True) - self.draws).mean(0)

    @property
    def lam(self) -> float:
        """The λ of least expected regret."""
        return float(self.lams[self.regret.argmin()])

    def band(self) -> pd.DataFrame:
        """Mean of the smooth curve with its 95 % band: columns mean, low, high, index λ."""
        low, high = np.quantile(self.curves, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
        return pd.DataFrame({"mean": self.curves.mean(0), "low": low, "high": high}, index=self.grid)

    def interval(self) -> tuple[float, float]:
        """The range that holds the best λ with at least 95 %.

        It comes from the smooth curve where there is one, and includes every λ that is statistically
        indistinguishable from the chosen one.
        """
        places, draws = (self.grid, self.curves) if len(self.grid) else (self.lams, self.draws)
        best = np.sort(places[draws.argmax(1)])
        tail = int((1 - CONFIDENCE) / 2 * len(best))
        kept = [float(best[tail]), float(best[-tail - 1]), self.lam, *self.indistinguishable()]
        return min(kept), max(kept)

    def within(self, points: float) -> list[float]:
        """λs whose mean score is at most `points` below the highest one."""
        return [float(lam) for lam in self.lams[self.means >= self.means.max() - points]]

    def difference(self, lam: float, other: float) -> tuple[float, float, float]:
        """Mean score of one λ less another's, with its 95 % interval: mean, low, high."""
        i, j = (int(np.flatnonzero(self.lams == x)[0]) for x in (lam, other))
        mean = float(self.means[i] - self.means[j])
        width = t_quantile(self.degrees_of_freedom) * self.spread
        half = float(width * np.sqrt(1 / self.counts[i] + 1 / self.counts[j]))
        return mean, mean - half, mean + half

    def indistinguishable(self) -> list[float]:
        """The other λs that are statistically indistinguishable from the one of least regret."""
        return [float(x) for x in self.lams if x != self.lam and self._overlap(self.lam, float(x))]

    def _overlap(self, lam: float, other: float) -> bool:
        _, low, high = self.difference(lam, other)
        return low <= 0 <= high


def best_configurations(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials of each λ's best configuration, chosen by its mean score and never by test data.

    Where λ is searched and not a grid, every configuration has a λ of its own and is kept.
    """
    means = trials.groupby(["lambda", "configuration"], as_index=False)["score"].mean()
    chosen = means.loc[means.groupby("lambda")["score"].idxmax(), "configuration"]
    return trials[trials["configuration"].isin(chosen)]


def spread_of(trials: pd.DataFrame, value: str) -> tuple[float, int]:
    """Standard deviation of a trial about its configuration's mean, and its degrees of freedom (0 with one seed).

    Where all configurations have the same seeds, the seeds' own levels are removed.
    """
    table = trials.pivot_table(index="seed", columns="configuration", values=value)
    seeds, configurations = table.shape
    if table.notna().all(axis=None) and min(seeds, configurations) > 1:
        rest = table.sub(table.mean(axis=1), axis=0).sub(table.mean(axis=0), axis=1) + table.mean(axis=None)
        degrees_of_freedom = (seeds - 1) * (configurations - 1)
    else:
        rest = table - table.mean(axis=0)
        degrees_of_freedom = int((table.notna().sum() - 1).sum())
    if degrees_of_freedom < 1:
        return float("nan"), 0
    return float(np.sqrt((rest**2).sum(axis=None) / degrees_of_freedom)), degrees_of_freedom


def validation_size(trials: pd.DataFrame) -> int | None:
    """How many samples scored the trials, by column validation_samples; None where no trial says."""
    sizes = trials["validation_samples"].dropna()
    return int(sizes.iloc[0]) if len(sizes) else None


def sampling_error(level: float, samples: int, objective: str) -> float:
    """Standard error of a score of that level on so many samples.

    Of a share of samples; or of a correlation where the objective is val_ccc, since concordance (Lin, 1989) has about
    the error of Pearson's correlation. Classes are taken to be balanced.
    """
    if objective == "val_ccc":
        return float((1 - min(abs(level), 0.95) ** 2) / np.sqrt(samples - 1))
    level = float(np.clip(level, 0.05, 0.95))
    return float(np.sqrt(level * (1 - level) / samples))


def respond(
    trials: pd.DataFrame, value: str, validation: int | None, smoothed: bool = True, objective: str = "val_accuracy"
) -> Response:
    """The response of a score to λ.

    Args:
        trials: the trials of each λ's best configuration (`best_configurations`): columns lambda, configuration, seed
            and `value`.
        value: the column that holds the score.
        validation: number of samples that scored the trials, None where not known. With one seed the sampling error of
            `objective` on them is all that is known, a lower bound of the spread.
        smoothed: whether to draw the smooth curve. It is always drawn for more than eight λs, which need it.
        objective: the metric that the score comes from.

    Raises ValueError where neither seeds nor the number of samples tell the spread.
    """
    means = trials.groupby("lambda")[value].mean()
    spread, degrees_of_freedom = spread_of(trials, value)
    if not degrees_of_freedom:
        if validation is None:
            raise ValueError("with one seed, validation_samples must say how many samples scored a trial")
        spread = sampling_error(float(means.abs().mean()), validation, objective)
    spread = max(spread, 1e-6)
    counts = trials.groupby("lambda")["seed"].nunique()
    lams = means.index.to_numpy(dtype=float)
    rng = np.random.default_rng(0)
    stretch = np.ones(DRAWS)
    if degrees_of_freedom:
        stretch = np.sqrt(degrees_of_freedom / rng.chisquare(degrees_of_freedom, DRAWS))
    error = spread / np.sqrt(counts.to_numpy())
    draws = means.to_numpy() + rng.standard_normal((DRAWS, len(lams))) * error * stretch[:, None]
    grid, curves = np.empty(0), np.empty((DRAWS, 0))
    if len(lams) >= FEWEST_FOR_A_CURVE and (smoothed or len(lams) > MOST_OF_A_GRID):
        grid = np.linspace(lams[0], lams[-1], CURVE_POINTS)
        curves = smooth(lams, means.to_numpy(), error * t_quantile(degrees_of_freedom) / t_quantile(0), grid)
        if len(lams) > MOST_OF_A_GRID:
            draws = curves[:, np.abs(grid[None] - lams[:, None]).argmin(1)]
    return Response(lams, means.to_numpy(), draws, spread, degrees_of_freedom, counts.to_numpy(), grid, curves)


def smooth(lams: np.ndarray, means: np.ndarray, error: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Curves (DRAWS, G) through mean scores (L,) with standard errors (L,): a Gaussian process, Matérn 5/2.

    Its length scale lies between a fifth of λ's range and twice that range. More than eight λs scatter beyond their
    errors, because each has a learning rate of its own; the rest is then taken as noise.
    """
    span, scale = float(np.ptp(lams)), max(float(means.std()), 1e-6)
    noisy = len(lams) > MOST_OF_A_GRID
    kernel = ConstantKernel(1.0, (0.1, 10)) * Matern(span / 2, (span / 5, 2 * span), nu=2.5)
    if noisy:
        kernel = kernel + WhiteKernel(0.1, (1e-4, 2.0))
    process = GaussianProcessRegressor(kernel, alpha=(error / scale) ** 2 + 1e-6, random_state=0)
    with warnings.catch_warnings(), threadpool_limits(1, "blas"):  # threads only get in each other's way here
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound
        process.fit(lams[:, None], (means - means.mean()) / scale)
        draws = _draw_curves(process, grid, noisy)
    return means.mean() + scale * draws


def _draw_curves(process: GaussianProcessRegressor, grid: np.ndarray, noisy: bool) -> np.ndarray:
    """Curves (DRAWS, G) from a fitted process, without the noise about them."""
    if not noisy:
        return process.sample_y(grid[:, None], DRAWS, random_state=0).T
    mean, covariance = process.predict(grid[:, None], return_cov=True)
    covariance -= process.kernel_.k2.noise_level * np.eye(len(grid))
    rng = np.random.default_rng(0)
    return rng.multivariate_normal(mean, covariance, DRAWS, method="eigh", check_valid="ignore")


def rises_then_falls(trials: pd.DataFrame, value: str) -> tuple[float, float] | None:
    """The best inner λ, and the p-value of its beating both ends of the grid.

    Each end is tested one-sided, paired by seed with the pooled spread. The larger p counts, times the number of inner
    λs (Bonferroni). None with fewer than three λs or with one seed. Missing values are left out.
    """
    trials = trials.dropna(subset=[value])
    means = trials.groupby("lambda")[value].mean()
    spread, degrees_of_freedom = spread_of(trials, value)
    if len(means) < 3 or not degrees_of_freedom:
        return None
    inner = means.iloc[1:-1]
    best = float(inner.index.to_numpy(dtype=float)[inner.to_numpy().argmax()])
    seeds = trials.groupby("lambda")["seed"].nunique()
    errors = {end: max(spread, 1e-9) * np.sqrt(1 / seeds[best] + 1 / seeds.iloc[end]) for end in (0, -1)}
    p = max(
        float(stats.t.sf((inner.max() - means.iloc[end]) / error, degrees_of_freedom)) for end, error in errors.items()
    )
    return best, min(1.0, p * len(inner))
