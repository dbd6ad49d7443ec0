"""Cutting the validation set: shares, groups, and the same cut as ever."""

import numpy as np
import pytest

from fer_tune.data.splits import cut_validation, noisy_samples

INDICES, CLASSES = np.arange(20), np.arange(20) % 3
PEOPLE = np.array([f"p{i // 4}" for i in range(20)])


@pytest.mark.parametrize(
    ("groups", "validation"), [(None, [3, 13, 17]), (PEOPLE, [4, 5, 6, 7])], ids=["classes", "groups"]
)
def test_the_cut_is_that_of_earlier_versions(groups, validation):
    """It is part of the digest of data on disk: another cut would stop every study of files from being resumed."""
    train, chosen = cut_validation(INDICES, CLASSES, 0.2, 7, groups)
    assert chosen.tolist() == validation
    assert train.tolist() == [i for i in range(20) if i not in validation]


def test_each_class_gives_the_same_share_and_a_class_of_one_stays_in_training():
    classes = np.array([0] * 100 + [1] * 40 + [2] * 3 + [3])
    train, chosen = cut_validation(np.arange(144) + 1000, classes, 0.25, 0)
    assert np.bincount(classes[chosen - 1000], minlength=4).tolist() == [25, 10, 1, 0]
    assert sorted([*train, *chosen]) == list(range(1000, 1144))


def test_no_group_is_in_both_parts():
    train, chosen = cut_validation(INDICES, CLASSES, 0.3, 3, PEOPLE)
    assert not set(PEOPLE[train]) & set(PEOPLE[chosen])
    assert len(chosen) == 8


def test_noise_may_change_training_and_validation():
    splits = {"train": np.array([5, 1]), "validation": np.array([3]), "test": np.array([0])}
    assert noisy_samples(splits) == [1, 3, 5]
