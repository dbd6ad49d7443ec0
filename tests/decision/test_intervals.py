"""Intervals against cases whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_tune.decision.intervals import mean_interval, paired_difference, pooled_interval


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


def test_without_a_second_seed_there_is_no_interval():
    interval = pooled_interval(pd.DataFrame({"lambda": [0, 1], "y": [0.1, 0.2]}), "y", "lambda")
    assert interval["low"].isna().all()
    assert interval["mean"].tolist() == [0.1, 0.2]


def test_equal_seeds_have_an_interval_of_no_width_and_no_warning():
    assert mean_interval(np.full(3, 0.25)) == (0.25, 0.25, 0.25)
