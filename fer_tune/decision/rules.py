"""Rules that choose λ, or the epoch to stop at, and what each choice costs: its regret.

A rule sees only what it may: training losses, noisy labels, predictions. Clean test labels score it. What needs clean
labels (a target for the losses, the most trusted rule) is fitted on all conditions but the one it is scored on, with
every other test image; the remaining images score it. With one condition it has no score.

A choice is scored on networks that had no part in it: the rule chooses with all seeds but one, and loses what its λ
scores below the best λ on the one left out. Scored on the very networks that chose, a rule that is right by chance
seems to lose nothing: 0.001 over the six conditions of docs/noise_kinds, where it loses 0.017 on seeds left out. No
rule can know what chance does on a new seed, so the oracle, which chooses on the clean labels of the other seeds, loses
something too; a rule is to be compared with that. With one seed there is only the regret of the networks in hand.

The table `best` that most functions take has one row a trial that a λ is scored by. Its columns: condition,
lambda, configuration, seed, score, test_score, test_accuracy, near_constant, search_epochs, search_seconds, the
converged losses, calibration_score and scoring_score (accuracy on either half of the test images), and what rules
maximise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from fer_tune.decision.intervals import mean_interval

PAPER_TARGET = (2.6, 0.45)  # converged L_G and L_D of the paper's best runs (supplement, Fig. 6)
PAPER_LAMBDAS = (0.4, 1.0)  # the paper's choices for AffectNet-base and RAF-base
ON_OTHER_CONDITIONS = "clean labels of other conditions and other images"
NEAR_CONSTANT_SHARE = 0.8  # of predictions that name one class
CONVERGED_SHARE = 0.5  # of trials: with fewer, the convergence rules are switched off
LABEL_WAVE_EPOCHS = 3  # over which Label Wave averages prediction changes
FEWEST_CONDITIONS = 3  # to test whether another rule is better
FEWEST_OF_AN_INTERVAL = 5  # conditions: with fewer, and over seeds, an interval of regrets covers 65 to 90 %
ORACLE, RANDOM, NOISY = "oracle", "random choice", "noisy validation"
PAPER, FITTED, TRUSTED = "paper's convergence target", "fitted convergence target", "most trusted rule elsewhere"


Folds = list[tuple[pd.DataFrame, pd.Series]]  # for each seed left out: the other seeds' trials, its own scores by λ


class Rule(NamedTuple):
    """A rule: its name, what it must know, and what it maximises, by λ (missing: not to be chosen)."""

    name: str
    needs: str
    value: Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Pick:
    """What one rule chooses in one condition, and what that costs there.

    Attributes:
        lam: the λ that all seeds choose; NaN for a random choice.
        accuracy: its mean clean test accuracy, 0 to 1.
        regret: test score lost compared with the best λ, mean over the seeds left out.
        held_out: whether it was chosen without the seeds that score it; False with one seed, where the regret is that
            of the networks in hand.
        epochs, seconds: training that the rule needs: all trials of the λs that it compares.
    """

    rule: str
    needs: str
    condition: str
    lam: float
    accuracy: float
    regret: float
    held_out: bool
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Trust:
    """How well noisy validation chose λ, compared with the other rules that need no clean labels.

    Attributes:
        regret: accuracy that it lost compared with the best λ, mean over conditions.
        oracle: what choosing on clean labels lost, likewise.
        conditions: number of conditions.
        better: a rule that lost significantly less, and what it lost; None where there is none.
        held_out: whether both are of seeds that had no part in the choice, and not of the networks in hand.
    """

    regret: float
    oracle: float
    conditions: int
    better: tuple[str, float] | None
    held_out: bool

    @property
    def tested(self) -> bool:
        """Whether there are enough conditions to compare rules."""
        return self.conditions >= FEWEST_CONDITIONS


def distance_to_target(
    generator_loss: pd.Series, discriminator_loss: pd.Series, target: tuple[float, float] = PAPER_TARGET
) -> pd.Series:
    """Distance of (L_G, L_D) to a target, each loss relative to its target value."""
    relative_g = (generator_loss - target[0]) / target[0]
    relative_d = (discriminator_loss - target[1]) / target[1]
    return pd.Series(np.hypot(relative_g, relative_d), index=generator_loss.index)


def _mean(column: str, sign: int = 1, varied: bool = False) -> Callable[[pd.DataFrame], pd.Series]:
    """Mean of a column by λ. `varied` leaves out near-constant predictors, which are always stable and agree."""

    def value(trials: pd.DataFrame) -> pd.Series:
        if column not in trials:
            return pd.Series(np.nan, index=sorted(trials["lambda"].unique()))
        kept = trials[column].where(~trials["near_constant"]) if varied else trials[column]
        return sign * kept.groupby(trials["lambda"]).mean()

    return value


def nearness(target: tuple[float, float]) -> Callable[[pd.DataFrame], pd.Series]:
    """Nearness of the converged losses to a target; missing everywhere where most trials have not converged."""

    def value(trials: pd.DataFrame) -> pd.Series:
        played = trials["generator_joint_loss"].notna()
        converged = trials[["converged_generator", "converged_discriminator"]].notna().all(axis=1)
        on = played.any() and converged[played].mean() >= CONVERGED_SHARE
        distance = distance_to_target(trials["converged_generator"], trials["converged_discriminator"], target)
        return (-distance if on else distance * np.nan).groupby(trials["lambda"]).mean()

    return value


def nearest(lam: float) -> Callable[[pd.DataFrame], pd.Series]:
    """Nearness of each λ that was tried to a given one."""

    def value(trials: pd.DataFrame) -> pd.Series:
        lams = pd.Series(sorted(trials["lambda"].unique()))
        return pd.Series(-(lams - lam).abs().round(9).to_numpy(), index=lams)  # of two as near, the smaller

    return value


RULES = (
    Rule(NOISY, "held-out noisy labels", _mean("score")),
    Rule("noisy validation CCC", "held-out noisy values", _mean("ccc_score")),
    Rule("determinant information", "held-out noisy labels", _mean("val_dmi")),
    Rule("peer score", "held-out noisy labels", _mean("val_peer_accuracy")),
    Rule("fewest prediction changes", "training images", _mean("prediction_changes", -1, varied=True)),
    Rule("least disagreement between seeds", "held-out images", _mean("disagreement", -1, varied=True)),
    Rule("least susceptibility", "held-out images", _mean("susceptibility_overall", -1, varied=True)),
    Rule("smallest task loss", "training labels", _mean("task_loss", -1)),
    Rule(PAPER, "training labels", nearness(PAPER_TARGET)),
    *(Rule(f"fixed λ = {lam:g}", "nothing", nearest(lam)) for lam in PAPER_LAMBDAS),
)


def picks(best: pd.DataFrame) -> list[Pick]:
    """Every rule's choice in every condition with at least two λs, the study's own rule first, the oracle last.

    The fitted target and the most trusted rule need two conditions or more, and predictions of the test images in
    each.
    """
    conditions = {
        str(name): rows for name, rows in best.groupby("condition", sort=False) if rows["lambda"].nunique() > 1
    }
    folds = {name: _folds(rows, "test_score") for name, rows in conditions.items()}
    found = [
        pick for name, rows in conditions.items() for rule in RULES for pick in _pick(rule, name, rows, folds[name])
    ]
    halved = all(map(has_halves, conditions.values()))
    for name, rows in conditions.items():
        others = [table for other, table in conditions.items() if other != name]
        if others and halved:
            half = _folds(rows, "scoring_score")
            if (target := fitted_target(others)) is not None:
                fitted = Rule(FITTED, ON_OTHER_CONDITIONS, nearness(target))
                found += _pick(fitted, name, rows, half, "scoring_score")
            trusted = most_trusted(others)._replace(name=TRUSTED, needs=ON_OTHER_CONDITIONS)
            found += _pick(trusted, name, rows, half, "scoring_score")
        oracle = Rule(ORACLE, "clean test labels", _mean("test_score"))
        found += [*_random(name, rows, folds[name]), *_pick(oracle, name, rows, folds[name])]
    return found


def has_halves(best: pd.DataFrame) -> bool:
    """Whether every trial has its accuracy on either half of the test images."""
    return "calibration_score" in best and bool(best["calibration_score"].notna().all())


def chosen_by(rule: Rule, trials: pd.DataFrame) -> float | None:
    """The λ that a rule takes; None where it has nothing to compare."""
    value = rule.value(trials).dropna()
    return None if value.empty else float(value.index.to_numpy(dtype=float)[value.to_numpy().argmax()])


def _pick(rule: Rule, condition: str, trials: pd.DataFrame, folds: Folds, scored: str = "test_score") -> list[Pick]:
    """One pick, or none where the rule has nothing to compare or its choice has no clean score.

    `scored` is the column whose loss is its regret, `folds` what `_folds` finds of it.
    """
    lam = chosen_by(rule, trials)
    if lam is None:
        return []
    scores = trials.groupby("lambda")[[scored, "test_accuracy"]].mean()
    if np.isnan(scores[scored][lam]):
        return []
    spent = trials[trials["lambda"] == lam] if rule.needs == "nothing" else trials
    chosen = [(chosen_by(rule, others), held) for others, held in folds]
    losses = [_loss(held[choice], held) for choice, held in chosen if choice is not None]
    regret = float(np.mean(losses)) if losses else _loss(scores[scored][lam], scores[scored])
    epochs, seconds = round(spent["search_epochs"].sum()), float(spent["search_seconds"].sum())
    accuracy = float(scores["test_accuracy"][lam])
    return [Pick(rule.name, rule.needs, condition, lam, accuracy, regret, bool(losses), epochs, seconds)]


def _folds(trials: pd.DataFrame, scored: str) -> Folds:
    """For each seed: the trials of the others, and its own scores by λ, of the λs that both have; none with one seed.

    What a rule reads of several seeds at once (their disagreement) was read of all of them.
    """
    found = []
    for seed, own in trials.groupby("seed"):
        held = own.groupby("lambda")[scored].mean().dropna()
        others = trials[(trials["seed"] != seed) & trials["lambda"].isin(held.index)]
        held = held[held.index.isin(others["lambda"])]
        if len(held) > 1:
            found.append((others, held))
    return found


def _loss(score: float, scores: pd.Series) -> float:
    return float(scores.max() - score)


def _random(condition: str, trials: pd.DataFrame, folds: Folds) -> list[Pick]:
    """The mean over all λs, at the price of one of them; none without clean scores."""
    scores = trials.groupby("lambda")[["test_score", "test_accuracy"]].mean()
    if scores["test_score"].isna().all():
        return []
    lams, mean = len(scores), scores.mean()
    losses = [_loss(float(held.mean()), held) for _, held in folds]
    regret = float(np.mean(losses)) if losses else _loss(float(mean["test_score"]), scores["test_score"])
    epochs, seconds = round(trials["search_epochs"].sum() / lams), float(trials["search_seconds"].sum() / lams)
    accuracy = float(mean["test_accuracy"])
    return [Pick(RANDOM, "nothing", condition, float("nan"), accuracy, regret, bool(losses), epochs, seconds)]


def calibrated_target(best: pd.DataFrame) -> tuple[float, float] | None:
    """The target fitted on all conditions, for other studies; None without predictions or converged losses."""
    return fitted_target([rows for _, rows in best.groupby("condition", sort=False)]) if has_halves(best) else None


def fitted_target(conditions: list[pd.DataFrame]) -> tuple[float, float] | None:
    """Mean converged (L_G, L_D) at each condition's best λ above 0; None where no loss has converged.

    The best λ by clean labels of the calibration half of the test images.
    """
    places = []
    for rows in conditions:
        played = rows.dropna(subset=["converged_generator", "converged_discriminator"])
        if len(played):
            top = played.groupby("lambda")["calibration_score"].mean().idxmax()
            places.append(played[played["lambda"] == top][["converged_generator", "converged_discriminator"]].mean())
    if not places:
        return None
    mean = pd.concat(places, axis=1).mean(axis=1)
    return float(mean.iloc[0]), float(mean.iloc[1])


def most_trusted(conditions: list[pd.DataFrame]) -> Rule:
    """Of the rules that choose in all conditions, the one that loses least on the calibration half."""

    def loss(rule: Rule) -> float:
        lost = []
        for rows in conditions:
            if (lam := chosen_by(rule, rows)) is None:
                return np.inf
            scores = rows.groupby("lambda")["calibration_score"].mean()
            lost.append(float(scores.max() - scores[lam]))
        return float(np.mean(lost))

    return min(RULES, key=loss)


def regrets(found: list[Pick]) -> pd.DataFrame:
    """One row a rule, from least to most mean regret, with a 95 % interval over conditions.

    The interval is NaN below five conditions and where all regrets are equal. Regrets are skewed: in simulations it
    covered 92 to 95 % with six conditions. Columns needs, conditions, regret, low, high, held_out (for all conditions),
    epochs, seconds (means over conditions).
    """
    table = pd.DataFrame([pick.__dict__ for pick in found])
    rows = {}
    for name, group in table.groupby("rule", sort=False):
        n, (mean, low, high) = len(group), mean_interval(group["regret"].to_numpy())
        if n < FEWEST_OF_AN_INTERVAL or low == high:
            low = high = float("nan")
        rows[str(name)] = {
            "needs": group["needs"].iloc[0], "conditions": n,
            "regret": mean, "low": low if low != low else max(low, 0), "high": high,
            "held_out": bool(group["held_out"].all()),
            "epochs": group["epochs"].mean(), "seconds": group["seconds"].mean(),
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("regret", kind="stable")


def trust(found: list[Pick]) -> Trust | None:
    """How well noisy validation, by which λ is chosen, did against the other rules without clean labels.

    The recommendation always uses it: clean labels that had chosen a rule could not score that rule here as well.
    Another rule is named where it lost less over at least three conditions, significantly so (paired t test, 5 %,
    Bonferroni). It is then worth making the next study's objective. None where there was nothing to choose, or no
    clean labels to judge it.
    """
    table = pd.DataFrame([pick.__dict__ for pick in found])
    if table.empty or NOISY not in table["rule"].to_numpy():
        return None
    regret = table.pivot(index="condition", columns="rule", values="regret")
    own, conditions = float(regret[NOISY].mean()), len(regret)
    better = _significantly_better(regret) if conditions >= FEWEST_CONDITIONS else None
    held_out = bool(table.loc[table["rule"] == NOISY, "held_out"].all())
    return Trust(own, float(regret[ORACLE].mean()), conditions, better, held_out)


def _significantly_better(regret: pd.DataFrame) -> tuple[str, float] | None:
    """The best rule whose regret (conditions by rules) is significantly below that of noisy validation."""
    rivals = [rule.name for rule in RULES if rule.name != NOISY and rule.name in regret]
    rivals = [name for name in rivals if regret[name].notna().all()]
    for name in sorted(rivals, key=lambda rule: regret[rule].mean()):
        gain = regret[NOISY] - regret[name]
        if gain.std() > 1e-9 and stats.ttest_1samp(gain, 0, alternative="greater").pvalue < 0.05 / len(rivals):
            return name, float(regret[name].mean())
    return None


def epoch_chosen(epochs: pd.DataFrame, objective: str) -> dict[str, int]:
    """The row (counted from 0) of one run's epochs at which each rule would stop.

    Label Wave stops at the first local minimum of prediction changes, averaged over three epochs, where predictions are
    not near-constant; at the last epoch where there is none. An epoch without a value is never the best, and a rule
    without any value is left out.
    """
    changes = epochs["prediction_changes"].rolling(LABEL_WAVE_EPOCHS).mean().to_numpy()
    inner = np.flatnonzero((changes[1:-1] < changes[:-2]) & (changes[1:-1] <= changes[2:])) + 1
    if "val_top_share" in epochs:
        inner = inner[epochs["val_top_share"].to_numpy()[inner] <= NEAR_CONSTANT_SHARE]
    last = len(epochs) - 1
    chosen = {
        "last epoch": last,
        "best noisy validation": _best_row(epochs[objective]),
        "Label Wave": int(inner[0]) if len(inner) else last,
        ORACLE: _best_row(epochs["test_accuracy"]),
    }
    return {rule: place for rule, place in chosen.items() if place is not None}


def _best_row(values: pd.Series) -> int | None:
    """The place of the highest value; None where all are missing."""
    return int(np.nanargmax(values.to_numpy())) if values.notna().any() else None


def stopping_regrets(epochs: pd.DataFrame, objective: str) -> pd.DataFrame:
    """Test accuracy that each stopping rule loses against a run's best epoch: columns key, joint, rule, regret, epoch.

    `joint` is whether the run's λ is above 0, `epoch` counts from 1. Runs without test accuracy are left out.
    """
    rows = []
    for key, run in epochs.sort_values("epoch").groupby("key"):
        accuracy = run["test_accuracy"].to_numpy()
        joint = float(run["lambda"].iloc[0]) > 0
        if np.isnan(accuracy).any():
            continue
        for rule, place in epoch_chosen(run, objective).items():
            rows.append((key, joint, rule, accuracy.max() - accuracy[place], place + 1))
    return pd.DataFrame(rows, columns=["key", "joint", "rule", "regret", "epoch"])
