"""Cutting the validation set: shares, groups, and the same cut as ever."""

import time

import numpy as np
import pytest

from fer_tune.data.splits import cut_validation, noisy_samples
from fer_tune.system.randomness import numpy_stream

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


def nearest_by_trying(sizes, wanted):
    """The smallest distance from `wanted` over all choices of groups but none and all of them."""
    sums = {0}
    for size in sizes:
        sums |= {s + size for s in sums}
    return min(abs(s - wanted) for s in sums - {0, sum(sizes)})


def cut_as_before(sizes, share, seed):
    """What earlier versions chose: groups in the drawn order until the share is reached."""
    names = np.array([f"p{k:03d}" for k in range(len(sizes))])
    wanted, chosen = share * sum(sizes), []
    for name in numpy_stream(seed, "validation").permutation(names):
        if sum(sizes[int(k[1:])] for k in chosen) >= wanted:
            break
        chosen.append(name)
    return set(chosen)


@pytest.mark.parametrize("seed", range(60))
def test_groups_come_as_near_to_the_share_as_possible_and_a_near_earlier_cut_is_kept(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, (3, 10, 60)[seed % 3], rng.integers(2, 25)).tolist()
    people = np.array([f"p{k:03d}" for k, size in enumerate(sizes) for _ in range(size)])
    total, share = len(people), (0.05, 0.1, 0.2, 0.5, 0.8)[seed % 5]
    train, chosen = cut_validation(np.arange(total), np.zeros(total), share, seed, people)
    assert min(len(train), len(chosen)) > 0
    assert sorted([*train, *chosen]) == list(range(total))
    moved = set(people[chosen])
    assert not moved & set(people[train])
    nearest = nearest_by_trying(sizes, share * total)
    assert abs(len(chosen) - share * total) <= nearest + 0.01 * total
    before = cut_as_before(sizes, share, seed)
    count = sum(sizes[int(name[1:])] for name in before)
    if count < total and abs(count - share * total) <= nearest + 0.01 * total:
        assert moved == before
    else:
        assert abs(len(chosen) - share * total) == pytest.approx(nearest)


def test_as_many_groups_stay_as_must():
    people = np.repeat(["a", "b", "c"], [1, 1, 8])
    assert len(set(people[cut_validation(np.arange(10), np.zeros(10), 0.2, 0, people, stay=2)[0]])) == 2
    with pytest.raises(ValueError, match="3 groups cannot be cut so that 3 stay"):
        cut_validation(np.arange(10), np.zeros(10), 0.2, 0, people, stay=3)


def test_many_groups_are_cut_fast():
    people = np.repeat(np.arange(20_001), [20_000, *[1] * 20_000])
    start = time.process_time()
    for seed in range(3):
        assert len(cut_validation(np.arange(40_000), np.zeros(40_000), 0.1, seed, people)[1]) == 4000
    assert time.process_time() - start < 5


def test_noise_may_change_training_and_validation():
    splits = {"train": np.array([5, 1]), "validation": np.array([3]), "test": np.array([0])}
    assert noisy_samples(splits) == [1, 3, 5]
