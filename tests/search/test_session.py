"""The Ray that a study runs on."""

import re
import subprocess
import sys

import pytest

from fer_tune.search.jobs import NotRunnable
from fer_tune.search.session import check_reachable, ray_session
from tests.support.commands import ROOT
from tests.support.studies import write_study

RESTLESS = """
import gc, sys, threading, time

from fer_tune.run import main


def collect():
    while True:
        gc.collect(0)
        time.sleep(0.0005)


if __name__ == "__main__":
    threading.Thread(target=collect, daemon=True).start()
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.serial
def test_a_garbage_collector_that_never_rests_does_not_end_a_finished_study(tmp_path):
    """Ray is shut down on a thread while the main thread reports; a reference to Ray's objects freed then was fatal."""
    study = write_study(tmp_path, training={"epochs": 1, "batch_size": 32})
    (tmp_path / "restless.py").write_text(RESTLESS)
    done = subprocess.run(
        [sys.executable, tmp_path / "restless.py", study, "--results", tmp_path / "results"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^Report: .*/small/report/index\.html$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:9", "Connection refused"),
        ("nowhere", "write HOST:PORT"),
        ("127.0.0.1:99999", "port|range|Connection|between"),
    ],
)
def test_an_address_where_nothing_listens_is_refused_at_once(address, why):
    with pytest.raises(ConnectionError, match=why):
        check_reachable(address)


def test_without_a_temporary_folder_that_ray_can_use_the_message_says_what_to_set(tmp_path, monkeypatch):
    place = tmp_path / "é"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setattr("fer_tune.system.surroundings.FALLBACK_TEMPORARY", str(place))
    with pytest.raises(NotRunnable, match="at most 27 ASCII characters: set TMPDIR"), ray_session(None, False, 1):
        pass
