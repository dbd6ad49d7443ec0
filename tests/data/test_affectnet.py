"""AffectNet in both releases: what is read, and what is said of mistakes."""

import csv
from pathlib import Path

import numpy as np
import pytest

from fer_tune.data.errors import DataError
from fer_tune.data.loading import read_dataset
from tests.support import folders
from tests.support.folders import edit, index_of, spec_of


def sizes(index):
    return {split: len(members) for split, members in index.splits.items()}


@pytest.mark.parametrize("second", ["validation.csv", "validate.csv"])
def test_the_csv_release_keeps_seven_classes_and_tests_on_the_official_validation_set(tmp_path, second):
    settings = folders.write_affectnet_csv(tmp_path, second=second)
    index = index_of(settings)
    assert sizes(index) == {"train": 35, "validation": 7, "test": 21}
    assert set(index.labels["emotion"]) == set(range(7))
    assert "left out 36 rows" in index.notes[0]
    assert len(index_of(settings, classes=8).splits["train"]) == 40


def test_the_csv_release_is_cropped_to_the_face_box(tmp_path):
    settings = folders.write_affectnet_csv(tmp_path)
    images = read_dataset(spec_of(settings, image_size=32)).images
    red = (images[:, 0].astype(int) - images[:, 1]).mean()
    assert red < 60  # the red surround is cut away
    assert read_dataset(spec_of(settings, image_size=32, aligned=True)).images[:, 0].mean() > images[:, 0].mean()


def test_the_release_of_arrays_is_read_the_same_way(tmp_path):
    index = index_of(folders.write_affectnet_arrays(tmp_path))
    assert sizes(index) == {"train": 49, "validation": 7, "test": 28}
    i = index.splits["test"][3]
    number = int(Path(index.sources[i].path).stem)
    assert index.labels["emotion"][i] == number % 8
    assert index.labels["affect"][i] == pytest.approx([number % 9 / 4 - 1, number % 5 / 4 - 0.5], abs=1e-3)


def test_machine_annotations_join_by_path_and_the_original_expression_selects_the_rows(tmp_path):
    settings = folders.write_affectnet_csv(tmp_path)
    rows = [row for row in folders.affectnet_rows(66, "1") if int(row[6]) < 7]
    for row in rows:
        row[6], row[7] = str((int(row[6]) + 1) % 7), "1.3"
    with open(tmp_path / "machine.csv", "w", newline="") as file:
        csv.writer(file).writerows([folders.AFFECTNET_HEADER, *reversed(rows)])
    own, index = index_of(settings), index_of(settings, machine_labels=str(tmp_path / "machine.csv"))
    for split in ("train", "validation"):
        expected = (own.labels["emotion"][own.splits[split]] + 1) % 7
        assert (index.labels["emotion"][index.splits[split]] == expected).all()
    assert (index.labels["emotion"][index.splits["test"]] == own.labels["emotion"][own.splits["test"]]).all()
    assert (index.known["emotion"] == own.labels["emotion"]).all()
    assert "100.0%" in index.notes[1]
    assert (index.labels["affect"] == own.labels["affect"]).all(), "valence and arousal stay AffectNet's own"


def test_machine_valence_and_arousal_have_a_setting_of_their_own(tmp_path):
    settings = folders.write_affectnet_csv(tmp_path)
    rows = [row for row in folders.affectnet_rows(66, "1") if int(row[6]) < 7]
    for row in rows:
        row[6], row[7], row[8] = str((int(row[6]) + 1) % 7), "1.3", "-0.25"
    with open(tmp_path / "machine.csv", "w", newline="") as file:
        csv.writer(file).writerows([folders.AFFECTNET_HEADER, *rows])
    own, index = index_of(settings), index_of(settings, machine_affect=str(tmp_path / "machine.csv"))
    noisy = np.concatenate([index.splits["train"], index.splits["validation"]])
    assert (index.labels["affect"][noisy] == np.float32([1.0, -0.25])).all()
    assert (index.labels["affect"][index.splits["test"]] == own.labels["affect"][own.splits["test"]]).all()
    assert (index.labels["emotion"] == own.labels["emotion"]).all()
    assert "valence or arousal of 42 training samples was outside" in index.notes[1]


