"""The real command where locale, CPUs, home, temporary folder and results path are unlike a developer's."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.studies import SMOKE

UID = 12345  # has no entry in the user database


@pytest.fixture
def place():
    """A folder that anybody may write to."""
    folder = Path(tempfile.mkdtemp(prefix="anybody-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def interpreter_of(user: int | None) -> str:
    """A Python that the user may run with the tests' packages; skips where there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        words = [python, "-c", "import fer_tune, torch, sys; print(sys.version_info[:2])"]
        try:
            done = subprocess.run(words, env=environment(), user=user, cwd="/", capture_output=True, text=True)
        except OSError:
            continue
        if done.stdout.strip() == str(sys.version_info[:2]):
            return python
    pytest.skip("no Python here can be run by a user without an entry")


def environment(**more: str) -> dict[str, str]:
    """Nothing but a path, and where the packages are."""
    packages = f"{ROOT}:{sysconfig.get_paths()['purelib']}"
    return {"PATH": os.environ["PATH"], "PYTHONPATH": packages, **more}


def run(place: Path, study: Path, results: str, user: int | None = None, **more: str):
    """The command on one CPU, in a locale without λ, with a temporary folder that Ray cannot use."""
    odd = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (place / "tmp é").mkdir(exist_ok=True)
    one = min(os.sched_getaffinity(0))
    python = interpreter_of(user)
    return subprocess.run(
        [python, "-m", "fer_tune.run", str(study), "--results", str(place / results)],
        env=environment(**odd, TMPDIR=str(place / "tmp é"), **more),
        preexec_fn=lambda: os.sched_setaffinity(0, {one}),
        user=user,
        cwd=place,
        capture_output=True,
        timeout=280,
    )


@pytest.mark.serial
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_the_smoke_study_runs_without_home_locale_second_cpu_or_plain_paths(place):
    user = UID if os.getuid() == 0 else None
    study = place / "study.yaml"
    study.write_text(SMOKE.read_text())
    before = set(place.iterdir())
    done = run(place, study, "results of run 1?", user=user)
    said = done.stdout.decode("ascii")
    assert done.returncode == 0, said + done.stderr.decode()
    assert "lambda = " in said
    assert "2 running" not in said
    results = place / "results of run 1?" / "smoke"
    assert (results / "optuna.sqlite3").exists()
    assert (results / "report" / "index.html").exists()
    assert {path.name for path in set(place.iterdir()) - before} == {"results of run 1?", "tmp é"}
