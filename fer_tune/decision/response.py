"""How a score depends on λ: its uncertainty, and the best λ.

What is known of each λ's mean score is kept as draws from its posterior: the seeds' mean plus Student's t times its
standard error, with one spread for all λs. Two λs are compared by their own differences, seed by seed, so that a seed's
own level cancels and no other λ's spread counts. No spread is taken to be smaller than the sampling error of the
validation set: two seeds that are equal by chance show nothing.

Each λ's own spread, known from no more than its own seeds, would say no more of its mean. In 2,000 simulated studies a
row (3 and 5 λs, 3 and 6 seeds, equal SDs and SDs that differed by a factor of three), the λs that make up 95 % of
P(best) held the best one in 95 to 98 % by one spread and in 94 to 98 % by their own, and λs chosen by either lost the
same. With three seeds, the own spreads stated two to three times as much expected regret.
"""

import warnings
import zlib
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
        sampling: standard error of one trial's score on the validation set, the least that any spread is taken to be;
            0 where its size is not known.
        degrees_of_freedom: of the spread; 0 with one seed, whose spread is the sampling error of the validation set.
        counts: (L,) seeds of each λ.
        widths: (L,) factor of each λ's intervals, above 1 where its configuration was chosen among several.
        by_seed: (S, L) mean score of each seed and λ; NaN where a λ lacks a seed.
        grid: (G,) λs of the smooth curve; empty where fewer than four were tried.
        curves: (DRAWS, G) of the smooth curve, a Gaussian process through the means.
    """

    lams: np.ndarray
    means: np.ndarray
    draws: np.ndarray
    spread: float
    sampling: float
    degrees_of_freedom: int
    counts: np.ndarray
    widths: np.ndarray
    by_seed: np.ndarray
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
        """Mean score of one λ less another's, with its 95 % interval: mean, low, high.

        A paired t interval over the seeds that both have, at least as wide as the sampling error of the validation set.
        Where these seeds are fewer than two, the spread of all λs stands in for theirs.
        """
        i, j = (int(np.flatnonzero(self.lams == x)[0]) for x in (lam, other))
        width = max(float(self.widths[i]), float(self.widths[j]))
        gaps = self.by_seed[:, i] - self.by_seed[:, j]
        gaps = gaps[np.isfinite(gaps)]
        if len(gaps) > 1:
            mean, n = float(gaps.mean()), len(gaps)
            least = t_quantile(0) * np.sqrt(2 / n) * self.sampling
            half = max(width * t_quantile(n - 1) * float(gaps.std(ddof=1)) / np.sqrt(n), least)
        else:
            mean = float(self.means[i] - self.means[j])
            error = self.spread * np.sqrt(1 / self.counts[i] + 1 / self.counts[j])
            half = width * t_quantile(self.degrees_of_freedom) * error
        return mean, float(mean - half), float(mean + half)

    def indistinguishable(self) -> list[float]:
        """The other λs that are statistically indistinguishable from the one of least regret."""
        return [float(x) for x in self.lams if x != self.lam and self._overlap(self.lam, float(x))]

    def _overlap(self, lam: float, other: float) -> bool:
        _, low, high = self.difference(lam, other)
        return low <= 0 <= high


def best_configurations(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials of each λ's best configuration, chosen by its mean score and never by test data.

    These are the networks in hand. They do not score a λ: the trials that chose score too high (`cross_fitted`). Where
    λ is searched and not a grid, every configuration has a λ of its own and is kept.
    """
    means = trials.groupby(["lambda", "configuration"], as_index=False)["score"].mean()
    chosen = means.loc[means.groupby("lambda")["score"].idxmax(), "configuration"]
    return trials[trials["configuration"].isin(chosen)]


def cross_fitted(trials: pd.DataFrame, group: str = "lambda") -> pd.DataFrame:
    """The trials that each group of configurations is scored by: none takes part in its own choice, nor do test data.

    On each seed they are of the configuration that the group's other seeds score highest. The seeds that chose the best
    of several configurations score it too high: with four of them and three seeds, a λ no better than λ = 0 was called
    better in 5.9 % of simulated studies where 2.5 % were meant. With one seed, which no other can choose for, the
    highest score is taken.

    Each seed still had a part in choosing for the others, so their scores differ less than they are uncertain. Column
    `width` is the factor by which an interval over them must be wider (`width_of_choice`).

    Args:
        trials: columns configuration, seed, score and the group's.
        group: the column whose values each have one or several configurations.

    Returns rows of `trials`, whose `configuration` is the group's best one over all seeds.
    """
    place = [group, "configuration", "seed"]
    cells = trials.groupby(place, as_index=False)["score"].mean()
    own = cells.groupby([group, "configuration"])["score"]
    others = (own.transform("sum") - cells["score"]) / (own.transform("count") - 1).replace(0, np.nan)
    alone = others.isna().groupby([cells[group], cells["seed"]]).transform("all")
    merit = others.where(~alone, cells["score"]).fillna(-np.inf)
    chosen = cells.loc[merit.groupby([cells[group], cells["seed"]]).idxmax().to_numpy()][place]
    kept = trials[pd.MultiIndex.from_frame(trials[place]).isin(pd.MultiIndex.from_frame(chosen))]
    means = own.mean()
    best = {name: rows.idxmax()[1] for name, rows in means.groupby(level=0)}
    widths = means.groupby(level=0).size().map(width_of_choice)
    return kept.assign(configuration=kept[group].map(best), width=kept[group].map(widths))


