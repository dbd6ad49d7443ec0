"""Made-up VGG-16 weights in both layouts."""

import torch
from torch import Tensor

from fer_tune.models.encoder import BLOCKS
from fer_tune.models.weights import TORCHVISION_NUMBERS, VGG_FACE_NAMES

_CHANNELS = [channels for channels, count in BLOCKS for _ in range(count)]
SHAPES = {
    name: (outputs, inputs, 3, 3)
    for name, inputs, outputs in zip(VGG_FACE_NAMES, [3, *_CHANNELS[:-1]], _CHANNELS, strict=True)
}


def vgg_face_weights() -> dict[str, Tensor]:
    """Thirteen convolutions under VGG-Face's names."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, shape in SHAPES.items():
        found[f"{name}.weight"] = torch.randn(shape, generator=generator)
        found[f"{name}.bias"] = torch.randn(shape[0], generator=generator)
    return found


def torchvision_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under torchvision's names."""
    numbers = dict(zip(VGG_FACE_NAMES, TORCHVISION_NUMBERS, strict=True))
    return {f"features.{numbers[k.split('.')[0]]}.{k.split('.')[1]}": v for k, v in tensors.items()}
