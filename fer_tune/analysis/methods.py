"""Every method's clean test accuracy side by side, after equal epochs and after equal training time.

python -m analysis.methods results/NAME
"""

from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_tune.analysis.figures import by_condition, label, save, system_curves
from fer_tune.analysis.majority import on_test_of
from fer_tune.analysis.results import Results
from fer_tune.analysis.study_record import column
from fer_tune.analysis.tables import as_text, script, with_interval
from fer_tune.analysis.text import joined
from fer_tune.analysis.trial_files import test_samples
from fer_tune.decision.intervals import group_intervals, paired_difference
from fer_tune.decision.response import cross_fitted
from fer_tune.names import LAST_EPOCHS, METHOD, Setting, find

MAJORITY, BALANCE = "training.majority", "training.balance"
SYSTEM_SETTINGS = (METHOD, MAJORITY, BALANCE)
NAMES = {
    "multitask": "plain training",
    "coteaching": "Co-teaching",
    "gce": "generalised cross-entropy",
    "joint": "joint training",
}  # of the methods, in words


def compared(results: Results) -> list[Setting]:
    """The conditions by which a study compares systems; none in most studies."""
    found = (find(results.study.conditions, path) for path in SYSTEM_SETTINGS)
    return [setting for setting in found if setting is not None]


def systems(results: Results) -> pd.DataFrame:
    """The trials that each system is scored by: of the configuration that noisy validation chooses on other seeds.

    `configuration` names the one that all seeds choose. Adds `system` (its name) and `elsewhere` (the other
    conditions), and the seconds of each trial.
    """
    trials = results.trials.copy()
    settings = {column(setting): setting for setting in compared(results)}
    trials["system"] = trials[list(settings)].apply(
        lambda row: ", ".join(_named(settings[str(name)], value) for name, value in row.items()), axis=1
    )
    others = [column(setting) for setting in results.study.conditions if setting not in settings.values()]
    trials["elsewhere"] = _joined(trials, others)
    best = [cross_fitted(rows, "system") for _, rows in trials.groupby("elsewhere", sort=False)]
    orders = {name: _order(results, setting) for name, setting in settings.items()}
    return pd.concat(best).sort_values(
        list(settings), key=lambda values: values.map(orders[str(values.name)]), kind="stable"
    )


def _named(setting: Setting, value: object) -> str:
    """What a system is called by one of the settings that systems differ in."""
    if setting.path == MAJORITY:
        return "majority vote" if value else "every annotator"
    return f"balance {value}" if setting.path == BALANCE else NAMES.get(str(value), str(value))


def _order(results: Results, setting: Setting) -> dict[object, int]:
    """The place of each value of a condition in the study file."""
    return {value: i for i, value in enumerate(results.study.conditions[setting].values)}


def _joined(trials: pd.DataFrame, names: list[str]) -> pd.Series:
    if not names:
        return pd.Series("all", index=trials.index)
    return trials[names].astype(str).apply(lambda row: ", ".join(f"{n} {v}" for n, v in row.items()), axis=1)


def with_warm_up(results: Results, epochs: pd.DataFrame) -> pd.DataFrame:
    """Epochs with the seconds of shared warm-ups added: a trial that continues a warm-up counts them as its own."""
    spent = results.auxiliary.set_index("key")["seconds"].to_dict()
    shared = (epochs["seconds"] == 0) & epochs["warm_up"].isin(spent)
    length = shared.groupby(epochs["key"]).transform("sum").clip(lower=1)
    own = epochs["warm_up"].map(spent) / length
    return epochs.assign(seconds=epochs["seconds"].where(~shared, own))


def timed(results: Results, found: pd.DataFrame) -> pd.DataFrame:
    """The epochs of the trials found, each with its system, `elsewhere` and the seconds that such an epoch takes.

    Seconds are the median over a system's epochs, separately with and without the joint loss, because other work on the
    machine slows single epochs.
    """
    about = found.set_index("key")[["system", "elsewhere"]]
    epochs = with_warm_up(results, results.epochs[results.epochs["key"].isin(found["key"])]).join(about, on="key")
    kind = ["elsewhere", "system", epochs["generator_joint_loss"].notna()]
    return epochs.assign(seconds=epochs.groupby(kind)["seconds"].transform("median"))


def at_seconds(epochs: pd.DataFrame, seconds: float) -> pd.Series:
    """Clean test accuracy of each trial after so many seconds of training: the mean of the last five epochs by then.

    A trial that was shorter counts at its end. Index: trial keys.
    """
    ordered = epochs.sort_values("epoch")
    spent = ordered.groupby("key")["seconds"].cumsum()
    within = ordered[(spent <= seconds) | (ordered["epoch"] == 1)]
    return within.groupby("key")["test_accuracy"].apply(lambda values: values.tail(LAST_EPOCHS).mean())


