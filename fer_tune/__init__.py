"""fer-tune: how strongly should joint-distribution learning pull on a face data set with noisy labels?"""

import os
from typing import Any

# Ray reads these when it is imported, by whichever module comes first: a Ray of our own listens on loopback
# alone, prints nothing and reports nothing.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")

__all__ = ["ModelSpec", "Trainer", "TrainingSpec", "load_data"]


def __getattr__(name: str) -> Any:
    if name == "Trainer":
        from fer_tune.training.trainer import Trainer

        return Trainer
    if name in ("ModelSpec", "TrainingSpec"):
        from fer_tune.models.spec import ModelSpec
        from fer_tune.training.spec import TrainingSpec

        return {"ModelSpec": ModelSpec, "TrainingSpec": TrainingSpec}[name]
    if name == "load_data":
        from fer_tune.data.loading import load_data

        return load_data
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
