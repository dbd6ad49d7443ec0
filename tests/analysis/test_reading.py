"""Files of a results folder that are cut, empty, of another kind or changed: one line or a named gap, no traceback."""

import csv
import json
import os
import shutil
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_tune.analysis import page_figures
from fer_tune.analysis.tables import NothingToReport, load
from fer_tune.analysis.trial_files import predictions, training_labels, validation_predictions
from fer_tune.cli.main import main
from tests.support.made_up import PEAK, add_classes, folder_writer

TIMES = int(os.environ.get("FER_TUNE_FUZZ", "1"))
KEY = "trials/lambda=0.2,n000,s0"
DATA = "data/" + "0" * 32
PIECES = [
    "study.json", "environment.json", "run.json", "trials.csv", "epochs.csv", f"{KEY}/predictions.csv",
    f"{KEY}/predictions_validation.csv", f"{KEY}/labels.json", f"{DATA}/dataset.json", f"{DATA}/images.npy",
]  # fmt: skip
TABLES = ("study.json", "trials.csv", "epochs.csv")  # nothing can be reported without them
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(range(256))
SPOILT = {
    "cut": lambda content: content[: len(content) // 2],
    "cut in the last line": lambda content: content[:-3],
    "empty": lambda content: b"",
    "a picture": lambda content: PNG,
    "UTF-16": lambda content: content.decode("latin-1").encode("utf-16"),
    "another object": lambda content: b'{"other": [1, 2]}\n',
    "a list": lambda content: b"[1, 2, 3]\n",
    "a number": lambda content: b"1\n",
    "null": lambda content: b"null\n",
    "nested": lambda content: b"[" * 100_000 + b"\n",
    "zeros": lambda content: bytes(len(content)),
    "another table": lambda content: b"a,b\n1,2\n",
}
USUAL = ("cut", "empty", "another object")  # the others run at length
HARMLESS = {  # such damage leaves everything that is needed
    ("cut in the last line", f"{DATA}/images.npy"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A whole results folder, and a place for copies of it."""
    place = tmp_path_factory.mktemp("reading")
    grid = {"lambda": {"grid": [0.0, 0.2]}}
    path = folder_writer(place)(PEAK, epochs=6, search=grid, seeds=[0])
    return add_classes(path, ["calm", "glad", "cross"]), place


@pytest.fixture
def spoilt(folders, monkeypatch):
    """Copies the folder, changes one of its files, and returns the copy."""
    recipes = page_figures.recipes
    monkeypatch.setattr(page_figures, "recipes", lambda *found: [r for r in recipes(*found) if r.name == "faces"])

    def spoil(piece, change):
        whole, place = folders
        copy = place / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        content = change((copy / piece).read_bytes())
        if content is None:
            (copy / piece).unlink()
        else:
            (copy / piece).write_bytes(content)
        return copy

    return spoil


def commands(path, whole):
    return [["report", str(path)], ["compare", str(path), str(whole)], ["recommend", str(path), "--noise-ratio", "0.4"]]


def check(path, whole, piece, capsys, commands=commands):
    """Every command ends in one line that names the file, or goes on and names what it could not read."""
    name = piece.rpartition("/")[2]
    codes = []
    for words in commands(path, whole):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            codes.append(main(words))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        if codes[-1] == 2:
            assert len(said.err.splitlines()) == 1
            assert name in said.err or "format version" in said.err
        else:
            assert said.err == ""
            assert codes[-1] in (0, 1)
    if codes[0] == 1:
        page, text = ((path / "report" / file).read_text() for file in ("index.html", "report.md"))
        assert name in page
        assert name.replace("_", "\\_") in text
    return codes


@pytest.mark.parametrize("how", [how if how in USUAL else pytest.param(how, marks=pytest.mark.long) for how in SPOILT])
@pytest.mark.parametrize("piece", PIECES)
def test_a_damaged_file_is_named_by_every_command(spoilt, folders, capsys, piece, how):
    path = spoilt(piece, SPOILT[how])
    codes = check(path, folders[0], piece, capsys)
    if (how, piece) not in HARMLESS:
        assert codes[0] == (2 if piece in TABLES else 1)


@pytest.mark.parametrize("piece", PIECES)
def test_a_missing_file_is_named_or_was_never_written(spoilt, folders, capsys, piece):
    code, *_ = check(spoilt(piece, lambda content: None), folders[0], piece.replace("epochs.csv", "").replace(
        "trials.csv", ""), capsys)  # fmt: skip
    assert code == (2 if piece in TABLES else 1 if piece == "environment.json" else 0)


def table(change):
    """A change of a table's rows of cells."""

    def changed(content):
        rows = [line.split(",") for line in content.decode().replace('"', "").splitlines()]
        return ("\n".join(",".join(row) for row in change(rows)) + "\n").encode()

    return changed


def cells(column, value):
    """Put a value into the first row of a column."""

    def changed(content):
        head, row, *rest = content.decode().split("\n")
        names, values = head.split(","), next(csv.reader([row]))
        values[names.index(column)] = value
        quoted = [f'"{v}"' if "," in v else v for v in values]
        return "\n".join([head, ",".join(quoted), *rest]).encode()

    return changed


@pytest.mark.parametrize(
    ("piece", "change", "said"),
    [
        ("trials.csv", cells("lambda", ""), "row 1 has an empty cell under lambda"),
        ("trials.csv", cells("test_accuracy", "high"), "row 1 has 'high' under test_accuracy"),
        ("trials.csv", lambda c: c.replace(b"test_accuracy", b"accuracy_of_the_test"), None),
        ("trials.csv", lambda c: c.replace(b"key,", b"name,", 1), "it has no column key"),
        ("trials.csv", lambda c: c.replace(b"objective,", b"goal,", 1), "it has no column objective"),
        ("trials.csv", lambda c: c.replace(b",", b";"), "is damaged"),
        ("trials.csv", lambda c: c + c.splitlines(keepends=True)[-1], "is there twice"),
        ("trials.csv", lambda c: c.replace(b"val_ccc,", b"val_dmi,", 1), "it has column val_dmi twice"),
        ("trials.csv", lambda c: c.replace(b"\n", b",\n", 2).replace(b",\n", b"\n", 1), "line 2 has"),
        ("epochs.csv", lambda c: c.replace(b"val_accuracy,", b"accuracy,", 1), "it has no column val_accuracy"),
        ("epochs.csv", lambda c: b"".join(c.splitlines(keepends=True)[:-2]), "it has 4 of 6 epochs of"),
        ("epochs.csv", lambda c: c + b'"not closed,1\n', "line"),
        ("study.json", lambda c: c.replace(b'"seeds"', b'"sprouts"'), "it has no seeds"),
        ("study.json", lambda c: json.dumps({**json.loads(c), "noise": 3}).encode(), "noise is not a section"),
        ("study.json", lambda c: json.dumps({**json.loads(c), "noise": {"kind": "x"}}).encode(), "noise has no ratio"),
        ("study.json", lambda c: json.dumps({**json.loads(c), "conditions": {"training.lr": [1]}}).encode(), None),
        ("study.json", lambda c: json.dumps({**json.loads(c), "conditions": {"a": {"sample": 1}}}).encode(), "not"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(spoilt, folders, capsys, piece, change, said):
    path = spoilt(piece, change)
    codes = check(path, folders[0], piece, capsys)
    if said is not None:
        assert codes[0] == 2
        with pytest.raises(NothingToReport) as error:
            load(path)
        assert said in str(error.value)


def test_what_a_spreadsheet_adds_does_no_harm(spoilt, folders, capsys):
    path = spoilt("trials.csv", lambda c: b"\xef\xbb\xbf" + c)
    assert check(path, folders[0], "trials.csv", capsys)[0] == 0
    path = spoilt("trials.csv", lambda c: c.replace(b"\n", b"\r\n"))
    assert check(path, folders[0], "trials.csv", capsys)[0] == 0
    path = spoilt("trials.csv", lambda c: b"\n".join(line + b",more" for line in c.splitlines()) + b"\n")
    assert check(path, folders[0], "trials.csv", capsys)[0] == 0


def test_a_folder_in_the_place_of_a_file_is_named(spoilt, folders, capsys):
    for piece in PIECES:
        path = spoilt(piece, lambda content: None)
        (path / piece).mkdir()
        check(path, folders[0], piece, capsys)


@pytest.mark.parametrize(
    ("piece", "change"),
    [
        ("predictions.csv", lambda c: c.replace(b"59,", b"58,")),  # a sample twice
        ("predictions.csv", lambda c: c.replace(b"\n0,0,", b"\n0,7,")),  # a class that is not there
        ("predictions.csv", lambda c: c.replace(b"\n0,0,", b"\n0,-5,")),
        ("predictions.csv", lambda c: c.replace(b"\n0,0,", b"\n0,0.5,")),
        ("predictions.csv", lambda c: c.replace(b"\n0,0,", b"\n0,1e309,")),
        ("predictions.csv", lambda c: c.replace(b"mood_predicted", b"mood_guessed")),
        ("predictions.csv", lambda c: c.replace(b"index", b"number")),
        ("predictions.csv", lambda c: c.splitlines(keepends=True)[0]),
        ("predictions_validation.csv", lambda c: c.replace(b"\n1,", b"\n1,-")),
        ("predictions_validation.csv", lambda c: c.replace(b"\n0,", b"\n0,1000000000000")),
        ("predictions_validation.csv", lambda c: b"a,b\n1,2\n"),
        ("labels.json", lambda c: c.replace(b"digest", b"hash")),
        ("labels.json", lambda c: c.replace(b"5.0", b"-5.0")),
        ("labels.json", lambda c: c.replace(b'"calm"', b'"calm", "more"')),
        ("labels.json", lambda c: c.replace(b"5.0", b'"many"')),
    ],
)
def test_what_a_trial_left_is_checked(spoilt, folders, capsys, piece, change):
    path = spoilt(f"{KEY}/{piece}", change)
    assert check(path, folders[0], piece, capsys, lambda path, whole: [["report", str(path)]]) == [1]
    reader = {"labels.json": training_labels, "predictions.csv": predictions}.get(piece, validation_predictions)
    assert reader(load(path), KEY.partition("/")[2]) is None


def test_class_names_that_look_like_columns_of_another_set_are_counted_by_the_labels(folders, tmp_path):
    path = folder_writer(tmp_path)(PEAK, seeds=[0], epochs=6)
    names = ["true", "predicted", "p_x", "x"]
    add_classes(path, names)
    key = next(iter((path / "trials").iterdir())).name
    assert predictions(load(path), key).classes == tuple(names)
    file = path / "trials" / key / "predictions.csv"
    rows = file.read_text().splitlines()
    more = [f"{row},{'mood_p_true,mood_p_predicted,mood_p_p_x' if not i else '0,0,1.0'}" for i, row in enumerate(rows)]
    file.write_text("\n".join(more) + "\n")  # a further set called mood_p
    assert predictions(load(path), key).classes == tuple(names)


def fuzz(cases):
    return settings(
        max_examples=cases, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )


@st.composite
def mutations(draw):
    """A piece, and how some of its bytes change."""
    piece = draw(st.sampled_from(PIECES))
    how = draw(st.sampled_from(["cut", "swap", "drop", "insert", "repeat"]))
    place, length = draw(st.floats(0, 1)), draw(st.integers(1, 200))
    put = draw(
        st.one_of(st.binary(max_size=20), st.sampled_from([b",", b"\n", b'"', b"nan", b"-1", b"1e309", b"\r", b"{"]))
    )

    def change(content):
        start = int(place * len(content))
        end = min(len(content), start + length)
        middle = {"cut": None, "drop": b"", "swap": put, "insert": put + content[start:end]}.get(
            how, content[start:end] * 2
        )  # fmt: skip
        return content[:start] if middle is None else content[:start] + middle + content[end:]

    return piece, change


@fuzz(6 * TIMES)
@given(mutation=mutations())
def test_any_change_of_a_file_ends_in_a_report_or_in_one_line(mutation, spoilt, folders, capsys):
    look(mutation, spoilt, folders, capsys)


@pytest.mark.long
@fuzz(150 * TIMES)
@given(mutation=mutations())
def test_any_change_of_a_file_ends_in_a_report_or_in_one_line_at_length(mutation, spoilt, folders, capsys):
    look(mutation, spoilt, folders, capsys)


def look(mutation, spoilt, folders, capsys):
    piece, change = mutation
    path = spoilt(piece, change)
    for words in commands(path, folders[0]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            code = main(words)
        said = capsys.readouterr()
        assert code in (0, 1, 2)
        assert len(said.err.splitlines()) == (code == 2)
