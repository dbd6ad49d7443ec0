"""The game: its schedule, what it measures, and that it continues bit for bit."""

import io
import math

import pytest
import torch

from fer_tune import ModelSpec, Trainer, TrainingSpec, load_data
from fer_tune.data.labels import EMOTIONS, FACE_LABELS
from fer_tune.training.batches import class_weights
from fer_tune.training.trainer import Diverged
from tests.support.training import MODEL, assert_same_rows, exactly, networks_moved, run_epochs, timeless

SIXTEEN = torch.arange(16)


def generator_update(trainer):
    """One generator update on sixteen training images: its pairs, detached, and what it reports."""
    labels = trainer.batches.game_labels(SIXTEEN)
    pairs = trainer.make_pairs(trainer.batches.images(SIXTEEN), labels)
    return pairs.detach(), trainer.generator_update(pairs, labels)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_continued_run_equals_uninterrupted_run_bit_for_bit(data, training, precision):
    training = training.model_copy(update={"warmup_epochs": 1, "precision": precision})
    whole = Trainer(data, MODEL, training, seed=3)
    expected = run_epochs(whole, 3)
    first = Trainer(data, MODEL, training, seed=3)
    rows = run_epochs(first, 2)
    buffer = io.BytesIO()
    torch.save(first.state_dict(), buffer)
    torch.manual_seed(999)
    second = Trainer(data, MODEL, training, seed=3)
    second.load_state_dict(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    assert_same_rows(rows + run_epochs(second, 1), expected)
    assert math.isfinite(expected[2]["generator_joint_loss"])
    assert second.averaged.steps == whole.averaged.steps
    pairs = [(network, second.networks[name]) for name, network in whole.networks.items()]
    for one, other in [*pairs, (whole.averaged.encoder, second.averaged.encoder)]:
        for key, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[key]), key


def test_state_of_another_version_is_refused(data, training):
    trainer = Trainer(data, MODEL, training)
    with pytest.raises(ValueError, match="version 99"):
        trainer.load_state_dict({**trainer.state_dict(), "version": 99})


def test_lambda_zero_is_the_baseline_without_decoder_and_discriminator(data, training):
    trainer = Trainer(data, MODEL, training.model_copy(update={"lam": 0.0}))
    row = trainer.run_epoch()
    assert set(trainer.networks) == {"encoder"}
    assert set(trainer.optimisers) == {"generator"}
    missing = [name for name in row if "joint" in name or name.startswith(("score_", "discriminator_"))]
    assert len(missing) > 12
    assert all(math.isnan(row[name]) for name in missing)
    assert math.isfinite(row["task_loss"])


def test_runs_that_differ_in_lambda_see_the_same_start_batches_and_noise(data, training, monkeypatch):
    seen = {}
    for lam in (0.0, 0.2, 1.0):
        trainer = Trainer(data, MODEL, training.model_copy(update={"lam": lam, "warmup_epochs": 1}), seed=5)
        start = {k: v.clone() for k, v in trainer.encoder.state_dict().items()}
        batches = []
        step = trainer.train_step
        monkeypatch.setattr(trainer, "train_step", lambda i, p, s=step, b=batches: (b.append(i.tolist()), s(i, p))[1])
        rows = [timeless(trainer.run_epoch()), trainer.run_epoch()]
        augmentation = trainer.generators["augmentation"].get_state()
        seen[lam] = start, batches, rows[0]["task_loss"], augmentation
    for lam in (0.2, 1.0):
        assert all(torch.equal(v, seen[0.0][0][k]) for k, v in seen[lam][0].items())
        assert seen[lam][1:3] == seen[0.0][1:3]
        assert torch.equal(seen[lam][3], seen[0.0][3])
    assert sorted(i for batch in seen[0.0][1][:2] for i in batch) == data.dataset.splits["train"].tolist()
    assert seen[0.0][1][:2] != seen[0.0][1][2:]


def test_seeds_differ(data, training):
    rows = [timeless(Trainer(data, MODEL, training, seed=s).run_epoch()) for s in (0, 0, 1)]
    assert rows[0] == exactly(rows[1])
    assert rows[0] != exactly(rows[2])


def test_warm_up_trains_the_encoder_alone(data, training):
    trainer = Trainer(data, MODEL, training.model_copy(update={"warmup_epochs": 1}))
    row, moved = networks_moved(trainer, trainer.run_epoch)
    assert moved == {"encoder"}
    assert math.isnan(row["generator_joint_loss"])
    assert math.isfinite(trainer.run_epoch()["generator_joint_loss"])


