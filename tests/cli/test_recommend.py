"""The command that answers for other noise and other data, on made-up results."""

import numpy as np
import pytest
import yaml

from fer_tune.cli.exits import USER_ERROR
from fer_tune.recommend import main
from fer_tune.results.files import read_json, write_json
from tests.support import folders
from tests.support.made_up import folder_writer, plateau

PEAK = plateau(lambda lam: 0.85 - 0.5 * (lam - 0.2) ** 2)
RATIOS = {"noise_ratio": [0.2, 0.4]}
TWO = [
    {"name": "emotion", "kind": "categorical", "columns": ["label"], "classes": folders.MOODS},
    {"name": "second", "kind": "categorical", "columns": ["label_b"], "classes": folders.MOODS},
]


@pytest.fixture
def results_folder(tmp_path):
    return folder_writer(tmp_path)


def test_a_noise_ratio_is_answered(results_folder, capsys):
    assert main([str(results_folder(PEAK, conditions=RATIOS)), "--noise-ratio", "0.3"]) == 0
    assert capsys.readouterr().out.startswith("λ = 0.2 (")


def test_a_study_of_other_settings_gets_their_names_and_no_number(results_folder, tmp_path, capsys):
    path = results_folder(PEAK, conditions=RATIOS)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"name": "mine", "training": {"epochs": 99}}))
    assert main([str(path), "--data", str(tmp_path / "mine.yaml")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("No evidence")
    assert "- training.epochs: this study has 30, yours has 99" in out
    assert "λ = " not in out


def test_annotators_of_a_folder_give_the_ratio_that_is_answered(results_folder, tmp_path, capsys):
    settings = folders.write_manifest(tmp_path / "mine")
    data = {**settings, "sets": TWO}
    path = results_folder(PEAK, conditions={"noise_ratio": [0.01, 0.3]}, dataset=data)
    stored = path / "data" / read_json(path / "environment.json")["data_digests"][0]
    stored.mkdir(parents=True)
    sets = [{"name": s["name"], "kind": s["kind"], "names": s["classes"]} for s in TWO]
    write_json(stored / "dataset.json", {"label_sets": sets})
    study = tmp_path / "mine.yaml"
    study.write_text(yaml.safe_dump({"name": "mine", "dataset": data, "training": {"epochs": 30},
                                     "search": {"lambda": {"grid": [0.0]}}}))  # fmt: skip
    assert main([str(path), "--data", str(study)]) == 0
    out = capsys.readouterr().out
    assert "by disagreement between 2 annotators on 4" in out
    assert "The answer holds only for the study's settings" in out
    assert "λ = 0.2" in out
    assert "Caution" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either --noise-ratio"),
        (["--noise-ratio", "0.3", "--data", "x"], "give either --noise-ratio"),
        (["--noise-ratio", "40"], "--noise-ratio 40: must be at least 0 and less than 1"),
        (["--data", "nowhere"], "nowhere: does not exist"),
        (["--data", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(results_folder, capsys, words, message):
    assert main([str(results_folder(PEAK)), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert len(error.splitlines()) == 1


def test_a_folder_without_results_is_named(tmp_path, capsys):
    assert main([str(tmp_path), "--noise-ratio", "0.3"]) == USER_ERROR
    assert "is not a results folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [
        {"conditions": {"noise_kind": ["symmetric", "instance"]}},
        {"noise": {"kind": "instance", "ratio": 0.4}},
        {"objective": "val_ccc"},
        {"conditions": {"method": ["joint", "coteaching"]}},
        {"noise": {"kind": "confusion", "matrix": np.eye(7).tolist()}},
    ],
    ids=["instance as a condition", "instance", "CCC", "Co-teaching", "confusion"],
)
def test_data_that_the_studys_settings_do_not_fit_are_no_evidence(results_folder, tmp_path, capsys, changes):
    rows = [{"path": row["path"], "label": row["label"]} for row in folders.manifest_rows()]
    folders.write_manifest(tmp_path / "mine", rows)
    path = results_folder(PEAK, **changes)
    assert main([str(path), "--data", str(tmp_path / "mine")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("No evidence")
    assert "label_sets" in out
