"""Rules and their regret: each sees what it may, what is fitted with clean labels is scored elsewhere."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.decision.rules import (
    FITTED,
    NOISY,
    ORACLE,
    PAPER,
    RANDOM,
    TRUSTED,
    Pick,
    distance_to_target,
    epoch_chosen,
    picks,
    regrets,
    stopping_regrets,
    trust,
)
from tests.support.readings import best


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
    assert found[NOISY].seconds == 8.0
    assert found["fixed λ = 1"].seconds == 2.0


def test_where_most_losses_still_drift_convergence_chooses_nothing():
    table = best(converged_generator=[np.nan, 1.0, np.nan, np.nan])
    assert PAPER not in {pick.rule for pick in picks(table)}


def test_clean_labels_of_a_condition_never_score_what_they_have_fitted():
    """The target and the trusted rule of one condition come from the other one, whatever its own labels are."""
    here, there = best().assign(condition="here"), best().assign(condition="there")
    there["test_score"] = there["test_accuracy"] = there["calibration_score"] = [0.6, 0.85, 0.8, 0.7]
    found = {(p.condition, p.rule): p.lam for p in picks(pd.concat([here, there]))}
    assert found["here", FITTED] == 0.2
    assert found["there", FITTED] == 0.6
    assert found["here", TRUSTED] == 0.2
    assert found["there", TRUSTED] == 0.6
    spoilt = here.assign(test_score=[0.9, 0.1, 0.1, 0.1], calibration_score=[0.9, 0.1, 0.1, 0.1])
    again = {(p.condition, p.rule): p.lam for p in picks(pd.concat([spoilt, there]))}
    assert again["here", FITTED] == 0.2
    assert again["here", TRUSTED] == 0.2


def test_regret_has_an_interval_over_five_conditions_and_none_over_fewer():
    tables = [best().assign(condition=f"{i}", test_score=[0.6, 0.8, 0.8 + 0.01 * i, 0.7]) for i in range(5)]
    table = regrets(picks(pd.concat(tables)))
    assert table.loc[NOISY, "regret"] == pytest.approx(0.02)
    assert 0 <= table.loc[NOISY, "low"] < 0.02 < table.loc[NOISY, "high"]
    assert table.loc[ORACLE, "regret"] == 0
    assert np.isnan(table.loc[ORACLE, "high"]), "regrets that are all equal have no interval"
    assert table.loc[ORACLE, "conditions"] == 5
    assert np.isnan(regrets(picks(pd.concat(tables[:4]))).loc[NOISY, "high"])


def test_one_seed_has_the_regret_of_the_networks_in_hand():
    found = {p.rule: p for p in picks(best())}
    assert not found[NOISY].held_out
    assert found[NOISY].regret == pytest.approx(0.02)


def test_a_seed_that_chooses_does_not_score_the_choice():
    """Noisy labels of two seeds each favour the λ that is worst on the other one."""
    first = best(score=[0.1, 0.9, 0.5, 0.2], test_score=[0.6, 0.9, 0.8, 0.7]).assign(seed=0)
    second = best(score=[0.1, 0.3, 0.8, 0.2], test_score=[0.6, 0.5, 0.9, 0.7]).assign(seed=1)
    found = {p.rule: p for p in picks(pd.concat([first, second], ignore_index=True))}
    assert found[NOISY].held_out
    assert found[NOISY].lam == 0.6
    assert found[NOISY].regret == pytest.approx(((0.9 - 0.8) + (0.9 - 0.5)) / 2)
    assert found[ORACLE].regret == pytest.approx(((0.9 - 0.8) + (0.9 - 0.5)) / 2)


def drawn(rng, studies, seeds):
    """Clean and noisy scores (studies, seeds, λs) about means that differ by less than seeds do."""
    clean = np.array([0.50, 0.58, 0.60, 0.55]) + rng.normal(0, 0.04, (studies, seeds, 4))
    return clean, 0.5 * clean + rng.normal(0, 0.01, clean.shape)


def left_out(clean, noisy, seed):
    """What the choice of the other seeds loses on this one, (studies,)."""
    chosen = np.delete(noisy, seed, axis=1).mean(1).argmax(1)
    return clean[:, seed].max(1) - clean[np.arange(len(clean)), seed, chosen]


def test_regret_is_what_the_choice_loses_on_a_new_seed():
    """On the networks that chose, it is a tenth of what a new one loses."""
    rng = np.random.default_rng(0)
    clean, noisy = drawn(rng, 20_000, 3)
    truth, every = np.mean(left_out(clean, noisy, 0)), np.arange(20_000)
    in_hand = clean.mean(1).max(1) - clean.mean(1)[every, noisy.mean(1).argmax(1)]
    assert np.mean(in_hand) < truth / 10
    clean, noisy = drawn(rng, 100, 3)
    study, seed, lam = (axis.ravel() for axis in np.indices(clean.shape))
    table = pd.DataFrame({"condition": study.astype(str), "seed": seed, "lambda": lam / 4, "test_score": clean.ravel()})
    table = table.assign(
        score=noisy.ravel(), test_accuracy=table["test_score"], near_constant=False, generator_joint_loss=np.nan,
        converged_generator=np.nan, converged_discriminator=np.nan, search_epochs=1, search_seconds=1.0,
    )  # fmt: skip
    found = [pick.regret for pick in picks(table) if pick.rule == NOISY]
    expected = np.mean([left_out(clean, noisy, s) for s in range(3)], axis=0)
    assert found == pytest.approx(expected.tolist())
    assert np.mean(found) == pytest.approx(truth, abs=0.006)


def test_intervals_of_regrets_cover_about_95_percent_with_six_conditions():
    rng = np.random.default_rng(1)
    clean, noisy = drawn(rng, 20_000, 3)
    truth = np.mean(left_out(clean, noisy, 0))
    clean, noisy = drawn(rng, 6 * 300, 3)
    each = np.mean([left_out(clean, noisy, s) for s in range(3)], axis=0).reshape(300, 6)
    lines = [regrets([Pick(NOISY, "", "", 0.5, 0.5, r, True, 1, 1.0) for r in row]).loc[NOISY] for row in each]
    assert np.mean([line["low"] <= truth <= line["high"] for line in lines]) >= 0.9


def conditions(count, ccc_gain):
    """So many conditions in which noisy validation CCC gains about so much over noisy validation."""
    rng = np.random.default_rng(0)
    gaps = [ccc_gain + 0.01 * rng.normal() for _ in range(count)]
    return [best().assign(condition=f"{i}", test_score=[0.6, 0.7, 0.7 + gap, 0.5]) for i, gap in enumerate(gaps)]


def test_another_rule_is_named_only_where_it_is_significantly_better():
    tables = conditions(8, ccc_gain=0.1)
    found = trust(picks(pd.concat(tables)))
    assert found.regret == pytest.approx(0.1, abs=0.01)
    assert found.conditions == 8
    assert found.better == ("noisy validation CCC", 0.0)
    even = [t.assign(test_score=[0.6, 0.7 + 0.1 * (i % 2), 0.75, 0.5]) for i, t in enumerate(tables)]
    undecided = trust(picks(pd.concat(even)))
    assert undecided.tested
    assert undecided.better is None


def test_two_conditions_are_too_few_to_compare_rules():
    found = trust(picks(pd.concat(conditions(2, ccc_gain=0.1))))
    assert not found.tested
    assert found.better is None


def test_without_a_choice_there_is_nothing_to_trust():
    assert trust([]) is None


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


def test_distance_is_relative_to_each_target():
    distance = distance_to_target(pd.Series([2.6, 5.2, 2.6]), pd.Series([0.45, 0.45, 0.9]))
    assert distance.tolist() == pytest.approx([0, 1, 1])


def test_stopping_is_scored_against_the_runs_best_epoch():
    run = {"epoch": [1, 2, 3, 4], "val_accuracy": [1, 3, 2, 2], "prediction_changes": [0.4, 0.3, 0.2, 0.1]}
    rows = pd.DataFrame({"key": "a", "lambda": 0.5, "test_accuracy": [0.1, 0.5, 0.9, 0.8], **run})
    table = stopping_regrets(pd.concat([rows, rows.assign(key="b", **{"lambda": 0.0})]), "val_accuracy")
    assert table.groupby("key")["joint"].first().to_dict() == {"a": True, "b": False}
    own = table[table["key"] == "a"].set_index("rule")
    assert own.loc["best noisy validation", "regret"] == pytest.approx(0.4)
    assert own.loc["best noisy validation", "epoch"] == 2
    assert own.loc["last epoch", "regret"] == pytest.approx(0.1)
    assert own.loc[ORACLE, "regret"] == 0
