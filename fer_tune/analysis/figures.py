"""Plot functions, which take axes and return them, and the style of all figures."""

import io
import itertools
import math
import re
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fer_tune.analysis.results import Results
from fer_tune.analysis.text import code, numbered, plain_name, shortened
from fer_tune.decision.intervals import group_intervals, mean_interval
from fer_tune.decision.rules import PAPER_TARGET

PLOT_INCHES = (6.0, 4.2)
TARGET_COLOUR = "#c23b22"
TEST_COLOUR, REFERENCE_COLOUR = "#0b6e99", "#8f2d6b"
PLAIN_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
MARKERS = "osD^vPX*"
MOST_LINES, RANGES = 8, 5  # more lambdas than eight lines are shown in five ranges
DOTS_PER_INCH = 130
MOST_OF_A_CLASS, MOST_OF_A_TITLE, TITLE_WIDTH = 24, 120, 48  # characters
CLASS_EMS, CAPTION_EMS, TITLE_EMS, ENTRY_EMS = 15.0, 9.0, 30.0, 24.0  # most of a line of text, in its own size
EM_POINTS = 20.0  # size at which characters are measured
INCHES_OF_A_CLASS, MOST_WRITTEN = 0.5, 30  # more classes make a confusion matrix larger, and leave out its numbers
LITERAL: dict[str, str] = {}  # what this process drew for a text, and the text
FALLBACKS = (  # used where they are installed, for scripts that DejaVu Sans, which comes with Matplotlib, lacks
    "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR",
    "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Microsoft YaHei",
    "SimHei", "Malgun Gothic", "Yu Gothic", "PingFang SC", "Hiragino Sans GB", "Heiti TC", "Arial Unicode MS",
    "Nirmala UI", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Bengali",
    "Noto Sans Tamil", "Noto Sans Thai", "Noto Sans Ethiopic", "FreeSans", "Symbola", "Noto Emoji",
    "Noto Sans Symbols2",
)  # fmt: skip
# Canvases are told to print one by one: Figure.savefig draws every figure twice.
PRINT: dict[str, Callable[[Figure, io.BytesIO], None]] = {
    "png": lambda figure, file: FigureCanvasAgg(figure).print_png(file),
    "svg": lambda figure, file: FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None}),
    "pdf": lambda figure, file: FigureCanvasPdf(figure).print_pdf(file, metadata={"CreationDate": None}),
}


def set_style() -> None:
    """Large type (legible at half size) and thin grids, for every figure. A user's own matplotlibrc does not count.

    Text is never parsed as mathematics: a class may be called $calm^$.
    """
    plt.rcdefaults()
    sns.set_theme(
        context="notebook",
        style="whitegrid",
        font_scale=1.25,
        rc={
            "axes.titlesize": 15,
            "lines.linewidth": 2.2,
            "svg.fonttype": "none",
            "svg.hashsalt": "fer-tune",
            "text.parse_math": False,
            "font.family": ["sans-serif", *installed_fonts()],
        },
    )


@cache
def installed_fonts() -> dict[str, FT2Font]:
    """The fallback fonts that are installed and readable, by family."""
    found = {}
    for family in FALLBACKS:
        try:
            path = findfont(FontProperties(family=family), fallback_to_default=False)
            found[family] = get_font(path)
        except (ValueError, OSError, RuntimeError):  # not installed, or not a font
            continue
    return found


@cache
def em_width(character: str) -> float | None:
    """The width of a character in ems; None where no installed font has it."""
    for font in installed_fonts().values():
        if ord(character) in font.get_charmap():
            font.set_size(EM_POINTS, 72)
            return float(font.load_char(ord(character), LoadFlags.NO_HINTING).linearHoriAdvance) / 2**16 / EM_POINTS
    return None


def drawable(text: str, ems: float) -> str:
    """A line of somebody's text as figures draw it, at most so wide, with a code for each character that no font has.

    A code is such as [U+6807]. The SVG shows the text itself (see `restored`).
    """
    composed = unicodedata.normalize("NFC", text)
    drawn = [c if em_width(c) is not None else code(c) for c in composed]
    ends = list(itertools.accumulate(sum(em_width(c) or 0.0 for c in shown) for shown in drawn))
    if ends and ends[-1] > ems:
        drawn = [*(shown for shown, end in zip(drawn, ends, strict=True) if end < ems - 1), "…"]
    shown = "".join(drawn)
    if shown != composed:
        LITERAL[shown] = composed
    return shown


