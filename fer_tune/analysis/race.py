"""Which λ a race over seeds answers with, what trusting it can lose, and how it compares with plain training.

The race is replayed from the scores of whole blocks (every λ still in the race, on one seed). A study whose seeds are a
fixed list has one look, after its last seed. Test labels only score the answer.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from fer_tune.analysis.blocks import Blocks, raced, replay, scale_of, tolerance
from fer_tune.analysis.methods import NAMES, at_seconds, with_warm_up
from fer_tune.analysis.networks import Network, best_network
from fer_tune.analysis.results import Results
from fer_tune.decision.intervals import paired_difference
from fer_tune.decision.race import Drop, Outcome
from fer_tune.decision.response import cross_fitted, shrinkage
from fer_tune.results.records import Role

CLEAN, HELD_OUT = "clean accuracy", "accuracy on held-out labels"
MEASURES = {
    "val_accuracy": HELD_OUT,
    "val_mean_class_accuracy": "mean class accuracy on held-out labels",
    "val_macro_f1": "macro F1 on held-out labels",
    "val_ccc": "CCC on held-out labels",
}


class Verdict(StrEnum):
    """What is known of λ in a condition."""

    WINNER = "winner"  # every other λ has dropped out of the race
    TIE = "tie, cheapest taken"  # taking it loses less than the tolerance
    BUDGET = "pick at budget"  # the best so far when the seeds, or the time, were used up
    UNDECIDED = "nothing is decided"  # one seed, and nothing known of how much seeds differ
    UNFINISHED = "unfinished"  # more trials are to come
    ALONE = "only one λ"


VERDICTS = {
    Outcome.WINNER: Verdict.WINNER,
    Outcome.TIE: Verdict.TIE,
    Outcome.BUDGET: Verdict.BUDGET,
    Outcome.UNDECIDED: Verdict.UNDECIDED,
    Outcome.RUNNING: Verdict.UNFINISHED,
}


@dataclass(frozen=True)
class Dropped:
    """A λ that has left the race.

    Attributes:
        lam: the λ.
        block: after how many seeds it left.
        by: the λ that it lost to; None where it diverged or failed.
        behind: by how much, in the unit of the answer; NaN where `by` is None.
    """

    lam: float
    block: int
    by: float | None
    behind: float


@dataclass(frozen=True)
class Comparison:
    """How the answer's λ compares with another way to train, on the test labels and the same seeds.

    Attributes:
        name: the other way, in words.
        own, other: mean test accuracy of either, after all epochs.
        difference: own less other with its 95 % interval: mean, low, high; the ends are NaN with one seed.
        seeds: how many seeds have both.
        own_seconds, other_seconds: what one trial of either costs.
        own_then, other_then: mean test accuracy of either after the seconds that the cheaper one takes.
    """

    name: str
    own: float
    other: float
    difference: tuple[float, float, float]
    seeds: int
    own_seconds: float
    other_seconds: float
    own_then: float
    other_then: float

    @property
    def seconds(self) -> float:
        """The training time at which `own_then` and `other_then` hold."""
        return min(self.own_seconds, self.other_seconds)


@dataclass(frozen=True)
class Longer:
    """What the λs that a race left over answer after more epochs (`fer-tune run --extend`).

    Attributes:
        epochs: to which they were trained.
        verdict: what is known for that many epochs.
        lam: the λ to take for them.
        loss: what taking it can lose, as in `Answer`.
        accuracy, before: its mean test accuracy after these epochs, and after the study's; NaN without test labels.
    """

    epochs: int
    verdict: Verdict
    lam: float
    loss: float
    accuracy: float
    before: float


@dataclass(frozen=True)
class Answer:
    """What a study answers in one condition.

    Attributes:
        condition: its name, "all" where the study has one.
        verdict: what is known.
        lam: the λ to take; of an unfinished study the one that leads; None where no seed has been trained with every λ.
        loss: U, what taking it can lose against the best λ tried, with 95 %, in `measure`; NaN where unknown.
        measure: what the loss is measured in: clean accuracy where it is known how noise shrinks it.
        tolerance: the loss at which the race stops, in `measure`.
        blocks: on how many seeds every λ still in the race has been trained.
        most_blocks: how many seeds the study has, or may use.
        early: whether it may stop before them.
        epochs: what the answer holds for.
        survivors: the λs still in the race.
        seeds: on how many seeds each survivor was trained; fewer than `blocks` for one that rested, because it could
            not be ahead of the leader by more than the tolerance.
        dropped: the λs that left it, in order.
        prior: where the knowledge of how much seeds differ comes from, beside this study; empty where there was none.
        contradicted: whether the study's own seeds contradicted that.
        plain: the comparison with plain training (λ = 0); where λ = 0 is the answer, that of the best λ above 0 with
            it; None without it.
        references: the comparisons with other methods.
        network: the best trained network in hand; None where no trial tells.
        longer: the answers for more epochs, rising; empty where the leaders were not trained on.
    """

    condition: str
    verdict: Verdict
    lam: float | None
    loss: float
    measure: str
    tolerance: float
    blocks: int
    most_blocks: int
    early: bool
    epochs: int
    survivors: tuple[float, ...]
    seeds: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    prior: str
    contradicted: bool
    plain: Comparison | None
    references: tuple[Comparison, ...]
    network: Network | None
    longer: tuple[Longer, ...]

    @property
    def decided(self) -> bool:
        """Whether the study has named its λ: it is complete, and knows what trusting that λ can lose."""
        return self.verdict in (Verdict.WINNER, Verdict.TIE, Verdict.BUDGET, Verdict.ALONE)


def answers(results: Results) -> list[Answer]:
    """The answer of every condition whose λs are listed, in the study's order; none where λ is searched."""
    if not results.study.lambda_grid and results.trials.groupby("condition")["lambda"].nunique().max() > 1:
        return []
    return [_answer(results, str(name), rows) for name, rows in results.trials.groupby("condition", sort=False)]


