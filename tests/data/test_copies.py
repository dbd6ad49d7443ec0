"""Equal images: counted within and across splits, stored with the data set, and warned of by the commands."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from fer_tune.cli.main import main
from fer_tune.data import copies as copies_module
from fer_tune.data.copies import copies_lines, find_copies, find_equal_files, without_copies
from fer_tune.data.dataset import Copies, open_dataset
from fer_tune.data.errors import DataError
from fer_tune.data.index import Index, Source
from fer_tune.data.labels import LabelSet
from fer_tune.data.loading import dataset_digest, read_dataset, write_dataset
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
    other_labels_in_split=0,
    differing=(("5.png (validation) calm", "1.png (train) glad"),),
)
PASTE = "  To leave them out of training, and out of validation if they are in test, add to dataset: copies: drop"
COMMANDS = (["data", "--results", "out"], ["run", "--dry-run"])


@pytest.fixture
def index(tmp_path):
    for i, content in enumerate(CONTENT):
        (tmp_path / f"{i}.png").write_bytes(content_of(Image.new("RGB", (8, 8), (40 * content, 0, 0))))
    splits = {"train": np.arange(4), "validation": np.arange(4, 7), "test": np.arange(7, 10)}
    labels = {"mood": np.array(MOODS), "affect": np.full((10, 1), 0.5, dtype=np.float32)}
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
        PASTE,
        "  equal: 0.png (train), 6.png (validation)",
        "  equal: 1.png (train), 5.png (validation)",
        "  equal: 2.png (train), 8.png (test)",
        "warning: 1 groups of equal images have different labels, 0 of them within one split",
        "  equal, with different labels: 5.png (validation) calm, 1.png (train) glad",
    ]


def test_copies_of_one_split_with_two_labels_are_counted_and_shown_with_these(index):
    images = np.array([0, 0, 1, 1, 2, 3, 4, 5, 6, 6], dtype=np.uint8).reshape(10, 1, 1, 1)
    found = find_copies(images, index)
    assert found.other_labels == 2
    assert found.other_labels_in_split == 2
    assert copies_lines(found)[-3:] == [
        "warning: 2 groups of equal images have different labels, 2 of them within one split",
        "  equal, with different labels: 0.png (train) calm, 1.png (train) glad",
        "  equal, with different labels: 3.png (train) calm, 2.png (train) glad",
    ]


@pytest.mark.parametrize(("value", "groups"), [(0.45, 0), (0.3, 1), (np.nan, 0)])
def test_values_of_copies_differ_if_they_are_more_than_a_tenth_apart(index, value, groups):
    images = np.array([0, 1, 2, 3, 4, 5, 6, 0, 7, 8], dtype=np.uint8).reshape(10, 1, 1, 1)
    index.labels["mood"][7] = index.labels["mood"][0]
    index.labels["affect"][7, 0] = value
    found = find_copies(images, index)
    assert found.other_labels == groups
    assert found.differing == ((("7.png (test) valence 0.30", "0.png (train) valence 0.50"),) if groups else ())


def test_what_is_also_held_out_further_is_left_out(index):
    kept, found = without_copies(pixels(), index)
    assert kept.splits["train"].tolist() == [3]
    assert kept.splits["validation"].tolist() == [4, 5, 6]
    assert kept.splits["test"].tolist() == [7, 8, 9]
    examples = (("4.png (validation)", "6.png (validation)"),)
    assert found == Copies(groups=1, images=2, examples=examples, train_left_out=3)
    assert find_equal_files(index, drop=True) == found
    assert copies_lines(found)[0] == (
        "copies: drop leaves out 3 training images that are also in validation or test, and 0 validation images that "
        "are also in test"
    )


def test_of_a_long_name_the_end_is_shown(index):
    sources = [Source(f"{'folder/' * 20}{i}.png") for i in range(10)]
    found = find_copies(pixels(), Index(**{**vars(index), "sources": sources}))
    first, second = found.examples[0]
    assert first == "..." + f"{'folder/' * 20}0.png"[-57:] + " (train)"
    assert second.endswith("folder/6.png (validation)")


def test_a_validation_image_that_is_in_test_is_left_out_too(index):
    images = np.array([0, 1, 2, 3, 4, 5, 6, 4, 4, 8], dtype=np.uint8).reshape(10, 1, 1, 1)
    kept, found = without_copies(images, index)
    assert kept.splits["validation"].tolist() == [5, 6]
    assert found.validation_left_out == 1
    assert found.groups == 1, "copies within the test split stay"


def test_leaving_out_copies_never_leaves_an_empty_split_or_one_without_labels(index):
    images = np.array([0, 0, 0, 0, 4, 5, 6, 0, 7, 8], dtype=np.uint8).reshape(10, 1, 1, 1)
    with pytest.raises(DataError, match="copies: drop leaves no train image: each is also in a split held out further"):
        without_copies(images, index)
    images[3] = 9
    index.labels["mood"][3] = -1
    with pytest.raises(DataError, match="no train sample has a label for mood"):
        without_copies(images, index)


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
    assert about["copies"] == {**asdict(Copies()), "examples": [], "differing": []}
    assert open_dataset(folder).copies == Copies()
    del about["copies"]
    (folder / "dataset.json").write_text(json.dumps(about))
    assert open_dataset(folder).copies is None


@pytest.fixture
def leaky(tmp_path, monkeypatch):
    """The dataset section of 20 training, 20 validation and 20 test images; 15 of test are also in training."""
    monkeypatch.chdir(tmp_path)
    settings = folders.write_manifest(tmp_path)
    splits = ("train", "val", "test")
    rows = [row | {"split": splits[i % 3], "truth": "calm"} for i, row in enumerate(folders.manifest_rows())]
    folders.write_manifest(tmp_path, rows)
    for i in range(0, 45, 3):
        content = (tmp_path / "people" / f"face {i}.png").read_bytes()
        (tmp_path / "people" / f"face {i + 2}.png").write_bytes(content)
    return settings


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_the_commands_warn_and_name_the_line_that_leaves_copies_out(leaky, capsys, command):
    Path("study.yaml").write_text(yaml.safe_dump({"name": "leaky", "dataset": leaky}))
    assert main([command[0], "study.yaml", *command[1:]]) == 0
    said = capsys.readouterr().out
    assert "warning: equal images in two splits: 15 test images are also in train" in said
    assert PASTE in said
    assert "equal: people/face 0.png (train), people/face 2.png (test)" in said


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_with_that_line_the_commands_say_what_is_left_out(leaky, capsys, command):
    Path("study.yaml").write_text(yaml.safe_dump({"name": "clean", "dataset": {**leaky, "copies": "drop"}}))
    assert main([command[0], "study.yaml", *command[1:]]) == 0
    said = capsys.readouterr().out
    assert "copies: drop leaves out 15 training images that are also in validation or test" in said
    assert "in two splits" not in said


def test_what_is_left_out_is_not_in_the_data_that_trials_train_on(leaky):
    spec = spec_of({**leaky, "copies": "drop"})
    folder = write_dataset(spec, Path("out"))
    stored, read = open_dataset(folder), read_dataset(spec)
    assert stored.splits["train"].tolist() == [45, 48, 51, 54, 57]
    assert stored.copies.train_left_out == 15
    for split, members in stored.splits.items():
        assert read.splits[split].tolist() == members.tolist()
    assert read.digest == stored.digest
    assert folder.name == dataset_digest(spec)


def test_data_and_studies_without_the_setting_stay_what_they_were(leaky):
    plain, kept, dropped = (spec_of({**leaky, **more}) for more in ({}, {"copies": "keep"}, {"copies": "drop"}))
    assert dataset_digest(kept) == dataset_digest(plain)
    assert dataset_digest(dropped) != dataset_digest(plain)
    assert "copies" not in kept.model_dump()
    assert dropped.model_dump()["copies"] == "drop"


def test_labels_exported_from_data_without_copies_read_back(tmp_path, capsys):
    settings = {**folders.write_raf(tmp_path / "raf", machine=True), "copies": "drop"}
    study = {"name": "shared", "dataset": settings, "noise": {"ratio": 0.4}, "training": {"batch_size": 16}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert main(["data", "export-labels", str(tmp_path / "study.yaml"), "--results", str(tmp_path / "out")]) == 0
    told = json.loads(capsys.readouterr().out.split(": ", 1)[1])
    told.pop("digest")
    back = read_dataset(spec_of({**settings, **told})).copies
    assert back.train_left_out + back.validation_left_out == 14, "every test face is also a training face there"


def test_a_dry_run_of_many_images_says_which_command_looks(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fer_tune.cli.description.MOST_FILES", 59)
    settings = folders.write_manifest(tmp_path)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"name": "large", "dataset": settings}))
    assert main(["run", str(tmp_path / "study.yaml"), "--dry-run"]) == 0
    assert "60 images are too many to look for equal ones here: fer-tune data does it" in capsys.readouterr().out
