"""Which λ leads after how many epochs: a large one starts slowly and may win late.

python -m analysis.budget results/NAME
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_tune.analysis.curves import of_best
from fer_tune.analysis.figures import MARKERS, by_condition, by_lambda, label, lambda_colours, save
from fer_tune.analysis.results import Results
from fer_tune.analysis.statistics import running_mean
from fer_tune.analysis.tables import script
from fer_tune.analysis.text import joined
from fer_tune.decision.response import respond, validation_size
from fer_tune.names import LAST_EPOCHS

COLUMNS = ["condition", "epochs", "lambda", "p_best", "test_accuracy"]
MOST_BUDGETS = 12  # numbers of epochs that are compared


def by_budget(results: Results) -> pd.DataFrame:
    """For each condition and number of epochs, the λ of least expected regret had training stopped there.

    A trial's score is then the mean of the objective over the last five epochs. Columns condition, epochs, lambda,
    p_best (the probability that it is the best) and test_accuracy. Empty where raw scores of trials do not compare.
    """
    rows: list[tuple[str, int, float, float, float]] = []
    if results.study.drawn or results.study.maximises_gain:
        return pd.DataFrame(rows, columns=COLUMNS)  # raw scores of trials at different noise do not compare
    best = of_best(results)
    for condition, epochs in best.epochs.groupby("condition", sort=False):
        validation = validation_size(best.trials[best.trials["condition"] == condition])
        if epochs["lambda"].nunique() < 2:
            continue
        averaged = {name: running_mean(epochs, name) for name in (results.objective, "test_accuracy")}
        about = epochs.drop_duplicates("key").set_index("key")[["lambda", "configuration", "seed"]]
        ends = averaged[results.objective].columns[LAST_EPOCHS - 1 :]
        for end in ends[np.unique(np.linspace(0, len(ends) - 1, min(MOST_BUDGETS, len(ends))).astype(int))]:
            then = about.assign(**{name: table.get(end, np.nan) for name, table in averaged.items()})
            then = then.dropna(subset=[results.objective])
            if then["lambda"].nunique() > 1:
                found = respond(
                    then, results.objective, validation, smoothed=False, objective=results.objective,
                    stream=str(condition),
                )  # fmt: skip
                at = then.loc[then["lambda"] == found.lam, "test_accuracy"].mean()
                rows.append((str(condition), int(end), found.lam, float(found.p_best[found.regret.argmin()]), at))
    return pd.DataFrame(rows, columns=COLUMNS)


def sentences(table: pd.DataFrame) -> list[str]:
    """From how many epochs on the final leader leads, a sentence for each condition of `by_budget`."""
    found = []
    for condition, rows in table.groupby("condition", sort=False):
        last = float(rows["lambda"].iloc[-1])
        others = rows[rows["lambda"] != last]
        where = "" if condition == "all" else f"At {condition}: "
        if others.empty:
            found.append(f"{where}λ = {last:.3g} leads at every number of epochs from {rows['epochs'].iloc[0]} on.")
        else:
            start = rows.loc[rows["epochs"] > others["epochs"].max(), "epochs"].iloc[0]
            early = [f"λ = {lam:.3g}" for lam in dict.fromkeys(rows.loc[rows["epochs"] < start, "lambda"])]
            before = f"{early[0]} leads" if len(early) == 1 else f"the lead changes between {joined(early)}"
            found.append(f"{where}λ = {last:.3g} leads from about {start} epochs on; with fewer epochs, {before}.")
    return found


def figure(results: Results, table: pd.DataFrame) -> Figure | None:
    """The leading λ of `by_budget`, larger where it is more certain; None where there is nothing to choose."""
    if table.empty:
        return None
    shown = results.trials[results.trials["condition"].isin(table["condition"])]
    return by_condition(replace(results, trials=shown), table, _draw)


def _draw(ax: Axes, table: pd.DataFrame) -> Axes:
    ax.plot(table["epochs"], table["lambda"], color="0.6", linewidth=1.2, drawstyle="steps-post")
    names = by_lambda(table["lambda"])
    for i, (name, colour) in enumerate(lambda_colours(table["lambda"]).items()):
        rows = table[names == name]
        sizes, marker = 30 + 170 * rows["p_best"], MARKERS[i % len(MARKERS)]
        ax.scatter(rows["epochs"], rows["lambda"], sizes, [colour], marker=marker, edgecolor="black", linewidth=0.6)
    for chance in (0.5, 1.0):
        ax.scatter([], [], 30 + 170 * chance, ["0.8"], edgecolor="black", linewidth=0.6, label=f"{chance:g}")
    return label(ax, "epochs of training", "leading λ", legend="P(best)")


def show(results: Results) -> str:
    """Write the figure; return the sentences."""
    table = by_budget(results)
    if (plot := figure(results, table)) is None:
        return f"{results.path}: every condition has one λ, so there is nothing to choose"
    save(plot, results, "budget")
    return "\n".join(sentences(table))


if __name__ == "__main__":
    script(__doc__, show)
