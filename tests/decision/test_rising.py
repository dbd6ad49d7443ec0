"""Whether a curve still rises, on curves whose end is known."""

import numpy as np
import pytest

from fer_tune.decision.rising import still_rises


@pytest.mark.parametrize(("slope", "expected"), [(0.0, False), (-0.01, False), (0.01, True), (0.0005, False)])
def test_a_rising_end_is_told_from_a_flat_one(slope, expected):
    rng = np.random.default_rng(0)
    rising = [still_rises(0.5 + slope * np.arange(30) + rng.normal(0, 0.003, 30)) for _ in range(50)]
    assert np.mean(rising) >= 0.9 if expected else np.mean(rising) <= 0.1


def test_a_saturating_curve_rises_until_it_is_near_its_plateau():
    """With a time constant of 20 epochs 0.026 are to come after 63 epochs, and less than 0.001 after 140."""
    epoch = np.arange(140)
    curve = 0.8 - 0.6 * np.exp(-epoch / 20)
    assert still_rises(curve[:63])
    assert not still_rises(curve)
