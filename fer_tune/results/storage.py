"""Results on object storage: worked on in a local folder, mirrored to where a URI points.

`s3://BUCKET/FOLDER`, `gs://...` or any other URI that pyarrow (and so Ray's storage) understands; options such as
`?region=...` or `?endpoint_override=...` stand in it, credentials where the storage's own tools look for them.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from pyarrow import ArrowException, fs  # type: ignore[import-untyped]

from fer_tune.system.signals import interrupt_held

SYNC_SECONDS = 20.0  # between uploads: what a machine that is lost may cost
LOCK_SECONDS = 90.0  # since a sign of life within which a run surely lives, if clocks agree
WATCH_SECONDS = 2.5 * SYNC_SECONDS  # without a new sign until a run counts as dead, whatever clocks say
CLAIM_SECONDS = 3.0  # within which a run that has looked for a lock must have written its own
LOCK = ".lock.json"
LAST = ("trials.csv", "epochs.csv", "result.json")  # what says that something has ended goes up after all else
LOCAL = fs.LocalFileSystem()


class RemoteError(ValueError):
    """Storage that cannot be used; the message names it."""


def is_remote(place: str | Path) -> bool:
    """Whether results are named by a URI."""
    return "://" in str(place)


class Mirror:
    """A results folder here and its copy at a URI.

    Args:
        uri: of the folder that the results folder lies in, or its own.
        name: of the results folder, where the URI is not its own.

    Raises RemoteError where the storage cannot be reached.
    """

    def __init__(self, uri: str, local: Path, name: str = "") -> None:
        self.local, self.token = local, uuid.uuid4().hex
        parts = urlsplit(uri)
        if "@" in parts.netloc:
            raise RemoteError(f"{parts.scheme}://…@…: leave credentials out of the URI: it is written into the results")
        self.shown = "/".join(filter(None, [f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/"), name]))
        try:
            self.files, base = fs.FileSystem.from_uri(uri)
        except (ArrowException, ValueError, OSError) as error:
            raise RemoteError(f"{self.shown}: cannot be used: {error}") from None
        self.base = "/".join(filter(None, [base.rstrip("/"), name]))
        self.stamps: dict[str, tuple[int, int] | None] = {}

    def holds_results(self) -> bool:
        """Whether a results folder is there."""
        with self._named():
            found: fs.FileInfo = self.files.get_file_info(f"{self.base}/study.json")
        return bool(found.type == fs.FileType.File)

    def download(self) -> None:
        """Bring everything here that is there. A file appears whole."""
        with self._named():
            selector = fs.FileSelector(self.base, recursive=True, allow_not_found=True)
            found = [f for f in self.files.get_file_info(selector) if f.type == fs.FileType.File]
        for file in found:
            name = file.path.removeprefix(f"{self.base}/")
            if not _mirrored(name):
                continue
            target = self.local / name
            if not target.resolve().is_relative_to(self.local.resolve()):
                raise RemoteError(f"{self.shown}: {file.path!r} leaves its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.part")
            with self._named():
                fs.copy_files(file.path, str(part), source_filesystem=self.files, destination_filesystem=LOCAL)
            part.replace(target)
            self.stamps[name] = _stamp(target)

    def upload(self) -> None:
        """Bring there what has changed here, and remove there what is gone here."""
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
        """Bring one file there. Arrow copies it without heeding signals, so none is cut short by Ctrl-C."""
        with self._named():
            self.files.create_dir(f"{self.base}/{name}".rpartition("/")[0])
            source, target = str(self.local / name), f"{self.base}/{name}"
            fs.copy_files(source, target, source_filesystem=LOCAL, destination_filesystem=self.files)

    def claim(self) -> None:
        """Hold the results folder there. Raises RemoteError where another run holds it and is alive.

        Of runs that see no lock and write theirs at once, the last one's stays and the others find out.
        """
        looked = self._refuse_if_held()
        try:
            self._beat()
            if time.monotonic() - looked > CLAIM_SECONDS:
                raise RemoteError(
                    f"{self.shown}: the storage answers too slowly to be sure that no other run uses it: try again"
                )
            time.sleep(CLAIM_SECONDS)
        except BaseException:
            self.release()
            raise
        about = self._lock()
        if about["token"] != self.token:
            raise self._in_use(about)

    def _refuse_if_held(self) -> float:
        """The moment of the last look at the lock, by the clock that is never set. Raises RemoteError."""
        looked, about = time.monotonic(), self._lock()
        if about["token"] and abs(time.time() - float(about["beat"])) >= LOCK_SECONDS:
            print(f"{self.shown}: waiting whether {about['holder']} still lives", file=sys.stderr, flush=True)
            time.sleep(WATCH_SECONDS)
            before, looked, about = about, time.monotonic(), self._lock()
            if about == before:
                return looked
        if about["token"]:
            raise self._in_use(about)
        return looked

    def _in_use(self, about: Mapping[str, float | str]) -> RemoteError:
        return RemoteError(f"{self.shown} is in use by another run ({about['holder']}): wait for it")

    def keep(self) -> None:
        """Give a sign of life. Raises RemoteError where another run has taken over meanwhile."""
        about = self._lock()
        if about["token"] not in (self.token, ""):
            raise RemoteError(f"{self.shown} has been taken over by another run ({about['holder']})")
        self._beat()

    def release(self) -> None:
        """Let other runs have what this one holds."""
        if self._lock()["token"] == self.token:
            with self._named():
                self.files.delete_file(f"{self.base}/{LOCK}")

    def _beat(self) -> None:
        about = {"token": self.token, "holder": f"process {os.getpid()} on {socket.gethostname()}", "beat": time.time()}
        with self._named():
            self.files.create_dir(self.base)
            with self.files.open_output_stream(f"{self.base}/{LOCK}") as stream:
                stream.write(json.dumps(about).encode())

    def _lock(self) -> dict[str, float | str]:
        """Who holds the folder; nobody where there is no lock, or one that cannot be read."""
        nobody: dict[str, float | str] = {"token": "", "holder": "", "beat": 0.0}
        with self._named():
            if self.files.get_file_info(f"{self.base}/{LOCK}").type != fs.FileType.File:
                return nobody
            with self.files.open_input_stream(f"{self.base}/{LOCK}") as stream:
                content = stream.read()
        try:
            found = json.loads(content)
            return {"token": str(found["token"]), "holder": str(found["holder"]), "beat": float(found["beat"])}
        except (ValueError, KeyError, TypeError):
            return nobody

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (ArrowException, OSError) as error:
            raise RemoteError(f"{self.shown}: {error}") from None


@contextmanager
def mirrored(uri: str, name: str) -> Iterator[tuple[Path, str]]:
    """A local folder that holds NAME as it is at the URI, mirrored there every 20 s and at the end; and the URI's name.

    Raises RemoteError where the storage cannot be used or another run works on NAME. Where the last upload fails the
    local folder is kept, and the message names it.
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
        raise RemoteError(f"{error}. Nothing is lost: the results lie in {mirror.local}") from None


