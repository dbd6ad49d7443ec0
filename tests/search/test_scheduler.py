"""Early stopping compares a trial only with trials of its own condition. Made-up accuracies, Ray's own schedulers."""

from pathlib import Path

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Role, Status, TrialRecord
from fer_tune.search.jobs import Assignment
from fer_tune.search.scheduler import ConditionScheduler, assignment_of

EPOCHS = 8


class Controller:
    """What Ray's schedulers ask of Tune: no other trial waits for its turn."""

    def get_live_trials(self) -> list[Trial]:
        return []


def trial(results: Path, condition: str, seed: int, role: Role = Role.TRIAL) -> Trial:
    """A trial of Ray's with its folder; it never runs."""
    record = TrialRecord(role=role, condition_key=condition, seed=seed, config={"training": {}})
    folder = TrialFolder(results / "trials" / f"{condition},{role},s{seed}")
    folder.begin(record)
    given = Assignment(folder.path, results, None, None, record, "val_accuracy", 1, False, EPOCHS, True)
    return Trial("made_up", config={"assignment": given}, stub=True)


def run_epochs(scheduler: ConditionScheduler, accuracies: dict[Trial, float]) -> list[Trial]:
    """Report each epoch of every running trial, in turns; return the trials that were stopped."""
    controller = Controller()
    for one in accuracies:
        scheduler.on_trial_add(controller, one)
    stopped: list[Trial] = []
    for epoch in range(1, EPOCHS + 1):
        for one, accuracy in accuracies.items():
            if one in stopped:
                continue
            folder = TrialFolder(assignment_of(one).folder)
            row = {"epoch": float(epoch), "val_accuracy": accuracy, "seconds": 1.0}
            folder.write_history([*folder.history(), row])
            decision = scheduler.on_trial_result(controller, one, {**row, "training_iteration": epoch})
            if decision == TrialScheduler.STOP:
                stopped.append(one)
    return stopped


@pytest.mark.parametrize("name", ["asha", "median"])
def test_the_best_of_a_hard_condition_outlives_the_worst_of_an_easy_one(plan_of, tmp_path, name):
    scheduler = ConditionScheduler(plan_of(training={"epochs": EPOCHS, "batch_size": 32}, scheduler=name).study)
    easy = {trial(tmp_path, "noise_ratio=0.0", seed): 0.9 - seed / 100 for seed in range(4)}
    hard = {trial(tmp_path, "noise_ratio=0.6", seed): 0.3 - seed / 100 for seed in range(4)}
    stopped = run_epochs(scheduler, {**easy, **hard})
    assert next(iter(hard)) not in stopped
    assert list(easy)[-1] in stopped
    assert list(hard)[-1] in stopped
    for one in stopped:
        result = TrialFolder(assignment_of(one).folder).result()
        assert result.status is Status.STOPPED
        assert result.reason.startswith(f"{name} in epoch ")
        assert result.epochs < EPOCHS


@pytest.mark.parametrize("name", ["asha", "median"])
def test_a_warm_up_is_never_stopped(plan_of, tmp_path, name):
    scheduler = ConditionScheduler(plan_of(training={"epochs": EPOCHS, "batch_size": 32}, scheduler=name).study)
    good = {trial(tmp_path, "all", seed): 0.9 - seed / 100 for seed in range(4)}
    weak = trial(tmp_path, "all", 0, Role.WARM_UP)
    assert weak not in run_epochs(scheduler, {**good, weak: 0.1})
