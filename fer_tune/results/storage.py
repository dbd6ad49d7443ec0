"""Results on object storage: the run works in a local folder, which is mirrored to a URI.

The URI is `s3://BUCKET/FOLDER`, `gs://...` or any other that pyarrow (and so Ray's storage) understands. Options such
as `?region=...` or `?endpoint_override=...` are part of it; credentials are found where the storage's own tools look.
"""

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pyarrow import ArrowException, fs  # type: ignore[import-untyped]

from fer_tune.errors import UserError
from fer_tune.system.signals import interrupt_held

SYNC_SECONDS = 20.0  # between uploads: the work that a lost machine may cost
LOCK_SECONDS = 90.0  # a run whose last heartbeat is younger is alive, if clocks agree
WATCH_SECONDS = 2.5 * SYNC_SECONDS  # a run without a new heartbeat for so long is dead, whatever clocks say
CLAIM_SECONDS = 3.0  # a run that found no lock must have written its own within this time
LOCK = ".lock.json"
LAST = ("trials.csv", "epochs.csv", "result.json")  # uploaded last: they say that something has ended
LOCAL = fs.LocalFileSystem()


class RemoteError(UserError):
    """Storage that cannot be used; the message names it."""


def is_remote(place: str | Path) -> bool:
    """Whether a place is a URI."""
    return "://" in str(place)


@dataclass(frozen=True)
class LockHolder:
    """The run that holds a results folder at a URI.

    Attributes:
        token: its own; empty for nobody.
        name: its process and machine.
        beat: seconds since the epoch at its last heartbeat, by its own clock.
    """

    token: str
    name: str
    beat: float


NOBODY = LockHolder("", "", 0.0)


