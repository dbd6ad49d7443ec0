"""What always answering the largest class scores, and which λs do no better or have given classes up.

python -m analysis.majority results/NAME
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_tune.analysis.gaps import listed
from fer_tune.analysis.results import Results
from fer_tune.analysis.tables import script
from fer_tune.analysis.text import joined, plain_name
from fer_tune.analysis.trial_files import Predictions, predictions
from fer_tune.decision.response import best_configurations
from fer_tune.decision.rules import NEAR_CONSTANT_SHARE

ONE_SIDED_95 = 1.645  # normal quantile
FEWEST_SAMPLES = 5  # of a class: with fewer a recall of 0 says little
UNEVEN = 1.5  # times an even share: from there on a class is large
MISSING_CLASS = -1


@dataclass(frozen=True)
class Largest:
    """The largest class of some labels and its share in [0, 1], which is the accuracy of always answering it."""

    name: str
    share: float

    def __str__(self) -> str:
        """Its name as a row of tables."""
        return f"largest class alone ({plain_name(self.name)})"


@dataclass(frozen=True)
class Fallen:
    """What one λ's networks answer for the test images, all seeds together.

    Attributes:
        lam: the λ.
        accuracy: on the images whose label is known.
        learnt_nothing: whether that is no better than the largest class alone, within its sampling error.
        answer: the class that they answer most often.
        share: how often.
        given_up: the classes of at least five images that they never recognise.
    """

    lam: float
    accuracy: float
    learnt_nothing: bool
    answer: str
    share: float
    given_up: tuple[str, ...]

    @property
    def collapsed(self) -> bool:
        """Whether nearly all answers are one class."""
        return self.share > NEAR_CONSTANT_SHARE


def on_test(results: Results, condition: str) -> Largest | None:
    """The largest class of a condition's test labels; None where no trial left predictions that can be read."""
    return on_test_of(results, results.trials.loc[results.trials["condition"] == condition, "key"])


def on_test_of(results: Results, keys: Iterable[object]) -> Largest | None:
    """The largest class of the test labels that trials with the same labels are scored on."""
    table = next((found for key in keys if (found := predictions(results, str(key))) is not None), None)
    return None if table is None else _largest(table.true, table.classes)


def on_validation(results: Results, condition: str) -> Largest | None:
    """The largest class of a condition's validation labels, from the stored data.

    Its share is what noise that spreads mistakes evenly over the classes leaves of it. None where the data are gone, or
    the study has several data sets.
    """
    digests = results.environment.digests
    stored = results.path / "data" / Path(digests[0]).name / "labels.npz" if len(digests) == 1 else Path()
    try:
        label_set = next(s for s in results.dataset(digests[0])["label_sets"] if s["kind"] == "categorical")
        with np.load(stored, allow_pickle=False) as arrays:
            labels = arrays[f"label.{label_set['name']}"][arrays["split.validation"]]
        found = _largest(labels, tuple(map(str, label_set["names"])))
    except Exception:  # whatever a damaged file makes of numpy; `tables` names it
        return None
    if found is None:
        return None
    left = results.trials.loc[results.trials["condition"] == condition, "accuracy_shrinkage"].dropna()
    even = 1 / len(label_set["names"])
    return Largest(found.name, even + (found.share - even) * (float(left.mean()) if len(left) else 1.0))


def _largest(labels: np.ndarray, classes: Sequence[str]) -> Largest | None:
    known = labels[labels != MISSING_CLASS]
    if not len(known):
        return None
    counts = np.bincount(known, minlength=len(classes))
    return Largest(classes[int(counts.argmax())], float(counts.max() / len(known)))


def rows(results: Results, condition: str) -> list[dict[str, str]]:
    """The largest class as a row of `recommendation.against_baseline`; none where the test labels are not there."""
    found = on_test(results, condition)
    if found is None:
        return []
    return [
        {
            "condition": condition,
            "λ": f"none: {found}",
            "test accuracy": f"{found.share:.3f}",
            "seeds": "",
            "difference from λ = 0": "",
        }
    ]


def fallen(results: Results, condition: str) -> list[Fallen]:
    """The λs of a condition, rising, whose networks have learnt nothing, collapsed or given a class up."""
    trials = best_configurations(results.trials[results.trials["condition"] == condition])
    found = []
    for lam, own in trials.groupby("lambda"):
        tables = [t for t in (predictions(results, str(key)) for key in own["key"]) if t is not None and t.known.any()]
        if tables:
            found.append(_judged(float(lam), tables))  # type: ignore[arg-type]
    return [each for each in found if each.learnt_nothing or each.collapsed or each.given_up]


