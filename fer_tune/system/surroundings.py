"""What libraries expect of a machine and containers often lack: a home folder, a user, a short temporary path."""

import atexit
import getpass
import os
import shutil
import tempfile
from pathlib import Path

FALLBACK_TEMPORARY = "/tmp"


def provide_home() -> None:
    """Give this process and its children a home folder and a user's name where there are none.

    A container's user may have no entry in the user database, and HOME may be unset or read-only; Ray, torch and
    matplotlib then fail as they are imported. The folder is temporary and removed at the end.
    """
    if not _has_home():
        home = tempfile.mkdtemp(prefix="fer-tune-home-")
        os.environ["HOME"] = home
        atexit.register(shutil.rmtree, home, ignore_errors=True)
    try:
        getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        os.environ["LOGNAME"] = f"user-{os.getuid()}"


def _has_home() -> bool:
    try:
        home = Path.home()
    except RuntimeError:
        return False
    return home.is_dir() and os.access(home, os.W_OK | os.X_OK)


def short_temporary_folder(longest: int) -> Path | None:
    """A new temporary folder whose path is ASCII and, but for its own name, at most `longest` characters long.

    In TMPDIR's folder where that fits, else in /tmp; None where neither can be used.
    """
    for place in dict.fromkeys((tempfile.gettempdir(), FALLBACK_TEMPORARY)):
        if place.isascii() and len(place) <= longest and os.access(place, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix="fer-tune-", dir=place))
    return None
