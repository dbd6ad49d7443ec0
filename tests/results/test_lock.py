"""One run at a time works on a results folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from fer_tune.results.lock import FolderError, locked
from tests.support.commands import ROOT

HOLD = (
    "import sys, pathlib, time\nfrom fer_tune.results.lock import locked\n"
    "with locked(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
)


def test_a_second_run_is_refused_and_the_first_is_named(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "r"], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline() == b"held\n"
        named = rf"is in use by another run \(process {first.pid} on "
        with pytest.raises(FolderError, match=named), locked(tmp_path / "r"):
            pass
    finally:
        first.kill()
        first.wait()
        first.stdout.close()
    with locked(tmp_path / "r"):
        assert (tmp_path / "r" / ".lock").exists()


def test_a_folder_that_cannot_be_made_is_named():
    nowhere = Path("/proc/nowhere/small")
    with pytest.raises(FolderError, match="/proc/nowhere/small: cannot be written: "), locked(nowhere):
        pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / ".lock").symlink_to(tmp_path / "thesis.txt")
    with pytest.raises(FolderError, match="cannot be written"), locked(tmp_path / "r"):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
