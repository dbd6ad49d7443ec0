"""Whether a loss has settled: errors of the test, verdicts on plain curves."""

import numpy as np
import pytest

from fer_tune.decision.stationarity import (
    AUTOCORRELATION,
    converged_value,
    error_rates,
    has_converged,
    late_part,
    wandering,
)


@pytest.mark.parametrize("epochs", [24, 38, 60])
def test_false_alarms_and_detection_are_as_stated(epochs):
    false_alarms, *detected = error_rates(epochs)
    assert 0.04 <= false_alarms <= 0.06
    assert min(detected) >= 0.8


def test_the_simulated_series_depend_on_the_one_before_as_stated():
    series = wandering(2000, 50, seed=3)
    assert series.std() == pytest.approx(1, abs=0.03)
    pairs = np.corrcoef(series[:, :-1].ravel(), series[:, 1:].ravel())[0, 1]
    assert pairs == pytest.approx(AUTOCORRELATION, abs=0.02)


def test_a_settled_loss_has_a_converged_value_and_a_drifting_one_has_none():
    level = 2.6 + 0.05 * wandering(1, 60, seed=1)[0]
    start = np.full(6, np.nan)
    assert has_converged(level)
    assert converged_value(np.append(start, level)) == pytest.approx(level[-5:].mean())
    falling = level - 0.05 * np.arange(60)
    assert has_converged(falling) is False
    assert np.isnan(converged_value(falling))
    jumping = level + 0.25 * (np.arange(60) >= 55)
    assert has_converged(jumping) is False
    assert np.isnan(converged_value(jumping))


def test_a_constant_loss_has_settled_whatever_its_last_bit():
    constant = np.full(30, 0.45)
    assert has_converged(constant)
    assert converged_value(constant) == 0.45
    constant[-1] += 1e-7
    assert has_converged(constant)


def test_a_short_run_has_no_verdict():
    assert has_converged(np.full(23, 0.4)) is None
    assert np.isnan(converged_value(np.full(23, 0.4)))
    assert len(late_part(np.arange(30))) == 24
    assert len(late_part(np.arange(80))) == 40
