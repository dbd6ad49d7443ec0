"""Estimates how many labels of a data set are wrong, from the labels alone: no clean ones are needed.

If several annotators label the same classes, the estimate comes from how often they disagree. Otherwise it comes from
`label_errors`, on scores of images by a classifier that was not trained on their labels (`held_out`). If that
classifier has hardly learned anything there is no estimate. `docs/reading_the_report.md` shows both methods' errors on
data whose noise is known.
"""

from dataclasses import dataclass

import numpy as np

from fer_tune.data.errors import printable
from fer_tune.data.labels import MISSING_CLASS, first_categorical
from fer_tune.data.noisy import NoisyData
from fer_tune.data.votes import voting_sets
from fer_tune.errors import UserError
from fer_tune.system.randomness import numpy_stream
from fer_tune.training.held_out import HeldOut, labelled_samples
from fer_tune.training.label_errors import LabelErrors, find_label_errors

LEAST_LABELS = 3  # of a class that occurs
RESAMPLES = 200
INTERVAL = (0.025, 0.975)  # quantiles of the resampled estimates
MIXTURE_ERROR = 0.06  # how far off it has been at most, either way (docs/reading_the_report.md)
DISAGREEMENT_ERROR = 0.03  # how far off it has been at most, either way (tests/training/test_noise_estimate.py)
LEAST_GAIN = 1 / 6  # of what the largest class alone leaves wrong: a classifier that does less has learned nothing


class EstimateError(UserError):
    """The labels are too few, or too hard to learn, to estimate how many are wrong."""


@dataclass(frozen=True)
class NoiseEstimate:
    """The share of wrong labels in [0, 1], its interval, and how it was found.

    `low` and `high` add the method's own measured error to a 95 % interval over samples.
    """

    ratio: float
    low: float
    high: float
    method: str


def annotators_disagree(data: NoisyData) -> bool:
    """Whether two annotators labelled the same images: the estimate then needs no scores."""
    return len(_shared_answers(data)) > 0


def check_labels(data: NoisyData) -> None:
    """Raise EstimateError if too few samples have a label to say anything about."""
    first = first_categorical(data.label_sets)
    given = np.concatenate([data.labels[s.name][labelled_samples(data)] for s in voting_sets(data.label_sets)])
    counts = np.bincount(given[given != MISSING_CLASS], minlength=first.size)
    present, scarce = counts > 0, (counts > 0) & (counts < LEAST_LABELS)
    if scarce.any() or present.sum() < 2:
        few = [f"{printable(first.names[k])} {counts[k]}" for k in np.flatnonzero(scarce)]
        have = f"too few have {', '.join(few)}" if few else f"labelled classes: {int(present.sum())}"
        raise EstimateError(
            f"too few labels of {first.name} to estimate their noise: at least two classes are needed, "
            f"each with {LEAST_LABELS} labels or more; {have}"
        )


def estimate_noise(data: NoisyData, held_out: HeldOut | None = None, seed: int = 0) -> NoiseEstimate:
    """The share of wrong labels of the first categorical set, over training and validation samples.

    Args:
        held_out: scores of the samples; needed unless `annotators_disagree`.

    Raises EstimateError if too few samples have a label, or the scores tell too little about them.
    """
    if annotators_disagree(data):
        return _from_annotators(_shared_answers(data), first_categorical(data.label_sets).size, seed)
    if held_out is None:
        raise ValueError("one annotator: the estimate needs held-out scores")
    found = label_errors(data, held_out, seed)
    sampling = 1.96 * float(np.sqrt(found.ratio * (1 - found.ratio) / len(held_out.samples)))
    return NoiseEstimate(
        ratio=found.ratio,
        low=max(0.0, min(found.found, found.ratio) - sampling - MIXTURE_ERROR),
        high=min(1.0, found.ratio + sampling + MIXTURE_ERROR),
        method=f"held-out scores of {len(held_out.samples)} images",
    )


def label_errors(data: NoisyData, held_out: HeldOut, seed: int = 0) -> LabelErrors:
    """What the mixture says of the labels of the first categorical set; its rows are those of `held_out`.

    Raises EstimateError if too few samples have a label, or the scores predict hardly more than the largest class.
    """
    check_labels(data)
    given = given_classes(data, held_out.samples)
    accuracy = float((held_out.scores.argmax(axis=1) == given).mean())
    largest = float(np.bincount(given).max() / len(given))
    if accuracy < largest + LEAST_GAIN * (1 - largest):  # with seven equal classes twice their share
        raise EstimateError(
            f"cannot estimate how many labels are wrong: only {accuracy:.0%} of held-out labels can be predicted from "
            f"the images (the largest class alone: {largest:.0%}). Set --noise-ratio, or provide more images"
        )
    return find_label_errors(held_out.scores, given, numpy_stream(seed, "label errors"))


def given_classes(data: NoisyData, samples: np.ndarray) -> np.ndarray:
    """The classes (n,) that samples were given: of several annotators what most say, the first of equally many."""
    voters = voting_sets(data.label_sets)
    votes = sum(data.labels[s.name][samples][:, None] == np.arange(voters[0].size) for s in voters)
    given: np.ndarray = np.asarray(votes, dtype=int).argmax(axis=1)
    return given


def _shared_answers(data: NoisyData) -> np.ndarray:
    """Classes (n, A) that A annotators gave to samples that two or more labelled, missing ones -1; n = 0 with one."""
    voters, used = voting_sets(data.label_sets), labelled_samples(data)
    answers = np.stack([data.labels[s.name][used] for s in voters], axis=1)
    return answers[(answers != MISSING_CLASS).sum(axis=1) > 1]


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
