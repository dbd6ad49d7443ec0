"""What a trial trains on: targets, gaps in the labels, and counts of wrong labels."""

from dataclasses import replace

import numpy as np
import pytest

from fer_tune import load_data
from fer_tune.data.noisy import NoisyData
from tests.support import folders


def test_targets_hold_classes_as_one_hot_and_values_as_they_are(data):
    assert data.targets.shape == (120, 9)
    assert data.targets.dtype == np.float32
    assert (data.targets[:, :7].argmax(axis=1) == data.labels["emotion"]).all()
    assert (data.targets[:, :7].sum(axis=1) == 1).all()
    assert (data.targets[:, 7:] == data.labels["affect"]).all()


def test_a_sample_without_a_label_enters_the_game_with_the_row_of_another_of_its_split(tmp_path):
    data = load_data(folders.write_manifest(tmp_path), {"ratio": 0.3})
    lacking = np.isnan(data.targets).any(axis=1)
    assert not data.complete
    assert 0.2 < lacking.mean() < 0.5
    assert (data.game_inputs[~lacking] == data.targets[~lacking]).all()
    for split in ("train", "validation"):
        members = data.dataset.splits[split]
        whole = data.targets[members[~lacking[members]]]
        for row in data.game_inputs[members[lacking[members]]]:
            assert (whole == row).all(axis=1).any()


def test_the_game_needs_a_sample_with_every_label(data):
    labels = {**data.labels, "affect": np.full_like(data.labels["affect"], np.nan)}
    with pytest.raises(ValueError, match="no train sample has every label"):
        _ = NoisyData(data.dataset, labels).game_inputs


def test_given_counts_compare_training_labels_with_the_known_classes(data):
    train = data.dataset.splits["train"]
    truth, given = data.dataset.labels["emotion"][train], data.labels["emotion"][train]
    assert data.given_counts.sum() == len(train)
    assert data.given_counts[2, 5] == ((truth == 2) & (given == 5)).sum()
    assert np.trace(data.given_counts) == (truth == given).sum()
    assert NoisyData(data.dataset, data.dataset.labels).given_counts is None
    known = replace(data.dataset, known={"emotion": np.full(120, -1)})
    assert NoisyData(known, data.labels).given_counts is None
