"""Intervals against cases whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_tune.decision.intervals import group_intervals, mean_interval, paired_difference


def test_paired_difference_is_the_t_interval():
    first, second = np.array([0.8, 0.7, 0.75]), np.array([0.6, 0.6, 0.62])
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert paired_difference(first, second) == pytest.approx((np.mean(first - second), expected.low, expected.high))
    assert np.isnan(paired_difference(first[:1], second[:1])[1])


SPREADS = np.array([0.080, 0.025, 0.063, 0.028, 0.067])  # of the methods in docs/methods


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover_95_percent_of_every_group_whatever_its_spread(seeds):
    """Every study is a set of groups of one table: group i of all studies has spread i."""
    rng, studies = np.random.default_rng(0), 800
    values = 0.5 + rng.normal(0, 1, (studies, len(SPREADS), seeds)) * SPREADS[:, None]
    group = np.arange(studies * len(SPREADS)).repeat(seeds)
    found = group_intervals(pd.DataFrame({"method": group, "y": values.ravel()}), "y", "method")
    covered = ((found["low"] <= 0.5) & (found["high"] >= 0.5)).to_numpy().reshape(studies, -1)
    assert (np.abs(covered.mean(axis=0) - 0.95) < 0.025).all()
    pooled = np.sqrt(values.var(axis=2, ddof=1).mean(axis=1))
    half = stats.t.ppf(0.975, len(SPREADS) * (seeds - 1)) * pooled / np.sqrt(seeds)
    assert np.mean(np.abs(values[:, 0].mean(axis=1) - 0.5) < half) < 0.88, "one spread for all, as before"


def test_without_a_second_seed_there_is_no_interval():
    table = pd.DataFrame({"lambda": [0, 1, 1], "y": [0.1, 0.2, 0.3]})
    interval = group_intervals(table, "y", "lambda")
    assert np.isnan(interval.loc[0, ["low", "high"]].to_numpy(dtype=float)).all()
    assert interval["mean"].tolist() == [0.1, 0.25]
    assert interval.loc[1, "low"] < 0.2


def test_intervals_of_shares_end_at_0_and_1():
    table = pd.DataFrame({"lambda": [0, 0, 1, 1], "y": [0.02, 0.2, 0.9, 0.99]})
    shares = group_intervals(table, "y", "lambda", share=True)
    assert shares.loc[0, "low"] == 0
    assert shares.loc[1, "high"] == 1
    assert group_intervals(table, "y", "lambda").loc[1, "high"] > 1
    assert paired_difference(np.array([0.9, 0.1]), np.array([0.1, 0.2]))[1:] == (-1, 1)


def test_two_seeds_that_are_equal_by_chance_are_no_surer_than_the_test_images():
    table = pd.DataFrame({"lambda": [0, 0, 1, 1], "y": [0.7, 0.7, 0.5, 0.9]})
    found = group_intervals(table, "y", "lambda", share=True, samples=750)
    assert found.loc[0, "high"] - 0.7 == pytest.approx(1.96 * np.sqrt(0.7 * 0.3 / 750), rel=1e-3)
    assert found.loc[1, "high"] == 1
    assert group_intervals(table, "y", "lambda", share=True).loc[0, "high"] == 0.7


def test_a_choice_among_configurations_widens_the_interval():
    table = pd.DataFrame({"lambda": [0, 0, 0], "y": [0.5, 0.6, 0.7], "width": 1.5})
    wide, plain = (group_intervals(t, "y", "lambda").loc[0] for t in (table, table.drop(columns="width")))
    assert wide["high"] - 0.6 == pytest.approx(1.5 * (plain["high"] - 0.6))
    wide, plain = (paired_difference(np.array([0.5, 0.6, 0.7]), np.full(3, 0.4), w) for w in (1.5, 1.0))
    assert wide[2] - wide[0] == pytest.approx(1.5 * (plain[2] - plain[0]))


def test_equal_seeds_have_an_interval_of_no_width_and_no_warning():
    assert mean_interval(np.full(3, 0.25)) == (0.25, 0.25, 0.25)
