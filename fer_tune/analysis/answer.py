"""Which λ at another noise ratio, from a study that has run: an answer within what was studied, or none.

`python -m fer_tune.recommend results/NAME --noise-ratio 0.3` prints it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fer_tune.analysis import race, screen
from fer_tune.analysis.gains import Gain, gain, gain_between
from fer_tune.analysis.recommendation import Findings, certainty, fingerprint
from fer_tune.analysis.results import Results
from fer_tune.analysis.study_record import StudyRecord, column
from fer_tune.analysis.tables import with_interval
from fer_tune.decision.interpolation import SAME_RATIO, Interpolation, Studied, interpolate
from fer_tune.names import NOISE_KIND, NOISE_RATIO, find

UNKNOWN = (
    "This study added no noise to its labels, so its noise ratio is unknown. It answers for the noise that the labels "
    "already have: for its own data, or for others that are labelled alike (--data). For a noise ratio, ask a study "
    "that adds noise, such as results/noise_kinds."
)


class NoEvidence(Exception):
    """The study says nothing about what was asked; the message says why."""


@dataclass(frozen=True)
class Answer:
    """A λ for a noise ratio, or why there is none.

    Attributes:
        lam: the λ of least expected regret; None where the study is no evidence.
        interval: the range that holds the best λ with 95 %; None where one seed allows none.
        why: what it rests on, or why there is none, a sentence each.
    """

    lam: float | None
    interval: tuple[float, float] | None = None
    why: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The answer in words."""
        if self.lam is None:
            return "\n".join(["No evidence.", *self.why])
        return "\n".join([f"λ = {self.lam:.3g}{certainty(self.interval) if self.interval else ''}.", *self.why])


@dataclass(frozen=True)
class Difference:
    """A setting that λ may depend on and in which two studies differ.

    Attributes:
        setting: its full name, or "label_sets".
        first: its value in the first study.
        second: its value in the second study; None where that study varies it.
    """

    setting: str
    first: Any
    second: Any | None

    def text(self, first: str, second: str) -> str:
        """The difference in words, the two studies called by these names: `this study has`, `yours has`."""
        other = f"{second} varies it" if self.second is None else f"{second} {_plain(self.second)}"
        return f"{self.setting}: {first} {_plain(self.first)}, {other}"


def differences(results: Results, other: StudyRecord, label_sets: list[list[Any]]) -> list[Difference]:
    """The settings that λ may depend on and in which another study differs from this one.

    `label_sets` are the other study's: the kind and size of each.
    """
    own, theirs = fingerprint(results.study, results.label_sets), fingerprint(other, label_sets)
    if not results.label_sets:
        own["label_sets"] = "unknown label sets (its data are gone)"
    varied = [Difference(name, value, None) for name, value in own.items() if name not in theirs]
    different = [Difference(n, own[n], theirs[n]) for n in own if n in theirs and own[n] != theirs[n]]
    return varied + different


def _plain(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list):
        return " and ".join(f"{kind} of {size}" for kind, size in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value)


def answer(
    results: Results,
    found: Findings,
    ratio: float,
    kind: str | None = None,
    between: tuple[float, float] | None = None,
) -> Answer:
    """The λ for a noise ratio and kind, read off or interpolated between the two nearest ratios studied.

    Args:
        results: the study's results.
        found: its findings.
        ratio: the share of wrong labels, 0 to 1.
        kind: the kind of noise; None where the study has only one.
        between: where the ratio may lie, if it was estimated. The interval then covers the best λ anywhere there, and
            a study of one ratio answers where that ratio lies there.
    """
    try:
        studied = _of_kind(results, found, kind)
        place = _within(results, studied, ratio, between)
    except NoEvidence as why:
        return Answer(None, why=[str(why)])
    return _said(results, found, studied, interpolate(studied, place, between), between)


