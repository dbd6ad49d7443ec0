"""Digest and pixels of all images: what changes the digest, and what is refused."""

import numpy as np
import pytest

from fer_tune.data.decoding import content_digest
from fer_tune.data.errors import DataError
from fer_tune.data.index import Index, Source
from fer_tune.data.labels import EMOTIONS, LabelSet
from fer_tune.data.loading import read_dataset
from tests.support import folders
from tests.support.folders import spec_of


@pytest.fixture
def small_index(tmp_path):
    """Makes an index of four files whose content is not an image: a digest does not decode it."""

    def make(**changes):
        for i in range(4):
            (tmp_path / f"{i}.png").write_bytes(bytes([i]) * 9)
        values = {
            "label_sets": (LabelSet("emotion", "categorical", EMOTIONS),),
            "root": tmp_path,
            "sources": [Source(f"{i}.png", (1, 2, 3, 4) if i else None) for i in range(4)],
            "labels": {"emotion": np.arange(4)},
            "splits": {"train": np.arange(2), "validation": np.array([2]), "test": np.array([3])},
            "origins": [f"list.txt:{i}" for i in range(4)],
            "known": {"emotion": np.zeros(4, np.int64)},
        }
        return Index(**{**values, **changes})

    return make


def test_digests_are_those_of_earlier_versions(small_index):
    """Stored data sets are named after them, and label noise is drawn from them: a study must find both again."""
    assert content_digest(small_index(), 32) == "fc2f6582a17f6346479087d27aaf8c14"
    pixels = np.zeros((4, 2, 2), np.uint8)
    assert content_digest(small_index(sources=pixels, known={}), 32) == "dfcc4fd1a14d4a2c3f3c69e8f08dafba"


def test_everything_that_is_trained_on_is_in_the_digest(small_index, tmp_path):
    other_names = (LabelSet("emotion", "categorical", EMOTIONS[::-1]),)
    other_splits = {"train": np.arange(1), "validation": np.array([1, 2]), "test": np.array([3])}
    digests = {
        content_digest(small_index(), 32),
        content_digest(small_index(), 64),
        content_digest(small_index(label_sets=other_names), 32),
        content_digest(small_index(labels={"emotion": np.arange(4)[::-1]}), 32),
        content_digest(small_index(splits=other_splits), 32),
        content_digest(small_index(sources=[Source(f"{i}.png") for i in range(4)]), 32),
    }
    changed = small_index()
    (tmp_path / "2.png").write_bytes(b"another image")
    assert len(digests | {content_digest(changed, 32)}) == 7


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    settings = folders.write_manifest(tmp_path / "in")
    folders.face(0, 0).save(tmp_path / "secret.png")
    image = tmp_path / "in" / "people" / "face 3.png"
    image.unlink()
    image.symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"faces\.csv:5: .*is a link to a file outside the data folder"):
        read_dataset(spec_of(settings))


def test_an_unreadable_image_is_named_with_its_line(tmp_path):
    settings = folders.write_manifest(tmp_path)
    folders.face(0, 0).save(tmp_path / "people" / "face 3.png", format="ICO")
    with pytest.raises(DataError, match=r"faces\.csv:5: 'people/face 3.png' is not a readable image"):
        read_dataset(spec_of(settings))
