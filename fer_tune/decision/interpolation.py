"""The λ at a noise ratio, from the recommendations at the ratios that were studied. Nothing is extrapolated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_tune.decision.intervals import CONFIDENCE
from fer_tune.decision.recommendation import Recommendation

SAME_RATIO = 0.005  # noise ratios nearer than this count as one

Studied = Sequence[tuple[float, Recommendation]]


@dataclass(frozen=True)
class Interpolation:
    """A λ for a noise ratio.

    Attributes:
        lam: the λ of least expected regret.
        interval: the range that holds the best λ with 95 %; None where one seed allows none.
        sources: the studied ratio, or the two around it, with their recommendations.
        weight: of the second of two sources, 0 to 1; 0 with one.
    """

    lam: float
    interval: tuple[float, float] | None
    sources: Studied
    weight: float


def interpolate(studied: Studied, ratio: float, between: tuple[float, float] | None = None) -> Interpolation:
    """The λ at a noise ratio within the studied ones.

    Args:
        studied: noise ratios, each with its recommendation.
        ratio: the noise ratio asked for, from the smallest to the largest studied one.
        between: where the ratio may lie, if it was estimated. The interval then covers the best λ anywhere there.
    """
    found = _between(nearest(studied, ratio), ratio)
    if between is None:
        return found
    ratios = sorted(at for at, _ in studied)
    ends = [min(max(at, ratios[0]), ratios[-1]) for at in between]
    inner = [at for at in ratios if between[0] < at < between[1]]
    others = [_between(nearest(studied, at), at) for at in (*ends, *inner)]
    return replace(found, interval=_hull([found, *others]))


def nearest(studied: Studied, ratio: float) -> Studied:
    """What was studied at a ratio, or at the two ratios around it."""
    near = min(studied, key=lambda row: abs(row[0] - ratio))
    if abs(near[0] - ratio) <= SAME_RATIO:
        return [near]
    below, above = [r for r in studied if r[0] < ratio], [r for r in studied if r[0] > ratio]
    return [max(below, key=lambda r: r[0]), min(above, key=lambda r: r[0])]


def _hull(found: Sequence[Interpolation]) -> tuple[float, float] | None:
    """The interval that holds all of theirs; None where one has none."""
    intervals = [each.interval for each in found if each.interval is not None]
    if len(intervals) < len(found):
        return None
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def _between(sources: Studied, ratio: float) -> Interpolation:
    """The answer at one studied ratio, or at two by linear interpolation of scores on the scale of clean accuracy."""
    shared = sorted(set.intersection(*({float(x) for x in r.response.lams} for _, r in sources)))
    draws = [
        np.stack([r.response.draws[:, list(r.response.lams).index(lam)] for lam in shared], axis=1) / r.shrinkage
        for _, r in sources
    ]
    single = len(sources) == 1
    weight = 0.0 if single else (ratio - sources[0][0]) / (sources[1][0] - sources[0][0])
    mixed = draws[0] if single else (1 - weight) * draws[0] + weight * draws[1]
    regret = (mixed.max(1, keepdims=True) - mixed).mean(0)
    lam = sources[0][1].lam if single else shared[int(regret.argmin())]
    if not all(r.response.degrees_of_freedom for _, r in sources):
        return Interpolation(lam, None, sources, weight)
    if single:
        return Interpolation(lam, sources[0][1].response.interval(), sources, weight)
    best = np.sort(np.array(shared)[mixed.argmax(1)])
    tail = int((1 - CONFIDENCE) / 2 * len(best))
    interval = min(lam, float(best[tail])), max(lam, float(best[-tail - 1]))
    return Interpolation(lam, interval, sources, weight)
