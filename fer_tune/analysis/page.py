"""What the report shows: the values that its templates are filled with."""

import math
from typing import Any

import yaml

from fer_tune.analysis import conditions, curves, examples, labels, methods, page_figures, recommendation, rules
from fer_tune.analysis.page_figures import Each
from fer_tune.analysis.recommendation import Findings
from fer_tune.analysis.tables import Results

COLUMNS = {
    "key": "trial",
    "status": "status",
    "lambda": "λ",
    "lr": "learning rate",
    "seed": "seed",
    "epochs": "epochs",
    "score": "objective",
    "test_accuracy": "test accuracy",
    "test_mean_class_accuracy": "test mean class accuracy",
    "test_macro_f1": "test macro F1",
    "test_ccc": "test CCC",
    "test_rmse_valence": "test RMSE valence",
    "test_rmse_arousal": "test RMSE arousal",
    "test_sign_valence": "test sign agreement valence",
    "test_sign_arousal": "test sign agreement arousal",
    "generator_joint_loss": "L_G",
    "discriminator_joint_loss": "L_D",
    "seconds": "seconds",
}
CURVES = ("test_accuracy", "generator_joint_loss", "discriminator_joint_loss")  # beside the objective, on demand


def content(results: Results, found: Findings, each: Each) -> dict[str, Any]:
    """Everything that both templates show. `each` is described at `report.write_report`."""
    return {
        "name": results.study.name,
        "partial": not results.complete,
        "test_labels": results.test_labels,
        "clean": results.clean,
        "objective": results.objective,
        **_answers(results, found),
        "figures": page_figures.drawn(results, found, each),
        "importance": conditions.importance_sentence(results),
        "recalls": recalls(results),
        **_trials(results),
        **_provenance(results),
    }


def _answers(results: Results, found: Findings) -> dict[str, Any]:
    """The recommendation and the tables that support it."""
    return {
        "headline": recommendation.headline(results, found),
        "details": recommendation.details(results, found),
        "systems": methods.table(results) if methods.compared(results) else [],
        "chances": recommendation.chances(found),
        "baseline": recommendation.against_baseline(results),
        "rules": rules.table(found.picks, results.test_labels),
        "stopping": rules.stopping_table(results),
    }


def _trials(results: Results) -> dict[str, Any]:
    """The table of trials, the curves that it opens, and the trials that broke."""
    shown = results.trials[[c for c in COLUMNS if c in results.trials]].sort_values(["lambda", "lr", "seed"])
    return {
        "columns": [COLUMNS[c] for c in shown.columns],
        "trials": [[_cell(v) for v in row] for row in shown.itertuples(index=False)],
        "curves": _curves(results),
        "broken": results.broken[["key", "status", "epochs", "reason"]].fillna("").astype(str).values.tolist(),
    }


def _provenance(results: Results) -> dict[str, Any]:
    """What is needed to reproduce the study."""
    environment = results.environment
    return {
        "study": yaml.safe_dump(results.study.raw, sort_keys=False, allow_unicode=True),
        "packages": environment["packages"],
        "machine": f"{environment['platform']}, {environment['cpus']} CPUs",
        "commit": environment.get("git_commit") or "",
        "command": " ".join(environment.get("command", [])),
        "digests": environment["data_digests"],
        "labels": labels.digests(results),
    }


def recalls(results: Results) -> list[dict[str, str]]:
    """Recall of each class on the test split by λ, and how many samples each class has, as table rows."""
    samples = examples.support(results)
    names = [name for name in samples if f"test_recall_{name}" in results.trials]
    if not names:
        return []
    best = curves.of_best(results).trials
    rows = [{"condition": "", "λ": "samples", **{name: str(samples[name]) for name in names}}]
    for (condition, lam), trials in best.groupby(["condition", "lambda"], sort=False):
        means = {name: float(trials[f"test_recall_{name}"].mean()) for name in names}
        shown = {name: "" if math.isnan(mean) else f"{mean:.2f}" for name, mean in means.items()}
        rows.append({"condition": str(condition), "λ": f"{lam:.3g}"} | shown)
    return rows


def _curves(results: Results) -> dict[str, list[list[float | None]]]:
    """Each trial's objective, test accuracy, L_G and L_D by epoch, in three digits."""
    names = [results.objective, *CURVES]
    found = {}
    for key, rows in results.epochs.sort_values("epoch").groupby("key"):
        found[str(key)] = [[_short(value) for value in rows[name].tolist()] for name in names]
    return found


def _short(value: float) -> float | None:
    return float(f"{value:.3g}") if math.isfinite(value) else None


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return str(value)
