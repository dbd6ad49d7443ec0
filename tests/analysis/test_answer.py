"""Answers for other noise ratios: read off, interpolated, or refused."""

import numpy as np
import pytest

from fer_tune.analysis.answer import answer, answer_as_given, differences
from fer_tune.analysis.gains import gain_between
from fer_tune.analysis.recommendation import against_baseline, findings, headline
from fer_tune.analysis.study_record import StudyRecord
from fer_tune.analysis.tables import load
from fer_tune.decision.intervals import mean_interval
from fer_tune.results.folder import TrialFolder
from fer_tune.results.tables import write_tables

RATIOS = {"noise_ratio": [0.2, 0.4]}


def moving(lam, seed, epoch):
    """Best at 0.2 and at 0.6 where labels are noisier; which ratio this is, the made-up folder does not say."""
    return 0.85 - 0.3 * (lam - 0.2) ** 2 + 0.002 * seed + 0 * epoch


@pytest.fixture
def asked(results_folder):
    def ask(ratio, kind=None, between=None, **changes):
        results = load(results_folder(moving, **changes))
        return answer(results, findings(results), ratio, kind, between)

    return ask


def test_a_studied_ratio_is_read_off(asked):
    found = asked(0.4, conditions=RATIOS)
    assert found.lam == 0.2
    assert found.interval[0] <= 0.2 <= found.interval[1]
    assert found.why[0] == "Studied at noise ratio 0.4 (λ = 0.2)."


def test_between_two_ratios_the_scores_are_interpolated_and_so_is_the_gain_of_each_seed(asked):
    found = asked(0.3, conditions=RATIOS)
    assert found.lam == 0.2
    assert found.why[0] == "Interpolated between noise ratios 0.2 (λ = 0.2) and 0.4 (λ = 0.2)."
    assert found.why[1] == (
        "Interpolated difference from λ = 0: +0.012 (+0.012 to +0.012) accuracy on clean test labels."
    )
    assert found.text().startswith("λ = 0.2 (best λ between")


def uneven(lam, seed, epoch):
    """Seeds gain 0.1, 0.12 and 0.17 at 0.2."""
    return 0.6 + 0.01 * seed + [0.1, 0.12, 0.17][seed] * (lam == 0.2) + 0 * epoch


@pytest.mark.parametrize(("seeds", "difference"), [([0, 1, 2], "+0.130 (+0.040 to +0.220)"), ([1], "+0.120")])
def test_at_a_studied_ratio_the_gain_is_that_of_the_report(results_folder, seeds, difference):
    """With one seed there is no interval."""
    results = load(results_folder(uneven, seeds=seeds))
    found = answer(results, findings(results), 0.4)
    assert any(f"on clean test labels, a difference of {difference}, " in said for said in found.why)
    (row,) = [row for row in against_baseline(results) if row["λ"] == "0.2"]
    assert row["difference from λ = 0"] == difference
    assert ("With one seed there is no interval." in found.why) == (len(seeds) == 1)
    assert (found.interval is None) == (len(seeds) == 1)


def test_between_two_ratios_gains_are_paired_and_mixed_by_seed(results_folder):
    """Gains at 0.2 are those above, at 0.4 half of them; at 0.25 a quarter of the way."""

    def curve(lam, seed, epoch):
        return uneven(lam, seed, epoch)

    path = results_folder(curve, conditions=RATIOS)
    for folder in map(TrialFolder, (path / "trials").glob("*noise_ratio=0.4*lambda=0.2*")):
        loss = [0.1, 0.12, 0.17][folder.record().seed] / 2
        folder.write_history([{**row, "test_accuracy": row["test_accuracy"] - loss} for row in folder.history()])
    write_tables(path)
    results = load(path)
    mean, low, high = gain_between(results, ("noise_ratio=0.2", "noise_ratio=0.4"), 0.2, 0.25)
    expected = mean_interval(np.array([0.1, 0.12, 0.17]) * (0.75 + 0.25 / 2))
    assert (mean, low, high) == pytest.approx(expected, abs=1e-9)


def test_the_noise_of_several_annotators_counts_label_set_by_label_set(results_folder):
    """Two annotators, one with a ratio of its own: the study's noise is their mean, as that of an estimate is."""
    sets = [{"name": n, "kind": "categorical", "columns": [n], "classes": ["calm", "glad"]} for n in ("one", "two")]
    dataset = {"kind": "manifest", "file": "faces.csv", "sets": sets}
    results = load(results_folder(moving, dataset=dataset, noise={"ratio": 0.1, "ratios": {"two": 0.5}}))
    found = findings(results)
    assert answer(results, found, 0.3).lam == 0.2
    assert "noise ratio is 0.3; 0.1 is outside" in answer(results, found, 0.1).text()


def test_a_matrix_says_how_many_labels_are_wrong(results_folder):
    matrix = np.full((7, 7), 0.05) + 0.65 * np.eye(7)
    results = load(results_folder(moving, noise={"kind": "confusion", "matrix": matrix.tolist()}))
    assert answer(results, findings(results), 0.3).lam == 0.2


