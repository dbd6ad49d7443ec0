"""The lambda between two noise ratios, where the best one at each is known."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.decision.interpolation import interpolate, nearest
from fer_tune.decision.recommendation import recommend

GRID = [0.0, 0.2, 0.4, 0.6]


def at(peak):
    """The recommendation of a condition whose best lambda is known."""
    rows = [(lam, f"{lam:g}", seed, 0.8 - 0.6 * (lam - peak) ** 2 + 0.002 * seed) for lam in GRID for seed in range(3)]
    best = pd.DataFrame(rows, columns=["lambda", "configuration", "seed", "score"])
    best = best.assign(test_accuracy=best["score"], status="finished", validation_samples=1500, accuracy_shrinkage=0.5)
    epochs = best.merge(pd.DataFrame({"epoch": np.arange(1, 31)}), how="cross").assign(
        val_accuracy=lambda t: t["score"]
    )
    return recommend("all", best, epochs, [], "val_accuracy", GRID, seeds=3)


STUDIED = [(0.2, at(0.2)), (0.4, at(0.6))]


@pytest.mark.parametrize(("ratio", "lam"), [(0.2, 0.2), (0.4, 0.6), (0.3, 0.4)])
def test_the_lambda_moves_with_the_ratio(ratio, lam):
    found = interpolate(STUDIED, ratio)
    assert found.lam == lam
    assert found.interval[0] <= lam <= found.interval[1]


def test_a_studied_ratio_is_its_own_source_and_one_between_has_two():
    assert [ratio for ratio, _ in nearest(STUDIED, 0.201)] == [0.2]
    assert [ratio for ratio, _ in nearest(STUDIED, 0.3)] == [0.2, 0.4]


def test_an_uncertain_ratio_widens_the_interval_to_every_ratio_it_may_be():
    sure, unsure = interpolate(STUDIED, 0.3), interpolate(STUDIED, 0.3, (0.1, 0.45))
    assert unsure.lam == sure.lam
    assert unsure.interval[0] <= 0.2
    assert unsure.interval[1] >= 0.6


def test_the_second_source_weighs_as_much_as_the_ratio_is_near_it():
    assert interpolate(STUDIED, 0.2).weight == 0
    assert interpolate(STUDIED, 0.25).weight == pytest.approx(0.25)
