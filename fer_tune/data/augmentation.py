"""Random changes to training images, a whole batch at once."""

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_ROTATION = math.radians(10)
MAX_SHIFT = 0.1  # of the image size
ZOOM = (0.9, 1.1)
PADDING = 4  # pixels added on each side before cropping
BLACK, GREY = -1.0, 0.0


def augment_faces(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror, rotate, shift and zoom aligned faces (N, 3, S, S), each by its own draw; border pixels are repeated."""
    draws = torch.rand(len(images), 5, generator=generator, device=images.device)
    mirror = torch.where(draws[:, 0] < 0.5, -1.0, 1.0)
    angle = (2 * draws[:, 1] - 1) * MAX_ROTATION
    shift = (2 * draws[:, 2:4] - 1) * 2 * MAX_SHIFT  # grid coordinates span 2
    scale = 1 / (ZOOM[0] + draws[:, 4] * (ZOOM[1] - ZOOM[0]))
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def augment_crop(images: Tensor, generator: torch.Generator, colour: float = BLACK) -> Tensor:
    """Mirror images (N, 3, S, S) in [-1, 1] and crop them after padding with a colour, each by its own draw.

    As is usual for CIFAR-10; with black as in the authors' code.
    """
    n, _, _, size = images.shape
    mirror = torch.rand(n, generator=generator, device=images.device) < 0.5
    shift = torch.randint(0, 2 * PADDING + 1, (2, n, 1), generator=generator, device=images.device)
    rows = shift[0] + torch.arange(size, device=images.device)
    columns = shift[1] + torch.arange(size, device=images.device)
    columns = torch.where(mirror[:, None], columns.flip(1), columns)
    padded = F.pad(images, (PADDING,) * 4, value=colour)
    picked = padded[torch.arange(n, device=images.device)[:, None, None], :, rows[:, :, None], columns[:, None]]
    return picked.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


AUGMENTATIONS: Mapping[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "faces": augment_faces,
    "crop": augment_crop,
    "crop_grey": partial(augment_crop, colour=GREY),
}
