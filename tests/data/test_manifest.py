"""Your own data: what a manifest may hold, and what is said of mistakes."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.data.errors import DataError
from fer_tune.data.loading import read_dataset
from tests.support import folders
from tests.support.folders import index_of, spec_of


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_manifest_reads_names_and_codes_gaps_and_clean_columns(tmp_path, suffix):
    settings = folders.write_manifest(tmp_path)
    if suffix == "parquet":
        table = pd.read_csv(tmp_path / "faces.csv")
        table.to_parquet(tmp_path / "faces.parquet")
        settings["file"] = str(tmp_path / "faces.parquet")
    index = index_of(settings)
    labels, test, train = index.labels, index.splits["test"], index.splits["train"]
    rows = np.arange(60)
    assert (labels["emotion"][test] == rows[test] % 3).all()
    assert (labels["emotion"][train] == (rows[train] + (rows[train] % 4 == 0)) % 3).all()
    assert (labels["second"] == np.where(rows % 5 == 0, -1, rows % 3)).all()
    assert (np.isnan(labels["affect"][:, 0]) == (rows % 7 == 0)).all()
    assert (index.known["emotion"] == rows % 3).all()
    assert set(index.known) == {"emotion"}
    assert "training labels differ from the clean column" in index.notes[0]


def test_votes_give_their_majority_and_ties_are_missing(tmp_path):
    votes = [[3, 1, 0], [0, 0, 2], [1, 1, 0], [0, 0, 0]] * 15
    rows = [{"path": f"people/face {i}.png", **dict(zip("abc", map(str, v), strict=True))} for i, v in enumerate(votes)]
    settings = folders.write_manifest(tmp_path, rows)
    sets = [{"name": "emotion", "kind": "categorical", "columns": list("abc"), "classes": ["calm", "glad", "cross"]}]
    index = index_of(settings, sets=sets)
    assert index.labels["emotion"][:4].tolist() == [0, 2, -1, -1]


def test_no_subject_is_in_two_splits(tmp_path):
    settings = folders.write_manifest(tmp_path)
    index = index_of(settings, subject="who", validation=0.2, test=0.2)
    people = {split: {i // 4 for i in members.tolist()} for split, members in index.splits.items()}
    assert all(people.values())
    assert sum(map(len, people.values())) == 15
    rows = folders.manifest_rows()
    for i, row in enumerate(rows):
        row["split"] = "test" if i % 10 == 0 else "train"
    with pytest.raises(DataError, match=r"subject 'p0' is in test and in train"):
        index_of(folders.write_manifest(tmp_path, rows), subject="who")


def test_a_row_without_a_subject_is_one_more_person(tmp_path):
    rows = folders.manifest_rows()
    for i, row in enumerate(rows):
        row["who"] = "" if i % 3 else f" p{i // 12} "
    index = index_of(folders.write_manifest(tmp_path, rows), subject="who", validation=0.2, test=0.2)
    assert min(map(len, index.splits.values())) >= 8
    people = {split: {i // 12 for i in members.tolist() if i % 3 == 0} for split, members in index.splits.items()}
    assert sum(map(len, people.values())) == 5


def test_numbers_that_name_classes_are_names_not_positions(tmp_path):
    rows = [row | {"label": str(1 + i % 3)} for i, row in enumerate(folders.manifest_rows())]
    sets = [{"name": "grade", "kind": "categorical", "columns": ["label"], "classes": ["1", "2", "3"]}]
    index = index_of(folders.write_manifest(tmp_path, rows), sets=sets)
    assert (index.labels["grade"] == np.arange(60) % 3).all()
    rows[4]["label"] = "0"
    with pytest.raises(DataError, match=r"faces\.csv:6: label must be one of 1, 2, 3: it is '0'"):
        index_of(folders.write_manifest(tmp_path, rows), sets=sets)


def change(i, **cells):
    rows = folders.manifest_rows()
    rows[i] |= cells
    return rows


MISTAKES = {
    "unknown class": (change(4, label="angry"), {}, r"faces\.csv:6: label must be one of calm, .*: it is 'angry'"),
    "code out of range": (change(4, label_b="3"), {}, r"faces\.csv:6: label_b must be one of"),
    "out of range": (change(4, valence="1.5"), {}, r"faces\.csv:6: affect must be in \[-1, 1\]"),
    "text for a number": (change(4, valence="high"), {}, r"faces\.csv:6: valence must be a number: it is 'high'"),
    "infinite": (change(4, valence="inf"), {}, r"faces\.csv:6: valence must be a number"),
    "missing image": (change(4, path="people/nobody.png"), {}, r"faces\.csv:6: image 'people/nobody.png' is missing"),
    "duplicate": (change(4, path="people/face 3.png"), {}, r"faces\.csv:6: .* is already in .*faces\.csv:5"),
    "escape": (change(4, path="../secret.png"), {}, r"faces\.csv:6: '../secret.png' is outside the data folder"),
    "absolute": (change(4, path="/etc/passwd"), {}, r"faces\.csv:6: '/etc/passwd' is outside the data folder"),
    "bad split": (change(4, split="dev"), {}, r"split must be train, val or test"),
    "no column": (change(4), {"subject": "person"}, r"has no column 'person'; it has path, who"),
    "many": ([row | {"label": "x"} for row in folders.manifest_rows()], {}, r"\.\.\. and 55 more"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_manifest_is_named_with_its_line(tmp_path, mistake):
    rows, changes, message = MISTAKES[mistake]
    settings = folders.write_manifest(tmp_path, rows)
    with pytest.raises(DataError, match=message):
        read_dataset(spec_of(settings, **changes))


def test_a_test_split_without_labels_is_refused(tmp_path):
    rows = folders.manifest_rows()
    for i, row in enumerate(rows):
        row["split"] = "test" if i % 5 == 0 else "train"
        row["truth"] = "" if i % 5 == 0 else row["truth"]
    with pytest.raises(DataError, match="no test sample has a label for emotion"):
        index_of(folders.write_manifest(tmp_path, rows))
