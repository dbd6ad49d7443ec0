"""What each rule that chooses λ, or the epoch to stop at, would have chosen, and the accuracy that this loses.

python -m analysis.rules results/NAME
"""

import numpy as np
import pandas as pd

from fer_tune.analysis import convergence
from fer_tune.analysis.gaps import counted
from fer_tune.analysis.methods import with_warm_up
from fer_tune.analysis.results import CLEAN_TEST_LABELS, Results
from fer_tune.analysis.tables import as_text, script, with_interval
from fer_tune.analysis.trial_files import predictions, validation_predictions
from fer_tune.decision.intervals import mean_interval
from fer_tune.decision.response import cross_fitted
from fer_tune.decision.rules import (
    FITTED,
    NEAR_CONSTANT_SHARE,
    RULES,
    TRUSTED,
    Pick,
    Trust,
    distance_to_target,
    fitted_target,
    has_halves,
    picks,
    regrets,
    stopping_regrets,
)
from fer_tune.decision.stationarity import converged_losses


def readings(results: Results) -> pd.DataFrame:
    """The trials that each λ is scored by (`cross_fitted`), with what rules read of them.

    Adds search_epochs and search_seconds (a trial's share of its λ's whole search), converged_generator and
    converged_discriminator (missing where not converged), near_constant, disagreement (mean share of validation samples
    on which another seed differs), susceptibility_overall (mean over epochs), and calibration_score and scoring_score:
    accuracy after the last epoch on either half of the test images.
    """
    best = pd.concat([cross_fitted(rows) for _, rows in results.trials.groupby("condition", sort=False)])
    best = best.join(converged_losses(results.epochs[results.epochs["key"].isin(best["key"])]), on="key")
    if "susceptibility" in results.epochs:
        best["susceptibility_overall"] = best["key"].map(results.epochs.groupby("key")["susceptibility"].mean())
    predicted = {key: validation_predictions(results, key) for key in best["key"]}
    _note_cost(results, best)
    best["near_constant"] = [_top_share(predicted[key]) > NEAR_CONSTANT_SHARE for key in best["key"]]
    best[["calibration_score", "scoring_score"]] = np.array([_halves(results, key) for key in best["key"]])
    best["disagreement"] = np.nan
    for _, rows in best.groupby(["condition", "lambda", "configuration"]):
        best.loc[rows.index, "disagreement"] = _disagreement([predicted[key] for key in rows["key"]])
    return best


def _disagreement(predicted: list[np.ndarray | None]) -> float:
    """Mean share of samples on which two seeds differ; missing with fewer than two, or with other samples."""
    found = [classes for classes in predicted if classes is not None]
    if len(found) < 2 or len({len(classes) for classes in found}) > 1:
        return float("nan")
    return float(np.mean([np.mean(a != b) for i, a in enumerate(found) for b in found[i + 1 :]]))


def _note_cost(results: Results, best: pd.DataFrame) -> None:
    """Add each trial's share of the epochs and seconds of all configurations of its λ, warm-ups included."""
    seconds = with_warm_up(results, results.epochs).groupby("key")["seconds"].sum()
    every = results.trials.assign(seconds=results.trials["key"].map(seconds))
    spent = every.groupby(["condition", "lambda"])[["epochs", "seconds"]].sum()
    count = best.groupby(["condition", "lambda"])["key"].transform("size")
    for name in ("epochs", "seconds"):
        of_lambda = [spent.loc[place, name] for place in zip(best["condition"], best["lambda"], strict=True)]
        best[f"search_{name}"] = np.array(of_lambda) / count.to_numpy()


def _halves(results: Results, key: str) -> tuple[float, float]:
    """Accuracy on the test images at even and at odd places; missing where none there has a prediction and a label."""
    table = predictions(results, key)
    if table is None:
        return float("nan"), float("nan")
    halves = [table.right[start::2][table.known[start::2]] for start in (0, 1)]
    even, odd = (float(half.mean()) if len(half) else float("nan") for half in halves)
    return even, odd


def _top_share(classes: np.ndarray | None) -> float:
    return 0.0 if classes is None or not len(classes) else float(np.bincount(classes).max() / len(classes))


def fitted_sentence(best: pd.DataFrame) -> str:
    """How the distance to targets fitted on the other conditions tracks test accuracy; empty with one condition."""
    conditions = {str(name): rows for name, rows in best.groupby("condition", sort=False)}
    distances, targets = [], []
    for name, rows in conditions.items():
        others = [table for other, table in conditions.items() if other != name]
        if others and all(map(has_halves, others)) and (target := fitted_target(others)) is not None:
            targets.append(target)
            distances.append(distance_to_target(rows["generator_joint_loss"], rows["discriminator_joint_loss"], target))
    if not distances:
        return ""
    distance = pd.concat(distances)
    rows = best.loc[distance.index]
    found = convergence.correlated(distance, rows["test_accuracy"], rows)
    place = np.mean(targets, axis=0)
    name = f"Distance to the target fitted on the other conditions, about ({place[0]:.2f}, {place[1]:.2f})"
    return f"{name}, ranked within each condition: {convergence.in_words(found)}"


