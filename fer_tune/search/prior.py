"""What an earlier study says of how much seeds differ, kept with the study that uses it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fer_tune.decision.prior import prior_from
from fer_tune.decision.race import Prior
from fer_tune.names import FINGERPRINT, completed
from fer_tune.results.files import read_json, read_json_or
from fer_tune.results.folder import trial_folders
from fer_tune.results.records import Role
from fer_tune.search.jobs import NotRunnable
from fer_tune.study.plan import Plan
from fer_tune.study.shipped import shipped_folder


def prior_of(plan: Plan, earlier: Path) -> Prior:
    """The prior that an earlier study's results give.

    Raises NotRunnable where `earlier` is not a results folder, its study trained otherwise, or has no two seeds that
    several configurations share.
    """
    if not (earlier / "study.json").exists():
        raise NotRunnable(f"decide.prior: {earlier} is not a results folder: study.json is missing")
    try:
        study = completed(read_json(earlier / "study.json"))
        differing = _differing(plan.resolved, study)
        tables = _tables(earlier)
    except (KeyError, TypeError, ValueError):
        raise NotRunnable(f"decide.prior: {earlier} is damaged: resume that study, which repairs it") from None
    if differing:
        text = "; ".join(f"{path} is {theirs!r} there, {own!r} here" for path, own, theirs in differing)
        raise NotRunnable(f"decide.prior: {earlier} was trained otherwise, so its seeds may differ otherwise: {text}")
    prior = prior_from(tables, source=str(earlier))
    if prior is None:
        raise NotRunnable(f"decide.prior: {earlier} has no two seeds that several lambdas share")
    return prior


def shipped_prior(plan: Plan) -> Prior | None:
    """What fer-tune's own studies say of the same data, model and training; None where it has none."""
    own = plan.resolved
    for entry in json.loads((shipped_folder() / "priors.json").read_text(encoding="utf-8")):
        wanted = [(section, key, value) for section, keys in entry["settings"].items() for key, value in keys.items()]
        same = all(own[section].get(key) == value for section, key, value in wanted)
        if same and own["objective"] == entry["objective"]:
            return Prior(entry["spread"], entry["degrees_of_freedom"], entry["source"])
    return None


def read_prior(results: Path) -> Prior | None:
    """What a results folder's own prior.json holds; None where there is none. Raises Damaged."""
    found = read_json_or(results / "prior.json", None)
    return None if found is None else Prior(**found)


def as_json(prior: Prior) -> dict[str, Any]:
    """The content of prior.json."""
    return asdict(prior)


def _differing(own: Any, earlier: Any) -> list[tuple[str, Any, Any]]:
    """Settings of the fingerprint, and the objective, that differ: path, own value, earlier value."""
    paths = [(section, key) for section, keys in FINGERPRINT.items() for key in keys]
    found = [(f"{s}.{k}", own[s].get(k), earlier[s].get(k)) for s, k in paths]
    found.append(("objective", own["objective"], earlier["objective"]))
    return [row for row in found if row[1] != row[2]]


def _tables(results: Path) -> list[np.ndarray]:
    """The scores (seeds, configurations) of each condition, of the seeds that all its configurations share."""
    conditions: dict[str, dict[tuple[str, int], dict[int, float]]] = {}
    for folder in trial_folders(results):
        record, result = folder.record(), folder.result()
        if record.role is Role.TRIAL and result is not None and result.objective is not None:
            arms = conditions.setdefault(record.condition_key, {})
            arms.setdefault((record.cell, record.number), {})[record.seed] = float(result.objective)
    tables = []
    for arms in conditions.values():
        seeds = sorted(set.intersection(*(set(scores) for scores in arms.values())))
        tables.append(np.array([[scores[seed] for scores in arms.values()] for seed in seeds]))
    return [table for table in tables if table.ndim == 2 and min(table.shape) > 1]
