"""TensorBoard's event files, derived from a results folder's trials."""

import math
from contextlib import closing
from pathlib import Path

from fer_tune.results.folder import trial_folders


def write_tensorboard(results: Path) -> None:
    """Rebuild the event files, one run per trial, where a trial has new epochs."""
    from tensorboard.summary import Writer  # type: ignore[import-untyped]

    for folder in trial_folders(results):
        target = results / "tensorboard" / folder.key
        history = folder.history()
        if (target / f"epochs-{len(history)}").exists():
            continue
        for old in target.glob("*"):
            old.unlink()
        with closing(Writer(str(target))) as writer:
            for row in history:
                for name, value in row.items():
                    if name != "epoch" and not math.isnan(value):
                        writer.add_scalar(name, value, int(row["epoch"]))
        (target / f"epochs-{len(history)}").touch()
