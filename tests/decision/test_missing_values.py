"""Missing values stay missing: no rule chooses by one, and no interval is made of one."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.decision.intervals import group_intervals, mean_interval, paired_difference
from fer_tune.decision.recommendation import recommend
from fer_tune.decision.response import respond, rises_then_falls, validation_size
from fer_tune.decision.rising import still_rises
from fer_tune.decision.rules import NOISY, ORACLE, epoch_chosen, picks, stopping_regrets, trust

NAN = float("nan")


def best(test=(0.5, 0.7, 0.6)):
    """Three λs with two seeds; 0.4 is best."""
    rows = [
        {"condition": "all", "lambda": lam, "configuration": f"c{lam}", "seed": seed, "score": 0.4 + level / 10,
         "status": "finished", "test_score": level, "test_accuracy": level, "near_constant": False, "search_epochs": 10,
         "search_seconds": 5.0, "generator_joint_loss": NAN, "converged_generator": NAN, "converged_discriminator": NAN,
         "validation_samples": 100, "accuracy_shrinkage": 1.0}
        for lam, level in zip((0.0, 0.4, 0.8), test, strict=True) for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def run(objective, accuracy):
    return pd.DataFrame(
        {"key": "k", "lambda": 0.4, "epoch": range(1, 7), "val_accuracy": objective, "test_accuracy": accuracy,
         "prediction_changes": [6, 5, 4, 3, 2, 1.0]}
    )  # fmt: skip


def test_an_epoch_without_a_value_is_never_the_best():
    epochs = run([0.1, NAN, 0.5, 0.3, NAN, 0.2], [0.2, 0.3, 0.6, 0.9, 0.4, 0.1])
    assert epoch_chosen(epochs, "val_accuracy") == {
        "last epoch": 5, "best noisy validation": 2, "Label Wave": 5, ORACLE: 3,
    }  # fmt: skip
    found = stopping_regrets(epochs, "val_accuracy").set_index("rule")["regret"]
    assert found["best noisy validation"] == pytest.approx(0.3)


def test_a_rule_without_any_value_stops_nowhere_and_a_run_without_test_labels_is_left_out():
    assert "best noisy validation" not in epoch_chosen(run([NAN] * 6, [0.1] * 6), "val_accuracy")
    assert stopping_regrets(run([0.1] * 6, [NAN] * 6), "val_accuracy").empty


def test_without_test_labels_no_rule_has_a_regret():
    table = best((NAN, NAN, NAN)).assign(score=[0.1, 0.1, 0.3, 0.3, 0.2, 0.2])
    assert picks(table) == []
    assert trust([]) is None
    assert rises_then_falls(table, "test_accuracy") is None


def test_a_choice_without_test_labels_is_no_pick():
    table = best((0.5, NAN, 0.6)).assign(score=[0.1, 0.1, 0.3, 0.3, 0.2, 0.2])
    found = picks(table)
    assert NOISY not in {pick.rule for pick in found}
    assert all(np.isfinite(pick.regret) for pick in found)
    assert trust(found) is None


def test_a_group_without_values_has_no_interval():
    table = pd.DataFrame({"g": list("aabbc"), "v": [1.0, 3.0, 2.0, 4.0, NAN]})
    found = group_intervals(table, "v", "g")
    pd.testing.assert_frame_equal(found.loc[["a", "b"]], group_intervals(table[:4], "v", "g"))
    assert found.loc["c", ["mean", "low", "high"]].isna().all()


def test_an_interval_of_nothing_is_missing():
    assert np.isnan(mean_interval(np.empty(0))).all()
    assert np.isnan(paired_difference(np.empty(0), np.empty(0))).all()


def test_a_curve_with_gaps_rises_as_the_epochs_that_are_there():
    curve = 0.8 - 0.5 * np.exp(-np.arange(40) / 20)
    gaps = np.arange(40) % 7 == 3
    assert still_rises(np.where(gaps, NAN, curve))
    assert not still_rises(np.where(gaps, NAN, 0.8))


def test_a_correlation_may_rise_below_zero():
    assert still_rises(np.linspace(-0.6, -0.2, 40))


def test_a_recommendation_needs_neither_shrinkage_nor_the_number_of_samples_with_two_seeds():
    table = best().assign(validation_samples=NAN, accuracy_shrinkage=NAN)
    epochs = pd.concat(
        [run([0.4, NAN, 0.5, 0.5, 0.5, 0.5], [0.5] * 6).assign(**{"lambda": lam}) for lam in (0.0, 0.4, 0.8)]
    )
    found = recommend("all", table, epochs, [], "val_accuracy", [0.0, 0.4, 0.8], 2)
    assert found.lam == 0.4
    assert found.shrinkage == 1.0


def test_with_one_seed_the_number_of_samples_must_be_known():
    table = best()[lambda t: t["seed"] == 0]
    assert validation_size(table) == 100
    assert validation_size(table.assign(validation_samples=NAN)) is None
    with pytest.raises(ValueError, match="validation_samples"):
        respond(table, "score", None)
