"""Every method's clean test accuracy side by side, at equal epochs and at equal seconds.

python -m analysis.methods results/NAME
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_tune.analysis.figures import by_panel, label, save, system_curves
from fer_tune.analysis.response import spread_of
from fer_tune.analysis.statistics import (
    LAST_EPOCHS,
    best_configurations,
    paired_difference,
    pooled_interval,
    t_quantile,
)
from fer_tune.analysis.tables import Results, script, with_interval

NAMES = ("method", "training.method", "training.majority", "training.balance")


def compared(results: Results) -> list[str]:
    """The conditions by which a study compares systems; none in most studies."""
    return [name for name in NAMES if name in results.study["conditions"]]


def systems(results: Results) -> pd.DataFrame:
    """The trials of each system's best configuration, chosen by noisy validation, never by test data.

    Adds `system` (its name) and `elsewhere` (the other conditions), and the seconds of each trial.
    """
    trials = results.trials.copy()
    names = compared(results)
    trials["system"] = trials[names].apply(lambda row: ", ".join(_named(n, v) for n, v in row.items()), axis=1)
    others = [name for name in results.study["conditions"] if name not in names]
    trials["elsewhere"] = _joined(trials, others)
    best = [_best_of(rows) for _, rows in trials.groupby(["elsewhere", "system"], sort=False)]
    return pd.concat(best).sort_values(
        names, key=lambda column: column.map(_order(results, column.name)), kind="stable"
    )


def _named(condition: object, value: object) -> str:
    """What a system is called by one of the settings that systems differ in."""
    if condition == "training.majority":
        return "majority vote" if value else "every annotator"
    return f"balance {value}" if condition == "training.balance" else str(value)


def _order(results: Results, name: object) -> dict[object, int]:
    """Where each value of a condition stands in the study file."""
    return {value: i for i, value in enumerate(results.study["conditions"][str(name)])}


def _joined(trials: pd.DataFrame, names: list[str]) -> pd.Series:
    if not names:
        return pd.Series("all", index=trials.index)
    return trials[names].astype(str).apply(lambda row: ", ".join(f"{n} {v}" for n, v in row.items()), axis=1)


def _best_of(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials of the one configuration, of any lambda, whose mean score is highest."""
    kept = best_configurations(trials)
    best = kept.groupby("configuration")["score"].mean().idxmax()
    return kept[kept["configuration"] == best]


def with_warm_up(results: Results, epochs: pd.DataFrame) -> pd.DataFrame:
    """Epochs with the seconds of shared warm-ups put back: a trial that continues one counts them as its own."""
    spent = results.aside.set_index("key")["seconds"].to_dict()
    shared = (epochs["seconds"] == 0) & epochs["warm_up"].isin(spent)
    length = shared.groupby(epochs["key"]).transform("sum").clip(lower=1)
    own = epochs["warm_up"].map(spent) / length
    return epochs.assign(seconds=epochs["seconds"].where(~shared, own))


def timed(results: Results, found: pd.DataFrame) -> pd.DataFrame:
    """The epochs of the trials found, each with its system, `elsewhere` and the seconds that such an epoch takes.

    Those are the median over a system's epochs, with and without the joint game apart: a machine that does other
    work too slows single epochs.
    """
    about = found.set_index("key")[["system", "elsewhere"]]
    epochs = with_warm_up(results, results.epochs[results.epochs["key"].isin(found["key"])]).join(about, on="key")
    kind = ["elsewhere", "system", epochs["generator_joint_loss"].notna()]
    return epochs.assign(seconds=epochs.groupby(kind)["seconds"].transform("median"))


def at_seconds(epochs: pd.DataFrame, seconds: float) -> pd.Series:
    """Clean test accuracy of each trial when it had trained for so long: the mean of the last five epochs until then.

    A trial that was shorter counts at its end. Index: trial keys.
    """
    ordered = epochs.sort_values("epoch")
    spent = ordered.groupby("key")["seconds"].cumsum()
    within = ordered[(spent <= seconds) | (ordered["epoch"] == 1)]
    return within.groupby("key")["test_accuracy"].apply(lambda values: values.tail(LAST_EPOCHS).mean())


