"""Run tasks in forked processes, which start at once with everything that this one has imported."""

import atexit
import ctypes
import multiprocessing
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

import psutil

PR_SET_PDEATHSIG = 1  # Linux's sys/prctl.h
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Item = TypeVar("Item")
Answer = TypeVar("Answer")
CAN_FORK = sys.platform == "linux"  # elsewhere a forked process cannot safely use its parent's libraries


class Forked(Generic[Answer]):
    """A task that runs in a forked process while this one continues.

    If processes cannot be forked, the task runs when `result` is called. The forked process is killed when this one
    ends, however it ends; it ignores SIGINT, SIGTERM and SIGHUP, which this one handles. Fork before Ray or torch
    start threads, never after.
    """

    def __init__(self, task: Callable[..., Answer], *arguments: Any) -> None:
        self._here = None if CAN_FORK else lambda: task(*arguments)
        if CAN_FORK:
            context = multiprocessing.get_context("fork")
            self._answers, answer = context.Pipe(duplex=False)
            held = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until the forked process ignores them
            try:
                self._process = context.Process(target=_work, args=(self._answers, answer, held, task, arguments))
                self._process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, held)
            answer.close()
            atexit.register(self.stop)  # else Python waits for it at exit

    def result(self) -> Answer:
        """Wait for the task; return what it returned or raise what it raised.

        Raises ChildProcessError if its process was killed, RuntimeError if its result cannot be pickled.
        """
        if self._here is not None:
            return self._here()
        try:
            returned, value = self._answers.recv()
        except EOFError:
            raise ChildProcessError("a process of this study was killed. Did the machine run out of memory?") from None
        self.stop()
        if returned:
            return value
        raise value

    def stop(self) -> None:
        """Kill the process if it is still running."""
        if self._here is None:
            self._process.kill()
            self._process.join()
            atexit.unregister(self.stop)


def forked_map(task: Callable[[Item], Answer], items: Sequence[Item], processes: int) -> list[Answer]:
    """What a task returns for each item, computed by `processes` processes including this one.

    Raises what the task raises, and what `Forked.result` raises.
    """

    def every(start: int) -> list[Answer]:
        return [task(item) for item in items[start::processes]]

    processes = max(1, min(processes, len(items)))
    helpers: list[Forked[list[Answer]]] = []
    try:
        for start in range(1, processes):
            helpers.append(Forked(every, start))
        shares = [every(0), *(helper.result() for helper in helpers)]
    finally:
        for helper in helpers:
            helper.stop()
    return [shares[i % processes][i // processes] for i in range(len(items))]


def _work(
    answers: Connection,
    answer: Connection,
    unmasked: set[signal.Signals],
    task: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)  # the parent decides
    signal.pthread_sigmask(signal.SIG_SETMASK, unmasked)
    answers.close()  # the parent alone reads, so that sending fails once it is gone
    try:
        value = (True, task(*arguments))
    except Exception as error:
        value = (False, _portable(error))
    try:
        answer.send(value)
    except BrokenPipeError:
        pass
    except Exception as unsent:  # it cannot be pickled
        answer.send((False, RuntimeError(f"the result cannot be pickled: {unsent}")))


def _portable(error: Exception) -> Exception:
    """An error that can be pickled, with a note of where it was raised."""
    where = traceback.format_exc()
    try:
        pickle.loads(pickle.dumps(error))
    except Exception as unsent:
        error = RuntimeError(f"{type(error).__name__}: {error} (the error itself cannot be pickled: {unsent})")
    error.add_note(where)
    return error


def kill_children() -> None:
    """Kill every process below this one."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
