"""Work in a forked process: its answer, its mistake, its end."""

import os
import signal
import time

import pytest

from fer_tune.data import DataError
from fer_tune.forked import Forked, forked_map


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


@pytest.mark.parametrize(
    ("task", "error", "message"),
    [
        (fail, DataError, "labels.csv:3"),
        (die, ChildProcessError, "is memory short"),
        (fail_unpicklably, ChildProcessError, "ValueError: no such class could not be passed on"),
    ],
)
def test_what_the_task_raises_is_raised_and_a_killed_one_is_said(task, error, message):
    with pytest.raises(error, match=message):
        Forked(task).result()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_stops_the_parent_is_left_to_the_parent(number):
    task = Forked(lambda: time.sleep(0.5) or 3)
    time.sleep(0.2)
    os.kill(task._process.pid, number)
    assert task.result() == 3


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
