"""The losses of joint training and of the methods compared.

L_G and L_D are means over all T + 3 scores, so that they can be compared with the paper's values (2.6 and 0.45).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_tune.data.labels import LabelSet

CCC_EPS = 1e-8
ClassLoss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def concordance(predicted: Tensor, target: Tensor) -> Tensor:
    """Lin's concordance correlation of each column: (N, d), (N, d) -> (d,) in [-1, 1].

    Population variance over the batch. Of constant columns it is 0, or finite where both are equal.
    """
    difference = predicted.mean(0) - target.mean(0)
    covariance = ((predicted - predicted.mean(0)) * (target - target.mean(0))).mean(0)
    spread = predicted.var(0, correction=0) + target.var(0, correction=0)
    return 2 * covariance / (spread + difference**2 + CCC_EPS)


def cross_entropy(outputs: Tensor, classes: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of raw outputs (N, K) against classes (N,), weighted by class (K,)."""
    return F.cross_entropy(outputs, classes, weight=weight)


def generalised_cross_entropy(outputs: Tensor, classes: Tensor, weight: Tensor | None = None, q: float = 0.7) -> Tensor:
    """Mean of (1 - p^q) / q, p the probability given to the label (Zhang & Sabuncu 2018, eq. 6), weighted."""
    p = outputs.softmax(1).gather(1, classes[:, None])[:, 0]
    return weighted_mean((1 - p.clamp_min(1e-7) ** q) / q, classes, weight)


def weighted_mean(losses: Tensor, classes: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of losses (N,) weighted by each sample's class (N,), as in cross-entropy; `weight` is (K,) or None."""
    return losses.mean() if weight is None else (losses * weight[classes]).sum() / weight[classes].sum()


def task_losses(
    outputs: Tensor,
    labels: Tensor,
    label_sets: Sequence[LabelSet],
    classify: ClassLoss = cross_entropy,
    weights: Mapping[str, Tensor] | None = None,
    missing: bool = False,
) -> tuple[Tensor, Tensor]:
    """Class loss summed over categorical sets, and 1 - mean CCC over all continuous values.

    Args:
        outputs: (N, sum of sizes), raw.
        labels: (N, sum of sizes), classes one-hot.
        classify: loss of one set from outputs (N, K), classes (N,) and class weights (K,) or None.
        weights: class weights (K,) by label set.
        missing: labels may be missing (NaN); each set's loss is then over the samples that have one.

    Without a continuous set the second is 0.
    """
    sizes = [s.size for s in label_sets]
    class_loss = (
        outputs.sum() * 0 if missing else outputs.new_zeros(())
    )  # has a gradient even if all labels are missing
    cccs = []
    for label_set, out, label in zip(label_sets, outputs.split(sizes, 1), labels.split(sizes, 1), strict=True):
        if missing:
            present = ~torch.isnan(label).any(1)
            out, label = out[present], label[present]
            if len(label) < 2:  # CCC needs two samples
                continue
        if label_set.kind == "categorical":
            class_loss = class_loss + classify(out, label.argmax(1), (weights or {}).get(label_set.name))
        else:
            cccs.append(concordance(out, label))
    ccc_loss = 1 - torch.cat(cccs).mean() if cccs else outputs.new_zeros(())
    return class_loss, ccc_loss


def generator_joint_loss(real: Tensor, generated: Tensor) -> Tensor:
    """L_G from weighted scores (N, T + 3) of real and generated pairs."""
    return real.mean() - generated.mean()


def discriminator_joint_loss(real: Tensor, generated: Tensor) -> Tensor:
    """L_D, a hinge loss from weighted scores (N, T + 3) of real and generated pairs."""
    return F.relu(1 - real).mean() + F.relu(1 + generated).mean()
