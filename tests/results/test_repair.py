"""Damaged pieces of a results folder are set aside and named; everything whole goes on."""

import json
import shutil

import pytest

from fer_tune.cli.run import main
from fer_tune.results.files import Damaged, read_json, write_json
from fer_tune.results.folder import trial_folders
from fer_tune.results.repair import mend, wrong_version
from fer_tune.search.jobs import Job
from fer_tune.search.runner import _finished_folder
from tests.conftest import ROOT, assert_equal_tables, run_command

SMOKE = ROOT / "studies" / "smoke.yaml"


@pytest.fixture
def results(smoke, tmp_path):
    shutil.copytree(smoke[0], tmp_path / "results" / "smoke")
    return tmp_path / "results" / "smoke"


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_whole_folder_is_left_as_it_is(results):
    assert mend(results) == []
    assert not list(results.rglob("*.damaged"))


PIECES = ("study.json", "environment.json", "run.json", "data/digests.json", "images.npy", "labels.npz")


ENDS = ("predictions.csv", "predictions_validation.csv", "labels.json")


@pytest.mark.parametrize("name", [*PIECES, *ENDS, "trial.json", "result.json", "history.csv", "state.pt"])
def test_each_piece_that_is_cut_short_is_set_aside_and_named(results, name):
    place = next(p for p in sorted(results.rglob(name.rpartition("/")[2])) if "warm_up" not in str(p))
    cut(place)
    (said,) = mend(results)
    assert place.name in said or "data/" in said
    assert "damaged" in said and list(results.rglob("*.damaged"))
    assert mend(results) == []


@pytest.mark.parametrize("name", ["study.json", "data/digests.json", "trial.json", "result.json"])
def test_a_piece_that_is_json_and_not_what_it_should_be_is_set_aside(results, name):
    place = next(p for p in sorted(results.rglob(name.rpartition("/")[2])) if "warm_up" not in str(p))
    place.write_text("[1]")
    (said,) = mend(results)
    assert place.name in said and mend(results) == []


def test_a_history_or_settings_gone_missing_are_noticed(results):
    first, second = trial_folders(results)[:2]
    (first.path / "history.csv").unlink()
    (second.path / "trial.json").unlink()
    said = "\n".join(mend(results))
    assert "history.csv damaged or missing" in said and "trial.json damaged or missing" in said
    assert first.result() is None and second.result() is None


def test_damage_is_an_error_with_the_files_name(results):
    cut(results / "study.json")
    with pytest.raises(Damaged, match=r"study\.json is damaged"):
        read_json(results / "study.json")


def test_a_warm_up_whose_state_is_gone_is_not_continued(results):
    warm_up = next(f for f in trial_folders(results) if f.settings()["role"] == "warm_up")
    content = bytearray(warm_up.state.read_bytes())
    content[len(content) // 2] ^= 255
    warm_up.state.write_bytes(content)
    (said,) = mend(results)
    assert "state.pt was damaged" in said
    assert _finished_folder(Job(warm_up, {})) is None


@pytest.mark.slow
def test_a_study_with_every_kind_of_damage_ends_with_the_tables_it_had(smoke, results, tmp_path):
    trials = [f for f in trial_folders(results) if f.settings()["role"] == "trial"]
    for folder, name in zip(trials, ("trial.json", "result.json", "history.csv", "state.pt"), strict=False):
        cut(folder.path / name)
    (trials[4].path / "result.json").unlink()
    cut(trials[4].state)
    cut(results / "run.json")
    cut(results / "study.json")
    cut(next(results.glob("data/*/images.npy")))
    (results / "trials.csv").write_text("key,")
    done = run_command(SMOKE, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("mended: ") == 8 and "Traceback" not in done.stderr
    assert_equal_tables(results, smoke[0])


@pytest.mark.parametrize(("version", "refused"), [(0, True), (2, True), (1, False)])
def test_a_folder_of_another_version_is_named_and_left_alone(results, capsys, version, refused):
    about = read_json(results / "environment.json")
    write_json(results / "environment.json", {**about, "format_version": version})
    assert bool(wrong_version(results)) == refused
    if refused:
        assert main([str(SMOKE), "--results", str(results.parent), "--resume"]) == 2
        error = capsys.readouterr().err
        assert f"format version {version}" in error and "--from" in error and len(error.splitlines()) == 1


def test_a_study_whose_file_lacks_newer_settings_is_resumed(results, capsys):
    study = json.loads((results / "study.json").read_text())
    del study["resources"]["deterministic"], study["training"]["augment"]
    (results / "study.json").write_text(json.dumps(study))
    assert main([str(SMOKE), "--results", str(results.parent), "--resume"]) == 0
