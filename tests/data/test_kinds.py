"""The registry is the only place that lists the kinds of data sets."""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pytest
from PIL import Image
from pydantic import Field

from fer_tune.data.augmentation import AUGMENTATIONS
from fer_tune.data.dataset import Augmentation, open_dataset
from fer_tune.data.detect import detect
from fer_tune.data.errors import DataError
from fer_tune.data.export import export_labels
from fer_tune.data.files import FolderSpec
from fer_tune.data.index import Index, Source
from fer_tune.data.kinds import KINDS, DataKind, DatasetSpec
from fer_tune.data.labels import LabelSet
from fer_tune.data.loading import load_data, read_dataset, split_sizes, write_dataset
from fer_tune.data.synthetic import SyntheticSpec


def test_the_union_of_settings_and_the_registry_agree():
    union = get_args(get_args(DatasetSpec)[0])
    assert list(union) == [kind.spec for kind in KINDS.values()]


@pytest.mark.parametrize("name", KINDS)
def test_settings_name_their_kind(name):
    fields = KINDS[name].spec.model_fields
    assert get_args(fields["kind"].annotation) == (name,)
    assert "image_size" in fields


def test_every_augmentation_has_a_function():
    assert set(AUGMENTATIONS) == {*get_args(Augmentation), "crop_grey"}  # of training.crop_padding


def test_only_the_drawn_faces_have_no_reader():
    assert [name for name, kind in KINDS.items() if kind.index is None] == ["synthetic"]
    assert KINDS["synthetic"].spec is SyntheticSpec


class ToySpec(FolderSpec):
    kind: Literal["toy"] = "toy"
    image_size: Literal[32] = Field(32)

    @property
    def label_sets(self):
        return (LabelSet("shade", "categorical", ("dark", "light")),)


def index_toy(spec):
    splits = {"train": np.arange(4), "validation": np.array([4, 5]), "test": np.array([6, 7])}
    sources, origins = [Source(f"{i}.png") for i in range(8)], [f"toy:{i}" for i in range(8)]
    return Index(spec.label_sets, spec.root, sources, {"shade": np.arange(8) % 2}, splits, origins)


def export_toy(spec, labels, splits, stem):
    stem.write_text(" ".join(map(str, labels["shade"])))
    return {"labels": stem}


def test_a_kind_that_is_added_to_the_registry_is_read_augmented_detected_and_exported(tmp_path, monkeypatch):
    monkeypatch.setitem(
        KINDS, "toy", DataKind(ToySpec, index_toy, "crop", export_toy, lambda folder: (folder / "0.png").exists())
    )
    for i in range(8):
        Image.new("RGB", (32, 32), (255 * (i % 2),) * 3).save(tmp_path / f"{i}.png")
    assert detect(tmp_path).section == {"kind": "toy", "folder": str(tmp_path)}
    spec = ToySpec(folder=str(tmp_path))
    assert split_sizes(spec) == {"train": 4, "validation": 2, "test": 2}
    saved, read = open_dataset(write_dataset(spec, tmp_path / "out")), read_dataset(spec)
    assert saved.augmentation == read.augmentation == "crop"
    assert (saved.images.mean(axis=(1, 2, 3)) == [0, 255] * 4).all()
    noisy = load_data(saved, {"kind": "pairflip", "ratio": 0.9})
    files = export_labels(spec, noisy.labels, saved.splits, tmp_path / "labels")
    assert files == {"labels": tmp_path / "labels"}
    assert Path(files["labels"]).read_text() == " ".join(map(str, noisy.labels["shade"]))


def test_a_kind_without_an_exporter_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "toy", DataKind(ToySpec, index_toy))
    with pytest.raises(DataError, match=r"labels of toy cannot be exported.*: synthetic, raf, affectnet, manifest$"):
        export_labels(ToySpec(folder="x"), {}, {}, tmp_path / "labels")
