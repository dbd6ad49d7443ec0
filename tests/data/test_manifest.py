"""Your own data: what a manifest may hold, and what is said of mistakes."""

import csv

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
    "many": ([row | {"label": "x"} for row in folders.manifest_rows()], {},
             r"faces\.csv:2: label must be .*'x' \(and 59 more like it\)"),
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


def with_rows(tmp_path, change, **settings):
    rows = folders.manifest_rows()
    for i, row in enumerate(rows):
        change(i, row)
    return index_of(folders.write_manifest(tmp_path, rows), **settings)


def test_missing_markers_are_gaps_in_every_column(tmp_path):
    markers = ["NA", "NaN", "null", "None", "-", " ", "N/A"]

    def mark(i, row):
        row["label"] = markers[i % 7] if i % 10 == 3 else row["label"]
        row["valence"] = markers[i % 7] if i % 10 == 4 else row["valence"]
        row["who"] = markers[i % 7] if i % 10 == 5 else row["who"]

    index = with_rows(tmp_path, mark, subject="who")
    rows = np.arange(60)
    train = np.isin(rows, index.splits["train"])
    assert (index.labels["emotion"][train] == np.where(rows % 10 == 3, -1, (rows + (rows % 4 == 0)) % 3)[train]).all()
    assert (np.isnan(index.labels["affect"]).any(axis=1) == ((rows % 7 == 0) | (rows % 10 == 4))).all()
    assert any("6 rows have no who: each counts as one more person" in note for note in index.notes)


def test_a_class_may_have_the_name_of_a_missing_marker(tmp_path):
    sets = [{"name": "grade", "kind": "categorical", "columns": ["label"], "classes": ["None", "some"]}]
    index = with_rows(tmp_path, lambda i, row: row.update(label=("None", "some", "NA")[i % 3]), sets=sets)
    assert (index.labels["grade"] == np.array([0, 1, -1])[np.arange(60) % 3]).all()


@pytest.mark.parametrize("form", ["{}", "{}.0", "{}.", "{}.00", "{},0", " {} "])
def test_codes_that_a_program_saved_as_floats_are_codes(tmp_path, form):
    index = with_rows(tmp_path, lambda i, row: row.update(label_b=form.format(i % 3) if i % 5 else "NaN"))
    rows = np.arange(60)
    assert (index.labels["second"] == np.where(rows % 5 == 0, -1, rows % 3)).all()


def test_a_fraction_is_not_a_code(tmp_path):
    with pytest.raises(DataError, match=r"faces\.csv:6: label_b must be one of calm, glad, cross: it is '1\.5'"):
        with_rows(tmp_path, lambda i, row: row.update(label_b="1.5" if i == 4 else "1.0"))


def test_a_column_split_without_values_is_said_and_one_gap_in_it_is_a_mistake(tmp_path):
    index = with_rows(tmp_path / "none", lambda i, row: row.update(split="NA"))
    assert len(index.splits["test"]) == 6
    assert any("column split is empty, so the splits are drawn" in note for note in index.notes)
    with pytest.raises(DataError, match=r"faces\.csv:6: split must be train, val or test: it is ''"):
        with_rows(tmp_path / "one", lambda i, row: row.update(split="" if i == 4 else "train"))


def test_paths_of_another_system_are_found(tmp_path):
    folders.write_manifest(tmp_path)
    (tmp_path / "people" / "face 7.png").rename(tmp_path / "people" / "Ge\u0301ne 7.png")  # as macOS names it
    ways = {
        0: str(tmp_path / "people" / "face 0.png"), 1: f"{tmp_path}/x/../people/face 1.png", 2: "people\\face 2.png",
        3: " people/face 3.png ", 4: "./people/face 4.png", 5: ".\\people\\face 5.png", 7: "people/G\u00e9ne 7.png",
    }  # fmt: skip
    index = with_rows(tmp_path, lambda i, row: row.update(path=ways.get(i, row["path"])))
    assert index.sources[0].path == "people/face 0.png"
    assert index.sources[1].path == "people/face 1.png"
    assert len(read_dataset(spec_of(folders.write_manifest(tmp_path))).images) == 60


def test_absolute_paths_are_those_of_a_link_to_the_folder_too(tmp_path):
    folders.write_manifest(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for there, named in (("link", "real"), ("real", "link")):
        rows = [row | {"path": str(tmp_path / named / row["path"])} for row in folders.manifest_rows()]
        settings = folders.write_manifest(tmp_path / there, rows)
        if there == "real":
            with pytest.raises(DataError, match=r"is outside the data folder .*real"):
                index_of(settings)
        else:
            assert index_of(settings).sources[3].path == "people/face 3.png"


@pytest.mark.parametrize("cell", ["", "NA", " - "])
def test_a_row_without_a_path_is_named(tmp_path, cell):
    with pytest.raises(DataError, match=r"faces\.csv:6: has no path"):
        index_of(folders.write_manifest(tmp_path, change(4, path=cell)))


def test_columns_are_matched_without_blanks_around_them(tmp_path):
    rows = [{f" {name} ": cell for name, cell in row.items()} for row in folders.manifest_rows()]
    settings = folders.write_manifest(tmp_path)
    with open(tmp_path / "faces.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert len(index_of(settings, subject="who ")) == 60


def people_of(sizes):
    return [f"p{k}" for k, size in enumerate(sizes) for _ in range(size)]


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([48, 4, 4, 4], {4, 8}),
        ([52, 4, 4], {4}),
        ([20, 20, 20], {20}),
        ([2] * 30, {6}),
        ([54, *[1] * 6], {3}),
        ([30, 20, 5, 5], {5}),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_splits_by_subject_come_near_to_their_share_and_say_it(tmp_path, sizes, counts, seed):
    people = people_of(sizes)
    index = with_rows(tmp_path, lambda i, row: row.update(who=people[i]), subject="who", seed=seed)
    test, train = index.splits["test"], index.splits["train"]
    assert len(test) in counts
    assert len(train) >= 20
    said = [note for note in index.notes if "was asked for: each person stays in one split" in note]
    assert (f"test is {len(test) / 60:.1%} of all samples, where 10.0% was asked for" in " ".join(said)) == (
        len(test) != 6
    )
    in_splits = {split: {people[i] for i in members} for split, members in index.splits.items()}
    assert sum(map(len, in_splits.values())) == len(sizes)


@pytest.mark.parametrize("sizes", [[60], [30, 30]])
def test_too_few_people_for_three_splits_are_refused_in_one_line(tmp_path, sizes):
    people = people_of(sizes)
    with pytest.raises(
        DataError, match=r"column who names \d p\w+, too few for train and test and validation"
    ) as caught:
        with_rows(tmp_path, lambda i, row: row.update(who=people[i]), subject="who")
    assert "\n" not in str(caught.value)


def test_a_clean_column_without_values_is_said(tmp_path):
    def mark(i, row):
        row["split"] = "test" if i % 5 == 0 else "train"
        row["truth"] = row["truth"] if i % 5 == 0 else "NA"

    index = with_rows(tmp_path, mark)
    assert "emotion: no training sample has both a label and a clean label" in index.notes
