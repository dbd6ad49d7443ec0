"""Defer Ctrl-C, and stop a study on SIGTERM or a closed terminal as on Ctrl-C."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ASK_AGAIN_SECONDS, GIVE_UP_SECONDS = 7.0, 11.0  # after the first signal


@contextmanager
def interrupt_held() -> Iterator[None]:
    """Defer Ctrl-C until the body has run, then raise KeyboardInterrupt.

    Compiled libraries such as Ray swallow an interrupt during their import, and the study would continue; Ray
    interrupted during its start leaves processes behind for a minute. Python interrupts only the main thread; in
    another thread this does nothing.
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

    The sender may have signalled Ray's processes too; the body may then wait for them forever. So it is interrupted
    again after 7 s, and after 11 s `give_up` is called from another thread. After SIGHUP output goes nowhere, since
    the terminal is closed. Outside the main thread this does nothing.
    """
    if not _can_be_interrupted():
        yield
        return
    timers: list[threading.Timer] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _silence()
        if not timers:
            again = threading.Timer(ASK_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
            timers.extend([again, threading.Timer(GIVE_UP_SECONDS, give_up)])
            for timer in timers:
                timer.daemon = True
                timer.start()
        signal.raise_signal(signal.SIGINT)

    heard = [
        n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN
    ]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _can_be_interrupted() -> bool:
    """Python handles signals in the main thread only."""
    return threading.current_thread() is threading.main_thread()


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


@contextmanager
def signals_kept() -> Iterator[None]:
    """Keep this process's signal handlers while the body starts Ray, whose processes then ignore a closed terminal.

    Ray replaces the handlers when it starts. Its processes inherit the blocked SIGHUP, and are ended by whoever
    started them. A SIGHUP during the body is delivered at its end at the latest.
    """
    if not _can_be_interrupted():
        yield
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # inherited by processes
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