def restored(svg: bytes) -> bytes:
    """An SVG with texts in place of what was drawn for them: browsers have more fonts than Matplotlib finds."""
    if not LITERAL:
        return svg
    texts = {escape(shown): escape(text) for shown, text in LITERAL.items()}
    longest_first = sorted(texts, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda match: texts[match[0]], svg.decode()).encode()


def has_codes(svg: bytes) -> bool:
    """Whether an SVG shows texts that other formats show with codes."""
    page = svg.decode()
    return any(code(c) in shown for shown, text in LITERAL.items() if escape(text) in page for c in text)


def class_names(classes: Sequence[str], ems: float = CLASS_EMS) -> list[str]:
    """Names of classes as figures draw them: short, on one line, each different."""
    names = numbered(shortened(unicodedata.normalize("NFC", plain_name(c)), MOST_OF_A_CLASS) for c in classes)
    found = numbered(drawable(c, ems) for c in names)
    LITERAL.update({shown: c for shown, c in zip(found, names, strict=True) if shown != c})
    return found


def plot_title(text: str) -> str:
    """A condition as the title of its plot: at most three lines."""
    lines = textwrap.wrap(shortened(plain_name(text), MOST_OF_A_TITLE), TITLE_WIDTH)
    return "\n".join(drawable(line, TITLE_EMS) for line in lines)


def legend_entry(text: str) -> str:
    """A name as a legend shows it. Matplotlib would drop one that begins with an underscore."""
    shown = drawable(plain_name(text), ENTRY_EMS)
    return f"“{shown}”" if shown.startswith("_") else shown


def by_lambda(lams: pd.Series) -> pd.Series:
    """The name of each row's λ, rising; ranges of λ where there are more than eight."""
    if lams.nunique() <= MOST_LINES:
        named = {lam: f"{lam:.3g}" for lam in sorted(lams.unique())}
        return pd.Series(pd.Categorical(lams.map(named), list(named.values()), ordered=True), index=lams.index)
    edges = np.unique(np.quantile(lams, np.linspace(0, 1, RANGES + 1))).tolist()
    labels = [f"{low:.2g} to {high:.2g}" for low, high in itertools.pairwise(edges)]
    return pd.cut(lams, edges, labels=labels, include_lowest=True)


def lambda_colours(lams: pd.Series) -> dict[str, tuple[float, float, float]]:
    """A colour for each λ or range, from a map that keeps its order for colour-blind readers and in grey."""
    names = [str(name) for name in by_lambda(lams).cat.categories]
    return dict(zip(names, sns.color_palette("viridis", max(2, len(names))), strict=False))


def accuracy_curves(ax: Axes, epochs: pd.DataFrame) -> Axes:
    """Clean test accuracy by epoch, a line for each λ (as Fig. 5 of the paper)."""
    curves(ax, epochs, "test_accuracy", share=True)
    return label(ax, "epoch", "test accuracy (share)")


