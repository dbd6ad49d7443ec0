"""The best trained network in hand: chosen on held-out labels, compared on the same images."""

import numpy as np
import pytest
from scipy import stats

from fer_tune.analysis.networks import best_network, mcnemar, shares_differ
from fer_tune.analysis.tables import load
from fer_tune.analysis.trial_files import ValidationPredictions
from fer_tune.results.folder import TrialFolder
from fer_tune.results.tables import write_tables
from tests.support.made_up import PEAK, plateau

IMAGES = 400


def split(right, given=True):
    """Predictions of 400 images of class 1 that are right where `right` says so."""
    return ValidationPredictions(np.arange(IMAGES), np.where(right, 1, 0), np.ones(IMAGES, int) if given else None)


def test_networks_are_compared_on_the_images_that_only_one_of_them_gets_right():
    draw = np.random.default_rng(0).random(IMAGES)
    first, second = draw < 0.7, (draw < 0.6) | (draw > 0.98)
    wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
    assert mcnemar(split(first), split(second)) == pytest.approx(stats.binomtest(wins, wins + losses).pvalue)
    assert mcnemar(split(first), split(first)) == 1


def test_equal_networks_are_told_apart_at_most_as_often_as_stated():
    rng = np.random.default_rng(1)
    hard = rng.random((400, IMAGES))
    called = [
        mcnemar(split(rng.random(IMAGES) < row), split(rng.random(IMAGES) < row)) < 0.05 for row in hard
    ]  # fmt: skip
    assert np.mean(called) < 0.07


def test_without_held_out_labels_or_with_other_images_there_is_no_such_test():
    right = np.ones(IMAGES, bool)
    assert mcnemar(split(right, given=False), split(right)) is None
    assert mcnemar(None, split(right)) is None
    other = ValidationPredictions(np.arange(1, IMAGES + 1), np.ones(IMAGES, int), np.ones(IMAGES, int))
    assert mcnemar(split(right), other) is None


def test_shares_of_independent_images_differ_by_their_sampling_error():
    assert shares_differ(0.5, 0.5, 400) == pytest.approx(1)
    assert shares_differ(0.6, 0.5, 400) == pytest.approx(2 * stats.norm.sf(0.1 / np.sqrt(0.49 / 400)))


def named(results):
    return results.trials.assign(name=results.trials["lambda"].map("λ = {:.3g}".format))


def test_the_best_network_has_the_highest_objective_after_its_last_epoch(results_folder):
    results = load(results_folder(PEAK))
    found = best_network(results, named(results))
    assert (found.name, found.seed, found.count) == ("λ = 0.2", 2, 12)
    assert found.test_accuracy == pytest.approx(0.854, abs=1e-3)
    assert "lambda=0.2,n000,s0" in found.as_good
    assert not any(key.startswith("lambda=0.0") for key in found.as_good)


def test_test_labels_choose_no_network(results_folder):
    path = results_folder(PEAK)
    folder = TrialFolder(path / "trials" / "lambda=0.0,n000,s0")
    folder.write_history([{**row, "test_accuracy": 1.0} for row in folder.history()])
    write_tables(path)
    results = load(path)
    assert best_network(results, named(results)).name == "λ = 0.2"


def test_where_the_objective_is_no_share_nothing_is_said_of_the_others(results_folder):
    results = load(results_folder(plateau(lambda lam: 0.6 + 0.1 * lam), objective="val_ccc"))
    found = best_network(results, named(results))
    assert found.as_good is None
    assert found.name == "λ = 1"
