"""Which labels are probably wrong, worst first, in cleanlab's order (Northcutt et al. 2021; Goh et al. 2022)."""

from dataclasses import dataclass

import numpy as np
from cleanlab.multiannotator import get_label_quality_multiannotator
from cleanlab.rank import get_label_quality_scores

from fer_tune.data.labels import MISSING_CLASS
from fer_tune.data.noisy import NoisyData
from fer_tune.data.votes import voting_sets
from fer_tune.training.held_out import HeldOut
from fer_tune.training.label_errors import LabelErrors
from fer_tune.training.noise_estimate import annotators_disagree, given_classes, label_errors


@dataclass(frozen=True)
class Suspect:
    """A label that is probably wrong.

    Attributes:
        sample: index into the data set.
        label_set: the set with the label: one annotator's where there are several.
        given, likely: classes: the one given, and the most probable one, which differs.
        probability: that the given one is wrong, in [0, 1].
    """

    sample: int
    label_set: str
    given: int
    likely: int
    probability: float


def find_suspects(data: NoisyData, held_out: HeldOut, seed: int = 0) -> list[Suspect]:
    """The labels of training and validation samples for which another class is more probable, worst first.

    Where annotators labelled the same images, each answer is judged by the others and by the image (CROWDLAB).
    Raises EstimateError as `label_errors` does.
    """
    errors = label_errors(data, held_out, seed)
    if annotators_disagree(data):
        return _by_annotators(data, held_out.samples, errors)
    given = given_classes(data, held_out.samples)
    wrong = wrong_probabilities(given, errors)
    likely = errors.classes.argmax(axis=1)
    worst = [i for i in np.argsort(-wrong, kind="stable").tolist() if likely[i] != given[i]]
    samples = held_out.samples.tolist()
    return [
        Suspect(samples[i], _set_of(data, samples[i]), int(given[i]), int(likely[i]), float(wrong[i])) for i in worst
    ]


def wrong_probabilities(given: np.ndarray, errors: LabelErrors) -> np.ndarray:
    """How probably each given class (n,) is wrong."""
    quality: np.ndarray = get_label_quality_scores(given, errors.classes, method="self_confidence")
    return 1 - quality


def _by_annotators(data: NoisyData, samples: np.ndarray, errors: LabelErrors) -> list[Suspect]:
    voters = voting_sets(data.label_sets)
    answers = np.stack([data.labels[s.name][samples] for s in voters], axis=1)
    asked = np.where(answers == MISSING_CLASS, np.nan, answers)
    judged = get_label_quality_multiannotator(asked, errors.seen, return_annotator_stats=False, verbose=False)
    likely = judged["label_quality"]["consensus_label"].to_numpy().astype(int)
    wrong = 1 - judged["detailed_label_quality"].to_numpy()
    rows, columns = np.nonzero((answers != MISSING_CLASS) & (answers != likely[:, None]))
    order = np.argsort(-wrong[rows, columns], kind="stable")
    return [
        Suspect(int(samples[i]), voters[a].name, int(answers[i, a]), int(likely[i]), float(wrong[i, a]))
        for i, a in zip(rows[order].tolist(), columns[order].tolist(), strict=True)
    ]


def _set_of(data: NoisyData, sample: int) -> str:
    """The voting set that labels a sample."""
    return next(s.name for s in voting_sets(data.label_sets) if data.labels[s.name][sample] != MISSING_CLASS)
