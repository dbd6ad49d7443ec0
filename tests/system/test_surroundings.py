"""What containers and clusters lack is provided, or said in one line."""

import os
import tempfile
from pathlib import Path

import pytest

from fer_tune.system import surroundings
from fer_tune.system.surroundings import provide_home, short_temporary_folder


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch):
    """Sets the folder for temporary files."""

    def set_to(place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", str(place))

    return set_to


def test_a_home_that_is_there_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    provide_home()
    assert os.environ["HOME"] == str(tmp_path)


@pytest.mark.parametrize("home", ["nowhere", "a file"])
def test_a_home_that_cannot_be_used_is_replaced(monkeypatch, tmp_path, home):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / home))
    provide_home()
    assert Path.home().is_dir()
    assert Path.home() != tmp_path / home


def test_a_user_without_a_name_gets_one(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(surroundings.getpass, "getuser", lambda: {}["no entry"])
    provide_home()
    assert os.environ["LOGNAME"] == f"user-{os.getuid()}"
    monkeypatch.delenv("LOGNAME")


@pytest.mark.parametrize("name", ["é", "x" * 40])
def test_a_temporary_folder_that_rays_sockets_cannot_use_is_passed_over(temporary, tmp_path, name):
    temporary(tmp_path / name)
    folder = short_temporary_folder(27)
    assert folder.parent == Path("/tmp")
    folder.rmdir()


def test_without_any_usable_one_there_is_none(temporary, tmp_path, monkeypatch):
    temporary(tmp_path / "é")
    monkeypatch.setattr(surroundings, "FALLBACK_TEMPORARY", str(tmp_path / "é"))
    assert short_temporary_folder(27) is None
