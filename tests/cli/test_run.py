"""The command line, in real processes with real Ray."""

import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import psutil
import pytest
import ray
import torch
import yaml

from fer_tune.cli.run import main
from fer_tune.results.files import read_json, write_json
from fer_tune.results.folder import trial_folders
from fer_tune.study.loading import load_study
from fer_tune.training.devices import computes_bf16
from tests.conftest import ROOT, run_command, start
from tests.support import folders
from tests.support.weights import vgg_face_weights

SMOKE = ROOT / "studies" / "smoke.yaml"


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*"))}


@pytest.fixture
def finished(smoke, tmp_path) -> Path:
    """A copy of the smoke study's finished results, and of nothing else."""
    shutil.copytree(smoke[0], tmp_path / "results" / "smoke")
    return tmp_path / "results"


def test_smoke_says_what_it_does_and_ends_with_lambda_and_report(smoke):
    results, done = smoke
    assert done.returncode == 0, done.stderr
    assert "smoke: 16 trials in 4 searches x 2 seeds, 3 epochs each" in done.stdout
    assert "shrinks an accuracy difference to 0.53" in done.stdout
    assert re.search(r"\d running, \d+ of 16 done; .* elapsed, about .* left", done.stdout)
    assert done.stdout.count("\nfinished: noise_ratio=") == 16
    assert done.stdout.count("\nwarm-up finished: noise_ratio=") == 8
    assert "λ = " in done.stdout and f"Report: {results / 'report' / 'index.html'}" in done.stdout
    assert "ray" not in done.stdout.lower() and done.stderr == ""


def test_nothing_but_the_results_folder_is_written(smoke):
    results, _ = smoke
    assert [p.name for p in results.parent.parent.iterdir()] == ["results"]


def test_an_existing_folder_is_left_alone_unless_told(finished, capsys):
    before = snapshot(finished)
    assert main([str(SMOKE), "--results", str(finished)]) == 2
    error = capsys.readouterr().err
    assert "--resume goes on with it, --restart begins anew" in error and len(error.splitlines()) == 1
    assert snapshot(finished) == before


def test_resuming_a_complete_study_runs_nothing_again(finished, capsys):
    trials = finished / "smoke" / "trials"
    before = snapshot(trials)
    assert main([str(SMOKE), "--results", str(finished), "--resume"]) == 0
    assert snapshot(trials) == before
    assert "Report:" in capsys.readouterr().out and not ray.is_initialized()


