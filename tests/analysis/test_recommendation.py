"""The recommendation on studies whose right answer is known."""

import json
import shutil

import numpy as np
import pytest

from fer_tune.analysis import recommendation, rules
from fer_tune.analysis.recommendation import against_baseline, as_json, chances, findings
from fer_tune.analysis.tables import load
from fer_tune.results.folder import TrialFolder
from fer_tune.results.tables import write_tables
from tests.support.made_up import PEAK, plateau


def headline(results):
    return "\n".join(part.shown for part in recommendation.headline(results, findings(results)))


def everything(results):
    """The first screen and what it rests on."""
    return "\n".join([headline(results), *recommendation.details(results, findings(results))])


def recommendations(results):
    return findings(results).recommendations


def test_the_best_lambda_by_noisy_validation_is_taken(results_folder):
    results = load(results_folder(PEAK))
    (found,) = recommendations(results)
    assert found.lam == 0.2
    text = everything(results)
    assert text.startswith("Take λ = 0.2 for 30 epochs of training (winner).")
    assert "λ = 0.2 reaches 0.852 against 0.602 on clean test labels" in text
    assert "a difference of +0.250 (+0.250 to +0.250)" in text
    assert "As in the paper, accuracy peaks between the smallest and the largest λ (at λ = 0.2, p = " in text
    assert "λ is chosen by noisy validation (val_accuracy): it uses only labels you already have" in text
    assert "12 trials" in text
    assert "1.0 GiB peak memory" in text


RISES = "still rises at the last epoch. Training longer may change the answer: --extend measures it."


def test_a_contender_that_still_rises_is_named_and_the_answer_for_these_epochs_stays(results_folder):
    def late(lam, seed, epoch):
        return epoch / 40 if lam == 1.0 else PEAK(lam, seed, epoch)

    results = load(results_folder(late))
    (found,) = recommendations(results)
    assert found.rising == [1.0]
    text = everything(results)
    assert text.startswith("Take λ = 0.2 for 30 epochs of training (")
    assert f"Accuracy at λ = 1 {RISES}" in text


def test_a_best_lambda_that_still_rises_is_named_too(results_folder):
    def curve(lam, seed, epoch):
        return 0.6 + 0.006 * epoch if lam == 0.2 else PEAK(lam, seed, epoch) - 0.2

    results = load(results_folder(curve))
    (found,) = recommendations(results)
    assert found.lam == 0.2
    assert found.rising == [0.2]
    text = everything(results)
    assert f"Accuracy at λ = 0.2 {RISES}" in text


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (lambda lam: 0.5 + 0.3 * lam, "λ = 1 is the largest λ tried: try larger ones."),
        (lambda lam: 0.8 - 0.3 * lam, "No λ above 0 did better."),
    ],
)
def test_an_optimum_at_the_edge_is_flagged(results_folder, level, text):
    assert text in everything(load(results_folder(plateau(level))))


def noisy_seeds(lam, seed, epoch):
    """Two lambdas that differ by less than their seeds do, and two far behind."""
    level = {0.0: 0.5, 0.2: 0.80, 0.6: 0.79, 1.0: 0.55}[lam] + (0.06 * (seed - 1) if lam == 0.6 else 0.0)
    return level * (1 - np.exp(-epoch / 2))


def test_labels_nobody_has_checked_are_not_called_clean(results_folder):
    sets = [{"name": "mood", "kind": "categorical", "columns": ["mood"], "classes": ["calm", "glad"]}]
    dataset = {"kind": "manifest", "file": "faces.csv", "sets": sets}
    results = load(results_folder(PEAK, dataset=dataset))
    assert "on test labels as given (possibly noisy)" in headline(results)
    assert "clean" not in headline(results)


