"""Memory of a study's processes on this machine."""

import ctypes
import gc
import math
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

# glibc's malloc.h: parameters of mallopt.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
SAMPLE_SECONDS = 5.0  # between looks at the memory, at least


def keep_freed_memory() -> bool:
    """Let this process reuse the memory that it frees instead of handing it back to the system.

    A training step allocates and frees the same large blocks over and over; handed back, each costs page faults
    again (a sixth of a step of the default study). The process then holds its peak until it ends. Returns
    whether the C library could be told: only glibc (Linux) can.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 64 * 2**20}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())


@contextmanager
def quick_imports() -> Iterator[None]:
    """Collect no garbage while large libraries are imported, and never look at what they leave.

    They make objects by the hundred thousand that stay until the end; looking through them again and again is a
    quarter of the time that torch takes to import, and most of what a process takes to end.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def own_peak_bytes() -> int:
    """Most memory that this process has held, in bytes.

    Where the system tells it (Linux) that of the program alone: getrusage counts what the parent held at the fork.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tree_bytes() -> int:
    """Bytes that this process and all below it hold, memory shared between them counted once.

    Proportional set size where the system tells it (Linux), else resident size, which counts shared
    memory once a process.
    """
    own = psutil.Process()
    return sum(_bytes(process) for process in [own, *own.children(recursive=True)])


def _bytes(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(info, "pss", info.rss))


class PeakMemory:
    """The most memory that this process and all below it have held, as far as samples tell."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._sampled = -math.inf

    def sample(self) -> None:
        """Look at the memory, unless the last look was less than 5 s ago."""
        if time.monotonic() - self._sampled > SAMPLE_SECONDS:
            self.peak_bytes = max(self.peak_bytes, tree_bytes())
            self._sampled = time.monotonic()