@contextmanager
def _repeated(act: Callable[[], None]) -> Iterator[None]:
    """Act every 20 s on a thread. What fails is said once and tried again."""
    ended = threading.Event()

    def follow() -> None:
        told = False
        while not ended.wait(SYNC_SECONDS):
            try:
                act()
            except Exception as error:  # storage, or a folder that is removed while it is looked through
                if not told and isinstance(error, RemoteError):
                    print(f"{error}: what is here is kept, and tried again", file=sys.stderr, flush=True)
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
    """A local copy of the results folder at a URI; its report is brought back at the end. Raises RemoteError."""
    with tempfile.TemporaryDirectory(prefix="fer-tune-results-") as place:
        mirror = Mirror(uri, Path(place))
        if not mirror.holds_results():
            raise RemoteError(f"{mirror.shown} is no results folder: study.json is missing")
        mirror.download()
        yield mirror.local
        for path in _files(mirror.local):
            name = str(path.relative_to(mirror.local))
            if name.startswith("report/") or name == "recommendation.json":
                mirror.put(name)


def _files(folder: Path) -> list[Path]:
    """Files below a folder, of which some may go while it is looked through."""
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


def _mirrored(name: str) -> bool:
    """Whether a file belongs there: not one that is being written or held, nor Ray's own."""
    return not Path(name).name.startswith(".") and Path(name).parts[0] != "ray"


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except FileNotFoundError:  # replaced meanwhile: next time
        return None
    return about.st_size, about.st_mtime_ns