def table(results: Results) -> list[dict[str, str]]:
    """One row a system within each other condition: accuracy with its interval, at equal epochs and seconds."""
    found = systems(results)
    epochs = timed(results, found)
    found = found.assign(seconds=found["key"].map(epochs.groupby("key")["seconds"].sum()))
    rows = []
    for elsewhere, trials in found.groupby("elsewhere", sort=False):
        budget = float(trials.groupby("system")["seconds"].mean().min())
        early = at_seconds(epochs[epochs["key"].isin(trials["key"])], budget)
        trials = trials.assign(early=trials["key"].map(early))
        late, soon = (pooled_interval(trials, value, "system") for value in ("test_accuracy", "early"))
        first = trials["system"].iloc[0]
        for system in dict.fromkeys(trials["system"]):
            own = trials[trials["system"] == system]
            rows.append(
                {
                    "condition": str(elsewhere),
                    "system": str(system),
                    "λ": f"{own['lambda'].iloc[0]:.3g}",
                    "learning rate": f"{own['lr'].iloc[0]:.1e}",
                    "seeds": str(own["seed"].nunique()),
                    "test accuracy": _interval(late.loc[system]),
                    "difference from the first": _difference(own, trials[trials["system"] == first]),
                    "seconds a trial": f"{own['seconds'].mean():.0f}",
                    "test accuracy at equal seconds": f"{_interval(soon.loc[system])} at {budget:.0f} s",
                }
            )
    return rows


def sentences(results: Results) -> list[str]:
    """What noisy validation would choose among the systems, and how they fare on clean test labels."""
    found = systems(results)
    lines = []
    for elsewhere, trials in found.groupby("elsewhere", sort=False):
        chosen = trials.groupby("system")["score"].mean().idxmax()
        late = pooled_interval(trials, "test_accuracy", "system").sort_values("mean", ascending=False)
        fare = ", ".join(f"{system} {_interval(line)}" for system, line in late.iterrows())
        where = "" if elsewhere == "all" else f"At {elsewhere}: "
        tied = _tied(trials, str(chosen))
        doubt = f" (not told from {', '.join(tied)} by it)" if tied else ""
        labels = results.test_labels
        lines.append(
            f"{where}noisy validation ({results.objective}) would take {chosen}{doubt}. Accuracy on {labels}: {fare}."
        )
    return lines


def _tied(trials: pd.DataFrame, chosen: str) -> list[str]:
    """Systems whose score the seeds do not tell from the chosen one's, pairs of a seed compared where all have it."""
    spread, freedom = spread_of(trials.assign(configuration=trials["system"]), "score")
    means = trials.groupby("system", sort=False)["score"].mean()
    if not freedom:
        return []
    half = t_quantile(freedom) * spread * np.sqrt(2 / trials.groupby("system")["seed"].nunique().median())
    return [str(system) for system, mean in means.items() if system != chosen and mean >= means[chosen] - half]


def _interval(line: pd.Series) -> str:
    return with_interval(line["mean"], line["low"], line["high"])


def _difference(own: pd.DataFrame, first: pd.DataFrame) -> str:
    """Paired by seed; empty for the system itself."""
    if own["system"].iloc[0] == first["system"].iloc[0]:
        return ""
    mine, theirs = (t.set_index("seed")["test_accuracy"] for t in (own, first))
    seeds = mine.index.intersection(theirs.index)
    if not len(seeds):
        return ""
    return with_interval(*paired_difference(mine[seeds].to_numpy(), theirs[seeds].to_numpy()), sign="+")


def figure(results: Results) -> Figure:
    """Clean test accuracy against seconds trained, a line a system, a plot for each other condition."""
    found = systems(results)
    epochs = timed(results, found)
    epochs = epochs.assign(panel=epochs["elsewhere"])
    return by_panel(replace(results, trials=found.assign(panel=found["elsewhere"])), epochs, _by_seconds)


def _by_seconds(ax: Axes, epochs: pd.DataFrame) -> Axes:
    system_curves(ax, epochs)
    return label(ax, "seconds of training", "test accuracy (share, clean labels)", legend="system")


def show(results: Results) -> str:
    """Write the figure; return the table as text."""
    if not compared(results):
        return f"{results.path}: compares no systems: its conditions name none of {', '.join(NAMES)}"
    save(figure(results), results, "methods")
    return "\n".join("  ".join(f"{k} {v}" for k, v in row.items() if v) for row in table(results))


if __name__ == "__main__":
    script(__doc__, show)
