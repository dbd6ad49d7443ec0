"""RAF-DB: what is read, and what is said of mistakes."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fer_tune.data.errors import DataError
from fer_tune.data.loading import read_dataset
from tests.support import folders
from tests.support.folders import edit, index_of, spec_of

LABEL_FILE, IMAGES = "EmoLabel/list_patition_label.txt", "Image/aligned"
THIRD = f"{IMAGES}/train_00003_aligned.jpg"


def file_names(index, split):
    return {Path(index.sources[i].path).name for i in index.splits[split]}


def test_raf_joins_by_name_and_splits_by_prefix(tmp_path):
    index = index_of(folders.write_raf(tmp_path))
    assert file_names(index, "test") == {f"test_{i:05d}_aligned.jpg" for i in range(1, 15)}
    assert len(index.splits["train"]) == 35
    assert len(index.splits["validation"]) == 7
    assert sorted(index.labels["emotion"][index.splits["validation"]]) == list(range(7))
    for source, label in zip(index.sources, index.labels["emotion"], strict=True):
        assert label == (int(Path(source.path).name.split("_")[1]) - 1) % 7
    assert [s.name for s in index.label_sets] == ["emotion"]


def test_raf_machine_annotations_replace_only_training_labels(tmp_path):
    settings = folders.write_raf(tmp_path, machine=True)
    index, own = index_of(settings), index_of({"kind": "raf", "folder": str(tmp_path)})
    train, test = index.splits["train"], index.splits["test"]
    assert 0.2 < (index.labels["emotion"] != own.labels["emotion"])[train].mean() < 0.5
    assert (index.labels["emotion"] == own.labels["emotion"])[test].all()
    assert (index.known["emotion"] == own.labels["emotion"]).all()
    assert not own.known
    assert np.isnan(index.labels["affect"][test]).all()
    assert np.abs(index.labels["affect"][train]).max() == 1
    assert "33.3% of the training" in index.notes[0]
    assert "of 17 training samples" in index.notes[1]


def in_label_file(old, new):
    return lambda root: edit(root / LABEL_FILE, old, new)


def keep_only_training(root):
    lines = (root / LABEL_FILE).read_text().splitlines()
    (root / LABEL_FILE).write_text("".join(f"{line}\n" for line in lines if line.startswith("train")))
    for path in root.glob("Image/aligned/test*"):
        path.unlink()


MISTAKES = {
    "unknown code": (
        in_label_file("train_00003.jpg 5", "train_00003.jpg 8"),
        r"label\.txt:\d+: .*'train_00003.jpg 8'",
    ),
    "no code": (in_label_file("train_00003.jpg 5", "train_00003.jpg"), r"label\.txt:\d+: must be NAME CODE"),
    "duplicate": (in_label_file("train_00003.jpg 5", "train_00001.jpg 7"), r"'train_00001.jpg' is already in .*:\d+"),
    "no split": (in_label_file("train_00003.jpg 5", "face_3.jpg 5"), "must begin with train_ or test_"),
    "missing image": (lambda r: (r / THIRD).unlink(), r"label\.txt:\d+: image .*00003.* is missing"),
    "unlisted image": (
        lambda r: shutil.copy(r / THIRD, r / IMAGES / "x.jpg"),
        "does not list 1 images, such as .*x.jpg",
    ),
    "not an image": (
        lambda r: (r / THIRD).write_bytes(b"\xff\xd8not"),
        r"label\.txt:\d+: .*00003_.*is not a readable image",
    ),
    "empty image": (lambda r: (r / THIRD).write_bytes(b""), r"label\.txt:\d+: .*00003_.*is not a readable image"),
    "truncated": (lambda r: (r / THIRD).write_bytes((r / THIRD).read_bytes()[:400]), r"label\.txt:\d+: .*00003_"),
    "no label file": (lambda r: (r / LABEL_FILE).unlink(), "label.txt: cannot be read: No such file"),
    "no images": (lambda r: shutil.rmtree(r / IMAGES), "aligned: this folder is missing"),
    "not text": (lambda r: (r / LABEL_FILE).write_bytes(b"a\n\xe9\x00"), "label.txt: is not UTF-8 text: line 2 .* 'é'"),
    "cut UTF-16": (lambda r: (r / LABEL_FILE).write_bytes(b"\xff\xfe\x00"), "label.txt: is not UTF-16 text"),
    "empty split": (keep_only_training, "the test split is empty"),
    "machine nan": (lambda r: edit(r / "affect.txt", "00002.jpg -0.600", "00002.jpg nan"), r"affect\.txt:2: .*finite"),
    "machine gap": (lambda r: edit(r / "machine.txt", "train_00002.jpg 4\n", ""), "00002.jpg' has no annotation"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_raf_is_named_with_its_place(tmp_path, mistake):
    spoil, message = MISTAKES[mistake]
    settings = folders.write_raf(tmp_path, machine=True)
    spoil(tmp_path)
    with pytest.raises(DataError, match=message):
        read_dataset(spec_of(settings, image_size=32))


def test_annotations_that_belong_to_no_training_sample_are_counted(tmp_path):
    settings = folders.write_raf(tmp_path, machine=True)
    with open(tmp_path / "machine.txt", "a") as file:
        file.write("train_99999.jpg 3\ntest_00001.jpg 3\n")
    notes = index_of(settings).notes
    assert notes[1].endswith(
        "machine.txt: 2 lines belong to no training sample and are not used, such as 'train_99999.jpg'"
    )


def test_line_numbers_are_those_of_editors(tmp_path):
    settings = folders.write_raf(tmp_path)
    path = tmp_path / LABEL_FILE
    path.write_bytes(path.read_bytes().replace(b"\n", b"\x0b \r\n\r\n") + "x\u2028y\n".encode())
    with pytest.raises(DataError, match=r"label\.txt:113: must be NAME CODE"):
        index_of(settings)
