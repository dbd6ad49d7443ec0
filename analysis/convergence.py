"""How convergence of the joint losses tracks accuracy, against the paper's 2.6 and 0.45.

python -m analysis.convergence results/NAME
"""

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import convergence_scatter, grid, save
from analysis.statistics import Correlation, distance_to_target, rank_correlation
from analysis.tables import Results, script

LOSSES = {"L_G": "generator_joint_loss", "L_D": "discriminator_joint_loss"}


def correlations(trials: pd.DataFrame) -> dict[str, Correlation | None]:
    """Rank correlation of clean test accuracy with L_G, with L_D and with the distance to the paper's target."""
    played = trials.dropna(subset=list(LOSSES.values()))
    quantities = {name: played[column] for name, column in LOSSES.items()}
    quantities["distance to (2.6, 0.45)"] = distance_to_target(quantities["L_G"], quantities["L_D"])
    accuracy = played["test_accuracy"].to_numpy()
    return {name: rank_correlation(values.to_numpy(), accuracy) for name, values in quantities.items()}


def sentences(results: Results) -> list[str]:
    """The correlations in words, one sentence each, within each condition and, of several, across all."""
    groups = [(str(panel), rows) for panel, rows in results.trials.groupby("panel", sort=False)]
    if len(groups) > 1:
        groups.append(("across all conditions, which differ in accuracy for other reasons too", results.trials))
    return [
        f"{name}{'' if where == 'all' else f' ({where})'}: {_in_words(found)}"
        for where, rows in groups
        for name, found in correlations(rows).items()
    ]


def _in_words(found: Correlation | None) -> str:
    if found is None:
        return "too few trials with a joint game for a correlation with test accuracy."
    return (
        f"rank correlation with test accuracy {found.rho:+.2f} (n = {found.n} trials, permutation p = {found.p:.2g})."
    )


def figure(results: Results) -> Figure:
    """Clean test accuracy against converged L_G and L_D."""
    return grid(
        results,
        results.trials,
        [lambda ax, t, c=column: convergence_scatter(ax, t, c) for column in LOSSES.values()],  # type: ignore[misc]
    )


def show(results: Results) -> str:
    """Write the scatter into the results folder's report; return the correlations."""
    folder = results.path / "report" / "figures"
    save(figure(results), folder, "convergence")
    return "\n".join([*sentences(results), f"convergence (PNG, SVG) is in {folder}"])


if __name__ == "__main__":
    script(__doc__, show)
