"""The decoder G_X: makes an image from labels and a noise vector (Fig. 1b)."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_tune.models.encoder import NOISE_SIZE
from fer_tune.models.layers import SNConvTranspose, SNLinear, scaled

CHANNELS = {
    32: (512, 512, 256, 128),
    64: (512, 512, 256, 128, 64),
    128: (512, 512, 512, 256, 128, 64),
    256: (512, 512, 512, 512, 256, 128, 64),
}


class Decoder(nn.Module):
    """A linear layer to a 1x1 map, then transposed convolutions that double it until it is S x S.

    Args:
        image_size: S, one of 32, 64, 128, 256.
        label_inputs: the sum of the label sets' sizes (classes are one-hot).
        width: factor on every hidden channel count.

    Raises ValueError for another image size.
    """

    def __init__(self, image_size: int, label_inputs: int, width: float = 1.0) -> None:
        super().__init__()
        if image_size not in CHANNELS:
            raise ValueError(f"image size {image_size} is not supported: use one of {sorted(CHANNELS)}")
        channels = [scaled(512, width), *(scaled(c, width) for c in CHANNELS[image_size])]
        self.entry = SNLinear(NOISE_SIZE + label_inputs, channels[0])
        steps: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            steps += [SNConvTranspose(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.steps = nn.Sequential(*steps, SNConvTranspose(channels[-1], 3), nn.Tanh())

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Noise (N, 100) and labels (N, sum of sizes) -> images (N, 3, S, S) in [-1, 1]."""
        h = F.relu(self.entry(torch.cat([noise, labels], dim=1)))
        return self.steps(h[:, :, None, None])
