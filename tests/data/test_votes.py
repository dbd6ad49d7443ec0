"""Majority votes: who votes, ties, and what is not voted on."""

import numpy as np
import pytest

from fer_tune import load_data
from fer_tune.data.labels import LabelSet
from fer_tune.data.votes import clear_winners, majority_sets, voting_sets
from tests.support import folders

FIRST, SECOND = (LabelSet(name, "categorical", ("a", "b", "c")) for name in ("first", "second"))
OTHER = LabelSet("other", "categorical", ("a", "b"))
VALUES = LabelSet("values", "continuous", ("x",))


def test_sets_with_the_classes_of_the_first_vote_and_become_one():
    assert voting_sets((VALUES, FIRST, OTHER, SECOND)) == (FIRST, SECOND)
    assert majority_sets((VALUES, FIRST, OTHER, SECOND)) == (VALUES, FIRST, OTHER)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_vote_leaves_test_labels_as_they_are(tmp_path, seed):
    settings = folders.write_manifest(tmp_path)
    each, voted = (load_data(settings, {"ratio": 0.3}, seed, majority=m) for m in (False, True))
    test = each.dataset.splits["test"]
    assert (voted.labels["emotion"][test] == each.dataset.labels["emotion"][test]).all()


def test_most_votes_win_and_a_tie_goes_to_one_of_the_tied(tmp_path):
    settings = {**folders.write_cifar10(tmp_path), "annotators": 3}
    each, voted = (load_data(settings, {"ratio": 0.4}, 1, majority=m) for m in (False, True))
    answers = np.stack([each.labels[f"annotator_{i}"] for i in (1, 2, 3)], axis=1)
    train = each.dataset.splits["train"]
    for row, winner in zip(answers[train].tolist(), voted.labels["annotator_1"][train].tolist(), strict=True):
        assert row.count(winner) == max(map(row.count, row))


def test_without_votes_and_in_a_tie_there_is_no_clear_winner():
    votes = np.array([[3, 1, 0], [0, 0, 2], [1, 1, 0], [0, 0, 0]])
    assert clear_winners(votes).tolist() == [0, 2, -1, -1]
