"""Which lambda at another noise ratio, from a study that has run: an answer within what was studied, or none.

`python -m fer_tune.recommend results/NAME --noise-ratio 0.3` prints it.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fer_tune.analysis.recommendation import Findings, Recommendation, fingerprint
from fer_tune.analysis.statistics import CONFIDENCE
from fer_tune.analysis.tables import Results, drawn, named, with_interval

SAME = 0.005  # noise ratios nearer than this are one


@dataclass(frozen=True)
class Answer:
    """A lambda for a noise ratio, or why there is none.

    Attributes:
        lam: the lambda of least expected regret, None where the study is no evidence.
        interval: within which the best lambda lies with 95 %, None where seeds allow none.
        why: what it rests on, or what is missing, a sentence each.
    """

    lam: float | None
    interval: tuple[float, float] | None = None
    why: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The answer in words."""
        if self.lam is None:
            return "\n".join(["No evidence.", *self.why])
        sure = (
            f" (the best lies in {self.interval[0]:.2g} to {self.interval[1]:.2g} with at least 95 %)"
            if self.interval
            else ""
        )
        return "\n".join([f"λ = {self.lam:.3g}{sure}.", *self.why])


def differences(results: Results, asked: dict[str, Any], label_sets: list[list[Any]]) -> list[str]:
    """In what another (resolved) study differs from this one that lambda may depend on, a text each."""
    own, other = fingerprint(results.study, results.label_sets), fingerprint(asked, label_sets)
    if not results.label_sets:
        own["label_sets"] = "label sets that are not known, as its data are gone"
    varied = [f"{n}: this study has {_plain(own[n])}, yours varies it" for n in own if n not in other]
    return varied + [
        f"{n}: this study has {_plain(own[n])}, yours {_plain(other[n])}"
        for n in own
        if n in other and own[n] != other[n]
    ]


def _plain(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list):
        return " and ".join(f"{kind} of {size}" for kind, size in value)
    return str(value)


def answer(
    results: Results,
    found: Findings,
    ratio: float,
    kind: str | None = None,
    between: tuple[float, float] | None = None,
) -> Answer:
    """The lambda for a noise ratio and kind, read off or interpolated between the two nearest ratios studied.

    `between` is where the ratio may lie, where it was estimated: the interval of the answer then covers the best
    lambda anywhere there, and a study of one ratio answers where that is among them.
    """
    rows, problem = _of_kind(results, found, kind)
    if problem:
        return Answer(None, why=[problem])
    low, high = between or (ratio, ratio)
    ratios = sorted(at for at, _ in rows)
    studied = f"{ratios[0]:g}" if len(ratios) == 1 else f"{ratios[0]:g} to {ratios[-1]:g}"
    single = ratios[0] if len(ratios) == 1 and low <= ratios[0] <= high else ratio
    if not ratios[0] - SAME <= single <= ratios[-1] + SAME:
        return Answer(
            None, why=[f"The study's noise ratio is {studied}: {ratio:.3g} lies outside, and nothing is extrapolated."]
        )
    single = min(max(single, ratios[0]), ratios[-1])
    pair = _nearest(rows, single)
    reply = _between(pair, single)
    if between is not None:
        ends = [min(max(at, ratios[0]), ratios[-1]) for at in between] + [at for at in ratios if low < at < high]
        reply = replace(reply, interval=_hull([reply, *(_between(_nearest(rows, at), at) for at in ends)]))
        if low < ratios[0] - SAME or high > ratios[-1] + SAME:
            reply.why.append(
                f"Your ratio may be {low:.2f} to {high:.2f}; the study's is {studied}: beyond it nothing is known."
            )
    if results.study["dataset"]["kind"] != "synthetic":
        reply.why.append("The study's ratio is what was added to labels whose own noise is not counted.")
    if any(r.too_short or r.rising for _, r in pair):
        reply.why.append(
            "The study is undecided there: some λ still rises at the end. Its report says how long to train."
        )
    return reply


