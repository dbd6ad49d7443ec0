"""Scores of predictions against labels, clean or noisy."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fer_tune.data.labels import MISSING_CLASS, LabelSet

MISSING = float("nan")


def score_predictions(
    label_sets: tuple[LabelSet, ...], predictions: Mapping[str, Tensor], truths: Mapping[str, Tensor], prefix: str
) -> dict[str, float]:
    """Scores of every label set, named `prefix`_SCORE. Samples without a label are left out; NaN if none has one.

    Categorical sets: accuracy, mean_class_accuracy, macro_f1 and recall_CLASS, all in [0, 1]. A class without labels
    counts in no mean and has no recall (NaN). Sets after the first have their name in the score's (accuracy_SET).
    Continuous values: ccc_VALUE in [-1, 1] and their mean ccc, rmse_VALUE, and sign_VALUE, the share of predictions
    with the label's sign. A constant prediction has CCC 0; fewer than two samples have none.

    Args:
        predictions: by label set: class probabilities (N, K) or values (N, d).
        truths: by label set: classes (N,), missing ones -1, or values (N, d), missing ones NaN.
    """
    metrics: dict[str, float] = {}
    categorical = [s for s in label_sets if s.kind == "categorical"]
    for i, label_set in enumerate(categorical):
        name = label_set.name
        metrics |= _class_metrics(label_set, predictions[name], truths[name], prefix, f"_{name}" if i else "")
    cccs: dict[str, float] = {}
    for label_set in label_sets:
        if label_set.kind == "continuous":
            found = _value_metrics(label_set, predictions[label_set.name], truths[label_set.name])
            cccs |= found.pop("ccc")
            metrics |= {f"{prefix}_{m}_{n}": value for m, values in found.items() for n, value in values.items()}
    metrics |= {f"{prefix}_ccc_{name}": value for name, value in cccs.items()}
    if cccs:
        metrics[f"{prefix}_ccc"] = float(np.mean(list(cccs.values())))
    return metrics


def _value_metrics(label_set: LabelSet, values: Tensor, truth: Tensor) -> dict[str, dict[str, float]]:
    """CCC, RMSE and share of the right sign by value's name, from values (N, d) and labels (N, d)."""
    present = ~torch.isnan(truth).any(1)
    if not present.any():
        return {metric: dict.fromkeys(label_set.names, MISSING) for metric in ("ccc", "rmse", "sign")}
    values, truth = values[present].double(), truth[present].double()
    found = {
        "ccc": concordance_of(values, truth),
        "rmse": (values - truth).square().mean(0).sqrt(),
        "sign": (values.sign() == truth.sign()).double().mean(0),
    }
    return {metric: dict(zip(label_set.names, by_name.tolist(), strict=True)) for metric, by_name in found.items()}


def _class_metrics(
    label_set: LabelSet, probabilities: Tensor, truth: Tensor, prefix: str, suffix: str
) -> dict[str, float]:
    """Metrics of one categorical set from probabilities (N, K) and classes (N,)."""
    present = truth != MISSING_CLASS
    found = class_scores(probabilities.argmax(1)[present], truth[present], label_set.size)
    recalls = found.pop("recalls").tolist()
    scores = {f"{prefix}_{name}{suffix}": float(value) for name, value in found.items()}
    return scores | {f"{prefix}_recall{suffix}_{n}": r for n, r in zip(label_set.names, recalls, strict=True)}


def class_scores(predicted: Tensor, truth: Tensor, classes: int) -> dict[str, Tensor]:
    """accuracy, mean_class_accuracy, macro_f1 () and recalls (K,), in [0, 1], of predicted and true classes (N,).

    Both means are over the classes that have labels here: predicting a class that has none lowers the recall of the
    class that was meant, and nothing else. The recall of a class without labels is NaN. All are NaN for N = 0.
    """
    if not len(truth):
        nothing = torch.full((classes,), MISSING)
        return dict.fromkeys(("accuracy", "mean_class_accuracy", "macro_f1"), nothing[0]) | {"recalls": nothing}
    counts = torch.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)
    right, labelled, answered = counts.diagonal(), counts.sum(1), counts.sum(0)
    present = labelled > 0
    recalls = right / labelled
    f1 = 2 * right / (labelled + answered)
    return {
        "accuracy": right.sum() / labelled.sum(),
        "mean_class_accuracy": (recalls[present] / present.sum()).sum(),
        "macro_f1": (f1[present] / present.sum()).sum(),
        "recalls": recalls,
    }


def concordance_of(values: Tensor, truth: Tensor) -> Tensor:
    """Lin's concordance correlation of each column: (N, d), (N, d) -> (d,) in [-1, 1], with population variance.

    NaN for fewer than two samples, and where predictions and labels are one and the same constant. The training loss
    (`losses.concordance`) has a small constant in its denominator instead.
    """
    if len(values) < 2:
        return torch.full((values.shape[1],), MISSING, dtype=values.dtype)
    centred, centred_truth = values - values.mean(0), truth - truth.mean(0)
    spread = centred.square().mean(0) + centred_truth.square().mean(0)
    return 2 * (centred * centred_truth).mean(0) / (spread + (values.mean(0) - truth.mean(0)).square())
