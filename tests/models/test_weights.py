"""Starting from VGG-16 weights: both layouts, every tensor accounted for, matching input, no code run."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fer_tune import ModelSpec, Trainer, TrainingSpec, load_data
from fer_tune.models.encoder import Encoder
from fer_tune.models.weights import TORCHVISION_NUMBERS, VGG_FACE_NAMES, WeightsError, load_convolutions
from tests.support.weights import SHAPES, torchvision_names, vgg_face_weights


@pytest.fixture(scope="module")
def tensors():
    return vgg_face_weights()


LAYOUTS = {
    "vgg face": lambda t: {**t, "fc6.weight": torch.zeros(3, 3), "fc8.bias": torch.zeros(3)},
    "torchvision": lambda t: {**torchvision_names(t), "classifier.0.weight": torch.zeros(3, 3)},
    "nested": lambda t: {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in t.items()}},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_convolution_is_copied_from_either_layout(tmp_path, tensors, layout):
    torch.save(LAYOUTS[layout](tensors), tmp_path / "weights.pt")
    encoder = Encoder(32, 9)
    left = load_convolutions(encoder, tmp_path / "weights.pt")
    convolutions = [layer for layer in encoder.convolutions if isinstance(layer, torch.nn.Conv2d)]
    for name, layer in zip(VGG_FACE_NAMES, convolutions, strict=True):
        assert torch.equal(layer.weight, tensors[f"{name}.weight"])
        assert torch.equal(layer.bias, tensors[f"{name}.bias"])
    unused = {"vgg face": ["fc6.weight", "fc8.bias"], "torchvision": ["classifier.0.weight"], "nested": []}
    assert left == unused[layout]


def test_torchvisions_own_vgg16_fits():
    from torchvision.models import vgg16

    with torch.device("meta"):  # shapes alone
        network = vgg16(weights=None)
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items() if k.startswith("features")}
    assert shapes == {
        f"features.{n}.weight": SHAPES[m] for n, m in zip(TORCHVISION_NUMBERS, VGG_FACE_NAMES, strict=True)
    } | {f"features.{n}.bias": SHAPES[m][:1] for n, m in zip(TORCHVISION_NUMBERS, VGG_FACE_NAMES, strict=True)}


class Evil:
    def __reduce__(self):
        return Path.write_text, (Path(Evil.target), "was here")


def without(key):
    return lambda t: {k: v for k, v in t.items() if k != key}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without("conv3_2.bias"), r"conv3_2.bias \(or features.12.bias\) is missing"),
        (
            lambda t: {**t, "conv1_1.weight": torch.zeros(8, 3, 3, 3)},
            r"conv1_1.weight is \(8, 3, 3, 3\), .*\(64, 3, 3, 3\)",
        ),
        (lambda t: {**t, "attention.weight": torch.zeros(3)}, "attention.weight is not part of a VGG-16"),
        (lambda t: {}, "; and 20 more"),
        (lambda t: [1, 2], "is not a state dict"),
        (lambda t: {"conv1_1.weight": Evil()}, "cannot be loaded as weights only"),
    ],
)
def test_what_does_not_fit_is_listed_and_nothing_is_run(tmp_path, tensors, spoil, message):
    Evil.target = str(tmp_path / "pwned")
    torch.save(spoil(tensors), tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=message):
        load_convolutions(Encoder(32, 9), tmp_path / "weights.pt")
    assert not (tmp_path / "pwned").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        load_convolutions(Encoder(32, 9), tmp_path / "nowhere.pt")


def test_images_are_fed_in_the_order_and_scale_that_the_weights_expect():
    pixels = np.array([10, 20, 30], dtype=np.uint8)[:, None, None] * np.ones((3, 32, 32), dtype=np.uint8)
    images = torch.from_numpy(pixels[None]).float() / 127.5 - 1
    face = Encoder(32, 9, width=0.125, input="vgg_face").prepare(images)[0, :, 0, 0]
    assert face.tolist() == pytest.approx([30 - 93.594, 20 - 104.7624, 10 - 129.1863], abs=1e-3)
    net = Encoder(32, 9, width=0.125, input="imagenet").prepare(images)[0, :, 0, 0]
    expected = [
        (v / 255 - m) / s for v, m, s in zip((10, 20, 30), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    ]
    assert net.tolist() == pytest.approx(expected, abs=1e-4)


def test_a_trainer_starts_from_the_file_and_continues_from_its_own_state(tmp_path, tensors):
    torch.save(tensors, tmp_path / "weights.pt")
    data = load_data({"kind": "synthetic", "train": 14, "validation": 14, "test": 14})
    model = ModelSpec(encoder_weights=str(tmp_path / "weights.pt"), encoder_input="vgg_face")
    trainer = Trainer(data, model, TrainingSpec(lam=0.0))
    assert torch.equal(trainer.encoder.convolutions[0].weight.cpu(), tensors["conv1_1.weight"])
    assert not any("input_" in name for name in trainer.state_dict()["networks"]["encoder"])


@pytest.mark.parametrize(
    "settings", [{"encoder_weights": "f"}, {"encoder_weights": "f", "encoder_input": "imagenet", "width": 0.5}]
)
def test_weights_without_their_input_or_at_another_width_are_refused(settings):
    with pytest.raises(ValueError, match="encoder_weights"):
        ModelSpec(**settings)