def _nearest(rows: list[tuple[float, Recommendation]], ratio: float) -> list[tuple[float, Recommendation]]:
    """The panel studied at a ratio, or the two around it."""
    near = min(rows, key=lambda row: abs(row[0] - ratio))
    if abs(near[0] - ratio) <= SAME:
        return [near]
    below, above = [r for r in rows if r[0] < ratio], [r for r in rows if r[0] > ratio]
    return [max(below, key=lambda r: r[0]), min(above, key=lambda r: r[0])]


def _hull(replies: list[Answer]) -> tuple[float, float] | None:
    """The interval that holds all of theirs; None where one has none."""
    intervals = [reply.interval for reply in replies if reply.interval is not None]
    if len(intervals) < len(replies):
        return None
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def _of_kind(results: Results, found: Findings, kind: str | None) -> tuple[list[tuple[float, Recommendation]], str]:
    """The panels of a noise kind with their ratios, or what is missing."""
    conditions = results.study["conditions"]
    condition, ratio = named(conditions, "noise.kind"), named(conditions, "noise.ratio")
    kinds = list(conditions[condition]) if condition else [results.study["noise"]["kind"]]
    if kind is None and len(kinds) > 1:
        return [], f"The study has several kinds of noise: name one with --noise-kind ({', '.join(kinds)})."
    if kind is not None and kind not in kinds:
        return [], f"The study's noise is {' or '.join(kinds)}, not {kind}."
    if ratio in drawn(results.study):
        return (
            [],
            "The study drew its noise ratio from a range: list its values under conditions to have one answer each.",
        )
    rows = []
    for r in found.recommendations:
        first = results.trials[results.trials["panel"] == r.panel].iloc[0]
        if condition is None or kind is None or first[condition] == kind:
            rows.append((float(first[ratio]) if ratio else float(results.study["noise"]["ratio"]), r))
    if len({at for at, _ in rows}) < len(rows):
        others = [name for name in conditions if name not in (ratio, condition)]
        return (
            [],
            f"The study has several answers at one noise ratio, as it also varies {', '.join(others)}: see its report.",
        )
    return rows, ""


def _between(pair: list[tuple[float, Recommendation]], ratio: float) -> Answer:
    """The answer of one panel, or of two by linear interpolation of their scores on the scale of clean accuracy."""
    shared = sorted(set.intersection(*({float(x) for x in r.response.lams} for _, r in pair)))
    draws = [
        np.stack([r.response.draws[:, list(r.response.lams).index(lam)] for lam in shared], axis=1) / r.shrinkage
        for _, r in pair
    ]
    weight = 0.0 if len(pair) == 1 else (ratio - pair[0][0]) / (pair[1][0] - pair[0][0])
    mixed = draws[0] if len(pair) == 1 else (1 - weight) * draws[0] + weight * draws[1]
    regret = (mixed.max(1, keepdims=True) - mixed).mean(0)
    lam = shared[int(regret.argmin())]
    where = " and ".join(f"{at:g} (λ = {r.lam:.3g})" for at, r in pair)
    why = [f"Read at noise ratio {where}." if len(pair) == 1 else f"Interpolated between noise ratios {where}."]
    if shared[0] == 0 and lam > 0:
        gain = mixed[:, shared.index(lam)] - mixed[:, 0]
        low, high = np.quantile(gain, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        why.append(
            f"Expected gain over λ = 0: {with_interval(gain.mean(), low, high, '+')} of accuracy on clean labels."
        )
    if not all(r.response.freedom for _, r in pair):
        return Answer(lam, None, [*why, "One seed: no interval."])
    if len(pair) == 1:
        return Answer(lam, pair[0][1].response.interval(), why)
    best = np.sort(np.array(shared)[mixed.argmax(1)])
    tail = int((1 - CONFIDENCE) / 2 * len(best))
    return Answer(lam, (min(lam, float(best[tail])), max(lam, float(best[-tail - 1]))), why)
