"""Rules that choose lambda, or the epoch within a run, and what each choice costs: its regret.

python -m analysis.rules results/NAME

A rule sees what it may: training losses, noisy labels, predictions. Clean test labels score it. What is fitted with
clean labels (a target for the losses, the trust in a rule) is fitted on all other conditions than the one it is
scored on, with every other test image; the images between score it. With one condition it has no score.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from fer_tune.analysis import convergence
from fer_tune.analysis.methods import with_warm_up
from fer_tune.analysis.statistics import (
    PAPER_TARGET,
    best_configurations,
    distance_to_target,
    mean_interval,
    paired_difference,
)
from fer_tune.analysis.tables import Results, first_set, predictions, script, with_interval

FIXED = (0.4, 1.0)  # the paper's choices for AffectNet-base and RAF-base
CALIBRATED = "clean labels of other conditions and other images"
CONSTANT = 0.8  # share of one predicted class from which a predictor is near-constant
SETTLED_SHARE = 0.5  # of trials: with fewer, convergence says nothing and its rules are switched off
WAVE = 3  # epochs that Label Wave averages prediction changes over
ORACLE, RANDOM, NOISY = "oracle", "random choice", "noisy validation"
PAPER, FITTED, TRUSTED = "paper's convergence target", "fitted convergence target", "most trusted rule elsewhere"


class Rule(NamedTuple):
    """A rule: its name, what it must know, and what it maximises, by lambda (missing: not to be chosen)."""

    name: str
    needs: str
    value: Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Pick:
    """What one rule chooses in one panel, and what it costs there.

    Attributes:
        lam: the lambda; NaN for a random choice.
        accuracy: its mean clean test accuracy.
        regret: test score lost against the oracle.
        low, high: 95 % interval of the regret over seeds, pairs of a seed; NaN with one, and for a random choice.
        epochs, seconds: training that the rule had to spend: all trials of the lambdas that it compares.
    """

    rule: str
    needs: str
    panel: str
    lam: float
    accuracy: float
    regret: float
    low: float
    high: float
    epochs: int
    seconds: float


def _mean(column: str, sign: int = 1, varied: bool = False) -> Callable[[pd.DataFrame], pd.Series]:
    """Mean of a column by lambda. `varied`: near-constant predictors, always stable and in agreement, are left out."""

    def value(trials: pd.DataFrame) -> pd.Series:
        if column not in trials:
            return pd.Series(np.nan, index=sorted(trials["lambda"].unique()))
        kept = trials[column].where(~trials["near_constant"]) if varied else trials[column]
        return sign * kept.groupby(trials["lambda"]).mean()

    return value


def _target(place: tuple[float, float]) -> Callable[[pd.DataFrame], pd.Series]:
    """Nearness of the converged losses to a target; missing everywhere where most trials have not converged."""

    def value(trials: pd.DataFrame) -> pd.Series:
        played = trials["generator_joint_loss"].notna()
        settled = trials[["converged_generator", "converged_discriminator"]].notna().all(axis=1)
        on = played.any() and settled[played].mean() >= SETTLED_SHARE
        distance = distance_to_target(trials["converged_generator"], trials["converged_discriminator"], place)
        return (-distance if on else distance * np.nan).groupby(trials["lambda"]).mean()

    return value


def _nearest(lam: float) -> Callable[[pd.DataFrame], pd.Series]:
    def value(trials: pd.DataFrame) -> pd.Series:
        lams = pd.Series(sorted(trials["lambda"].unique()))
        return pd.Series(-(lams - lam).abs().round(9).to_numpy(), index=lams)  # the smaller of two as near

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
    Rule(PAPER, "training labels", _target(PAPER_TARGET)),
    *(Rule(f"fixed λ = {lam:g}", "nothing", _nearest(lam)) for lam in FIXED),
)


def readings(results: Results) -> pd.DataFrame:
    """The trials of each lambda's best configuration with what rules read of them.

    Adds search_epochs and search_seconds (a trial's share of its lambda's whole search), converged_generator and
    converged_discriminator (missing where not settled), near_constant, disagreement (mean share of validation samples
    on which another seed differs), susceptibility_overall (mean over epochs), and calibration_score and
    scoring_score: accuracy after the last epoch on either half of the test images.
    """
    best = pd.concat([best_configurations(rows) for _, rows in results.trials.groupby("panel", sort=False)])
    best = best.join(convergence.converged(results.epochs[results.epochs["key"].isin(best["key"])]), on="key")
    if "susceptibility" in results.epochs:
        best["susceptibility_overall"] = best["key"].map(results.epochs.groupby("key")["susceptibility"].mean())
    predicted = {key: _predicted(results.path, key) for key in best["key"]}
    _note_cost(results, best)
    best["near_constant"] = [_top_share(predicted[key]) > CONSTANT for key in best["key"]]
    best[["calibration_score", "scoring_score"]] = np.array([_halves(results, key) for key in best["key"]])
    best["disagreement"] = np.nan
    for _, rows in best.groupby(["panel", "lambda", "configuration"]):
        found = [p for p in (predicted[key] for key in rows["key"]) if p is not None]
        if len(found) > 1 and len({len(p) for p in found}) == 1:
            stacked = np.stack(found)
            pairs = [np.mean(a != b) for i, a in enumerate(stacked) for b in stacked[i + 1 :]]
            best.loc[rows.index, "disagreement"] = float(np.mean(pairs))
    return best


def _note_cost(results: Results, best: pd.DataFrame) -> None:
    """Each trial's share of the epochs and seconds of all configurations that its lambda tried, warm-ups included."""
    seconds = with_warm_up(results, results.epochs).groupby("key")["seconds"].sum()
    every = results.trials.assign(seconds=results.trials["key"].map(seconds))
    spent = every.groupby(["panel", "lambda"])[["epochs", "seconds"]].sum()
    count = best.groupby(["panel", "lambda"])["key"].transform("size")
    for name in ("epochs", "seconds"):
        of_lambda = [spent.loc[place, name] for place in zip(best["panel"], best["lambda"], strict=True)]
        best[f"search_{name}"] = np.array(of_lambda) / count.to_numpy()


