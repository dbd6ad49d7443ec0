"""What `--dry-run` says of `--extend`, `--epochs` and `--within`: what such a run would train, by the estimates."""

from pathlib import Path

from fer_tune.cli.preflight import extension_target
from fer_tune.cli.within import parse_within
from fer_tune.search.extension import Extension
from fer_tune.search.jobs import Job
from fer_tune.search.race_search import RaceSearch
from fer_tune.search.searcher import searches_of
from fer_tune.study.cost import START_SECONDS, duration, remaining_core_seconds, trial_core_seconds
from fer_tune.study.plan import Plan


def forecast_extension(plan: Plan, results: Path, factor: float | None, epochs: int | None, cores: int) -> str:
    """What training a study's leaders for longer would cost, in a sentence. Raises UserError as `--extend` does."""
    so_far, target = extension_target(plan, results, factor, epochs)
    jobs = [job for search in searches_of(plan, results) for job in _longer(search, target, results)]
    if not jobs:
        return "The race is not over: finish it first (--resume). Nothing can be said yet of its leaders."
    seconds = sum(remaining_core_seconds(job.config, so_far) for job in jobs)
    arms, seeds = len({_arm(job) for job in jobs}), len({job.config.seed for job in jobs})
    return (
        f"Trains the {arms} settings that the race left over on {seeds} {'seed' if seeds == 1 else 'seeds'} from "
        f"{so_far} to {target} epochs: {len(jobs)} trials, about {duration(_wall(seconds, len(jobs), cores))} on "
        f"{cores} {'core' if cores == 1 else 'cores'}."
    )


def _longer(search: object, target: int, results: Path) -> list[Job]:
    """The trainings that an extension of this race would add; none for other searches and while it runs."""
    if not isinstance(search, RaceSearch) or search.next_job() is not None or not search.finished:
        return []
    extension, jobs = Extension(search, target, results), []
    while (job := extension.next_job()) is not None:
        jobs.append(job)
    return jobs


def _arm(job: Job) -> str:
    return f"{job.record.condition_key} {job.record.cell}"


def forecast_limit(plan: Plan, within: str, cores: int) -> str:
    """How much of a study a budget allows, in a sentence. Raises UserError for a budget that cannot be read."""
    limit = parse_within(within)
    assert limit is not None
    seeds, trials = len(plan.study.seeds), plan.total_trials
    configs = [cell.typical() for cell in plan.cells for _ in range(cell.configurations)]
    each = sum(map(trial_core_seconds, configs)) / len(configs)
    if limit.seconds is not None:
        fits = max(0.0, limit.seconds - START_SECONDS) * min(cores, trials) / each
    elif limit.epochs is not None:
        fits = limit.epochs / (sum(config.training.epochs for config in configs) / len(configs))
    else:
        fits = float(limit.trials or 0)
    whole = min(trials, int(fits))
    if plan.study.decide is None:
        return f"--within {within}: about {whole} of {trials} trials fit, by this estimate."
    blocks = min(seeds, int(fits / (trials / seeds)))
    if not blocks:
        return f"--within {within}: not one seed with every lambda fits, by this estimate, so nothing would be decided."
    return f"--within {within}: {blocks} of up to {seeds} seeds with every lambda fit, by this estimate."


def _wall(core_seconds: float, jobs: int, cores: int) -> float:
    return core_seconds / max(1, min(cores, jobs)) + START_SECONDS
