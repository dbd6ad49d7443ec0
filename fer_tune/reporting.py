"""The report of a study, from a process that loads its libraries while trials run."""

import os
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from fer_tune.forked import Forked, forked_map
from fer_tune.memory import quick_imports


class NoReport(Exception):
    """There is nothing to report, or its process was killed; the message says which."""


class Reporter:
    """Writes a report while this process does other things, such as ending Ray.

    Its libraries take seconds to load and its figures seconds to draw, these on every core: by then no trial runs.
    It is forked, so begin it before anything starts threads.
    """

    def __init__(self, results: Path) -> None:
        orders, self._orders = Pipe(duplex=False)
        self._task = Forked(_serve, results, orders)
        self._heard = orders  # open at this end too, an order to a process that was killed breaks no pipe

    def prepare(self) -> None:
        """Load the libraries now."""
        self._orders.send("prepare")

    def begin(self) -> None:
        """Write the report now; `headline` waits for it."""
        for order in ("prepare", "write"):
            self._orders.send(order)

    def headline(self) -> str:
        """What the report says first.

        Raises NoReport.
        """
        try:
            return self._task.result()
        except ChildProcessError as killed:
            raise NoReport(f"{killed} Results are kept; try again with python -m analysis.report") from None

    def close(self) -> None:
        """End the process if it still lives."""
        self._task.stop()


def _serve(results: Path, orders: Connection) -> str:
    orders.recv()
    with quick_imports():
        from analysis.report import NothingToReport, write_report
    while orders.recv() != "write":
        pass
    try:
        return write_report(results, each=lambda task, items: forked_map(task, items, os.cpu_count() or 1))
    except NothingToReport as nothing:
        raise NoReport(str(nothing)) from None