def _predicted(path: Path, key: str) -> np.ndarray | None:
    """Classes predicted on the validation split, in order of the samples; None where a trial wrote none."""
    file = path / "trials" / key / "predictions_validation.csv"
    return np.loadtxt(file, delimiter=",", skiprows=1, usecols=1, dtype=np.int64, ndmin=1) if file.exists() else None


def _halves(results: Results, key: str) -> tuple[float, float]:
    """Accuracy on the test images at even and at odd places; missing where a trial left no predictions."""
    table = predictions(results, key)
    if table is None:
        return float("nan"), float("nan")
    name, _ = first_set(table)
    known = table[f"{name}_true"].to_numpy() >= 0
    right = (table[f"{name}_true"] == table[f"{name}_predicted"]).to_numpy(float)
    even, odd = (float(right[start::2][known[start::2]].mean()) for start in (0, 1))
    return even, odd


def _top_share(classes: np.ndarray | None) -> float:
    return 0.0 if classes is None or not len(classes) else float(np.bincount(classes).max() / len(classes))


def picks(best: pd.DataFrame) -> list[Pick]:
    """Every rule's choice in every panel that has at least two lambdas, the study's own rule first, the oracle last.

    `best` is what `readings` returns. The fitted target and the most trusted rule need two panels or more, and
    predictions of the test images in each.
    """
    panels = {str(panel): rows for panel, rows in best.groupby("panel", sort=False) if rows["lambda"].nunique() > 1}
    found = [pick for panel, rows in panels.items() for rule in RULES for pick in _pick(rule, panel, rows)]
    halved = all(map(_halved, panels.values()))
    for panel, rows in panels.items():
        others = [table for name, table in panels.items() if name != panel]
        if others and halved:
            if (target := fitted_target(others)) is not None:
                found += _pick(Rule(FITTED, CALIBRATED, _target(target)), panel, rows, "scoring_score")
            trusted = _most_trusted(others)._replace(name=TRUSTED, needs=CALIBRATED)
            found += _pick(trusted, panel, rows, "scoring_score")
        found += [_random(panel, rows), *_pick(Rule(ORACLE, "clean test labels", _mean("test_score")), panel, rows)]
    return found


def _halved(trials: pd.DataFrame) -> bool:
    return "calibration_score" in trials and bool(trials["calibration_score"].notna().all())


def _choice(rule: Rule, trials: pd.DataFrame) -> float | None:
    """The lambda that a rule takes; None where it has nothing to go by."""
    value = rule.value(trials).dropna()
    return None if value.empty else float(value.index.to_numpy(dtype=float)[value.to_numpy().argmax()])


