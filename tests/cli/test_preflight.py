"""What is checked before a study starts. Every case here ends before Ray is started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import ray
import torch
import yaml

from fer_tune.cli.preflight import claim_folder
from fer_tune.names import NEWER_SETTINGS
from fer_tune.results.files import read_json, write_json
from fer_tune.run import main
from fer_tune.study.loading import load_plan
from fer_tune.training.devices import computes_bf16
from tests.support import folders
from tests.support.commands import ROOT
from tests.support.studies import SHIPPED, SMOKE, Finished, run_here, write_as_older_version, write_study
from tests.support.tables import CLOCK
from tests.support.weights import vgg_face_weights


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*"))}


def one_error(capsys) -> str:
    """The one line that was printed as an error."""
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1, error
    return error


def test_an_existing_folder_is_left_alone_unless_told(finished, capsys):
    before = snapshot(finished.results)
    assert main(finished.options) == 2
    assert "exists: --resume continues it, --restart deletes it and starts over" in one_error(capsys)
    assert snapshot(finished.results) == before


def test_resuming_a_complete_study_runs_nothing_again(finished, capsys):
    trials = finished.results / "trials"
    before = snapshot(trials)
    assert main([*finished.options, "--resume"]) == 0
    assert snapshot(trials) == before
    out = capsys.readouterr().out
    assert "Already complete: nothing to run." in out
    assert "Report:" in out
    assert not ray.is_initialized()


def test_an_edited_study_is_not_resumed_and_the_difference_is_shown(finished, capsys):
    before = snapshot(finished.results)
    assert main([*finished.options, "--resume", "--set", "training.lr=0.5"]) == 2
    assert "training.lr was 0.0001, is 0.5" in one_error(capsys)
    assert snapshot(finished.results) == before


TRAINING = {"epochs": 3, "batch_size": 32, "warmup_epochs": 1}


@pytest.fixture(scope="module")
def begun_before(tmp_path_factory):
    """A study that a version without an average and with one order has run to its end."""
    folder = tmp_path_factory.mktemp("older")
    before = write_study(folder, training={**TRAINING, **NEWER_SETTINGS["training"]})
    results = run_here(load_plan(before), folder / "results" / "small")
    write_as_older_version(results)
    return Finished(write_study(folder, training=TRAINING), results)


@pytest.fixture
def older(begun_before, tmp_path):
    """A copy of it, which a test may change."""
    results = Path(shutil.copytree(begun_before.results, tmp_path / "results" / "small"))
    return Finished(begun_before.study, results)


def test_a_study_that_an_older_version_ran_is_complete_and_says_what_it_keeps(older, capsys):
    for _ in range(2):  # the second time study.json holds the newer settings
        assert main([*older.options, "--resume"]) == 0
        out = capsys.readouterr().out
        assert "Already complete: nothing to run." in out
        assert "training.average is 0.0, as when this folder was begun; a new study would use 0.998" in out
        assert "training.order is generator_first, as when this folder was begun" in out
    assert read_json(older.results / "study.json")["training"]["average"] == 0


def test_a_trial_that_an_older_version_began_continues_as_it_would_have(older, begun_before):
    trial = older.trials()[1]
    assert trial.record().config["training"]["lambda"] == 0.5
    for file in trial.path.iterdir():
        if file.name != "trial.json":
            file.unlink()
    plan = claim_folder(load_plan(older.study), older.results, resume=True, restart=False)
    assert (plan.study.training.average, plan.study.training.order) == (0.0, "generator_first")
    run_here(plan, older.results)
    found, expected = trial.history(), begun_before.trials()[1].history()
    assert len(found) == 3
    for name in expected[2]:
        if name not in CLOCK:
            assert str(found[2][name]) == str(expected[2][name]), name


def test_what_an_older_version_did_is_known_without_study_json(older):
    (older.results / "study.json").write_text("{")
    plan = claim_folder(load_plan(older.study), older.results, resume=True, restart=False)
    assert plan.study.training.average == 0
    assert plan.study.training.order == "generator_first"


def test_a_newer_setting_that_the_study_file_names_is_a_change(older, capsys):
    assert main([*older.options, "--resume", "--set", "training.average=0.5"]) == 2
    assert "training.average was 0.0, is 0.5" in one_error(capsys)


def test_a_study_of_an_older_version_is_repeated_as_it_was(older):
    training = load_plan(older.results / "study.json").study.training
    assert (training.average, training.order) == (0.0, "generator_first")
    changed = load_plan(older.results / "study.json", ["training.average=0.9"]).study.training
    assert (changed.average, changed.order) == (0.9, "generator_first")


def test_a_study_is_repeated_from_its_results_and_only_on_its_own_data(finished, tmp_path, capsys):
    results = finished.results
    assert load_plan(results / "study.json") == load_plan(finished.study)
    assert main(["--from", str(results), "--dry-run"]) == 0
    assert "small: 2 searches × 1 configuration × 1 seed = 2 trials" in capsys.readouterr().out
    about = read_json(results / "environment.json")
    write_json(results / "environment.json", {**about, "data_digests": ["0" * 32]})
    assert main(["--from", str(results), "--results", str(tmp_path / "again")]) == 2
    assert "the data have changed since that study was run" in one_error(capsys)
    assert not (tmp_path / "again" / "small").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give a study file"),
        ([str(SMOKE), "--from", "results/smoke"], "give a study file or --from, not both"),
        (["--from", "nowhere"], "--from nowhere: not a results folder"),
        ([str(SMOKE), "--resume", "--restart"], "give --resume or --restart, not both"),
        ([str(SMOKE), "--cpus", "2", "--address", "auto"], "a cluster decides on its own CPUs"),
        (
            [str(SMOKE), "--address", "auto", "--results", "s3://b/r"],
            "a disk that the cluster's nodes share, not a URI",
        ),
        ([str(SMOKE), "--cpus", "0"], "needs at least 1"),
        ([str(SMOKE), "--results", "/proc/nowhere"], "/proc/nowhere/smoke: cannot be written"),
        (["smok"], "smok: no such file, and no shipped study has that name"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(options, message, capsys):
    assert main(options) == 2
    assert message in one_error(capsys)


def test_data_that_cannot_be_used_end_before_anything_is_written(tmp_path, capsys):
    words = ["--set", f"dataset.folder={tmp_path / 'raf'}", "--results", str(tmp_path / "results")]
    assert main([str(SHIPPED / "raf.yaml"), *words]) == 2
    assert "list_patition_label.txt: cannot be read: No such file" in one_error(capsys)
    assert not (tmp_path / "results").exists()


def test_an_image_that_cannot_be_read_leaves_no_folder_in_the_way(tmp_path, capsys):
    settings = folders.write_manifest(tmp_path / "mine")
    study = tmp_path / "mine.yaml"
    study.write_text(yaml.safe_dump({"name": "mine", "dataset": settings, "training": {"epochs": 1, "batch_size": 8}}))
    (tmp_path / "mine" / "people" / "face 7.png").write_bytes(b"not an image")
    assert main([str(study), "--results", str(tmp_path / "results")]) == 2
    assert "'people/face 7.png' is not a readable image" in capsys.readouterr().err
    assert not (tmp_path / "results" / "mine").exists()


def test_a_weight_file_that_has_changed_is_not_resumed_with(study_file, tmp_path, capsys):
    weights = tmp_path / "face.pt"
    torch.save(vgg_face_weights(), weights)
    study = study_file(name="mine", model={"encoder_weights": str(weights), "encoder_input": "vgg_face"})
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    write_json(folder / "study.json", load_plan(study).resolved)
    write_json(folder / "weights.json", {str(weights): "0" * 64})
    assert main([str(study), "--results", str(tmp_path / "results"), "--resume"]) == 2
    assert f"encoder_weights: {weights} has changed since the study began" in one_error(capsys)


def test_a_weight_file_that_does_not_fit_is_named(study_file, tmp_path, capsys):
    (tmp_path / "face.pt").write_bytes(b"not weights")
    model = {"encoder_weights": str(tmp_path / "face.pt"), "encoder_input": "vgg_face"}
    assert main([str(study_file(model=model)), "--results", str(tmp_path / "results")]) == 2
    assert "face.pt: " in one_error(capsys)


def test_a_folder_that_is_not_ours_is_never_deleted(tmp_path, capsys):
    (tmp_path / "smoke").mkdir()
    (tmp_path / "smoke" / "thesis.txt").write_text("years of work")
    assert main([str(SMOKE), "--results", str(tmp_path), "--restart"]) == 2
    assert "is not empty and is not a results folder" in one_error(capsys)
    assert (tmp_path / "smoke" / "thesis.txt").exists()


def test_a_second_run_of_a_study_is_refused_naming_the_first(finished, capsys):
    code = (
        "import sys, pathlib, time\nfrom fer_tune.results.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    first = subprocess.Popen([sys.executable, "-c", code, finished.results], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline() == b"held\n"
        assert main([*finished.options, "--resume"]) == 2
        assert f"in use by another run (process {first.pid} on " in one_error(capsys)
    finally:
        first.kill()
        first.wait()
        first.stdout.close()


@pytest.mark.parametrize("name", ["data/link", ".lock", "trials/pipe"])
def test_links_and_pipes_in_a_results_folder_are_refused(finished, tmp_path, capsys, name):
    outside = tmp_path / "thesis.txt"
    outside.write_text("years of work")
    place = finished.results / name
    place.unlink(missing_ok=True)
    if name.endswith("pipe"):
        os.mkfifo(place)
    else:
        place.symlink_to(outside)
    assert main([*finished.options, "--resume"]) == 2
    assert "links and pipes in a results folder are not followed" in one_error(capsys)
    assert outside.read_text() == "years of work"


@pytest.mark.skipif(computes_bf16(torch.device("cpu")) or torch.cuda.is_available(), reason="computes in bf16")
def test_bf16_is_refused_where_the_processor_has_no_arithmetic_for_it(finished, capsys):
    before = snapshot(finished.results)
    assert main([*finished.options, "--set", "training.precision=bf16", "--restart"]) == 2
    assert "training.precision: bf16 needs a GPU, or a CPU" in one_error(capsys)
    assert snapshot(finished.results) == before


def test_bf16_is_refused_as_far_as_it_can_be_tested_on_any_machine(finished, capsys, monkeypatch):
    monkeypatch.setattr("fer_tune.training.devices.computes_bf16", lambda device: False)
    before = snapshot(finished.results)
    assert main([*finished.options, "--set", "training.precision=bf16", "--restart"]) == 2
    assert "training.precision: bf16 needs a GPU, or a CPU" in one_error(capsys)
    assert snapshot(finished.results) == before


def test_a_disk_that_is_too_small_is_said_before_anything_starts(tmp_path, capsys):
    """At the paper's width a trial's state is 0.7 GB: ten thousand of them fit on no disk here."""
    study = SHIPPED / "lambda_sweep.yaml"
    words = ["--set", "model.width=1.0", "--set", f"seeds={list(range(40000))}", "--results", str(tmp_path / "r")]
    assert main([str(study), *words]) == 2
    assert "the study needs about" in one_error(capsys)
    assert not (tmp_path / "r" / "lambda_sweep").exists()


@pytest.mark.parametrize(
    ("address", "why"), [("127.0.0.1:9", "Connection refused"), ("nowhere", "write HOST:PORT"), ("127.0.0.1:99999", "")]
)
def test_an_address_where_no_cluster_answers_is_named(study_file, tmp_path, capsys, address, why):
    assert main([str(study_file()), "--results", str(tmp_path / "r"), "--address", address]) == 2
    error = capsys.readouterr().err
    assert f"--address {address}: no Ray cluster answers at this address" in error
    assert why in error


def test_a_report_whose_process_is_killed_is_said_with_what_writes_it(finished, monkeypatch, capsys):
    monkeypatch.setattr("fer_tune.cli.reporter.serve", lambda *_: os.kill(os.getpid(), 9))
    shutil.rmtree(finished.results / "report", ignore_errors=True)
    assert main([*finished.options, "--resume"]) == 1
    out = capsys.readouterr().out
    assert "The report was not written, but all results are kept: " in out
    assert out.splitlines()[-1] == f"  fer-tune report {finished.results}"
    command = [sys.executable, "-m", "fer_tune", "report", str(finished.results)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (finished.results / "report" / "index.html").exists()
