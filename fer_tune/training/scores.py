"""What predictions are worth against labels, clean or noisy: metrics, and readings that need no clean label."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fer_tune.data.labels import MISSING_CLASS, LabelSet, first_categorical
from fer_tune.training.losses import concordance

MISSING = float("nan")


def score_predictions(
    label_sets: tuple[LabelSet, ...], predictions: Mapping[str, Tensor], truths: Mapping[str, Tensor], prefix: str
) -> dict[str, float]:
    """Accuracy, mean class accuracy, macro F1, each class's recall (sets beyond the first by name), CCC, RMSE and sign.

    CCC, the root mean squared error and the share of values of the right sign are given for each continuous value,
    CCC as their mean too; a constant prediction counts 0 in CCC. Samples without a label do not count; where none
    has one, the metric is NaN.
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
        "ccc": concordance(values, truth),
        "rmse": (values - truth).square().mean(0).sqrt(),
        "sign": (values.sign() == truth.sign()).double().mean(0),
    }
    return {metric: dict(zip(label_set.names, by_name.tolist(), strict=True)) for metric, by_name in found.items()}


def _class_metrics(
    label_set: LabelSet, probabilities: Tensor, truth: Tensor, prefix: str, suffix: str
) -> dict[str, float]:
    """Metrics of one categorical set from probabilities (N, K) and classes (N,)."""
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score, multiclass_recall

    present, k = truth != MISSING_CLASS, label_set.size
    classes, truth = probabilities.argmax(1)[present], truth[present]
    averages = {"accuracy": "micro", "mean_class_accuracy": "macro"}
    if not len(truth):
        names = [*averages, "macro_f1", *(f"recall_{n}" for n in label_set.names)]
        return {_metric_name(prefix, name, suffix): MISSING for name in names}
    found: dict[str, float] = {
        name: float(multiclass_accuracy(classes, truth, k, average=average)) for name, average in averages.items()
    }
    found["macro_f1"] = float(multiclass_f1_score(classes, truth, k, average="macro"))
    recalls = multiclass_recall(classes, truth, k, average="none").tolist()
    found |= {f"recall_{n}": r for n, r in zip(label_set.names, recalls, strict=True)}
    return {_metric_name(prefix, name, suffix): value for name, value in found.items()}


def _metric_name(prefix: str, name: str, suffix: str) -> str:
    """val_accuracy, val_accuracy_SET; of a class val_recall_CLASS, val_recall_SET_CLASS."""
    if name.startswith("recall_"):
        return f"{prefix}_recall{suffix}_{name.removeprefix('recall_')}"
    return f"{prefix}_{name}{suffix}"


def label_readings(
    label_sets: tuple[LabelSet, ...], predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]
) -> dict[str, float]:
    """Of the first categorical set's classes: val_dmi and val_peer_accuracy, scores that label noise distorts less,
    and val_top_share, the share of the class predicted most often (1: a constant predictor).

    NaN where no sample has a label.
    """
    first = first_categorical(label_sets)
    truth = labels[first.name]
    present = truth != MISSING_CLASS
    if not present.any():
        return dict.fromkeys(("val_dmi", "val_peer_accuracy", "val_top_share"), MISSING)
    classes, truth = predictions[first.name].argmax(1)[present], truth[present]
    joint = torch.zeros(first.size, first.size, dtype=torch.float64)
    joint.index_put_((classes, truth), torch.tensor(1 / len(truth), dtype=torch.float64), accumulate=True)
    return {
        "val_dmi": determinant_information(joint),
        "val_peer_accuracy": peer_accuracy(joint),
        "val_top_share": float(joint.sum(1).max()),
    }


def determinant_information(joint: Tensor) -> float:
    """Determinant-based mutual information (Xu et al., NeurIPS 2019) of a joint distribution (K, K), scaled to [0, 1].

    K |det|^(1 / K): 1 for equal labels of uniform classes, 0 where a class is never predicted. Noise that depends on
    the class alone multiplies it by the same factor for every classifier.
    """
    return float(len(joint) * joint.det().abs() ** (1 / len(joint)))


def peer_accuracy(joint: Tensor) -> float:
    """Accuracy less that on labels of other samples drawn at random (Liu & Guo, ICML 2020), from a joint (K, K)."""
    return float(joint.trace() - (joint.sum(0) * joint.sum(1)).sum())
