"""Whether a curve still rises at the end of training, and how many more epochs it needs."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

RISE_ALPHA = 0.05  # one-sided error of calling a flat end rising
RISE_POINTS = 0.01  # of accuracy on clean labels: a smaller rise decides nothing


@dataclass(frozen=True)
class Trend:
    """Whether a curve still rises at its end.

    Attributes:
        rising: the slope is significantly above 0 and worth at least one point of clean accuracy over the window.
        slope: change per epoch over the window.
        more_epochs: epochs until a saturating curve is within a point of its plateau; 0 when not rising.
    """

    rising: bool
    slope: float
    more_epochs: int


def trend(curve: np.ndarray, shrinkage: float = 1.0, alpha: float = RISE_ALPHA) -> Trend:
    """Whether a curve (epochs,) of validation accuracy still rises at its end, and for how long.

    The window is the last third, at least ten epochs. `shrinkage`, 0 to 1, is what remains of a difference in clean
    accuracy when it is measured on noisy labels. `alpha` is the one-sided error of the test. Epochs with a missing
    value are left out.
    """
    curve = np.asarray(curve, dtype=float)
    curve = curve[np.isfinite(curve)]
    epochs = len(curve)
    window = min(epochs, max(10, epochs // 3))
    fit = stats.linregress(np.arange(window), curve[-window:], alternative="greater")
    slope = float(fit.slope)
    rising = bool(fit.pvalue < alpha and slope * window > RISE_POINTS * shrinkage)
    return Trend(rising, slope, _epochs_to_plateau(curve, RISE_POINTS * shrinkage) if rising else 0)


def _epochs_to_plateau(curve: np.ndarray, tolerance: float) -> int:
    """Epochs beyond the curve's end until a fitted a - b exp(-t / c) is within tolerance of a.

    At least a quarter and at most three times the curve's length; the length itself where no fit is found.
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
    except (RuntimeError, ValueError):  # no fit, or a curve below 0, as CCC may be
        return epochs
    plateau = c * np.log(max(b, 1e-9) / tolerance)
    return int(np.clip(np.ceil(plateau - epochs), np.ceil(epochs / 4), 3 * epochs))
