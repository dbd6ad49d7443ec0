"""Statistics against cases whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_tune.analysis.statistics import (
    best_configurations,
    distance_to_target,
    paired_difference,
    pooled_by_epoch,
    pooled_interval,
    rank_correlation,
    trend,
    without_trend,
)


def test_paired_difference_is_the_t_interval():
    first, second = np.array([0.8, 0.7, 0.75]), np.array([0.6, 0.6, 0.62])
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert paired_difference(first, second) == pytest.approx((np.mean(first - second), expected.low, expected.high))
    assert np.isnan(paired_difference(first[:1], second[:1])[1])


def test_pooled_intervals_cover_95_percent_at_three_seeds():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        table = pd.DataFrame({"lambda": np.repeat([0, 1, 2, 3], 3), "y": rng.normal(0.5, 0.04, 12)})
        interval = pooled_interval(table, "y", "lambda")
        covered += ((interval["low"] <= 0.5) & (interval["high"] >= 0.5)).tolist()
    assert 0.92 <= np.mean(covered) <= 0.98


def test_bands_by_epoch_are_the_pooled_intervals_of_each_epoch():
    rng = np.random.default_rng(0)
    rows = [(lam, epoch, rng.normal()) for lam in (0.0, 0.5) for epoch in (1, 2) for _ in range(3)]
    table = pd.DataFrame(rows, columns=["lambda", "epoch", "y"])
    half = pooled_by_epoch(table, "y") / np.sqrt(3)
    for epoch in (1, 2):
        interval = pooled_interval(table[table["epoch"] == epoch], "y", "lambda")
        assert half[epoch] == pytest.approx((interval["high"] - interval["mean"]).iloc[0])
    assert pooled_by_epoch(table.drop_duplicates(["lambda", "epoch"]), "y").isna().all()


def test_without_a_second_seed_there_is_no_interval():
    interval = pooled_interval(pd.DataFrame({"lambda": [0, 1], "y": [0.1, 0.2]}), "y", "lambda")
    assert interval["low"].isna().all() and interval["mean"].tolist() == [0.1, 0.2]


def correlate(x, y, groups=None, units=None, **options):
    groups = np.zeros(len(x)) if groups is None else groups
    return rank_correlation(
        np.asarray(x, float), np.asarray(y, float), groups, np.arange(len(x)) if units is None else units, **options
    )


def test_rank_correlation_of_a_monotone_relation_is_one_and_of_noise_insignificant():
    x = np.arange(12.0)
    found = correlate(x, np.exp(x))
    assert found.rho == pytest.approx(1) and found.p < 0.001 and found.n == 12
    rng = np.random.default_rng(3)
    assert correlate(rng.normal(size=40), rng.normal(size=40)).p > 0.05


def test_rank_correlation_agrees_with_scipy_and_leaves_missing_values_out():
    rng = np.random.default_rng(1)
    x = rng.normal(size=25)
    y = x + rng.normal(size=25)
    expected = stats.spearmanr(x, y)
    found = correlate(np.append(x, np.nan), np.append(y, 1.0))
    assert found.rho == pytest.approx(expected.statistic) and found.n == 25
    assert found.p == pytest.approx(expected.pvalue, abs=0.01)


def test_ranks_within_groups_do_not_see_the_levels_of_groups():
    rng = np.random.default_rng(2)
    groups = np.repeat([0, 1, 2], 8)
    x = rng.normal(size=24)
    y = -x + 0.3 * rng.normal(size=24)
    apart = correlate(x + 100 * groups, y + 100 * groups, groups)
    assert apart.rho == pytest.approx(correlate(x, y, groups).rho) and apart.rho < -0.7 and apart.p < 0.01
    assert apart.n == 22 and correlate(x + 100 * groups, y + 100 * groups).rho > 0.5


@pytest.mark.parametrize("panels", [1, 6])
def test_seeds_of_a_lambda_and_conditions_that_share_it_are_no_independent_evidence(panels):
    """Losses and accuracy that each depend on lambda, and not on each other: p below 5 % in 5 % of studies."""
    rng, found = np.random.default_rng(4), []
    lams, seeds = 6, 3
    for _ in range(200):
        effects = rng.normal(size=(2, lams))
        groups, units = np.repeat(np.arange(panels), lams * seeds), np.tile(np.repeat(np.arange(lams), seeds), panels)
        x, y = (effects[i][units] + 0.1 * rng.normal(size=len(units)) for i in (0, 1))
        result = correlate(x, y, groups, units)
        found.append(result.p < 0.05)
        assert result.n == lams
    assert 0.01 <= np.mean(found) <= 0.09


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


def test_few_units_have_no_interval_and_a_p_that_few_orders_allow():
    found = correlate([1, 2, 3], [1, 2, 3])
    assert np.isnan(found.low) and found.p == pytest.approx(2 / 6)


@pytest.mark.parametrize("x", [[1, 2], [1, 1, 1, 1, 1], [np.nan] * 6])
def test_too_little_for_a_correlation_is_none(x):
    assert correlate(x, np.arange(float(len(x)))) is None


def test_distance_is_relative_to_each_target():
    distance = distance_to_target(pd.Series([2.6, 5.2, 2.6]), pd.Series([0.45, 0.45, 0.9]))
    assert distance.tolist() == pytest.approx([0, 1, 1])


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


def test_a_linear_trend_over_conditions_is_taken_out_and_the_mean_kept():
    condition = np.linspace(0, 0.6, 12)[:, None]
    effect = np.tile([0.0, 0.1, 0.2], 4)
    values = without_trend(0.9 - 1.5 * condition[:, 0] + effect, condition)
    assert values.mean() == pytest.approx((0.9 - 1.5 * condition[:, 0] + effect).mean())
    assert np.corrcoef(values, effect)[0, 1] > 0.95
    assert without_trend(np.array([1.0, 2.0]), condition[:2]).tolist() == [1, 2]


def trials_of(rows):
    columns = ["lambda", "configuration", "seed", "score", "ccc_score", "test_accuracy", "generator_joint_loss"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(discriminator_joint_loss=0.45, test_score=table["test_accuracy"])


def test_best_configuration_of_a_lambda_is_chosen_by_score_never_by_test_accuracy():
    table = trials_of(
        [
            (0.2, "a", 0, 0.5, 0, 0.9, 1),
            (0.2, "a", 1, 0.5, 0, 0.9, 1),
            (0.2, "b", 0, 0.6, 0, 0.7, 1),
            (0.2, "b", 1, 0.55, 0, 0.7, 1),
        ]
    )
    assert set(best_configurations(table)["configuration"]) == {"b"}
