"""What rules lose on faces that look different from those that they were set up on.

A domain is one look of the images, such as pen drawings. What needs clean labels (a target for the losses, which rule
to trust, the λ that was best) is set up on the other domains. In the domain itself a rule chooses as on a new data
set, without clean labels. Both are done with all seeds but one, and the choice is scored on the one left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_tune.decision.intervals import mean_interval
from fer_tune.decision.rules import (
    FEWEST_OF_AN_INTERVAL,
    FITTED,
    ORACLE,
    RANDOM,
    RULES,
    TRUSTED,
    Rule,
    chosen_by,
    fitted_target,
    most_trusted,
    nearest,
    nearness,
)

BEST_ELSEWHERE = "best λ elsewhere"
ELSEWHERE = "clean labels of other domains"
Known = Sequence[pd.DataFrame]  # the trials of each condition of the other domains, without the seed left out


@dataclass(frozen=True)
class Case:
    """What one rule chooses in one condition of a domain that it was not set up on.

    Attributes:
        lams: the λ that it chooses without each of the seeds; NaN for a random choice.
        regret: clean test score that it loses against the best λ on the seed left out, mean over these.
    """

    rule: str
    needs: str
    domain: str
    condition: str
    lams: tuple[float, ...]
    regret: float


def cases(best: pd.DataFrame) -> list[Case]:
    """Every rule's choice in every condition with two λs and two seeds or more.

    Args:
        best: as `rules.picks` takes it, with the column domain. Conditions of other domains have other names.

    A rule that has nothing to compare in some fold of a condition has no case there.
    """
    conditions = [rows for _, rows in best.groupby("condition", sort=False)]
    return [case for rows in conditions for case in _cases(rows, best[best["domain"] != rows["domain"].iloc[0]])]


def summary(found: Sequence[Case]) -> pd.DataFrame:
    """One row a rule, those with all cases first, each part from least to most mean regret.

    Columns needs, cases, regret, low, high (95 % over cases; NaN below five), worst, then each domain's mean.
    """
    table = pd.DataFrame([case.__dict__ for case in found])
    rows = {}
    for name, group in table.groupby("rule", sort=False):
        mean, low, high = mean_interval(group["regret"].to_numpy())
        if len(group) < FEWEST_OF_AN_INTERVAL or low == high:
            low = high = float("nan")
        rows[str(name)] = {
            "needs": group["needs"].iloc[0], "cases": len(group),
            "regret": mean, "low": low if low != low else max(low, 0), "high": high, "worst": group["regret"].max(),
            **group.groupby("domain", sort=False)["regret"].mean(),
        }  # fmt: skip
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.sort_values(["cases", "regret"], ascending=[False, True], kind="stable")


def _cases(rows: pd.DataFrame, elsewhere: pd.DataFrame) -> list[Case]:
    domain, condition = str(rows["domain"].iloc[0]), str(rows["condition"].iloc[0])
    folds = [fold for seed in sorted(rows["seed"].unique()) if (fold := _fold(rows, elsewhere, seed)) is not None]
    found = []
    for name, needs, rule_of in _rules():
        outcomes = [_outcome(rule_of(fold.known), fold) for fold in folds]
        lams, losses = (tuple(o[k] for o in outcomes if o is not None) for k in (0, 1))
        if folds and len(lams) == len(folds):
            found.append(Case(name, needs, domain, condition, lams, float(np.mean(losses))))
    return found


@dataclass(frozen=True)
class _Fold:
    """One seed left out: what rules are set up on, what they choose from, and what scores the choice."""

    known: Known
    others: pd.DataFrame
    held: pd.Series


def _fold(rows: pd.DataFrame, elsewhere: pd.DataFrame, seed: int) -> _Fold | None:
    """None where the seed and the others do not share two λs with a clean score, or nothing is known elsewhere."""
    held = rows[rows["seed"] == seed].groupby("lambda")["test_score"].mean().dropna()
    others = rows[(rows["seed"] != seed) & rows["lambda"].isin(held.index)]
    held = held[held.index.isin(others["lambda"])]
    seen = elsewhere[elsewhere["seed"] != seed]
    known = [table.assign(calibration_score=table["test_score"]) for _, table in seen.groupby("condition", sort=False)]
    return _Fold(known, others, held) if len(held) > 1 and known else None


def _rules() -> list[tuple[str, str, Callable[[Known], Rule | None]]]:
    """By name and needs, what sets a rule up on other domains; it gives None where these do not suffice."""

    def fixed(rule: Rule) -> Callable[[Known], Rule]:
        return lambda known: rule

    def fitted(known: Known) -> Rule | None:
        target = fitted_target(list(known))
        return None if target is None else Rule(FITTED, ELSEWHERE, nearness(target))

    oracle = Rule(ORACLE, "clean test labels of the other seeds", _clean)
    anything = Rule(RANDOM, "nothing", _clean)
    return [
        *((rule.name, rule.needs, fixed(rule)) for rule in RULES),
        (FITTED, ELSEWHERE, fitted),
        (TRUSTED, ELSEWHERE, lambda known: most_trusted(list(known))),
        (BEST_ELSEWHERE, ELSEWHERE, lambda known: Rule(BEST_ELSEWHERE, ELSEWHERE, nearest(_best_lambda(known)))),
        (ORACLE, oracle.needs, fixed(oracle)),
        (RANDOM, anything.needs, fixed(anything)),
    ]


def _clean(trials: pd.DataFrame) -> pd.Series:
    return trials.groupby("lambda")["test_score"].mean()


def _best_lambda(known: Known) -> float:
    """The λ that loses least against the best one of each condition, on average over those that tried it."""
    lost = []
    for rows in known:
        scores = _clean(rows)
        lost.append(scores.max() - scores)
    return float(pd.concat(lost, axis=1).mean(axis=1).idxmin())


def _outcome(rule: Rule | None, fold: _Fold) -> tuple[float, float] | None:
    """The λ chosen and what it loses on the seed left out; None where the rule has nothing to compare."""
    if rule is None:
        return None
    if rule.name == RANDOM:
        return float("nan"), float(fold.held.max() - fold.held.mean())
    lam = chosen_by(rule, fold.others)
    return None if lam is None else (lam, float(fold.held.max() - fold.held[lam]))
