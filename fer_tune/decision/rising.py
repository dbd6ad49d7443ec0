"""Whether a curve still rises at the end of training. What would come after its end is measured, never extrapolated."""

import numpy as np
from scipy import stats

RISE_ALPHA = 0.05  # one-sided error of calling a flat end rising
RISE_POINTS = 0.01  # of accuracy on clean labels: a smaller rise decides nothing


def still_rises(curve: np.ndarray, shrinkage: float = 1.0, alpha: float = RISE_ALPHA) -> bool:
    """Whether a curve (epochs,) of validation accuracy still rises at its end.

    It does where the slope over the last third, at least ten epochs, is significantly above 0 and worth at least one
    point of clean accuracy over that window. `shrinkage`, 0 to 1, is what remains of a difference in clean accuracy
    when it is measured on noisy labels. `alpha` is the one-sided error of the test. Epochs with a missing value are
    left out.
    """
    curve = np.asarray(curve, dtype=float)
    curve = curve[np.isfinite(curve)]
    window = min(len(curve), max(10, len(curve) // 3))
    fit = stats.linregress(np.arange(window), curve[-window:], alternative="greater")
    return bool(fit.pvalue < alpha and float(fit.slope) * window > RISE_POINTS * shrinkage)
