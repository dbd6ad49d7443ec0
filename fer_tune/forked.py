"""Work for a second process that starts without importing anything."""

import ctypes
import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

PR_SET_PDEATHSIG = 1  # Linux's sys/prctl.h
Item = TypeVar("Item")
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
            raise ChildProcessError("a process of this study was killed: is memory short?") from None
        self._process.join()
        if returned:
            return value
        raise value

    def stop(self) -> None:
        """End the process if it still works."""
        if self._here is None:
            self._process.kill()
            self._process.join()


def forked_map(task: Callable[[Item], Answer], items: Sequence[Item], processes: int) -> list[Answer]:
    """What a task returns for each item, worked out by so many processes, this one among them.

    Raises what the task raises, and ChildProcessError as `Forked.result` does.
    """

    def every(start: int) -> list[Answer]:
        return [task(item) for item in items[start::processes]]

    processes = max(1, min(processes, len(items)))
    helpers = [Forked(every, start) for start in range(1, processes)]
    try:
        shares = [every(0), *(helper.result() for helper in helpers)]
    finally:
        for helper in helpers:
            helper.stop()
    return [shares[i % processes][i // processes] for i in range(len(items))]


def _work(answer: Connection, task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the parent decides
    try:
        value = (True, task(*arguments))
    except Exception as error:
        error.add_note(traceback.format_exc())  # where it was raised does not travel with it
        value = (False, error)
    try:
        answer.send(value)
    except Exception as unsent:  # what cannot be pickled
        what = "its answer" if value[0] else f"{type(value[1]).__name__}: {value[1]}"
        answer.send((False, ChildProcessError(f"{what} could not be passed on: {unsent}")))