def curves(ax: Axes, epochs: pd.DataFrame, metric: str, share: bool = False) -> Axes:
    """Mean over seeds of a metric by epoch, a line for each λ, with a 95 % band where there are two seeds.

    `share`: the metric is a share of samples, so its band ends at 0 and 1.
    """
    names, colours = by_lambda(epochs["lambda"]), lambda_colours(epochs["lambda"])
    for i, name in enumerate(colours):
        rows = epochs[names == name]
        table = group_intervals(rows, metric, "epoch", share).dropna(subset="mean")
        if table.empty:
            continue
        colour = colours[name]
        every = max(1, len(table) // 6)
        marker = MARKERS[i % len(MARKERS)]
        ax.plot(table.index, table["mean"], color=colour, marker=marker, markevery=every, label=name)
        if table["low"].notna().all():
            ax.fill_between(table.index, table["low"], table["high"], color=colour, alpha=0.18, lw=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def system_curves(ax: Axes, epochs: pd.DataFrame) -> Axes:
    """Clean test accuracy against mean seconds of training by epoch, a line for each system (column `system`).

    The band is a 95 % interval over seeds where there are two.
    """
    spent = epochs.sort_values("epoch").assign(spent=lambda t: t.groupby("key")["seconds"].cumsum())
    names = list(dict.fromkeys(spent["system"]))
    for i, (name, colour) in enumerate(zip(names, sns.color_palette("colorblind", len(names)), strict=True)):
        rows = spent[spent["system"] == name]
        table = group_intervals(rows, "test_accuracy", "epoch", share=True)
        table = table.assign(spent=rows.groupby("epoch")["spent"].mean())
        marker, every = MARKERS[i % len(MARKERS)], max(1, len(table) // 6)
        ax.plot(
            table["spent"], table["mean"], color=colour, marker=marker, markevery=every, label=legend_entry(str(name))
        )
        if table["low"].notna().all():
            ax.fill_between(table["spent"], table["low"], table["high"], color=colour, alpha=0.18, lw=0)
    return ax


def loss_curves(ax: Axes, epochs: pd.DataFrame, loss: str) -> Axes:
    """L_G or L_D by epoch, a line for each λ, the paper's converged value dashed (as Fig. 6 of the paper)."""
    curves(ax, epochs, loss)
    generator = loss == "generator_joint_loss"
    target = PAPER_TARGET[0 if generator else 1]
    ax.axhline(target, color=TARGET_COLOUR, linestyle="--", linewidth=1.6)
    ax.annotate(f"paper: {target}", (0.99, target), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                color=TARGET_COLOUR, fontsize=12, bbox=PLAIN_BOX)  # fmt: skip
    if (present := epochs[loss].dropna().to_numpy()).size:  # single spikes would flatten everything else
        low, high = min(np.quantile(present, 0.02), target), max(np.quantile(present, 0.98), target)
        ax.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    return label(
        ax, "epoch", f"{'generator' if generator else 'discriminator'} joint loss {'L_G' if generator else 'L_D'}"
    )


def convergence_scatter(ax: Axes, trials: pd.DataFrame, loss: str) -> Axes:
    """Clean test accuracy of each trial against its converged joint loss, the paper's value dashed."""
    played = trials.dropna(subset=[loss])
    generator = loss == "generator_joint_loss"
    names, colours = by_lambda(trials["lambda"])[played.index], lambda_colours(trials["lambda"])
    for i, name in enumerate(colours):
        rows = played[names == name]
        if len(rows):
            x, y, marker = rows[loss], rows["test_accuracy"], MARKERS[i % len(MARKERS)]
            ax.scatter(x, y, 80, [colours[name]], marker=marker, edgecolor="black", linewidth=0.6, label=name)
    target = PAPER_TARGET[0 if generator else 1]
    ax.axvline(target, color=TARGET_COLOUR, linestyle="--", linewidth=1.6)
    ax.annotate(
        f" paper: {target}", (target, 0.02), xycoords=("data", "axes fraction"), color=TARGET_COLOUR, fontsize=12
    )
    name = "generator joint loss L_G" if generator else "discriminator joint loss L_D"
    return label(ax, f"{name} (mean, last epochs)", "test accuracy (share)")


def response(ax: Axes, trials: pd.DataFrame, objective: str, test: int | None, validation: int | None) -> Axes:
    """Test accuracy and the objective on noisy validation labels by λ, with 95 % intervals.

    `test` and `validation` are how many samples they are measured on, None where that is not known.
    """
    apart = 0.006 * (trials["lambda"].max() - trials["lambda"].min())
    for metric, name, colour, marker, shift, samples in (
        ("test_accuracy", "test accuracy", TEST_COLOUR, "o", -apart, test),
        (objective, "noisy validation, by which λ is chosen", "#8a5a00", "s", apart, validation),
    ):
        table = group_intervals(trials, metric, "lambda", share="ccc" not in metric, samples=samples).sort_index()
        place = table.index + shift
        ax.plot(place, table["mean"], color=colour, marker=marker, label=name)
        if table["low"].notna().any():
            bars = np.stack([table["mean"] - table["low"], table["high"] - table["mean"]])
            ax.errorbar(place, table["mean"], bars, color=colour, capsize=4, linestyle="none")
        ax.scatter(trials["lambda"] + shift, trials[metric], color=colour, s=18, alpha=0.5)
    return label(ax, "λ, weight of the joint loss", "accuracy (share)", legend=None)


def reference_lines(ax: Axes, values: Mapping[str, np.ndarray]) -> Axes:
    """A dashed line at the mean of each method's scores (seeds,); its 95 % interval as a band that ends at 0 and 1."""
    for i, (name, own) in enumerate(values.items()):
        mean, low, high = mean_interval(own)
        ax.axhline(mean, color=REFERENCE_COLOUR, linestyle=("--", ":", "-.")[i % 3], label=legend_entry(name))
        if not np.isnan(low):
            ax.axhspan(max(low, min(mean, 0.0)), min(high, 1.0), color=REFERENCE_COLOUR, alpha=0.12, lw=0)
    return ax


def cost_by_lambda(ax: Axes, seconds: Mapping[float, float]) -> Axes:
    """What one trial of each λ costs, in seconds, from 0."""
    lams, costs = list(seconds), list(seconds.values())
    ax.vlines(lams, 0, costs, color="0.45", linewidth=5)
    for lam, cost in seconds.items():
        ax.annotate(
            f"{cost:.0f}" if cost >= 10 else f"{cost:.2g}",
            (lam, cost),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=13,
        )
    ax.set_ylim(0, 1.35 * max(costs))
    ax.yaxis.set_major_locator(MaxNLocator(3))
    return label(ax, "λ, weight of the joint loss", "seconds\na trial", legend=None)


def surface(ax: Axes, trials: pd.DataFrame, condition: str) -> Axes:
    """Every trial at its drawn condition and λ, coloured by clean test accuracy."""
    dots = ax.scatter(
        trials[condition], trials["lambda"], c=trials["test_accuracy"], cmap="viridis", s=90, edgecolor="k"
    )
    ax.figure.colorbar(dots, ax=ax, label="test accuracy (share)")
    return label(ax, plot_title(condition.replace("_", " ")), "λ, weight of the joint loss", legend=None)


def confusion(ax: Axes, matrix: np.ndarray, classes: list[str]) -> Axes:
    """A confusion matrix (K, K) whose rows sum to 1, shares written into its cells where there are at most 30 classes.

    The row of a class without samples is NaN: it is left empty and marked.
    """
    ax.imshow(matrix, vmin=0, vmax=1, cmap="Blues")  # seaborn's heatmap draws every figure a further time
    empty = np.isnan(matrix).all(axis=1)
    for (row, column), share in np.ndenumerate(matrix):
        if empty[row] or len(classes) > MOST_WRITTEN:
            continue
        ink = "white" if share > 0.5 else "black"
        text = ax.text(column, row, f"{share:.2f}", ha="center", va="center", fontsize=12, color=ink)
        text.set_in_layout(False)  # it stays within its cell, and measuring so many is slow
    names = class_names(classes)
    for row in np.flatnonzero(empty).tolist():
        ax.text((len(classes) - 1) / 2, row, "no samples", ha="center", va="center", fontsize=10).set_in_layout(False)
    # Anchored at their ends: names are shorter in the SVG where their characters are restored.
    ax.set_xticks(range(len(classes)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(classes)), names)
    ax.grid(False)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class (rows sum to 1)")
    return ax


def heading_grid(names: list[str], draw: Callable[[Axes, str], Axes], classes: int) -> Figure:
    """Plots under their names, two in a row. `classes` is how many classes each shows, which takes space."""
    set_style()
    more = min(INCHES_OF_A_CLASS * max(0, classes - 10), 12.0)
    columns = min(len(names), 2)
    rows = math.ceil(len(names) / columns)
    size = ((7.2 + more) * columns, (6.6 + more) * rows)
    layout = ConstrainedLayoutEngine(w_pad=0.3)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout=layout)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, names, strict=False):
        draw(ax, name).set_title(name)
    return figure


def response_curve(ax: Axes, band: pd.DataFrame, points: pd.DataFrame) -> Axes:
    """The smooth score over λ with its 95 % band, and each λ's mean with its own interval.

    `band` and `points` have columns mean, low, high and λ as index.
    """
    ax.fill_between(band.index, band["low"], band["high"], color="#0b6e99", alpha=0.18, lw=0)
    ax.plot(band.index, band["mean"], color="#0b6e99", label="smooth curve")
    bars = np.stack([points["mean"] - points["low"], points["high"] - points["mean"]])
    ax.errorbar(
        points.index, points["mean"], bars, color="black", marker="o", capsize=4, linestyle="none", label="λ tried"
    )
    return ax


def score_surface(ax: Axes, trials: pd.DataFrame) -> Axes:
    """Mean score over λ and learning rate: contours, linear between configurations, with each configuration marked."""
    table = trials.groupby("configuration")[["lambda", "lr", "score"]].mean()
    rate = np.log10(table["lr"])
    flat = len(table) < 4 or np.linalg.matrix_rank(np.column_stack([table["lambda"], rate, np.ones(len(table))])) < 3
    if flat:  # on a line there is nothing to fill
        dots: Any = ax.scatter(table["lambda"], rate, 80, table["score"], cmap="viridis", edgecolor="black")
    else:
        dots = ax.tricontourf(table["lambda"], rate, table["score"], levels=8, cmap="viridis")
        ax.scatter(table["lambda"], rate, 40, "white", edgecolor="black")
    ax.figure.colorbar(dots, ax=ax, label="validation score")
    ax.yaxis.set_major_formatter(lambda value, _: f"{10**value:.1e}")
    return label(ax, "λ, weight of the joint loss", "learning rate", None)


def face_grid(images: np.ndarray, captions: list[str], titles: list[str], columns: int = 4) -> Figure:
    """Faces uint8 (N, 3, S, S) with a caption under each; a new row begins with each new title."""
    set_style()
    rows: list[list[int]] = []
    for i, title in enumerate(titles):
        if i == 0 or title != titles[i - 1] or len(rows[-1]) == columns:
            rows.append([])
        rows[-1].append(i)
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(2.6 * columns, 3.9 * len(rows)), squeeze=False, layout=ConstrainedLayoutEngine()
    )
    for members, line in zip(rows, axes, strict=True):
        for ax in line:
            ax.set_axis_off()
        for i, ax in zip(members, line, strict=False):
            ax.imshow(images[i].transpose(1, 2, 0))
            ax.text(0.5, -0.04, captions[i], transform=ax.transAxes, ha="center", va="top", fontsize=13)
        title = line[0].text(0, 1.04, titles[members[0]], transform=line[0].transAxes, va="bottom", fontsize=15)
        title.set_in_layout(False)  # wider than its face, it would push the next one aside
    return figure


