"""What the report shows: the values that its templates are filled with, and what it lacks."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from fer_tune.analysis import (
    conditions,
    curves,
    examples,
    labels,
    leaks,
    majority,
    methods,
    page_figures,
    recommendation,
    rules,
)
from fer_tune.analysis.gaps import Gap, Kind, attempted, listed
from fer_tune.analysis.page_figures import Each, PageFigure
from fer_tune.analysis.recommendation import Findings
from fer_tune.analysis.results import Results
from fer_tune.analysis.screen import Paragraph
from fer_tune.analysis.text import numbered, plain_name
from fer_tune.analysis.trial_files import damaged_files

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


TITLES = {
    "systems": "Methods side by side",
    "details": "What the answer rests on",
    "chances": "How certain the choice is",
    "baseline": "Each λ compared with λ = 0",
    "rules": "What each rule would have chosen, and what that cost",
    "stopping": "When to stop a run",
    "recalls": "Recall of each class",
    "trials": "Trials",
    "broken": "Diverged or failed",
    "absent": "Not shown, and why",
    "labels": "Noisy labels",
}  # of the sections of the page, by the name of their value
AFTER_FIGURES = ("recalls", "trials", "broken", "absent", "labels")
REPEAT = "How to reproduce it"


class Table(NamedTuple):
    """A table of the page whose columns somebody named."""

    columns: list[str]
    rows: list[list[str]]


class Section(NamedTuple):
    """A part of the page that may fail or have nothing to show.

    Attributes:
        name: of its value in the templates.
        title: what it is called where it is missing.
        build: returns its value.
        absent: why it may be empty; empty where that is no gap.
    """

    name: str
    title: str
    build: Callable[[], Any]
    absent: str = ""


@dataclass(frozen=True)
class Content:
    """What both templates show, and what that lacks.

    Attributes:
        values: for the templates, by name.
        headline: what the report says first, a paragraph each.
        found: what the study says of λ; None where that could not be computed.
        gaps: what is missing, and why.
    """

    values: dict[str, Any]
    headline: tuple[str, ...]
    found: Findings | None
    gaps: tuple[Gap, ...]


def content(results: Results, each: Each) -> Content:
    """Everything that both templates show; a part that fails becomes a gap. `each`: see `report.write_report`."""
    results, old = examples.without_old_means(results)
    gaps = [*results.gaps, *damaged_files(results), *old]
    found = attempted("recommendation", lambda: recommendation.findings(results), None, gaps)
    values: dict[str, Any] = {"name": results.study.name, "partial": results.partial, "objective": results.objective}
    if found is None:
        values |= {
            "headline": [Paragraph(f"There is no recommendation. {gaps[-1].why}.")],
            "details": [],
            "chances": [],
            "rules": [],
        }
    sections = [*(_of_findings(results, found) if found is not None else []), *_sections(results)]
    for section in sections:
        known = len(gaps)
        values[section.name] = attempted(section.title, section.build, [], gaps)
        if not values[section.name] and len(gaps) == known and section.absent:
            gaps.append(Gap(section.title, section.absent, Kind.ABSENT))
    gaps += _uncounted(results)
    nothing: list[PageFigure] = []
    values["figures"] = attempted("figures", lambda: _figures(results, found, each, gaps), nothing, gaps)
    values |= _first_figure(results, values["figures"])
    values |= {
        "wrong": [gap.text() for gap in gaps if gap.kind != Kind.ABSENT],
        "absent": [gap.text() for gap in gaps if gap.kind == Kind.ABSENT],
        **_provenance(results),
    }
    values |= {"contents": contents(values), "titles": TITLES}
    said = [part.shown for part in values["headline"]]
    return Content(values, (*said, *values["leaks"]), found, tuple(gaps))


def _first_figure(results: Results, figures: list[PageFigure]) -> dict[str, Any]:
    """The figure of the first screen apart from the others; with many conditions it is one of these."""
    few = results.trials["condition"].nunique() <= recommendation.MOST_SCREENS
    first = next((figure for figure in figures if few and figure.name == page_figures.FIRST), None)
    return {"first": first, "figures": [figure for figure in figures if figure is not first]}


def contents(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The table of contents: the anchor and the title of every section that the page has."""
    sections = [(name, title) for name, title in TITLES.items() if values.get(name)]
    figures = [(f"figure-{figure.name}", figure.title) for figure in values["figures"]]
    before = [entry for entry in sections if entry[0] not in AFTER_FIGURES]
    return [*before, *figures, *(entry for entry in sections if entry[0] in AFTER_FIGURES), ("repeat", REPEAT)]


def _figures(results: Results, found: Findings | None, each: Each, gaps: list[Gap]) -> list[PageFigure]:
    figures, missing = page_figures.drawn(results, found, each)
    gaps += missing
    return figures


def _uncounted(results: Results) -> list[Gap]:
    if leaks.equal_images(results) is not None:
        return []
    return [Gap("equal images in two splits", "the stored data do not say whether there are any", Kind.ABSENT)]


