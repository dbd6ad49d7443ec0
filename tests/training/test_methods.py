"""The systems compared: what each loss is, what Co-teaching keeps, and that they share what they must."""

import math

import numpy as np
import pytest
import torch

from fer_tune import ModelSpec, Trainer, TrainingSpec, load_data
from fer_tune.training.losses import cross_entropy, generalised_cross_entropy, task_losses
from fer_tune.training.methods import CoTeacher, build_trainer
from tests.support import folders

MODEL = ModelSpec(width=0.125, encoder_norm="batch")
CLOCK = ("seconds", "images_per_second")


def settings(**changes):
    return TrainingSpec.model_validate({"lr": 1e-3, "epochs": 3, "batch_size": 32, **changes})


def rows(trainer, epochs):
    return [{k: str(v) for k, v in trainer.run_epoch().items() if k not in CLOCK} for _ in range(epochs)]


def test_generalised_cross_entropy_lies_between_cross_entropy_and_absolute_error():
    outputs, classes = torch.randn(50, 7), torch.randint(0, 7, (50,))
    p = outputs.softmax(1)[torch.arange(50), classes]
    for q in (0.3, 0.7, 1.0):
        expected = float(((1 - p**q) / q).mean())
        assert generalised_cross_entropy(outputs, classes, q=q) == pytest.approx(expected, rel=1e-5)
    limit = float(cross_entropy(outputs, classes))
    assert generalised_cross_entropy(outputs, classes, q=1e-3) == pytest.approx(limit, rel=1e-2)
    weight = torch.arange(1.0, 8.0)
    weighed = (((1 - p**0.7) / 0.7) * weight[classes]).sum() / weight[classes].sum()
    assert generalised_cross_entropy(outputs, classes, weight) == pytest.approx(float(weighed), rel=1e-5)


def test_multitask_is_the_joint_method_at_lambda_zero_bit_for_bit(data):
    runs = [build_trainer(data, MODEL, settings(**s), 1) for s in ({"method": "multitask"}, {"lambda": 0.0})]
    assert rows(runs[0], 2) == rows(runs[1], 2)


def test_gce_trains_with_its_own_loss_on_the_same_batches(data):
    gce, plain = (build_trainer(data, MODEL, settings(method=m), 1) for m in ("gce", "multitask"))
    first = next(iter(gce._batches())), next(iter(plain._batches()))
    assert (first[0] == first[1]).all()
    own, theirs = gce.run_epoch(), plain.run_epoch()
    assert 0 < own["cross_entropy"] < 1 / 0.7 < theirs["cross_entropy"]


def test_another_method_with_a_lambda_is_refused():
    with pytest.raises(ValueError, match="plays no joint game"):
        settings(method="gce", **{"lambda": 0.4})


@pytest.mark.parametrize(("epoch", "kept"), [(1, 0.96), (5, 0.8), (10, 0.6), (30, 0.6)])
def test_coteaching_keeps_less_and_less_down_to_what_is_clean(data, epoch, kept):
    trainer = build_trainer(data, MODEL, settings(method="coteaching", forget_rate=0.4))
    trainer.epoch = epoch
    assert isinstance(trainer, CoTeacher) and trainer.kept == pytest.approx(kept)
    assert [s.name for s in trainer.label_sets] == ["emotion"]


