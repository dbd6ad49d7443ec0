"""Tables as spreadsheets and other programs save them: what is read, and how the rest is named."""

import gzip
import os

import numpy as np
import pandas as pd
import pytest

from fer_tune.data.errors import DataError, Problems
from fer_tune.data.tables import MISSING_MARKERS, gaps, has_column, numbers_in, read_header, read_table

PLAIN = "path,label,valence\na.png,happy,0.5\nb.png,sad,-1\n"
ROWS = [["a.png", "happy", "0.5"], ["b.png", "sad", "-1"]]


def written(folder, content, name="labels.csv"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


WAYS = {
    "plain": PLAIN,
    "Windows lines": PLAIN.replace("\n", "\r\n"),
    "old Mac lines": PLAIN.replace("\n", "\r"),
    "no last line end": PLAIN.rstrip("\n"),
    "byte order mark": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "UTF-32": PLAIN.encode("utf-32"),
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "bars": PLAIN.replace(",", "|"),
    "Excel's separator line": "sep=;\r\n" + PLAIN.replace(",", ";"),
    "quoted": PLAIN.replace(",", '","').replace("\n", '"\n"').rstrip('"').join(['"', ""]),
    "blanks in the header": PLAIN.replace("path,label,valence", " path , label,\tvalence "),
    "blanks before quotes": PLAIN.replace("path,label,valence", '"path", "label", "valence"'),
    "trailing separators in rows": PLAIN.replace("0.5\n", "0.5,,\n").replace("-1\n", "-1, ,\n"),
    "trailing separators in the header": PLAIN.replace("valence\n", "valence,,\n"),
    "trailing separators everywhere": PLAIN.replace("\n", ",\n"),
    "empty lines": "\n\n" + PLAIN.replace("\nb", "\n\n,,\n   \nb") + "\n,,\n",
    "compressed": gzip.compress(PLAIN.encode()),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_table_saved_in_another_way_is_the_same_table(tmp_path, way):
    table = read_table(written(tmp_path, WAYS[way]))
    assert table.columns == ["path", "label", "valence"]
    assert [table.text(name).tolist() for name in table.columns] == [list(cells) for cells in zip(*ROWS, strict=True)]
    assert table.notes == ()


def test_columns_of_parquet_are_text_and_its_index_is_a_column(tmp_path):
    table = pd.DataFrame(
        {"path": ["a", "b", "c"], "code": [1.0, np.nan, 2.0], "whole": [1, 2, 3], 7: [True, None, False]}
    )
    table.columns = [str(name) for name in table.columns]
    table.set_index("path").to_parquet(tmp_path / "labels.parquet")
    read = read_table(tmp_path / "labels.parquet")
    assert read.columns == ["path", "code", "whole", "7"]
    assert read.text("code").tolist() == ["1", "", "2"]
    assert read.text("whole").tolist() == ["1", "2", "3"]
    assert read.place(2).endswith("labels.parquet:3")


def test_line_numbers_are_those_of_the_file(tmp_path):
    text = 'path,note\r\n\r\na,"two\r\nlines"\r\n,\r\nb,x\r\n"c\nc",y\r\nd,z\r\n'
    table = read_table(written(tmp_path, "\ufeff" + text))
    lines = {cell: int(table.place(row).rpartition(":")[2]) for row, cell in enumerate(table.raw("path"))}
    editors = text.replace("\r\n", "\n").split("\n")
    assert {cell: editors[line - 1][:1].strip('"') or editors[line - 1][:2] for cell, line in lines.items()} == {
        "a": "a", "b": "b", "c\nc": '"c', "d": "d",
    }  # fmt: skip
    assert lines == {"a": 3, "b": 6, "c\nc": 7, "d": 9}


def test_short_rows_are_gaps_and_counted(tmp_path):
    table = read_table(written(tmp_path, "path,label,note\na,happy,x\nb,sad\nc\n"))
    assert table.text("label").tolist() == ["happy", "sad", ""]
    assert table.notes[0].endswith("2 rows have fewer cells than the header, such as line 3: the missing ones are gaps")


NAMED = {
    "long row": ("path,label\na,happy\nb,sad,0.5\n", r"labels\.csv:3: has 3 cells: a cell that holds a separator"),
    "row names": ('path,label\n"1",a,happy\n"2",b,sad\n', r"every row has 3 cells, but the header names 2 columns"),
    "cut": ("path,label,valence\na,happy,0.5\nb,sa", r"labels\.csv:3: the file ends in the middle of this row"),
    "open quote": ('path,label\na,happy\nb,"sad\nc,glad\n', r"labels\.csv:3: a quoted cell begins here and is never"),
    "text after quote": ('path,label\na,"sad"der\n', r"labels\.csv:2: text follows the closing quote of a cell"),
    "empty": ("", r"labels\.csv: is empty"),
    "blank": (" \n\n,,\n", r"labels\.csv: is empty"),
    "Windows-1252": ("path,label\na,x\nb,café\n".encode("cp1252"),
                     r"is not UTF-8 text: line 3 holds byte 0xe9, which is 'é' in Windows-1252\. Save it as UTF-8"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), r"labels\.csv: is not UTF-8 text: line 1 holds a null byte"),
    "cut UTF-16": (PLAIN.encode("utf-16")[:-1], r"labels\.csv: is not UTF-16 text, though it begins so"),
    "workbook": (b"PK\x03\x04" + bytes(99), r"not text but an Excel or OpenDocument workbook.*: save it.*CSV UTF-8"),
    "old workbook": (b"\xd0\xcf\x11\xe0" + bytes(99), r"is not text but an old Excel workbook"),
    "Parquet": (b"PAR1" + bytes(99), r"is not text but a Parquet file, whose name must end in \.parquet"),
    "cut gzip": (gzip.compress(PLAIN.encode() * 99)[:60], r"labels\.csv: cannot be read: "),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMED)
def test_what_is_not_a_table_is_named_with_its_line_and_the_remedy(tmp_path, case):
    content, message = NAMED[case]
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1", b"text"])
def test_what_is_not_parquet_is_named_in_one_line(tmp_path, content):
    path = written(tmp_path, content, "labels.parquet")
    with pytest.raises(DataError, match=r"labels\.parquet: is not a Parquet file that can be read") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_a_folder_and_a_pipe_are_not_tables(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="is not a file"):
        read_table(tmp_path / name)
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / name)
    with pytest.raises(DataError, match="is not a file"):
        read_table(tmp_path / "pipe" / name)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_table(tmp_path / "nowhere" / name)


