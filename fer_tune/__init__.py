"""fer-tune: choose lambda, the weight of joint-distribution learning, for a face data set with noisy labels.

The rooms, from the lowest to the highest; none imports a higher one (`tests/test_rooms.py`):

- `errors`, `names`, `system`: what every room may use
- `data`: data sets, label noise, synthetic (drawn) faces
- `models`: encoder, decoder, discriminator
- `training`: adversarial (joint) training and the methods that it is compared with
- `study`: the study file and the plan made of it
- `results`: the results folder, the only contract between running and analysing
- `decision`: which trial runs next, which lambda is the answer
- `search`: the plan as one Ray Tune run
- `analysis`: statistics, figures and the report, from a results folder alone
- `cli`: the command line; `run`, `recommend`, `predict` and `annotate` are doors to it

`ModelSpec`, `Trainer`, `TrainingSpec` and `load_data` train one model from Python, with no Ray and no study file.
"""

import importlib
import os
from typing import Any

# Ray reads these when it is imported, by whichever module comes first: our own Ray listens on loopback only, prints
# nothing and reports nothing.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")

_PUBLIC = {  # imported when first used: torch takes seconds
    "ModelSpec": "fer_tune.models.spec",
    "Trainer": "fer_tune.training.trainer",
    "TrainingSpec": "fer_tune.training.spec",
    "load_data": "fer_tune.data.loading",
}
__all__ = ["ModelSpec", "Trainer", "TrainingSpec", "load_data"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
