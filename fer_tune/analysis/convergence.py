"""How convergence of the joint losses tracks accuracy, against the paper's 2.6 and 0.45.

python -m analysis.convergence results/NAME
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_tune.analysis.figures import by_panel, convergence_scatter, grid, label, save
from fer_tune.analysis.stationarity import SHORTEST, converged_value, settled
from fer_tune.analysis.statistics import PAPER_TARGET, Correlation, distance_to_target, rank_correlation, running_mean
from fer_tune.analysis.tables import Results, script

LOSSES = {"L_G": "generator_joint_loss", "L_D": "discriminator_joint_loss"}
DISTANCE = f"distance to {PAPER_TARGET}"
EARLY_STEPS = 40  # epochs at which the correlation is computed, at most


def converged(epochs: pd.DataFrame) -> pd.DataFrame:
    """Converged L_G and L_D by trial key, NaN where it has not settled, was never played or is too short to tell."""
    ordered = epochs.sort_values("epoch").groupby("key")
    found = {
        str(key): [converged_value(rows[column].to_numpy()) for column in LOSSES.values()] for key, rows in ordered
    }
    names = ["converged_generator", "converged_discriminator"]
    return pd.DataFrame.from_dict(found, orient="index", columns=names)


def settled_sentence(results: Results) -> str:
    """How many trials have converged, in words."""
    played = results.epochs.dropna(subset=list(LOSSES.values())).sort_values("epoch").groupby("key")
    verdicts = [[settled(rows[column].to_numpy()) for column in LOSSES.values()] for _, rows in played]
    if not verdicts:
        return "No trial plays the joint game."
    if all(None in pair for pair in verdicts):
        return (
            f"No run has {SHORTEST} epochs of the joint game: too short to tell whether the losses have converged. The "
            "convergence rules are switched off; the figures show means of the last five epochs."
        )
    share = np.mean([all(pair) for pair in verdicts])
    off = "" if share >= 0.5 else " Where most have not, the convergence rules are switched off."
    return (
        f"Both joint losses have converged in {share:.0%} of {len(verdicts)} trials (over the last half, at least "
        f"{SHORTEST} epochs, no drift, and no jump of the last five, by tests that call 5 % of settled losses "
        "unsettled and find at least 80 % of those that drift by one standard deviation in five epochs or jump by "
        f"three).{off} What follows takes losses as they ended, means of the last five epochs."
    )


def early_sentence(table: pd.DataFrame) -> str:
    """From which epoch on `by_epoch` tells the final accuracy; empty where nothing is known."""
    if table.empty:
        return ""
    if table["low"].isna().all():
        return f"At the end of training that correlation is {table['rho'].iloc[-1]:+.2f}; too few λs for an interval."
    unsure = table[~((table["high"] < 0) | (table["low"] > 0))]
    if unsure.empty:
        return f"It holds from epoch {table['epoch'].iloc[0]:.0f} on: so short a run suffices."
    if unsure["epoch"].max() == table["epoch"].max():
        return "At the end of training its interval holds 0: it is not shown at all."
    start = table.loc[table["epoch"] > unsure["epoch"].max(), "epoch"].iloc[0]
    return f"Its interval excludes 0 from epoch {start:.0f} on: so short a run suffices."


def correlations(trials: pd.DataFrame) -> dict[str, Correlation | None]:
    """Rank correlation of clean test accuracy with L_G, with L_D and with the distance to the paper's target.

    Ranks are taken within each panel, so that no condition's level counts. Losses are means of the last five epochs.
    """
    played = trials.dropna(subset=list(LOSSES.values()))
    quantities = {name: played[column] for name, column in LOSSES.items()}
    quantities[DISTANCE] = distance_to_target(quantities["L_G"], quantities["L_D"])
    return {name: correlated(values, played["test_accuracy"], played) for name, values in quantities.items()}


def correlated(x: pd.Series, y: pd.Series, trials: pd.DataFrame, permute: bool = True) -> Correlation | None:
    """Rank correlation of two readings of trials over their lambdas, or configurations where lambda is searched."""
    several = trials.groupby(["panel", "lambda"])["configuration"].nunique().max() > 1
    units = trials["configuration"] if several else trials["lambda"]
    return rank_correlation(x.to_numpy(), y.to_numpy(), trials["panel"].to_numpy(), units.to_numpy(), permute)


def sentences(results: Results) -> list[str]:
    """The correlations in words, one sentence each: within each condition and, of several, within all of them."""
    groups = [(str(panel), rows) for panel, rows in results.trials.groupby("panel", sort=False)]
    if len(groups) > 1:
        groups.append(("over all conditions, ranks within each", results.trials))
        across = results.trials.assign(panel="all")
        groups.append(("across conditions, which differ in accuracy for other reasons too", across))
    found = [
        f"{name}{'' if where == 'all' else f' ({where})'}: {in_words(value)}"
        for where, rows in groups
        for name, value in correlations(rows).items()
    ]
    return [settled_sentence(results), *found]


def in_words(found: Correlation | None) -> str:
    """A correlation as the end of a sentence."""
    if found is None:
        return "too few λs with a joint game for a correlation with test accuracy."
    interval = "too few for an interval" if np.isnan(found.low) else f"{found.low:+.2f} to {found.high:+.2f}"
    return (
        f"rank correlation with test accuracy {found.rho:+.2f} ({interval}; n = {found.n} λs, seeds averaged, "
        f"permutation p = {found.p:.2g})."
    )


def by_epoch(results: Results) -> pd.DataFrame:
    """How early the distance to the paper's target tells the final accuracy: columns epoch, rho, low, high.

    At each epoch the losses are means of the five epochs until then; ranks are taken within each panel.
    """
    final = results.trials.set_index("key")["test_accuracy"]
    epochs = results.epochs.sort_values("epoch")
    losses = [running_mean(epochs, column) for column in LOSSES.values()]
    if losses[0].empty:
        return pd.DataFrame(columns=["epoch", "rho", "low", "high"])
    rows, about = [], results.trials.set_index("key")
    columns = losses[0].columns
    for epoch in columns[np.unique(np.linspace(0, len(columns) - 1, min(EARLY_STEPS, len(columns))).astype(int))]:
        distance = distance_to_target(losses[0][epoch], losses[1][epoch])
        keys = distance.index
        found = correlated(distance, final[keys], about.loc[keys], permute=False)
        if found is not None:
            rows.append((float(epoch), found.rho, found.low, found.high))
    return pd.DataFrame(rows, columns=["epoch", "rho", "low", "high"])


def early_figure(results: Results, table: pd.DataFrame) -> Figure | None:
    """The correlation `by_epoch` with its band; None where no epoch has enough trials."""
    if table.empty:
        return None
    whole = replace(results, trials=results.trials.assign(panel="all"))
    return by_panel(whole, table.assign(panel="all"), _draw_early)


def _draw_early(ax: Axes, table: pd.DataFrame) -> Axes:
    ax.fill_between(table["epoch"], table["low"], table["high"], color="#0b6e99", alpha=0.2, lw=0)
    ax.plot(table["epoch"], table["rho"], color="#0b6e99", marker="o", markevery=max(1, len(table) // 8))
    ax.axhline(0, color="black", linewidth=1)
    ax.set_ylim(-1.05, 1.05)
    return label(ax, "epoch at which the losses are read", "rank correlation with final test accuracy")


def figure(results: Results) -> Figure:
    """Clean test accuracy against L_G and L_D at the end of training."""
    return grid(
        results,
        results.trials,
        [lambda ax, t, c=column: convergence_scatter(ax, t, c) for column in LOSSES.values()],  # type: ignore[misc]
    )


def show(results: Results) -> str:
    """Write the scatter into the results folder's report; return the correlations."""
    save(figure(results), results, "convergence")
    if (early := early_figure(results, by_epoch(results))) is not None:
        save(early, results, "convergence_by_epoch")
    return "\n".join([*sentences(results), f"convergence and convergence_by_epoch are in {results.figures}"])


if __name__ == "__main__":
    script(__doc__, show)
