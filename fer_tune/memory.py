"""Memory of a study's processes on this machine."""

import resource
from pathlib import Path

import psutil


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
