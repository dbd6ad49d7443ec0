"""Benchmarks: what a step, a study and their growth cost on the machine at hand."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def timed(work: Callable[[], Value]) -> tuple[float, Value]:
    """Seconds that work takes, and what it returns."""
    start = time.perf_counter()
    value = work()
    return time.perf_counter() - start, value
