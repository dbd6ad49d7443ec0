"""Whether a loss has converged: tests for drift and for a late jump that wandering values do not mislead.

A loss wanders: its value in one epoch is close to that in the epoch before. An ordinary trend test takes such wandering
for drift, so the critical values are simulated for values with an autocorrelation of 0.7 from epoch to epoch. The two
tests together then reject 5 % of converged runs, half of them each. They find at least 80 % of drifts by one standard
deviation in every five epochs (over which a converged value is averaged), and at least 80 % of jumps of the last five
epochs by three standard deviations. `error_rates` simulates all three.
"""

from functools import lru_cache

import numpy as np
import pandas as pd

from fer_tune.names import LAST_EPOCHS

AUTOCORRELATION = 0.7
FALSE_ALARMS = 0.05
FEWEST_EPOCHS = 24  # with fewer, the drift that matters is found too rarely
SIMULATIONS = 20_000
ROUNDING = 1e-6  # a loss near 1 that varies by less is constant
LOSSES = {"L_G": "generator_joint_loss", "L_D": "discriminator_joint_loss"}


def converged_losses(epochs: pd.DataFrame) -> pd.DataFrame:
    """Converged L_G and L_D of each trial: columns converged_generator, converged_discriminator, index key.

    NaN where a loss has not converged, was never computed (λ = 0), or has too few epochs to tell.
    """
    ordered = epochs.sort_values("epoch").groupby("key")
    found = {
        str(key): [converged_value(rows[column].to_numpy()) for column in LOSSES.values()] for key, rows in ordered
    }
    names = ["converged_generator", "converged_discriminator"]
    return pd.DataFrame.from_dict(found, orient="index", columns=names)


def late_part(curve: np.ndarray) -> np.ndarray:
    """The last half of a curve (epochs,), at least 24 epochs of it; missing values are left out."""
    values = np.asarray(curve, dtype=float)
    values = values[np.isfinite(values)]
    return values[-max(FEWEST_EPOCHS, len(values) // 2) :]


def has_converged(curve: np.ndarray) -> bool | None:
    """Whether the late part of a loss (epochs,) neither drifts nor jumps; None where it has fewer than 24 epochs."""
    part = late_part(curve)
    return None if len(part) < FEWEST_EPOCHS else not _drifts_or_jumps(part)


def converged_value(curve: np.ndarray) -> float:
    """Mean of the last five epochs of a loss (epochs,) that has converged; NaN where it has not or is too short."""
    return float(late_part(curve)[-LAST_EPOCHS:].mean()) if has_converged(curve) else float("nan")


def drift(values: np.ndarray) -> np.ndarray:
    """Absolute slope of each series (..., n) in units of its ordinary standard error; 0 for constant ones."""
    values = np.asarray(values, dtype=float)
    n = values.shape[-1]
    time = np.arange(n) - (n - 1) / 2
    slope = (values * time).sum(-1) / (time**2).sum()
    rest = values - values.mean(-1, keepdims=True) - slope[..., None] * time
    error = np.sqrt((rest**2).sum(-1) / (n - 2) / (time**2).sum())
    return np.abs(slope) / np.maximum(error, 1e-12)


def jump(values: np.ndarray) -> np.ndarray:
    """Distance of each series' (..., n) mean over the last five values from that of the others, in their deviations."""
    values = np.asarray(values, dtype=float)
    before = values[..., :-LAST_EPOCHS]
    distance = np.abs(values[..., -LAST_EPOCHS:].mean(-1) - before.mean(-1))
    return distance / np.maximum(before.std(-1, ddof=1), ROUNDING)


def _drifts_or_jumps(values: np.ndarray) -> np.ndarray:
    most_drift, most_jump = critical_values(values.shape[-1])
    return (drift(values) > most_drift) | (jump(values) > most_jump)


@lru_cache(maxsize=256)
def critical_values(epochs: int) -> tuple[float, float]:
    """What `drift` and `jump` each exceed in 2.5 % of converged series of that length."""
    series, share = wandering(SIMULATIONS, epochs, seed=0), 1 - FALSE_ALARMS / 2
    return float(np.quantile(drift(series), share)), float(np.quantile(jump(series), share))


def wandering(series: int, epochs: int, seed: int) -> np.ndarray:
    """Series (series, epochs) without drift, standard deviation 1, autocorrelation 0.7 from epoch to epoch."""
    steps = np.random.default_rng(seed).standard_normal((epochs, series))
    values = np.empty_like(steps)
    values[0] = steps[0]
    for t in range(1, epochs):
        values[t] = AUTOCORRELATION * values[t - 1] + np.sqrt(1 - AUTOCORRELATION**2) * steps[t]
    return values.T


def error_rates(epochs: int, series: int = SIMULATIONS) -> tuple[float, float, float]:
    """Shares of simulated series that the tests reject.

    Of converged series, of series that drift by one standard deviation in five epochs, and of series whose last five
    epochs jump by three.
    """
    values, time = wandering(series, epochs, seed=1), np.arange(epochs)
    drifting, jumping = values + time / LAST_EPOCHS, values + 3 * (time >= epochs - LAST_EPOCHS)
    false_alarms, drifts, jumps = (float(_drifts_or_jumps(case).mean()) for case in (values, drifting, jumping))
    return false_alarms, drifts, jumps