def _judged(lam: float, tables: Sequence[Predictions]) -> Fallen:
    classes = tables[0].classes
    true = np.concatenate([t.true[t.known] for t in tables])
    answers = np.concatenate([t.predicted[t.known] for t in tables])
    largest = _largest(true, classes)
    assert largest is not None
    counts = np.bincount(answers, minlength=len(classes))
    right = np.bincount(true[answers == true], minlength=len(classes))
    samples = np.bincount(true, minlength=len(classes))
    accuracy = float(right.sum() / len(true))
    error = math.sqrt(largest.share * (1 - largest.share) / int(tables[0].known.sum()))  # seeds share their images
    return Fallen(
        lam=lam,
        accuracy=accuracy,
        learnt_nothing=accuracy <= largest.share + ONE_SIDED_95 * error,
        answer=classes[int(counts.argmax())],
        share=float(counts.max() / len(true)),
        given_up=tuple(
            classes[k] for k in np.flatnonzero((samples >= FEWEST_SAMPLES * len(tables)) & (right == 0)).tolist()
        ),
    )


def warnings(results: Results) -> list[str]:
    """Which λs have learnt nothing, collapsed or given classes up, and what to set; a sentence each."""
    said = []
    uneven = False
    for condition in map(str, results.trials["condition"].unique()):
        found, largest = fallen(results, condition), on_test(results, condition)
        if largest is None:
            continue
        where = "" if condition == "all" else f"At {condition}: "
        lost = [each for each in found if each.learnt_nothing]
        if lost:
            said.append(f"{where}{_nothing(lost, largest, results.test_labels)}")
        said += [f"{where}{_given_up(each)}" for each in found if each.collapsed or each.given_up]
        uneven |= bool(found) and _is_uneven(results, condition, largest)
    if said and uneven and (advice := _advice(results)):
        said.append(advice)
    return said


def _nothing(lost: Sequence[Fallen], largest: Largest, labels: str) -> str:
    lams = joined([f"λ = {each.lam:.3g}" for each in lost])
    scores = joined([f"{each.accuracy:.2f}" for each in lost])
    does = "does" if len(lost) == 1 else "do"
    return (
        f"{lams} {does} no better than always answering the largest class: {plain_name(largest.name)} alone scores "
        f"{largest.share:.2f} on the {labels}, {lams if len(lost) == 1 else 'these'} {scores}."
    )


def _given_up(each: Fallen) -> str:
    parts = []
    if each.collapsed:
        parts.append(f"answers {plain_name(each.answer)} for {each.share:.0%} of the test images")
    if each.given_up:
        parts.append(f"never recognises {listed(each.given_up, 10)} (recall 0)")
    return f"λ = {each.lam:.3g} {' and '.join(parts)}."


def _is_uneven(results: Results, condition: str, largest: Largest) -> bool:
    """Whether a class is so large, on the labels that trials are scored or chosen on, that answering it pays."""
    shares = [largest.share, *(v.share for v in [on_validation(results, condition)] if v is not None)]
    keys = results.trials.loc[results.trials["condition"] == condition, "key"]
    classes = next((len(t.classes) for key in keys if (t := predictions(results, str(key))) is not None), 1)
    return max(shares) >= UNEVEN / classes


def _advice(results: Results) -> str:
    """What to set so that every class counts; empty where all of it is set."""
    settings = []
    if results.study.section("training").get("balance", "none") == "none":
        settings.append("training.balance: sampling")
    if results.objective == "val_accuracy":
        settings.append("objective: val_mean_class_accuracy")
    return f"To make every class count equally, set {joined(settings)}." if settings else ""


def show(results: Results) -> str:
    """Every condition's largest class, and the warnings, as text."""
    lines = []
    for condition in map(str, results.trials["condition"].unique()):
        for split, found in (("test", on_test(results, condition)), ("validation", on_validation(results, condition))):
            if found is not None:
                lines.append(f"{condition}, {split}: {plain_name(found.name)} alone scores {found.share:.3f}")
    return "\n".join([*lines, *warnings(results)]) or f"{results.path}: no trial has left predictions"


if __name__ == "__main__":
    script(__doc__, show)
