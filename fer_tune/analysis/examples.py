"""Confusion matrices and test faces that methods disagree on (Fig. 3 and 4 of the paper).

python -m analysis.examples results/NAME
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_tune.analysis.curves import of_best
from fer_tune.analysis.figures import confusion, face_grid, heading_grid, save
from fer_tune.analysis.labels import annotator_matrix
from fer_tune.analysis.statistics import row_shares
from fer_tune.analysis.study_record import column
from fer_tune.analysis.tables import Results, first_set, predictions, script
from fer_tune.names import METHOD, find

LETTERS = {"multitask": "V", "coteaching": "C", "gce": "G", "joint": "P"}  # as in the paper's Fig. 4
NAMES = {
    "multitask": "multi-task training",
    "coteaching": "Co-teaching",
    "gce": "generalised cross-entropy",
    "joint": "joint training",
}
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
    for name in LETTERS:
        rows = best[names == name]
        if len(rows):
            rows = rows[rows["condition"] == rows["condition"].iloc[0]]
            means = rows.groupby(["lambda", "configuration"])["score"].mean()
            found[name] = rows[rows["configuration"] == means.idxmax()[1]]
    return found


def confusion_matrix(results: Results, trials: pd.DataFrame) -> tuple[np.ndarray, list[str]] | None:
    """Confusion matrix (K, K) of the trials' test predictions, rows true classes that sum to 1; and the class names."""
    tables = [t for t in (predictions(results, key) for key in trials["key"]) if t is not None]
    if not tables:
        return None
    name, classes = first_set(tables[0])
    counts = np.zeros((len(classes), len(classes)))
    for table in tables:
        known = table[table[f"{name}_true"] >= 0]
        np.add.at(counts, (known[f"{name}_true"].to_numpy(int), known[f"{name}_predicted"].to_numpy(int)), 1)
    return row_shares(counts), classes


def confusion_figure(results: Results) -> Figure | None:
    """A confusion matrix of the training labels, where better labels are known, and one for each system.

    None where no system left predictions.
    """
    systems = system_trials(results)
    matrices = {name: confusion_matrix(results, rows) for name, rows in systems.items()}
    if not any(matrices.values()):
        return None
    annotator = annotator_matrix(results, pd.concat(systems.values()))
    present = {name: found for name, found in {TRAINING_LABELS: annotator, **matrices}.items() if found is not None}

    def draw(ax: Axes, name: str) -> Axes:
        confusion(ax, *present[name])
        if name == TRAINING_LABELS:
            ax.set_xlabel("label given")
        elif not results.clean:
            ax.set_ylabel("label given (rows sum to 1)")
        return ax

    return heading_grid(list(present), draw)


def support(results: Results) -> dict[str, int]:
    """How many test samples each class of the first set has; empty where no trial left predictions."""
    for key in results.trials["key"]:
        if (table := predictions(results, str(key))) is not None:
            name, classes = first_set(table)
            counts = np.bincount(table[f"{name}_true"][table[f"{name}_true"] >= 0], minlength=len(classes))
            return dict(zip(classes, counts.tolist(), strict=True))
    return {}


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
    first, classes = first_set(tables["joint"])
    joined = pd.DataFrame({"true": tables["joint"][f"{first}_true"]})
    for name, table in tables.items():
        joined[name] = table[f"{first}_predicted"]
    return joined[joined["true"] >= 0].dropna().astype(int), classes


def faces_figure(results: Results) -> Figure | None:
    """Faces where only joint is right, then faces where joint is wrong and another system right; None without any."""
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
    captions = [_caption(row, classes, others) for _, row in rows.iterrows()]
    return face_grid(images[rows.index.to_numpy(int)], captions, titles)


def legend(results: Results) -> str:
    """What the letters under the faces stand for: the label and the methods that the study has."""
    present = system_trials(results)
    return "; ".join(["L: label", *(f"{LETTERS[name]}: {NAMES[name]}" for name in LETTERS if name in present)])


def _count(faces: pd.DataFrame) -> str:
    return f"{len(faces)} face{'' if len(faces) == 1 else 's'}"


def _spread(table: pd.DataFrame) -> pd.DataFrame:
    """Up to twelve rows, evenly spread over classes and samples and chosen by nothing else."""
    ordered = table.sort_values("true", kind="stable")
    return ordered.iloc[np.unique(np.linspace(0, len(ordered) - 1, min(FACES_SHOWN, len(ordered))).astype(int))]


def _caption(row: pd.Series, classes: list[str], others: list[str]) -> str:
    lines = [f"L: {classes[row['true']]}"] + [f"{LETTERS[name]}: {classes[row[name]]}" for name in (*others, "joint")]
    return "\n".join(lines)


def _images(results: Results) -> np.ndarray | None:
    """The study's images, if it has one data set and they are still in the folder."""
    digests = results.environment["data_digests"]
    path = results.path / "data" / digests[0] / "images.npy" if len(digests) == 1 else Path()
    return np.load(path, mmap_mode="r", allow_pickle=False) if path.is_file() else None


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
