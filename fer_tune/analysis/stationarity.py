"""Whether a loss has settled: tests for drift and for a late jump that wandering values do not mislead.

A loss wanders: what it is in one epoch it nearly is in the next. An ordinary trend test takes such wandering for
drift, so the critical values are simulated for values with an autocorrelation of 0.7 from epoch to epoch. Then 5 %
of settled runs are called unsettled, half of them by each test. A drift of one standard deviation in every five
epochs, over which a converged value is averaged, is found in at least 80 %, and so is a jump of these last five
epochs by three standard deviations: `errors` simulates all three.
"""

from functools import lru_cache

import numpy as np

from fer_tune.analysis.statistics import LAST_EPOCHS

AUTOCORRELATION = 0.7
FALSE_ALARMS = 0.05
SHORTEST = 24  # epochs: with fewer the drift that matters is found too rarely
SIMULATIONS = 20_000
ROUNDING = 1e-6  # a loss near 1 that varies by less is constant


def late_part(curve: np.ndarray) -> np.ndarray:
    """The last half of a curve (epochs,), at least 24 epochs of it; missing values are left out."""
    values = np.asarray(curve, dtype=float)
    values = values[np.isfinite(values)]
    return values[-max(SHORTEST, len(values) // 2) :]


def settled(curve: np.ndarray) -> bool | None:
    """Whether the tested part of a loss (epochs,) neither drifts nor jumps; None where it has less than 24 epochs."""
    part = late_part(curve)
    return None if len(part) < SHORTEST else not _unsettled(part)


def converged_value(curve: np.ndarray) -> float:
    """Mean of the last five epochs of a loss that has settled; NaN for one that has not, or is too short to tell."""
    return float(late_part(curve)[-LAST_EPOCHS:].mean()) if settled(curve) else float("nan")


def drift(values: np.ndarray) -> np.ndarray:
    """Slope of each series (..., n) in units of its ordinary standard error, without sign; 0 for constant ones."""
    values = np.asarray(values, dtype=float)
    n = values.shape[-1]
    time = np.arange(n) - (n - 1) / 2
    slope = (values * time).sum(-1) / (time**2).sum()
    rest = values - values.mean(-1, keepdims=True) - slope[..., None] * time
    error = np.sqrt((rest**2).sum(-1) / (n - 2) / (time**2).sum())
    return np.abs(slope) / np.maximum(error, 1e-12)


def jump(values: np.ndarray) -> np.ndarray:
    """How far the mean of each series' (..., n) last five values is from that of the others, in their deviations."""
    values = np.asarray(values, dtype=float)
    before = values[..., :-LAST_EPOCHS]
    far = np.abs(values[..., -LAST_EPOCHS:].mean(-1) - before.mean(-1))
    return far / np.maximum(before.std(-1, ddof=1), ROUNDING)


def _unsettled(values: np.ndarray) -> np.ndarray:
    most_drift, most_jump = critical_values(values.shape[-1])
    return (drift(values) > most_drift) | (jump(values) > most_jump)


@lru_cache(maxsize=256)
def critical_values(epochs: int) -> tuple[float, float]:
    """What `drift` and `jump` each exceed in 2.5 % of settled series of that length."""
    series, share = wandering(SIMULATIONS, epochs, seed=0), 1 - FALSE_ALARMS / 2
    return float(np.quantile(drift(series), share)), float(np.quantile(jump(series), share))


def wandering(series: int, epochs: int, seed: int) -> np.ndarray:
    """Series (series, epochs) of standard deviation 1 without drift, autocorrelation 0.7 from one to the next."""
    steps = np.random.default_rng(seed).standard_normal((epochs, series))
    values = np.empty_like(steps)
    values[0] = steps[0]
    for t in range(1, epochs):
        values[t] = AUTOCORRELATION * values[t - 1] + np.sqrt(1 - AUTOCORRELATION**2) * steps[t]
    return values.T


def errors(epochs: int, series: int = SIMULATIONS) -> tuple[float, float, float]:
    """Shares called unsettled: of settled series, of such as drift one SD in five epochs, of such as jump by three."""
    values, time = wandering(series, epochs, seed=1), np.arange(epochs)
    drifting, jumping = values + time / LAST_EPOCHS, values + 3 * (time >= epochs - LAST_EPOCHS)
    false_alarms, drifts, jumps = (float(_unsettled(case).mean()) for case in (values, drifting, jumping))
    return false_alarms, drifts, jumps