class Mirror:
    """A results folder here and its copy at a URI.

    Args:
        uri: of the results folder, or of the folder that contains it.
        local: the results folder here.
        name: of the results folder, if the URI is that of the folder that contains it.

    Raises RemoteError where the storage cannot be reached.
    """

    def __init__(self, uri: str, local: Path, name: str = "") -> None:
        self.local, self.token = local, uuid.uuid4().hex
        parts = urlsplit(uri)
        if "@" in parts.netloc:
            raise RemoteError(f"{parts.scheme}://…@…: remove the credentials: the URI is written into the results")
        self.shown = "/".join(filter(None, [f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/"), name]))
        try:
            self.files, base = fs.FileSystem.from_uri(uri)
        except (ArrowException, ValueError, OSError) as error:
            raise RemoteError(f"{self.shown}: cannot be used: {error}") from None
        self.base = "/".join(filter(None, [base.rstrip("/"), name]))
        self.stamps: dict[str, tuple[int, int] | None] = {}

    def holds_results(self) -> bool:
        """Whether the URI holds a results folder."""
        with self._named():
            found: fs.FileInfo = self.files.get_file_info(f"{self.base}/study.json")
        return bool(found.type == fs.FileType.File)

    def download(self) -> None:
        """Copy everything from the URI to here. Each file appears whole."""
        with self._named():
            selector = fs.FileSelector(self.base, recursive=True, allow_not_found=True)
            found = [f for f in self.files.get_file_info(selector) if f.type == fs.FileType.File]
        for file in found:
            name = file.path.removeprefix(f"{self.base}/")
            if not _mirrored(name):
                continue
            target = self.local / name
            if not target.resolve().is_relative_to(self.local.resolve()):
                raise RemoteError(f"{self.shown}: {file.path!r} is outside its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.part")
            with self._named():
                fs.copy_files(file.path, str(part), source_filesystem=self.files, destination_filesystem=LOCAL)
            part.replace(target)
            self.stamps[name] = _stamp(target)

    def upload(self) -> None:
        """Copy to the URI what has changed here, and delete there what is gone here."""
        names = [str(path.relative_to(self.local)) for path in _files(self.local)]
        here = {name for name in names if _mirrored(name)}
        for name in sorted(here, key=lambda name: (Path(name).name in LAST, name)):
            stamp = _stamp(self.local / name)
            if stamp is not None and self.stamps.get(name) != stamp:
                self.put(name)
                self.stamps[name] = stamp
        for name in set(self.stamps) - here:
            with self._named():
                self.files.delete_file(f"{self.base}/{name}")
            del self.stamps[name]

    def put(self, name: str) -> None:
        """Copy one file to the URI. Arrow ignores signals meanwhile, so Ctrl-C does not cut a file short."""
        with self._named():
            self.files.create_dir(f"{self.base}/{name}".rpartition("/")[0])
            source, target = str(self.local / name), f"{self.base}/{name}"
            fs.copy_files(source, target, source_filesystem=LOCAL, destination_filesystem=self.files)

    def claim(self) -> None:
        """Lock the results folder at the URI. Raises RemoteError where a living run holds it.

        If several runs see no lock and write theirs at once, the last one's stays and the others notice.
        """
        looked = self._refuse_if_in_use()
        try:
            self.write_lock()
            if time.monotonic() - looked > CLAIM_SECONDS:
                raise RemoteError(
                    f"{self.shown}: the storage is too slow to be sure that no other run uses it: try again"
                )
            time.sleep(CLAIM_SECONDS)
        except BaseException:
            self.release()
            raise
        holder = self._holder()
        if holder.token != self.token:
            raise self._in_use(holder)

    def _refuse_if_in_use(self) -> float:
        """When the lock was last looked at, on the monotonic clock. Raises RemoteError where a living run holds it."""
        looked, holder = time.monotonic(), self._holder()
        if holder.token and abs(time.time() - holder.beat) >= LOCK_SECONDS:
            print(f"{self.shown}: checking whether {holder.name} is still alive", file=sys.stderr, flush=True)
            time.sleep(WATCH_SECONDS)
            before, looked, holder = holder, time.monotonic(), self._holder()
            if holder == before:
                return looked
        if holder.token:
            raise self._in_use(holder)
        return looked

    def _in_use(self, holder: LockHolder) -> RemoteError:
        return RemoteError(f"{self.shown} is in use by another run ({holder.name}): wait for it")

    def keep(self) -> None:
        """Renew the lock. Raises RemoteError where another run has taken over."""
        holder = self._holder()
        if holder.token not in (self.token, ""):
            raise RemoteError(f"{self.shown} has been taken over by another run ({holder.name})")
        self.write_lock()

    def release(self) -> None:
        """Remove the lock, if it is this run's."""
        if self._holder().token == self.token:
            with self._named():
                self.files.delete_file(f"{self.base}/{LOCK}")

    def write_lock(self) -> None:
        """Write this run's lock, with a new heartbeat."""
        content = {
            "token": self.token,
            "holder": f"process {os.getpid()} on {socket.gethostname()}",
            "beat": time.time(),
        }
        with self._named():
            self.files.create_dir(self.base)
            with self.files.open_output_stream(f"{self.base}/{LOCK}") as stream:
                stream.write(json.dumps(content).encode())

    def _holder(self) -> LockHolder:
        """Who holds the folder; nobody if there is no readable lock."""
        with self._named():
            if self.files.get_file_info(f"{self.base}/{LOCK}").type != fs.FileType.File:
                return NOBODY
            with self.files.open_input_stream(f"{self.base}/{LOCK}") as stream:
                content = stream.read()
        try:
            found = json.loads(content)
            return LockHolder(str(found["token"]), str(found["holder"]), float(found["beat"]))
        except (ValueError, KeyError, TypeError):
            return NOBODY

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (ArrowException, OSError) as error:
            raise RemoteError(f"{self.shown}: {error}") from None


@contextmanager
def mirrored(uri: str, name: str) -> Iterator[tuple[Path, str]]:
    """A local folder that contains NAME as it is at the URI, mirrored every 20 s and at the end; and the URI to show.

    Raises RemoteError where the storage cannot be used or another run works on NAME. If the last upload fails, the
    local folder is kept and the message names it.
    """
    local = Path(tempfile.mkdtemp(prefix="fer-tune-results-"))
    safe = True
    held: Mirror | None = None
    try:
        mirror = Mirror(uri, local / name, name)
        mirror.claim()
        held = mirror
        with _repeated(mirror.keep):
            mirror.download()
            safe = False
            try:
                with _repeated(mirror.upload):
                    yield local, mirror.shown
            finally:
                with interrupt_held():
                    _finish(mirror)
                    safe = True
    finally:
        if safe:
            shutil.rmtree(local, ignore_errors=True)
            if held is not None:
                with suppress(RemoteError):
                    held.release()


def _finish(mirror: Mirror) -> None:
    try:
        mirror.keep()
        mirror.upload()
        mirror.release()
    except Exception as error:
        raise RemoteError(f"{error}. Nothing is lost: the results are in {mirror.local}") from None


@contextmanager
def _repeated(act: Callable[[], None]) -> Iterator[None]:
    """Act every 20 s on a thread. A failure is reported once and tried again."""
    ended = threading.Event()

    def follow() -> None:
        told = False
        while not ended.wait(SYNC_SECONDS):
            try:
                act()
            except Exception as error:  # from the storage, or from a folder that is removed while it is searched
                if not told and isinstance(error, RemoteError):
                    print(
                        f"{error}: the local copy is kept, and the upload is tried again", file=sys.stderr, flush=True
                    )
                    told = True

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def fetched(uri: str) -> Iterator[Path]:
    """A local copy of the results folder at a URI; its report is uploaded at the end. Raises RemoteError."""
    with tempfile.TemporaryDirectory(prefix="fer-tune-results-") as place:
        mirror = Mirror(uri, Path(place))
        if not mirror.holds_results():
            raise RemoteError(f"{mirror.shown} is not a results folder: study.json is missing")
        mirror.download()
        yield mirror.local
        for path in _files(mirror.local):
            name = str(path.relative_to(mirror.local))
            if name.startswith("report/") or name == "recommendation.json":
                mirror.put(name)


def _files(folder: Path) -> list[Path]:
    """Files below a folder, some of which may vanish while it is searched."""
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


def _mirrored(name: str) -> bool:
    """Whether a file is mirrored: not if it is being written or is a lock, nor Ray's own files."""
    return not Path(name).name.startswith(".") and Path(name).parts[0] != "ray"


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except FileNotFoundError:  # replaced meanwhile: next time
        return None
    return about.st_size, about.st_mtime_ns
