"""Augmentation of a whole batch at once, as is usual for aligned faces."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_ROTATION = math.radians(10)
MAX_SHIFT = 0.1  # of the image's size
ZOOM = (0.9, 1.1)


def augment_faces(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror, rotate, shift and zoom each image (N, 3, S, S) by its own draw; borders are repeated."""
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
