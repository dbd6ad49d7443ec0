"""Which images and labels each iteration sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_tune import load_data
from fer_tune.data.labels import FACE_LABELS
from fer_tune.training.batches import Batches, class_weights
from tests.support.training import random_data, settings

COLOURS = {"black": -1.0, "grey": 0.0}


def batches(data, seed=0, **changes):
    draws = {name: torch.Generator().manual_seed(seed) for name in ("batches", "augmentation")}
    return Batches(data, settings(**changes), False, torch.device("cpu"), torch.channels_last, draws)


@pytest.fixture(scope="module")
def uneven():
    spec = {"kind": "synthetic", "train": 700, "validation": 14, "test": 14, "class_prior": "raf"}
    return load_data(spec, {"ratio": 0.0}, 0)


def test_an_epoch_holds_each_training_image_once_in_full_batches():
    drawn = batches(random_data(32, FACE_LABELS, 70), batch_size=32)
    epochs = [torch.stack(list(drawn.epoch())) for _ in range(2)]
    assert epochs[0].shape == (2, 32)
    assert len(epochs[0].unique()) == 64
    assert not torch.equal(epochs[0], epochs[1])


def test_a_training_set_smaller_than_a_batch_is_one_batch():
    (only,) = batches(random_data(32, FACE_LABELS, 20), batch_size=32).epoch()
    assert sorted(only.tolist()) == list(range(20))


def test_images_lie_between_minus_one_and_one_and_are_augmented_only_in_training_and_only_if_told():
    data = random_data(32, FACE_LABELS, 8)
    pixels = torch.from_numpy(data.dataset.images).float() / 127.5 - 1
    everything = torch.arange(8)
    torch.testing.assert_close(batches(data).images(everything), pixels)
    torch.testing.assert_close(batches(data, augment=False).training_images(everything), pixels)
    assert not torch.allclose(batches(data, augment=True).training_images(everything), pixels)


def test_crops_are_padded_with_the_colour_that_the_study_says():
    data = random_data(32, FACE_LABELS, 8)
    data = replace(data, dataset=replace(data.dataset, augmentation="crop"))
    found = [batches(data, augment=True, crop_padding=colour).training_images(torch.arange(8)) for colour in COLOURS]
    border = found[0] != found[1]
    assert 0 < border.float().mean() < 0.5
    for images, value in zip(found, COLOURS.values(), strict=True):
        assert (images[border] == value).all()


def test_balanced_sampling_draws_every_class_equally_often(uneven):
    sampled = batches(uneven, balance="sampling")
    drawn = torch.cat([i for _ in range(10) for i in sampled.epoch()])
    shares = np.bincount(uneven.labels["emotion"][drawn], minlength=7) / len(drawn)
    assert shares == pytest.approx(np.full(7, 1 / 7), abs=0.02)


def test_class_weights_give_every_class_the_same_weight_in_all(uneven):
    weight = class_weights(uneven, FACE_LABELS[0])
    counts = np.bincount(uneven.labels["emotion"][uneven.dataset.splits["train"]], minlength=7)
    assert weight.numpy() * counts == pytest.approx(np.full(7, 100.0), rel=1e-5)
