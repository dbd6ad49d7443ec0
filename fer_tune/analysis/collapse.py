"""The largest class as a baseline, and networks that have collapsed: they name one class for nearly every image."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_tune.analysis.gaps import listed
from fer_tune.analysis.tables import Results
from fer_tune.analysis.text import plain_name
from fer_tune.analysis.trial_files import Predictions, predictions
from fer_tune.decision.rules import NEAR_CONSTANT_SHARE

NO_BETTER = 0.01  # of accuracy above the largest class alone: such a network has learnt nothing
FAR_MORE = 0.1  # of the images, beyond those that have a class: a network that names it so often has collapsed


@dataclass(frozen=True)
class Majority:
    """The class that most test images have.

    Attributes:
        name: its name.
        share: of the test images, 0 to 1: the accuracy of always naming it.
    """

    name: str
    share: float


def majority(results: Results, keys: Iterable[str]) -> Majority | None:
    """The largest class of the test labels of some trials; None where none left predictions of labelled images."""
    tables = (predictions(results, key) for key in keys)
    return next((_largest(table) for table in tables if table is not None and table.known.any()), None)


def _largest(table: Predictions) -> Majority:
    counts = np.bincount(table.true[table.known], minlength=len(table.classes))
    return Majority(table.classes[int(counts.argmax())], float(counts.max() / counts.sum()))


def warnings(results: Results, best: pd.DataFrame, lams: Mapping[str, float | None]) -> list[str]:
    """The collapsed networks behind the answers, and what to set, a sentence for each condition.

    Args:
        results: the study's results.
        best: the trials of each λ's best configuration: columns key, condition, lambda.
        lams: the λ that is taken or leads in each condition.
    """
    said = []
    for condition, lam in lams.items():
        rows = best[(best["condition"] == condition) & (best["lambda"] == lam)]
        where = "" if condition == "all" else f"At {condition}: "
        for key in map(str, rows["key"]):
            if text := _collapsed(predictions(results, key), key):
                said.append(f"{where}{text}")
                break
    return said


def _collapsed(table: Predictions | None, key: str) -> str:
    """What is wrong with a network, in words; empty where nothing is, or nothing is known."""
    if table is None or not table.known.any():
        return ""
    largest = _largest(table)
    predicted, accuracy = table.predicted[table.known], float(table.right[table.known].mean())
    counts = np.bincount(predicted, minlength=len(table.classes))
    named, share = plain_name(table.classes[int(counts.argmax())]), float(counts.max() / counts.sum())
    present = np.unique(table.true[table.known])
    without = [table.classes[k] for k in present if not table.right[table.known][table.true[table.known] == k].any()]
    learnt = accuracy > largest.share + NO_BETTER
    if learnt and share < max(NEAR_CONSTANT_SHARE, largest.share + FAR_MORE):
        return ""
    recall = f" Classes that it never recognises: {listed(without, 10)}." if without else ""
    return (
        f"Warning: the network of {key} {'has collapsed' if learnt else 'has learnt nothing'}. It names {named} for "
        f"{share:.0%} of the test images and scores {accuracy:.2f}; the largest class alone scores {largest.share:.2f}."
        f"{recall} Try training.balance, or objective: val_mean_class_accuracy."
    )
