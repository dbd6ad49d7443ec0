"""Stops weak trials early, each compared only with trials of its own condition."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Status
from fer_tune.search.jobs import Assignment
from fer_tune.study.schema import Study


class ConditionScheduler(FIFOScheduler):
    """One of Ray's schedulers for each condition. Warm-ups are never stopped."""

    def __init__(self, study: Study) -> None:
        super().__init__()
        self.study = study
        self.by_condition: dict[str, TrialScheduler] = {}

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        assignment = assignment_of(trial)
        if assignment.record.is_warm_up:
            return TrialScheduler.CONTINUE
        decision = self._of(trial).on_trial_result(tune_controller, trial, result)
        folder = TrialFolder(assignment.folder)
        if decision == TrialScheduler.STOP and not folder.has_ended():
            reason = f"{self.study.scheduler} in epoch {result['epoch']:.0f}"
            folder.end(Status.STOPPED, self.study.objective, reason)
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self._of(trial).on_trial_error(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        self._of(trial).on_trial_remove(tune_controller, trial)

    def _of(self, trial: Trial) -> TrialScheduler:
        condition = assignment_of(trial).record.condition_key
        if condition not in self.by_condition:
            self.by_condition[condition] = self._new()
        return self.by_condition[condition]

    def _new(self) -> TrialScheduler:
        epochs = self.study.training.epochs
        grace = max(1, epochs // 4)
        common = {"time_attr": "epoch", "metric": self.study.objective, "mode": "max"}
        if self.study.scheduler == "asha":
            return AsyncHyperBandScheduler(max_t=epochs + 1, grace_period=grace, reduction_factor=2, **common)
        return MedianStoppingRule(grace_period=grace, min_samples_required=3, **common)


def assignment_of(trial: Trial) -> Assignment:
    """What a Ray trial was told to run."""
    assignment: Assignment = trial.config["assignment"]
    return assignment
