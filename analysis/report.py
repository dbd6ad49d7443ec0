"""The report: report/index.html (self-contained) and report/report.md with its figures beside it.

python -m analysis.report results/NAME
"""

import base64
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from analysis import convergence, curves, examples, labels, methods, recommendation
from analysis.figures import save
from analysis.tables import NothingToReport, Results, load, script

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
    "generator_joint_loss": "L_G",
    "discriminator_joint_loss": "L_D",
    "seconds": "seconds",
}


@dataclass(frozen=True)
class Plate:
    """One figure of the report."""

    name: str
    title: str
    reading: str
    alt: str
    svg: str  # as a data URI


def write_report(path: Path) -> str:
    """Write the report of a results folder; return its headline.

    Raises NothingToReport where no trial has ended.
    """
    results = load(path)
    target = path / "report"
    shutil.rmtree(target / "figures", ignore_errors=True)
    page = _content(results, target / "figures")
    environment = Environment(
        loader=PackageLoader("analysis"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = _escape_markdown
    for template, name in (("report.html", "index.html"), ("report.md", "report.md")):
        text = environment.get_template(template).render(page)
        (target / name).write_text(text, encoding="utf-8")
    return "\n".join(page["headline"])


def _content(results: Results, folder: Path) -> dict[str, Any]:
    found = recommendation.recommendations(results)
    runs = results.trials[[c for c in COLUMNS if c in results.trials]].sort_values(["lambda", "lr", "seed"])
    rules = [
        {"condition": r.panel, "rule": p.rule, "needs": p.needs, "λ": f"{p.lam:.3g}",
         "test accuracy": f"{p.test_accuracy:.3f}", "regret": f"{p.regret:.3f}"}
        for r in found for p in r.picks
    ]  # fmt: skip
    return {
        "name": results.study["name"],
        "headline": recommendation.headline(results),
        "limited": any(r.rising for r in found),
        "rules": rules,
        "systems": methods.table(results) if methods.compared(results) else [],
        "baseline": recommendation.against_baseline(results),
        "correlations": convergence.sentences(results),
        "plates": _plates(results, folder),
        "columns": [COLUMNS[c] for c in runs.columns],
        "trials": [[_cell(v) for v in row] for row in runs.itertuples(index=False)],
        "broken": results.broken[["key", "status", "epochs", "reason"]].fillna("").astype(str).values.tolist(),
        "study": yaml.safe_dump(results.study, sort_keys=False, allow_unicode=True),
        "packages": results.environment["packages"],
        "machine": f"{results.environment['platform']}, {results.environment['cpus']} CPUs",
        "digests": results.environment["data_digests"],
        "labels": labels.digests(results),
    }


def _plates(results: Results, folder: Path) -> list[Plate]:
    sampled = [name for name, values in results.study["conditions"].items() if isinstance(values, dict)]
    plates = [
        _plate(curves.response_figure(results), folder, "accuracy_by_lambda", "Accuracy by λ",
               "Each point is a trial's last five epochs; lines join means, bars are 95 % intervals over seeds where "
               "there are several. Choose by the noisy validation line; the clean test line shows what that was worth.",
               "Line plot of clean test and noisy validation accuracy against lambda"),
        _plate(curves.accuracy_figure(results), folder, "accuracy_by_epoch", "Test accuracy while training",
               "A line that still climbs at the right edge has not been given enough epochs; one that falls has "
               "begun to learn the wrong labels.",
               "Line plot of clean test accuracy by epoch, a line for each lambda"),
    ]  # fmt: skip
    if results.trials["generator_joint_loss"].notna().any():
        plates += [
            _plate(curves.loss_figure(results), folder, "losses_by_epoch", "Joint losses while training",
                   "The paper's good runs settle at the dashed values. λ = 0 plays no joint game and has no line.",
                   "Two line plots, generator and discriminator joint loss by epoch, a line for each lambda"),
            _plate(convergence.figure(results), folder, "convergence", "Does convergence tell accuracy?",
                   "Each mark is a trial. If the paper's remark held here, accuracy would peak at the dashed values.",
                   "Two scatter plots of test accuracy against converged generator and discriminator joint loss"),
        ]  # fmt: skip
    if methods.compared(results):
        plates.insert(
            0,
            _plate(methods.figure(results), folder, "methods", "Systems by seconds of training",
                   "Each line is a system at the learning rate and λ that noisy validation chose; bands are 95 % "
                   "intervals over seeds. Read upwards at one time: what each is worth at equal seconds.",
                   "Line plot of clean test accuracy against seconds of training, a line for each system"),
        )  # fmt: skip
    if (confusions := examples.confusion_figure(results)) is not None:
        plates.append(
            _plate(confusions, folder, "confusion", "Which classes are taken for which",
                   "Shares of each true class on the clean test split, over all seeds. Compare the diagonals: what one "
                   "system finds that the other does not. Where better labels are known, the first matrix shows what "
                   "the training labels confuse: a system that repeats its pattern has learnt the noise.",
                   "Confusion matrices, one for each system, rows are true classes")
        )  # fmt: skip
    if (faces := examples.faces_figure(results)) is not None:
        plates.append(
            _plate(faces, folder, "faces", "Test faces that systems disagree on",
                   "First faces where the joint method is right and the others wrong, then those where it is wrong and "
                   "another right; one seed, evenly spread over the classes. L: label; V: multi-task VGGNet; C: "
                   "Co-teaching; G: generalised cross-entropy; P: joint.",
                   "Rows of test faces with the label and what each system says")
        )  # fmt: skip
    for name in sampled:
        plates.append(
            _plate(curves.surface_figure(results, name), folder, f"surface_{name}", f"λ against {name}",
                   "Each mark is a trial at its drawn condition; brighter is more accurate.",
                   f"Scatter plot of lambda against {name}, coloured by test accuracy")
        )  # fmt: skip
    return plates


def _plate(figure: Figure, folder: Path, name: str, title: str, reading: str, alt: str) -> Plate:
    svg = base64.b64encode(save(figure, folder, name)).decode()
    return Plate(name, title, reading, alt, f"data:image/svg+xml;base64,{svg}")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return str(value)


def _escape_markdown(text: object) -> str:
    escaped = str(text).replace("\\", "\\\\")
    for sign in "|<>`*_[]":
        escaped = escaped.replace(sign, f"\\{sign}")
    return " ".join(escaped.split())


def show(results: Results) -> str:
    """Write the report; return its headline and where it is."""
    return f"{write_report(results.path)}\n{results.path / 'report' / 'index.html'}"


__all__ = ["NothingToReport", "write_report"]

if __name__ == "__main__":
    script(__doc__, show)
