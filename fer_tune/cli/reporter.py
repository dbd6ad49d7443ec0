"""The report of a study, from a process that loads its libraries while trials run."""

from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from fer_tune.system.forks import CAN_FORK, Forked, forked_map
from fer_tune.system.memory import quick_imports


class NoReport(Exception):
    """There is nothing to report; the message says why."""


class Reporter:
    """Writes a report while this process does other things, such as ending Ray.

    Its libraries take seconds to load and its figures seconds to draw, these in several processes: by then no trial
    runs. Make one before Ray or torch start threads, and close it. Where processes cannot be forked, all of it
    happens when the headline is asked for.

    Args:
        results: the study's results folder.
        processes: that draw.
    """

    def __init__(self, results: Path, processes: int) -> None:
        self._heard, self._orders = Pipe(duplex=False)  # open at both ends here: an order to the dead breaks no pipe
        ours = self._orders if CAN_FORK else None
        self._task = Forked(_serve, results, processes, self._heard, ours)

    def prepare(self) -> None:
        """Load the libraries now."""
        self._orders.send("prepare")

    def begin(self) -> None:
        """Write the report now; `headline` waits for it."""
        self._orders.send("write")

    def headline(self) -> str:
        """What the report says first.

        Raises NoReport, and ChildProcessError where the process was killed.
        """
        return self._task.result()

    def close(self) -> None:
        """End the process if it still lives."""
        self._task.stop()


def _serve(results: Path, processes: int, orders: Connection, of_parent: Connection | None) -> str:
    if of_parent is not None:
        of_parent.close()  # so that the pipe ends when the parent does
    try:
        order = orders.recv()
        with quick_imports():
            from fer_tune.analysis.report import NothingToReport, write_report
        while order != "write":
            order = orders.recv()
    except EOFError:
        return ""
    try:
        return write_report(results, each=lambda task, items: forked_map(task, items, processes))
    except NothingToReport as nothing:
        raise NoReport(str(nothing)) from None
