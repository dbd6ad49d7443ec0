"""Work in a forked process: its answer, its mistake, its end."""

import os
import signal

import pytest

from fer_tune.data import DataError
from fer_tune.forked import Forked


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
