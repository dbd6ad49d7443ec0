"""The Ray that a study runs on: one of our own on this machine, or a running cluster."""

import gc
import logging
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from fer_tune.search.jobs import NotRunnable
from fer_tune.system.signals import interrupt_held, signals_kept
from fer_tune.system.surroundings import short_temporary_folder

CONNECT_SECONDS = 10
LONGEST_TEMPORARY = 27  # characters; what Ray adds for its sockets leaves no more of the 107 that a socket's path has


@contextmanager
def ray_session(address: str | None, verbose: bool, cpus: int | None = None) -> Iterator[None]:
    """Start a Ray of our own on all cores of this machine (or on `cpus`), or join the cluster at `address`.

    At the end our own is shut down, and a cluster is left running. Raises ConnectionError where no cluster answers.
    """
    if not verbose:
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module="ray")
    if address is not None and address != "auto":
        check_reachable(address)
    start: dict[str, Any] = {
        "logging_level": logging.INFO if verbose else logging.CRITICAL,
        "log_to_driver": verbose,
    }
    temporary = _temporary_folder() if address is None else None
    try:
        with interrupt_held(), signals_kept():
            if temporary is not None:
                ray.init(address="local", **start, **_own_settings(cpus, temporary))
            else:
                ray.init(address=address, **start)
        yield
    finally:
        with _no_collection():
            ray.shutdown()
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector of every thread from running.

    A reference to a Ray object that another thread collects while Ray shuts down ends the whole process.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _temporary_folder() -> Path:
    folder = short_temporary_folder(LONGEST_TEMPORARY)
    if folder is None:
        raise NotRunnable(
            f"{tempfile.gettempdir()}: Ray needs a temporary folder whose path has at most {LONGEST_TEMPORARY} "
            "ASCII characters: set TMPDIR to one, such as /tmp"
        )
    return folder


def _own_settings(cpus: int | None, temporary: Path) -> dict[str, Any]:
    return {
        "num_cpus": cpus,
        "include_dashboard": False,
        "object_store_memory": 128 * 2**20,
        "_temp_dir": str(temporary),
        "_system_config": {"prestart_worker_first_driver": False},  # Tune never uses the workers that Ray keeps ready
    }


def check_reachable(address: str) -> None:
    """Raise ConnectionError where nothing listens at HOST:PORT; Ray itself would keep trying for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConnectionError("write HOST:PORT, or auto for a cluster on this machine")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(error) from None
