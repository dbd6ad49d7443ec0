"""The epochs of every trial as TensorBoard event files, one run per trial."""

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from fer_tune.results.folder import TrialFolder, trial_folders


def write_tensorboard(results: Path) -> None:
    """Rebuild the event files where a trial has epochs that they lack."""
    for folder in trial_folders(results):
        history = folder.history()
        if not _mark(results, folder, len(history)).exists():
            with closing(_begin(results, folder)) as writer:
                _add(writer, history)
            _mark(results, folder, len(history)).touch()


class LiveEvents:
    """Writes the event files while trials run, so that TensorBoard shows them; see `search.followers.Follower`."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._writers: dict[str, Any] = {}
        self._epochs: dict[str, int] = {}

    def epoch_ended(self, folder: TrialFolder) -> None:
        """Add the epochs that the files lack; files of an earlier run are written again."""
        if folder.key not in self._writers:
            self._writers[folder.key], self._epochs[folder.key] = _begin(self._results, folder), 0
        history, known = folder.history(), self._epochs[folder.key]
        _add(self._writers[folder.key], history[known:])
        self._writers[folder.key].flush()
        _mark(self._results, folder, known).unlink(missing_ok=True)
        _mark(self._results, folder, len(history)).touch()
        self._epochs[folder.key] = len(history)

    def trial_ended(self, folder: TrialFolder) -> None:
        """Close the trial's file."""
        if writer := self._writers.pop(folder.key, None):
            writer.close()

    def close(self) -> None:
        """Close all files."""
        while self._writers:
            self._writers.popitem()[1].close()


def _mark(results: Path, folder: TrialFolder, epochs: int) -> Path:
    """An empty file that says how many epochs the event files of a trial hold."""
    return results / "tensorboard" / folder.key / f"epochs-{epochs}"


def _begin(results: Path, folder: TrialFolder) -> Any:
    """A writer of new event files for a trial, in place of its old ones."""
    from tensorboard.summary import Writer  # type: ignore[import-untyped]

    target = results / "tensorboard" / folder.key
    for old in target.glob("*"):
        old.unlink()
    return Writer(str(target))


def _add(writer: Any, rows: Sequence[Mapping[str, float]]) -> None:
    for row in rows:
        for name, value in row.items():
            if name != "epoch" and not math.isnan(value):
                writer.add_scalar(name, value, int(row["epoch"]))
