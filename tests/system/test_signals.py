"""Ctrl-C is deferred until a body that must not be interrupted has run."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from fer_tune.system.signals import interrupt_held


def test_an_interrupt_comes_once_the_body_has_run():
    before, done = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), interrupt_held():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("whole")
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is before


def test_without_an_interrupt_or_in_another_thread_nothing_changes():
    def body():
        with interrupt_held():
            return signal.getsignal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(body).result() is before
    assert body() is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_what_the_body_raises_is_raised():
    with pytest.raises(ValueError, match="own"), interrupt_held():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("own")