def test_an_epoch_reports_everything(data, training):
    trainer = Trainer(data, MODEL, training)
    first, second = trainer.run_epoch(), trainer.run_epoch()
    assert math.isnan(first["prediction_changes"])
    missing = [name for name, value in second.items() if not math.isfinite(value)]
    assert missing == []
    scores = ("image", "noise", "emotion", "affect", "joint")
    expected = {"cross_entropy", "ccc_loss", "task_loss", "generator_joint_loss", "discriminator_joint_loss"}
    expected |= {f"{side}_{s}" for s in scores for side in ("score_real", "score_generated", "discriminator_accuracy")}
    quality = ("accuracy", "mean_class_accuracy", "macro_f1", "ccc")
    quality += tuple(f"recall_{emotion}" for emotion in EMOTIONS)
    quality += tuple(f"{m}_{value}" for m in ("ccc", "rmse", "sign") for value in ("valence", "arousal"))
    expected |= {f"{split}_{m}" for split in ("val", "test") for m in quality}
    expected |= {"val_dmi", "val_peer_accuracy", "val_top_share", "prediction_changes", "susceptibility"}
    expected |= {"seconds", "images_per_second"}
    assert set(second) == expected
    assert all(0 <= second[f"discriminator_accuracy_{s}"] <= 1 for s in scores)


def test_generator_update_moves_only_encoder_and_decoder_and_d_update_only_d(data, training):
    trainer = Trainer(data, MODEL, training)
    (pairs, report), moved = networks_moved(trainer, lambda: generator_update(trainer))
    assert moved == {"encoder", "decoder"}
    assert not any(t.requires_grad for t in pairs)
    first, moved = networks_moved(trainer, lambda: trainer.discriminator_update(pairs))
    assert moved == {"discriminator"}
    second = trainer.discriminator_update(pairs)
    assert second["discriminator_joint_loss"] < first["discriminator_joint_loss"]
    assert set(report) == {"cross_entropy", "ccc_loss", "task_loss", "generator_joint_loss"}


@pytest.mark.parametrize(("lam", "gamma"), [(0.5, 1.0), (2.0, 1.0), (0.5, 3.0)])
def test_encoder_and_decoder_minimise_task_loss_plus_lambda_joint_loss(data, training, monkeypatch, lam, gamma):
    trainer = Trainer(data, MODEL, training.model_copy(update={"lam": lam, "gamma": gamma}))
    minimised = {}
    monkeypatch.setattr(trainer, "descend", lambda name, loss: minimised.update({name: loss.item()}))
    _, report = generator_update(trainer)
    assert report["ccc_loss"] > 0.5
    assert abs(report["generator_joint_loss"]) > 1e-3
    task = report["cross_entropy"] + gamma * report["ccc_loss"]
    expected = task + lam * report["generator_joint_loss"]
    assert minimised["generator"] == pytest.approx(expected.item(), rel=1e-6)
    assert report["task_loss"].item() == pytest.approx(task.item(), rel=1e-6)


@pytest.mark.parametrize(("order", "updates"), [("discriminator_first", "DDG"), ("generator_first", "GDD")])
def test_one_iteration_is_three_updates_on_the_same_pairs(data, training, monkeypatch, order, updates):
    trainer = Trainer(data, MODEL, training.model_copy(update={"order": order}))
    calls, made = [], []
    make, generate, judge = trainer.make_pairs, trainer.generator_update, trainer.discriminator_update

    def making(images, labels):
        made.append(make(images, labels))
        return made[-1]

    def generating(pairs, targets):
        calls.append(("G", pairs, generate(pairs, targets)))
        return calls[-1][2]

    def judging(pairs):
        calls.append(("D", pairs, judge(pairs)))
        return calls[-1][2]

    monkeypatch.setattr(trainer, "make_pairs", making)
    monkeypatch.setattr(trainer, "generator_update", generating)
    monkeypatch.setattr(trainer, "discriminator_update", judging)
    report = trainer.train_step(torch.arange(32), True)
    assert "".join(call[0] for call in calls) == updates
    (pairs,) = made
    for _, seen, _ in calls:
        assert all(torch.equal(one, other) for one, other in zip(seen, pairs, strict=True))
    (generated,) = (call[2] for call in calls if call[0] == "G")
    first, second = (call[2]["discriminator_joint_loss"] for call in calls if call[0] == "D")
    assert report["generator_joint_loss"] == generated["generator_joint_loss"]
    assert report["discriminator_joint_loss"] == second
    assert second != first


