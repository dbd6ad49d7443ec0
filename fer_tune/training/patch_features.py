"""Features of images without training: how strongly each quarter of an image shows some of the data's own patches.

Each filter is a whitened patch of an image (Coates & Ng 2011). They cost as much as two epochs of a narrow network and
a linear classifier on them does well on labels of which half are wrong, where a network needs hundreds of epochs' time
(`fer-tune bench suspects`).
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, conv2d

from fer_tune.system.randomness import numpy_stream

SIDE = 32  # pixels: larger images are scaled down to it
PATCH = 6  # pixels: side of a patch
FILTERS = 64
GRID = 4  # an image is summed up in GRID x GRID fields
FEATURES = 2 * FILTERS * GRID**2  # of an image: a filter and its negative are two
THRESHOLD = 0.5  # a filter's answer below it counts as none
SAMPLED_PATCHES = 20_000
CONTRAST_FLOOR, WHITENING_FLOOR = 10.0, 0.1  # of variances: flat patches and rare directions are not blown up
BLOCK = 50  # images computed at once: few enough for a core's cache


class PatchFeatures:
    """Filters drawn from a sample of images.

    Args:
        images: uint8 (n, 3, S, S), n > 0; the patches come from them.
        seed: draws the patches.
    """

    def __init__(self, images: np.ndarray, seed: int = 0) -> None:
        rng = numpy_stream(seed, "patches")
        patches = _patches(images, rng)
        mean, covariance = patches.mean(axis=0), np.cov(patches.T)
        values, directions = np.linalg.eigh(covariance)
        whitening = directions / np.sqrt(values.clip(min=0) + WHITENING_FLOOR) @ directions.T
        filters = ((patches - mean) @ whitening)[rng.choice(len(patches), FILTERS, replace=False)]
        filters /= np.linalg.norm(filters, axis=1, keepdims=True) + 1e-6
        kernel = filters @ whitening.T
        self._offset = torch.from_numpy(kernel @ mean).float()[:, None, None]
        kernel -= kernel.mean(axis=1, keepdims=True)  # so that a patch's mean need not be subtracted
        self._kernel = torch.from_numpy(kernel).float().reshape(FILTERS, 3, PATCH, PATCH)

    @torch.no_grad()
    def __call__(self, images: np.ndarray) -> Tensor:
        """Features float32 (N, FEATURES) of images uint8 (N, 3, S, S)."""
        pixels = _scaled(images)
        size = 3 * PATCH**2
        even = torch.full((1, 3, PATCH, PATCH), 1 / size)
        mean = conv2d(pixels, even)
        spread = (conv2d(pixels.square(), even) - mean.square()).clamp_min(0).add(CONTRAST_FLOOR).sqrt()
        answers = conv2d(pixels, self._kernel).div_(spread).sub_(self._offset)
        both = [adaptive_avg_pool2d((sign * answers - THRESHOLD).relu_(), GRID) for sign in (1, -1)]
        return torch.cat(both, dim=1).flatten(1)

    def blocks(self, images: np.ndarray, chosen: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
        """Features of the chosen images, a block at a time: which of `chosen` they are, and float32 (n, FEATURES)."""
        for start in range(0, len(chosen), BLOCK):
            part = slice(start, min(start + BLOCK, len(chosen)))
            yield part, self(images[chosen[part]])


def _scaled(images: np.ndarray) -> Tensor:
    """Pixels float32 (N, 3, SIDE, SIDE), 0 to 255."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float()
    return adaptive_avg_pool2d(pixels, SIDE) if pixels.shape[-1] != SIDE else pixels


def _patches(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random patches float64 (SAMPLED_PATCHES, 3 * PATCH**2), each of mean 0 and about unit variance."""
    pixels = _scaled(images).numpy()
    which = rng.integers(0, len(pixels), SAMPLED_PATCHES)
    top, left = rng.integers(0, SIDE - PATCH + 1, (2, SAMPLED_PATCHES))
    reach = np.arange(PATCH)
    rows, columns = (top[:, None] + reach)[:, None, :, None], (left[:, None] + reach)[:, None, None, :]
    found = pixels[which[:, None, None, None], np.arange(3)[None, :, None, None], rows, columns]
    patches: np.ndarray = found.reshape(SAMPLED_PATCHES, -1).astype(np.float64)
    patches -= patches.mean(axis=1, keepdims=True)
    return patches / np.sqrt(patches.var(axis=1, keepdims=True) + CONTRAST_FLOOR)
