"""Drafts: every column is accounted for, and what is drafted is accepted."""

import csv
import re

import pytest
from PIL import Image

from fer_tune.data.detect import detect
from fer_tune.data.errors import DataError
from tests.support.folders import index_of

COUNT = 40
WORDS = ["happy", "sad", "calm"]


def drafted(folder, columns, name="labels.csv"):
    """The draft for a table with a column `path` and these columns of 40 cells."""
    columns = {"path": [f"{i}.png" for i in range(COUNT)], **columns}
    with open(folder / name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    for i in range(COUNT):
        Image.new("RGB", (4, 4), (6 * i, 0, 0)).save(folder / f"{i}.png")
    return detect(folder)


def cells(*values):
    return [values[i % len(values)] for i in range(COUNT)]


def sets_of(draft):
    return {tuple(s["columns"]): s.get("classes") for s in draft.section["sets"]}


GUESSES = {
    "words": (cells(*WORDS), ["calm", "happy", "sad"], "3 classes"),
    "words with gaps": (cells(*WORDS, "NA", "-"), ["calm", "happy", "sad"], "3 classes; 16 of 40 are missing (-, NA)"),
    "codes": (cells("0", "1", "2"), ["0", "1", "2"], "3 classes"),
    "codes from 1": (cells("1", "2", "3"), ["1", "2", "3"], "3 classes"),
    "codes as floats": (cells("0.0", "1.0", "2.0", ""), ["0", "1", "2"], "3 classes; 10 of 40 are missing"),
    "two codes as floats": (cells("0.0", "1.0"), ["0", "1"], "2 classes"),
    "codes with a hole": (cells("0", "1", "3"), ["0", "1", "2", "3"], "classes 0 to 3, of which 3 occur"),
    "padded codes": (cells("01", "02"), ["01", "02"], "2 classes"),
    "large codes": (cells("100", "20"), ["20", "100"], "2 classes"),
    "accents in two forms": (cells("caf\u00e9", "cafe\u0301", "sad"), ["café", "sad"], "2 classes"),
    "a broken formula": (cells(*WORDS * 13, "#REF!"), ["calm", "happy", "sad"], "3 classes"),
    "fractions": (cells("0.5", "-1", "NaN"), None, "a continuous value; 13 of 40 are missing (NaN)"),
    "decimal commas": (cells("0,5", "-0,25"), None, "a continuous value"),
    "nothing": (cells("", "NA", " "), (), "left out: it holds no value"),
    "one value": (cells("happy", "happy"), (), "left out: every row has 'happy'"),
    "free text": ([f"face {i}" for i in range(COUNT)], (), "left out: 40 different values, as many as rows"),
    "large numbers": (cells("1.5", "-7"), (), "left out: numbers from -7 to 1.5; a continuous value must be"),
}


@pytest.mark.parametrize("case", GUESSES)
def test_each_column_is_drafted_or_left_out_with_a_reason_and_the_draft_is_accepted(tmp_path, case):
    column, classes, remark = GUESSES[case]
    draft = drafted(tmp_path, {"first": cells(*WORDS), "column": column})
    found = sets_of(draft)
    assert found[("first",)] == ["calm", "happy", "sad"]
    assert found.get(("column",), ()) == classes
    said = {line.partition(": ")[0]: line.partition(": ")[2] for line in draft.remarks}
    assert said["column"].startswith(remark)
    assert set(said) == {"path", "first", "column"}
    if case != "a broken formula":  # its row is named
        assert len(index_of(draft.section)) == COUNT


def test_names_of_label_sets_are_valid_and_differ(tmp_path):
    names = [
        "image",
        "noise",
        "joint",
        "affect",
        "emotion!",
        "emotion?",
        "1st",
        "Gefühl " * 9,
        "valence",
        "Ärger",
        "表情",
    ]
    columns = {name: cells(*WORDS) for name in names} | {"valence": cells("0.5", "-0.5")}
    draft = drafted(tmp_path, columns)
    index = index_of(draft.section)
    assert len(index.label_sets) == len(names)
    assert len({s.name for s in index.label_sets}) == len(names)


def test_a_split_is_used_and_an_index_column_is_left_out(tmp_path):
    draft = drafted(tmp_path, {"": [str(i) for i in range(COUNT)], "label": cells(*WORDS), "split": ["train"] * COUNT})
    assert sets_of(draft) == {("label",): ["calm", "happy", "sad"]}
    assert "split: the splits" in draft.remarks
    assert any(remark.startswith("Unnamed: 1: left out: 40 different values") for remark in draft.remarks)


def test_columns_of_one_name_are_left_out_and_said(tmp_path):
    (tmp_path / "labels.csv").write_text("path,a,b,a\n" + "".join(f"{i}.png,x,{i % 2},y\n" for i in range(9)))
    draft = detect(tmp_path)
    assert sets_of(draft) == {("b",): ["0", "1"]}
    assert [line for line in draft.remarks if line.startswith("a")] == [
        "a: left out: several columns have this name",
        "a.1: left out: several columns have this name",
    ]


def test_thousands_of_columns_are_accounted_for_in_a_few_lines(tmp_path):
    features = {f"feature{k}": [f"{(i * k) % 7 + 1.5}" for i in range(COUNT)] for k in range(1, 500)}
    draft = drafted(tmp_path, {"label": cells(*WORDS), **features})
    assert sets_of(draft) == {("label",): ["calm", "happy", "sad"]}
    assert len(draft.remarks) < 12
    assert any(re.search(r"feature1, .* and 4\d\d more: left out: numbers from N to N", line) for line in draft.remarks)


def test_a_table_without_classes_is_refused_with_what_its_columns_hold(tmp_path):
    with pytest.raises(DataError, match=r"no column could be taken for classes.*\n  path: .*\n  number: left out: 40"):
        drafted(tmp_path, {"number": [str(i) for i in range(COUNT)]})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.csv": "image,label\nx,y\n"},
            r"a\.csv: no column could be taken for classes.*\n  image: .*\n  label: left out: every row has 'y'",
        ),
        ({"a.csv": "x,label\n1,2\n"}, r"a\.csv: no column names image files in .*; it has the columns x, label"),
        ({"a.csv": b"\xff"}, r"a\.csv: is not UTF-8 text: line 1 holds byte 0xff"),
        ({"a.xlsx": b"PK\x03\x04"}, r"not read, because they are neither CSV nor Parquet: a\.xlsx"),
        (
            {"a.csv": "x,y\n1,2\n", "b.csv": b"\xff"},
            r"none of its 2 tables .* images and labels:\n.*a\.csv: no column names .*\n.*b\.csv: is not UTF-8 text",
        ),
        ({"a.csv": "path,x\n"}, r"a\.csv: has no rows below its header"),
        ({"A.CSV": "path\n1.png\n"}, r"A\.CSV: no column could be taken for classes"),
    ],
)
def test_a_folder_that_cannot_be_used_is_said_with_what_is_there(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=message):
        detect(tmp_path)
