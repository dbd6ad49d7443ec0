"""`fer-tune run` in real processes with real Ray."""

import os
import pty
import re
import signal
import subprocess
import time

import psutil
import pytest

from tests.support.commands import start, start_piped
from tests.support.studies import SHIPPED, write_study

pytestmark = pytest.mark.serial


def test_smoke_says_what_it_does_and_ends_with_lambda_and_report(smoke):
    results, done = smoke
    assert done.returncode == 0, done.stderr
    assert "smoke: 4 searches × 2 configurations × 2 seeds = 16 trials, 3 epochs each" in done.stdout
    assert "a true accuracy difference appears only 0.53 times as large" in done.stdout
    assert re.search(r"\d running, \d+ of 16 done; .* elapsed, about .* left", done.stdout)
    assert done.stdout.count("\nfinished: noise_ratio=") == 16
    assert len(re.findall(r"\nshared warm-up finished \(seed [01]\): noise_ratio=", done.stdout)) == 8
    assert "λ = " in done.stdout
    assert f"Report: {results / 'report' / 'index.html'}" in done.stdout
    said = ["faces…\nStarting Ray…\nStarting the first trials…\n", "\nWriting the report…\n"]
    assert [done.stdout.count(text) for text in said] == [1, 1]
    assert done.stdout.lower().count("ray") == 1  # none of its own messages
    assert done.stderr == ""


def test_nothing_but_the_results_folder_is_written(smoke):
    results, _ = smoke
    assert [p.name for p in results.parent.parent.iterdir()] == ["results"]


@pytest.mark.parametrize(
    ("how", "meanwhile"),
    [(signal.SIGINT, "fer_tune.run"), (signal.SIGHUP, "gcs_server"), (signal.SIGKILL, "fer_tune.run")],
)
def test_stopped_while_the_data_are_drawn_nothing_is_left_running(tmp_path, how, meanwhile):
    """Ray starts meanwhile."""
    process = start_piped(SHIPPED / "lambda_sweep.yaml", tmp_path)
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
    assert drawing
    assert not psutil.wait_procs(drawing, timeout=10)[1]
    if how != signal.SIGKILL:
        assert process.returncode == 130, out
        assert "Traceback" not in out
    if how == signal.SIGINT:
        assert "To resume, run:\n  python -m fer_tune.run " in out
        assert out.rstrip().endswith("--resume")


def _below(process: subprocess.Popen, word: str) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if any(word in argument for argument in _words(child))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@pytest.mark.long
def test_a_terminal_shows_a_live_table(tmp_path):
    study = write_study(tmp_path, search={"lambda": {"grid": [0.5]}}, training={"epochs": 12, "batch_size": 16})
    terminal, worker = pty.openpty()
    process = start(study, tmp_path, stdout=worker, stderr=worker)
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