def label(ax: Axes, x: str, y: str, legend: str | None = "λ") -> Axes:
    """Name both axes; put the legend beside the plot, where it hides nothing."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    handles, _ = ax.get_legend_handles_labels()
    if legend and handles:
        ax.legend(title=legend, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return ax


def stacked(results: Results, draws: Sequence[Callable[[Axes, str], Axes]], heights: Sequence[float]) -> Figure:
    """A figure in which every condition has plots one above the other, with one x axis and one legend above them.

    Args:
        results: its trials name the conditions.
        draws: called with the axes and the name of a condition.
        heights: of each plot, in inches.
    """
    set_style()
    conditions = list(dict.fromkeys(map(str, results.trials["condition"])))
    size = (PLOT_INCHES[0] + 0.8, (sum(heights) + 0.9) * len(conditions))
    figure = plt.figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08))
    parts = figure.subfigures(len(conditions), 1, squeeze=False)[:, 0]
    for part, condition in zip(parts, conditions, strict=True):
        axes = part.subplots(len(draws), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for ax, draw in zip(axes, draws, strict=True):
            draw(ax, condition)
            ax.label_outer()
        handles, names = axes[0].get_legend_handles_labels()
        title = None if condition == "all" else plot_title(condition)
        axes[0].legend(handles, names, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, title=title, fontsize=14)
    return figure


def by_condition(results: Results, table: pd.DataFrame, draw: Callable[[Axes, pd.DataFrame], Axes]) -> Figure:
    """A figure with one plot a condition, drawn by the same function."""
    return grid(results, table, [draw])


def grid(results: Results, table: pd.DataFrame, draws: list[Callable[[Axes, pd.DataFrame], Axes]]) -> Figure:
    """A figure with a row for each condition and a column for each plot function."""
    set_style()
    conditions = list(dict.fromkeys(results.trials["condition"]))
    size = (PLOT_INCHES[0] * len(draws) + 1.2, PLOT_INCHES[1] * len(conditions))
    layout = ConstrainedLayoutEngine(h_pad=0.15)
    figure, axes = plt.subplots(len(conditions), len(draws), figsize=size, squeeze=False, layout=layout)
    for row, condition in zip(axes, conditions, strict=True):
        for ax, draw in zip(row, draws, strict=True):
            draw(ax, table[table["condition"] == condition])
            if condition != "all":
                ax.set_title(f"{plot_title(str(condition))}\n{ax.get_title()}".strip())
        _share_legend(row)
    return figure


def _share_legend(row: np.ndarray) -> None:
    """Keep only the last of equal legends in a row."""
    legends: list[tuple[Axes, list[Line2D]]] = [(ax, ax.get_legend_handles_labels()[1]) for ax in row]
    for ax, labels in legends[:-1]:
        legend = ax.get_legend()
        if legend is not None and labels == legends[-1][1]:
            legend.remove()


def save(figure: Figure, results: Results, name: str) -> bytes:
    """Write a figure into the results folder's report in the formats wanted; return the SVG, or empty bytes."""
    results.figures.mkdir(parents=True, exist_ok=True)
    svg = b""
    for wanted in results.formats:
        buffer = io.BytesIO()
        figure.set_dpi(DOTS_PER_INCH)  # SVG and PDF leave their own behind
        PRINT[wanted](figure, buffer)
        figure.set_layout_engine("none")  # found once, kept for the next file
        content = restored(buffer.getvalue()) if wanted == "svg" else buffer.getvalue()
        (results.figures / f"{name}.{wanted}").write_bytes(content)
        svg = content if wanted == "svg" else svg
    plt.close(figure)
    return svg