def trust_sentence(found: Trust | None, test_labels: str) -> str:
    """Why λ is chosen by noisy validation, and whether another rule would have done better.

    `found` is None where nothing was chosen, or not yet. `test_labels` says what the test split is scored on.
    """
    reason = "it uses only labels you already have"
    if found is None:
        return reason
    where = f"on average over {found.conditions} conditions, " if found.conditions > 1 else ""
    if found.held_out:
        text = (
            f"{reason}; {where}on a seed that had no part in the choice, it lost {found.regret:.3f} test accuracy "
            f"compared with the best λ there (choosing on the {test_labels} of the other seeds lost {found.oracle:.3f})"
        )
    else:
        text = (
            f"{reason}; {where}its choice lost {found.regret:.3f} test accuracy compared with choosing on the "
            f"{test_labels}, for the networks in hand: one seed says nothing of new ones"
        )
    if found.better is not None:
        name, regret = found.better
        return f"{text}; the rule {name!r} lost significantly less ({regret:.3f})"
    return f"{text}; no other rule that sees no test label lost significantly less" if found.tested else text


def _needs(needs: str, test_labels: str) -> str:
    """What a rule must know, in words that are true where nobody has checked the test labels."""
    if test_labels == CLEAN_TEST_LABELS:
        return needs
    return needs.replace(CLEAN_TEST_LABELS, test_labels).replace("clean labels", "test labels")


def _named(rule: str, lams: list[float]) -> str:
    """A rule's name; of a fixed λ that was not tried, that the nearest one stands for it."""
    fixed = rule.removeprefix("fixed λ = ")
    return rule if fixed == rule or all(f"{lam:g}" == fixed for lam in lams) else f"{rule} (nearest tried)"


def table(found: list[Pick], test_labels: str) -> list[dict[str, str]]:
    """The regret of every rule, as table rows. `test_labels` says what the test split is scored on."""
    if not found:
        return []
    shown = []
    lost = "regret on seeds left out" if all(pick.held_out for pick in found) else "regret of the networks in hand"
    for name, line in regrets(found).iterrows():
        lams = [pick.lam for pick in found if pick.rule == name]
        shown.append(
            {
                "rule": _named(str(name), lams),
                "needs": _needs(str(line["needs"]), test_labels),
                "λ chosen": ", ".join("any" if lam != lam else f"{lam:.3g}" for lam in lams),
                lost: with_interval(line["regret"], line["low"], line["high"]),
                "conditions": str(int(line["conditions"])),
                "epochs": f"{line['epochs']:.0f}",
                "seconds": f"{line['seconds']:.0f}",
            }
        )
    return shown


def left_out(found: list[Pick]) -> str:
    """The rules that had nothing to compare in some condition, in a sentence; empty where all had."""
    names = [*(rule.name for rule in RULES), FITTED, TRUSTED]
    counts = [sum(pick.rule == name for pick in found) for name in names]
    lacking = [name for name, count in zip(names, counts, strict=True) if found and count < max(counts)]
    if not lacking:
        return ""
    return (
        f"Left out where they have nothing to compare: {', '.join(lacking)}. They need values that the study does not "
        "have, such as CCC, two seeds, converged losses, other conditions, or predictions that vary."
    )


def stopping_table(results: Results) -> list[dict[str, str]]:
    """What stopping a run by each rule loses compared with its best epoch, as table rows: λ = 0, then λ > 0.

    Runs of one seed share their images and wrong labels, so the interval is over the means of seeds; one seed has none.
    """
    if "prediction_changes" not in results.epochs:
        return []
    shown = []
    found = stopping_regrets(results.epochs, results.objective)
    found["seed"] = found["key"].map(results.trials.set_index("key")["seed"])
    for (joint, stop), group in found.groupby(["joint", "rule"], sort=False):
        by_seed = group.groupby("seed")["regret"].mean().to_numpy()
        mean, low, high = mean_interval(by_seed)
        trials = f"λ {'>' if joint else '='} 0 ({counted(len(group), 'trial')}, {counted(len(by_seed), 'seed')})"
        shown.append(
            {"trials": trials, "stop at": str(stop),
             "mean regret": with_interval(mean, max(low, 0), high),
             "mean epoch": f"{group['epoch'].mean():.0f}"}
        )  # fmt: skip
    return sorted(shown, key=lambda row: row["trials"])


def show(results: Results) -> str:
    """Both tables as text."""
    text = as_text([*table(picks(readings(results)), results.test_labels), *stopping_table(results)])
    return text or f"{results.path}: every condition has one λ, so there is nothing to choose"


if __name__ == "__main__":
    script(__doc__, show)
