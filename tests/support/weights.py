"""Weight files of the encoder's layout."""

import torch

from fer_tune.models.encoder import BLOCKS
from fer_tune.models.weights import NAMES


def vgg_face_weights() -> dict[str, torch.Tensor]:
    """Thirteen convolutions under VGG-Face's names, random."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, torch.Tensor] = {}
    channels = 3
    for name, out in zip(NAMES, [c for c, count in BLOCKS for _ in range(count)], strict=True):
        weights[f"{name}.weight"] = torch.randn(out, channels, 3, 3, generator=generator)
        weights[f"{name}.bias"] = torch.randn(out, generator=generator)
        channels = out
    return weights