def width_of_choice(configurations: int) -> float:
    """The factor of an interval over cross-fitted scores of the best of so many configurations; 1 for one.

    It bounds the ratio of the mean's standard deviation to the one that the scores show, simulated for 2 to 16
    configurations without any difference and 2 to 10 seeds: 1.4 for two configurations, 1.6 for four.
    """
    return 1.0 if configurations == 1 else float(np.sqrt(1.5 + 0.7 * np.log(configurations)))


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


def shrinkage(trials: pd.DataFrame) -> float | None:
    """What remains of a difference in clean accuracy on the noisy labels that score trials; None where none says.

    The mean of column accuracy_shrinkage.
    """
    known = trials["accuracy_shrinkage"].dropna()
    return float(known.mean()) if len(known) else None


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
    trials: pd.DataFrame,
    value: str,
    validation: int | None,
    smoothed: bool = True,
    objective: str = "val_accuracy",
    stream: str = "all",
) -> Response:
    """The response of a score to λ.

    Args:
        trials: the trials that each λ is scored by (`cross_fitted`): columns lambda, configuration, seed, `value`, and
            width where configurations were chosen.
        value: the column that holds the score.
        validation: number of samples that scored the trials, None where not known. The sampling error of `objective`
            on them is a lower bound of the spread, and with one seed all that is known of it.
        smoothed: whether to draw the smooth curve. It is always drawn for more than eight λs, which need it.
        objective: the metric that the score comes from.
        stream: names the condition. Draws of different conditions are independent, and the same in every report.

    Raises ValueError where neither seeds nor the number of samples tell the spread.
    """
    means = trials.groupby("lambda")[value].mean()
    spread, degrees_of_freedom = spread_of(trials, value)
    sampling = 0.0 if validation is None else sampling_error(float(means.abs().mean()), validation, objective)
    if not degrees_of_freedom:
        if validation is None:
            raise ValueError("with one seed, validation_samples must say how many samples scored a trial")
        spread = sampling
    spread = max(spread, sampling, 1e-6)
    counts = trials.groupby("lambda")["seed"].nunique()
    by_seed = trials.pivot_table(index="seed", columns="lambda", values=value).to_numpy()
    lams = means.index.to_numpy(dtype=float)
    rng = np.random.default_rng(zlib.crc32(stream.encode()))
    tails = np.ones(DRAWS)
    if degrees_of_freedom:
        tails = np.sqrt(degrees_of_freedom / rng.chisquare(degrees_of_freedom, DRAWS))
    widths = trials.groupby("lambda")["width"].first().to_numpy() if "width" in trials else np.ones(len(lams))
    error = widths * spread / np.sqrt(counts.to_numpy())
    draws = means.to_numpy() + rng.standard_normal((DRAWS, len(lams))) * error * tails[:, None]
    grid, curves = np.empty(0), np.empty((DRAWS, 0))
    if len(lams) >= FEWEST_FOR_A_CURVE and (smoothed or len(lams) > MOST_OF_A_GRID):
        grid = np.linspace(lams[0], lams[-1], CURVE_POINTS)
        curves = smooth(lams, means.to_numpy(), error * t_quantile(degrees_of_freedom) / t_quantile(0), grid, rng)
        if len(lams) > MOST_OF_A_GRID:
            draws = curves[:, np.abs(grid[None] - lams[:, None]).argmin(1)]
    return Response(
        lams=lams,
        means=means.to_numpy(),
        draws=draws,
        spread=spread,
        sampling=sampling,
        degrees_of_freedom=degrees_of_freedom,
        counts=counts.to_numpy(),
        widths=widths,
        by_seed=by_seed,
        grid=grid,
        curves=curves,
    )


def smooth(
    lams: np.ndarray, means: np.ndarray, error: np.ndarray, grid: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
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
        draws = _draw_curves(process, grid, noisy, rng)
    return means.mean() + scale * draws


def _draw_curves(
    process: GaussianProcessRegressor, grid: np.ndarray, noisy: bool, rng: np.random.Generator
) -> np.ndarray:
    """Curves (DRAWS, G) from a fitted process, without the noise about them."""
    if not noisy:
        return process.sample_y(grid[:, None], DRAWS, random_state=int(rng.integers(2**31))).T
    mean, covariance = process.predict(grid[:, None], return_cov=True)
    covariance -= process.kernel_.k2.noise_level * np.eye(len(grid))
    return rng.multivariate_normal(mean, covariance, DRAWS, method="eigh", check_valid="ignore")


def rises_then_falls(trials: pd.DataFrame, value: str) -> tuple[float, float] | None:
    """The best inner λ, and the p-value of its beating both ends of the grid.

    Each end is tested one-sided, by the paired differences of the seeds that both have. The larger p counts, times the
    number of inner λs (Bonferroni). None with fewer than three λs or two seeds. Missing values are left out.
    """
    trials = trials.dropna(subset=[value])
    table = trials.pivot_table(index="seed", columns="lambda", values=value)
    if table.shape[1] < 3:
        return None
    inner = table.iloc[:, 1:-1].mean()
    best = float(inner.index.to_numpy(dtype=float)[inner.to_numpy().argmax()])
    width = float(trials["width"].max()) if "width" in trials else 1.0
    gaps = [(table[best] - table.iloc[:, end]).dropna().to_numpy() for end in (0, -1)]
    if min(map(len, gaps)) < 2:
        return None
    errors = [width * max(float(gap.std(ddof=1)), 1e-9) / np.sqrt(len(gap)) for gap in gaps]
    p = max(float(stats.t.sf(gap.mean() / e, len(gap) - 1)) for gap, e in zip(gaps, errors, strict=True))
    return best, min(1.0, p * len(inner))
