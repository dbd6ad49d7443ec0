"""Confusion matrices and test faces that methods disagree on (Fig. 3 and 4 of the paper).

python -m analysis.examples results/NAME
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_tune.analysis.curves import of_best
from fer_tune.analysis.figures import CAPTION_EMS, class_names, confusion, face_grid, heading_grid, save
from fer_tune.analysis.gaps import Gap, Kind, listed
from fer_tune.analysis.labels import annotator_matrix
from fer_tune.analysis.methods import NAMES
from fer_tune.analysis.results import Results
from fer_tune.analysis.statistics import row_shares
from fer_tune.analysis.study_record import column
from fer_tune.analysis.tables import script
from fer_tune.analysis.trial_files import predictions
from fer_tune.names import METHOD, find
from fer_tune.results.files import damaged

MEANS_OVER_CLASSES = ("test_mean_class_accuracy", "test_macro_f1")
SHORT = {"multitask": "plain", "coteaching": "Co-teaching", "gce": "robust loss", "joint": "joint"}  # under a face
TRAINING_LABELS = "training labels"
FACES_SHOWN = 12  # of each kind


def system_trials(results: Results) -> dict[str, pd.DataFrame]:
    """The trials of each system in its first condition, at the best configuration by noisy validation.

    `joint` is the λ above 0 whose mean score is highest; `multitask` is λ = 0.
    """
    best = of_best(results).trials
    method = find(results.study.conditions, METHOD)
    names = pd.Series("joint", index=best.index) if method is None else best[column(method)].astype(str)
    names = names.where((names != "joint") | (best["lambda"] > 0), "multitask")
    found = {}
    for name in SHORT:
        rows = best[names == name]
        if len(rows):
            rows = rows[rows["condition"] == rows["condition"].iloc[0]]
            means = rows.groupby(["lambda", "configuration"])["score"].mean()
            found[name] = rows[rows["configuration"] == means.idxmax()[1]]
    return found


def confusion_matrix(results: Results, trials: pd.DataFrame) -> tuple[np.ndarray, list[str]] | None:
    """Confusion matrix (K, K) of the trials' test predictions, and the class names.

    Rows are true classes and sum to 1; the row of a class without samples is NaN.
    """
    tables = [t for t in (predictions(results, key) for key in trials["key"]) if t is not None]
    if not tables:
        return None
    classes = tables[0].classes
    if any(table.classes != classes for table in tables):
        raise ValueError(f"trials of one condition have different classes: {listed(trials['key'])}")
    counts = np.zeros((len(classes), len(classes)))
    for table in tables:
        np.add.at(counts, (table.true[table.known], table.predicted[table.known]), 1)
    return row_shares(counts), list(classes)


def recalls(results: Results, trials: pd.DataFrame) -> dict[str, float]:
    """Recall of each class: the diagonal of the confusion matrix of these trials, NaN for a class without samples.

    Empty where no trial left predictions of the test images.
    """
    found = confusion_matrix(results, trials)
    return {} if found is None else dict(zip(found[1], found[0].diagonal().tolist(), strict=True))


def confusion_figure(results: Results) -> Figure | None:
    """A confusion matrix of the training labels, where better labels are known, and one for each system.

    None where no system left predictions.
    """
    systems = system_trials(results)
    matrices = {name: confusion_matrix(results, rows) for name, rows in systems.items()}
    if not any(matrices.values()):
        return None
    annotator = annotator_matrix(results, pd.concat(systems.values()))
    named = {NAMES[name]: matrix for name, matrix in matrices.items()}
    present = {name: found for name, found in {TRAINING_LABELS: annotator, **named}.items() if found is not None}

    def draw(ax: Axes, name: str) -> Axes:
        confusion(ax, *present[name])
        if name == TRAINING_LABELS:
            ax.set_xlabel("label given")
        elif not results.clean:
            ax.set_ylabel("label given (rows sum to 1)")
        return ax

    return heading_grid(list(present), draw, max(len(classes) for _, classes in present.values()))


def support(results: Results) -> dict[str, int]:
    """How many test samples each class of the first set has; empty where no trial left predictions."""
    for key in results.trials["key"]:
        if (table := predictions(results, str(key))) is not None:
            counts = np.bincount(table.true[table.known], minlength=len(table.classes))
            return dict(zip(table.classes, counts.tolist(), strict=True))
    return {}


def without_old_means(results: Results) -> tuple[Results, list[Gap]]:
    """The results without means over classes that an older version computed differently, and the gap that leaves.

    It counted the recall of a class without test samples as 0, and such a class in the mean where it was predicted.
    """
    means = [name for name in MEANS_OVER_CLASSES if name in results.trials]
    recalls = [f"test_recall_{name}" for name, count in support(results).items() if not count]
    old = [name for name in recalls if name in results.trials and results.trials[name].notna().any()]
    if not old or not means:
        return results, []
    why = (
        "an older version of fer-tune ran the study and counted classes without test samples in them: "
        f"{listed(name.removeprefix('test_recall_') for name in old)}. trials.csv still has these numbers"
    )
    gap = Gap("Mean class accuracy and macro F1 on the test labels", why, Kind.LEFT_OUT)
    return replace(results, trials=results.trials.assign(**dict.fromkeys(means, np.nan))), [gap]


def disagreements(results: Results) -> tuple[pd.DataFrame, list[str]] | None:
    """Class that each system predicts for each test sample, with the first seed that all share; and the class names.

    Columns: true, and each system's name. None unless joint and another system left predictions.
    """
    groups = system_trials(results)
    if "joint" not in groups or len(groups) < 2:
        return None
    seeds = set.intersection(*(set(rows["seed"]) for rows in groups.values()))
    if not seeds:
        return None
    tables = {}
    for name, rows in groups.items():
        table = predictions(results, str(rows[rows["seed"] == min(seeds)]["key"].iloc[0]))
        if table is None:
            return None
        tables[name] = table
    joint = tables["joint"]
    joined = pd.DataFrame({"true": joint.true}, index=joint.index)
    for name, table in tables.items():
        joined[name] = pd.Series(table.predicted, index=table.index)
    return joined[joined["true"] >= 0].dropna().astype(int), list(joint.classes)


def shows_faces(results: Results) -> bool:
    """Whether the page may show test images: drawn ones, and others only where that was asked for."""
    section = results.study.raw.get("report")
    asked = results.faces or (section.get("faces") if isinstance(section, Mapping) else None)
    return asked == "few" if asked else _are_drawn(results)


def faces_notices(results: Results) -> list[str]:
    """What a person must know before sending on a page with test images that are not drawn, a sentence each."""
    if _are_drawn(results) or not shows_faces(results):
        return []
    return [
        "Warning: the page shows images of your data set. If they are faces of people, whoever gets the page sees "
        f"them. To write it without them, run: fer-tune report {results.path} --faces none"
    ]


def _are_drawn(results: Results) -> bool:
    return results.study.section("dataset")["kind"] == "synthetic"


def faces_figure(results: Results) -> Figure | None:
    """Faces where only joint is right, then faces where joint is wrong and another system right.

    None without any, or where the page must show none.
    """
    if not shows_faces(results):
        return None
    images, found = _images(results), disagreements(results)
    if images is None or found is None:
        return None
    table, classes = found
    others = [str(name) for name in table if name not in ("true", "joint")]
    right = table["joint"] == table["true"]
    rivals = table[others].eq(table["true"], axis=0)
    wins, losses = table[right & ~rivals.any(axis=1)], table[~right & rivals.any(axis=1)]
    rows = pd.concat([_spread(wins), _spread(losses)])
    if rows.empty:
        return None
    right_title = f"only joint training right: {_count(wins)}"
    wrong_title = f"joint training wrong, another method right: {_count(losses)}"
    titles = [right_title] * len(_spread(wins)) + [wrong_title] * len(_spread(losses))
    if rows.index.max() >= len(images):
        raise ValueError(f"the predictions name image {rows.index.max()}, and there are {len(images)}")
    names = class_names(classes, CAPTION_EMS)
    captions = [_caption(row, names, others) for _, row in rows.iterrows()]
    return face_grid(images[rows.index.to_numpy(int)], captions, titles)


def legend(results: Results) -> str:
    """What the words under the faces stand for: the methods that the study has."""
    return "; ".join(f"{SHORT[name]}: {NAMES[name]}" for name in system_trials(results))


def _count(faces: pd.DataFrame) -> str:
    return f"{len(faces)} face{'' if len(faces) == 1 else 's'}"


def _spread(table: pd.DataFrame) -> pd.DataFrame:
    """Up to twelve rows, evenly spread over classes and samples and chosen by nothing else."""
    ordered = table.sort_values("true", kind="stable")
    return ordered.iloc[np.unique(np.linspace(0, len(ordered) - 1, min(FACES_SHOWN, len(ordered))).astype(int))]


def _caption(row: pd.Series, classes: list[str], others: list[str]) -> str:
    lines = [f"label: {classes[row['true']]}"]
    return "\n".join([*lines, *(f"{SHORT[name]}: {classes[row[name]]}" for name in (*others, "joint"))])


def _images(results: Results) -> np.ndarray | None:
    """The study's images, if it has one data set and they are still in the folder. Raises Damaged."""
    digests = results.environment.digests
    path = results.path / "data" / Path(digests[0]).name / "images.npy" if len(digests) == 1 else Path()
    if not path.is_file():
        return None
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # numpy parses a header as Python source, which fails in many ways
        raise damaged(path) from None
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
        raise damaged(path)
    return images


def show(results: Results) -> str:
    """Write both figures into the results folder's report; return where."""
    drawn = {"confusion": confusion_figure(results), "faces": faces_figure(results)}
    for name, figure in drawn.items():
        if figure is not None:
            save(figure, results, name)
    written = [name for name, figure in drawn.items() if figure is not None]
    return f"Wrote {' and '.join(written)} to {results.figures}" if written else f"{results.path}: no figure to draw"


if __name__ == "__main__":
    script(__doc__, show)
