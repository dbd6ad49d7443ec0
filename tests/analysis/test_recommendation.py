"""The recommendation on studies whose right answer is known."""

import pytest

from analysis import recommendation
from analysis.recommendation import against_baseline, recommendations
from analysis.tables import load
from tests.analysis.conftest import plateau


def headline(results):
    return "\n".join(recommendation.headline(results))


PEAK = plateau(lambda lam: 0.6 if lam == 0 else 0.85 - 0.5 * (lam - 0.2) ** 2)


def test_the_best_lambda_by_noisy_validation_is_recommended(results_folder):
    results = load(results_folder(PEAK))
    (found,) = recommendations(results)
    assert found.lam == 0.2 and found.rising == [] and not found.edge
    text = headline(results)
    assert text.startswith("Recommended λ = 0.2, by noisy validation (val_accuracy)")
    assert "by paper's convergence target" in text and "by the oracle on clean test labels" in text
    assert (
        "12 trials" in text and "1.0 GiB of memory" in text and "It holds for a budget of 30 epochs (3 seeds)" in text
    )


def test_a_contender_that_still_rises_makes_the_study_budget_limited(results_folder):
    def late(lam, seed, epoch):
        return epoch / 36 if lam == 1.0 else PEAK(lam, seed, epoch)

    results = load(results_folder(late))
    (found,) = recommendations(results)
    assert found.rising == [1.0] and found.more_epochs >= 8
    text = headline(results)
    assert text.startswith("Budget-limited: no winner can be named, because λ = 1 still rises")
    assert f"train about {found.more_epochs} more epochs" in text and "Recommended" not in text


def test_a_best_lambda_that_still_rises_out_of_reach_is_named_and_its_rise_said(results_folder):
    def curve(lam, seed, epoch):
        return 0.6 + 0.006 * epoch if lam == 0.2 else PEAK(lam, seed, epoch) - 0.2

    results = load(results_folder(curve))
    (found,) = recommendations(results)
    assert found.lam == 0.2 and found.rising == [] and found.best_rises
    assert "Recommended λ = 0.2" in headline(results) and "It still rises, out of" in headline(results)


def test_a_riser_that_cannot_win_does_not_hold_up_the_answer(results_folder):
    def hopeless(lam, seed, epoch):
        return 0.1 + 0.002 * epoch if lam == 1.0 else PEAK(lam, seed, epoch)

    (found,) = recommendations(load(results_folder(hopeless)))
    assert found.lam == 0.2 and found.rising == []


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (lambda lam: 0.5 + 0.3 * lam, "It lies at the edge of the λs tried: try beyond it."),
        (lambda lam: 0.8 - 0.3 * lam, "No joint game did better."),
    ],
)
def test_an_optimum_at_the_edge_is_flagged(results_folder, level, text):
    assert text in headline(load(results_folder(plateau(level))))


def test_lambdas_that_the_data_do_not_tell_apart_are_named(results_folder):
    text = headline(load(results_folder(plateau(lambda lam: 0.8 - 0.002 * lam if lam else 0.6))))
    assert "The data do not tell it from λ = 0.6, 1." in text


def test_each_condition_gets_its_own_answer(results_folder):
    results = load(results_folder(PEAK, conditions={"noise_ratio": [0.2, 0.4]}))
    assert [r.panel for r in recommendations(results)] == ["noise_ratio=0.2", "noise_ratio=0.4"]
    assert "At noise_ratio=0.2: Recommended λ = 0.2" in headline(results)


def test_differences_from_lambda_zero_are_paired_over_seeds(results_folder):
    rows = {row["λ"]: row for row in against_baseline(load(results_folder(PEAK)))}
    assert rows["0"]["difference from λ = 0"] == ""
    assert rows["0.2"]["difference from λ = 0"] == "+0.250 (+0.250 to +0.250)"
    assert rows["0.2"]["seeds"] == "3"


def test_unfinished_and_broken_trials_are_said(results_folder):
    text = headline(load(results_folder(PEAK, broken=1, complete=False)))
    assert "The study is unfinished" in text and "1 trials diverged or failed" in text
