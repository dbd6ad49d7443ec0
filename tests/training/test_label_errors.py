"""The mixture that tells wrong labels from a classifier's mistakes."""

import numpy as np
import pytest

from fer_tune.training.label_errors import UNEVEN_FOUND, find_label_errors

CLASSES, COUNT = 5, 3000


def scored(rng, clear):
    """True classes, and scores of a classifier that is right on more of them the larger `clear` is."""
    truth = rng.integers(0, CLASSES, COUNT)
    scores = rng.normal(size=(COUNT, CLASSES))
    scores[np.arange(COUNT), truth] += clear
    return truth, scores.astype(np.float32)


def evenly(truth, ratio, rng):
    wrong = rng.random(COUNT) < ratio
    return np.where(wrong, (truth + rng.integers(1, CLASSES, COUNT)) % CLASSES, truth)


@pytest.mark.parametrize("clear", [2.5, 5.0])
@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.4, 0.6])
def test_mistakes_of_the_classifier_are_not_counted(ratio, clear):
    """At 2.5 it is wrong on a sixth of the images."""
    rng = np.random.default_rng(1)
    truth, scores = scored(rng, clear)
    given = evenly(truth, ratio, rng)
    found = find_label_errors(scores, given, rng)
    assert found.ratio == pytest.approx((given != truth).mean(), abs=0.03)
    if ratio:
        assert found.depends == 0
    if clear == 2.5:
        assert (scores.argmax(axis=1) != truth).mean() > 0.1


@pytest.mark.parametrize("ratio", [0.2, 0.4])
def test_wrong_labels_that_go_to_one_class_are_found_and_taken_for_peoples(ratio):
    rng = np.random.default_rng(2)
    truth, scores = scored(rng, 4.0)
    given = np.where(rng.random(COUNT) < ratio, (truth + 1) % CLASSES, truth)
    found = find_label_errors(scores, given, rng)
    assert found.depends == 1
    assert found.found == pytest.approx((given != truth).mean(), abs=0.03)
    assert found.ratio == pytest.approx(found.found / UNEVEN_FOUND)


def test_probabilities_of_the_true_class_use_image_and_label():
    rng = np.random.default_rng(3)
    truth, scores = scored(rng, 4.0)
    given = evenly(truth, 0.3, rng)
    found = find_label_errors(scores, given, rng)
    rows = np.arange(COUNT)
    np.testing.assert_allclose(found.classes.sum(axis=1), 1)
    np.testing.assert_allclose(found.seen.sum(axis=1), 1)
    assert (1 - found.classes[rows, given]).mean() == pytest.approx(0.3, abs=0.03)
    assert found.classes[rows, truth].mean() > found.seen[rows, truth].mean() > 0.8


def test_a_class_that_nobody_was_given_stays_out():
    rng = np.random.default_rng(4)
    truth, scores = scored(rng, 4.0)
    keep = truth != 2
    scores[:, 2] = 0
    found = find_label_errors(scores[keep], truth[keep], rng)
    assert found.ratio < 0.02
    assert np.isfinite(found.classes).all()
