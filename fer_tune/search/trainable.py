"""Ray's adapter of one trial: set up, step, save, load, reset. How a step is computed is not known here."""

import math
import os
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ray import tune

from fer_tune.search.jobs import Assignment
from fer_tune.system.memory import keep_freed_memory, quick_imports

if TYPE_CHECKING:
    from fer_tune.search.trial import TrialRun

REPORTED = ("epoch", "seconds", "generator_joint_loss", "discriminator_joint_loss", "val_accuracy", "val_ccc")


@cache
def _libraries() -> "tuple[ModuleType, type[TrialRun]]":
    """Torch and the trial, imported once per process.

    If quick_imports ran again later, it would also keep what an earlier trial left to be collected.
    """
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once; without it cuBLAS cannot be deterministic
    with quick_imports():
        import torch

        from fer_tune.search.trial import TrialRun

        torch.optim.Adam([torch.zeros(1)])  # the first optimiser imports torch's compiler
    return torch, TrialRun


class TrialTrainable(tune.Trainable):
    """Runs the trial in its configuration's `assignment`, from wherever the trial's folder stands.

    Since the folder holds everything, Ray's checkpoints are empty, and a restarted worker continues after the last
    whole epoch. Torch is imported here and not above: the driver needs this class and no torch.
    """

    run: "TrialRun"
    assignment: Assignment

    def setup(self, config: dict[str, Any]) -> None:
        """Take up a trial, a slice of one, or what a dead worker left of one."""
        torch, TrialRun = _libraries()
        self.cleanup()
        self.assignment = config["assignment"]
        torch.set_num_threads(self.assignment.cpus)
        torch.use_deterministic_algorithms(self.assignment.deterministic)
        given = self.assignment
        self.run = TrialRun(given.folder, given.record, given.data, given.objective, given.warm_up, given.continues)

    def step(self) -> dict[str, Any]:
        """Run one epoch."""
        row = self.run.step()
        if self.assignment.scheduled:
            self.run.flush()  # a scheduler may end the trial here, by what is on disk
        reported = {name: row.get(name, math.nan) for name in (*REPORTED, self.assignment.objective)}
        done = self.run.done or row["epoch"] >= self.assignment.until
        if done:
            self.run.flush()  # a state that could not be written must not go unnoticed
            self.run.close()  # so that another worker may continue it
        return {**reported, "done": done}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up another trial in the same worker."""
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        """Release the trial's folder."""
        if run := getattr(self, "run", None):
            run.close()

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing to save: the trial's folder holds everything."""
        return {"key": self.run.folder.key}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to load: `setup` has continued from the trial's folder."""
