"""Every file that a reader opens may be empty, cut, or something else: it is read, or named in one message."""

import os
import shutil
from pathlib import Path

import pytest

from fer_tune.data.errors import DataError
from fer_tune.data.loading import read_dataset
from tests.support import folders
from tests.support.folders import spec_of

READERS = {
    "raf": lambda root: folders.write_raf(root, machine=True),
    "affectnet": folders.write_affectnet_csv,
    "affectnet arrays": folders.write_affectnet_arrays,
    "cifar10": folders.write_cifar10,
    "ferplus": folders.write_ferplus,
    "manifest": folders.write_manifest,
}


def replaced(make):
    def spoil(path):
        path.unlink()
        make(path)

    return spoil


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "first line": lambda path: path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3]),
    "zeros": lambda path: path.write_bytes(bytes(3000)),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "workbook": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(90)),
    "Parquet": lambda path: path.write_bytes(b"PAR1" + bytes(90) + b"PAR1"),
    "long number": lambda path: path.write_bytes(path.read_bytes().replace(b"0", b"9" * 5000 + b".0", 1)),
    "gone": Path.unlink,
    "folder": replaced(Path.mkdir),
    "pipe": replaced(os.mkfifo),
    "link to itself": replaced(lambda path: path.symlink_to(path)),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Every reader's small data set, written once: its folder and its settings."""
    root = tmp_path_factory.mktemp("plain")
    return {name: (root / name, write(root / name)) for name, write in READERS.items()}


def opened(folder):
    """One of each kind of file that is not an image."""
    kinds = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".jpg", ".png"):
            kinds.setdefault(path.suffix if path.suffix == ".npy" else path.name.rstrip("12345"), path)
    return kinds.values()


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("reader", READERS)
def test_a_file_is_read_or_named_in_one_message(written, tmp_path, reader, damage):
    plain, settings = written[reader]
    for number, path in enumerate(opened(plain)):
        case = tmp_path / str(number)
        shutil.copytree(plain, case)
        DAMAGE[damage](case / path.relative_to(plain))
        here = {k: v.replace(str(plain), str(case)) if isinstance(v, str) else v for k, v in settings.items()}
        try:
            read_dataset(spec_of(here))
            assert damage in ("cut", "first line", "long number"), path
        except DataError as error:
            said = str(error)
            assert str(case) in said
            assert len(said) < 3000
            assert len(said.splitlines()) <= 7
