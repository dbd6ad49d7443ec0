"""Which λ at another noise ratio, from a study that has run: an answer within what was studied, or none.

`python -m fer_tune.recommend results/NAME --noise-ratio 0.3` prints it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fer_tune.analysis.recommendation import Findings, certainty, fingerprint, lambdas
from fer_tune.analysis.study_record import StudyRecord, column
from fer_tune.analysis.tables import Results, with_interval
from fer_tune.decision.interpolation import SAME_RATIO, Interpolation, Studied, interpolate
from fer_tune.decision.recommendation import FEWEST_EPOCHS
from fer_tune.names import NOISE_KIND, NOISE_RATIO, find


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
    reply = interpolate(studied, place, between)
    return Answer(reply.lam, reply.interval, [*_sources(reply), *_cautions(results, studied, reply, between)])


def _within(results: Results, studied: Studied, ratio: float, between: tuple[float, float] | None) -> float:
    """The noise ratio to answer for, within the studied ones. Raises NoEvidence where it lies outside."""
    low, high = between or (ratio, ratio)
    ratios = sorted(at for at, _ in studied)
    place = ratios[0] if len(ratios) == 1 and low <= ratios[0] <= high else ratio
    if not ratios[0] - SAME_RATIO <= place <= ratios[-1] + SAME_RATIO:
        if ratios[-1] == 0 and _has_noise_of_its_own(results):
            raise NoEvidence(
                "This study added no noise to its labels, so its noise ratio is unknown. Ask a study that adds noise, "
                "such as results/noise_kinds."
            )
        raise NoEvidence(
            f"The study's noise ratio is {_range(studied)}; {ratio:.3g} is outside, and answers are not extrapolated."
        )
    return min(max(place, ratios[0]), ratios[-1])


def _has_noise_of_its_own(results: Results) -> bool:
    """Whether the labels may have been noisy before the study added noise: only synthetic faces have known labels."""
    dataset = results.study.section("dataset")
    return dataset["kind"] != "synthetic" or bool(dataset.get("machine_labels"))


def _range(studied: Studied) -> str:
    ratios = sorted(at for at, _ in studied)
    return f"{ratios[0]:g}" if len(ratios) == 1 else f"{ratios[0]:g} to {ratios[-1]:g}"


def _sources(reply: Interpolation) -> list[str]:
    """What an answer rests on, a sentence each."""
    where = " and ".join(f"{at:g} (λ = {r.lam:.3g})" for at, r in reply.sources)
    single = len(reply.sources) == 1
    said = [f"Studied at noise ratio {where}." if single else f"Interpolated between noise ratios {where}."]
    if reply.gain is not None:
        said.append(f"Expected gain over λ = 0: {with_interval(*reply.gain, sign='+')} accuracy on clean labels.")
    if not all(r.response.degrees_of_freedom for _, r in reply.sources):
        said.append("With one seed there is no interval.")
    return said


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
    if _has_noise_of_its_own(results):
        said.append("The study's noise ratio counts only the noise that it added, not the noise already in its labels.")
    if any(r.too_short for _, r in reply.sources):
        said.append(
            f"The study has no clear winner at this noise ratio: with fewer than {FEWEST_EPOCHS} epochs, the final "
            "accuracy cannot be predicted."
        )
    elif rising := sorted({lam for _, r in reply.sources for lam in r.rising}):
        said.append(
            f"Accuracy at {lambdas(rising)} still rises at the study's last epoch, so the λ holds for its number of "
            "epochs only."
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
            rows.append((float(first[column(by_ratio)] if by_ratio else study.section("noise")["ratio"]), r))
    if len({at for at, _ in rows}) < len(rows):
        others = [setting.name for setting in study.conditions if setting not in (by_ratio, by_kind)]
        raise NoEvidence(
            f"The study has several answers at one noise ratio, because it also varies {', '.join(others)}. Its report "
            "shows each."
        )
    return rows
