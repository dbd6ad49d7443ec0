"""Estimates how many labels of a data set are wrong, from the labels alone: no clean ones are needed.

If several annotators label the same classes, the estimate comes from how often they disagree. Otherwise it comes from
confident learning (cleanlab; Northcutt et al. 2021) on class probabilities for images that the network was not trained
on. That network is trained with generalised cross-entropy, since one that has memorised wrong labels would call right
ones wrong. Each mistake of the network counts as a wrong label: with few images the estimate is too high, and if the
network has hardly learned anything there is none. `docs/reading_the_report.md` shows both methods' errors on data whose
noise is known.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from cleanlab.count import compute_confident_joint, estimate_joint
from sklearn.model_selection import StratifiedKFold

from fer_tune.data.errors import printable
from fer_tune.data.labels import MISSING_CLASS, first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.data.votes import voting_sets
from fer_tune.errors import UserError
from fer_tune.models.spec import ModelSpec
from fer_tune.system.randomness import numpy_stream, stream_seed
from fer_tune.training.methods import build_trainer
from fer_tune.training.spec import TrainingSpec

FOLDS = 3
MAX_STEPS = 1000  # of each fold's network; the epoch that predicts held-out noisy labels best counts
MAX_EPOCHS = 60
PATIENCE = 6  # epochs without a better one before training stops
RESAMPLES = 200
INTERVAL = (0.025, 0.975)  # quantiles of the resampled estimates
CONFIDENT_LEARNING_ERROR = 0.15  # the most that it was too high, on synthetic faces (docs/reading_the_report.md)
DISAGREEMENT_ERROR = 0.03  # how far off it has been at most, either way (tests/training/test_noise_estimate.py)
LEAST_GAIN = 1 / 6  # of what the largest class alone leaves wrong: a network that does less makes its own mistakes


class EstimateError(UserError):
    """The labels are too few, or too hard to learn, to estimate how many are wrong."""


@dataclass(frozen=True)
class NoiseEstimate:
    """The share of wrong labels in [0, 1], its 95 % interval, and how it was found.

    `low` and `high` are the resampling interval, widened by the method's own measured error.
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
        model, training: of the network for confident learning; lambda and epochs are not used.
        progress: called with a line of text before each epoch.

    Raises EstimateError if too few samples have a label, or the network learns too little from them.
    """
    first, shared = first_categorical(data.label_sets), _shared_answers(data)
    if len(shared):
        return _from_annotators(shared, first.size, seed)
    labelled = _labelled(data)
    classes = data.labels[first.name][labelled]
    counts = np.bincount(classes, minlength=first.size)
    if (counts[counts > 0] < FOLDS).any() or (counts > 0).sum() < 2:
        few = [f"{printable(first.names[k])} {counts[k]}" for k in np.flatnonzero((counts > 0) & (counts < FOLDS))]
        have = f"too few have {', '.join(few)}" if few else f"labelled classes: {int((counts > 0).sum())}"
        raise EstimateError(
            f"too few labels of {first.name} to estimate their noise: at least two classes are needed, "
            f"each with {FOLDS} labels or more; {have}"
        )
    probabilities = held_out_probabilities(data, labelled, model, training, seed, progress)
    accuracy, largest = float((probabilities.argmax(1) == classes).mean()), float(counts.max() / counts.sum())
    if accuracy < largest + LEAST_GAIN * (1 - largest):  # with seven equal classes twice their share
        raise EstimateError(
            f"cannot estimate how many labels are wrong: a network predicts only {accuracy:.0%} of held-out labels "
            f"(the largest class alone: {largest:.0%}). Set --noise-ratio, or provide more images"
        )
    return _from_probabilities(classes, probabilities, seed)


def network_epochs(data: NoisyData, training: TrainingSpec) -> tuple[int, int]:
    """On how many samples `estimate_noise` trains its networks, and for how many epochs each at most.

    (0, 0) where annotators' disagreement tells the noise and no network is needed.
    """
    samples = 0 if len(_shared_answers(data)) else len(_labelled(data))
    return (samples, _epochs(samples * (FOLDS - 1) // FOLDS, training)) if samples else (0, 0)


def _epochs(samples: int, training: TrainingSpec) -> int:
    size = max(1, min(training.batch_size, samples))
    return min(MAX_EPOCHS, -(-MAX_STEPS // max(1, samples // size)))


def _used(data: NoisyData) -> np.ndarray:
    """Indices of the training and validation samples, rising."""
    return np.sort(np.concatenate([data.dataset.splits["train"], data.dataset.splits["validation"]]))


def _shared_answers(data: NoisyData) -> np.ndarray:
    """Classes (n, A) that A annotators gave to samples that two or more labelled, missing ones -1; n = 0 with one."""
    voters, used = voting_sets(data.label_sets), _used(data)
    answers = np.stack([data.labels[s.name][used] for s in voters], axis=1)
    return answers[(answers != MISSING_CLASS).sum(axis=1) > 1]


def _labelled(data: NoisyData) -> np.ndarray:
    """Indices of the training and validation samples that have a label of the first categorical set."""
    used = _used(data)
    return used[data.labels[first_categorical(data.label_sets).name][used] != MISSING_CLASS]


def annotator_error(answers: np.ndarray, classes: int) -> float:
    """Mean error of annotators who err independently and evenly over classes, from answers (N, A), missing ones -1.

    Two who are each wrong with probability e agree with probability (1 - e)^2 + e^2 / (K - 1). The error is at most
    1 - 1 / K, at which they agree by chance.
    """
    agree = pairs = 0
    for a in range(answers.shape[1]):
        for b in range(a):
            both = (answers[:, a] != MISSING_CLASS) & (answers[:, b] != MISSING_CLASS)
            pairs += int(both.sum())
            agree += int((answers[both, a] == answers[both, b]).sum())
    agreement, worst = agree / pairs, 1 - 1 / classes
    discriminant = 1 - (1 - agreement) / worst  # of the quadratic equation in e; 0 at chance agreement
    return float(worst * (1 - np.sqrt(max(discriminant, 0.0))))


def _from_annotators(answers: np.ndarray, classes: int, seed: int) -> NoiseEstimate:
    rng = numpy_stream(seed, "noise estimate")
    found = [annotator_error(answers[rng.integers(len(answers), size=len(answers))], classes) for _ in range(RESAMPLES)]
    low, high = np.quantile(found, INTERVAL)
    return NoiseEstimate(
        ratio=annotator_error(answers, classes),
        low=max(float(low) - DISAGREEMENT_ERROR, 0.0),
        high=float(high) + DISAGREEMENT_ERROR,
        method=f"disagreement between {answers.shape[1]} annotators on {len(answers)} samples",
    )


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
    probabilities = np.zeros((len(samples), first.size))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=stream_seed(seed, "folds") % 2**32)
    for number, (others, held_out) in enumerate(folds.split(samples, data.labels[first.name][samples]), 1):
        own = samples[held_out]
        splits = {"train": samples[others], "validation": own, "test": own[:1]}
        part = NoisyData(replace(data.dataset, splits=splits), data.labels)
        size, epochs = min(training.batch_size, len(others)), _epochs(len(others), training)
        plain = {"lam": 0.0, "epochs": epochs, "method": "gce", "warmup_epochs": 0, "augment": False}
        trainer = build_trainer(part, model, training.model_copy(update={**plain, "batch_size": size}), seed)
        best, since = -1.0, 0
        while not trainer.done and since < PATIENCE:
            progress(f"estimating the noise: network {number} of {FOLDS}, epoch {trainer.epoch + 1} of {epochs}")
            accuracy, since = trainer.run_epoch()["val_accuracy"], since + 1
            if accuracy > best:
                best, since = accuracy, 0
                probabilities[held_out] = trainer.predict(own)[first.name].numpy()
    return probabilities


def _from_probabilities(classes: np.ndarray, probabilities: np.ndarray, seed: int) -> NoiseEstimate:
    present = np.unique(classes)  # cleanlab needs every class to occur
    probabilities = probabilities[:, present] / probabilities[:, present].sum(axis=1, keepdims=True)
    classes = np.searchsorted(present, classes)
    rng = numpy_stream(seed, "noise estimate")
    found = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(len(classes), size=len(classes))
        if len(np.unique(classes[chosen])) == len(present):
            found.append(confident_ratio(classes[chosen], probabilities[chosen]))
    low, high = np.quantile(found, INTERVAL)
    return NoiseEstimate(
        ratio=confident_ratio(classes, probabilities),
        low=max(float(low) - CONFIDENT_LEARNING_ERROR, 0.0),
        high=float(high),
        method=f"confident learning on {len(classes)} samples, {FOLDS} networks",
    )


def confident_ratio(classes: np.ndarray, probabilities: np.ndarray) -> float:
    """The share of wrong labels by confident learning, from labels (n,) and held-out probabilities (n, K)."""
    counts = compute_confident_joint(classes, probabilities, calibrate=True)
    joint = estimate_joint(classes, probabilities, confident_joint=counts)
    return float(1 - np.trace(joint))
