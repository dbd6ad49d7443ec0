"""Augmentation: within its limits, different for each image, and drawn from its generator."""

import math

import pytest
import torch

from fer_tune.data.augmentation import AUGMENTATIONS, MAX_ROTATION, MAX_SHIFT, PADDING, ZOOM, augment_faces


def test_augmentation_is_a_function_of_its_generator():
    images = torch.rand(8, 3, 32, 32)
    one, two, other = (augment_faces(images, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert one.shape == images.shape
    assert one.min() >= 0
    assert one.max() <= 1


def test_each_image_moves_on_its_own_and_about_half_are_mirrored():
    ramp = torch.linspace(0, 1, 32).expand(400, 3, 32, 32)
    moved = augment_faces(ramp, torch.Generator().manual_seed(0))
    mirrored = moved[:, 0, 16, 24] < moved[:, 0, 16, 8]
    assert 150 < mirrored.sum() < 250
    assert len({round(v, 5) for v in moved[:, 0, 16, 16].tolist()}) > 350


def test_a_dot_stays_within_rotation_shift_and_zoom():
    images = torch.zeros(500, 1, 65, 65)
    images[:, :, 20:23, 31:34] = 1  # 11 pixels above the centre
    moved = augment_faces(images, torch.Generator().manual_seed(0))
    grid = torch.arange(65.0) - 32
    mass = moved.sum(dim=(1, 2, 3))
    y = (moved.sum(dim=(1, 3)) @ grid) / mass
    x = (moved.sum(dim=(1, 2)) @ grid) / mass
    reach = 11 * ZOOM[1] * math.sin(MAX_ROTATION) + MAX_SHIFT * 65 * ZOOM[1] + 1
    assert 4 < x.abs().max() < reach
    assert (y + 11).abs().max() < reach + 2


@pytest.mark.parametrize(("name", "colour"), [("crop", -1), ("crop_grey", 0)])
def test_a_crop_is_a_window_of_the_padded_image_or_of_its_mirror_image(name, colour):
    images = torch.rand(30, 3, 16, 16) * 2 - 1
    cropped = AUGMENTATIONS[name](images, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images, (PADDING,) * 4, value=colour)
    mirrored = 0
    for original, found in zip(padded, cropped, strict=True):
        windows = original.unfold(1, 16, 1).unfold(2, 16, 1).flatten(1, 2).transpose(0, 1)
        plain = (windows == found).flatten(1).all(1).any()
        flipped = (windows == found.flip(2)).flatten(1).all(1).any()
        assert plain or flipped
        mirrored += int(flipped)
    assert 5 < mirrored < 25
