"""What earlier studies say of the spread between seeds."""

import numpy as np
import pytest

from fer_tune.decision.prior import prior_from


def test_the_spread_is_pooled_within_studies_without_levels_of_seeds_and_arms():
    rng = np.random.default_rng(0)
    studies = [
        mean + rng.normal(0, 0.5, (seeds, 1)) + rng.normal(0, 0.3, (1, 3)) + rng.normal(0, 0.03, (seeds, 3))
        for mean, seeds in ((0.4, 400), (0.9, 800))
    ]
    found = prior_from(studies)
    assert found is not None
    assert found.spread == pytest.approx(0.03, rel=0.05)
    assert found.degrees_of_freedom == 2 * 399 + 2 * 799
    assert found.source == "2 earlier studies"


def test_few_trials_count_for_as_many_degrees_of_freedom_as_they_have():
    found = prior_from([np.array([[0.1, 0.2], [0.3, 0.5]]), np.array([[0.4, 0.2, 0.1]])])
    assert found is not None
    assert found.degrees_of_freedom == 1
    # the only difference between seeds, 0.1, is that of four scores
    assert found.spread == pytest.approx(0.05)
    assert found.source == "an earlier study"


def test_missing_scores_are_left_out():
    whole = np.array([[0.1, 0.2], [0.3, 0.5], [0.2, 0.1]])
    missing = np.vstack([whole, [0.4, np.nan]])
    some, all_ = prior_from([missing]), prior_from([whole])
    assert some is not None
    assert all_ is not None
    assert some.degrees_of_freedom == all_.degrees_of_freedom
    assert some.spread == pytest.approx(all_.spread)


@pytest.mark.parametrize(
    "scores", [[], [np.empty((0, 3))], [np.array([[0.1, 0.2]])], [np.array([[0.1], [0.2]])], [np.ones((3, 3))]]
)
def test_without_differences_between_seeds_there_is_no_prior(scores):
    assert prior_from(scores) is None
