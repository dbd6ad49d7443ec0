"""Statistics against cases whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from fer_tune.analysis.statistics import rank_correlation, without_trend


def correlate(x, y, groups=None, units=None, **options):
    groups = np.zeros(len(x)) if groups is None else groups
    return rank_correlation(
        np.asarray(x, float), np.asarray(y, float), groups, np.arange(len(x)) if units is None else units, **options
    )


def test_rank_correlation_of_a_monotone_relation_is_one_and_of_noise_insignificant():
    x = np.arange(12.0)
    found = correlate(x, np.exp(x))
    assert found.rho == pytest.approx(1)
    assert found.p < 0.001
    assert found.n == 12
    rng = np.random.default_rng(3)
    assert correlate(rng.normal(size=40), rng.normal(size=40)).p > 0.05


def test_rank_correlation_agrees_with_scipy_and_leaves_missing_values_out():
    rng = np.random.default_rng(1)
    x = rng.normal(size=25)
    y = x + rng.normal(size=25)
    expected = stats.spearmanr(x, y)
    found = correlate(np.append(x, np.nan), np.append(y, 1.0))
    assert found.rho == pytest.approx(expected.statistic)
    assert found.n == 25
    assert found.p == pytest.approx(expected.pvalue, abs=0.01)


def test_ranks_within_groups_do_not_see_the_levels_of_groups():
    rng = np.random.default_rng(2)
    groups = np.repeat([0, 1, 2], 8)
    x = rng.normal(size=24)
    y = -x + 0.3 * rng.normal(size=24)
    apart = correlate(x + 100 * groups, y + 100 * groups, groups)
    assert apart.rho == pytest.approx(correlate(x, y, groups).rho)
    assert apart.rho < -0.7
    assert apart.p < 0.01
    assert apart.n == 22
    assert correlate(x + 100 * groups, y + 100 * groups).rho > 0.5


@pytest.mark.parametrize("conditions", [1, 6])
def test_seeds_of_a_lambda_and_conditions_that_share_it_are_no_independent_evidence(conditions):
    """Losses and accuracy that each depend on lambda, and not on each other: p below 5 % in 5 % of studies."""
    rng, found = np.random.default_rng(4), []
    lams, seeds = 6, 3
    for _ in range(200):
        effects = rng.normal(size=(2, lams))
        groups, units = (
            np.repeat(np.arange(conditions), lams * seeds),
            np.tile(np.repeat(np.arange(lams), seeds), conditions),
        )
        x, y = (effects[i][units] + 0.1 * rng.normal(size=len(units)) for i in (0, 1))
        result = correlate(x, y, groups, units)
        found.append(result.p < 0.05)
        assert result.n == lams
    assert 0.01 <= np.mean(found) <= 0.075


def test_conditions_that_share_most_lambdas_count_only_what_all_have():
    """A λ that one condition lacks must not make the conditions independent of each other."""
    rng, found = np.random.default_rng(7), []
    groups, units = np.repeat(np.arange(4), 7), np.tile(np.arange(7), 4)
    for _ in range(300):
        effects = rng.normal(size=(2, 7))
        x, y = (effects[i][units] + 0.1 * rng.normal(size=28) for i in (0, 1))
        x[0] = np.nan
        result = correlate(x, y, groups, units)
        found.append(result.p < 0.05)
        assert result.n == 6
    assert np.mean(found) <= 0.075


def test_the_interval_of_a_correlation_covers_95_percent():
    rng, covered = np.random.default_rng(5), []
    for _ in range(400):
        x = rng.normal(size=20)
        found = correlate(x, x + rng.normal(size=20), permute=False)
        covered.append(found.low <= 6 / np.pi * np.arcsin(np.sqrt(0.5) / 2) <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_the_permutation_p_is_uniform_where_nothing_depends():
    rng = np.random.default_rng(6)
    found = [correlate(rng.normal(size=15), rng.normal(size=15)).p for _ in range(300)]
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.08


def test_few_units_have_neither_an_interval_nor_a_p():
    found = correlate([1, 2, 3, 4], [1, 2, 3, 4])
    assert found.rho == pytest.approx(1)
    assert np.isnan(found.low)
    assert np.isnan(found.p)
    assert correlate([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]).p == pytest.approx(2 / 120)


@pytest.mark.parametrize("x", [[1, 2], [1, 1, 1, 1, 1], [np.nan] * 6])
def test_too_little_for_a_correlation_is_none(x):
    assert correlate(x, np.arange(float(len(x)))) is None


def test_a_linear_trend_over_conditions_is_taken_out_and_the_mean_kept():
    condition = np.linspace(0, 0.6, 12)[:, None]
    effect = np.tile([0.0, 0.1, 0.2], 4)
    values = without_trend(0.9 - 1.5 * condition[:, 0] + effect, condition)
    assert values.mean() == pytest.approx((0.9 - 1.5 * condition[:, 0] + effect).mean())
    assert np.corrcoef(values, effect)[0, 1] > 0.95
    assert without_trend(np.array([1.0, 2.0]), condition[:2]).tolist() == [1, 2]
