"""fer-tune: how strongly should joint-distribution learning pull on a face data set with noisy labels?"""

from typing import Any

__all__ = ["ModelSpec", "Trainer", "TrainingSpec", "load_data"]


def __getattr__(name: str) -> Any:
    if name == "Trainer":
        from fer_tune.trainer import Trainer

        return Trainer
    if name in ("ModelSpec", "TrainingSpec"):
        from fer_tune import config

        return getattr(config, name)
    if name == "load_data":
        from fer_tune.data import load_data

        return load_data
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