def test_the_recommendation_is_written_for_programs_too(results_folder):
    results = load(results_folder(PEAK, conditions={"noise_ratio": [0.2, 0.4]}))
    content = json.loads(as_json(results, findings(results)))
    first = content["conditions"][0]
    assert first["condition"] == {"noise_ratio": 0.2}
    assert first["lambda"] == 0.2
    assert first["decided"]
    assert first["rule"] == "noisy validation"
    assert first["interval_95"][0] <= 0.2 <= first["interval_95"][1]
    assert sum(first["p_best"].values()) == 1
    assert set(first["score_against"]) == {"0", "0.6"}
    assert first["score_against"]["0"][0] > 0.1
    assert content["fingerprint"]["model.width"] == 1.0
    assert "noise.ratio" not in content["fingerprint"]


def test_seeds_that_are_missing_widen_what_is_said_and_are_named(results_folder):
    path = results_folder(noisy_seeds)
    for seed in (1, 2):
        shutil.rmtree(path / "trials" / f"lambda=0.6,n000,s{seed}")
    write_tables(path)
    results = load(path)
    (found,) = recommendations(results)
    one, three = (found.response.difference(0.2, lam) for lam in (0.6, 0.0))
    assert one[2] - one[1] > three[2] - three[1]
    assert "Some seeds have no result (not run yet, diverged or failed): λ = 0.6 has 1 of 3." in everything(results)


def test_the_edge_is_that_of_the_grid_and_a_missing_baseline_is_said(results_folder):
    path = results_folder(PEAK)
    for folder in (path / "trials").glob("lambda=0.0*"):
        shutil.rmtree(folder)
    write_tables(path)
    text = everything(load(path))
    assert "λ = 0 has no result yet, so there is no baseline." in text
    assert "smallest λ tried" not in text


def test_a_lambda_that_the_scheduler_stopped_is_not_called_bad_without_a_word(results_folder):
    path = results_folder(PEAK, scheduler="asha")
    for folder in (path / "trials").glob("lambda=1.0*"):
        TrialFolder(folder).end("stopped", "val_accuracy", "asha")
    write_tables(path)
    assert "The scheduler stopped trials of λ = 1 early" in everything(load(path))


def test_each_condition_gets_its_own_answer(results_folder):
    results = load(results_folder(PEAK, conditions={"noise_ratio": [0.2, 0.4]}))
    assert [r.condition for r in recommendations(results)] == ["noise_ratio=0.2", "noise_ratio=0.4"]
    assert "At noise_ratio=0.2: Take λ = 0.2" in headline(results)


def test_differences_from_lambda_zero_are_paired_over_seeds(results_folder):
    rows = {row["λ"]: row for row in against_baseline(load(results_folder(PEAK)))}
    assert rows["0"]["difference from λ = 0"] == ""
    assert rows["0.2"]["difference from λ = 0"] == "+0.250 (+0.250 to +0.250)"
    assert rows["0.2"]["seeds"] == "3"


def test_unfinished_and_broken_trials_are_said(results_folder):
    path = results_folder(PEAK, broken=1, complete=False)
    for folder in (path / "trials").glob("lambda=1.0*"):
        shutil.rmtree(folder)
    write_tables(path)
    results = load(path)
    text = headline(results)
    assert text.startswith("Unfinished (9 of 12 trials): no λ leads yet.")
    assert "Take" not in text
    assert "had no part in the choice" not in text
    assert [row["λ"] for row in chances(findings(results))] == ["0", "0.2", "0.6"]
    assert "1 trial diverged or failed" in text


def test_without_clean_test_labels_the_choice_is_compared_with_the_labels_given(results_folder):
    sets = [{"name": "mood", "kind": "categorical", "columns": ["mood"], "classes": ["calm", "glad"]}]
    results = load(results_folder(PEAK, dataset={"kind": "manifest", "file": "faces.csv", "sets": sets}))
    assert "choosing on the test labels as given (possibly noisy) of the other seeds lost 0.000" in everything(results)
    needs = {row["rule"]: row["needs"] for row in rules.table(findings(results).picks, results.test_labels)}
    assert needs["oracle"] == "test labels as given (possibly noisy)"
