"""Scores of each image by all other labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.data.loading import load_data
from fer_tune.training import held_out
from fer_tune.training.held_out import (
    PENALTIES,
    core_seconds,
    held_out_scores,
    images_within,
    labels_key,
    leave_one_out,
)

FACES = load_data({"kind": "synthetic", "train": 280, "validation": 70, "test": 14}, {"ratio": 0.2}, seed=1)


def relabelled(data, changes):
    emotion = data.labels["emotion"].copy()
    for sample, given in changes.items():
        emotion[sample] = given
    return replace(data, labels={**data.labels, "emotion": emotion})


def test_leaving_a_row_out_in_closed_form_is_fitting_without_it():
    draw = torch.Generator().manual_seed(0)
    features, targets = torch.randn(60, 12, generator=draw), torch.randn(60, 2, generator=draw)
    targets = targets + features[:, :2] * 2
    features, centred = features - features.mean(dim=0), targets - targets.mean(dim=0)
    scores, weights, bias = leave_one_out(features, targets)
    penalty = PENALTIES[0]
    for i in (0, 17, 59):
        others = torch.arange(60) != i
        rows = features[others]
        refitted = torch.linalg.solve(rows.T @ rows + penalty * torch.eye(12), rows.T @ centred[others])
        torch.testing.assert_close(scores[i], features[i] @ refitted + bias, rtol=1e-3, atol=1e-4)
    assert weights.shape == (12, 2)


def test_scores_recognise_faces_although_a_fifth_of_the_labels_are_wrong():
    done = []
    found = held_out_scores(FACES, progress=lambda *counts: done.append(counts))
    assert found.samples.tolist() == list(range(350)), "training and validation, not test"
    right = found.scores.argmax(axis=1) == FACES.dataset.labels["emotion"][found.samples]
    assert right.mean() > 0.7
    assert done[-1] == (350, 350)
    assert done == sorted(done)
    np.testing.assert_array_equal(held_out_scores(FACES).scores, found.scores)


def test_an_images_own_label_does_not_move_its_score():
    """Leaving it out changes the mean of all labels by one in 350, and no more."""
    before = held_out_scores(FACES).scores
    after = held_out_scores(relabelled(FACES, {5: (FACES.labels["emotion"][5] + 3) % 7})).scores
    assert np.abs(after[5] - before[5]).max() < 0.01
    assert np.abs(after - before).max() > 0.001, "but that of others"


def test_what_is_not_fitted_is_predicted_by_what_is(monkeypatch):
    monkeypatch.setattr(held_out, "MOST_FITTED", 250)
    found = held_out_scores(FACES)
    right = found.scores.argmax(axis=1) == FACES.dataset.labels["emotion"][found.samples]
    assert len(found.samples) == 350
    assert right.mean() > 0.65
    assert np.isfinite(found.scores).all()


def test_a_sample_of_the_images_is_drawn_at_random():
    found = held_out_scores(FACES, most=100)
    assert len(found.samples) == 100
    assert (np.diff(found.samples) > 0).all()
    assert found.samples.max() > 280, "also of validation"


def test_several_annotators_share_one_label_and_those_without_any_are_left_out():
    first = FACE_LABELS[0]
    second = LabelSet("second", "categorical", first.names)
    answers = FACES.labels["emotion"].copy()
    answers[:20] = -1
    gaps = FACES.labels["emotion"].copy()
    gaps[10:30] = -1
    labels = {**FACES.labels, "emotion": gaps, "second": answers}
    several = replace(FACES, dataset=replace(FACES.dataset, label_sets=(first, second)), labels=labels)
    samples = held_out_scores(several).samples
    assert samples.tolist() == [*range(10), *range(20, 350)]


@pytest.mark.parametrize("changes", [{3: 0, 4: 0}, {300: -1}])
def test_the_key_names_images_and_labels(changes):
    assert labels_key(FACES) == labels_key(replace(FACES))
    assert labels_key(relabelled(FACES, changes)) != labels_key(FACES)


def test_test_labels_play_no_part():
    assert labels_key(relabelled(FACES, {355: 0, 356: 0})) == labels_key(FACES)


def test_images_within_a_budget_cost_no_more_than_it():
    assert core_seconds(images_within(60.0)) == pytest.approx(60.0, abs=0.01)
    assert images_within(0.1) == 0
