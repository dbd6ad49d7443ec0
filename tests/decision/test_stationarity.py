"""Whether a loss has settled: errors and power of the equivalence test on known truths, verdicts on plain curves."""

import numpy as np
import pytest

from fer_tune.decision.stationarity import (
    MARGIN,
    converged_value,
    has_converged,
    late_part,
    shares_converged,
    wandering,
)


@pytest.mark.parametrize("autocorrelation", [-0.2, 0.0, 0.25, 0.5])
@pytest.mark.parametrize("epochs", [12, 22, 40])
def test_a_drift_that_matters_counts_as_converged_in_5_percent_at_most(epochs, autocorrelation):
    for deviation in (0.05, 0.1, 0.2):
        assert shares_converged(epochs, deviation, autocorrelation, drift=MARGIN) <= 0.055
        assert shares_converged(epochs, deviation, autocorrelation, drift=-2 * MARGIN) <= 0.01


@pytest.mark.parametrize(
    ("epochs", "deviation", "least"), [(12, 0.05, 0.95), (12, 0.1, 0.7), (22, 0.1, 0.95), (30, 0.2, 0.8)]
)
def test_level_losses_are_found_to_have_converged_with_the_stated_power(epochs, deviation, least):
    assert shares_converged(epochs, deviation, autocorrelation=0.1) >= least


def test_noise_shows_nothing():
    """The old test called a noisy loss converged because it could not see its drift."""
    assert shares_converged(12, deviation=0.5, autocorrelation=0.1) < 0.02


def test_the_simulated_series_depend_on_the_one_before_as_stated():
    series = wandering(2000, 50, 0.5, seed=3)
    assert series.std() == pytest.approx(1, abs=0.03)
    pairs = np.corrcoef(series[:, :-1].ravel(), series[:, 1:].ravel())[0, 1]
    assert pairs == pytest.approx(0.5, abs=0.02)


def test_a_settled_loss_has_a_converged_value_and_a_drifting_one_has_none():
    level = 2.6 + 0.2 * wandering(1, 60, 0.2, seed=1)[0]
    start = np.full(6, np.nan)
    assert has_converged(level, 2.6)
    assert converged_value(np.append(start, level), 2.6) == pytest.approx(level[-5:].mean())
    falling = level - 0.05 * np.arange(60)
    assert has_converged(falling, 2.6) is False
    assert np.isnan(converged_value(falling, 2.6))
    jumping = level + 2.0 * (np.arange(60) >= 55)
    assert has_converged(jumping, 2.6) is False
    assert np.isnan(converged_value(jumping, 2.6))


def test_the_same_drift_matters_for_the_loss_with_the_smaller_target():
    drifting = 0.5 + 0.02 * np.arange(30)
    assert has_converged(drifting, 2.6)
    assert has_converged(drifting, 0.45) is False


def test_a_constant_loss_has_settled_whatever_its_last_bit():
    constant = np.full(30, 0.45)
    assert has_converged(constant, 0.45)
    assert converged_value(constant, 0.45) == 0.45
    constant[-1] += 1e-7
    assert has_converged(constant, 0.45)


def test_a_short_run_has_no_verdict():
    assert has_converged(np.full(11, 0.4), 0.45) is None
    assert np.isnan(converged_value(np.full(11, 0.4), 0.45))
    assert has_converged(np.full(12, 0.4), 0.45)


def test_the_window_is_the_last_half_and_16_epochs_where_there_are_so_many():
    assert len(late_part(np.arange(14))) == 14
    assert len(late_part(np.arange(30))) == 16
    assert len(late_part(np.arange(80))) == 40
