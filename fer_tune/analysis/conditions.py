"""How the best λ depends on the noise ratio, and which other settings the score depends on.

python -m analysis.conditions results/NAME
"""

import warnings
from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from fer_tune.analysis.figures import MARKERS, by_condition, label, legend_entry, save, score_surface
from fer_tune.analysis.recommendation import Findings, findings
from fer_tune.analysis.results import Results
from fer_tune.analysis.study_record import column
from fer_tune.analysis.tables import script
from fer_tune.names import LAMBDA, LR, NOISE_RATIO, Setting, find

FEWEST_CONFIGURATIONS = 8  # for an importance


def noise_condition(results: Results) -> Setting | None:
    """The listed condition that is the noise ratio, if it has two values or more; None in most studies."""
    setting = find(results.study.listed, NOISE_RATIO)
    return setting if setting and len(results.study.listed[setting]) > 1 else None


def by_noise(results: Results, found: Findings, ratio: Setting) -> pd.DataFrame:
    """One row a condition: ratio, elsewhere (the other conditions), lambda, low and high of its 95 % interval.

    `ratio` is what `noise_condition` returns.
    """
    others = [column(setting) for setting in results.study.listed if setting != ratio]
    rows = []
    for r in found.recommendations:
        first = results.trials[results.trials["condition"] == r.condition].iloc[0]
        elsewhere = ", ".join(f"{first[name]}" for name in others) or "all"
        if len(r.response.lams) < 2:
            continue  # a method without lambda
        low, high = r.response.interval() if r.response.degrees_of_freedom else (np.nan, np.nan)
        rows.append((float(first[column(ratio)]), elsewhere, r.lam, low, high))
    return pd.DataFrame(rows, columns=["ratio", "elsewhere", "lambda", "low", "high"])


def noise_sentences(results: Results, found: Findings) -> list[str]:
    """Whether the best λ changes with the noise ratio, a sentence for each of the other conditions.

    Empty where the noise ratio is not a condition.
    """
    if (ratio := noise_condition(results)) is None:
        return []
    said = []
    for elsewhere, rows in by_noise(results, found, ratio).groupby("elsewhere", sort=False):
        rows = rows.sort_values("ratio")
        where = "" if elsewhere == "all" else f"{elsewhere}: "
        if rows["low"].isna().any():
            path = ", ".join(f"{r['lambda']:.3g} at noise ratio {r['ratio']:g}" for _, r in rows.iterrows())
            said.append(f"{where}Best λ: {path}. With one seed there are no intervals to compare.")
            continue
        path = ", ".join(
            f"{r['lambda']:.3g} ({r['low']:.2g} to {r['high']:.2g}) at noise ratio {r['ratio']:g}"
            for _, r in rows.iterrows()
        )
        apart = rows["low"].max() > rows["high"].min()
        verdict = (
            "Not all intervals overlap, so the best λ changes with the noise ratio."
            if apart
            else "All intervals overlap, so the study shows no change with the noise ratio."
        )
        said.append(f"{where}Best λ: {path}. {verdict}")
    return said


def noise_figure(results: Results, found: Findings) -> Figure | None:
    """Best λ against noise ratio with its 95 % interval, a mark and colour for each of the other conditions."""
    if (ratio := noise_condition(results)) is None:
        return None
    whole = replace(results, trials=results.trials.assign(condition="all"))
    table, top = by_noise(results, found, ratio).assign(condition="all"), float(results.trials["lambda"].max())

    def draw(ax: Axes, rows: pd.DataFrame) -> Axes:
        ax.set_ylim(-0.05 * top, 1.05 * top)  # all lambdas tried
        return _draw_noise(ax, rows)

    return by_condition(whole, table, draw)


def _draw_noise(ax: Axes, table: pd.DataFrame) -> Axes:
    groups = list(table.groupby("elsewhere", sort=False))
    step = 0.02 * float(np.ptp(table["ratio"]))
    colours = ("#0b6e99", "#8a5a00", "#5b3f8c", "#333333")
    for i, (name, rows) in enumerate(groups):
        rows = rows.sort_values("ratio")
        place = rows["ratio"] + step * (i - (len(groups) - 1) / 2)
        bars = np.nan_to_num(np.stack([rows["lambda"] - rows["low"], rows["high"] - rows["lambda"]]).clip(0))
        style = {"color": colours[i % len(colours)], "marker": MARKERS[i % len(MARKERS)], "markersize": 9, "capsize": 5}
        # A line through the points would show a change even where the intervals overlap.
        ax.errorbar(place, rows["lambda"], bars, linestyle="none", label=legend_entry(str(name)), **style)  # type: ignore[arg-type]
    ax.set_xticks(sorted(table["ratio"].unique()))
    return label(ax, "share of wrong labels", "best λ (95 % interval)", "noise")


def varied(results: Results) -> dict[str, BaseDistribution]:
    """What trials differ in and does not follow from λ: Optuna's distributions by column."""
    settings = [Setting.named(LAMBDA), Setting.named(LR), *results.study.conditions, *results.study.search]
    found: dict[str, BaseDistribution] = {}
    for name in dict.fromkeys(map(column, settings)):
        if name not in results.trials or results.trials[name].nunique() < 2:
            continue
        values = results.trials[name]
        if name == "lr" and results.trials.groupby("lambda")["lr"].nunique().max() == 1:
            continue  # one learning rate a lambda: their effects cannot be separated
        if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
            found[name] = CategoricalDistribution(sorted(map(str, values.unique())))
        else:
            found[name] = FloatDistribution(float(values.min()), float(values.max()), log=name == "lr")
    return found


def importance(results: Results) -> dict[str, float]:
    """Share of the score's variance that each setting explains (Optuna's fANOVA), largest first; empty with too little.

    A score is a configuration's mean over seeds.
    """
    space = varied(results)
    keys = list(dict.fromkeys(["condition", "configuration", *space]))
    table = results.trials.groupby(keys, as_index=False, sort=False)["score"].mean()
    if len(space) < 2 or len(table) < FEWEST_CONFIGURATIONS:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for _, row in table.iterrows():
        values = {
            name: str(row[name]) if isinstance(kind, CategoricalDistribution) else float(row[name])
            for name, kind in space.items()
        }
        study.add_trial(optuna.trial.create_trial(params=values, distributions=space, value=float(row["score"])))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
        )


def importance_sentence(results: Results) -> str:
    """The importances in words; empty where there are none."""
    shares = importance(results)
    if not shares:
        return ""
    text = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return f"How much of the variance of the score each setting explains (fANOVA over configurations): {text}."


def interaction_figure(results: Results) -> Figure | None:
    """Score over λ and learning rate, where both were searched: contours between the configurations that were run."""
    tried = results.trials.groupby(["condition", "configuration"])[["lambda", "lr"]].first()
    if "lr" not in varied(results) or tried["lambda"].nunique() < 4:
        return None
    return by_condition(results, results.trials, score_surface)


def show(results: Results) -> str:
    """Write the figures; return the sentences."""
    found = findings(results)
    lines = [importance_sentence(results)]
    if (drawn := noise_figure(results, found)) is not None:
        save(drawn, results, "lambda_by_noise")
        lines = [*noise_sentences(results, found), *lines]
    if (contours := interaction_figure(results)) is not None:
        save(contours, results, "lambda_and_learning_rate")
    return "\n".join(line for line in lines if line) or f"{results.path}: the study varies nothing but λ"


if __name__ == "__main__":
    script(__doc__, show)