def _pick(rule: Rule, panel: str, trials: pd.DataFrame, scored: str = "test_score") -> list[Pick]:
    """One pick, or none where the rule has nothing to go by. `scored` is the column whose loss is its regret."""
    lam = _choice(rule, trials)
    if lam is None:
        return []
    scores = trials.groupby("lambda")[[scored, "test_accuracy"]].mean()
    spent = trials[trials["lambda"] == lam] if rule.needs == "nothing" else trials
    accuracy, score = float(scores["test_accuracy"][lam]), float(scores[scored][lam])
    regret = float(scores[scored].max()) - score
    top = float(scores[scored].idxmax())  # type: ignore[arg-type]
    own, oracle = (trials[trials["lambda"] == x].groupby("seed")[scored].mean() for x in (lam, top))
    seeds = own.index.intersection(oracle.index)
    _, low, high = paired_difference(oracle[seeds].to_numpy(), own[seeds].to_numpy())
    epochs, seconds = round(spent["search_epochs"].sum()), float(spent["search_seconds"].sum())
    return [Pick(rule.name, rule.needs, panel, lam, accuracy, regret, low, high, epochs, seconds)]


def _random(panel: str, trials: pd.DataFrame) -> Pick:
    """The mean over all lambdas, at the price of one of them."""
    scores = trials.groupby("lambda")[["test_score", "test_accuracy"]].mean()
    lams, mean = len(scores), scores.mean()
    regret = float(scores["test_score"].max() - mean["test_score"])
    epochs, seconds = round(trials["search_epochs"].sum() / lams), float(trials["search_seconds"].sum() / lams)
    nan = float("nan")
    return Pick(RANDOM, "nothing", panel, nan, float(mean["test_accuracy"]), regret, nan, nan, epochs, seconds)


def calibrated_target(best: pd.DataFrame) -> tuple[float, float] | None:
    """The target fitted on every condition, for other studies; None where predictions or converged losses lack."""
    return fitted_target([rows for _, rows in best.groupby("panel", sort=False)]) if _halved(best) else None


def fitted_target(panels: list[pd.DataFrame]) -> tuple[float, float] | None:
    """Mean converged (L_G, L_D) at each panel's best lambda above 0; None where no loss has settled.

    The best by clean labels of the calibration half of the test images.
    """
    places = []
    for rows in panels:
        played = rows.dropna(subset=["converged_generator", "converged_discriminator"])
        if len(played):
            top = played.groupby("lambda")["calibration_score"].mean().idxmax()
            places.append(played[played["lambda"] == top][["converged_generator", "converged_discriminator"]].mean())
    if not places:
        return None
    mean = pd.concat(places, axis=1).mean(axis=1)
    return float(mean.iloc[0]), float(mean.iloc[1])


def fitted_sentence(best: pd.DataFrame) -> str:
    """How the distance to targets fitted on the other conditions tracks test accuracy; empty with one condition."""
    panels = {str(panel): rows for panel, rows in best.groupby("panel", sort=False)}
    distances, targets = [], []
    for panel, rows in panels.items():
        others = [table for name, table in panels.items() if name != panel]
        if others and all(map(_halved, others)) and (target := fitted_target(others)) is not None:
            targets.append(target)
            distances.append(distance_to_target(rows["generator_joint_loss"], rows["discriminator_joint_loss"], target))
    if not distances:
        return ""
    distance = pd.concat(distances)
    rows = best.loc[distance.index]
    found = convergence.correlated(distance, rows["test_accuracy"], rows)
    place = np.mean(targets, axis=0)
    name = f"distance to the target fitted on the other conditions, about ({place[0]:.2f}, {place[1]:.2f})"
    return f"{name}, ranks within each: {convergence.in_words(found)}"


def _most_trusted(panels: list[pd.DataFrame]) -> Rule:
    """The rule without clean labels that loses least on the calibration half of the test images, of those on in all."""

    def loss(rule: Rule) -> float:
        lost = []
        for rows in panels:
            if (lam := _choice(rule, rows)) is None:
                return np.inf
            scores = rows.groupby("lambda")["calibration_score"].mean()
            lost.append(float(scores.max() - scores[lam]))
        return float(np.mean(lost))

    return min(RULES, key=loss)


