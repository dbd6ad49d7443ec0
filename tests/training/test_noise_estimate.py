"""How many labels are wrong, where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.data.loading import load_data
from fer_tune.training.held_out import HeldOut, held_out_scores
from fer_tune.training.noise_estimate import EstimateError, annotator_error, check_labels, estimate_noise
from tests.support.training import random_data

SMALL = {"kind": "synthetic", "train": 140, "validation": 70, "test": 14}
FACES = {"kind": "synthetic", "train": 500, "validation": 200, "test": 14}


def given(truth, ratio, classes, rng):
    wrong = rng.random(len(truth)) < ratio
    return np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth)


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.6])
def test_disagreement_shows_how_often_independent_annotators_are_wrong(ratio):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 6000)
    answers = np.stack([given(truth, ratio, 7, rng) for _ in range(3)], axis=1)
    answers[rng.random(answers.shape) < 0.2] = -1
    assert annotator_error(answers, 7) == pytest.approx(ratio, abs=0.03)


def test_annotators_who_agree_by_chance_have_the_largest_error():
    rng = np.random.default_rng(1)
    assert annotator_error(rng.integers(0, 7, (4000, 2)), 7) == pytest.approx(1 - 1 / 7, abs=0.12)


def test_several_annotators_need_no_scores():
    first = FACE_LABELS[0]
    data = random_data(1, (first, LabelSet("second", "categorical", first.names), FACE_LABELS[1]), 3100)
    splits = {"train": np.arange(3000), "validation": np.arange(3000, 3070), "test": np.arange(3070, 3100)}
    rng = np.random.default_rng(3)
    truth = data.labels["emotion"]
    labels = {**data.labels, "emotion": given(truth, 0.3, 7, rng), "second": given(truth, 0.3, 7, rng)}
    several = replace(data, dataset=replace(data.dataset, splits=splits), labels=labels)
    found = estimate_noise(several)
    assert found.low < 0.3 < found.high
    assert found.method.startswith("disagreement between 2 annotators on 3070")


@pytest.mark.parametrize(("kind", "ratio"), [("symmetric", 0.2), ("symmetric", 0.4), ("instance", 0.4)])
def test_one_annotator_is_judged_by_the_images(kind, ratio):
    data = load_data(FACES, {"kind": kind, "ratio": ratio}, seed=3)
    found = estimate_noise(data, held_out_scores(data))
    used = np.arange(700)
    wrong = (data.labels["emotion"][used] != data.dataset.labels["emotion"][used]).mean()
    assert found.ratio == pytest.approx(wrong, abs=0.06)
    assert found.low < wrong < found.high
    assert found.method == "held-out scores of 700 images"


def test_one_annotator_without_scores_is_an_error_of_the_caller():
    with pytest.raises(ValueError, match="needs held-out scores"):
        estimate_noise(load_data(SMALL, {"ratio": 0.2}))


def test_scores_that_say_nothing_give_no_estimate():
    data = load_data(SMALL, {"ratio": 0.6}, seed=1)
    with pytest.raises(
        EstimateError,
        match=r"cannot estimate .*: only .* of held-out labels can be .* \(the largest class alone: 17%\)",
    ):
        estimate_noise(data, HeldOut(np.arange(210), np.random.default_rng(0).random((210, 7))))


def test_scores_that_name_only_the_largest_class_say_nothing():
    """With two classes too, where chance is half."""
    data = load_data(SMALL, {"ratio": 0.0}, seed=1)
    rare = np.arange(len(data.labels["emotion"])) % 3 == 0
    uneven = replace(data, labels={**data.labels, "emotion": np.where(rare, 1, 0)})
    scores = np.eye(7, dtype=np.float32)[np.zeros(210, int)]
    with pytest.raises(EstimateError, match=r"only 67% of held-out labels .* \(the largest class alone: 67%\)"):
        estimate_noise(uneven, HeldOut(np.arange(210), scores))


def test_too_few_labels_are_refused():
    data = load_data({**SMALL, "train": 14, "validation": 14}, {"ratio": 0.0})
    few = replace(data, labels={**data.labels, "emotion": np.where(np.arange(42) < 30, -1, data.labels["emotion"])})
    with pytest.raises(EstimateError, match=r"too few labels of emotion .* or more; labelled classes: 0"):
        check_labels(few)


def test_classes_with_too_few_labels_are_named_with_how_many_they_have():
    data = load_data({**SMALL, "train": 14, "validation": 14}, {"ratio": 0.0})
    given = np.full(42, -1)
    given[data.dataset.splits["train"][:6]] = [0, 0, 0, 1, 2, 2]
    few = replace(data, labels={**data.labels, "emotion": given})
    with pytest.raises(EstimateError, match="each with 3 labels or more; too few have happy 1, sad 2"):
        check_labels(few)