def _of_findings(results: Results, found: Findings) -> list[Section]:
    """What the study says of λ."""
    return [
        Section("headline", "headline", lambda: recommendation.headline(results, found)),
        Section("details", "paragraphs of each condition", lambda: recommendation.details(results, found)),
        Section("chances", "table “how certain the choice is”", lambda: recommendation.chances(found)),
        Section(
            "rules", "table “what each rule would have chosen”", lambda: rules.table(found.picks, results.test_labels),
            "every condition has one λ, or no test labels",
        ),
        Section("rules_left_out", "rules left out", lambda: rules.left_out(found.picks)),
    ]  # fmt: skip


def _sections(results: Results) -> list[Section]:
    """What the page shows beside the recommendation."""
    return [
        Section(
            "leaks", "equal images, and λs that do no better than the largest class",
            lambda: [*leaks.warnings(results), *majority.warnings(results)],
        ),
        Section("test_labels", "what the test labels are", lambda: results.test_labels),
        Section("clean", "whether the test labels are clean", lambda: results.clean),
        Section(
            "systems", "table “methods side by side”",
            lambda: methods.table(results) if methods.compared(results) else [],
        ),
        Section("baseline", "table “each λ compared with λ = 0”", lambda: recommendation.against_baseline(results)),
        Section(
            "stopping", "table “when to stop a run”", lambda: rules.stopping_table(results),
            "it needs prediction changes by epoch, which older versions did not record, and test labels",
        ),
        Section(
            "importance", "importance of each setting", lambda: conditions.importance_sentence(results),
            f"it needs two settings that vary independently and {conditions.FEWEST_CONFIGURATIONS} configurations",
        ),
        Section(
            "recalls", "table “recall of each class”", lambda: recalls(results),
            "no trial has left predictions of the test images that can be read",
        ),
        Section("recall_notes", "classes without a recall", lambda: recall_notes(results)),
        Section("other_sets", "other label sets", lambda: _other_sets(results)),
        Section("trials", "table of trials", lambda: _trials(results)),
        Section("curves", "curves of each trial", lambda: _curves(results)),
        Section("broken", "trials that diverged or failed", lambda: _broken(results)),
        Section(
            "labels", "digests of the noisy labels", lambda: labels.digests(results),
            "no trial has recorded one, which older versions did not",
        ),
    ]  # fmt: skip


def _trials(results: Results) -> Table:
    shown = results.trials[[c for c in COLUMNS if c in results.trials]].sort_values(["lambda", "lr", "seed"])
    rows = [[_cell(v) for v in row] for row in shown.itertuples(index=False)]
    return Table([COLUMNS[str(c)] for c in shown.columns], rows)


def _broken(results: Results) -> list[list[str]]:
    return results.broken[["key", "status", "epochs", "reason"]].fillna("").astype(str).to_numpy().tolist()


def _provenance(results: Results) -> dict[str, Any]:
    """What is needed to reproduce the study."""
    environment = results.environment
    return {
        "study": yaml.safe_dump(results.study.raw, sort_keys=False, allow_unicode=True),
        "packages": environment.packages,
        "machine": environment.machine,
        "commit": environment.commit,
        "command": environment.command,
        "digests": environment.digests,
    }


def _other_sets(results: Results) -> str:
    """Where the scores of further categorical label sets are, which the page does not show."""
    others = [str(c).removeprefix("test_accuracy_") for c in results.trials if str(c).startswith("test_accuracy_")]
    return f"Scores of the other label sets ({listed(others)}) are in trials.csv." if others else ""


def recalls(results: Results) -> Table | None:
    """Recall of each class on the test split by λ, and how many samples each class has; None where none is known.

    They are the diagonals of confusion matrices, after the last epoch. A class without samples has no recall: its cells
    are empty.
    """
    samples = examples.support(results)
    names = list(samples)
    if not names:
        return None
    best = curves.of_best(results).trials
    rows = [["", "samples", *(str(samples[name]) for name in names)]]
    for (condition, lam), trials in best.groupby(["condition", "lambda"], sort=False):
        found = examples.recalls(results, trials)
        shares = [found.get(name, math.nan) for name in names]
        rows.append([str(condition), f"{lam:.3g}", *("" if math.isnan(share) else f"{share:.2f}" for share in shares)])
    return Table(numbered(["condition", "λ", *map(plain_name, names)]), rows)


def recall_notes(results: Results) -> list[str]:
    """The classes without a recall, in sentences."""
    samples = examples.support(results)
    empty = [name for name, count in samples.items() if not count]
    return [f"No test samples, so no recall: {listed(empty, 10)}."] if empty else []


def _curves(results: Results) -> dict[str, list[list[float | None]]]:
    """Each trial's objective, test accuracy, L_G and L_D by epoch, in three digits."""
    names = [results.objective, *CURVES]
    found = {}
    for key, rows in results.epochs.sort_values("epoch").groupby("key"):
        found[plain_name(key)] = [[_short(value) for value in rows[name].tolist()] for name in names]
    return found


def _short(value: float) -> float | None:
    return float(f"{value:.3g}") if math.isfinite(value) else None


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return plain_name(value)
