"""Readings of a run that need no clean label."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from fer_tune.data.labels import MISSING_CLASS, LabelSet, first_categorical
from fer_tune.models.encoder import Encoder
from fer_tune.system.randomness import stream_seed
from fer_tune.training.batches import Batches
from fer_tune.training.devices import autocast
from fer_tune.training.losses import cross_entropy
from fer_tune.training.scores import MISSING

PROBE_IMAGES = 128  # validation images that get random labels


def prediction_changes(classes: Tensor, before: Tensor | None) -> float:
    """The share of predicted classes (n,) that differ from those an epoch earlier. NaN without earlier ones."""
    return MISSING if before is None else float((classes != before).float().mean())


def susceptibility(encoder: Encoder, optimiser: torch.optim.Optimizer, batches: Batches, seed: int) -> float:
    """Accuracy that one step on random labels gains on them, in [-1, 1] (Forouzesh et al., ICLR 2023).

    A network that memorises easily gains much. The step is made on a copy of the encoder; images and random classes
    are the same in every epoch. It is the optimiser's step without momentum: each weight moves as far as its own
    past gradients allow, at the run's own learning rate wherever its schedule stands.

    Args:
        optimiser: the Adam that has trained the encoder.
    """
    label_sets = batches.data.label_sets
    first = first_categorical(label_sets)
    indices = batches.data.dataset.splits["validation"][:PROBE_IMAGES]
    draw = torch.Generator().manual_seed(stream_seed(seed, "susceptibility"))
    classes = torch.randint(first.size, (len(indices),), generator=draw).to(batches.device)
    probe, images = copy.deepcopy(encoder).eval(), batches.images(indices)

    def outputs() -> Tensor:
        with autocast(batches.device, batches.training.precision):
            labels = probe(images).labels
        return labels.float().split([s.size for s in label_sets], dim=1)[label_sets.index(first)]

    before = outputs()
    cross_entropy(before, classes).backward()
    adam = optimiser.param_groups[0]
    with torch.no_grad():
        for own, copied in zip(encoder.parameters(), probe.parameters(), strict=True):
            state = optimiser.state.get(own)
            if state and copied.grad is not None:
                scale = (state["exp_avg_sq"] / (1 - adam["betas"][1] ** state["step"])).sqrt() + adam["eps"]
                copied.sub_(batches.training.lr * copied.grad / scale)
        after = outputs()
    right = [(scores.argmax(1) == classes).float().mean() for scores in (before, after)]
    return float(right[1] - right[0])


def label_readings(
    label_sets: tuple[LabelSet, ...], predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]
) -> dict[str, float]:
    """Readings of the first categorical set on noisy validation labels; NaN if no sample has a label.

    Returns:
        val_dmi and val_peer_accuracy, which label noise distorts less than accuracy, and val_top_share, the share
        of the class predicted most often (1: the network predicts one class only).
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
    """Accuracy minus accuracy on randomly swapped labels (Liu & Guo, ICML 2020), of a joint distribution (K, K)."""
    return float(joint.trace() - (joint.sum(0) * joint.sum(1)).sum())
