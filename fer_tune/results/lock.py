"""One run at a time works on a results folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fer_tune.errors import UserError


class FolderError(UserError):
    """A results folder that this run cannot use; the message says why and what to do."""


@contextmanager
def locked(results: Path) -> Iterator[None]:
    """Lock the results folder, created if needed, against a second run of the same study. Raises FolderError."""
    with ExitStack() as stack:
        try:
            results.mkdir(parents=True, exist_ok=True)
            handle = os.open(results / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            file = stack.enter_context(os.fdopen(handle, "r+"))
        except OSError as error:
            raise FolderError(f"{results}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise FolderError(f"{results} is in use by another run ({file.read().strip()}): wait for it") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield
