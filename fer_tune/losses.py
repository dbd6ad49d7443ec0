"""The losses of the joint game, with the normalisation under which 2.6 and 0.45 mean something."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_tune.labels import LabelSet

CCC_EPS = 1e-8


def concordance(predicted: Tensor, target: Tensor) -> Tensor:
    """Lin's concordance correlation of each column: (N, d), (N, d) -> (d,) in [-1, 1].

    Population variance over the batch; constant inputs give 0 or, where equal, a finite value.
    """
    difference = predicted.mean(0) - target.mean(0)
    covariance = ((predicted - predicted.mean(0)) * (target - target.mean(0))).mean(0)
    spread = predicted.var(0, correction=0) + target.var(0, correction=0)
    return 2 * covariance / (spread + difference**2 + CCC_EPS)


def task_losses(outputs: Tensor, labels: Tensor, label_sets: Sequence[LabelSet]) -> tuple[Tensor, Tensor]:
    """Cross-entropy summed over categorical sets, and 1 - mean CCC over all continuous values.

    Args:
        outputs: (N, sum of sizes), raw.
        labels: (N, sum of sizes), classes one-hot.

    The second is 0 where no continuous set exists.
    """
    sizes = [s.size for s in label_sets]
    cross_entropy = outputs.new_zeros(())
    cccs = []
    for label_set, out, label in zip(label_sets, outputs.split(sizes, 1), labels.split(sizes, 1), strict=True):
        if label_set.kind == "categorical":
            cross_entropy = cross_entropy + F.cross_entropy(out, label.argmax(1))
        else:
            cccs.append(concordance(out, label))
    ccc_loss = 1 - torch.cat(cccs).mean() if cccs else outputs.new_zeros(())
    return cross_entropy, ccc_loss


def generator_joint_loss(real: Tensor, generated: Tensor) -> Tensor:
    """L_G from weighted scores (N, T + 3) of real and generated pairs."""
    return real.mean() - generated.mean()


def discriminator_joint_loss(real: Tensor, generated: Tensor) -> Tensor:
    """L_D, a hinge loss, from weighted scores (N, T + 3) of real and generated pairs."""
    return F.relu(1 - real).mean() + F.relu(1 + generated).mean()
