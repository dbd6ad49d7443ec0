"""Reading results folders: what counts, what a panel is, and what is refused by name."""

import json

import numpy as np
import pytest

from analysis.tables import NothingToReport, load
from tests.analysis.conftest import plateau

FLAT = plateau(lambda lam: 0.7)


def test_a_folder_becomes_one_row_a_trial_and_one_an_epoch(results_folder):
    results = load(results_folder(FLAT))
    assert len(results.trials) == 12 and len(results.epochs) == 12 * 30 and results.broken.empty
    assert results.complete and results.objective == "val_accuracy"
    assert set(results.trials["panel"]) == {"all"}
    last = results.epochs[results.epochs["epoch"] > 25].groupby("key")["test_accuracy"].mean()
    means = results.trials.set_index("key")["test_accuracy"]
    np.testing.assert_allclose(means.sort_index(), last.sort_index())


def test_broken_trials_are_kept_apart(results_folder):
    results = load(results_folder(FLAT, broken=2))
    assert len(results.trials) == 10 and results.broken["status"].tolist() == ["diverged"] * 2


def test_conditions_are_panels_and_a_sampled_one_is_cut_in_three(results_folder):
    listed = load(results_folder(FLAT, name="a", conditions={"noise_ratio": [0.2, 0.4]}))
    assert set(listed.trials["panel"]) == {"noise_ratio=0.2", "noise_ratio=0.4"}
    sampled = load(
        results_folder(FLAT, name="b", conditions={"noise_ratio": {"sample": [0.0, 0.6]}}, optuna={"trials": 6})
    )
    assert set(sampled.trials["panel"]) == {"noise_ratio 0 to 0.2", "noise_ratio 0.2 to 0.4", "noise_ratio 0.4 to 0.6"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "study.json").unlink(), "is no results folder: study.json is missing"),
        (lambda p: (p / "trials.csv").write_text(""), "no trial in .* has run an epoch"),
        (lambda p: (p / "environment.json").write_text(json.dumps({"format_version": 99})), "format version 99, not 1"),
    ],
)
def test_what_cannot_be_read_is_named(results_folder, spoil, message):
    path = results_folder(FLAT)
    spoil(path)
    with pytest.raises(NothingToReport, match=message):
        load(path)


def test_no_ended_trial_is_nothing_to_report(results_folder):
    with pytest.raises(NothingToReport, match="has ended yet"):
        load(results_folder(FLAT, broken=12))
