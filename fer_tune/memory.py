"""Memory of a study's processes on this machine."""

import psutil


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
