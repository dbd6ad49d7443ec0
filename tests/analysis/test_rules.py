"""Rules and their regret: each sees what it may, what is fitted with clean labels is scored elsewhere."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.analysis.rules import (
    FITTED,
    NOISY,
    ORACLE,
    PAPER,
    RANDOM,
    TRUSTED,
    calibrated_target,
    epoch_chosen,
    fitted_sentence,
    picks,
    readings,
    regrets,
    trust,
)
from fer_tune.analysis.tables import load
from tests.analysis.conftest import plateau

PEAK = plateau(lambda lam: 0.6 if lam == 0 else 0.85 - 0.5 * (lam - 0.2) ** 2)
BEST = {
    "lambda": [0.0, 0.2, 0.6, 1.0],
    "score": [0.40, 0.52, 0.50, 0.30],
    "ccc_score": [0.30, 0.35, 0.45, 0.20],
    "test_score": [0.60, 0.80, 0.82, 0.70],
    "task_loss": [0.1, 0.5, 0.6, 0.7],
    "prediction_changes": [0.01, 0.06, 0.05, 0.04],
    "near_constant": [True, False, False, False],
    "converged_generator": [np.nan, 1.0, 2.0, 2.6],
    "converged_discriminator": [np.nan, 0.45, 0.45, 0.45],
    "generator_joint_loss": [np.nan, 1.0, 2.0, 2.6],
    "discriminator_joint_loss": [np.nan, 0.45, 0.45, 0.45],
}


def best(**changes):
    table = pd.DataFrame({**BEST, **changes})
    return table.assign(
        panel="all", seed=0, search_epochs=10, search_seconds=2.0, configuration=table["lambda"].astype(str),
        test_accuracy=table["test_score"], calibration_score=table["test_score"], scoring_score=table["test_score"],
    )  # fmt: skip


def test_each_rule_picks_by_what_it_may_see_and_pays_its_regret():
    found = {p.rule: p for p in picks(best())}
    chosen = {rule: (p.lam, round(p.regret, 3)) for rule, p in found.items() if rule != RANDOM}
    assert chosen == {
        NOISY: (0.2, 0.02),
        "noisy validation CCC": (0.6, 0.0),
        "fewest prediction changes": (1.0, 0.12),
        "smallest task loss": (0.0, 0.22),
        PAPER: (1.0, 0.12),
        "fixed λ = 0.4": (0.2, 0.02),
        "fixed λ = 1": (1.0, 0.12),
        ORACLE: (0.6, 0.0),
    }
    assert found[RANDOM].regret == pytest.approx(0.82 - 0.73)
    assert (found[NOISY].epochs, found["fixed λ = 1"].epochs, found[RANDOM].epochs) == (40, 10, 10)
    assert found[NOISY].seconds == 8.0 and found["fixed λ = 1"].seconds == 2.0


def test_where_most_losses_still_drift_convergence_chooses_nothing():
    table = best(converged_generator=[np.nan, 1.0, np.nan, np.nan])
    assert PAPER not in {pick.rule for pick in picks(table)}


def test_clean_labels_of_a_condition_never_score_what_they_have_fitted(results_folder):
    """The target and the trusted rule of one condition come from the other one, whatever its own labels are."""
    here, there = best().assign(panel="here"), best().assign(panel="there")
    there["test_score"] = there["test_accuracy"] = there["calibration_score"] = [0.6, 0.85, 0.8, 0.7]
    found = {(p.panel, p.rule): p.lam for p in picks(pd.concat([here, there]))}
    assert found["here", FITTED] == 0.2 and found["there", FITTED] == 0.6
    assert found["here", TRUSTED] == 0.2 and found["there", TRUSTED] == 0.6
    spoilt = here.assign(test_score=[0.9, 0.1, 0.1, 0.1], calibration_score=[0.9, 0.1, 0.1, 0.1])
    again = {(p.panel, p.rule): p.lam for p in picks(pd.concat([spoilt, there]))}
    assert again["here", FITTED] == 0.2 and again["here", TRUSTED] == 0.2


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
    assert found[FITTED].lam == 0.6 and found[FITTED].regret == 1, "fitted on even images, scored on odd ones"
    assert calibrated_target(table) == pytest.approx((2.6, 0.45))


def test_without_predictions_nothing_is_calibrated(results_folder):
    table = readings(load(results_folder(PEAK, conditions={"noise_ratio": [0.2, 0.4]})))
    assert {FITTED, TRUSTED}.isdisjoint(p.rule for p in picks(table)) and calibrated_target(table) is None


def test_the_fitted_target_is_told_with_where_it_was_fitted(results_folder):
    assert fitted_sentence(best()) == ""
    text = fitted_sentence(pd.concat([best().assign(panel=f"{i}") for i in range(3)], ignore_index=True))
    assert "about (2.00, 0.45)" in text and "rank correlation with test accuracy" in text


def test_regret_has_an_interval_over_conditions_and_the_oracle_none():
    tables = [best().assign(panel=f"{i}", test_score=[0.6, 0.8, 0.8 + 0.01 * i, 0.7]) for i in range(4)]
    table = regrets(picks(pd.concat(tables)))
    assert table.loc[NOISY, "regret"] == pytest.approx(0.015) and table.loc[NOISY, "low"] < 0.015
    assert table.loc[ORACLE, "regret"] == 0 and table.loc[ORACLE, "panels"] == 4
    assert np.isnan(regrets(picks(best())).loc[NOISY, "low"])
    shifts = {0: -0.01, 1: 0.0, 2: 0.02}
    seeds = [best().assign(seed=s, test_score=[0.6, 0.8 + shift, 0.82, 0.7]) for s, shift in shifts.items()]
    alone = regrets(picks(pd.concat(seeds, ignore_index=True))).loc[NOISY]
    assert alone["low"] == 0 and alone["regret"] == pytest.approx(0.05 / 3) and alone["high"] > 0.04


def test_another_rule_is_named_only_where_it_is_better_by_more_than_chance():
    rng = np.random.default_rng(0)
    tables = []
    for i in range(8):
        gap = 0.1 + 0.01 * rng.normal()
        tables.append(best().assign(panel=f"{i}", test_score=[0.6, 0.7, 0.7 + gap, 0.5]))
    text = trust(picks(pd.concat(tables)))
    assert (
        "lost 0.1" in text and "over 8 conditions; noisy validation CCC lost less, 0.000, by more than chance" in text
    )
    assert trust(picks(pd.concat(tables[:2]))).endswith("over 2 conditions")
    even = [t.assign(test_score=[0.6, 0.7 + 0.1 * (i % 2), 0.75, 0.5]) for i, t in enumerate(tables)]
    assert trust(picks(pd.concat(even))).endswith("no other rule without clean labels lost less by more than chance")


def test_a_rule_pays_for_the_whole_search_of_its_lambdas(results_folder):
    search = {"lambda": {"grid": [0.0, 0.2]}, "lr": {"log_uniform": [1e-4, 1e-3]}}
    results = load(results_folder(PEAK, search=search, optuna={"trials": 4}))
    found = {p.rule: p for p in picks(readings(results))}
    assert found[NOISY].epochs == 2 * 4 * 3 * 30 and found["fixed λ = 1"].epochs == 4 * 3 * 30


def test_readings_come_from_the_trials_own_files(results_folder):
    path = results_folder(PEAK)
    for folder in (path / "trials").iterdir():
        seed = int(folder.name[-1])
        constant = folder.name.startswith("lambda=0.0")
        classes = [0] * 10 if constant else [0, 1, 2, 3, 4, 5, 6, 0, 1, seed]
        rows = "".join(f"{i},{k}\n" for i, k in enumerate(classes))
        (folder / "predictions_validation.csv").write_text("index,emotion_predicted\n" + rows)
    table = readings(load(path))
    assert (
        table.loc[table["lambda"] == 0, "near_constant"].all()
        and not table.loc[table["lambda"] > 0, "near_constant"].any()
    )
    assert table.loc[table["lambda"] == 0.2, "disagreement"].tolist() == pytest.approx([0.1] * 3)
    assert table.loc[table["lambda"] == 0.2, "converged_generator"].tolist() == pytest.approx([2.2] * 3)
    found = {p.rule: p.lam for p in picks(table)}
    assert found["least disagreement between seeds"] == 0.2 and found["least susceptibility"] == 0.2


def test_epochs_are_chosen_by_what_each_rule_may_see():
    changes = [np.nan, 0.5, 0.4, 0.2, 0.1, 0.1, 0.3, 0.4, 0.05]
    run = pd.DataFrame(
        {
            "prediction_changes": changes,
            "val_accuracy": [1, 2, 5, 3, 2, 1, 1, 1, 1],
            "test_accuracy": [1, 2, 3, 9, 3, 2, 1, 1, 1],
        }
    )
    chosen = epoch_chosen(run, "val_accuracy")
    assert chosen == {"last epoch": 8, "best noisy validation": 2, "Label Wave": 5, ORACLE: 3}
    constant = run.assign(val_top_share=[1.0] * 6 + [0.3] * 3)
    assert epoch_chosen(constant, "val_accuracy")["Label Wave"] == 8
    falling = run.assign(prediction_changes=np.linspace(1, 0, 9))
    assert epoch_chosen(falling, "val_accuracy")["Label Wave"] == 8