def test_a_state_loaded_onto_another_device_goes_back_to_where_its_parts_belong(data, training):
    trainer = Trainer(data, MODEL, training)
    trainer.run_epoch()
    state = trainer.state_dict()
    seen = []

    class Elsewhere(torch.Tensor):
        def cpu(self):
            seen.append(self)
            return super().cpu().as_subclass(torch.Tensor)

    state["generators"] = {name: value.as_subclass(Elsewhere) for name, value in state["generators"].items()}
    state["train_classes"] = state["train_classes"].as_subclass(Elsewhere)
    trainer.load_state_dict(state)
    assert len(seen) == len(state["generators"]) + 1


@pytest.mark.parametrize(("case", "size", "features"), [("faces", 64, 500), ("small", 32, 512)])
def test_joint_losses_at_the_start_are_those_of_the_paper(case, size, features):
    data = load_data({"kind": "synthetic", "image_size": size, "train": 16, "validation": 14, "test": 14})
    trainer = Trainer(data, ModelSpec(features=features), TrainingSpec(lam=1.0, batch_size=16), seed=1)
    pairs, report = generator_update(trainer)
    assert abs(report["generator_joint_loss"]) < 0.1
    assert 1.9 < trainer.discriminator_update(pairs)["discriminator_joint_loss"] < 2.1


def test_score_weights_scale_the_joint_losses(data, training):
    def losses(weights):
        trainer = Trainer(data, MODEL, training.model_copy(update={"score_weights": weights}))
        return generator_update(trainer)[1]["generator_joint_loss"].item()

    names = ("image", "noise", "emotion", "affect", "joint")
    assert losses(dict.fromkeys(names, 2.0)) == pytest.approx(2 * losses({}), rel=1e-5)
    parts = [losses({n: float(n == name) for n in names}) for name in names]
    assert sum(parts) == pytest.approx(losses({}), rel=1e-4, abs=1e-6)


def test_only_a_balanced_loss_weights_the_classes(data, training):
    balanced = Trainer(data, MODEL, training.model_copy(update={"balance": "loss"}))
    assert list(balanced.class_weights) == ["emotion"]
    assert torch.equal(balanced.class_weights["emotion"], class_weights(data, FACE_LABELS[0]))
    for balance in ("none", "sampling"):
        assert Trainer(data, MODEL, training.model_copy(update={"balance": balance})).class_weights == {}


def test_unknown_score_weight_is_refused(data, training):
    with pytest.raises(ValueError, match="imge"):
        Trainer(data, MODEL, training.model_copy(update={"score_weights": {"imge": 2.0}}))


def test_a_loss_that_is_not_finite_ends_the_run_by_name(data, training):
    trainer = Trainer(data, MODEL, training)
    with torch.no_grad():
        trainer.encoder.labels.weight.fill_(math.nan)
    with pytest.raises(Diverged, match="cross_entropy is not finite in epoch 1"):
        trainer.run_epoch()


def test_a_loss_that_is_not_finite_ends_the_run_within_a_few_steps(data, training, monkeypatch):
    monkeypatch.setattr("fer_tune.training.trainer.CHECK_EVERY", 1)
    trainer = Trainer(data, MODEL, training.model_copy(update={"batch_size": 8}))
    steps, step = [], trainer.train_step
    monkeypatch.setattr(trainer, "train_step", lambda *a: (steps.append(a), step(*a))[1])
    with torch.no_grad():
        trainer.encoder.labels.weight.fill_(math.inf)
    with pytest.raises(Diverged):
        trainer.run_epoch()
    assert len(steps) == 1


def test_a_saturated_game_ends_the_run(data, training, monkeypatch):
    trainer = Trainer(data, MODEL, training)
    score = trainer.discriminator.score
    sides = torch.cat([torch.full((32, 5), 9.0), torch.full((32, 5), -9.0)])
    monkeypatch.setattr(trainer.discriminator, "score", lambda *a: 0 * score(*a) + sides)
    with pytest.raises(Diverged, match="discriminator_joint_loss is 0: every score is saturated in epoch 1"):
        trainer.run_epoch()


def test_training_learns_the_faces():
    data = load_data({"kind": "synthetic", "train": 700, "validation": 14, "test": 140})
    rows = run_epochs(Trainer(data, MODEL, TrainingSpec(lam=0.0, lr=2e-3, batch_size=32, augment=False)), 10)
    assert rows[-1]["test_accuracy"] > 0.35
    assert rows[-1]["task_loss"] < rows[0]["task_loss"] - 0.3
