"""The encoder G_Y: an image's labels, and a noise vector for all else in it (Fig. 1a)."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_tune.models.backbones import Backbone, count_features, draws, seeded, torchvision_backbone
from fer_tune.models.layers import scaled
from fer_tune.models.sizes import PAPER
from fer_tune.models.spec import ModelSpec

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions
NOISE_SIZE = 100
Input = Literal["unit", "vgg_face", "imagenet"]
# Channel order; mean and deviation of 8-bit RGB values, applied before the channels are reordered.
INPUTS: Mapping[str, tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]]] = {
    "vgg_face": (
        (2, 1, 0),
        (129.1863, 104.7624, 93.5940),
        (1.0, 1.0, 1.0),
    ),  # Parkhi et al. 2015
    "imagenet": ((0, 1, 2), (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # torchvision's
}


class Encoding(NamedTuple):
    """The encoder's answer for N images."""

    labels: Tensor  # (N, sum of the label sets' sizes), raw outputs, no softmax
    mean: Tensor  # (N, 100)
    log_variance: Tensor  # (N, 100)


class Encoder(nn.Module):
    """VGG-16 convolutions, two hidden layers and three linear heads (supplement, section A).

    Another backbone may take the place of the convolutions.

    Args:
        image_size: S, at least 32.
        label_outputs: the sum of the label sets' sizes.
        features: F, the hidden layers' size at width 1 (500 for faces, 512 for CIFAR-10).
        width: factor on every hidden channel and feature count.
        norm: `none` is the paper's; `batch` puts batch normalisation between each convolution and its ReLU; without
            it narrow encoders stay at chance for many epochs.
        input: what the convolutions take: images in [-1, 1], or what pretrained weights expect.
        backbone: builds a module that maps images (N, 3, S, S) to features (N, D), in place of the convolutions;
            `width` then only scales the hidden layers, and `norm` has no effect.

    Raises ValueError for a backbone that gives something else.
    """

    def __init__(
        self,
        image_size: int,
        label_outputs: int,
        features: int = 500,
        width: float = 1.0,
        norm: Literal["none", "batch"] = "none",
        input: Input = "unit",
        backbone: Backbone | None = None,
    ) -> None:
        super().__init__()
        self.order: tuple[int, ...] = ()
        if input != "unit":
            self.order, mean, deviation = INPUTS[input]
            self.register_buffer("input_mean", torch.tensor(mean)[:, None, None], persistent=False)
            self.register_buffer("input_deviation", torch.tensor(deviation)[:, None, None], persistent=False)
        hidden = scaled(features, width)
        self.convolutions = vgg_convolutions(width, norm) if backbone is None else backbone()
        self.draws = backbone is not None and draws(self.convolutions)
        inputs = scaled(BLOCKS[-1][0], width) * math.ceil(image_size / 32) ** 2
        inputs = inputs if backbone is None else count_features(self.convolutions, image_size)
        self.hidden1 = nn.Linear(inputs, hidden)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.mean = nn.Linear(hidden, NOISE_SIZE)
        self.log_variance = nn.Linear(hidden, NOISE_SIZE)
        self.labels = nn.Linear(hidden, label_outputs)

    def forward(self, images: Tensor, generator: torch.Generator | None = None) -> Encoding:
        """Encode images, (N, 3, S, S) in [-1, 1]. In training `generator` draws the two dropout masks."""
        h = self._features(self.prepare(images), generator)
        h = self._dropout(F.relu(self.hidden1(h)), generator)
        h = self._dropout(F.relu(self.hidden2(h)), generator)
        return Encoding(self.labels(h), self.mean(h), self.log_variance(h))

    def _features(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """Features (N, D) of prepared images; what a backbone draws comes from `generator`."""
        if self.draws and self.training and generator is not None:
            with seeded(generator):
                return self.convolutions(images).flatten(1)
        features: Tensor = self.convolutions(images).flatten(1)
        return features

    def prepare(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S), RGB in [-1, 1], in the channel order and scale that the convolutions expect."""
        if not self.order:
            return images
        mean, deviation = self.get_buffer("input_mean"), self.get_buffer("input_deviation")
        return ((images * 127.5 + 127.5 - mean) / deviation)[:, list(self.order)]

    def _dropout(self, h: Tensor, generator: torch.Generator | None) -> Tensor:
        if not self.training:
            return h
        return h * 2 * (torch.rand(h.shape, generator=generator, device=h.device) < 0.5)


def sample_noise(encoding: Encoding, generator: torch.Generator | None = None) -> Tensor:
    """Draw y0 = mean + exp(log variance / 2) * epsilon: (N, 100)."""
    mean, log_variance = encoding.mean.float(), encoding.log_variance.float()
    epsilon = torch.randn(mean.shape, generator=generator, device=mean.device)
    return mean + torch.exp(log_variance / 2) * epsilon


def build_encoder(image_size: int, label_outputs: int, model: ModelSpec, backbone: Backbone | None = None) -> Encoder:
    """The encoder that `model` describes, with random weights; `backbone` takes the place of the one that it names.

    Raises ValueError for a backbone that cannot take images of this size.
    """
    if backbone is None and model.encoder != PAPER:
        backbone = partial(torchvision_backbone, model.encoder, image_size)
    norm, shown = model.encoder_norm, model.encoder_input
    return Encoder(image_size, label_outputs, model.features, model.width, norm, shown, backbone)


def vgg_convolutions(width: float = 1.0, norm: Literal["none", "batch"] = "none") -> nn.Sequential:
    """The paper's convolutions: images (N, 3, S, S) to maps (N, 512 * width, S / 32, S / 32)."""
    layers: list[nn.Module] = []
    channels = 3
    for block_channels, convolutions in BLOCKS:
        for _ in range(convolutions):
            out = scaled(block_channels, width)
            layers.append(_convolution(channels, out))
            layers.extend([nn.BatchNorm2d(out)] if norm == "batch" else [])
            layers.append(nn.ReLU())
            channels = out
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.normal_(convolution.weight, std=math.sqrt(2 / (3 * 3 * outputs)))
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution
