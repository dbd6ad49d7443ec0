"""Results on object storage: worked on in a local folder, mirrored to where a URI points.

`s3://BUCKET/FOLDER`, `gs://...` or any other URI that pyarrow (and so Ray's storage) understands; options such as
`?region=...` or `?endpoint_override=...` stand in it, credentials where the storage's own tools look for them.
"""

import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pyarrow import ArrowException, fs  # type: ignore[import-untyped]

SYNC_SECONDS = 20.0  # between uploads: what a machine that is lost may cost
LOCK_SECONDS = 90.0  # without a sign of life until a run counts as dead
LOCK = ".lock.json"
LAST = ("trials.csv", "epochs.csv", "result.json")  # what says that something has ended goes up after all else


class RemoteError(ValueError):
    """Storage that cannot be used; the message names it."""


def is_remote(place: str | Path) -> bool:
    """Whether results are named by a URI."""
    return "://" in str(place)


class Mirror:
    """A local folder and its copy below a URI.

    Raises RemoteError where the storage cannot be reached.
    """

    def __init__(self, uri: str, local: Path) -> None:
        self.uri, self.local = uri, local
        parts = urlsplit(uri)
        try:
            self.files, base = fs.FileSystem.from_uri(uri)
        except (ArrowException, ValueError, OSError) as error:
            raise RemoteError(f"{uri}: cannot be used: {error}") from None
        self.base = base.rstrip("/")
        self.shown = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.stamps: dict[str, tuple[int, int] | None] = {}

    def download(self, name: str = "") -> None:
        """Bring everything below NAME here, if anything is there."""
        for found in self._listed(name):
            if found.base_name == LOCK:
                continue
            target = self.local / self._relative(found.path)
            if not target.resolve().is_relative_to(self.local.resolve()):
                raise RemoteError(f"{self.shown}: {found.path!r} leaves its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._named():
                fs.copy_files(found.path, str(target), source_filesystem=self.files, destination_filesystem=LOCAL)
            self.stamps[self._relative(found.path)] = _stamp(target)

    def upload(self) -> None:
        """Bring there what has changed here, and remove there what is gone here."""
        here = {str(p.relative_to(self.local)): p for p in sorted(self.local.rglob("*")) if _kept(p, self.local)}
        for name in sorted(here, key=lambda name: (Path(name).name in LAST, name)):
            stamp = _stamp(here[name])
            if stamp is not None and self.stamps.get(name) != stamp:
                self._put(here[name], name)
                self.stamps[name] = stamp
        for name in set(self.stamps) - set(here):
            with self._named():
                self.files.delete_file(f"{self.base}/{name}")
            del self.stamps[name]

    def claim(self, name: str) -> None:
        """Hold NAME there against other runs. Raises RemoteError where one is alive."""
        for found in self._listed(name):
            if found.base_name == LOCK:
                with self._named(), self.files.open_input_stream(found.path) as stream:
                    about = json.loads(stream.read())
                if about["holder"] != _holder() and time.time() - about["beat"] < LOCK_SECONDS:
                    raise RemoteError(f"{self.shown}/{name} is in use by another run ({about['holder']}): wait for it")
        self.beat(name)

    def beat(self, name: str) -> None:
        """Give a sign of life."""
        with self._named():
            self.files.create_dir(f"{self.base}/{name}")
            with self.files.open_output_stream(f"{self.base}/{name}/{LOCK}") as stream:
                stream.write(json.dumps({"holder": _holder(), "beat": time.time()}).encode())

    def release(self, name: str) -> None:
        """Let other runs have NAME."""
        with self._named():
            self.files.delete_file(f"{self.base}/{name}/{LOCK}")

    def _listed(self, name: str) -> list[fs.FileInfo]:
        with self._named():
            selector = fs.FileSelector(f"{self.base}/{name}".rstrip("/"), recursive=True, allow_not_found=True)
            return [found for found in self.files.get_file_info(selector) if found.type == fs.FileType.File]

    def _put(self, path: Path, name: str) -> None:
        with self._named():
            self.files.create_dir(f"{self.base}/{name}".rpartition("/")[0])
            with open(path, "rb") as source, self.files.open_output_stream(f"{self.base}/{name}") as target:
                shutil.copyfileobj(source, target, 2**20)

    def _relative(self, path: str) -> str:
        return path.removeprefix(f"{self.base}/")

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (ArrowException, OSError) as error:
            raise RemoteError(f"{self.shown}: {error}") from None


LOCAL = fs.LocalFileSystem()


@contextmanager
def mirrored(uri: str, name: str) -> Iterator[tuple[Path, str]]:
    """A local folder that holds NAME as it is at the URI, mirrored there every 20 s and at the end; and the URI's name.

    Raises RemoteError where the storage cannot be used or another run works on NAME.
    """
    with _folder() as local:
        mirror = Mirror(uri, local)
        mirror.claim(name)
        ended = threading.Event()
        thread = threading.Thread(target=_follow, args=(mirror, name, ended), daemon=True)
        try:
            mirror.download(name)
            thread.start()
            yield local, mirror.shown
        finally:
            ended.set()
            if thread.ident is not None:
                thread.join()
            mirror.upload()
            mirror.release(name)


def _follow(mirror: Mirror, name: str, ended: threading.Event) -> None:
    """Upload until the end. Storage that fails for a while is tried again; at the end it must not."""
    while not ended.wait(SYNC_SECONDS):
        try:
            mirror.upload()
            mirror.beat(name)
        except RemoteError:
            continue


@contextmanager
def fetched(uri: str) -> Iterator[Path]:
    """A local copy of the results folder at a URI; what changes in it is brought back at the end."""
    with _folder() as local:
        mirror = Mirror(uri, local)
        mirror.download()
        yield local
        mirror.upload()


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fer-tune-results-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kept(path: Path, root: Path) -> bool:
    """Files but those that are being written, held, or Ray's own."""
    parts = path.relative_to(root).parts
    return path.is_file() and not path.name.startswith(".") and "ray" not in parts[1:2]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except FileNotFoundError:  # replaced meanwhile: next time
        return None
    return about.st_size, about.st_mtime_ns


def _holder() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"