def table(results: Results) -> list[dict[str, str]]:
    """One row for each method and condition: accuracy with its interval, after equal epochs and equal training time.

    Each condition ends with what always answering its largest class scores.
    """
    found = systems(results)
    epochs = timed(results, found)
    found = found.assign(seconds=found["key"].map(epochs.groupby("key")["seconds"].sum()))
    chosen = results.trials.drop_duplicates("configuration").set_index("configuration")
    samples, rows = test_samples(results), []
    for elsewhere, trials in found.groupby("elsewhere", sort=False):
        budget = float(trials.groupby("system")["seconds"].mean().min())
        early = at_seconds(epochs[epochs["key"].isin(trials["key"])], budget)
        trials = trials.assign(early=trials["key"].map(early))
        late, soon = (
            group_intervals(trials, value, "system", share=True, samples=samples)
            for value in ("test_accuracy", "early")
        )
        first = trials["system"].iloc[0]
        for system in dict.fromkeys(trials["system"]):
            own = trials[trials["system"] == system]
            choice = chosen.loc[own["configuration"].iloc[0]]
            rows.append(
                {
                    "condition": str(elsewhere),
                    "method": str(system),
                    "λ": f"{choice['lambda']:.3g}",
                    "learning rate": f"{choice['lr']:.1e}",
                    "seeds": str(own["seed"].nunique()),
                    "test accuracy": _interval(late.loc[system]),
                    "difference from the first": _difference(own, trials[trials["system"] == first]),
                    "seconds per trial": f"{own['seconds'].mean():.0f}",
                    "test accuracy at equal training time": f"{_interval(soon.loc[system])} at {budget:.0f} s",
                }
            )
        if (largest := on_test_of(results, trials["key"])) is not None:
            row = {"condition": str(elsewhere), "method": str(largest), "test accuracy": f"{largest.share:.3f}"}
            rows.append({**dict.fromkeys(rows[-1], ""), **row})
    return rows


def sentences(results: Results) -> list[str]:
    """Which system noisy validation would choose, and how accurate each is on the test labels."""
    found = systems(results)
    lines = []
    for elsewhere, trials in found.groupby("elsewhere", sort=False):
        chosen = trials.groupby("system")["score"].mean().idxmax()
        late = group_intervals(trials, "test_accuracy", "system", share=True, samples=test_samples(results))
        late = late.sort_values("mean", ascending=False)
        accuracies = ", ".join(f"{system} {_interval(line)}" for system, line in late.iterrows())
        where = "" if elsewhere == "all" else f"At {elsewhere}: "
        tied = _tied(trials, str(chosen))
        doubt = f", statistically indistinguishable from {joined(tied)}" if tied else ""
        lines.append(
            f"{where}Noisy validation ({results.objective}) chooses {chosen}{doubt}. "
            f"Accuracy on {results.test_labels}: {accuracies}."
        )
    return lines


def _tied(trials: pd.DataFrame, chosen: str) -> list[str]:
    """Systems whose score is statistically indistinguishable from the chosen one's, by seed; none on one seed."""
    scores = trials.pivot_table(index="seed", columns="system", values="score")
    if len(scores) < 2:
        return []
    widths = trials.groupby("system")["width"].max()

    def is_tied(system: str) -> bool:
        own, other = scores[[chosen, system]].dropna().to_numpy().T
        return not paired_difference(own, other, max(widths[chosen], widths[system]))[1] > 0

    return [str(system) for system in dict.fromkeys(trials["system"]) if system != chosen and is_tied(system)]


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
    width = float(max(own["width"].max(), first["width"].max()))
    return with_interval(*paired_difference(mine[seeds].to_numpy(), theirs[seeds].to_numpy(), width), sign="+")


def figure(results: Results) -> Figure:
    """Clean test accuracy against seconds of training, a line for each system, a plot for each condition."""
    found = systems(results)
    epochs = timed(results, found)
    epochs = epochs.assign(condition=epochs["elsewhere"])
    return by_condition(replace(results, trials=found.assign(condition=found["elsewhere"])), epochs, _by_seconds)


def _by_seconds(ax: Axes, epochs: pd.DataFrame) -> Axes:
    system_curves(ax, epochs)
    return label(ax, "seconds of training", "test accuracy (share)", legend="method")


def show(results: Results) -> str:
    """Write the figure; return the table as text."""
    if not compared(results):
        return f"{results.path}: the study compares no methods: it varies none of {', '.join(SYSTEM_SETTINGS)}"
    save(figure(results), results, "methods")
    return as_text(table(results))


if __name__ == "__main__":
    script(__doc__, show)
