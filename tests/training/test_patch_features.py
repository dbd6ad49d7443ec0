"""Features of images that need no training."""

import numpy as np
import torch

from fer_tune.data.loading import load_data
from fer_tune.training.patch_features import FEATURES, PatchFeatures

FACES = load_data({"kind": "synthetic", "train": 70, "validation": 14, "test": 14}).dataset


def test_each_image_has_its_own_features_whichever_others_are_beside_it():
    maker = PatchFeatures(FACES.images)
    features = maker(FACES.images)
    assert features.shape == (98, FEATURES)
    assert float(features.std(dim=0).min()) > 0, "no feature is the same for all"
    chosen = np.arange(97, -1, -3)
    for part, block in maker.blocks(FACES.images, chosen):
        torch.testing.assert_close(block, features[chosen[part]], rtol=1e-4, atol=1e-4)


def test_the_seed_draws_the_patches():
    first = PatchFeatures(FACES.images, seed=1)(FACES.images)
    torch.testing.assert_close(PatchFeatures(FACES.images, seed=1)(FACES.images), first)
    assert not torch.equal(PatchFeatures(FACES.images, seed=2)(FACES.images), first)


def test_brighter_images_have_the_same_features_and_larger_ones_are_scaled_down():
    darker = (FACES.images // 2).clip(20, 200)
    maker = PatchFeatures(darker)
    brighter = maker(darker + 40)
    assert float((brighter - maker(darker)).abs().max()) < 1e-3
    doubled = darker.repeat(2, axis=2).repeat(2, axis=3)
    torch.testing.assert_close(maker(doubled), maker(darker), rtol=1e-4, atol=1e-4)


def test_images_of_one_colour_have_finite_features():
    flat = np.full((20, 3, 32, 32), 128, dtype=np.uint8)
    assert bool(torch.isfinite(PatchFeatures(flat)(flat)).all())