@pytest.mark.parametrize(
    ("ratio", "kind", "changes", "why"),
    [
        (
            0.5,
            None,
            {"conditions": RATIOS},
            "noise ratio is 0.2 to 0.4; 0.5 is outside, and answers are not extrapolated",
        ),
        (0.5, None, {}, "noise ratio is 0.4; 0.5 is outside"),
        (0.4, "pairflip", {}, "noise is symmetric, not pairflip"),
        (0.4, None, {"conditions": {"noise_kind": ["symmetric", "pairflip"]}}, "Choose one with --noise-kind"),
        (0.4, None, {"conditions": {"training.gamma": [0.5, 1.0]}}, "it also varies training.gamma"),
        (0.4, None, {"conditions": {"noise_ratio": {"sample": [0.1, 0.6]}}, "optuna": {"trials": 4}}, "from a range"),
    ],
)
def test_what_was_not_studied_is_no_evidence(asked, ratio, kind, changes, why):
    found = asked(ratio, kind, **changes)
    assert found.lam is None
    assert found.text().startswith("No evidence.")
    assert why in found.text()


@pytest.mark.parametrize(("high", "lam"), [(0.42, 0.2), (0.39, None)])
def test_a_study_of_one_ratio_answers_within_the_error_of_an_estimate(asked, high, lam):
    assert asked(0.37, between=(0.3, high)).lam == lam


def test_the_error_of_an_estimate_widens_the_interval(results_folder):
    def peak(lam, seed, epoch):
        return 0.85 - 1.8 * lam**2 + 0.002 * seed + 0 * epoch

    search = {"lambda": {"grid": [0.0, 0.2, 0.4, 0.6]}}
    results = load(results_folder(peak, shifted=True, conditions=RATIOS, search=search))
    found = findings(results)
    sure, unsure = answer(results, found, 0.4), answer(results, found, 0.4, None, (0.1, 0.4))
    assert sure.lam == unsure.lam == 0.4
    assert sure.interval[0] > 0.2
    assert unsure.interval[0] <= 0.2 < 0.4 <= unsure.interval[1]
    assert "is between 0.10 and 0.40, but the study covers only 0.2 to 0.4" in unsure.text()
    assert "the study covers" not in answer(results, found, 0.3, None, (0.25, 0.35)).text()


def test_several_kinds_of_noise_have_an_answer_each(asked):
    conditions = {"noise_kind": ["symmetric", "pairflip"], **RATIOS}
    assert asked(0.3, "pairflip", conditions=conditions).lam == 0.2


def test_a_studied_ratio_gets_the_answer_of_the_report_word_for_word(results_folder):
    results = load(results_folder(lambda lam, seed, epoch: epoch / 36 if lam == 1.0 else moving(lam, seed, epoch)))
    found = findings(results)
    reply = answer(results, found, 0.4)
    assert reply.lam == found.answers["all"].lam == 0.2
    reported = [part.text for part in headline(results, found)]
    assert reported[0] == "Take λ = 0.2 for 30 epochs of training (winner)."
    assert reply.why[1:6] == reported[:5]
    assert "Accuracy at λ = 1 still rises at the study's last epoch" in reply.text()


def test_a_study_of_one_seed_is_no_decision_here_either(asked):
    text = asked(0.4, seeds=[0]).text()
    assert "Nothing is decided: one seed does not show how much seeds differ." in text
    assert "one seed: no interval." in text
    assert "(+0" not in text


def test_a_study_of_labels_as_given_does_not_know_its_noise_ratio(asked):
    sets = [{"name": "mood", "kind": "categorical", "columns": ["mood"], "classes": ["calm", "glad"]}]
    dataset = {"kind": "manifest", "file": "faces.csv", "sets": sets}
    found = asked(0.3, dataset=dataset, noise={"ratio": 0.0})
    assert found.text().startswith(
        "No evidence.\nThis study added no noise to its labels, so its noise ratio is unknown."
    )


def test_for_labels_as_noisy_as_its_own_it_answers_with_the_noise_that_they_already_have(results_folder):
    sets = [{"name": "mood", "kind": "categorical", "columns": ["mood"], "classes": ["calm", "glad"]}]
    results = load(
        results_folder(moving, dataset={"kind": "manifest", "file": "faces.csv", "sets": sets}, noise={"ratio": 0.0})
    )
    found = answer_as_given(results, findings(results))
    assert found.lam == 0.2
    assert found.why[0] == "Studied with the noise that the labels already have."
    assert "noise ratio" not in found.text()
    assert answer_as_given(results, findings(results), added=0.2).text() == (
        "No evidence.\nThe study added no noise to these labels. Yours are with noise of ratio 0.2 added."
    )


def test_settings_that_differ_are_named(results_folder):
    results = load(results_folder(moving))
    own = results.study.raw

    def different(label_sets=(), **changes):
        found = differences(results, StudyRecord.of({**own, **changes}), list(label_sets))
        return [difference.text("this study has", "yours") for difference in found]

    assert different(training={**own["training"], "epochs": 90, "lr": 0.5})[1:] == [
        "training.lr: this study has 0.0001, yours 0.5", "training.epochs: this study has 30, yours 90",
    ]  # fmt: skip
    (gone,) = different(label_sets=[["categorical", 7]])
    assert gone.endswith("unknown label sets (its data are gone), yours categorical of 7")
    varied = different(conditions={"training.batch_size": [16, 32]})
    assert varied[0] == "training.batch_size: this study has 128, yours varies it"
