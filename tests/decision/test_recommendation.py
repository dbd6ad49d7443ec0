"""The recommendation from tables alone, where what is missing or rising is known."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.decision.race import score_scale
from fer_tune.decision.recommendation import recommend

GRID = [0.0, 0.2, 0.6, 1.0]
LEVELS = {0.0: 0.6, 0.2: 0.85, 0.6: 0.77, 1.0: 0.53}
EPOCHS = np.arange(1, 31)


def made(slopes=None, epochs=30, seeds=(0, 1, 2)):
    """Trials and epochs of one condition: flat curves at known levels, except where a slope is given."""
    slopes = slopes or {}
    trials, history = [], []
    for lam in GRID:
        for seed in seeds:
            curve = LEVELS[lam] + slopes.get(lam, 0.0) * (EPOCHS[:epochs] - epochs) + 0.001 * seed
            about = {"lambda": lam, "configuration": f"{lam:g}", "seed": seed}
            trials.append({**about, "status": "finished", "score": curve[-5:].mean(), "test_accuracy": curve[-1],
                           "validation_samples": 1500, "accuracy_shrinkage": 1.0})  # fmt: skip
            history += [{**about, "epoch": e, "val_accuracy": v} for e, v in zip(EPOCHS[:epochs], curve, strict=True)]
    return pd.DataFrame(trials), pd.DataFrame(history)


def answer(best, epochs):
    return recommend("all", best, epochs, [], "val_accuracy", GRID, seeds=3)


def test_a_clear_winner_is_decided():
    found = answer(*made())
    assert found.lam == 0.2
    assert found.decided
    assert not found.edge
    assert found.missing.seeds == {}
    assert not found.missing.baseline
    assert found.missing.stopped == []


def test_a_lambda_that_still_rises_is_named_and_the_answer_for_the_epochs_trained_stays():
    found = answer(*made(slopes={0.6: 0.01}))
    assert found.rising == [0.6]
    assert found.lam == 0.2
    assert found.decided


@pytest.mark.parametrize(("objective", "scale"), [("val_accuracy", 0.3), ("val_ccc", 1.0)])
def test_a_point_is_worth_what_it_is_in_the_race(objective, scale):
    best, epochs = made()
    best, epochs = best.assign(accuracy_shrinkage=0.3), epochs.assign(val_ccc=epochs["val_accuracy"])
    found = recommend("all", best, epochs, [], objective, GRID, seeds=3)
    assert found.shrinkage == pytest.approx(scale)
    assert score_scale(objective, 0.3) == scale
    assert found.point == pytest.approx(0.01 * scale)


def test_one_seed_decides_nothing():
    found = answer(*made(seeds=(0,)))
    assert found.indistinguishable == []
    assert not found.decided


def test_few_epochs_are_too_short():
    found = answer(*made(epochs=5))
    assert found.too_short
    assert found.rising == []
    assert not found.decided


@pytest.mark.parametrize(("lam", "left"), [(0.0, {}), (0.6, {0.6: 1})])
def test_what_is_missing_is_listed(lam, left):
    best, epochs = made()
    gone = (best["lambda"] == lam) & ((best["seed"] > 0) | (lam == 0))
    found = answer(best[~gone], epochs[epochs["lambda"].isin(best[~gone]["lambda"])])
    assert found.missing.seeds == left
    assert found.missing.seeds_wanted == 3
    assert found.missing.baseline == (lam == 0)


def test_lambdas_that_the_scheduler_stopped_are_listed():
    best, epochs = made()
    best.loc[best["lambda"] == 1.0, "status"] = "stopped"
    assert answer(best, epochs).missing.stopped == [1.0]