def _answer(results: Results, condition: str, trials: pd.DataFrame) -> Answer:
    best, scale = cross_fitted(trials), scale_of(results, trials)
    found = replay(results, condition, trials)
    known = measures_clean_accuracy(results, trials)
    unit = scale if known else 1.0
    standing, lams = found.standing, found.lams
    alone = len(lams) == 1
    lam = lams[0] if alone else None if standing is None or standing.pick is None else lams[standing.pick]
    first, *later = comparisons(results, condition, best[best["seed"].isin(found.seeds)], lam)
    return Answer(
        condition=condition,
        verdict=_verdict(results, found),
        lam=lam,
        loss=math.nan if standing is None else standing.loss / unit,
        measure=CLEAN if known else MEASURES.get(results.objective, HELD_OUT),
        tolerance=tolerance(results) * scale / unit,
        blocks=len(found.scores),
        most_blocks=len(results.study.seeds),
        early=results.study.decide is not None,
        epochs=int(trials["epochs"].max()),
        survivors=lams if standing is None else tuple(lams[i] for i in standing.survivors),
        seeds=(len(found.scores),) if standing is None else tuple(standing.counts[i] for i in standing.survivors),
        dropped=() if standing is None else tuple(_dropped(drop, lams, unit) for drop in standing.drops),
        prior="" if results.prior is None else results.prior.source,
        contradicted=standing is not None and standing.contradicted,
        plain=first,
        references=tuple(each for each in later if each is not None),
        network=best_network(results, _networks(results, condition, best)),
        longer=tuple(_longer(results, condition, best, found, scale, unit)),
    )


def _verdict(results: Results, found: Blocks) -> Verdict:
    if len(found.lams) == 1:
        return Verdict.ALONE
    if not (results.whole or results.budget_spent):
        return Verdict.UNFINISHED
    return Verdict.UNDECIDED if found.standing is None else VERDICTS[found.standing.outcome]


def _dropped(drop: Drop, lams: Sequence[float], unit: float) -> Dropped:
    return Dropped(lams[drop.arm], drop.block, None if drop.by is None else lams[drop.by], drop.difference / unit)


def measures_clean_accuracy(results: Results, trials: pd.DataFrame) -> bool:
    """Whether a difference in score tells one in clean accuracy: how wrong the held-out labels are must be known."""
    known = shrinkage(trials)
    if results.objective != "val_accuracy" or known is None:
        return False
    return not results.labels_may_be_wrong or (results.clean and known < 1)


def seconds_a_trial(results: Results, best: pd.DataFrame) -> dict[float, float]:
    """Mean seconds of training of each λ's trials, shared warm-ups included."""
    epochs = with_warm_up(results, results.epochs[results.epochs["key"].isin(best["key"])])
    spent = best["key"].map(epochs.groupby("key")["seconds"].sum())
    return {float(lam): float(seconds) for lam, seconds in spent.groupby(best["lambda"]).mean().items()}  # type: ignore[arg-type]


def seconds_of(results: Results, trials: pd.DataFrame) -> np.ndarray:
    """Seconds (trials,) of training of each trial of a comparison method, shared warm-ups included."""
    epochs = with_warm_up(results, results.auxiliary_epochs)
    return trials["key"].map(epochs.groupby("key")["seconds"].sum()).to_numpy(dtype=float)


