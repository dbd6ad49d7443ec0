"""The report: report/index.html (self-contained), report/report.md with its figures, and recommendation.json.

python -m analysis.report results/NAME [--watch]
"""

import base64
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from fer_tune.analysis import budget, conditions, convergence, curves, examples, labels, methods, recommendation, rules
from fer_tune.analysis.figures import save
from fer_tune.analysis.recommendation import Findings
from fer_tune.analysis.tables import NothingToReport, Results, argument_parser, drawn, load

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
Each = Callable[[Callable[[Any], Any], list[Any]], Iterable[Any]]
WATCH_SECONDS = 5.0  # between looks at whether a running study has new results


class Plate(NamedTuple):
    """One figure of the report: where it goes, how it reads, itself as an SVG data URI, what it says in sentences."""

    name: str
    title: str
    reading: str
    alt: str
    svg: str
    notes: Sequence[str]


@dataclass(frozen=True)
class Sketch:
    """A figure to be, or None of it where a study has nothing to show there."""

    draw: Callable[[], Figure | None]
    name: str
    title: str
    reading: str
    alt: str
    notes: Sequence[str] = ()

    def plate(self, results: Results) -> list[Plate]:
        """Write the figure; return it for the page."""
        figure = self.draw()
        if figure is None:
            return []
        svg = base64.b64encode(save(figure, results, self.name)).decode()
        return [Plate(self.name, self.title, self.reading, self.alt, f"data:image/svg+xml;base64,{svg}", self.notes)]


