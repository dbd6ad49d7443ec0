"""The Ray adapter of one trial: set up, step, save, load, reset. How a step is computed is not known here."""

import math
import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ray import tune

from fer_tune.system.memory import keep_freed_memory, quick_imports

if TYPE_CHECKING:
    from fer_tune.search.trial import TrialRun

REPORTED = ("epoch", "seconds", "generator_joint_loss", "discriminator_joint_loss", "val_accuracy", "val_ccc")


@cache
def _libraries() -> "tuple[ModuleType, type[TrialRun]]":
    """Torch and the trial, imported once a process.

    Later, quick_imports would keep what an earlier trial left to be collected.
    """
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once; without it cuBLAS cannot be deterministic
    with quick_imports():
        import torch

        from fer_tune.search.trial import TrialRun

        torch.optim.Adam([torch.zeros(1)])  # the first optimiser imports torch's compiler
    return torch, TrialRun


class TrialTrainable(tune.Trainable):
    """Runs the trial that its configuration names, from wherever the trial's folder stands.

    Configuration: `folder`, `data`, `settings` (trial.json), `objective`, `cpus`, `deterministic`, `warm_up` (a
    folder or None), `until` (the epoch after which another trial may take this one's place), `scheduled`.
    Since the folder holds everything, Ray's checkpoints are empty and a restarted worker continues after the
    last whole epoch. Torch is imported here and not above, since the driver needs this class and no torch.
    """

    run: "TrialRun"

    def setup(self, config: dict[str, Any]) -> None:
        torch, TrialRun = _libraries()
        self.cleanup()
        torch.set_num_threads(config["cpus"])
        torch.use_deterministic_algorithms(config["deterministic"])
        warm_up = Path(config["warm_up"]) if config["warm_up"] else None
        folder, data = Path(config["folder"]), Path(config["data"])
        self.run = TrialRun(folder, config["settings"], data, config["objective"], warm_up)
        self.objective = config["objective"]

    def step(self) -> dict[str, Any]:
        row = self.run.step()
        if self.config["scheduled"]:
            self.run.flush()  # a scheduler may end the trial here, by what is on disk
        reported = {name: row.get(name, math.nan) for name in (*REPORTED, self.objective)}
        done = self.run.done or row["epoch"] >= self.config["until"]
        if done:
            self.run.flush()  # a state that could not be written must not pass unseen
            self.run.close()  # so that another worker may go on with it
        return {**reported, "done": done}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        if run := getattr(self, "run", None):
            run.close()

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        return {"key": self.run.folder.key}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to load: `setup` has continued from the trial's folder."""
