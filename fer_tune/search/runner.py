"""Runs what is left of a study on the connected Ray."""

import math
import shutil
from pathlib import Path

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import ConcurrencyLimiter

from fer_tune.decision.next_trial import SLICES
from fer_tune.results.files import why_unwritable
from fer_tune.search.callback import StudyCallback
from fer_tune.search.cell_search import CellSearch
from fer_tune.search.jobs import NotRunnable
from fer_tune.search.scheduler import ConditionScheduler
from fer_tune.search.searcher import StudySearcher
from fer_tune.search.trainable import TrialTrainable
from fer_tune.study.plan import Plan
from fer_tune.study.schema import Resources

MAX_FAILURES = 2  # restarts of a trial whose worker died, before it counts as failed


def trial_resources(resources: Resources) -> tuple[dict[str, float], int]:
    """What a trial holds on the connected Ray, and how many can run at once.

    Raises NotRunnable where not a single trial fits.
    """
    available = ray.cluster_resources()
    cpus, gpus = available.get("CPU", 0), available.get("GPU", 0)
    gpu = (1.0 if gpus else 0.0) if resources.gpu == "auto" else resources.gpu
    slots = cpus // resources.cpu
    if gpu:
        slots = min(slots, math.floor(gpus / gpu + 1e-9))
    if slots < 1:
        raise NotRunnable(
            f"resources: a trial asks for {resources.cpu} CPUs and {gpu:g} GPUs, "
            f"but there are {cpus:g} CPUs and {gpus:g} GPUs"
        )
    return {"cpu": float(resources.cpu), "gpu": gpu}, int(slots)


def run_search(plan: Plan, results: Path, callback: StudyCallback, verbose: bool = False) -> bool:
    """Run every trial of a study that has not ended yet.

    Returns whether the study is complete; False where it was interrupted, or results could no longer be written
    (`callback.unwritable`). Raises NotRunnable.
    """
    resources, slots = trial_resources(plan.study.resources)
    searcher = StudySearcher(plan, results, slots)
    scratch = results / "ray"
    shutil.rmtree(scratch, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(TrialTrainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(searcher, slots),
            scheduler=ConditionScheduler(plan.study) if plan.study.scheduler != "none" else None,
            num_samples=(2 + SLICES) * plan.total_trials,  # an upper bound that includes warm-ups and slices
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            callbacks=[callback],
            stop=callback,
            verbose=2 if verbose else 0,
        ),
    )
    try:
        tuner.fit()
    except Exception:  # where the disk fails, Tune fails over its own files in many ways
        if not (callback.unwritable or why_unwritable(results)):
            raise
    callback.unwritable = callback.unwritable or why_unwritable(results)
    shutil.rmtree(scratch, ignore_errors=True)
    return not callback.unwritable and is_complete(plan, results)


def is_complete(plan: Plan, results: Path) -> bool:
    """Whether every trial of the study has ended, found by walking through its suggestions."""
    searches = [CellSearch(cell, results) for cell in plan.cells]
    return all(search.next_job() is None and search.finished for search in searches)


def _trial_name(trial: Trial) -> str:
    return str(trial.trial_id)