def test_each_coteacher_learns_from_what_the_other_finds_easy(data, monkeypatch):
    trainer = build_trainer(data, MODEL, settings(method="coteaching", forget_rate=0.5))
    trainer.epoch = 10
    images, labels = trainer._images(np.arange(8)), trainer.targets[:8]
    easy = {"encoder": torch.tensor([0, 1, 2, 3]), "peer": torch.tensor([2, 3, 4, 5])}
    classes = labels.argmax(1)
    outputs = {}
    for name, network in (("encoder", trainer.encoder), ("peer", trainer.peer)):
        raw = torch.zeros(8, 7, requires_grad=True)
        with torch.no_grad():
            raw[easy[name], classes[easy[name]]] = 5.0
        outputs[name] = raw
        monkeypatch.setattr(network, "forward", lambda *_, raw=raw: type("Out", (), {"labels": raw})())
    trainer.task_update(images, labels)
    assert outputs["encoder"].grad.abs().sum(1).nonzero()[:, 0].tolist() == [2, 3, 4, 5]
    assert outputs["peer"].grad.abs().sum(1).nonzero()[:, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("method", ["coteaching", "gce"])
def test_a_continued_run_of_any_method_equals_an_uninterrupted_one(data, method):
    training = settings(method=method, forget_rate=0.4)
    whole = rows(build_trainer(data, MODEL, training), 3)
    first = build_trainer(data, MODEL, training)
    begun = rows(first, 1)
    second = build_trainer(data, MODEL, training)
    second.load_state_dict(first.state_dict())
    assert begun + rows(second, 2) == whole


def test_coteaching_without_a_rate_is_refused(data):
    with pytest.raises(ValueError, match="needs training"):
        build_trainer(data, MODEL, settings(method="coteaching"))


@pytest.fixture(scope="module")
def uneven():
    spec = {"kind": "synthetic", "train": 700, "validation": 14, "test": 14, "class_prior": "raf"}
    return load_data(spec, {"ratio": 0.0}, 0)


def test_balanced_sampling_draws_every_class_equally_often(uneven):
    trainer = Trainer(uneven, MODEL, settings(balance="sampling", **{"lambda": 0.0}))
    drawn = torch.cat([i for _ in range(10) for i in trainer._batches()])
    shares = np.bincount(uneven.labels["emotion"][drawn], minlength=7) / len(drawn)
    assert shares == pytest.approx(np.full(7, 1 / 7), abs=0.02)


def test_balanced_loss_gives_every_class_the_same_weight_in_all(uneven):
    weight = Trainer(uneven, MODEL, settings(balance="loss", **{"lambda": 0.0})).class_weights["emotion"]
    counts = np.bincount(uneven.labels["emotion"][uneven.dataset.splits["train"]], minlength=7)
    assert weight.numpy() * counts == pytest.approx(np.full(7, 100.0), rel=1e-5)


@pytest.mark.parametrize("method", ["joint", "multitask", "coteaching", "gce"])
@pytest.mark.parametrize("majority", [False, True])
def test_every_method_trains_on_labels_with_gaps_and_several_annotators(tmp_path, method, majority):
    data = load_data(folders.write_manifest(tmp_path), {"ratio": 0.3}, majority=majority)
    lam = {"lambda": 0.4} if method == "joint" else {}
    row = build_trainer(data, MODEL, settings(method=method, forget_rate=0.3, batch_size=16, **lam)).run_epoch()
    assert math.isfinite(row["task_loss"]) and math.isfinite(row["val_accuracy"])
    assert ("val_accuracy_second" in row) == (not majority and method != "coteaching")
    assert math.isfinite(row["generator_joint_loss"]) == (method == "joint")


def test_a_missing_label_pulls_at_nothing():
    sets = load_data({"kind": "synthetic", "train": 14, "validation": 14, "test": 14}).label_sets
    outputs = torch.randn(6, 9, requires_grad=True)
    labels = torch.cat([torch.eye(7)[:6], torch.rand(6, 2)], 1)
    labels[1, :7], labels[4, 7:] = math.nan, math.nan
    class_loss, ccc_loss = task_losses(outputs, labels, sets, missing=True)
    (class_loss + ccc_loss).backward()
    assert not outputs.grad[1, :7].any() and not outputs.grad[4, 7:].any() and torch.isfinite(outputs.grad).all()
    assert outputs.grad[4, :7].any() and outputs.grad[1, 7:].any()


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


@pytest.mark.parametrize("method", ["multitask", "coteaching"])
def test_a_batch_without_any_label_changes_nothing_and_breaks_nothing(tmp_path, method):
    rows = [row | {"label": "", "label_b": "", "valence": "", "arousal": ""} for row in folders.manifest_rows()]
    for i in range(1, 60, 5):
        rows[i] = folders.manifest_rows()[i]
    data = load_data(folders.write_manifest(tmp_path, rows))
    trainer = build_trainer(data, MODEL, settings(method=method, forget_rate=0.3, batch_size=2))
    assert math.isfinite(trainer.run_epoch()["task_loss"])
