"""Work for a second process that starts without importing anything."""

import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

PR_SET_PDEATHSIG = 1  # Linux's sys/prctl.h
Answer = TypeVar("Answer")
CAN_FORK = sys.platform == "linux"  # elsewhere a forked process may not use what its parent has loaded


class Forked(Generic[Answer]):
    """A task that a forked process works on while this one goes on.

    Where processes cannot be forked, the task runs when its result is asked for. The process dies with this one,
    however this one dies. Fork before anything starts threads (Ray, torch) and never after.
    """

    def __init__(self, task: Callable[..., Answer], *arguments: Any) -> None:
        self._here = None if CAN_FORK else lambda: task(*arguments)
        if CAN_FORK:
            context = multiprocessing.get_context("fork")
            self._answers, answer = context.Pipe(duplex=False)
            self._process = context.Process(target=_work, args=(answer, task, arguments))
            self._process.start()
            answer.close()

    def result(self) -> Answer:
        """Wait for the task; return what it returned or raise what it raised.

        Raises ChildProcessError where its process was killed.
        """
        if self._here is not None:
            return self._here()
        try:
            returned, value = self._answers.recv()
        except EOFError:
            raise ChildProcessError("a process that prepares the data was killed: is memory short?") from None
        self._process.join()
        if returned:
            return value
        raise value

    def stop(self) -> None:
        """End the process if it still works."""
        if self._here is None:
            self._process.kill()
            self._process.join()


def _work(answer: Connection, task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    try:
        value = (True, task(*arguments))
    except Exception as error:
        value = (False, error)
    try:
        answer.send(value)
    except Exception as unsent:  # what cannot be pickled
        what = "its answer" if value[0] else f"{type(value[1]).__name__}: {value[1]}"
        answer.send((False, ChildProcessError(f"{what} could not be passed on: {unsent}")))
