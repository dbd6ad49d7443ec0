"""How many labels of a data set are wrong, from the labels themselves: no clean one is needed.

Where several annotators label the same classes, from how often they disagree. Otherwise by confident learning
(cleanlab; Northcutt et al. 2021) on class probabilities that a network gives to images it was not trained on; it
is trained by generalised cross-entropy, since one that has learnt the wrong labels calls right ones wrong. A mistake
of the network counts as a wrong label, so with few images the estimate is too high, and where the network has hardly
learnt anything there is none. `docs/reading_the_report.md` shows how far both are off on data whose noise is known.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from cleanlab.count import compute_confident_joint, estimate_joint

from fer_tune.data.labels import MISSING_CLASS, first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.data.votes import voting_sets
from fer_tune.models.spec import ModelSpec
from fer_tune.system.randomness import numpy_stream
from fer_tune.training.methods import build_trainer
from fer_tune.training.spec import TrainingSpec

FOLDS = 3
STEPS = 1000  # of each fold's network, at most; the epoch that predicts held-out noisy labels best counts
MOST_EPOCHS, PATIENCE = 60, 6  # and it stops after so many epochs without a better one
RESAMPLES = 200
TOO_HIGH = 0.15  # by how much confident learning has been, at the most, on drawn faces (docs/reading_the_report.md)
OFF = 0.03  # by how much the annotators' disagreement has been, either way (tests/test_estimate.py)
LEAST_LEARNT = 2.0  # times chance: below, the network's own mistakes are most of what is counted


class EstimateError(ValueError):
    """The labels do not tell how many of them are wrong."""


@dataclass(frozen=True)
class NoiseEstimate:
    """The share of wrong labels, between which values it may lie, and how it was found.

    `low` and `high` are where resampling puts it (2.5 to 97.5 %), widened by the method's own error as measured.
    """

    ratio: float
    low: float
    high: float
    method: str


def estimate_noise(
    data: NoisyData,
    model: ModelSpec,
    training: TrainingSpec,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> NoiseEstimate:
    """The share of wrong labels of the first categorical set, over training and validation samples.

    Args:
        model, training: of the network that confident learning needs; lambda and epochs are not used.
        progress: is told what happens.

    Raises EstimateError where too few samples have a label, or a network learns too little from them.
    """
    first, voters = first_categorical(data.label_sets), voting_sets(data.label_sets)
    used = np.sort(np.concatenate([data.dataset.splits["train"], data.dataset.splits["validation"]]))
    if len(voters) > 1:
        answers = np.stack([data.labels[s.name][used] for s in voters], axis=1)
        shared = answers[(answers != MISSING_CLASS).sum(axis=1) > 1]
        if len(shared):
            return _from_annotators(shared, first.size, seed)
    labelled = used[data.labels[first.name][used] != MISSING_CLASS]
    classes = data.labels[first.name][labelled]
    counts = np.bincount(classes, minlength=first.size)
    if (counts[counts > 0] < FOLDS).any() or (counts > 0).sum() < 2:
        raise EstimateError(f"too few labels of {first.name} to estimate their noise: {FOLDS} of each class are needed")
    probabilities = held_out_probabilities(data, labelled, model, training, seed, progress)
    right, chance = float((probabilities.argmax(1) == classes).mean()), 1 / int((counts > 0).sum())
    if right < LEAST_LEARNT * chance:
        raise EstimateError(
            f"how many labels are wrong cannot be told: a network predicts unseen ones in {right:.0%} of cases "
            f"(chance {chance:.0%}). Give --noise-ratio, or more images"
        )
    return _from_probabilities(classes, probabilities, seed)


def annotator_error(answers: np.ndarray, classes: int) -> float:
    """The mean error of annotators who are wrong independently and evenly, from answers (N, A), missing -1.

    Two who are each wrong with probability e agree with probability (1 - e)^2 + e^2 / (K - 1). At most 1 - 1 / K,
    where they agree by chance.
    """
    agree = pairs = 0
    for a in range(answers.shape[1]):
        for b in range(a):
            both = (answers[:, a] != MISSING_CLASS) & (answers[:, b] != MISSING_CLASS)
            pairs += int(both.sum())
            agree += int((answers[both, a] == answers[both, b]).sum())
    share, worst = agree / pairs, 1 - 1 / classes
    inside = 1 - (1 - share) / worst  # the discriminant over 1, 0 at chance agreement
    return float(worst * (1 - np.sqrt(max(inside, 0.0))))


def _from_annotators(answers: np.ndarray, classes: int, seed: int) -> NoiseEstimate:
    rng = numpy_stream(seed, "noise estimate")
    found = [annotator_error(answers[rng.integers(len(answers), size=len(answers))], classes) for _ in range(RESAMPLES)]
    low, high = np.quantile(found, [0.025, 0.975])
    method = f"disagreement between {answers.shape[1]} annotators on {len(answers)} samples"
    return NoiseEstimate(annotator_error(answers, classes), max(float(low) - OFF, 0.0), float(high) + OFF, method)


def held_out_probabilities(
    data: NoisyData,
    samples: np.ndarray,
    model: ModelSpec,
    training: TrainingSpec,
    seed: int,
    progress: Callable[[str], None],
) -> np.ndarray:
    """Class probabilities (n, K) of samples (n,), each from a network that was not trained on it."""
    first = first_categorical(data.label_sets)
    labels = data.labels[first.name]
    folds = _folds(labels[samples], seed)
    probabilities = np.zeros((len(samples), first.size))
    for fold in range(FOLDS):
        own, others = samples[folds == fold], samples[folds != fold]
        splits = {"train": others, "validation": own, "test": own[:1]}
        part = NoisyData(replace(data.dataset, splits=splits), data.labels)
        size = min(training.batch_size, len(others))
        epochs = min(MOST_EPOCHS, -(-STEPS // (len(others) // size)))
        plain = {"lam": 0.0, "epochs": epochs, "method": "gce", "warmup_epochs": 0, "augment": False}
        trainer = build_trainer(part, model, training.model_copy(update={**plain, "batch_size": size}), seed)
        best, since = -1.0, 0
        while not trainer.done and since < PATIENCE:
            progress(f"estimating the noise: network {fold + 1} of {FOLDS}, epoch {trainer.epoch + 1} of {epochs}")
            accuracy, since = trainer.run_epoch()["val_accuracy"], since + 1
            if accuracy > best:
                best, since = accuracy, 0
                probabilities[folds == fold] = trainer.predict(own)[first.name].numpy()
    return probabilities


def _folds(classes: np.ndarray, seed: int) -> np.ndarray:
    """A fold (n,) for each sample, every class spread evenly."""
    folds = np.empty(len(classes), dtype=int)
    rng = numpy_stream(seed, "folds")
    for k in np.unique(classes):
        members = rng.permutation(np.flatnonzero(classes == k))
        folds[members] = np.arange(len(members)) % FOLDS
    return folds


def _from_probabilities(classes: np.ndarray, probabilities: np.ndarray, seed: int) -> NoiseEstimate:
    present = np.unique(classes)  # cleanlab wants classes without gaps
    probabilities = probabilities[:, present] / probabilities[:, present].sum(axis=1, keepdims=True)
    classes = np.searchsorted(present, classes)
    rng = numpy_stream(seed, "noise estimate")
    found = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(len(classes), size=len(classes))
        if len(np.unique(classes[chosen])) == len(present):
            found.append(confident_ratio(classes[chosen], probabilities[chosen]))
    low, high = np.quantile(found, [0.025, 0.975])
    method = f"confident learning on {len(classes)} samples, {FOLDS} networks"
    low = max(float(low) - TOO_HIGH, 0.0)
    return NoiseEstimate(confident_ratio(classes, probabilities), low, float(high), method)


def confident_ratio(classes: np.ndarray, probabilities: np.ndarray) -> float:
    """The share of wrong labels by confident learning, from labels (n,) and held-out probabilities (n, K)."""
    counts = compute_confident_joint(classes, probabilities, calibrate=True)
    joint = estimate_joint(classes, probabilities, confident_joint=counts)
    return float(1 - np.trace(joint))
