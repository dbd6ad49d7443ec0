"""What rules read of a results folder, and what is said about them."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.analysis import rules
from fer_tune.analysis.rules import fitted_sentence, readings, stopping_table, trust_sentence
from fer_tune.analysis.tables import load
from fer_tune.decision.intervals import mean_interval
from fer_tune.decision.rules import FITTED, NOISY, TRUSTED, Trust, calibrated_target, picks
from tests.support.made_up import PEAK
from tests.support.readings import best


def test_calibration_and_scoring_see_different_test_images(results_folder):
    path = results_folder(PEAK, conditions={"noise_ratio": [0.2, 0.4]})
    for folder in (path / "trials").iterdir():
        good = "lambda=0.6" in folder.name
        rows = "".join(f"{i},{i % 2},{0 if good else 1},{0.5},{0.5}\n" for i in range(10))
        (folder / "predictions.csv").write_text("index,emotion_true,emotion_predicted,emotion_p_a,emotion_p_b\n" + rows)
    table = readings(load(path))
    halves = table.groupby("lambda")[["calibration_score", "scoring_score"]].mean()
    assert halves.loc[[0.2, 0.6]].to_numpy().tolist() == [[0, 1], [1, 0]]
    found = {p.rule: p for p in picks(table)}
    assert found[FITTED].lam == 0.6, "fitted on even images, scored on odd ones"
    assert found[FITTED].regret == 1, "fitted on even images, scored on odd ones"
    assert calibrated_target(table) == pytest.approx((2.6, 0.45))


def test_without_predictions_nothing_is_calibrated(results_folder):
    table = readings(load(results_folder(PEAK, conditions={"noise_ratio": [0.2, 0.4]})))
    assert {FITTED, TRUSTED}.isdisjoint(p.rule for p in picks(table))
    assert calibrated_target(table) is None


def test_the_fitted_target_is_told_with_where_it_was_fitted(results_folder):
    assert fitted_sentence(best()) == ""
    text = fitted_sentence(pd.concat([best().assign(condition=f"{i}") for i in range(3)], ignore_index=True))
    assert "about (2.00, 0.45)" in text
    assert "rank correlation with test accuracy" in text


def test_a_rule_pays_for_the_whole_search_of_its_lambdas(results_folder):
    search = {"lambda": {"grid": [0.0, 0.2]}, "lr": {"log_uniform": [1e-4, 1e-3]}}
    results = load(results_folder(PEAK, search=search, optuna={"trials": 4}))
    found = {p.rule: p for p in picks(readings(results))}
    assert found[NOISY].epochs == 2 * 4 * 3 * 30
    assert found["fixed λ = 1"].epochs == 4 * 3 * 30


def test_readings_come_from_the_trials_own_files(results_folder):
    path = results_folder(PEAK)
    for folder in (path / "trials").iterdir():
        seed = int(folder.name[-1])
        constant = folder.name.startswith("lambda=0.0")
        classes = [0] * 10 if constant else [0, 1, 2, 3, 4, 5, 6, 0, 1, seed]
        rows = "".join(f"{i},{k}\n" for i, k in enumerate(classes))
        (folder / "predictions_validation.csv").write_text("index,emotion_predicted\n" + rows)
    table = readings(load(path))
    assert table.loc[table["lambda"] == 0, "near_constant"].all()
    assert not table.loc[table["lambda"] > 0, "near_constant"].any()
    assert table.loc[table["lambda"] == 0.2, "disagreement"].tolist() == pytest.approx([0.1] * 3)
    assert table.loc[table["lambda"] == 0.2, "converged_generator"].tolist() == pytest.approx([2.2] * 3)
    found = {p.rule: p.lam for p in picks(table)}
    assert found["least disagreement between seeds"] == 0.2
    assert found["least susceptibility"] == 0.2


HELD_OUT = "on a seed that had no part in the choice, it lost"
ORACLE_LOST = "the best λ there (choosing on the clean test labels of the other seeds lost 0.010)"
IN_HAND = "compared with choosing on the clean test labels, for the networks in hand: one seed says nothing of new ones"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, ""),
        (Trust(0.02, 0.0, 1, None, held_out=False), f"; its choice lost 0.020 test accuracy {IN_HAND}"),
        (
            Trust(0.02, 0.01, 1, None, held_out=True),
            f"; {HELD_OUT} 0.020 test accuracy compared with {ORACLE_LOST}",
        ),
        (
            Trust(0.02, 0.01, 2, None, held_out=True),
            f"; on average over 2 conditions, {HELD_OUT} 0.020 test accuracy compared with {ORACLE_LOST}",
        ),
        (
            Trust(0.1, 0.01, 8, ("noisy validation CCC", 0.0), held_out=True),
            f"; on average over 8 conditions, {HELD_OUT} 0.100 test accuracy compared with {ORACLE_LOST}; "
            "the rule 'noisy validation CCC' lost significantly less (0.000)",
        ),
        (
            Trust(0.1, 0.01, 8, None, held_out=True),
            f"; on average over 8 conditions, {HELD_OUT} 0.100 test accuracy compared with {ORACLE_LOST}; "
            "no other rule that sees no test label lost significantly less",
        ),
    ],
)
def test_why_noisy_validation_chooses_is_said_with_what_it_cost(found, said):
    assert trust_sentence(found, "clean test labels") == "it uses only labels you already have" + said


def test_a_fixed_lambda_that_was_not_tried_is_called_the_nearest(results_folder):
    found = picks(readings(load(results_folder(PEAK))))
    chosen = {row["rule"]: row["λ chosen"] for row in rules.table(found, "clean test labels")}
    assert chosen["fixed λ = 0.4 (nearest tried)"] == "0.2"
    assert chosen["fixed λ = 1"] == "1"


def jumping(lam, seed, epoch):
    """Test accuracy that falls at the end, by as much for each λ of a seed and by other amounts for other seeds."""
    return 0.7 - 0.1 * (seed + 1) * (epoch > 25)


def test_trials_of_one_seed_are_no_evidence_of_how_much_stopping_loses_on_another(results_folder):
    for name, seeds in (("three", [0, 1, 2]), ("one", [0])):
        rows = stopping_table(load(results_folder(jumping, name=name, seeds=seeds)))
        (row,) = [r for r in rows if r["stop at"] == "last epoch" and "> 0" in r["trials"]]
        if name == "three":
            assert row["trials"] == "λ > 0 (9 trials, 3 seeds)"
            mean, low, high = mean_interval(np.array([0.1, 0.2, 0.3]))
            assert row["mean regret"] == f"{mean:.3f} ({max(low, 0):.3f} to {high:.3f})"
        else:
            assert row["trials"] == "λ > 0 (3 trials, 1 seed)"
            assert row["mean regret"] == "0.100"
