"""Storing data sets: once, and again when they have changed."""

import os

import numpy as np
import pytest
from PIL import Image

from fer_tune.data.dataset import open_dataset
from fer_tune.data.loading import dataset_key, index_dataset, read_dataset, split_sizes, write_dataset
from fer_tune.data.synthetic import SyntheticSpec
from tests.support import folders
from tests.support.folders import spec_of


def test_images_are_stored_once_and_a_changed_data_set_is_stored_again(tmp_path):
    settings = folders.write_manifest(tmp_path / "in")
    first = write_dataset(spec_of(settings), tmp_path / "out", workers=2)
    stamp = (first / "images.npy").stat().st_mtime_ns
    assert write_dataset(spec_of(settings), tmp_path / "out") == first
    assert (first / "images.npy").stat().st_mtime_ns == stamp
    saved, read = open_dataset(first), read_dataset(spec_of(settings))
    assert (saved.images == read.images).all()
    assert saved.digest == read.digest
    assert isinstance(saved.images, np.memmap)
    image = tmp_path / "in" / "people" / "face 7.png"
    times = image.stat().st_atime_ns, image.stat().st_mtime_ns
    Image.open(image).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(image)
    os.utime(image, ns=times)  # an unchanged date does not prove unchanged content
    assert write_dataset(spec_of(settings), tmp_path / "out") != first


def test_renamed_classes_are_another_data_set(tmp_path):
    settings = folders.write_manifest(tmp_path / "in")
    renamed = [{**s, "classes": ["calm", "glad", "cross"][::-1]} if "classes" in s else s for s in settings["sets"]]
    first = write_dataset(spec_of(settings), tmp_path / "out")
    assert write_dataset(spec_of(settings, sets=renamed), tmp_path / "out") != first


def test_split_sizes_are_those_of_the_data(tmp_path):
    drawn = SyntheticSpec(train=30, validation=14, test=15)
    assert split_sizes(drawn) == {"train": 30, "validation": 14, "test": 15}
    settings = folders.write_raf(tmp_path)
    assert split_sizes(spec_of(settings)) == {"train": 35, "validation": 7, "test": 14}


def test_drawn_faces_have_no_label_files():
    with pytest.raises(ValueError, match="data of kind synthetic is drawn"):
        index_dataset(SyntheticSpec())


def test_a_key_names_every_setting_in_order():
    assert dataset_key({"kind": "synthetic", "image_size": 32}) == "image_size=32,kind=synthetic"