def regrets(found: list[Pick]) -> pd.DataFrame:
    """One row a rule, from least to most mean regret: its interval over panels (t, 95 %), what it needs and spends.

    With one panel the interval is over its seeds. Columns needs, regret, low, high, panels, epochs, seconds (means a
    panel).
    """
    table = pd.DataFrame([pick.__dict__ for pick in found])
    rows = {}
    for name, group in table.groupby("rule", sort=False):
        n, (mean, low, high) = len(group), mean_interval(group["regret"].to_numpy())
        if n == 1:
            low, high = group[["low", "high"]].iloc[0]
        rows[str(name)] = {
            "needs": group["needs"].iloc[0], "panels": n,
            "regret": mean, "low": max(low, 0), "high": high,
            "epochs": group["epochs"].mean(), "seconds": group["seconds"].mean(),
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("regret", kind="stable")


def trust(found: list[Pick]) -> str:
    """How well noisy validation, by which lambda is chosen, did against the other rules without clean labels.

    It is what the recommendation always goes by: clean labels that have chosen a rule could not score it here too.
    Another rule is named where it was better over at least three panels by more than chance (paired t, 5 %, corrected
    for the number of rules): worth making the next study's objective.
    """
    table = pd.DataFrame([pick.__dict__ for pick in found])
    if table.empty:
        return "it needs nothing that a person lacks"
    by_panel = table.pivot(index="panel", columns="rule", values="regret")
    own, panels = float(by_panel[NOISY].mean()), len(by_panel)
    where = f"over {panels} conditions" if panels > 1 else "here"
    text = f"it needs nothing that a person lacks, and lost {own:.3f} of accuracy {where}"
    if panels < 3:
        return text
    rivals = [rule.name for rule in RULES if rule.name != NOISY and rule.name in by_panel]
    rivals = [name for name in rivals if by_panel[name].notna().all()]
    for name in sorted(rivals, key=lambda rule: by_panel[rule].mean()):
        gain = by_panel[NOISY] - by_panel[name]
        if gain.std() > 1e-9 and stats.ttest_1samp(gain, 0, alternative="greater").pvalue < 0.05 / len(rivals):
            return f"{text}; {name} lost less, {by_panel[name].mean():.3f}, by more than chance"
    return f"{text}; no other rule without clean labels lost less by more than chance"


def table(found: list[Pick]) -> list[dict[str, str]]:
    """The regret of every rule, as table rows."""
    if not found:
        return []
    shown = []
    for name, line in regrets(found).iterrows():
        lams = [pick.lam for pick in found if pick.rule == name]
        shown.append(
            {
                "rule": str(name),
                "needs": str(line["needs"]),
                "λ chosen": ", ".join("any" if lam != lam else f"{lam:.3g}" for lam in lams),
                "mean regret": with_interval(line["regret"], line["low"], line["high"]),
                "conditions": str(int(line["panels"])),
                "epochs": f"{line['epochs']:.0f}",
                "seconds": f"{line['seconds']:.0f}",
            }
        )
    return shown


def epoch_chosen(epochs: pd.DataFrame, objective: str) -> dict[str, int]:
    """Which row (counted from 0) of one run's epochs each rule would stop at.

    Label Wave: the first local minimum of prediction changes averaged over three epochs, where the predictions are not
    near-constant; the last epoch where the changes have none.
    """
    changes = epochs["prediction_changes"].rolling(WAVE).mean().to_numpy()
    inner = np.flatnonzero((changes[1:-1] < changes[:-2]) & (changes[1:-1] <= changes[2:])) + 1
    if "val_top_share" in epochs:
        inner = inner[epochs["val_top_share"].to_numpy()[inner] <= CONSTANT]
    last = len(epochs) - 1
    return {
        "last epoch": last,
        "best noisy validation": int(epochs[objective].to_numpy().argmax()),
        "Label Wave": int(inner[0]) if len(inner) else last,
        ORACLE: int(epochs["test_accuracy"].to_numpy().argmax()),
    }


def epoch_regrets(results: Results) -> list[dict[str, str]]:
    """What stopping within a run by each rule costs against its best epoch, as table rows: lambda 0, and the others."""
    if "prediction_changes" not in results.epochs:
        return []
    rows = []
    for key, epochs in results.epochs.sort_values("epoch").groupby("key"):
        accuracy = epochs["test_accuracy"].to_numpy()
        joint = "λ > 0" if float(epochs["lambda"].iloc[0]) > 0 else "λ = 0"
        for rule, place in epoch_chosen(epochs, results.objective).items():
            rows.append((key, joint, rule, accuracy.max() - accuracy[place], place + 1))
    found = pd.DataFrame(rows, columns=["key", "trials", "rule", "regret", "epoch"])
    shown = []
    for (which, stop), group in found.groupby(["trials", "rule"], sort=False):
        mean, low, high = mean_interval(group["regret"].to_numpy())
        shown.append(
            {"trials": f"{which} (n = {len(group)})", "stop at": str(stop),
             "mean regret": with_interval(mean, max(low, 0), high),
             "mean epoch": f"{group['epoch'].mean():.0f}"}
        )  # fmt: skip
    return sorted(shown, key=lambda row: row["trials"])


def show(results: Results) -> str:
    """Both tables as text."""
    found = picks(readings(results))
    lines = ["  ".join(f"{k} {v}" for k, v in row.items()) for row in [*table(found), *epoch_regrets(results)]]
    return "\n".join(lines) or f"{results.path}: its conditions have one λ each, so there is nothing to choose"


if __name__ == "__main__":
    script(__doc__, show)
