"""Tables in the forms in which they circulate: what is drafted for each, and that the draft reads every face."""

from pathlib import Path

import numpy as np
import pytest

from fer_tune.data.detect import detect
from fer_tune.data.errors import DataError
from fer_tune.data.loading import read_dataset
from tests.support import table_forms
from tests.support.folders import face, index_of, spec_of
from tests.support.table_forms import COUNT, FORMS, NAMES, write_images, write_rows

WORDS = sorted(NAMES)
ONE = {"kind": "categorical", "columns": ["label"], "classes": WORDS}
DRAFTS = {  # what of the section is particular to the form, and a remark
    "fer2013": ({"file": "fer2013.csv", "pixels": "pixels", "split": "Usage",
                 "splits": {"PublicTest": "val", "PrivateTest": "test"}}, "emotion: 7 classes, as FER2013 has them"),
    "icml": ({"file": "icml_face_data.csv", "pixels": "pixels", "split": "Usage",
              "splits": {"PublicTest": "val", "PrivateTest": "test"}}, "Usage: the splits, where PublicTest is val"),
    "ck_extended": ({"file": "ckextended.csv", "pixels": "pixels", "split": "Usage",
                     "splits": {"PublicTest": "val", "PrivateTest": "test"}}, "8 classes, as FER2013 has them"),
    "hugging_face": ({"files": {"train": "data/train-*.parquet", "test": "data/test-*.parquet"}, "bytes": "image"},
                     "label: 7 classes, as the file has them: 0 neutral, 1 happy"),
    "bytes": ({"files": {"train": "data/train-*.parquet", "test": "data/test-*.parquet"}, "bytes": "image"},
              "image: the images, as bytes in the table"),
    "split_tables": ({"files": {"train": "train.csv", "val": "val.csv", "test": "test.csv"}, "path": "filename",
                      "folder": "faces", "separator": ";"}, "its cells are separated by semicolons"),
    "class_folders_with_tables": ({"files": {"train": "train_labels.csv", "test": "test_labels.csv"},
                                   "path": "DATASET/{split}/{label}/{image}"}, "the images are DATASET/{split}/"),
    "affectnet_kaggle": ({"file": "labels.csv", "path": "pth"}, "relFCs: left out: by its name it measures something"),
    "other_machine": ({"file": "list.csv", "prefix": "/home/other/data", "header": ["path", "column2"]},
                      "it has no header line, so its columns are called path, column2"),
    "no_suffix": ({"file": "labels.tsv", "path": "id", "folder": "imgs"}, "their names have no suffix"),
    "several_faces": ({"file": "faces.csv", "path": "image", "folder": "photos",
                       "boxes": {"columns": ["xmin", "ymin", "xmax", "ymax"], "form": "corners"}}, "the face's box"),
    "people": ({"file": "legend.csv", "path": "image", "folder": "images", "split": "Usage",
                "splits": {"PublicTest": "val", "PrivateTest": "test"}, "annotator": "user.id"},
               "10 people. Images with several rows: 2; they are votes"),
    "minus_10_to_10": ({"file": "rated.csv", "path": "image"}, "valence: a continuous value from -10 to 10"),
    "minus_1000_to_1000": ({"file": "rated.csv", "path": "image"}, "arousal: a continuous value from -1000 to 1000"),
    "aff_wild2": ({"file": "rated.csv", "path": "image"}, "valence: a continuous value; -5 means no label"),
    "affectnet_marker": ({"file": "rated.csv", "path": "image"}, "valence: a continuous value; -2 means no label"),
}  # fmt: skip


def below(root, settings):
    """Settings of files below `root`, which the drafts name in full."""
    full = {key: str(root / value) for key, value in settings.items() if key in ("file", "folder")}
    full |= {"files": {split: str(root / name) for split, name in settings.get("files", {}).items()}}
    return {**settings, **{key: value for key, value in full.items() if value}}


def drafted(tmp_path, form, answers=None):
    FORMS[form](tmp_path)
    return detect(tmp_path, answers)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_recognised_and_said(tmp_path, form):
    draft = drafted(tmp_path, form)
    settings, remark = DRAFTS[form]
    section = {key: value for key, value in draft.section.items() if key not in ("kind", "sets")}
    assert section == below(tmp_path, settings)
    assert any(remark in said for said in draft.remarks), draft.remarks


@pytest.mark.parametrize("form", FORMS)
def test_the_draft_reads_every_face_with_its_label(tmp_path, form):
    draft = drafted(tmp_path, form)
    dataset = read_dataset(spec_of(draft.section, image_size=32))
    names = dataset.label_sets[0].names
    count = COUNT - (form == "people")  # a tie is no label
    assert sum(map(len, dataset.splits.values())) == len(dataset.images) == count
    assert min(map(len, dataset.splits.values())) > 0
    wrong = [
        i for i in range(count) if meant(names[dataset.labels[dataset.label_sets[0].name][i]]) not in shown(form, i)
    ]
    assert wrong == []
    assert len({image.tobytes() for image in dataset.images}) == count


