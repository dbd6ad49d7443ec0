"""Answers for other noise ratios: read off, interpolated, or refused."""

import pytest

from fer_tune.analysis.answer import answer, differences
from fer_tune.analysis.recommendation import findings
from fer_tune.analysis.study_record import StudyRecord
from fer_tune.analysis.tables import load

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


def test_between_two_ratios_the_scores_are_interpolated_and_the_gain_is_on_clean_labels(asked):
    found = asked(0.3, conditions=RATIOS)
    assert found.lam == 0.2
    assert found.why[0] == "Interpolated between noise ratios 0.2 (λ = 0.2) and 0.4 (λ = 0.2)."
    assert "Expected gain over λ = 0: +0.012 (" in found.why[1]
    assert found.text().startswith("λ = 0.2 (best λ between")


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


def test_a_study_whose_accuracy_still_rises_says_so(results_folder):
    results = load(results_folder(lambda lam, seed, epoch: epoch / 36 if lam == 1.0 else moving(lam, seed, epoch)))
    text = answer(results, findings(results), 0.4).text()
    assert "Accuracy at λ = 1 still rises at the study's last epoch" in text


def test_a_study_that_is_too_short_says_so(asked):
    assert "with fewer than 6 epochs, the final accuracy cannot be predicted" in asked(0.4, epochs=4).text()


def test_a_study_of_labels_as_given_does_not_know_its_noise_ratio(asked):
    sets = [{"name": "mood", "kind": "categorical", "columns": ["mood"], "classes": ["calm", "glad"]}]
    dataset = {"kind": "manifest", "file": "faces.csv", "sets": sets}
    found = asked(0.3, dataset=dataset, noise={"ratio": 0.0})
    assert found.text().startswith(
        "No evidence.\nThis study added no noise to its labels, so its noise ratio is unknown."
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
