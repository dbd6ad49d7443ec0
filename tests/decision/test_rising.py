"""Whether a curve still rises, on curves whose end is known."""

import numpy as np
import pytest

from fer_tune.decision.rising import trend


@pytest.mark.parametrize(("slope", "expected"), [(0.0, False), (-0.01, False), (0.01, True), (0.0005, False)])
def test_trend_tells_a_rising_end_from_a_flat_one(slope, expected):
    rng = np.random.default_rng(0)
    rising = [trend(0.5 + slope * np.arange(30) + rng.normal(0, 0.003, 30)).rising for _ in range(50)]
    assert np.mean(rising) >= 0.9 if expected else np.mean(rising) <= 0.1


def test_trend_says_how_many_more_epochs_a_saturating_curve_needs():
    epoch = np.arange(40)
    end = trend(0.8 - 0.6 * np.exp(-epoch / 20))
    assert end.rising
    needed = 20 * np.log(0.6 / 0.01) - 40
    assert end.more_epochs == pytest.approx(needed, abs=2)
    assert trend(np.full(40, 0.7)).more_epochs == 0
