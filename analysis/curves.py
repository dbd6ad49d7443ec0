"""Test accuracy and joint losses by epoch and lambda (Fig. 5 and 6 of the paper).

python -m analysis.curves results/NAME
"""

from matplotlib.figure import Figure

from analysis.figures import accuracy_curves, by_panel, grid, loss_curves, response, save, surface
from analysis.statistics import best_configurations
from analysis.tables import Results, script


def of_best(results: Results) -> Results:
    """The results of each lambda's best configuration alone, within each panel."""
    keys = [key for _, rows in results.trials.groupby("panel") for key in best_configurations(rows)["key"]]
    trials = results.trials[results.trials["key"].isin(keys)]
    epochs = results.epochs[results.epochs["key"].isin(keys)]
    return Results(**{**results.__dict__, "trials": trials, "epochs": epochs})


def accuracy_figure(results: Results) -> Figure:
    """Clean test accuracy by epoch, a line a lambda."""
    best = of_best(results)
    return by_panel(best, best.epochs, accuracy_curves)


def loss_figure(results: Results) -> Figure:
    """L_G and L_D by epoch, a line a lambda."""
    best = of_best(results)
    return grid(
        best,
        best.epochs,
        [lambda ax, t, name=n: loss_curves(ax, t, name) for n in ("generator_joint_loss", "discriminator_joint_loss")],  # type: ignore[misc]
    )


def response_figure(results: Results) -> Figure:
    """Accuracy by lambda with intervals."""
    best = of_best(results)
    return by_panel(best, best.trials, response)


def surface_figure(results: Results, condition: str) -> Figure:
    """All trials over a sampled condition and lambda."""
    whole = Results(**{**results.__dict__, "trials": results.trials.assign(panel="all")})
    return by_panel(whole, whole.trials, lambda ax, table: surface(ax, table, condition))


def show(results: Results) -> str:
    """Write the curves into the results folder's report; return where."""
    folder = results.path / "report" / "figures"
    save(accuracy_figure(results), folder, "accuracy_by_epoch")
    save(loss_figure(results), folder, "losses_by_epoch")
    save(response_figure(results), folder, "accuracy_by_lambda")
    return f"accuracy_by_epoch, losses_by_epoch and accuracy_by_lambda (PNG, SVG) are in {folder}"


if __name__ == "__main__":
    script(__doc__, show)
