"""Test accuracy and joint losses by epoch and λ (Fig. 5 and 6 of the paper).

python -m analysis.curves results/NAME
"""

from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_tune.analysis.figures import (
    PLOT_INCHES,
    REFERENCE_COLOUR,
    accuracy_curves,
    by_condition,
    cost_by_lambda,
    grid,
    label,
    loss_curves,
    reference_lines,
    response,
    response_curve,
    save,
    stacked,
    surface,
)
from fer_tune.analysis.gaps import listed
from fer_tune.analysis.race import Verdict, reference_trials, seconds_a_trial, seconds_of
from fer_tune.analysis.recommendation import Findings, findings
from fer_tune.analysis.results import Results
from fer_tune.analysis.tables import script
from fer_tune.analysis.trial_files import test_samples
from fer_tune.decision.intervals import group_intervals
from fer_tune.decision.response import Response, cross_fitted, validation_size
from fer_tune.decision.stationarity import LOSSES


def of_best(results: Results) -> Results:
    """The results that each λ is scored by within each condition: of the configuration that other seeds choose."""
    kept = pd.concat([cross_fitted(rows) for _, rows in results.trials.groupby("condition")])
    trials = kept.loc[results.trials.index.intersection(kept.index)]
    width = trials.set_index("key")["width"]
    epochs = results.epochs[results.epochs["key"].isin(width.index)]
    return replace(results, trials=trials, epochs=epochs.assign(width=epochs["key"].map(width)))


def accuracy_figure(results: Results) -> Figure | None:
    """Clean test accuracy by epoch, a line for each λ; None without test accuracy."""
    if results.epochs["test_accuracy"].isna().all():
        return None
    best = of_best(results)
    return by_condition(best, best.epochs, accuracy_curves)


def loss_figure(results: Results) -> Figure:
    """L_G and L_D by epoch, a line for each λ."""
    best = of_best(results)
    return grid(
        best,
        best.epochs,
        [lambda ax, t, name=n: loss_curves(ax, t, name) for n in LOSSES.values()],  # type: ignore[misc]
    )


def response_figure(results: Results, found: Findings | None) -> Figure:
    """Test and validation accuracy by λ with intervals, beside the comparison methods; below it what each λ costs."""
    best = of_best(results)
    sizes = test_samples(results), validation_size(best.trials)
    answers = {} if found is None else found.answers

    def accuracies(ax: Axes, condition: str) -> Axes:
        rows = best.trials[best.trials["condition"] == condition]
        response(ax, rows, results.objective, *sizes)
        others = {
            name: trials["test_accuracy"].dropna() for name, trials in reference_trials(results, condition).items()
        }
        reference_lines(ax, {name: values.to_numpy() for name, values in others.items() if len(values)})
        own = answers.get(condition)
        if own is not None and own.lam is not None and own.verdict is not Verdict.ALONE:
            named = "λ taken" if own.decided else "λ that leads"
            mean = rows.loc[rows["lambda"] == own.lam, "test_accuracy"].mean()
            ax.scatter([own.lam], [mean], 260, "none", edgecolor="black", linewidth=2, zorder=5, label=named)
        return ax

    def costs(ax: Axes, condition: str) -> Axes:
        rows = best.trials[best.trials["condition"] == condition]
        spent = {name: seconds_of(results, trials) for name, trials in reference_trials(results, condition).items()}
        cost_by_lambda(ax, seconds_a_trial(results, rows))
        reference_lines(ax, {name: values[:1] * 0 + values.mean() for name, values in spent.items()})
        for values in spent.values():
            text = f"{values.mean():.0f}"
            ax.text(0.5, values.mean(), text, transform=ax.get_yaxis_transform(), ha="center", va="bottom",
                    color=REFERENCE_COLOUR, fontsize=13)  # fmt: skip
        ax.set_ylim(0, max([ax.get_ylim()[1], *(1.35 * values.mean() for values in spent.values())]))
        return ax

    return stacked(best, [accuracies, costs], (PLOT_INCHES[1], 1.3))


def smooth_figure(results: Results, found: Findings) -> Figure | None:
    """The deciding score over λ as a smooth curve with its band; None where no condition has four λs and two seeds."""
    smooth = {
        r.condition: r.response for r in found.recommendations if len(r.response.grid) and r.response.degrees_of_freedom
    }
    if not smooth:
        return None
    shown = results.trials[results.trials["condition"].isin(smooth)]
    best = of_best(replace(results, trials=shown))
    return by_condition(
        best, best.trials, lambda ax, rows: _draw_smooth(ax, rows, smooth[str(rows["condition"].iloc[0])])
    )


def smooth_notes(found: Findings) -> list[str]:
    """The conditions that the smooth figure leaves out, in a sentence."""
    out = [r.condition for r in found.recommendations if not (len(r.response.grid) and r.response.degrees_of_freedom)]
    return [f"Left out, with fewer than four λs or with one seed: {listed(out)}."] if out else []


def _draw_smooth(ax: Axes, trials: pd.DataFrame, found: Response) -> Axes:
    response_curve(ax, found.band(), group_intervals(trials, "score", "lambda"))
    return label(ax, "λ, weight of the joint loss", "validation score", None)


def surface_figure(results: Results, condition: str) -> Figure:
    """All trials over a drawn condition and λ; `condition` is its column."""
    whole = replace(results, trials=results.trials.assign(condition="all"))
    return by_condition(whole, whole.trials, lambda ax, table: surface(ax, table, condition))


def show(results: Results) -> str:
    """Write the figures into the results folder's report; return where."""
    found = findings(results)
    figures = {
        "accuracy_by_epoch": accuracy_figure(results),
        "losses_by_epoch": loss_figure(results),
        "accuracy_by_lambda": response_figure(results, found),
        "smooth_response": smooth_figure(results, found),
    }
    drawn = {name: figure for name, figure in figures.items() if figure is not None}
    for name, figure in drawn.items():
        save(figure, results, name)
    *names, last = drawn
    return f"Wrote {', '.join(names)} and {last} to {results.figures}"


if __name__ == "__main__":
    script(__doc__, show)
