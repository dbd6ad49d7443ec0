"""Reading results folders: what counts, what a condition is, and what is refused by name."""

import json
from typing import ClassVar

import numpy as np
import pytest

from fer_tune.analysis.recommendation import details, findings
from fer_tune.analysis.tables import NothingToReport, load
from fer_tune.results.tables import write_tables
from tests.support.made_up import plateau

FLAT = plateau(lambda lam: 0.7)


def test_a_folder_becomes_one_row_a_trial_and_one_an_epoch(results_folder):
    results = load(results_folder(FLAT))
    assert len(results.trials) == 12
    assert len(results.epochs) == 12 * 30
    assert results.broken.empty
    assert results.complete
    assert results.objective == "val_accuracy"
    assert set(results.trials["condition"]) == {"all"}
    last = results.epochs[results.epochs["epoch"] > 25].groupby("key")["test_accuracy"].mean()
    means = results.trials.set_index("key")["test_accuracy"]
    np.testing.assert_allclose(means.sort_index(), last.sort_index())


def test_broken_trials_are_kept_apart(results_folder):
    results = load(results_folder(FLAT, broken=2))
    assert len(results.trials) == 10
    assert results.broken["status"].tolist() == ["diverged"] * 2


def test_trials_compare_within_listed_conditions_and_within_thirds_of_a_drawn_one(results_folder):
    listed = load(results_folder(FLAT, name="a", conditions={"noise_ratio": [0.2, 0.4]}))
    assert set(listed.trials["condition"]) == {"noise_ratio=0.2", "noise_ratio=0.4"}
    sampled = load(
        results_folder(FLAT, name="b", conditions={"noise_ratio": {"sample": [0.0, 0.6]}}, optuna={"trials": 6})
    )
    assert set(sampled.trials["condition"]) == {
        "noise_ratio 0 to 0.2",
        "noise_ratio 0.2 to 0.4",
        "noise_ratio 0.4 to 0.6",
    }


def test_draws_of_a_sampled_condition_are_one_configuration_of_each_lambda(results_folder):
    path = results_folder(FLAT, conditions={"noise_ratio": {"sample": [0.0, 0.6]}}, optuna={"trials": 6})
    trials = load(path).trials
    assert trials.groupby(["condition", "lambda"])["configuration"].nunique().eq(1).all()


def test_less_noise_does_not_win_where_lambda_is_drawn_with_it(results_folder):
    def curve(lam, seed, epoch):
        return np.full(len(epoch), 0.8 - 0.1 * abs(lam - 0.5))

    space = {"lambda": {"uniform": [0.0, 1.0]}}
    path = results_folder(
        curve, search=space, conditions={"noise_ratio": {"sample": [0.0, 0.6]}}, optuna={"trials": 30}, seeds=[0]
    )
    trials = load(path).trials
    assert abs(trials["noise_ratio"].corr(trials["objective"])) > 0.9
    within = [rows["noise_ratio"].corr(rows["score"]) for _, rows in trials.groupby("condition")]
    assert max(abs(c) for c in within) < 0.2


class TestGain:
    SEARCH: ClassVar = {"lambda": {"uniform": [0.0, 1.0]}, "noise_ratio": {"uniform": [0.1, 0.6]}}

    @staticmethod
    def curve(lam, seed, epoch):
        return np.full(len(epoch), 0.6 + 0.2 * lam)

    def folder(self, results_folder, baselines):
        return results_folder(
            self.curve, baselines=baselines, search=self.SEARCH, seeds=[0, 1], optuna={"trials": 4, "batch": 4}
        )

    def test_every_score_is_the_gain_over_the_paired_baseline(self, results_folder):
        results = load(self.folder(results_folder, baselines=8))
        assert len(results.trials) == len(results.auxiliary) == 8
        np.testing.assert_allclose(results.trials["test_score"], 0.2 * results.trials["lambda"])
        shrunk = 0.2 * results.trials["lambda"] * results.trials["accuracy_shrinkage"]
        np.testing.assert_allclose(results.trials["score"], shrunk)
        assert "gain over λ = 0" in "\n".join(details(results, findings(results)))

    def test_trials_whose_baseline_has_not_ended_do_not_count(self, results_folder):
        assert len(load(self.folder(results_folder, baselines=3)).trials) == 3

    def test_without_any_baseline_there_is_nothing_to_report(self, results_folder):
        with pytest.raises(NothingToReport, match="has ended yet"):
            load(self.folder(results_folder, baselines=0))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "study.json").unlink(), "is not a results folder: study.json is missing"),
        (lambda p: (p / "trials.csv").write_text(""), "no trial in .* has finished an epoch"),
        (lambda p: (p / "environment.json").write_text(json.dumps({"format_version": 99})), "format version 99, not 1"),
    ],
)
def test_what_cannot_be_read_is_named(results_folder, spoil, message):
    path = results_folder(FLAT)
    spoil(path)
    with pytest.raises(NothingToReport, match=message):
        load(path)


def test_trials_that_have_only_begun_are_nothing_to_report(results_folder):
    path = results_folder(FLAT)
    for result in path.glob("trials/*/result.json"):
        result.unlink()
    write_tables(path)
    with pytest.raises(NothingToReport, match="has ended yet"):
        load(path)


def test_no_ended_trial_is_nothing_to_report(results_folder):
    with pytest.raises(NothingToReport, match="has ended yet"):
        load(results_folder(FLAT, broken=12))


def test_a_trial_that_broke_before_its_first_epoch_is_not_dropped(results_folder):
    path = results_folder(plateau(lambda lam: 0.7), broken=1)
    key = next(iter(sorted((path / "trials").iterdir()))).name
    (path / "trials" / key / "history.csv").unlink()
    write_tables(path)
    assert load(path).broken["key"].tolist() == [key]
