"""Measure and tune the memory of a study's processes."""

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
    """Make this process reuse the memory that it frees instead of returning it to the system.

    A training step allocates and frees the same large blocks again and again. If they are returned each time, page
    faults cost a sixth of a step of the default study. The process then holds its peak memory until it ends. Returns
    False where the C library has no such setting: only glibc (Linux) has.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 64 * 2**20}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())


@contextmanager
def quick_imports() -> Iterator[None]:
    """Pause garbage collection while large libraries are imported, and exempt their objects from it afterwards.

    Libraries create hundreds of thousands of objects that live until the process ends. Scanning them repeatedly takes
    a quarter of torch's import time, and most of the time that a process needs to exit.
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
    """Peak memory of this process, in bytes.

    On Linux from /proc, since getrusage includes what the parent held at the fork.
    """
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="utf-8", errors="replace").splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tree_bytes() -> int:
    """Memory of this process and its descendants, in bytes; shared memory is counted once.

    Proportional set size on Linux. Elsewhere resident size, which counts shared memory once per process.
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
