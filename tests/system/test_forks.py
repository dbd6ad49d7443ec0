"""Work in a forked process: its answer, its mistake, its end."""

import os
import signal
import time

import psutil
import pytest

from fer_tune.data.errors import DataError
from fer_tune.system.forks import Forked, forked_map


def fail():
    raise DataError("labels.csv:3: no such class")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_the_task_returns_comes_from_another_process():
    task = Forked(lambda number: (number, os.getpid()), 3)
    number, process = task.result()
    assert number == 3 and process != os.getpid()
    task.stop()


def fail_unpicklably():
    error = ValueError("no such class")
    error.where = lambda: 3
    raise error


class Odd(Exception):
    def __init__(self, count, total):
        super().__init__(f"{count} of {total}")


def fail_unreadably():
    raise Odd(3, 7)


def answer_unpicklably():
    return lambda: 3


@pytest.mark.parametrize(
    ("task", "error", "message"),
    [
        (fail, DataError, "labels.csv:3"),
        (die, ChildProcessError, "is memory short"),
        (fail_unpicklably, RuntimeError, "ValueError: no such class could not be passed on"),
        (fail_unreadably, RuntimeError, "Odd: 3 of 7 could not be passed on"),
        (answer_unpicklably, RuntimeError, "its answer could not be passed on"),
    ],
)
def test_what_the_task_raises_is_raised_and_a_killed_one_is_said(task, error, message):
    with pytest.raises(error, match=message):
        Forked(task).result()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_stops_the_parent_is_left_to_the_parent(number, capfd):
    """From its first moment on, whatever the parent does with it."""
    before = signal.signal(number, lambda *_: None)
    try:
        task = Forked(lambda: time.sleep(0.5) or 3)
        for _ in range(20):
            os.kill(task._process.pid, number)
            time.sleep(0.01)
        assert task.result() == 3 and capfd.readouterr().err == ""
        os.kill(os.getpid(), number)  # the parent hears it again
    finally:
        signal.signal(number, before)


def test_where_an_error_was_raised_comes_with_it():
    with pytest.raises(DataError) as caught:
        Forked(fail).result()
    assert "in fail" in caught.value.__notes__[0]


@pytest.mark.parametrize("processes", [1, 2, 3, 9])
def test_a_map_returns_every_answer_in_order_from_so_many_processes(processes):
    answers = forked_map(lambda item: (item * 2, os.getpid()), [5, 6, 7, 8], processes)
    assert [answer for answer, _ in answers] == [10, 12, 14, 16]
    assert len({process for _, process in answers}) == min(processes, 4)


def test_a_map_of_nothing_is_empty_and_a_mistake_anywhere_is_raised():
    def third(item):
        if item == 3:
            fail()

    assert forked_map(third, [], 2) == []
    for processes in (1, 2):
        with pytest.raises(DataError, match=r"labels.csv:3"):
            forked_map(third, [1, 2, 3, 4], processes)


def test_a_map_whose_second_process_cannot_be_forked_leaves_none_behind(monkeypatch):
    """Not even one whose answer is too long to wait in a pipe."""
    fork, forks = os.fork, []

    def once():
        if forks:
            raise BlockingIOError("no more processes")
        forks.append(fork())
        return forks[0]

    monkeypatch.setattr(os, "fork", once)
    with pytest.raises(BlockingIOError):
        forked_map(lambda item: bytes(10**6), [1, 2, 3], 3)
    assert not psutil.pid_exists(forks[0])
