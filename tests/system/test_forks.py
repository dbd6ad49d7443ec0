"""A task in a forked process: its result, its errors, its end."""

import multiprocessing
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
    assert number == 3
    assert process != os.getpid()
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
        (die, ChildProcessError, "run out of memory"),
        (fail_unpicklably, RuntimeError, r"ValueError: no such class \(the error itself cannot be pickled"),
        (fail_unreadably, RuntimeError, r"Odd: 3 of 7 \(the error itself cannot be pickled"),
        (answer_unpicklably, RuntimeError, "the result cannot be pickled"),
    ],
)
def test_what_the_task_raises_is_raised_and_a_killed_process_is_reported(task, error, message):
    with pytest.raises(error, match=message):
        Forked(task).result()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_that_stop_a_study_are_left_to_the_parent(number, capfd):
    """From the start, whatever the parent does with them."""
    before, others = signal.signal(number, lambda *_: None), multiprocessing.active_children()
    try:
        task = Forked(lambda: time.sleep(0.5) or 3)
        (process,) = (child for child in multiprocessing.active_children() if child not in others)
        for _ in range(20):
            os.kill(process.pid, number)
            time.sleep(0.01)
        assert task.result() == 3
        assert capfd.readouterr().err == ""
        os.kill(os.getpid(), number)  # the parent receives it again
    finally:
        signal.signal(number, before)


def test_an_error_comes_with_a_note_of_where_it_was_raised():
    with pytest.raises(DataError) as caught:
        Forked(fail).result()
    assert "in fail" in caught.value.__notes__[0]


@pytest.mark.parametrize("processes", [1, 2, 3, 9])
def test_a_map_returns_results_in_order_and_uses_the_processes_asked_for(processes):
    answers = forked_map(lambda item: (item * 2, os.getpid()), [5, 6, 7, 8], processes)
    assert [answer for answer, _ in answers] == [10, 12, 14, 16]
    assert len({process for _, process in answers}) == min(processes, 4)


def test_a_map_of_nothing_is_empty_and_an_error_anywhere_is_raised():
    def third(item):
        if item == 3:
            fail()

    assert forked_map(third, [], 2) == []
    for processes in (1, 2):
        with pytest.raises(DataError, match=r"labels.csv:3"):
            forked_map(third, [1, 2, 3, 4], processes)


def test_a_map_whose_second_process_cannot_be_forked_leaves_none_behind(monkeypatch):
    """Not even one whose result does not fit into a pipe."""
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
