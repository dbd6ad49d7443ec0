"""How well wrong labels are counted and named where the right ones are known."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from fer_tune.data.labels import MISSING_CLASS, first_categorical
from fer_tune.data.loading import load_data
from fer_tune.data.noisy import NoisyData
from fer_tune.data.votes import voting_sets
from fer_tune.errors import UserError
from fer_tune.study.loading import load_plan
from fer_tune.training.held_out import held_out_scores
from fer_tune.training.noise_estimate import EstimateError, estimate_noise, given_classes, label_errors
from fer_tune.training.suspects import find_suspects, wrong_probabilities

FACES = {"kind": "synthetic", "train": 2000, "validation": 1000, "test": 14}
LOOKS = ("studio", "street", "line", "lowlight")
NOISE = (("symmetric", 0.0), ("symmetric", 0.2), ("symmetric", 0.4), ("symmetric", 0.6), ("instance", 0.2),
         ("instance", 0.4), ("pairflip", 0.4))  # fmt: skip
FIRST_SEED = 11  # what the method fixes was chosen on seeds 1 to 3


def drawn_faces(seeds: int, looks: Sequence[str] = LOOKS) -> Iterator[dict[str, Any]]:
    """A row for each look and noise: means over the seeds on which it is not refused, and its largest error."""
    for look in looks:
        sets = {seed: load_data({**FACES, "domain": look, "seed": seed}).dataset
                for seed in range(FIRST_SEED, FIRST_SEED + seeds)}  # fmt: skip
        for kind, ratio in NOISE:
            rows = []
            for seed, faces in sets.items():
                with suppress(EstimateError):
                    rows.append(judged(load_data(faces, {"kind": kind, "ratio": ratio}, seed)))
            means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} if rows else {}
            largest = max((row["estimate"] - row["wrong"] for row in rows), key=abs, default=np.nan)
            yield {
                "look": look, "noise": kind, "ratio": ratio, "refused": len(sets) - len(rows), **means,
                "largest_error": largest,
            }  # fmt: skip


def of_study(path: Path) -> Iterator[dict[str, Any]]:
    """A row for each annotator of a study's data set, as if alone. Raises UserError where no right label is known."""
    data = load_data(load_plan(path).study.dataset)
    if not data.dataset.known:
        raise UserError(f"{path}: the right labels of this data set are not known, so nothing can be measured")
    for label_set in voting_sets(data.label_sets):
        alone = NoisyData(replace(data.dataset, label_sets=(label_set,)), data.labels)
        yield {"labels": label_set.name, **judged(alone)}


def judged(data: NoisyData) -> dict[str, float]:
    """What is said of the first label set by itself, compared with the right labels."""
    began = time.process_time()
    held_out = held_out_scores(data)
    estimate = estimate_noise(data, held_out)
    seconds = time.process_time() - began
    samples, first = held_out.samples, first_categorical(data.label_sets)
    right, given = data.dataset.known.get(first.name, data.dataset.labels[first.name])[samples], data.labels[first.name]
    wrong = (given[samples] != right) & (right != MISSING_CLASS)
    probabilities = wrong_probabilities(given_classes(data, samples), label_errors(data, held_out))
    suspects = np.searchsorted(samples, [one.sample for one in find_suspects(data, held_out)]).astype(int)
    worst = np.argsort(-probabilities, kind="stable")[: wrong.sum()]
    return {
        "wrong": float(wrong.mean()),
        "estimate": estimate.ratio,
        "predicted_rightly": float((held_out.scores.argmax(axis=1) == right).mean()),
        "area_under_curve": float(roc_auc_score(wrong, probabilities)) if wrong.any() else np.nan,
        "precision_at_rate": float(wrong[worst].mean()) if wrong.any() else np.nan,
        "listed": len(suspects) / len(samples),
        "precision_of_list": float(wrong[suspects].mean()) if len(suspects) else np.nan,
        "core_seconds": seconds,
    }
