"""Results folders and reports that the tests of the analysis share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.made_up import folder_writer


@pytest.fixture
def results_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a made-up results folder and returns its path."""
    return folder_writer(tmp_path)


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a made-up results folder that the tests of one file share, each under a name of its own."""
    return folder_writer(tmp_path_factory.mktemp("shared"))
