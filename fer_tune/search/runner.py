"""Runs what is left of a study on the connected Ray."""

import gc
import math
import shutil
from pathlib import Path

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import ConcurrencyLimiter

from fer_tune.decision.next_trial import SLICES
from fer_tune.results.files import why_unwritable
from fer_tune.search.budget import Ending, Limit
from fer_tune.search.callback import StudyCallback
from fer_tune.search.jobs import NotRunnable
from fer_tune.search.scheduler import ConditionScheduler
from fer_tune.search.searcher import StudySearcher, searches_of
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


def run_search(
    plan: Plan,
    results: Path,
    callback: StudyCallback,
    verbose: bool = False,
    limit: Limit | None = None,
    spent: float = 0.0,
) -> Ending:
    """Run every trial of a study that has not ended yet.

    Args:
        limit: what the run may spend.
        spent: seconds of the limit that have passed already.

    Where results can no longer be written, `callback.unwritable` says why. Raises NotRunnable.
    """
    resources, slots = trial_resources(plan.study.resources)
    searcher = StudySearcher(plan, results, slots, limit, spent)
    scratch = results / "ray"
    shutil.rmtree(scratch, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(TrialTrainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(searcher, slots),
            scheduler=ConditionScheduler(plan.study) if plan.study.scheduler != "none" else None,
            num_samples=(2 + _most_slices(plan)) * plan.total_trials,  # an upper bound that includes warm-ups
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
    finally:
        over_budget = searcher.over_budget
        del tuner, searcher
        gc.collect()  # what still refers to Ray's objects must be gone before Ray shuts down
    callback.unwritable = callback.unwritable or why_unwritable(results)
    shutil.rmtree(scratch, ignore_errors=True)
    if not callback.unwritable and is_complete(plan, results):
        return Ending.COMPLETE
    return Ending.OVER_BUDGET if over_budget and not callback.unwritable else Ending.CUT_OFF


def _most_slices(plan: Plan) -> int:
    """At the most, how many slices a trial is run in: near the end of a budget each may be an epoch."""
    return max(SLICES, *(cell.at(max).training.epochs for cell in plan.cells))


def is_complete(plan: Plan, results: Path) -> bool:
    """Whether every trial of the study has ended, found by walking through its suggestions."""
    return all(search.next_job() is None and search.finished for search in searches_of(plan, results))


def _trial_name(trial: Trial) -> str:
    return str(trial.trial_id)
