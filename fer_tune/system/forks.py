"""Work for processes that start without importing anything."""

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
CAN_FORK = sys.platform == "linux"  # elsewhere a forked process may not use what its parent has loaded


class Forked(Generic[Answer]):
    """A task that a forked process works on while this one goes on.

    Where processes cannot be forked, the task runs when its result is asked for. The process dies with this one,
    however this one dies, and leaves signals that ask for a stop to it. Fork before Ray or torch start threads, and
    never after.
    """

    def __init__(self, task: Callable[..., Answer], *arguments: Any) -> None:
        self._here = None if CAN_FORK else lambda: task(*arguments)
        if CAN_FORK:
            context = multiprocessing.get_context("fork")
            self._answers, answer = context.Pipe(duplex=False)
            held = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until the process ignores them
            try:
                self._process = context.Process(target=_work, args=(self._answers, answer, held, task, arguments))
                self._process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, held)
            answer.close()
            atexit.register(self.stop)  # Python would wait for it

    def result(self) -> Answer:
        """Wait for the task; return what it returned or raise what it raised.

        Raises ChildProcessError where its process was killed, RuntimeError where its answer cannot be passed on.
        """
        if self._here is not None:
            return self._here()
        try:
            returned, value = self._answers.recv()
        except EOFError:
            raise ChildProcessError("a process of this study was killed: is memory short?") from None
        self.stop()
        if returned:
            return value
        raise value

    def stop(self) -> None:
        """End the process if it still works."""
        if self._here is None:
            self._process.kill()
            self._process.join()
            atexit.unregister(self.stop)


def forked_map(task: Callable[[Item], Answer], items: Sequence[Item], processes: int) -> list[Answer]:
    """What a task returns for each item, worked out by so many processes, this one among them.

    Raises what the task raises, and what `Forked.result` does.
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
    answers.close()  # so that nobody listens where the parent does not
    try:
        value = (True, task(*arguments))
    except Exception as error:
        value = (False, _portable(error))
    try:
        answer.send(value)
    except BrokenPipeError:
        pass
    except Exception as unsent:  # what cannot be pickled
        answer.send((False, RuntimeError(f"its answer could not be passed on: {unsent}")))


def _portable(error: Exception) -> Exception:
    """An error that survives the way to the parent, with a note of where it was raised."""
    where = traceback.format_exc()
    try:
        pickle.loads(pickle.dumps(error))
    except Exception as unsent:
        error = RuntimeError(f"{type(error).__name__}: {error} could not be passed on: {unsent}")
    error.add_note(where)
    return error


def kill_children() -> None:
    """Kill every process below this one."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