def answer_as_given(results: Results, found: Findings, added: float = 0.0, kind: str | None = None) -> Answer:
    """The λ for labels that are as noisy as the study's own, with as much noise added to them.

    Args:
        results: the study's results.
        found: its findings.
        added: the share of labels made wrong on purpose; 0 for the labels as they come.
        kind: the kind of that noise; None where the study has only one, or none is added.
    """
    try:
        studied = _of_kind(results, found, kind)
    except NoEvidence as why:
        return Answer(None, why=[str(why)])
    own = [(at, r) for at, r in studied if abs(at - added) <= SAME_RATIO]
    if not own:
        theirs = f"noise of ratio {_range(studied)}" if any(at for at, _ in studied) else "no noise"
        yours = f"with noise of ratio {added:g} added" if added else "as they come"
        return Answer(None, why=[f"The study added {theirs} to these labels. Yours are {yours}."])
    return _said(results, found, studied, interpolate(own, own[0][0]), None)


def refusal(results: Results, found: Findings, kind: str | None = None) -> Answer | None:
    """Why the study answers for no noise ratio at all; None where it answers for some."""
    try:
        _of_kind(results, found, kind)
    except NoEvidence as why:
        return Answer(None, why=[str(why)])
    return None if knows_noise(results) else Answer(None, why=[UNKNOWN])


def knows_noise(results: Results) -> bool:
    """Whether the study knows how noisy its labels are: it drew its data, or added noise in some condition."""
    return not results.labels_may_be_wrong or any(_added(results, value) for value in _ratios(results))


def _said(
    results: Results, found: Findings, studied: Studied, reply: Interpolation, between: tuple[float, float] | None
) -> Answer:
    """An answer in words. At a ratio that was studied these are the report's: the same numbers, from the same place."""
    own = found.answer(reply.sources[0][1]) if len(reply.sources) == 1 else None
    cautions = _cautions(results, studied, reply, between)
    if own is None or own.lam is None:
        return Answer(reply.lam, reply.interval, [*_sources(results, reply), *_measured(results, reply), *cautions])
    return Answer(own.lam, reply.interval, [*_sources(results, reply), *_as_reported(results, own), *cautions])


def _as_reported(results: Results, own: race.Answer) -> list[str]:
    """What the study's report says of its answer: the same numbers, from the same place."""
    said = [screen.the_lambda(results, own), screen.why(own), *screen.compared(results, own), screen.the_loss(own)]
    return [text for text in said if text]


def _within(results: Results, studied: Studied, ratio: float, between: tuple[float, float] | None) -> float:
    """The noise ratio to answer for, within the studied ones. Raises NoEvidence where it lies outside."""
    if not knows_noise(results):
        raise NoEvidence(UNKNOWN)
    low, high = between or (ratio, ratio)
    ratios = sorted(at for at, _ in studied)
    place = ratios[0] if len(ratios) == 1 and low <= ratios[0] <= high else ratio
    if not ratios[0] - SAME_RATIO <= place <= ratios[-1] + SAME_RATIO:
        raise NoEvidence(
            f"The study's noise ratio is {_range(studied)}; {ratio:.3g} is outside, and answers are not extrapolated."
        )
    return min(max(place, ratios[0]), ratios[-1])


def _range(studied: Studied) -> str:
    ratios = sorted(at for at, _ in studied)
    return f"{ratios[0]:g}" if len(ratios) == 1 else f"{ratios[0]:g} to {ratios[-1]:g}"


def _sources(results: Results, reply: Interpolation) -> list[str]:
    """What an answer rests on, a sentence each."""
    where = " and ".join(f"{at:g} (λ = {r.lam:.3g})" for at, r in reply.sources)
    single = len(reply.sources) == 1
    if single and not reply.sources[0][0] and results.labels_may_be_wrong:
        said = ["Studied with the noise that the labels already have."]
    else:
        said = [f"Studied at noise ratio {where}." if single else f"Interpolated between noise ratios {where}."]
    if not all(r.response.degrees_of_freedom for _, r in reply.sources):
        said.append("With one seed there is no interval.")
    return said


def _measured(results: Results, reply: Interpolation) -> list[str]:
    """The gain over λ = 0 in a sentence; none where λ = 0 is the answer or was not run."""
    if (measured := _gain(results, reply)) is None:
        return []
    how = "Measured" if len(reply.sources) == 1 else "Interpolated"
    text = with_interval(*measured, sign="+")
    return [f"{how} difference from λ = 0: {text} accuracy on {results.test_labels}."]


