"""The report from a process of its own: the same report, and its end is said."""

import os
import shutil
import signal
from contextlib import closing

import pytest

from analysis.report import write_report
from fer_tune.reporting import NoReport, Reporter
from tests.analysis.conftest import folder_writer, plateau


@pytest.mark.parametrize("prepared", [True, False])
def test_it_is_the_report_that_is_written_here_file_by_file(tmp_path, prepared):
    path = folder_writer(tmp_path)(plateau(lambda lam: 0.6 + 0.1 * lam))
    with closing(Reporter(path)) as report:
        if prepared:
            report.prepare()
        report.begin()
        headline = report.headline()
    elsewhere = shutil.move(path / "report", tmp_path / "elsewhere")
    assert headline == write_report(path)
    found, wanted = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*")}
        for folder in (elsewhere, path / "report")
    )
    assert found == wanted and len(found) > 10


def test_nothing_to_report_and_a_killed_process_are_said(tmp_path):
    path = folder_writer(tmp_path)(plateau(lambda lam: 0.6))
    shutil.rmtree(path / "trials")
    (path / "trials.csv").write_text("")
    with closing(Reporter(path)) as report:
        report.begin()
        with pytest.raises(NoReport, match=r"has ended yet|has run an epoch yet"):
            report.headline()
    with closing(Reporter(path)) as report:
        os.kill(report._task._process.pid, signal.SIGKILL)
        report.begin()
        with pytest.raises(NoReport, match=r"memory short\? Results are kept.*analysis.report"):
            report.headline()
