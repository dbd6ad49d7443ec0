"""The epochs of every trial as TensorBoard event files, one run per trial."""

import math
import time
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
        self._writers: dict[str, _Events] = {}
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


class _Events:
    """Writes one event file in this thread: a full disk is not caught in that of TensorBoard's own writer."""

    def __init__(self, target: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb  # type: ignore[import-untyped]
        from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

        target.mkdir(parents=True, exist_ok=True)
        self._event, self._scalar = Event, scalar_pb
        self._file = open(target / f"events.out.tfevents.{time.time_ns()}", "wb")  # noqa: SIM115
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Add one value."""
        self._write(step=step, summary=self._scalar(name, value))

    def flush(self) -> None:
        """Give what was added to the disk. Raises OSError where that fails."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, **fields: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())


def _begin(results: Path, folder: TrialFolder) -> _Events:
    """A writer of a new event file for a trial, in place of its old ones."""
    target = results / "tensorboard" / folder.key
    for old in target.glob("*"):
        old.unlink()
    return _Events(target)


def _add(writer: _Events, rows: Sequence[Mapping[str, float]]) -> None:
    for row in rows:
        for name, value in row.items():
            if name != "epoch" and not math.isnan(value):
                writer.add_scalar(name, value, int(row["epoch"]))