def _gain(results: Results, reply: Interpolation) -> Gain | None:
    """The gain over λ = 0, as the report has it; between two ratios interpolated from what it has at both."""
    conditions = [r.condition for _, r in reply.sources]
    if len(conditions) == 1:
        return gain(results, conditions[0], reply.lam)
    return gain_between(results, (conditions[0], conditions[1]), reply.lam, reply.weight)


def _cautions(
    results: Results, studied: Studied, reply: Interpolation, between: tuple[float, float] | None
) -> list[str]:
    """The limitations of an answer, a sentence each."""
    said = []
    ratios = sorted(at for at, _ in studied)
    if between is not None and (between[0] < ratios[0] - SAME_RATIO or between[1] > ratios[-1] + SAME_RATIO):
        said.append(
            f"Your noise ratio is between {between[0]:.2f} and {between[1]:.2f}, but the study covers only "
            f"{_range(studied)}."
        )
    if results.labels_may_be_wrong and any(at for at, _ in reply.sources):
        said.append("The study's noise ratio counts only the noise that it added, not the noise already in its labels.")
    if rising := sorted({lam for _, r in reply.sources for lam in r.rising}):
        said.append(
            f"Accuracy at {screen.lambdas(rising)} still rises at the study's last epoch, so the λ holds for its "
            "number of epochs only."
        )
    return said


def _of_kind(results: Results, found: Findings, kind: str | None) -> Studied:
    """The recommendations for a noise kind, with their ratios. Raises NoEvidence where the study has none."""
    study = results.study
    by_kind, by_ratio = find(study.conditions, NOISE_KIND), find(study.conditions, NOISE_RATIO)
    kinds = [str(value) for value in study.conditions[by_kind].values] if by_kind else [study.section("noise")["kind"]]
    if kind is None and len(kinds) > 1:
        raise NoEvidence(f"The study has several kinds of noise. Choose one with --noise-kind ({', '.join(kinds)}).")
    if kind is not None and kind not in kinds:
        raise NoEvidence(f"The study's noise is {' or '.join(kinds)}, not {kind}.")
    if by_ratio in study.drawn:
        raise NoEvidence(
            "The study sampled its noise ratio from a range. To get an answer for each ratio, list the ratios under "
            "conditions."
        )
    rows = []
    for r in found.recommendations:
        first = results.trials[results.trials["condition"] == r.condition].iloc[0]
        if by_kind is None or kind is None or first[column(by_kind)] == kind:
            varied = float(first[column(by_ratio)]) if by_ratio else None
            rows.append((_added(results, varied), r))
    if len({at for at, _ in rows}) < len(rows):
        others = [setting.name for setting in study.conditions if setting not in (by_ratio, by_kind)]
        raise NoEvidence(
            f"The study has several answers at one noise ratio, because it also varies {', '.join(others)}. Its report "
            "shows each."
        )
    return rows


def _ratios(results: Results) -> list[float | None]:
    """The values that the noise ratio takes as a condition; None where it is not one."""
    setting = find(results.study.conditions, NOISE_RATIO)
    if setting is None:
        return [None]
    condition = results.study.conditions[setting]
    return [*condition.values, *(condition.drawn_from or ())]


def _added(results: Results, varied: float | None) -> float:
    """The share of labels that a study made wrong: the mean over the annotators of the first label set's classes.

    `varied` is `noise.ratio` where it is a condition; else the study's own counts. Single label sets may have a ratio
    of their own (`noise.ratios`), and a matrix stands for every ratio of classes.
    """
    noise = results.study.section("noise")
    if noise.get("matrix"):
        return 1 - float(np.mean(np.diag(np.array(noise["matrix"], dtype=float))))
    ratio, own = float(noise["ratio"]) if varied is None else varied, noise.get("ratios") or {}
    shares = [float(own.get(name, ratio)) for name in results.annotators] or [ratio]
    return float(np.mean(shares))
