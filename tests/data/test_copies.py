"""Equal images: counted within and across splits, stored with the data set, and warned of by the commands."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import yaml
from PIL import Image

from fer_tune.cli.main import main
from fer_tune.data import copies as copies_module
from fer_tune.data.copies import copies_lines, find_copies, find_equal_files
from fer_tune.data.dataset import Copies, open_dataset
from fer_tune.data.index import Index, Source
from fer_tune.data.labels import LabelSet
from fer_tune.data.loading import write_dataset
from tests.support import folders
from tests.support.folders import index_of, spec_of
from tests.support.pictures import content_of

LABELS = (LabelSet("mood", "categorical", ("calm", "glad")), LabelSet("affect", "continuous", ("valence",)))
CONTENT = [0, 1, 2, 3, 0, 1, 0, 4, 2, 5]  # equal numbers are equal images; 0 to 3 train, 4 to 6 validation, 7 to 9 test
MOODS = [0, 1, 1, 0, 0, 0, -1, 1, 1, 1]
EXPECTED = Copies(
    groups=3,
    images=7,
    validation_in_train=3,
    test_in_train=1,
    test_in_validation=0,
    other_labels=1,
    examples=(
        ("0.png (train)", "6.png (validation)"),
        ("1.png (train)", "5.png (validation)"),
        ("2.png (train)", "8.png (test)"),
    ),
)


@pytest.fixture
def index(tmp_path):
    for i, content in enumerate(CONTENT):
        (tmp_path / f"{i}.png").write_bytes(content_of(Image.new("RGB", (8, 8), (40 * content, 0, 0))))
    splits = {"train": np.arange(4), "validation": np.arange(4, 7), "test": np.arange(7, 10)}
    labels = {"mood": np.array(MOODS), "affect": np.random.default_rng(0).uniform(-1, 1, (10, 1))}
    sources, origins = [Source(f"{i}.png") for i in range(10)], [f"list.csv:{i}" for i in range(10)]
    return Index(LABELS, tmp_path, sources, labels, splits, origins)


def pixels():
    return np.repeat(np.array(CONTENT, dtype=np.uint8), 3 * 8 * 8).reshape(10, 3, 8, 8)


def test_copies_are_counted_across_splits_and_their_labels_compared(index):
    assert find_copies(pixels(), index) == EXPECTED
    assert find_equal_files(index) == EXPECTED
    assert copies_lines(EXPECTED) == [
        "warning: equal images in two splits: 1 test images are also in train, 3 validation images are also in train. "
        "Scores on them are too high",
        "warning: 1 groups of equal images have different labels",
        "  equal: 0.png (train), 6.png (validation)",
        "  equal: 1.png (train), 5.png (validation)",
        "  equal: 2.png (train), 8.png (test)",
    ]


def test_without_copies_nothing_is_said(index):
    assert find_copies(np.random.default_rng(0).integers(0, 255, (10, 3, 8, 8), dtype=np.uint8), index) == Copies()
    assert copies_lines(Copies()) == []


def test_copies_within_a_split_are_no_leak(index):
    within = find_copies(np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8], dtype=np.uint8).reshape(10, 1, 1, 1), index)
    assert within.across_splits == 0
    assert copies_lines(within)[0] == "2 images are equal to another one of the same split (1 groups)"


def test_files_that_differ_in_metadata_alone_are_equal_images(tmp_path):
    settings = folders.write_manifest(tmp_path)
    picture = Image.open(tmp_path / "people" / "face 3.png")
    rows = [row | {"split": ("train", "val", "test")[i % 3]} for i, row in enumerate(folders.manifest_rows())]
    picture.save(tmp_path / "people" / "face 4.png", dpi=(72, 72))
    folders.write_manifest(tmp_path, rows)
    assert find_equal_files(index_of(settings)) == Copies()
    copies = open_dataset(write_dataset(spec_of(settings), tmp_path / "out")).copies
    assert copies.validation_in_train == 1
    assert copies.examples == (("people/face 3.png (train)", "people/face 4.png (validation)"),)


def test_two_faces_of_one_picture_are_not_equal(index):
    boxes = [Source("0.png", (i, i, 4, 4)) for i in range(10)]
    assert find_equal_files(Index(**{**vars(index), "sources": boxes})) == Copies()


def test_too_many_files_are_not_looked_at(index, monkeypatch):
    monkeypatch.setattr(copies_module, "MOST_FILES", 9)
    assert find_equal_files(index) is None
    monkeypatch.setattr(copies_module, "MOST_FILES", 10)
    monkeypatch.setattr(copies_module, "MOST_BYTES", 9)
    assert find_equal_files(index) is None


def test_files_that_cannot_be_read_are_passed_over(index, tmp_path):
    (tmp_path / "0.png").unlink()
    (tmp_path / "4.png").unlink()
    (tmp_path / "4.png").mkdir()
    assert find_equal_files(index).groups == 2


def test_what_is_found_is_stored_and_data_of_earlier_versions_without_it_are_read(tmp_path):
    folder = write_dataset(spec_of(folders.write_manifest(tmp_path)), tmp_path / "out")
    about = json.loads((folder / "dataset.json").read_text())
    assert about["copies"] == {**asdict(Copies()), "examples": []}
    assert open_dataset(folder).copies == Copies()
    del about["copies"]
    (folder / "dataset.json").write_text(json.dumps(about))
    assert open_dataset(folder).copies is None


def test_the_commands_warn(tmp_path, capsys):
    settings = folders.write_manifest(tmp_path)
    splits = ("train", "val", "test")
    rows = [row | {"split": splits[i % 3], "truth": "calm"} for i, row in enumerate(folders.manifest_rows())]
    folders.write_manifest(tmp_path, rows)
    for i in range(0, 60, 3):
        content = (tmp_path / "people" / f"face {i}.png").read_bytes()
        (tmp_path / "people" / f"face {i + 2}.png").write_bytes(content)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"name": "leaky", "dataset": settings}))
    for arguments in (["data", "--results", str(tmp_path / "out")], ["run", "--dry-run"]):
        assert main([arguments[0], str(tmp_path / "study.yaml"), *arguments[1:]]) == 0
        said = capsys.readouterr().out
        assert "warning: equal images in two splits: 20 test images are also in train" in said
        assert "equal: people/face 0.png (train), people/face 2.png (test)" in said


def test_a_dry_run_of_many_images_says_which_command_looks(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fer_tune.cli.description.MOST_FILES", 59)
    settings = folders.write_manifest(tmp_path)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"name": "large", "dataset": settings}))
    assert main(["run", str(tmp_path / "study.yaml"), "--dry-run"]) == 0
    assert "60 images are too many to look for equal ones here: fer-tune data does it" in capsys.readouterr().out
