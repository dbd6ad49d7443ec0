"""One trial in its own folder: it continues what is there, and the folder is whole at any time. Knows no Ray."""

import io
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fer_tune.data.dataset import open_dataset
from fer_tune.data.export import labels_digest
from fer_tune.data.labels import first_categorical
from fer_tune.data.loading import load_data
from fer_tune.results.files import write_atomically, write_cells, write_json
from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Status, TrialRecord
from fer_tune.study.schema import TrialConfig
from fer_tune.training.methods import build_trainer
from fer_tune.training.trainer import Diverged


class TrialRun:
    """A trainer whose state, history and end live in a trial folder.

    Args:
        folder: the trial's own.
        record: what trial.json holds; its `config` is the full configuration.
        data: folder of the stored data set.
        objective: the metric that the study maximises.
        warm_up: the folder of a trial that has run this one's warm-up, if any.
        continues: the folder of the same trial with fewer epochs, to go on from, if any.

    Locks the folder against other processes until `close`. Raises ValueError where the folder holds another trial or
    a broken state, TimeoutError where another process keeps it locked.
    """

    def __init__(
        self,
        folder: Path,
        record: TrialRecord,
        data: Path,
        objective: str,
        warm_up: Path | None = None,
        continues: Path | None = None,
    ) -> None:
        self.folder = TrialFolder(folder)
        self.folder.begin(record)
        self.lock = self.folder.lock()
        self.objective = objective
        self.history: list[dict[str, float]] = []
        self.writer = ThreadPoolExecutor(1)
        self.writing: Future[None] | None = None
        try:
            config = TrialConfig.model_validate(record.config)
            self.noisy = load_data(open_dataset(data), config.noise, config.seed, config.training.majority)
            self.trainer = build_trainer(self.noisy, config.model, config.resolved_training, config.seed)
            self._continue(warm_up, continues)
        except BaseException:
            self.close()
            raise

    def _continue(self, warm_up: Path | None, continues: Path | None) -> None:
        if self.folder.state.exists():
            state = self._load(self.folder)
            self.trainer.load_state_dict(state["trainer"])
            self.history = state["history"]
            self.folder.write_history(self.history)
        elif continues is not None:
            state = self._load(TrialFolder(continues))
            self.trainer.load_state_dict(state["trainer"])
            self.history = [{**row, "seconds": 0.0} for row in state["history"]]
        elif warm_up is not None and self.trainer.epoch == 0:
            state = self._load(TrialFolder(warm_up))
            self.trainer.fork(state["trainer"])
            self.history = [{**row, "seconds": 0.0} for row in state["history"]]

    def _load(self, folder: TrialFolder) -> dict[str, Any]:
        return torch.load(folder.state, map_location="cpu", weights_only=True)

    def close(self) -> None:
        """Finish what is being written, then release the folder."""
        self.writer.shutdown()
        self.lock.close()

    @property
    def done(self) -> bool:
        """Whether the trial has ended, in whatever way."""
        return self.folder.has_ended()

    def step(self) -> dict[str, float]:
        """Run one epoch, or only write the end if all epochs are done; return the last epoch's row."""
        if not self.trainer.done:
            try:
                row = {"epoch": float(self.trainer.epoch + 1), **self.trainer.run_epoch()}
            except Diverged as diverged:
                self.flush()
                self.folder.end(Status.DIVERGED, self.objective, str(diverged))
                return self.history[-1] if self.history else {"epoch": float(diverged.epoch)}
            self.history.append(row)
            self._save()
        if self.trainer.done:
            self.flush()
            self._write_predictions()
            self._write_labels()
            self.folder.end(Status.FINISHED, self.objective)
        return self.history[-1]

    def _save(self) -> None:
        """Copy the state and write it while the next epoch runs; a killed worker loses at most that epoch."""
        state = _copied({"trainer": self.trainer.state_dict(), "history": self.history})
        self.flush()
        self.writing = self.writer.submit(self._write, state)

    def flush(self) -> None:
        """Wait until the last state is on disk. Raises what writing it raised."""
        if self.writing is not None:
            self.writing.result()

    def _write(self, state: Mapping[str, Any]) -> None:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomically(self.folder.state, buffer.getbuffer())
        self.folder.write_history(state["history"])

    def _write_predictions(self) -> None:
        """For the test split the index and, for each label set, true label, prediction and probabilities.

        For the validation split the index and, of the first categorical set, the predicted class and the label given.
        """
        dataset = self.trainer.data.dataset  # its test labels are the true ones
        indices = dataset.splits["test"]
        columns: dict[str, np.ndarray] = {"index": indices}
        for label_set, predicted in zip(dataset.label_sets, self.trainer.predict(indices).values(), strict=True):
            truth, values = dataset.labels[label_set.name][indices], predicted.numpy()
            if label_set.kind == "categorical":
                columns |= {f"{label_set.name}_true": truth, f"{label_set.name}_predicted": values.argmax(1)}
                columns |= {f"{label_set.name}_p_{n}": values[:, k].round(6) for k, n in enumerate(label_set.names)}
            else:
                for k, name in enumerate(label_set.names):
                    columns |= {f"{name}_true": truth[:, k], f"{name}_predicted": values[:, k].round(6)}
        self._write_columns("predictions.csv", columns)
        first, indices = self.trainer.first, dataset.splits["validation"]
        classes = self.trainer.predict(indices)[first.name].argmax(1).numpy()
        given = self.trainer.data.labels[first.name][indices]
        columns = {"index": indices, f"{first.name}_predicted": classes, f"{first.name}_given": given}
        self._write_columns("predictions_validation.csv", columns)

    def _write_columns(self, name: str, columns: Mapping[str, np.ndarray]) -> None:
        rows = list(zip(*(column.tolist() for column in columns.values()), strict=True))
        write_cells(self.folder.path / name, list(columns), rows)

    def _write_labels(self) -> None:
        """The digest of the noisy labels trained on, and how the first set's were given, where that is known."""
        first, counts = first_categorical(self.noisy.label_sets), self.noisy.given_counts
        about = {
            "digest": labels_digest(self.noisy.labels),
            "set": first.name,
            "classes": first.names,
            "given_counts": None if counts is None else counts.tolist(),
        }
        write_json(self.folder.path / "labels.json", about)


def _copied(value: Any) -> Any:
    """A copy of a state on the CPU, which further training does not change."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return type(value)((name, _copied(part)) for name, part in value.items())
    return [_copied(part) for part in value] if isinstance(value, list) else value
