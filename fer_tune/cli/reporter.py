"""The process that writes the report of a study: it loads its libraries while trials run."""

from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from fer_tune.analysis.gaps import Report
from fer_tune.system.forks import CAN_FORK, Forked, forked_map
from fer_tune.system.memory import quick_imports


class NoReport(Exception):
    """There is nothing to report; the message says why."""


class Reporter:
    """Writes a report while this process does other things, such as shutting Ray down.

    Loading its libraries takes seconds, and so does drawing its figures, which several processes do: by then no trial
    runs. Create it before Ray or torch start threads, and close it. Where processes cannot be forked, everything
    happens when the report is asked for.

    Args:
        results: the study's results folder.
        processes: how many draw.
    """

    def __init__(self, results: Path, processes: int) -> None:
        # Both ends stay open here, so that an order to a dead process does not break the pipe.
        self._heard, self._orders = Pipe(duplex=False)
        ours = self._orders if CAN_FORK else None
        self._task = Forked(serve, results, processes, self._heard, ours)

    def prepare(self) -> None:
        """Load the libraries now."""
        self._orders.send("prepare")

    def begin(self) -> None:
        """Write the report now; `report` waits for it."""
        self._orders.send("write")

    def report(self) -> Report:
        """What the report says first, and what it lacks.

        Raises NoReport, ReportFailed, and ChildProcessError where the process was killed.
        """
        return self._task.result()

    def close(self) -> None:
        """End the process if it is still alive."""
        self._task.stop()


def serve(results: Path, processes: int, orders: Connection, of_parent: Connection | None) -> Report:
    """The reporting process: follow orders until the report is written; return what it says first.

    Args:
        of_parent: the parent's end of the pipe, which this process must close to notice the parent's death.
    """
    if of_parent is not None:
        of_parent.close()
    try:
        order = orders.recv()
        with quick_imports():
            from fer_tune.analysis.report import NothingToReport, write_report
        while order != "write":
            order = orders.recv()
    except EOFError:
        return Report()
    try:
        return write_report(results, each=lambda task, items: forked_map(task, items, processes))
    except NothingToReport as nothing:
        raise NoReport(str(nothing)) from None
