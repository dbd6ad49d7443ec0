"""Labels that are probably wrong, where the truth is known."""

from dataclasses import replace

import numpy as np

from fer_tune.data.labels import FACE_LABELS, LabelSet
from fer_tune.data.loading import load_data
from fer_tune.training.held_out import held_out_scores
from fer_tune.training.suspects import find_suspects

FACES = {"kind": "synthetic", "train": 500, "validation": 200, "test": 14}


def shares_right(data, found):
    """How many suspects are wrong labels, and of how many the likely class is the true one."""
    truth = data.dataset.labels["emotion"]
    return (
        np.mean([truth[one.sample] != one.given for one in found]),
        np.mean([truth[one.sample] == one.likely for one in found]),
    )


def test_wrong_labels_are_named_worst_first():
    data = load_data(FACES, {"ratio": 0.3}, seed=4)
    found = find_suspects(data, held_out_scores(data))
    wrong, named = shares_right(data, found)
    assert wrong > 0.9
    assert named > 0.8
    assert shares_right(data, found[:50])[0] == 1
    assert len(found) > 0.75 * 0.3 * 700
    probabilities = [one.probability for one in found]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(one.given == data.labels["emotion"][one.sample] != one.likely for one in found)
    assert {one.label_set for one in found} == {"emotion"}
    assert max(one.sample for one in found) < 700, "test labels are not judged"


def test_answers_of_annotators_are_judged_each_by_itself():
    first = FACE_LABELS[0]
    second, third = (LabelSet(name, "categorical", first.names) for name in ("second", "third"))
    draws = [load_data(FACES, {"ratio": ratio}, seed=seed) for seed, ratio in ((5, 0.1), (6, 0.2), (7, 0.4))]
    answers = [draw.labels["emotion"].copy() for draw in draws]
    answers[2][:300] = -1
    dataset = replace(draws[0].dataset, label_sets=(first, second, third))
    several = replace(draws[0], dataset=dataset, labels=dict(zip(("emotion", "second", "third"), answers, strict=True)))
    found = find_suspects(several, held_out_scores(several))
    wrong, named = shares_right(several, found)
    assert wrong > 0.95
    assert named > 0.9
    given = {name: [one for one in found if one.label_set == name] for name in ("emotion", "second", "third")}
    assert 40 < len(given["emotion"]) < 90 < len(given["second"]) < 160
    assert min(one.sample for one in given["third"]) >= 300


def test_right_labels_leave_hardly_a_suspect():
    data = load_data(FACES, seed=8)
    assert len(find_suspects(data, held_out_scores(data))) < 0.02 * 700
