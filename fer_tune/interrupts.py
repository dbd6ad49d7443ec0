"""Ctrl-C where it must not strike."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupt_held() -> Iterator[None]:
    """Let Ctrl-C wait until the body has run, then raise it.

    Compiled libraries such as Ray pass over an interrupt that meets them while they are imported, so that the study
    would run on; a Ray interrupted while it starts leaves processes behind for a minute. Only the main thread is
    interrupted, so elsewhere nothing is held.
    """
    if threading.current_thread() is not threading.main_thread():
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
