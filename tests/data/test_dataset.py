"""A stored data set: mapped, complete, and equal to what was stored."""

import numpy as np
import pytest

from fer_tune.data.dataset import open_dataset, save_dataset
from fer_tune.data.errors import DataError


def test_saved_data_set_is_mapped_and_equal(data, tmp_path):
    folder = save_dataset(data.dataset, tmp_path)
    opened = open_dataset(folder)
    assert isinstance(opened.images, np.memmap)
    assert np.array_equal(opened.images, data.dataset.images)
    assert opened.label_sets == data.dataset.label_sets
    assert opened.digest == data.dataset.digest
    assert opened.augmentation == data.dataset.augmentation
    for kind in ("labels", "splits"):
        for name, values in getattr(data.dataset, kind).items():
            assert np.array_equal(getattr(opened, kind)[name], values)
    with pytest.raises(ValueError, match="read-only"):
        opened.images[0] = 0


def test_saving_twice_writes_once_and_leaves_nothing_unfinished(data, tmp_path):
    first = save_dataset(data.dataset, tmp_path)
    written = (first / "images.npy").stat().st_mtime_ns
    assert save_dataset(data.dataset, tmp_path) == first
    assert (first / "images.npy").stat().st_mtime_ns == written
    assert [p.name for p in tmp_path.iterdir()] == [data.dataset.digest]


def test_a_missing_data_set_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"dataset\.json"):
        open_dataset(tmp_path / "nowhere")


SPOIL = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "other": lambda path: path.write_bytes(b"[1, 2]"),
    "swapped": lambda path: path.write_bytes((path.parent / "labels.npz").read_bytes()),
}


@pytest.mark.parametrize("name", ["dataset.json", "labels.npz", "images.npy"])
@pytest.mark.parametrize("how", SPOIL)
def test_a_damaged_data_set_is_named_with_the_remedy(data, tmp_path, name, how):
    folder = save_dataset(data.dataset, tmp_path)
    if (name, how) == ("labels.npz", "swapped"):
        np.savez(folder / name, **{"label.emotion": np.zeros(3)})
    else:
        SPOIL[how](folder / name)
    with pytest.raises(DataError, match=r"this stored data set is damaged .*: delete the folder") as caught:
        open_dataset(folder)
    assert "\n" not in str(caught.value)