def test_a_report_whose_process_is_killed_is_said_with_what_writes_it(finished, monkeypatch, capsys):
    monkeypatch.setattr("fer_tune.cli.reporter._serve", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    shutil.rmtree(finished / "smoke" / "report")
    assert main([str(SMOKE), "--results", str(finished), "--resume"]) == 1
    out = capsys.readouterr().out
    assert "run out of memory?" in out
    module = ["-m", "analysis.report", str(finished / "smoke")]
    assert out.splitlines()[-1] == f"  {shlex.join(['python', *module])}"
    subprocess.run([sys.executable, *module], cwd=ROOT, check=True, capture_output=True)
    assert (finished / "smoke" / "report" / "index.html").exists()


def test_an_edited_study_is_not_resumed_and_the_difference_is_shown(finished, capsys):
    before = snapshot(finished)
    assert main([str(SMOKE), "--results", str(finished), "--resume", "--set", "training.lr=0.5"]) == 2
    assert "training.lr was 0.0001, is 0.5" in capsys.readouterr().err
    assert snapshot(finished) == before


def test_a_study_is_repeated_from_its_results_and_only_on_its_own_data(finished, tmp_path, capsys):
    smoke = finished / "smoke"
    assert load_study(smoke / "study.json") == load_study(SMOKE)
    assert main(["--from", str(smoke), "--dry-run"]) == 0
    assert "smoke: 16 trials" in capsys.readouterr().out
    about = read_json(smoke / "environment.json")
    write_json(smoke / "environment.json", {**about, "data_digests": ["0" * 32]})
    assert main(["--from", str(smoke), "--results", str(tmp_path / "again")]) == 2
    assert "the data have changed since that study was run" in capsys.readouterr().err
    assert not (tmp_path / "again" / "smoke").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name a study file"),
        ([str(SMOKE), "--from", "results/smoke"], "name a study file or --from, not both"),
        (["--from", "nowhere"], "--from nowhere: is no results folder"),
        ([str(SMOKE), "--resume", "--restart"], "exclude each other"),
        ([str(SMOKE), "--cpus", "2", "--address", "auto"], "a cluster has its own CPUs"),
        ([str(SMOKE), "--cpus", "0"], "needs at least 1"),
        ([str(SMOKE), "--results", "/proc/nowhere"], "/proc/nowhere/smoke: cannot be written"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(options, message, capsys):
    assert main(options) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


def test_data_that_cannot_be_used_end_before_anything_is_written(tmp_path, capsys):
    study = ROOT / "studies" / "raf.yaml"
    words = ["--set", f"dataset.folder={tmp_path / 'raf'}", "--results", str(tmp_path / "results")]
    assert main([str(study), *words]) == 2
    error = capsys.readouterr().err
    assert "list_patition_label.txt: cannot be read: No such file" in error and len(error.splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_an_image_that_cannot_be_read_leaves_no_folder_in_the_way(tmp_path, capsys):
    settings = folders.write_manifest(tmp_path / "mine")
    study = tmp_path / "mine.yaml"
    study.write_text(yaml.safe_dump({"name": "mine", "dataset": settings, "training": {"epochs": 1, "batch_size": 8}}))
    broken = tmp_path / "mine" / "people" / "face 7.png"
    broken.write_bytes(b"no image")
    assert main([str(study), "--results", str(tmp_path / "results")]) == 2
    assert "'people/face 7.png' is not a readable image" in capsys.readouterr().err
    assert not (tmp_path / "results" / "mine").exists()


def test_a_weight_file_that_has_changed_is_not_resumed_with(tmp_path, capsys):
    model = {"encoder_weights": str(tmp_path / "face.pt"), "encoder_input": "vgg_face"}
    raw = {"name": "mine", "dataset": {"kind": "synthetic", "train": 14, "validation": 14, "test": 14}, "model": model}
    study = tmp_path / "mine.yaml"
    study.write_text(yaml.safe_dump({**raw, "training": {"epochs": 1, "batch_size": 8}}))
    torch.save(vgg_face_weights(), tmp_path / "face.pt")
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    write_json(folder / "study.json", load_study(study).model_dump(mode="json", by_alias=True))
    write_json(folder / "weights.json", {str(tmp_path / "face.pt"): "0" * 64})
    assert main([str(study), "--results", str(tmp_path / "results"), "--resume"]) == 2
    assert f"encoder_weights: {tmp_path / 'face.pt'} has changed since the study began" in capsys.readouterr().err


def test_a_folder_that_is_not_ours_is_never_deleted(tmp_path, capsys):
    (tmp_path / "smoke").mkdir()
    (tmp_path / "smoke" / "thesis.txt").write_text("years of work")
    assert main([str(SMOKE), "--results", str(tmp_path), "--restart"]) == 2
    assert "is no results folder" in capsys.readouterr().err
    assert (tmp_path / "smoke" / "thesis.txt").exists()


def test_a_second_run_of_a_study_is_refused_naming_the_first(finished, capsys):
    code = (
        "import sys, pathlib, time\nfrom fer_tune.run import _locked\n"
        "with _locked(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    first = subprocess.Popen([sys.executable, "-c", code, finished / "smoke"], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline() == b"held\n"
        assert main([str(SMOKE), "--results", str(finished), "--resume"]) == 2
        assert f"in use by another run (process {first.pid} on " in capsys.readouterr().err
    finally:
        first.kill()
        first.wait()
        first.stdout.close()
    assert main([str(SMOKE), "--results", str(finished), "--resume"]) == 0


@pytest.mark.slow
def test_failed_trials_are_said_and_tried_again_on_resume(finished, tmp_path):
    words = [SMOKE, "--results", finished, "--cpus", "1", "--resume"]
    trial = next(f.path for f in trial_folders(finished / "smoke") if f.settings()["config"]["training"]["lambda"] > 0)
    (trial / "result.json").unlink()
    with zipfile.ZipFile(trial / "state.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"not a state")
    done = run_command(*words, cwd=tmp_path)
    assert done.returncode == 1 and "1 trials failed; their reasons stand in the report" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr
    (trial / "state.pt").unlink()
    assert run_command(*words, cwd=tmp_path).returncode == 0
    assert set(pd.read_csv(finished / "smoke" / "trials.csv")["status"]) == {"finished"}


@pytest.mark.skipif(computes_bf16(torch.device("cpu")) or torch.cuda.is_available(), reason="computes in bf16")
def test_bf16_is_refused_where_the_processor_has_no_arithmetic_for_it(finished, capsys):
    before = snapshot(finished)
    words = ["--set", "training.precision=bf16", "--restart"]
    assert main([str(SMOKE), *words, "--results", str(finished)]) == 2
    assert "training.precision: bf16 needs a GPU, or a CPU" in capsys.readouterr().err
    assert snapshot(finished) == before


@pytest.mark.parametrize(
    ("how", "meanwhile"),
    [(signal.SIGINT, "fer_tune.run"), (signal.SIGHUP, "gcs_server"), (signal.SIGKILL, "fer_tune.run")],
)
def test_stopped_while_the_data_are_drawn_nothing_is_left_running(tmp_path, how, meanwhile):
    """Ray starts meanwhile."""
    study = ROOT / "studies" / "lambda_sweep.yaml"
    process = start(study, tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while not _below(process, "fer_tune.run") or not _below(process, meanwhile):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)  # well into it
    drawing = _below(process, "fer_tune.run")
    if how == signal.SIGKILL:
        process.send_signal(how)
    else:  # as a terminal sends it
        os.killpg(process.pid, how)
    asked = time.monotonic()
    out, _ = process.communicate(timeout=60)
    assert time.monotonic() - asked < 15
    assert drawing and not psutil.wait_procs(drawing, timeout=10)[1]
    if how != signal.SIGKILL:
        assert process.returncode == 130 and "Traceback" not in out, out
    if how == signal.SIGINT:
        assert "Go on with:\n  python -m fer_tune.run " in out and out.rstrip().endswith("--resume")


def _below(process: subprocess.Popen, word: str) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if any(word in argument for argument in _words(child))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@pytest.mark.slow
def test_a_terminal_shows_a_live_table(study_file, tmp_path):
    terminal, worker = pty.openpty()
    process = start(study_file(training={"epochs": 12, "batch_size": 16}), tmp_path, stdout=worker, stderr=worker)
    os.close(worker)
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the terminal closes with its last process
            break
        shown += piece
    os.close(terminal)
    assert process.wait(timeout=60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    for part in (
        "learning rate",
        "L_G",
        "L_D",
        "validation accuracy",
        "running,",
        "elapsed",
        "left",
        "/ 12",
        "Report:",
    ):
        assert part in text, part


ROLES = {
    "condition": {"conditions": {"noise_ratio": [0.2, 0.4]}},
    "sample": {"conditions": {"noise_ratio": {"sample": [0.1, 0.5]}}},
    "optimise": {"search": {"lambda": {"uniform": [0.1, 1.0]}, "noise_ratio": {"uniform": [0.1, 0.5]}}},
}


def run_role(folder: Path, changes: dict) -> subprocess.CompletedProcess[str]:
    """Run the shipped search study at a small size, the noise ratio in one of its roles, on one CPU."""
    raw = yaml.safe_load((ROOT / "studies" / "search.yaml").read_text())
    raw |= {"dataset": {"kind": "synthetic", "train": 64, "validation": 28, "test": 28}, **changes}
    raw["training"] = {**raw["training"], "epochs": 2, "warmup_epochs": 1, "batch_size": 32}
    raw["optuna"] = {**raw["optuna"], "trials": 2}
    if "noise_ratio" in raw["search"]:
        raw.pop("conditions")
    (folder / "search.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return run_command(folder / "search.yaml", "--cpus", "1", cwd=folder)


@pytest.fixture(scope="module")
def roles(tmp_path_factory):
    """What each role's run printed, and its folder; two run at a time."""
    folders = {role: tmp_path_factory.mktemp(role) for role in ROLES}
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda role: run_role(folders[role], ROLES[role]), ROLES)
        return {role: (answer, folders[role]) for role, answer in zip(ROLES, done, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_the_search_study_runs_in_each_role_of_the_noise_ratio(roles, role):
    done, folder = roles[role]
    assert done.returncode == 0, done.stderr + done.stdout
    trials = pd.read_csv(folder / "results" / "search" / "trials.csv")
    assert (trials["status"] == "finished").all()
    assert (trials["role"] == "baseline").any() == (role == "optimise")
    assert ("the gain over lambda = 0" in done.stdout) == (role == "optimise")


@pytest.mark.parametrize(
    ("address", "why"), [("127.0.0.1:9", "Connection refused"), ("nowhere", "write HOST:PORT"), ("127.0.0.1:99999", "")]
)
def test_an_address_where_no_cluster_answers_is_named(study_file, tmp_path, capsys, address, why):
    assert main([str(study_file()), "--results", str(tmp_path / "r"), "--address", address]) == 2
    error = capsys.readouterr().err
    assert f"--address {address}: no Ray cluster answers there" in error and why in error
