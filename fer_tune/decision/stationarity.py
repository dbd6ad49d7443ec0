"""Whether a loss has converged: an equivalence test of its drift, in the units of the distance to the paper's target.

A loss has converged where its drift over the late epochs is shown to be small: two one-sided tests (TOST) at 5 % reject
that the straight line through the window rises or falls by a quarter of the target, or more, from the window's middle
to its end. That is the distance between what the window says of the loss and where the loss stands at the end. A
quarter is about what means of the last five epochs differ by between seeds (0.18 to 0.29 for L_G in docs/five_seeds),
so a smaller drift cannot tell λs apart. Too few or too noisy epochs show nothing, and the loss then does not count as
converged.

Errors and power, simulated by `shares_converged` (4,000 windows each): a loss that drifts by exactly the margin counts
as converged in at most 5 % of cases, for windows of 12 to 40 epochs and autocorrelations of -0.2 to 0.5 from epoch to
epoch. A level loss (autocorrelation 0.1) counts in 98 % of cases where its standard deviation is a tenth of the target
and the window has 22 epochs (73 % with 12 epochs, 100 % with 30), in 68 % (25 %, 88 %) where it is a fifth of the
target, and in 22 % (5 %, 42 %) where it is three tenths. L_G spikes: it may need a long study to be shown to settle.
"""

import numpy as np
import pandas as pd
from scipy import stats

from fer_tune.decision.rules import PAPER_TARGET
from fer_tune.names import LAST_EPOCHS

MARGIN = 0.25  # of the target, from the middle of the window to its end
TEST_ERROR = 0.05  # one-sided, at a drift of the margin
FEWEST_EPOCHS = 12  # of the window: with fewer, most losses that have settled are not shown to
WINDOW_EPOCHS = 16  # at least, where a loss has so many
MOST_AUTOCORRELATION = 0.8  # beyond that a window says next to nothing
LOSSES = {"L_G": "generator_joint_loss", "L_D": "discriminator_joint_loss"}
TARGETS = dict(zip(LOSSES.values(), PAPER_TARGET, strict=True))  # by column


def converged_losses(epochs: pd.DataFrame) -> pd.DataFrame:
    """Converged L_G and L_D of each trial: columns converged_generator, converged_discriminator, index key.

    NaN where a loss is not shown to have converged, was never computed (λ = 0), or has too few epochs to tell.
    """
    ordered = epochs.sort_values("epoch").groupby("key")
    found = {
        str(key): [converged_value(rows[column].to_numpy(), target) for column, target in TARGETS.items()]
        for key, rows in ordered
    }
    names = ["converged_generator", "converged_discriminator"]
    return pd.DataFrame.from_dict(found, orient="index", columns=names)


def late_part(curve: np.ndarray) -> np.ndarray:
    """The last half of a curve (epochs,), at least 16 epochs of it; missing values are left out."""
    values = np.asarray(curve, dtype=float)
    values = values[np.isfinite(values)]
    return values[-max(WINDOW_EPOCHS, len(values) // 2) :]


def has_converged(curve: np.ndarray, target: float) -> bool | None:
    """Whether a loss (epochs,) is shown to have settled; None where it has fewer than 12 epochs.

    `target` is the loss's value in the paper, above 0: the drift that matters is a quarter of it.
    """
    part = late_part(curve)
    return None if len(part) < FEWEST_EPOCHS else bool(settled(part / target))


def converged_value(curve: np.ndarray, target: float) -> float:
    """Mean of the last five epochs of a loss (epochs,) that has converged; NaN where it has not or is too short."""
    return float(late_part(curve)[-LAST_EPOCHS:].mean()) if has_converged(curve, target) else float("nan")


def settled(values: np.ndarray) -> np.ndarray:
    """Whether the drift of each series (..., n), n at least 12, is shown to be within the margin: bools (...).

    Values are relative to the target. The standard error of the fitted line allows for the autocorrelation of its
    residuals (lag one, its bias from fitting a line corrected), and so do the degrees of freedom.
    """
    n = values.shape[-1]
    time = np.arange(n) - (n - 1) / 2
    slope = (values * time).sum(-1) / (time**2).sum()
    rest = values - values.mean(-1, keepdims=True) - slope[..., None] * time
    squares = np.maximum((rest**2).sum(-1), 1e-24)
    dependence = ((rest[..., 1:] * rest[..., :-1]).sum(-1) / squares + 3 / n) / (1 - 4 / n)
    dependence = np.clip(dependence, 0, MOST_AUTOCORRELATION)
    stretch = (1 + dependence) / (1 - dependence)
    error = np.sqrt(stretch * squares / (n - 2) / (time**2).sum())
    quantile = stats.t.ppf(1 - TEST_ERROR, np.maximum(n / stretch - 2, 2))
    return np.asarray(n / 2 * (np.abs(slope) + quantile * error) < MARGIN)


def wandering(series: int, epochs: int, autocorrelation: float, seed: int) -> np.ndarray:
    """Level series (series, epochs) of mean 0 and standard deviation 1; each value depends on the one before."""
    steps = np.random.default_rng(seed).standard_normal((epochs, series))
    values = np.empty_like(steps)
    values[0] = steps[0]
    for t in range(1, epochs):
        values[t] = autocorrelation * values[t - 1] + np.sqrt(1 - autocorrelation**2) * steps[t]
    return values.T


def shares_converged(
    epochs: int, deviation: float, autocorrelation: float, drift: float = 0.0, series: int = 4000
) -> float:
    """The share of simulated windows that count as converged.

    Args:
        epochs: length of the window.
        deviation: standard deviation of the loss about its line, relative to the target.
        autocorrelation: from epoch to epoch.
        drift: from the window's middle to its end, relative to the target.
        series: how many windows.
    """
    line = drift * (np.arange(epochs) - (epochs - 1) / 2) / (epochs / 2)
    return float(settled(line + deviation * wandering(series, epochs, autocorrelation, seed=1)).mean())