def test_a_file_whose_valence_and_arousal_are_all_zero_has_none(tmp_path):
    settings = folders.write_affectnet_csv(tmp_path)
    rows = [[*row[:7], "0", "0"] for row in folders.affectnet_rows(66, "1") if int(row[6]) < 7]
    with open(tmp_path / "machine.csv", "w", newline="") as file:
        csv.writer(file).writerows([folders.AFFECTNET_HEADER, *rows])
    assert (index_of(settings, machine_labels=str(tmp_path / "machine.csv")).labels["affect"] != 0).any()
    with pytest.raises(DataError, match="valence and arousal are 0 in every row"):
        index_of(settings, machine_affect=str(tmp_path / "machine.csv"))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("training.csv", ",3,", ",11,", "expression must be a code from 0 to 10: it is 11"),
        ("training.csv", ",3,", ",,", "expression is empty"),
        ("training.csv", ",4,6,40,40,", ",,6,40,40,", "has no face box"),
        ("training.csv", ",4,6,40,40,", ",90,90,40,40,", r"the face box .* is outside the 60 x 60 image"),
        ("training.csv", "expression", "emotion", "has no column 'expression'"),
        ("validation.csv", "2/face3.jpg", "2/nobody.jpg", "image .* is missing"),
    ],
)
def test_a_mistake_in_the_csv_release_is_named(tmp_path, name, old, new, message):
    settings = folders.write_affectnet_csv(tmp_path)
    edit(tmp_path / name, old, new)
    with pytest.raises(DataError, match=message):
        read_dataset(spec_of(settings))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: (a / "3_val.npy").unlink(), "3_val.npy: is missing"),
        (lambda a: (a / "3_val.npy").write_bytes(b"x"), "3_val.npy: is not an array of one number"),
        (lambda a: np.save(a / "3_exp.npy", np.array("nan")), "3_exp.npy: must hold a finite number"),
        (lambda a: (a / "3_exp.npy").unlink(), "1 images have no annotation, such as 3.jpg"),
        (lambda a: np.save(a / "3_aro.npy", np.array([1.0, 2.0])), "it holds 2 values"),
        (lambda a: np.save(a / "3_aro.npy", np.array([object()]), allow_pickle=True), "is not an array of one number"),
    ],
)
def test_a_mistake_in_the_release_of_arrays_is_named(tmp_path, spoil, message):
    settings = folders.write_affectnet_arrays(tmp_path)
    spoil(tmp_path / "train_set" / "annotations")
    with pytest.raises(DataError, match=message):
        index_of(settings)


def test_what_is_not_used_is_counted_and_named(tmp_path):
    settings = folders.write_affectnet_csv(tmp_path / "csv")
    rows = folders.affectnet_rows(66, "1")
    (tmp_path / "csv" / "machine.csv").write_text("")
    with open(tmp_path / "csv" / "machine.csv", "w", newline="") as file:
        csv.writer(file).writerows([folders.AFFECTNET_HEADER, *(row for row in rows if int(row[6]) < 8)])
    notes = index_of(settings, machine_labels=str(tmp_path / "csv" / "machine.csv")).notes
    assert any(note.endswith("machine.csv: 6 rows belong to no training sample and are not used") for note in notes)
    assert any(note.endswith("training.csv: columns that are not used: facial_landmarks") for note in notes)
    settings = folders.write_affectnet_arrays(tmp_path / "arrays")
    assert len(index_of(settings).notes) == 1
    (tmp_path / "arrays" / "val_set" / "annotations" / "0_lnd.npy").touch()
    (tmp_path / "arrays" / "val_set" / "images" / "0.png").touch()
    notes = index_of(settings).notes
    assert notes[1].endswith("val_set/annotations: 1 other files, such as landmarks, are not used")
    assert notes[2].endswith("val_set/images: 1 files are not .jpg and are not used")


@pytest.mark.parametrize("marker", ["NA", "nan", "None", "-", ""])
def test_a_gap_is_no_label_and_no_box(tmp_path, marker):
    settings = folders.write_affectnet_csv(tmp_path)
    edit(tmp_path / "training.csv", ",3,", f",{marker},")
    with pytest.raises(DataError, match=r"training\.csv:5: expression is empty"):
        index_of(settings)
    settings = folders.write_affectnet_csv(tmp_path / "box")
    edit(tmp_path / "box" / "training.csv", ",4,6,40,40,", f",{marker},6,40,40,")
    with pytest.raises(DataError, match="has no face box"):
        index_of(settings)
