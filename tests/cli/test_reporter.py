"""The report from a process of its own: the same report, and its end is said."""

import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest

from fer_tune.analysis.report import write_report
from fer_tune.cli.reporter import NoReport, Reporter
from tests.support.commands import ROOT
from tests.support.made_up import folder_writer, plateau


@pytest.mark.parametrize("prepared", [True, False])
def test_it_is_the_report_that_is_written_here_file_by_file(tmp_path, prepared):
    path = folder_writer(tmp_path)(plateau(lambda lam: 0.6 + 0.1 * lam))
    with closing(Reporter(path, 2)) as report:
        if prepared:
            report.prepare()
        report.begin()
        written = report.report()
    elsewhere = shutil.move(path / "report", tmp_path / "elsewhere")
    assert written == write_report(path)
    found, wanted = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*")}
        for folder in (elsewhere, path / "report")
    )
    assert len(found) > 10
    for file, content in wanted.items():
        assert found.pop(file) == content, file
    assert found == {}


def test_nothing_to_report_and_a_killed_process_are_said(tmp_path):
    path = folder_writer(tmp_path)(plateau(lambda lam: 0.6))
    shutil.rmtree(path / "trials")
    (path / "trials.csv").write_text("")
    with closing(Reporter(path, 2)) as report:
        report.begin()
        with pytest.raises(NoReport, match="has finished an epoch yet"):
            report.report()
    before = set(psutil.Process().children())
    with closing(Reporter(path, 2)) as report:
        (process,) = set(psutil.Process().children()) - before
        process.send_signal(signal.SIGKILL)
        report.begin()
        with pytest.raises(ChildProcessError, match="run out of memory"):
            report.report()


ABANDONED = """
import os, sys
from pathlib import Path
import psutil
from fer_tune.cli.reporter import Reporter
report = Reporter(Path("nowhere"), 1)
print(psutil.Process().children()[0].pid, flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["raise KeyboardInterrupt", "sys.exit(3)", "os._exit(4)"])
def test_a_process_that_nobody_closes_ends_with_its_parent(end):
    done = subprocess.run(
        [sys.executable, "-c", ABANDONED.format(end=end)], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    deadline = time.monotonic() + 5
    while psutil.pid_exists(int(done.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
