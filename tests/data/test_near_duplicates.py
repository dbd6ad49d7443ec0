"""Near-duplicates: planted copies of each kind are found, strangers are not, and equal images are no news."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from fer_tune.data import near_duplicates
from fer_tune.data.near_duplicates import SIMILAR, find_near_duplicates
from fer_tune.data.synthetic import SyntheticSpec, load_synthetic

SIZE = 64


def jpeg(picture):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file).convert("RGB")


def scaled(picture):
    return picture.resize((40, 40), Image.Resampling.BICUBIC)


def cropped(*margins):
    left, top, right, bottom = margins
    return lambda picture: picture.crop((left, top, SIZE - right, SIZE - bottom))


CHANGES = {
    "compressed": (jpeg, "whole"),
    "scaled": (scaled, "whole"),
    "brighter": (lambda picture: ImageEnhance.Brightness(picture).enhance(1.2), "whole"),
    "darker": (lambda picture: ImageEnhance.Brightness(picture).enhance(0.6), "whole"),
    "less contrast": (lambda picture: ImageEnhance.Contrast(picture).enhance(0.6), "whole"),
    "cropped a little": (cropped(2, 2, 2, 2), "cropped"),
    "cropped more": (cropped(4, 4, 4, 4), "cropped"),
    "cropped at a corner": (cropped(0, 0, 4, 4), "cropped"),
    "mirrored": (lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "mirrored"),
}


def faces(count):
    """Drawn faces uint8 (count, 3, SIZE, SIZE), all different."""
    return load_synthetic(SyntheticSpec(image_size=SIZE, train=60, validation=14, test=14)).images[:count]


def splits(train, test):
    return {"train": np.arange(train), "validation": np.empty(0, dtype=int), "test": np.arange(train, train + test)}


def planted(change, count=20):
    """60 faces for training, and copies of the first of them for testing, each with the change."""
    own = faces(60)
    copies = [change(Image.fromarray(image.transpose(1, 2, 0))) for image in own[:count]]
    resized = [np.asarray(c.resize((SIZE, SIZE), Image.Resampling.BILINEAR)).transpose(2, 0, 1) for c in copies]
    return np.concatenate([own, np.stack(resized)])


@pytest.mark.parametrize("name", CHANGES)
def test_planted_copies_are_found_and_named(name):
    change, how = CHANGES[name]
    found = find_near_duplicates(planted(change), splits(60, 20))
    right = [pair for pair in found.pairs if pair.second == pair.first + 60]
    assert len(right) >= 18, "of 20"
    assert len(found.pairs) - len(right) <= 1, "strangers"
    assert sum(pair.how == how for pair in right) >= 0.8 * len(right)
    assert min(pair.similarity for pair in right) >= SIMILAR


def test_of_copies_with_three_changes_at_once_half_are_found():
    found = find_near_duplicates(planted(lambda p: jpeg(scaled(cropped(3, 3, 3, 3)(p)))), splits(60, 20))
    assert sum(pair.second == pair.first + 60 for pair in found.pairs) >= 10


def test_large_changes_are_not_found():
    found = find_near_duplicates(planted(lambda picture: picture.rotate(15)), splits(60, 20))
    assert not found.pairs


def test_pairs_come_most_similar_first_and_the_same_whatever_the_workers():
    images = planted(jpeg)
    found = find_near_duplicates(images, splits(60, 20), workers=2)
    similarity = [pair.similarity for pair in found.pairs]
    assert similarity == sorted(similarity, reverse=True)
    assert found == find_near_duplicates(images, splits(60, 20))


def test_equal_images_are_no_pair_and_count_once_a_split():
    images = np.concatenate([planted(scaled, 1), faces(1)])  # the last one, in test too, equals the first
    found = find_near_duplicates(images, splits(60, 2))
    assert {(pair.first, pair.second) for pair in found.pairs} == {(0, 60), (60, 61)}
    images = np.concatenate([faces(60), planted(scaled, 1)[60:], planted(scaled, 1)[60:]])
    assert len(find_near_duplicates(images, splits(60, 2)).pairs) == 1, "two equal copies in one split"


def test_images_that_show_nothing_are_left_out():
    flat = np.full((5, 3, SIZE, SIZE), 7, dtype=np.uint8) + np.arange(5, dtype=np.uint8)[:, None, None, None]
    found = find_near_duplicates(np.concatenate([faces(10), flat]), splits(10, 5))
    assert found.flat == 5
    assert not found.pairs


def test_samples_in_no_split_are_not_searched():
    images = planted(scaled)
    assert not find_near_duplicates(images, splits(60, 0)).pairs


def test_only_the_most_similar_pairs_are_kept(monkeypatch):
    images = planted(jpeg)
    every = find_near_duplicates(images, splits(60, 20))
    monkeypatch.setattr(near_duplicates, "MOST_PAIRS", 5)
    some = find_near_duplicates(images, splits(60, 20))
    assert some.pairs == every.pairs[:5]
    assert some.cut
    assert not every.cut


@pytest.mark.parametrize("size", [32, 128, 256])
def test_every_size_of_images_is_searched(size):
    large = [Image.fromarray(i.transpose(1, 2, 0)).resize((size, size), Image.Resampling.BICUBIC) for i in faces(12)]
    images = np.stack([np.asarray(picture).transpose(2, 0, 1) for picture in [*large, jpeg(large[3])]])
    (pair,) = find_near_duplicates(images, splits(12, 1)).pairs
    assert (pair.first, pair.second) == (3, 12)
