"""Nothing that a stranger's folder holds is run, and nobody listens to the network."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import psutil
import pytest

from fer_tune.analysis.report import main as report
from fer_tune.results.records import Status
from tests.support.commands import run_command, start_piped, wait_for_epochs

RAY_FILES = (
    "ray/tune/tuner.pkl", "ray/tune/trainable.pkl", "ray/tune/searcher-state-2026.pkl",
    "ray/tune/search_gen_state-2026.json", "ray/tune/experiment_state-2026.json", "ray/tune/.is_checkpoint",
    "searcher-state.pkl", "data/planted.pkl",
)  # fmt: skip


class Bomb:
    """A pickle that leaves a file behind when it is opened."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_the_bomb_goes_off_when_it_is_opened(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


@pytest.mark.serial
def test_pickles_planted_in_a_results_folder_stay_unopened(finished, tmp_path):
    results, mark = finished.results, tmp_path / "mark"
    bomb = pickle.dumps(Bomb(mark))
    for name in RAY_FILES:
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(bomb)
    plain, packed = finished.trials()
    for folder in (plain, packed):
        (folder.path / "result.json").unlink()
    plain.state.write_bytes(bomb)
    disguised = io.BytesIO()
    with zipfile.ZipFile(packed.state) as whole, zipfile.ZipFile(disguised, "w") as spoilt:
        for entry in whole.infolist():
            spoilt.writestr(entry, bomb if entry.filename.endswith("data.pkl") else whole.read(entry))
    packed.state.write_bytes(disguised.getvalue())
    done = run_command(*finished.options, "--resume", cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 trial failed; the report and trials.csv give the reasons" in done.stdout
    assert "Traceback" not in done.stderr
    assert plain.result().status is Status.FINISHED, "what is not a state is set aside, and the trial starts over"
    assert packed.result().status is Status.FAILED
    assert "weights" in packed.result().reason.lower()
    assert report([str(results)]) == 0
    assert not mark.exists()


@pytest.mark.serial
def test_a_study_listens_on_loopback_alone_and_writes_no_secret(study_file, tmp_path, monkeypatch):
    """A secret is planted in the environment; Ray's own token lies in the home folder once a study runs.

    Its end also shows what SIGTERM does in the middle of a trial.
    """
    monkeypatch.setenv("SERVICE_TOKEN", "planted-in-the-environment")
    study = study_file(training={"epochs": 200, "batch_size": 16})
    process = start_piped(study, tmp_path)
    try:
        wait_for_epochs(tmp_path / "results" / "small", 3)
        whole = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        sockets = [c for p in whole for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert len(sockets) > 3, "Ray listens, or the test looks at nothing"
        assert {c.laddr.ip for c in sockets} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert f"To resume, run:\n  python -m fer_tune.run {study} --resume" in out
    assert "Traceback" not in out
    contents = [p.read_bytes() for p in (tmp_path / "results").rglob("*") if p.is_file()]
    assert len(contents) > 10
    for secret in ("planted-in-the-environment", (Path.home() / ".ray" / "auth_token").read_text().strip()):
        assert not any(secret.encode() in content for content in contents)
