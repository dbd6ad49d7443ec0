"""The learning rate of each step: constant or a cosine, after a linear rise."""

import math

from fer_tune.training.spec import TrainingSpec


def is_constant(training: TrainingSpec) -> bool:
    """Whether every step has the same learning rate."""
    return training.schedule == "constant" and training.lr_warmup_epochs == 0


def learning_rate(training: TrainingSpec, epoch: int, step: int, steps: int) -> float:
    """The learning rate of one step.

    It rises in proportion to the steps over `lr_warmup_epochs`. After that a cosine falls from `lr` towards 0 at the
    end of the last epoch (Loshchilov & Hutter, ICLR 2017, without restarts); a constant rate stays.

    Args:
        epoch: from 1.
        step: of the epoch's `steps`, from 0.
    """
    done, rise = (epoch - 1) * steps + step, training.lr_warmup_epochs * steps
    if done < rise:
        return training.lr * (done + 1) / rise
    if training.schedule == "constant":
        return training.lr
    share = (done - rise) / max(1, training.epochs * steps - rise)
    return training.lr * (1 + math.cos(math.pi * min(share, 1.0))) / 2