def meant(name):
    """The emotion of a class, however it is spelt or coded."""
    codes = {str(k + 1): name for k, name in enumerate(NAMES)}
    return {"happiness": "happy", "sadness": "sad"}.get(name, codes.get(name, name))


def shown(form, i):
    """What the image of row i may be labelled with."""
    if form == "ck_extended":
        return ("anger", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")[i % 8]
    return NAMES[(i + (form == "people" and i >= 3)) % 7]


def test_the_pixels_are_those_of_the_table(tmp_path):
    FORMS["fer2013"](tmp_path)
    index = index_of(detect(tmp_path).section)
    assert (index.sources[9] == np.asarray(face(2, 9, 48).convert("L"))).all()


def test_the_splits_of_the_table_are_used(tmp_path):
    index = index_of(drafted(tmp_path, "fer2013").section)
    rows = np.arange(COUNT) // 7 % 5
    assert (index.splits["train"] == np.flatnonzero(rows < 3)).all()
    assert (index.splits["validation"] == np.flatnonzero(rows == 3)).all()
    assert (index.splits["test"] == np.flatnonzero(rows == 4)).all()


def test_spellings_are_proposed_as_a_map_with_counts(tmp_path):
    draft = drafted(tmp_path, "people")
    (emotion,) = draft.section["sets"]
    assert emotion["classes"] == WORDS
    assert emotion["map"]["happiness"] == "happy"
    assert emotion["map"]["NEUTRAL"] == "neutral"
    (said,) = [remark for remark in draft.remarks if remark.startswith("emotion: ")]
    assert "16 spellings of 7 classes: " in said
    assert "happiness -> happy (4 rows)" in said


def test_without_the_map_the_check_refuses_and_says_it(tmp_path):
    section = drafted(tmp_path, "people").section
    (emotion,) = section["sets"]
    proposed = emotion.pop("map")
    with pytest.raises(DataError) as caught:
        index_of(section)
    lines = str(caught.value).splitlines()
    assert len(lines) <= 10
    assert "it is 'NEUTRAL'" in lines[1]
    assert lines[1].endswith("(and 1 more like it)")
    assert all(f"{word}: {name}" in lines[-1] for word, name in proposed.items())


def test_a_boxed_face_is_cut_out(tmp_path):
    dataset = read_dataset(spec_of(drafted(tmp_path, "several_faces").section, image_size=64))
    alone = np.asarray(face(1, 1).resize((64, 64), 2)).transpose(2, 0, 1).astype(int)
    assert np.abs(dataset.images[1].astype(int) - alone).max() <= 2


def test_values_are_rescaled(tmp_path):
    affect = index_of(drafted(tmp_path, "minus_10_to_10").section).labels["affect"]
    assert np.allclose(affect[:21, 0], np.arange(-10, 11) / 10)


@pytest.mark.parametrize("form", ["aff_wild2", "affectnet_marker"])
def test_a_marker_is_no_value(tmp_path, form):
    affect = index_of(drafted(tmp_path, form).section).labels["affect"]
    assert (np.isnan(affect).all(axis=1) == (np.arange(COUNT) % 6 == 0)).all()


QUESTIONS = {
    "self-assessment": (lambda root: table_forms.rated(root, 1, 9), "range: [1, 9]", "range: [0, 10]",
                        {"range": [0, 10]}, (-0.8, 0.8)),
    "0 to 1": (lambda root: table_forms.rated(root, 0, 10, scale=10), "range: [0, 1]", "range: [-1, 1]",
               {"range": [-1, 1]}, (0, 1)),
    "a few of -10 to 10": (lambda root: table_forms.rated(root, -4, 4), "range: [-4, 4]", "range: [-10, 10]",
                           {"range": [-10, 10]}, (-0.4, 0.4)),
}  # fmt: skip


@pytest.mark.parametrize("case", QUESTIONS)
def test_where_two_scales_are_possible_one_line_is_asked_for(tmp_path, case):
    write, first, second, answer, ends = QUESTIONS[case]
    write(tmp_path)
    with pytest.raises(DataError, match=r"valence, arousal go from .* readings are possible") as caught:
        detect(tmp_path)
    assert first in str(caught.value)
    assert second in str(caught.value)
    affect = index_of(detect(tmp_path, answer).section).labels["affect"]
    assert np.allclose((affect.min(), affect.max()), ends)


def test_two_folders_with_the_images_are_both_named(tmp_path):
    for folder in ("aligned", "raw"):
        write_images(tmp_path / folder)
    write_rows(tmp_path / "t.csv", [["image", "label"], *([f"{i}.png", NAMES[i % 7]] for i in range(COUNT))])
    with pytest.raises(DataError, match=r"the images are in several folders\. 2 readings.*\n.*aligned.*\n.*raw"):
        detect(tmp_path)
    draft = detect(tmp_path, {"folder": str(tmp_path / "raw")})
    assert draft.section["folder"] == str(tmp_path / "raw")


def test_two_tables_are_both_named(tmp_path):
    write_images(tmp_path)
    for name in ("first.csv", "second.csv"):
        write_rows(tmp_path / name, [["image", "label"], *([f"{i}.png", NAMES[i % 7]] for i in range(COUNT))])
    with pytest.raises(
        DataError, match=r"2 tables hold images and labels.*\n  file: first\.csv.*\n  file: second\.csv"
    ):
        detect(tmp_path)
    assert detect(tmp_path, {"file": "second.csv"}).section["file"] == str(tmp_path / "second.csv")


def test_codes_of_a_split_are_asked_for(tmp_path):
    write_images(tmp_path)
    rows = [[f"{i}.png", NAMES[i % 7], int(i > 55)] for i in range(COUNT)]
    write_rows(tmp_path / "t.csv", [["image", "label", "subset"], *rows])
    with pytest.raises(DataError, match=r"column subset holds codes.*\n.*train has 56 rows\n.*test has 56 rows"):
        detect(tmp_path)
    section = detect(tmp_path, {"splits": {"0": "train", "1": "test"}}).section
    assert len(index_of(section).splits["test"]) == 14


def test_a_table_of_the_test_split_without_labels_is_left_out(tmp_path):
    write_images(tmp_path)
    write_rows(tmp_path / "train.csv", [["image", "label"], *([f"{i}.png", NAMES[i % 7]] for i in range(60))])
    write_rows(tmp_path / "test.csv", [["image"], *([f"{i}.png"] for i in range(60, COUNT))])
    draft = detect(tmp_path)
    assert draft.section["file"] == str(tmp_path / "train.csv")
    assert len(index_of(draft.section)) == 60


def test_one_image_with_two_labels_and_no_annotator_is_said(tmp_path):
    write_images(tmp_path)
    rows = [[f"{i}.png", NAMES[i % 7]] for i in range(COUNT)] + [["3.png", "happy"]]
    write_rows(tmp_path / "t.csv", [["path", "label"], *rows])
    message = r"t\.csv:72: '3\.png' is already in .*t\.csv:5\n  1 row has .* happy after surprise: .*`annotator`"
    with pytest.raises(DataError, match=message):
        index_of(detect(tmp_path).section)


def test_fractions_without_a_sign_are_no_labels(tmp_path):
    write_images(tmp_path)
    rows = [[f"{i}.png", NAMES[i % 7], i / COUNT] for i in range(COUNT)]
    write_rows(tmp_path / "t.csv", [["image", "label", "happy share"], *rows])
    draft = detect(tmp_path)
    assert [s["name"] for s in draft.section["sets"]] == ["label"]
    assert any(
        "happy share: left out: fractions from 0 to 1" in said and "range: [0, 1]" in said for said in draft.remarks
    )


def test_people_are_no_label_set_and_labels_come_first(tmp_path):
    write_images(tmp_path)
    rows = [[f"{i}.png", f"p{i % 5}", "ab"[i % 2], NAMES[i % 7]] for i in range(COUNT)]
    write_rows(tmp_path / "t.csv", [["image", "subject", "glasses", "emotion"], *rows])
    draft = detect(tmp_path)
    assert [s["name"] for s in draft.section["sets"]] == ["emotion", "glasses"]
    assert any("`subject: subject` keeps each in one split" in said for said in draft.remarks)


def test_one_split_in_several_files_is_one_table(tmp_path):
    table_forms.hugging_face(tmp_path)
    (tmp_path / "data" / "test-00000-of-00001.parquet").unlink()
    draft = detect(tmp_path)
    assert draft.section["file"] == str(tmp_path / "data" / "train-*.parquet")
    index = index_of(draft.section)
    assert len(index) == 56
    assert index.origins[28].endswith("train-00001-of-00002.parquet:1")


def test_a_draft_names_files_as_the_command_did(tmp_path, monkeypatch):
    """From inside the folder: relative to it."""
    table_forms.people(tmp_path)
    monkeypatch.chdir(tmp_path)
    draft = detect(Path())
    assert draft.section["file"] == "legend.csv"
    assert draft.section["folder"] == "images"
    assert len(index_of(draft.section)) == COUNT - 1
