"""Tables of strangers, with the command a person uses: `fer-tune data FOLDER`.

What another program only writes in another way is read as the same labels; what is damaged is read or named in one
message. Each case ends with exit code 0 or 2 and without a traceback. FER_TUNE_FUZZ multiplies the cases.
"""

import csv
import io
import os
import re
import shutil
import warnings
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_tune.cli.main import main
from fer_tune.data.detect import detect
from fer_tune.data.loading import index_dataset
from tests.support.folders import spec_of

TIMES = int(os.environ.get("FER_TUNE_FUZZ", "1"))
WAYS, DAMAGES = 40 * TIMES, 160 * TIMES
ROWS = 14
WORDS = ("happy", "sad", "calm")
HEADER = ["path", "emotion", "code", "valence", "arousal"]
CELLS = [
    [f"{i}.png", WORDS[i % 3], str(i % 2), f"{i / 7 - 1:.3f}", "" if i % 5 == 0 else f"{0.9 - i / 8:.2f}"]
    for i in range(ROWS)
]  # fmt: skip
ODD = [
    "", " ", "NA", "NaN", "null", "None", "-", "#N/A", "#REF!", "1.0", "1,5", "1e999", "-1", "9" * 20, "inf",
    "'", '"', '""', "\n", "a\r\nb", ";", "\t", ",", "../x", "/etc/passwd", "~", "C:\\x", "0.5.6", "0x10",
    "é", "e\u0301", "\u200b", "\u8868\u60c5", "\U0001f600", "\ufeff", "=1+1", "true", "happy ", "HAPPY", "x" * 300,
    "train", "test",
]  # fmt: skip
JUNK = st.one_of(st.text(max_size=8), st.sampled_from(ODD))
NAMES = st.one_of(
    st.text(max_size=6), st.sampled_from(["split", "path", "emotion", "image", "affect", "", " ", "Unnamed: 1", "x"])
)
DAMAGE = ("cell", "cell", "row", "column", "name", "drop", "twice", "longer", "shorter", "header")
COLUMNS = {
    "gaps": lambda i, draw: "",
    "one value": lambda i, draw: "x",
    "large numbers": lambda i, draw: str(i * 1e5),
    "different words": lambda i, draw: f"w{i}",
    "two words": lambda i, draw: "ab"[i % 2],
    "junk": lambda i, draw: draw(JUNK),
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")
SEPARATORS = (",", ";", "\t", "|")


def fuzz(cases):
    return settings(
        max_examples=cases, deadline=10_000, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of small images; every case writes its own table into it."""
    folder = tmp_path_factory.mktemp("mine")
    for i in range(ROWS):
        Image.new("RGB", (8, 8), (9 * i, 200 - 9 * i, 40)).save(folder / f"{i}.png")
    return folder


def table_text(rows, separator=",", end="\n", quoting=csv.QUOTE_MINIMAL):
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting).writerows(rows)
    return text.getvalue()


def check(folder):
    """The exit code of `fer-tune data`, and what it said."""
    said, wrong, out = io.StringIO(), io.StringIO(), folder.parent / f"{folder.name} out"
    with redirect_stdout(said), redirect_stderr(wrong), warnings.catch_warnings():
        warnings.simplefilter("error")
        code = main(["data", str(folder), "--results", str(out)])
    shutil.rmtree(out, ignore_errors=True)
    return code, said.getvalue(), wrong.getvalue()


def labels_of(folder):
    index = index_dataset(spec_of(detect(folder).section))
    return [source.path for source in index.sources], index.labels


@fuzz(WAYS)
@given(st.data())
def test_a_table_in_another_dialect_holds_the_same_labels(folder, data):
    draw = data.draw
    (folder / "labels.csv").write_text(table_text([HEADER, *CELLS]))
    paths, labels = labels_of(folder)
    rows = [list(row) for row in [HEADER, *CELLS]]
    if draw(st.booleans()):  # gaps as another program writes them
        marker = draw(st.sampled_from(["NA", "NaN", "null", "None", "-", " ", "#N/A"]))
        rows = [[cell or marker for cell in row] for row in rows]
    if draw(st.booleans()):  # codes as pandas saves them beside missing ones
        rows = [rows[0], *([a, b, f"{c}.0", *rest] for a, b, c, *rest in rows[1:])]
    if draw(st.booleans()):  # blanks around cells
        rows = [[f" {cell} " if i else cell for i, cell in enumerate(row)] for row in rows]
    if draw(st.booleans()):  # decimal commas
        rows = [rows[0], *([*row[:3], *(cell.replace(".", ",") for cell in row[3:])] for row in rows[1:])]
    if draw(st.booleans()):  # another order of the columns
        order = draw(st.permutations(range(len(HEADER))))
        rows = [[row[k] for k in order] for row in rows]
    more = draw(st.integers(0, 3))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    separator, end = draw(st.sampled_from(SEPARATORS)), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    header = rows[0] + [""] * (more if draw(st.booleans()) else 0)
    text = table_text([header, *(row + [""] * more for row in rows[1:])], separator, end, quoting)
    text += draw(st.sampled_from(["", end, separator * 4 + end]))
    (folder / "labels.csv").write_bytes(text.encode(draw(st.sampled_from(ENCODINGS))))
    same_paths, same = labels_of(folder)
    assert same_paths == paths
    assert set(same) == set(labels)
    for name, values in labels.items():
        assert np.array_equal(
            np.sort(same[name], axis=-1), np.sort(values, axis=-1), equal_nan=values.dtype.kind == "f"
        )
    code, said, wrong = check(folder)
    assert (code, wrong) == (0, "")
    assert "every image can be read" in said
    for name in HEADER:
        assert re.search(rf"^  {name}: ", said, re.MULTILINE), name


def damaged(draw):
    """The bytes of a table that is odd or damaged in up to four ways."""
    rows = [list(row) for row in [HEADER, *CELLS]]
    separator, encoding = draw(st.sampled_from(SEPARATORS)), draw(st.sampled_from([*ENCODINGS, "utf-16-le", "latin-1"]))
    places = st.integers(0, len(rows) - 1)
    for _ in range(draw(st.integers(1, 4))):
        how = draw(st.sampled_from(DAMAGE))
        row = rows[draw(places) % len(rows)]
        if how == "cell" and row:
            row[draw(st.integers(0, len(row) - 1))] = draw(JUNK)
        elif how == "row":
            rows.insert(draw(places), draw(st.lists(JUNK, max_size=7)))
        elif how == "column":
            cell = COLUMNS[draw(st.sampled_from(sorted(COLUMNS)))]
            at = draw(st.integers(0, 5))
            name = draw(NAMES)
            for i, one in enumerate(rows):
                one.insert(at, cell(i, draw) if i else name)
        elif how == "name" and rows[0]:
            rows[0][draw(st.integers(0, len(rows[0]) - 1))] = draw(NAMES)
        elif how == "drop":
            at = draw(st.integers(0, 5))
            rows = [one[:at] + one[at + 1 :] for one in rows]
        elif how == "twice":
            rows.append(list(row))
        elif how == "longer":
            row.append(draw(JUNK))
        elif how == "shorter" and row:
            row.pop()
        elif how == "header":
            rows = rows[:1] if draw(st.booleans()) else rows[1:] or rows
    content = table_text(rows, separator).encode(encoding, errors="replace")
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.binary(max_size=3)) + content[place + draw(st.integers(0, 40)) :]
    return content


def test_a_damaged_table_is_read_or_named(folder):
    outcomes = {0: 0, 2: 0}

    @fuzz(DAMAGES)
    @given(st.data())
    def case(data):
        content = damaged(data.draw)
        (folder / "labels.csv").write_bytes(content)
        code, said, wrong = check(folder)
        outcomes[code] += 1
        assert "Traceback" not in said + wrong
        assert bool(wrong.strip()) == (code == 2), content
        assert len(wrong.splitlines()) <= 20, content

    case()
    assert min(outcomes.values()) > DAMAGES / 20, outcomes