def test_a_missing_column_is_said_with_what_is_there(tmp_path):
    path = written(tmp_path, "Path;emotion\na;b\n")
    with pytest.raises(DataError, match=r"labels\.csv: has no column 'path'; it has Path, emotion$"):
        read_table(path, ["path", "emotion"])
    wide = written(tmp_path, ",".join(f"c{k}" for k in range(5000)) + "\n")
    with pytest.raises(DataError, match=r"has no column 'path'; it has c0, c1, .*c19 and 4980 more$"):
        read_table(wide, ["path"])


def test_two_columns_of_one_name_are_refused_where_it_is_needed(tmp_path):
    table = read_table(written(tmp_path, "path,label,note,label\na,happy,x,sad\n"))
    assert table.columns == ["path", "label", "note", "label.1"]
    table.require(["path", "note"])
    with pytest.raises(DataError, match=r"several columns are named 'label': rename all but one"):
        table.require(["path", "label"])


def test_columns_without_a_name_are_named_by_their_place(tmp_path):
    assert read_table(written(tmp_path, ",path,,label\n0,a,x,happy\n")).columns == [
        "Unnamed: 0",
        "path",
        "Unnamed: 2",
        "label",
    ]


def test_only_the_beginning_is_read_for_the_column_names(tmp_path):
    path = written(tmp_path, PLAIN + "x\n" * 500 + '"open')
    assert read_header(path) == ["path", "label", "valence"]
    assert has_column(path, "label")
    assert not has_column(path, "emotion")
    assert not has_column(tmp_path / "nowhere.csv", "label")


def numbers(*cells):
    values, bad = numbers_in(pd.Series(cells, dtype="str"))
    return values.tolist(), bad.tolist()


def test_a_cell_that_is_not_a_number_is_a_problem_with_its_line(tmp_path):
    table = read_table(written(tmp_path, 'path,x\na,0.5\n\nb,high\nc,"1,234"\nd,inf\n'))
    problems = Problems("these rows")
    assert np.isnan(table.numbers("x", problems)).tolist() == [False, True, True, True]
    with pytest.raises(DataError) as caught:
        problems.raise_any()
    said = [line.partition("labels.csv:")[2] for line in str(caught.value).splitlines()[1:]]
    assert said == [
        "4: x must be a number: it is 'high'",
        "5: x must be a number: it is '1,234': write a decimal point, and no other separators",
        "6: x must be a number: it is 'inf', which is not finite",
    ]


@pytest.mark.parametrize("marker", sorted(MISSING_MARKERS | {" ", "\t", " NA "}))
def test_a_missing_marker_is_a_gap_and_no_mistake(marker):
    values, bad = numbers(marker, "0.5")
    assert np.isnan(values[0])
    assert bad == [False, False]
    assert gaps(pd.Series([marker, "happy"], dtype="str")).tolist() == [True, False]


@pytest.mark.parametrize("name", ["Nan", "Na", "Null", "neutral", "no", "0", "-1", "nana"])
def test_a_name_is_not_a_gap(name):
    assert not gaps(pd.Series([name], dtype="str"))[0]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1e-3", "+.5", "-2", " 7 "], [0.001, 0.5, -2, 7]),
        (["0,5", "-0,25", "1,000"], [0.5, -0.25, 1.0]),
        (["12,5", "1000"], [12.5, 1000]),
        (["1e400", "inf", "-Infinity"], [None, None, None]),
        (["1,234", "2,000"], [None, None]),
        (["1,234.5", "1 000", "50%", "0x10", "1_000", "\N{FULLWIDTH DIGIT ONE}", "\N{MINUS SIGN}1"], [None] * 7),
        (["99999999999999999999999"], [1e23]),
    ],
)
def test_numbers_are_read_as_meant_or_named(cells, values):
    found, bad = numbers(*cells)
    assert bad == [value is None for value in values]
    assert [None if wrong else value for value, wrong in zip(found, bad, strict=True)] == values
