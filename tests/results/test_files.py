"""Files of a results folder: whole or absent, and named where they are damaged."""

import csv
import math
import os
import shutil

import pytest

from fer_tune.results.files import (
    Damaged,
    read_json,
    read_json_or,
    why_unwritable,
    write_atomically,
    write_csv,
    write_json,
)


def test_files_are_replaced_whole_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    write_json(path, {"x": 2})
    assert read_json(path) == {"x": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"x": math.nan})
    with pytest.raises(TypeError):
        write_atomically(path, "text")
    assert read_json(path) == {"x": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_files_have_the_permissions_that_the_user_has_asked_for(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_rows_with_other_columns_share_one_table(tmp_path):
    write_csv(tmp_path / "t.csv", [{"a": 1}, {"b": None, "a": 2}, {"b": "x,y"}])
    assert (tmp_path / "t.csv").read_text() == 'a,b\n1,\n2,\n,"x,y"\n'


def test_missing_values_are_empty_cells(tmp_path):
    write_csv(tmp_path / "t.csv", [{"a": math.nan, "b": 0.1 + 0.2}])
    with open(tmp_path / "t.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [{"a": "", "b": "0.30000000000000004"}]


def test_damage_is_an_error_with_the_files_name_and_what_repairs_it(tmp_path):
    (tmp_path / "study.json").write_text('{"name": "sm')
    with pytest.raises(Damaged, match=r"study\.json is damaged: resume the study with --resume"):
        read_json(tmp_path / "study.json")
    with pytest.raises(Damaged):
        read_json_or(tmp_path / "study.json", {})


def test_a_missing_file_has_a_default(tmp_path):
    assert read_json_or(tmp_path / "run.json", []) == []
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "run.json")


def test_a_folder_that_has_vanished_cannot_be_written(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    write_json(results / "study.json", {})
    assert why_unwritable(results) == ""
    assert [path.name for path in results.iterdir()] == ["study.json"]
    shutil.rmtree(results)
    assert why_unwritable(results) == "the folder has vanished"