def _longer(
    results: Results, condition: str, best: pd.DataFrame, found: Blocks, scale: float, unit: float
) -> Iterator[Longer]:
    """The answers for more epochs, of those to which every λ left over has been trained on every seed of the race."""
    rows = results.auxiliary
    rows = rows[(rows["role"] == Role.EXTENDED) & (rows["condition"] == condition)]
    for _, trials in rows.groupby("epochs"):
        scores = trials.pivot_table(index="seed", columns="lambda", values="objective")
        scores = scores.reindex(index=list(found.seeds), columns=list(found.lams))
        if scores.dropna(axis="columns", how="all").isna().any(axis=None):
            continue
        standing = raced(results, found.lams, scores.to_numpy().tolist(), scale, ended=True)
        if standing.pick is None:
            continue
        lam = found.lams[standing.pick]
        own, before = (table.loc[table["lambda"] == lam, "test_accuracy"].mean() for table in (trials, best))
        yield Longer(
            int(trials["epochs"].iloc[0]),
            VERDICTS[standing.outcome],
            lam,
            standing.loss / unit,
            float(own),
            float(before),
        )


def comparisons(results: Results, condition: str, best: pd.DataFrame, lam: float | None) -> list[Comparison | None]:
    """How a λ compares with plain training, then with each other method that ran on the same seeds.

    Where the λ is 0, the first is that of the best λ above 0 with it.
    """
    if lam is None:
        return [None]
    epochs = with_warm_up(results, results.epochs[results.epochs["key"].isin(best["key"])])
    own = best[best["lambda"] == lam]
    plain = best[best["lambda"] == 0]
    joint = best[best["lambda"] > 0]
    if lam == 0 and len(joint):
        top = joint[joint["lambda"] == joint.groupby("lambda")["score"].mean().idxmax()]
        first = _compared(f"λ = {top['lambda'].iloc[0]:.3g}, the best above 0", own, top, epochs, epochs)
    else:
        first = _compared("plain training (λ = 0)", own, plain, epochs, epochs) if lam > 0 else None
    return [
        first,
        *(
            _compared(name, own, rows, epochs, with_warm_up(results, results.auxiliary_epochs))
            for name, rows in reference_trials(results, condition).items()
        ),
    ]


def reference_trials(results: Results, condition: str) -> dict[str, pd.DataFrame]:
    """The trials of each comparison method in a condition, by its name in words."""
    rows = results.auxiliary
    rows = rows[(rows["role"] == Role.REFERENCE) & (rows["condition"] == condition)]
    if rows.empty:
        return {}
    methods = rows["method"] if "method" in rows else pd.Series("another method", index=rows.index)
    names = methods.astype(str).map(lambda method: NAMES.get(method, method))
    several = rows.groupby(names)["cell"].transform("nunique") > 1
    names = names.where(~several, names + " at learning rate " + rows["lr"].map("{:.1e}".format))
    return {str(name): trials for name, trials in rows.groupby(names, sort=False)}


def _compared(
    name: str, own: pd.DataFrame, other: pd.DataFrame, epochs: pd.DataFrame, their_epochs: pd.DataFrame
) -> Comparison | None:
    """A comparison over the seeds that both have; None where there is none, or no test accuracy."""
    mine, theirs = (rows.groupby("seed")["test_accuracy"].mean().dropna() for rows in (own, other))
    seeds = mine.index.intersection(theirs.index)
    if not len(seeds):
        return None
    sides = [(rows[rows["seed"].isin(seeds)], table) for rows, table in ((own, epochs), (other, their_epochs))]
    curves = [table[table["key"].isin(rows["key"])] for rows, table in sides]
    seconds = [float(curve.groupby("key")["seconds"].sum().mean()) for curve in curves]
    then = [float(at_seconds(_typical(curve), min(seconds) * (1 + 1e-9)).mean()) for curve in curves]
    return Comparison(
        name=name,
        own=float(mine[seeds].mean()),
        other=float(theirs[seeds].mean()),
        difference=paired_difference(mine[seeds].to_numpy(), theirs[seeds].to_numpy()),
        seeds=len(seeds),
        own_seconds=seconds[0],
        other_seconds=seconds[1],
        own_then=then[0],
        other_then=then[1],
    )


def _typical(epochs: pd.DataFrame) -> pd.DataFrame:
    """Epochs that each take as long as on average: other work on the machine slows single ones."""
    return epochs.assign(seconds=epochs.groupby(epochs["generator_joint_loss"].notna())["seconds"].transform("mean"))


def _networks(results: Results, condition: str, best: pd.DataFrame) -> pd.DataFrame:
    """The trials whose networks are in hand: of each λ's best configuration, and of comparison methods."""
    others = [rows.assign(name=name) for name, rows in reference_trials(results, condition).items()]
    return pd.concat([best.assign(name=best["lambda"].map("λ = {:.3g}".format)), *others])
