"""Ctrl-C where it must not strike, and what else asks a study to stop."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE, LAST_PATIENCE = 7.0, 11.0  # seconds after a signal until a study is asked again, and until it is ended


@contextmanager
def interrupt_held() -> Iterator[None]:
    """Let Ctrl-C wait until the body has run, then raise it.

    Compiled libraries such as Ray pass over an interrupt that meets them while they are imported, so that the study
    would run on; a Ray interrupted while it starts leaves processes behind for a minute. Only the main thread is
    interrupted, so elsewhere nothing is held.
    """
    if not _can_be_interrupted():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


@contextmanager
def stops_as_interrupts(give_up: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGHUP stop the body as Ctrl-C does.

    Who sends them may have sent them to Ray's processes too, and then nobody answers any more: the body is asked once
    more after 7 s, and after 11 s `give_up` is called from another thread. A closed terminal (SIGHUP) takes no more
    output. Where the main thread does not run, signals are left alone.
    """
    if not _can_be_interrupted():
        yield
        return
    timers: list[threading.Timer] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _silence()
        if not timers:
            again = threading.Timer(PATIENCE, os.kill, (os.getpid(), signal.SIGINT))
            timers.extend([again, threading.Timer(LAST_PATIENCE, give_up)])
            for timer in timers:
                timer.daemon = True
                timer.start()
        signal.raise_signal(signal.SIGINT)

    heard = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]  # nohup ignores one
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _can_be_interrupted() -> bool:
    """Python hears signals in the main thread alone."""
    return threading.current_thread() is threading.main_thread()


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


@contextmanager
def signals_kept() -> Iterator[None]:
    """Start processes that outlive a closed terminal (whoever starts them ends them), and keep one's own handlers.

    Ray, when it starts, puts handlers of its own in their place. A terminal closed meanwhile is heard at the end at
    the latest.
    """
    if not _can_be_interrupted():
        yield
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # processes inherit it
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
