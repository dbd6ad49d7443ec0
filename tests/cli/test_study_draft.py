"""`fer-tune data --draft`: from a folder as people have it to a study that trains, without another word."""

import subprocess
import sys

import pytest
import yaml

from fer_tune import Trainer, load_data
from fer_tune.cli.main import door
from fer_tune.study.loading import load_plan
from tests.support.commands import ROOT
from tests.support.folders import write_manifest, write_raf
from tests.support.table_forms import FORMS, rated

main = door("data")
SMALL = ["training.epochs=2", "training.warmup_epochs=1", "training.batch_size=16", "model.width=0.125"]


def drafted(tmp_path, what, *more):
    """The exit code of the command, and the study file it wrote."""
    study = tmp_path / "study.yaml"
    return main([str(what), "--draft", str(study), "--results", str(tmp_path / "out"), *more]), study


@pytest.mark.parametrize("form", ["fer2013", "hugging_face", "split_tables", "people", "several_faces"])
def test_a_whole_study_is_drafted_and_its_first_trials_train(tmp_path, capsys, form):
    """Pixels, bytes, a table for each split, annotators, boxes: each λ of the drafted grid learns from them."""
    FORMS[form](tmp_path / "mine")
    code, path = drafted(tmp_path, tmp_path / "mine")
    assert code == 0
    assert f"Study: {path}" in capsys.readouterr().out
    plan = load_plan(path, [*SMALL, "dataset.image_size=32"])
    assert plan.study.decide is not None
    assert len(plan.study.lambda_grid) == 6
    for cell in plan.cells[:6:3]:
        config = cell.typical()
        data = load_data(config.dataset, config.noise, config.seed)
        trainer = Trainer(data, config.model, config.training, config.seed)
        for _ in range(config.training.epochs):
            metrics = trainer.run_epoch()
        assert 0 <= metrics["val_accuracy"] <= 1


def test_the_drafted_study_is_expanded_as_it_is(tmp_path):
    FORMS["people"](tmp_path / "mine")
    _, path = drafted(tmp_path, tmp_path / "mine")
    done = subprocess.run(
        [sys.executable, "-m", "fer_tune", "run", str(path), "--dry-run", "--results", str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    assert "study: a race of 6 lambdas" in done.stdout


def test_the_study_holds_the_draft_and_what_it_was_taken_for(tmp_path, capsys):
    FORMS["people"](tmp_path / "mine")
    _, path = drafted(tmp_path, tmp_path / "mine")
    shown = yaml.safe_load(capsys.readouterr().out.split("\n\n")[1])["dataset"]
    written = yaml.safe_load(path.read_text())
    assert written["dataset"] == {**shown, "image_size": 64}
    assert written["name"] == "study"
    assert "#   user.id: who labelled a row" in path.read_text()


def test_a_known_data_set_gets_a_study_too(tmp_path):
    write_raf(tmp_path / "RAF")
    code, path = drafted(tmp_path, tmp_path / "RAF")
    assert code == 0
    assert load_plan(path).study.dataset.kind == "raf"


def test_an_answer_is_taken_into_the_study(tmp_path, capsys):
    rated(tmp_path / "mine", 1, 9)
    code, path = drafted(tmp_path, tmp_path / "mine")
    assert code == 2
    assert 'Say which is right, such as --answer "range: [1, 9]"' in capsys.readouterr().err
    assert not path.exists()
    code, path = drafted(tmp_path, tmp_path / "mine", "--answer", "range: [1, 9]")
    assert code == 0
    assert load_plan(path).study.dataset.sets[1].range == (1, 9)


def test_nothing_is_overwritten(tmp_path, capsys):
    write_manifest(tmp_path / "mine")
    (tmp_path / "study.yaml").write_text("mine\n")
    code, path = drafted(tmp_path, tmp_path / "mine")
    assert code == 2
    assert "study.yaml: this file exists and is not overwritten: give a new name" in capsys.readouterr().err
    assert path.read_text() == "mine\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--draft", "study.txt"], "--draft study.txt: a study file's name ends in .yaml or .yml"),
        (["--draft", "nowhere/study.yaml"], "the folder nowhere does not exist"),
        (["--answer", "range"], "--answer range: write one line of a study file"),
        (["--answer", "range: high"], "--answer range: high: must be lowest and highest value"),
        (["--answer", "rnge: [1, 2]"], "--answer rnge: [1, 2]: must be one of bytes, file, folder, path, range"),
        (["--answer", "range: [1, 9]"], "no column is called valence, arousal or the like"),
    ],
)
def test_options_that_cannot_be_followed_are_one_message(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    FORMS["no_suffix"](tmp_path / "mine")
    assert main(["mine", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_study_file_is_no_data_to_draft_a_study_for(tmp_path, capsys):
    code, _ = drafted(tmp_path, tmp_path / "other.yaml")
    assert code == 2
    assert "other.yaml is a study file already" in capsys.readouterr().err
