"""Systems side by side: who is compared, by what they were chosen, and what equal seconds give."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.analysis.methods import at_seconds, compared, figure, sentences, show, systems, table, timed
from fer_tune.analysis.report import write_report
from fer_tune.analysis.tables import load
from tests.support.made_up import plateau


@pytest.fixture
def results(results_folder):
    """Four methods, three learning rates, three seeds; the joint game rises to 0.8, every other method to 0.6."""
    path = results_folder(
        plateau(lambda lam: 0.8 if lam > 0 else 0.6),
        conditions={"method": ["joint", "multitask", "coteaching", "gce"]}, noise={"ratio": 0.4},
        search={"lambda": {"grid": [0.3]}, "lr": {"grid": [1e-3, 2e-3]}},
    )  # fmt: skip
    return load(path)


def test_every_system_stands_at_its_best_configuration_with_its_interval(results):
    rows = {row["method"]: row for row in table(results)}
    joint, gce = "joint training", "generalised cross-entropy"
    assert list(rows) == [joint, "plain training", "Co-teaching", gce]
    assert rows[joint]["seeds"] == "3"
    assert rows[joint]["test accuracy"].startswith("0.802 (0.")
    assert rows[gce]["λ"] == "0"
    assert rows[gce]["difference from the first"].startswith("-0.200")
    assert not rows[joint]["difference from the first"]
    assert "chooses joint training" in sentences(results)[0]


def test_configurations_are_chosen_on_validation_and_never_on_test(results):
    trials = results.trials
    odd = trials["lr"] == 1e-3
    trials.loc[odd, "test_accuracy"] += 0.1
    trials.loc[~odd, "score"] += 0.05
    assert set(systems(results)["lr"]) == {2e-3}


def test_at_equal_seconds_only_what_was_trained_by_then_counts():
    epochs = pd.DataFrame(
        {"key": ["slow"] * 10 + ["quick"] * 10, "epoch": [*range(1, 11)] * 2, "seconds": [10.0] * 10 + [1.0] * 10,
         "test_accuracy": np.arange(20) / 100}
    )  # fmt: skip
    found = at_seconds(epochs, 35)
    assert found["slow"] == pytest.approx(0.01)
    assert found["quick"] == pytest.approx(0.17)
    assert at_seconds(epochs, 0.5)["slow"] == 0


def test_an_epoch_that_other_work_slowed_counts_as_long_as_its_likes(results):
    found = systems(results)
    results.epochs.loc[results.epochs.index[::9], "seconds"] = 100.0
    epochs = timed(results, found)
    assert set(epochs["seconds"]) == {1.0}
    assert set(epochs["system"]) == set(found["system"])


def test_another_condition_splits_the_table_and_the_figure(results_folder):
    path = results_folder(
        plateau(lambda lam: 0.6), conditions={"method": ["joint", "gce"], "dataset.class_prior": ["uniform", "raf"]}
    )
    results = load(path)
    assert {row["condition"] for row in table(results)} == {"dataset.class_prior uniform", "dataset.class_prior raf"}
    assert len(figure(results).axes) == 2


def test_the_report_shows_systems_where_a_study_compares_them(results):
    (headline, *_) = write_report(results.path).headline
    page = (results.path / "report" / "index.html").read_text()
    assert "Methods side by side" in page
    assert "Methods by training time" in page
    assert headline.startswith("Noisy validation")
    assert "No λ above 0 did better" not in headline
    assert "generalised cross-entropy" in (results.path / "report" / "report.md").read_text()
    assert "Co-teaching" in show(results)


def test_a_study_of_lambda_alone_compares_no_systems(results_folder):
    results = load(results_folder(plateau(lambda lam: 0.6)))
    assert compared(results) == []
    assert "compares no methods" in show(results)


def test_systems_that_validation_does_not_tell_apart_are_said(results_folder):
    path = results_folder(
        plateau(lambda lam: 0.8 if lam > 0 else 0.6), conditions={"method": ["multitask", "joint", "gce"]},
        noise={"ratio": 0.4}, search={"lambda": {"grid": [0.0]}},
    )  # fmt: skip
    (text,) = sentences(load(path))
    assert (
        "chooses generalised cross-entropy, statistically indistinguishable from plain training and joint training. "
        "Accuracy on clean test labels" in text
    )


def test_a_vote_is_called_a_vote(results_folder):
    dataset = {"kind": "cifar10", "folder": "x"}
    path = results_folder(
        plateau(lambda lam: 0.8), conditions={"training.majority": [True, False]}, dataset=dataset,
        search={"lambda": {"grid": [0.3]}},
    )  # fmt: skip
    assert list(dict.fromkeys(systems(load(path))["system"])) == ["majority vote", "every annotator"]
