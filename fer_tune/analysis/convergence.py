"""Whether converged joint losses predict accuracy, as the paper says of L_G = 2.6 and L_D = 0.45.

python -m analysis.convergence results/NAME
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_tune.analysis.figures import by_condition, convergence_scatter, grid, label, save
from fer_tune.analysis.results import Results
from fer_tune.analysis.statistics import Correlation, rank_correlation, running_mean
from fer_tune.analysis.tables import script
from fer_tune.decision.rules import CONVERGED_SHARE, PAPER_TARGET, distance_to_target
from fer_tune.decision.stationarity import FEWEST_EPOCHS, LOSSES, MARGIN, TARGETS, has_converged

DISTANCE = f"distance to {PAPER_TARGET}"
MOST_STEPS = 40  # epochs at which the correlation is computed


def converged_sentence(results: Results) -> str:
    """How many trials have converged, in words."""
    played = results.epochs.dropna(subset=list(LOSSES.values())).sort_values("epoch").groupby("key")
    verdicts = [
        [has_converged(rows[name].to_numpy(), target) for name, target in TARGETS.items()] for _, rows in played
    ]
    if not verdicts:
        return "No trial has λ > 0, so there are no joint losses."
    if all(None in pair for pair in verdicts):
        return (
            f"No trial has the {FEWEST_EPOCHS} joint-loss epochs needed to judge convergence. Convergence-based rules "
            "are therefore not shown. The figures show means of the last five epochs."
        )
    share = np.mean([all(pair) for pair in verdicts])
    off = (
        ""
        if share >= CONVERGED_SHARE
        else " Convergence-based rules are not shown where most trials have not converged."
    )
    return (
        f"Both joint losses are shown to have converged in {share:.0%} of {len(verdicts)} trials: over the last half "
        f"of training, each drifts by less than {MARGIN:g} of its paper value (two one-sided tests at 5 %, from the "
        "middle of that half to its end). A loss that varies too much in too few epochs is not shown to have "
        f"converged, even if it has.{off} The correlations below use means of the last five epochs of every trial."
    )


def early_sentence(table: pd.DataFrame) -> str:
    """From which epoch on the correlation of `by_epoch` is significant; empty where nothing is known."""
    if table.empty:
        return ""
    if table["low"].isna().all():
        return (
            f"At the last epoch the correlation is {table['rho'].iloc[-1]:+.2f}. There are too few λs for an interval."
        )
    unsure = table[~((table["high"] < 0) | (table["low"] > 0))]
    if unsure.empty:
        return _significant_from(table["epoch"].iloc[0])
    if unsure["epoch"].max() == table["epoch"].max():
        return "At the last epoch the interval includes 0: there is no significant correlation."
    return _significant_from(table.loc[table["epoch"] > unsure["epoch"].max(), "epoch"].iloc[0])


def _significant_from(epoch: float) -> str:
    return f"The interval excludes 0 from epoch {epoch:.0f} on, so the losses predict the final accuracy from then on."


def correlations(trials: pd.DataFrame) -> dict[str, Correlation | None]:
    """Rank correlation of clean test accuracy with L_G, with L_D and with the distance to the paper's target.

    Ranks are taken within each condition, so that its level does not count. Losses are means of the last five epochs.
    """
    played = trials.dropna(subset=list(LOSSES.values()))
    quantities = {name: played[column] for name, column in LOSSES.items()}
    quantities[DISTANCE] = distance_to_target(quantities["L_G"], quantities["L_D"])
    return {name: correlated(values, played["test_accuracy"], played) for name, values in quantities.items()}


def correlated(x: pd.Series, y: pd.Series, trials: pd.DataFrame, permute: bool = True) -> Correlation | None:
    """Rank correlation of two quantities of trials over their λs, seeds and configurations of a λ averaged."""
    places = (trials["condition"].to_numpy(), trials["lambda"].to_numpy())
    return rank_correlation(x.to_numpy(), y.to_numpy(), *places, permute)


def sentences(results: Results) -> list[str]:
    """The correlations in words, one sentence each: within each condition and, where there are several, over all."""
    groups = [(str(name), rows) for name, rows in results.trials.groupby("condition", sort=False)]
    if len(groups) > 1:
        groups.append(("all conditions, ranked within each", results.trials))
    found = [
        f"{name}{'' if where == 'all' else f' ({where})'}: {in_words(value)}"
        for where, rows in groups
        for name, value in correlations(rows).items()
    ]
    return [converged_sentence(results), *found]


def in_words(found: Correlation | None) -> str:
    """A correlation as the end of a sentence."""
    if found is None:
        return "too few λs above 0 for a correlation with test accuracy."
    if np.isnan(found.low):
        return (
            f"rank correlation with test accuracy {found.rho:+.2f} over {found.n} λs, averaged over seeds: too few λs "
            "for an interval or a p-value."
        )
    return (
        f"rank correlation with test accuracy {found.rho:+.2f} (95 % interval: {found.low:+.2f} to {found.high:+.2f}; "
        f"n = {found.n} λs, averaged over seeds; permutation p = {found.p:.2g})."
    )


def by_epoch(results: Results) -> pd.DataFrame:
    """How early the distance to the paper's target predicts the final accuracy: columns epoch, rho, low, high.

    At each epoch the losses are means of the five epochs up to it; ranks are taken within each condition.
    """
    final = results.trials.set_index("key")["test_accuracy"]
    epochs = results.epochs.sort_values("epoch")
    losses = [running_mean(epochs, column) for column in LOSSES.values()]
    if losses[0].empty:
        return pd.DataFrame(columns=["epoch", "rho", "low", "high"])
    rows, about = [], results.trials.set_index("key")
    columns = losses[0].columns
    for epoch in columns[np.unique(np.linspace(0, len(columns) - 1, min(MOST_STEPS, len(columns))).astype(int))]:
        distance = distance_to_target(losses[0][epoch], losses[1][epoch])
        keys = distance.index
        found = correlated(distance, final[keys], about.loc[keys], permute=False)
        if found is not None:
            rows.append((float(epoch), found.rho, found.low, found.high))
    return pd.DataFrame(rows, columns=["epoch", "rho", "low", "high"])


def early_figure(results: Results, table: pd.DataFrame) -> Figure | None:
    """The correlation of `by_epoch` with its 95 % band; None where no epoch has enough trials."""
    if table.empty:
        return None
    whole = replace(results, trials=results.trials.assign(condition="all"))
    return by_condition(whole, table.assign(condition="all"), _draw_early)


def _draw_early(ax: Axes, table: pd.DataFrame) -> Axes:
    ax.fill_between(table["epoch"], table["low"], table["high"], color="#0b6e99", alpha=0.2, lw=0)
    ax.plot(table["epoch"], table["rho"], color="#0b6e99", marker="o", markevery=max(1, len(table) // 8))
    ax.axhline(0, color="black", linewidth=1)
    ax.set_ylim(-1.05, 1.05)
    return label(ax, "epoch of the losses", "rank correlation with\nfinal test accuracy")


def figure(results: Results) -> Figure:
    """Clean test accuracy against L_G and L_D at the end of training."""
    return grid(
        results,
        results.trials,
        [lambda ax, t, c=column: convergence_scatter(ax, t, c) for column in LOSSES.values()],  # type: ignore[misc]
    )


def show(results: Results) -> str:
    """Write the figures into the results folder's report; return the correlations."""
    save(figure(results), results, "convergence")
    if (early := early_figure(results, by_epoch(results))) is not None:
        save(early, results, "convergence_by_epoch")
    return "\n".join([*sentences(results), f"Wrote convergence and convergence_by_epoch to {results.figures}"])


if __name__ == "__main__":
    script(__doc__, show)
