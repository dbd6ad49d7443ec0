"""The discriminator D: marginal and joint scores of image, noise vector and labels (Fig. 1c, Fig. 2)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_tune.models.encoder import NOISE_SIZE
from fer_tune.models.layers import MLPBlock, SNConv, SNLinear, scaled

BLOCK_CHANNELS = (64, 128, 256, 512, 512, 512)
STREAM_FEATURES = 512
JOINT_FEATURES = 1024


class ResidualBlock(nn.Module):
    """[ReLU] conv 3x3, ReLU, conv 3x3, 2x2 average pool, plus a pooled 1x1 shortcut (Fig. 2a)."""

    def __init__(self, inputs: int, outputs: int, leading_relu: bool = True, pool: bool = True) -> None:
        super().__init__()
        self.first = SNConv(inputs, outputs, 3)
        self.second = SNConv(outputs, outputs, 3)
        self.shortcut = SNConv(inputs, outputs, 1) if pool or inputs != outputs else None
        self.leading_relu = leading_relu
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.first(F.relu(x) if self.leading_relu else x))
        if self.pool:
            assert self.shortcut is not None
            return self.second.forward_pooled(h) + self.shortcut.forward_pooled(x)
        return self.second(h) + (x if self.shortcut is None else self.shortcut(x))


class SelfAttention(nn.Module):
    """Self-attention over positions (Fig. 2b): x + gamma * attended x, with a learnable gamma that starts at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta = SNConv(channels, scaled(channels, 1 / 8), 1, bias=False)
        self.phi = SNConv(channels, scaled(channels, 1 / 8), 1, bias=False)
        self.g = SNConv(channels, scaled(channels, 1 / 2), 1, bias=False)
        self.out = SNConv(scaled(channels, 1 / 2), channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        theta = self.theta(x).flatten(2)  # (N, C/8, HW)
        phi = F.max_pool2d(self.phi(x), 2).flatten(2)  # (N, C/8, HW/4)
        g = F.max_pool2d(self.g(x), 2).flatten(2)  # (N, C/2, HW/4)
        attention = torch.softmax(theta.transpose(1, 2) @ phi, dim=2)  # (N, HW, HW/4)
        attended = (attention @ g.transpose(1, 2)).transpose(1, 2)  # (N, C/2, HW)
        return x + self.gamma * self.out(attended.unflatten(2, x.shape[2:]))


class Discriminator(nn.Module):
    """T + 3 scores for T label sets, in the order image, noise, each label set, joint.

    Args:
        image_size: S; images larger than 32 are first halved by a 2x2 average pool.
        label_sizes: each label set's size.
        width: factor on every hidden channel and feature count.
    """

    def __init__(self, image_size: int, label_sizes: Sequence[int], width: float = 1.0) -> None:
        super().__init__()
        self.halve = image_size > 32
        self.input_sizes = (NOISE_SIZE, *label_sizes)
        channels = [3, *(scaled(c, width) for c in BLOCK_CHANNELS)]
        blocks: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(pairwise(channels)):
            last = i == len(BLOCK_CHANNELS) - 1
            blocks.append(ResidualBlock(inputs, outputs, leading_relu=i > 0, pool=not last))
        blocks.insert(1, SelfAttention(channels[1]))
        self.image_stream = nn.Sequential(*blocks)
        features = scaled(STREAM_FEATURES, width)
        joint_features = scaled(JOINT_FEATURES, width)
        self.streams = nn.ModuleList(MLPBlock(size, features) for size in self.input_sizes)
        self.joint_stream = MLPBlock(channels[-1] + features * len(self.input_sizes), joint_features)
        self.scores = nn.ModuleList(
            SNLinear(size, 1) for size in (channels[-1], *[features] * len(self.input_sizes), joint_features)
        )

    def image_features(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [-1, 1] -> the image stream's features (N, 512 * width)."""
        x = F.avg_pool2d(images, 2) if self.halve else images
        return F.relu(self.image_stream(x)).sum(dim=(2, 3))

    def score(self, image_features: Tensor, noise: Tensor, labels: Tensor) -> Tensor:
        """Image features, noise (N, 100) and labels (N, sum of sizes) -> scores (N, T + 3), unweighted."""
        inputs = torch.cat([noise, labels], dim=1).split(self.input_sizes, dim=1)
        features = [image_features, *(stream(x) for stream, x in zip(self.streams, inputs, strict=True))]
        features.append(self.joint_stream(torch.cat(features, dim=1)))
        return torch.cat([unit(f) for unit, f in zip(self.scores, features, strict=True)], dim=1)

    def forward(self, images: Tensor, noise: Tensor, labels: Tensor) -> Tensor:
        """Scores (N, T + 3) of images with their noise vectors and labels."""
        return self.score(self.image_features(images), noise, labels)
