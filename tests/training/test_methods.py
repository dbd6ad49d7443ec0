"""The systems compared: what they share, what each does differently."""

import math

import pytest
import torch

from fer_tune import load_data
from fer_tune.training.methods import build_trainer
from tests.support import folders
from tests.support.training import MODEL, assert_same_rows, run_epochs, settings


def test_multitask_is_the_joint_method_at_lambda_zero_bit_for_bit(data):
    multitask = build_trainer(data, MODEL, settings(method="multitask"), 1)
    joint = build_trainer(data, MODEL, settings(**{"lambda": 0.0}), 1)
    assert_same_rows(run_epochs(multitask, 2), run_epochs(joint, 2))


def test_gce_trains_with_its_own_loss_on_the_same_batches(data):
    gce, plain = (build_trainer(data, MODEL, settings(method=m), 1) for m in ("gce", "multitask"))
    assert torch.equal(next(gce.batches.epoch()), next(plain.batches.epoch()))
    assert 0 < gce.run_epoch()["cross_entropy"] < 1 / 0.7 < plain.run_epoch()["cross_entropy"]


@pytest.mark.parametrize("method", ["coteaching", "gce"])
def test_a_continued_run_of_any_method_equals_an_uninterrupted_one(data, method):
    training = settings(method=method, forget_rate=0.4)
    whole = run_epochs(build_trainer(data, MODEL, training), 3)
    first = build_trainer(data, MODEL, training)
    begun = run_epochs(first, 1)
    second = build_trainer(data, MODEL, training)
    second.load_state_dict(first.state_dict())
    assert_same_rows(begun + run_epochs(second, 2), whole)


@pytest.mark.parametrize("method", ["joint", "multitask", "coteaching", "gce"])
@pytest.mark.parametrize("majority", [False, True])
def test_every_method_trains_on_labels_with_gaps_and_several_annotators(tmp_path, method, majority):
    data = load_data(folders.write_manifest(tmp_path), {"ratio": 0.3}, majority=majority)
    lam = {"lambda": 0.4} if method == "joint" else {}
    row = build_trainer(data, MODEL, settings(method=method, forget_rate=0.3, batch_size=16, **lam)).run_epoch()
    assert math.isfinite(row["task_loss"])
    assert math.isfinite(row["val_accuracy"])
    assert ("val_accuracy_second" in row) == (not majority and method != "coteaching")
    assert math.isfinite(row["generator_joint_loss"]) == (method == "joint")


@pytest.mark.parametrize("method", ["multitask", "coteaching"])
def test_a_batch_without_any_label_changes_nothing_and_breaks_nothing(tmp_path, method):
    rows = [row | {"label": "", "label_b": "", "valence": "", "arousal": ""} for row in folders.manifest_rows()]
    for i in range(1, 60, 5):
        rows[i] = folders.manifest_rows()[i]
    data = load_data(folders.write_manifest(tmp_path, rows))
    trainer = build_trainer(data, MODEL, settings(method=method, forget_rate=0.3, batch_size=2))
    assert math.isfinite(trainer.run_epoch()["task_loss"])


def test_the_majority_of_three_is_right_more_often_than_each(tmp_path):
    spec = folders.write_cifar10(tmp_path, each=300)
    noise = {"ratios": {"annotator_1": 0.2, "annotator_2": 0.3, "annotator_3": 0.4}}
    each, voted = load_data(spec, noise), load_data(spec, noise, majority=True)
    train = each.dataset.splits["train"]
    truth = each.dataset.labels["annotator_1"][train]
    assert [s.name for s in voted.label_sets] == ["annotator_1"]
    wrong = (voted.labels["annotator_1"][train] != truth).mean()
    assert wrong < (each.labels["annotator_1"][train] != truth).mean() - 0.03
    test = each.dataset.splits["test"]
    assert (voted.labels["annotator_1"][test] == each.dataset.labels["annotator_1"][test]).all()