def write_report(path: Path, formats: Sequence[str] = (), each: Each = map) -> str:
    """Write the report of a results folder, figures in further formats too; return its headline.

    `each` calls a function for every item of a list, as map does or on several cores, and returns what they return.
    Raises NothingToReport where no trial has ended.
    """
    results = load(path)
    results = replace(results, formats=tuple(dict.fromkeys((*results.formats, *formats))))
    target = path / "report"
    shutil.rmtree(target / "figures", ignore_errors=True)
    target.mkdir(exist_ok=True)
    found = recommendation.findings(results)
    page = _content(results, found, each)
    environment = Environment(
        loader=PackageLoader("fer_tune.analysis"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = _escape_markdown
    for template, name in (("report.html", "index.html"), ("report.md", "report.md")):
        _replace(target / name, environment.get_template(template).render(page))
    _replace(path / "recommendation.json", recommendation.as_json(results, found))
    return "\n".join(page["headline"])


def _replace(path: Path, text: str) -> None:
    """Write a file that somebody may be looking at: whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _content(results: Results, found: Findings, each: Each) -> dict[str, Any]:
    runs = results.trials[[c for c in COLUMNS if c in results.trials]].sort_values(["lambda", "lr", "seed"])
    return {
        "name": results.study["name"],
        "headline": recommendation.headline(results, found),
        "details": recommendation.details(results, found),
        "partial": not results.complete,
        "test_labels": results.test_labels,
        "chances": recommendation.chances(found),
        "rules": rules.table(found.picks),
        "epoch_rules": rules.epoch_regrets(results),
        "systems": methods.table(results) if methods.compared(results) else [],
        "baseline": recommendation.against_baseline(results),
        "recalls": recalls(results),
        "plates": _plates(results, found, each),
        "importance": conditions.importance_sentence(results),
        "columns": [COLUMNS[c] for c in runs.columns],
        "trials": [[_cell(v) for v in row] for row in runs.itertuples(index=False)],
        "curves": _curves(results),
        "objective": results.objective,
        "broken": results.broken[["key", "status", "epochs", "reason"]].fillna("").astype(str).values.tolist(),
        "study": yaml.safe_dump(results.study, sort_keys=False, allow_unicode=True),
        "packages": results.environment["packages"],
        "machine": f"{results.environment['platform']}, {results.environment['cpus']} CPUs",
        "commit": results.environment.get("git_commit") or "",
        "command": " ".join(results.environment.get("command", [])),
        "digests": results.environment["data_digests"],
        "labels": labels.digests(results),
    }


def recalls(results: Results) -> list[dict[str, str]]:
    """Recall of each class on the test split by lambda, and how many samples each class has, as table rows."""
    first = examples.support(results)
    names = [name for name in first if f"test_recall_{name}" in results.trials]
    if not names:
        return []
    best = curves.of_best(results).trials
    rows = [{"condition": "", "λ": "samples", **{name: str(first[name]) for name in names}}]
    for (panel, lam), trials in best.groupby(["panel", "lambda"], sort=False):
        means = trials[[f"test_recall_{name}" for name in names]].mean()
        rows.append(
            {"condition": str(panel), "λ": f"{lam:.3g}"} | {n: f"{means[f'test_recall_{n}']:.2f}" for n in names}
        )
    return rows


def _curves(results: Results) -> dict[str, list[list[float | None]]]:
    """Each trial's objective, test accuracy, L_G and L_D by epoch, in few digits."""
    names = [results.objective, *CURVES]
    found = {}
    for key, rows in results.epochs.sort_values("epoch").groupby("key"):
        found[str(key)] = [[_short(value) for value in rows[name].tolist()] for name in names]
    return found


def _short(value: float) -> float | None:
    return float(f"{value:.3g}") if math.isfinite(value) else None


def _plates(results: Results, found: Findings, each: Each) -> list[Plate]:
    """Every figure that the study has something to show in."""
    drawn = each(lambda sketch: sketch.plate(results), _sketches(results, found))
    return [plate for plates in drawn for plate in plates]


def _sketches(results: Results, found: Findings) -> list[Sketch]:
    panels = list(dict.fromkeys(results.trials["panel"]))
    first = f", at {panels[0]}" if len(panels) > 1 and not methods.compared(results) else ""
    plays = results.trials["generator_joint_loss"].notna().any()
    budgets, early = budget.by_budget(results), convergence.by_epoch(results)
    told = [*convergence.sentences(results), rules.fitted_sentence(found.best)]
    return [
        Sketch(lambda: methods.figure(results) if methods.compared(results) else None, "methods",
               "Systems by seconds of training",
               "Each line is a system at the learning rate and λ that noisy validation chose; bands are 95 % "
               "intervals over seeds. Read upwards at one time: what each is worth at equal seconds.",
               "Line plot of test accuracy against seconds of training, a line for each system"),
        Sketch(lambda: curves.response_figure(results), "accuracy_by_lambda", "Accuracy by λ",
               "Each point is a λ's mean over the last five epochs (all of them in a shorter run); bars are 95 % "
               "intervals over seeds where there are several. Choose by the noisy validation line; the test "
               "line shows what that was worth.",
               "Line plot of test and noisy validation accuracy against lambda"),
        Sketch(lambda: curves.smooth_figure(results, found), "smooth_response",
               "The deciding score over λ, as a smooth curve",
               "The curve is a Gaussian process through the means. Its band (95 %) is for comparing λs: how good all "
               "seeds are together is left out of it. Where it is wide between two λs, a λ there is a guess.",
               "Smooth curve with a band of the validation score against lambda"),
        Sketch(lambda: conditions.noise_figure(results, found), "lambda_by_noise", "The best λ against the noise",
               "Bars hold the best λ with 95 %. Only where bars do not overlap is a move of the best λ shown.",
               "Best lambda with intervals against the share of wrong labels",
               conditions.noise_sentences(results, found)),
        Sketch(lambda: conditions.interaction_figure(results), "lambda_and_learning_rate",
               "λ and learning rate together",
               "Brighter scores higher; white dots are what was run. Ridges that slant say that λ and learning "
               "rate must be chosen together.",
               "Contours of the validation score over lambda and learning rate"),
        Sketch(lambda: curves.accuracy_figure(results), "accuracy_by_epoch", "Test accuracy while training",
               "A line that still climbs at the right edge has not been given enough epochs; one that falls has "
               "begun to learn the wrong labels.",
               "Line plot of test accuracy by epoch, a line for each lambda"),
        Sketch(lambda: budget.figure(results, budgets), "budget", "Which λ leads after how many epochs",
               "Larger dots are surer. A λ that leads only at the end starts slowly: short runs would call it bad.",
               "Leading lambda against the number of epochs trained",
               budget.sentences(budgets)),
        Sketch(lambda: curves.loss_figure(results) if plays else None, "losses_by_epoch", "Joint losses while training",
               "The paper's good runs settle at the dashed values. λ = 0 plays no joint game and has no line.",
               "Two line plots, generator and discriminator joint loss by epoch, a line for each lambda"),
        Sketch(lambda: convergence.figure(results) if plays else None, "convergence", "Does convergence tell accuracy?",
               "Each mark is a trial, its losses means of the last five epochs, converged or not. If the paper's "
               "remark held here, accuracy would peak at the dashed values.",
               "Two scatter plots of test accuracy against generator and discriminator joint loss at the end",
               [text for text in told if text]),
        Sketch(lambda: convergence.early_figure(results, early) if plays else None, "convergence_by_epoch",
               "How early convergence tells",
               "Rank correlation of the final test accuracy with the distance of both losses to (2.6, 0.45) at each "
               "epoch, ranks within each condition. Below 0: nearer is better. The band holds 95 %.",
               "Rank correlation with a band against the epoch",
               [text for text in [convergence.early_sentence(early)] if text]),
        Sketch(lambda: examples.confusion_figure(results), "confusion", f"Which classes are taken for which{first}",
               "Shares of each true class on the test split, over all seeds. Compare the diagonals: what one "
               "system finds that the other does not. Where better labels are known, the first matrix shows what "
               "the training labels confuse: a system that repeats its pattern has learnt the noise.",
               "Confusion matrices, one for each system, rows are true classes"),
        Sketch(lambda: examples.faces_figure(results), "faces", f"Test faces that systems disagree on{first}",
               "First faces where the joint method is right and the others wrong, then those where it is wrong and "
               "another right; one seed, evenly spread over the classes. L: label; V: multi-task VGGNet; C: "
               "Co-teaching; G: generalised cross-entropy; P: joint.",
               "Rows of test faces with the label and what each system says"),
        *(Sketch(partial(curves.surface_figure, results, name), f"surface_{name}", f"λ against {name}",
                 "Each mark is a trial at its drawn condition; brighter is more accurate.",
                 f"Scatter plot of lambda against {name}, coloured by test accuracy") for name in drawn(results.study)),
    ]  # fmt: skip


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return str(value)


def _escape_markdown(text: object) -> str:
    escaped = str(text).replace("\\", "\\\\")
    for sign in "|<>`*_[]":
        escaped = escaped.replace(sign, f"\\{sign}")
    return " ".join(escaped.split())


def watch(path: Path, formats: Sequence[str]) -> None:
    """Write the report anew whenever a running study has new results, until it is complete or Ctrl-C."""
    seen = None
    while True:
        stamp = [file.stat().st_mtime_ns for file in (path / "trials.csv", path / "run.json") if file.exists()]
        if stamp != seen:
            seen = stamp
            try:
                complete = load(path).complete  # as it was before: what ends meanwhile is looked at once more
                headline = write_report(path, formats)
                print(f"{time.strftime('%H:%M:%S')} {path / 'report' / 'index.html'}\n{headline}", flush=True)
                if complete:
                    return
            except NothingToReport as nothing:
                print(f"{time.strftime('%H:%M:%S')} {nothing}", flush=True)
        time.sleep(WATCH_SECONDS)


def _of_remote(uri: str, words: Sequence[str]) -> int:
    """The report of results on object storage, written there."""
    from fer_tune.results.storage import RemoteError, fetched

    if "--watch" in words:
        print("--watch follows a folder on this machine, no URI", file=sys.stderr)
        return 2
    try:
        with fetched(uri) as folder:
            return main([str(folder) if word == uri else word for word in words])
    except RemoteError as error:
        print(error, file=sys.stderr)
        return 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 where there is nothing to report."""
    parser = argument_parser("Write the report of a results folder, of a study that still runs too.")
    parser.add_argument("--watch", action="store_true", help="write it anew while the study runs")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if uri := next((word for word in words if "://" in word), None):
        return _of_remote(uri, words)
    options = parser.parse_args(words)
    formats = options.format or ()
    try:
        if options.watch:
            if not (options.results / "study.json").exists():
                raise NothingToReport(f"{options.results} is no results folder: study.json is missing")
            watch(options.results, formats)
        else:
            print(f"{write_report(options.results, formats)}\n{options.results / 'report' / 'index.html'}")
    except NothingToReport as nothing:
        print(nothing, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


__all__ = ["NothingToReport", "main", "write_report"]

if __name__ == "__main__":
    sys.exit(main())
