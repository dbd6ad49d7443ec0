"""Encoders other than the paper's: torchvision's by name, and a module of one's own."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fer_tune import ModelSpec, Trainer, TrainingSpec, load_data
from fer_tune.models.backbones import count_features, draws, last_layer, torchvision_backbone
from fer_tune.models.encoder import Encoder, build_encoder, vgg_convolutions
from fer_tune.models.sizes import PAPER, SIZES
from fer_tune.models.weights import WeightsError, load_pretrained

SMALL = ("resnet18", "shufflenet_v2_x0_5", "mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf", "vit_b_32")


class Flat(nn.Module):
    """The paper's convolutions as somebody's own module."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = vgg_convolutions(0.125, "batch")

    def forward(self, images):
        return self.layers(images).flatten(1)


@pytest.fixture(scope="module")
def data():
    return load_data({"kind": "synthetic", "train": 64, "validation": 32, "test": 32, "image_size": 32}, {"ratio": 0.4})


def numbers(trainer):
    metrics = trainer.run_epoch()
    return {key: value for key, value in metrics.items() if key not in ("seconds", "images_per_second")}


def test_a_module_plays_the_same_game_as_the_built_in_encoder(data):
    training = TrainingSpec(lam=0.3, lr=1e-3, epochs=2, batch_size=16, average=0.9)
    own = Trainer(data, ModelSpec(width=0.125), training, backbone=Flat)
    built_in = Trainer(data, ModelSpec(width=0.125, encoder_norm="batch"), training)
    for _ in range(2):
        found, wanted = numbers(own), numbers(built_in)
        assert found == pytest.approx(wanted, abs=0, rel=0, nan_ok=True)
    for mine, theirs in zip(own.encoder.parameters(), built_in.encoder.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", SMALL)
def test_torchvisions_classifiers_give_features_of_their_last_layers_input(name):
    module = torchvision_backbone(name, 64)
    encoder = build_encoder(64, 9, ModelSpec(width=0.125, encoder=name))
    assert encoder.hidden1.in_features == count_features(module, 64)
    assert encoder.eval()(torch.zeros(2, 3, 64, 64)).labels.shape == (2, 9)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vit_b_32"])
def test_the_listed_sizes_are_those_of_the_networks(name):
    from torchvision.models import get_model

    with torch.device("meta"):
        network = get_model(name, weights=None).eval()
        counter = FlopCounterMode(display=False)
        with counter:
            network(torch.zeros(1, 3, 224, 224))
    assert counter.get_total_flops() / 1e9 == pytest.approx(SIZES[name].gflop, rel=0.01)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(SIZES[name].parameters, rel=0.01)


def test_every_listed_encoder_is_a_classifier_of_torchvision():
    from torchvision import models

    assert set(SIZES) - {PAPER} <= set(models.list_models(module=models))


def test_an_encoder_that_cannot_take_the_images_is_refused_by_name():
    with pytest.raises(ValueError, match="alexnet cannot take images of 32 x 32 pixels"):
        build_encoder(32, 9, ModelSpec(width=0.125, encoder="alexnet"))


@pytest.mark.parametrize("module", [nn.Conv2d(3, 4, 3), nn.Sequential(nn.Flatten(0))])
def test_a_module_without_features_is_refused(module):
    with pytest.raises(ValueError, match=r"must map images .* to features \(N, D\)"):
        Encoder(32, 9, backbone=lambda: module)


def test_asking_for_the_features_changes_nothing():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten())
    before, state = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    assert count_features(module, 32) == 4 * 30 * 30
    assert module.training
    assert torch.equal(torch.get_rng_state(), state)
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize(("name", "wanted"), [("resnet18", False), ("efficientnet_b0", True), ("vit_b_32", False)])
def test_layers_that_draw_are_found(name, wanted):
    assert draws(torchvision_backbone(name, 64)) is wanted


def test_what_a_backbone_draws_depends_on_the_seed_alone(data):
    training = TrainingSpec(lam=0.0, epochs=1, batch_size=32)
    results = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        trainer = Trainer(data, ModelSpec(width=0.125, encoder="efficientnet_b0"), training, seed=3)
        results.append(numbers(trainer))
    assert results[0] == pytest.approx(results[1], abs=0, rel=0, nan_ok=True)


def test_a_run_with_another_encoder_continues_from_its_state(data):
    training = TrainingSpec(lam=0.3, epochs=2, batch_size=32, optimiser="adamw", weight_decay=0.05, schedule="cosine")
    model = ModelSpec(width=0.125, encoder="shufflenet_v2_x0_5")
    whole = Trainer(data, model, training)
    whole.run_epoch()
    resumed = Trainer(data, model, training)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    assert numbers(resumed) == pytest.approx(numbers(whole), abs=0, rel=0, nan_ok=True)


def test_the_game_may_be_smaller_than_what_the_encoder_sees():
    data = load_data({"kind": "synthetic", "train": 32, "validation": 16, "test": 16, "image_size": 64}, {"ratio": 0.4})
    trainer = Trainer(data, ModelSpec(width=0.125, game_size=32), TrainingSpec(lam=0.3, batch_size=16))
    pairs = trainer.make_pairs(trainer.batches.images([0, 1]), trainer.batches.game_labels(torch.tensor([0, 1])))
    assert pairs.real_images.shape == pairs.generated_images.shape == (2, 3, 32, 32)
    assert trainer.run_epoch()["generator_joint_loss"] != 0


def classifier_weights(name):
    from torchvision.models import get_model

    torch.manual_seed(5)
    return get_model(name, weights=None).state_dict()


def test_torchvisions_weights_are_loaded_but_for_the_last_layer(tmp_path):
    weights = classifier_weights("shufflenet_v2_x0_5")
    torch.save(weights, tmp_path / "weights.pt")
    encoder = build_encoder(32, 9, ModelSpec(width=0.125, encoder="shufflenet_v2_x0_5"))
    assert load_pretrained(encoder, "shufflenet_v2_x0_5", tmp_path / "weights.pt") == ["fc.bias", "fc.weight"]
    for key, value in encoder.convolutions.state_dict().items():
        assert torch.equal(value, weights[key]), key


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: {k: v for k, v in w.items() if k != "conv5.0.weight"}, "conv5.0.weight is missing"),
        (lambda w: {**w, "conv1.0.weight": torch.zeros(2)}, r"conv1.0.weight is \(2,\), the encoder needs"),
        (lambda w: {**w, "attention.weight": torch.zeros(2)}, "attention.weight is not part of shufflenet_v2_x0_5"),
    ],
)
def test_weights_that_do_not_fit_are_listed(tmp_path, spoil, message):
    torch.save(spoil(classifier_weights("shufflenet_v2_x0_5")), tmp_path / "weights.pt")
    encoder = build_encoder(32, 9, ModelSpec(width=0.125, encoder="shufflenet_v2_x0_5"))
    with pytest.raises(WeightsError, match=message):
        load_pretrained(encoder, "shufflenet_v2_x0_5", tmp_path / "weights.pt")


def test_the_last_layer_has_a_name():
    assert last_layer("regnet_y_400mf") == "fc"
    assert last_layer("mobilenet_v3_small") == "classifier.3"
