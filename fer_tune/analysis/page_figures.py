"""The figures of the report's page: how each is drawn and what is said about it."""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from fer_tune.analysis import budget, conditions, convergence, curves, examples, methods, rules
from fer_tune.analysis.figures import has_codes, save
from fer_tune.analysis.gaps import Gap, Kind, attempted
from fer_tune.analysis.recommendation import Findings
from fer_tune.analysis.results import Results
from fer_tune.analysis.study_record import column

CODES = (
    "In the PNG a code such as [U+6807] stands for a character that no installed font has. Install a font for its "
    "script, such as Noto Sans CJK, to have it drawn."
)
CSS_PIXELS_PER_POINT = 4 / 3
ONE_PLOT = 716  # CSS pixels: a figure with one plot is not wider
FIRST = "accuracy_by_lambda"  # the figure of the first screen
NO_GAME = "no trial with λ > 0 has joint losses"
Each = Callable[[Callable[[Any], Any], list[Any]], Iterable[Any]]


class PageFigure(NamedTuple):
    """One figure of the page.

    Attributes:
        name: of its files.
        title: the heading above it.
        reading: how to read it.
        alt: what it shows, for readers who cannot see it.
        svg: the figure as a data URI; empty where it could not be drawn.
        notes: what it says, a sentence each.
        folded: whether the page shows it only on demand.
        width: of the figure at its own size, in CSS pixels; 0 where it could not be drawn.
    """

    name: str
    title: str
    reading: str
    alt: str
    svg: str
    notes: Sequence[str]
    folded: bool
    width: int

    @property
    def narrowest(self) -> int:
        """How narrow the page may draw it, in CSS pixels, so that its type is legible: one plot fits on a phone."""
        return self.width // 2 if self.width <= ONE_PLOT else self.width * 6 // 10


class Drawn(NamedTuple):
    """What became of a recipe.

    Attributes:
        figure: for the page; None where the study has nothing to show in it.
        gaps: what is missing, and why.
    """

    figure: PageFigure | None
    gaps: Sequence[Gap]


@dataclass(frozen=True)
class Recipe:
    """How a figure of the page is drawn.

    Attributes:
        draw: returns None where a study has nothing to show in it.
        name: of its files.
        title: the heading above it.
        reading: how to read it.
        alt: what it shows.
        absent: why a study may have nothing to show in it.
        notes: what it says, a sentence each.
        legend: what follows the reading, where that is computed.
        folded: whether the page shows it only on demand.
    """

    draw: Callable[[], Figure | None]
    name: str
    title: str
    reading: str
    alt: str
    absent: str = ""
    notes: Callable[[], Sequence[str]] = tuple
    legend: Callable[[], str] = str
    folded: bool = False

    def drawn(self, results: Results) -> Drawn:
        """Write the figure. One that fails is a gap, and its notes are kept; so are notes that fail."""
        gaps: list[Gap] = []
        what = f"figure “{self.title[:1].lower()}{self.title[1:]}”"
        failed: bytes | None = b""
        svg = attempted(what, lambda: self._written(results), failed, gaps)
        if svg is None:
            return Drawn(None, [Gap(what, self.absent, Kind.ABSENT)])
        if not svg:
            plt.close("all")
            for unfinished in results.figures.glob(f"{self.name}.*"):
                unfinished.unlink()
        nothing: Sequence[str] = ()
        notes = attempted(f"what is said about {what}", self.notes, nothing, gaps)
        notes = [*notes, CODES] if has_codes(svg or b"") else notes
        reading = f"{self.reading} {attempted(f'the legend of {what}', self.legend, '', gaps)}".strip()
        uri = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" if svg else ""
        width = re.search(rb'<svg[^>]* width="([0-9.]+)pt"', svg or b"")
        pixels = round(float(width[1]) * CSS_PIXELS_PER_POINT) if width else 0
        return Drawn(PageFigure(self.name, self.title, reading, self.alt, uri, notes, self.folded, pixels), gaps)

    def _written(self, results: Results) -> bytes | None:
        figure = self.draw()
        return None if figure is None else save(figure, results, self.name)


def drawn(results: Results, found: Findings | None, each: Each) -> tuple[list[PageFigure], list[Gap]]:
    """Every figure that the study has something to show in, and the gaps. `each`: see `report.write_report`."""
    done: list[Drawn] = list(each(lambda recipe: recipe.drawn(results), recipes(results, found)))
    return [one.figure for one in done if one.figure is not None], [gap for one in done for gap in one.gaps]


def recipes(results: Results, found: Findings | None) -> list[Recipe]:
    """The recipes of all figures, in the order of the page; without those that need findings, where there are none."""
    plays = bool(results.trials["generator_joint_loss"].notna().any())
    return [
        *(_systems(results) if methods.compared(results) else []),
        *_over_lambda(results, found),
        *(_of_findings(results, found) if found is not None else []),
        *_over_epochs(results, plays),
        *_convergence(results, found, plays),
        *_predictions(results),
        *_drawn_conditions(results),
    ]


def _systems(results: Results) -> list[Recipe]:
    return [
        Recipe(
            draw=lambda: methods.figure(results),
            name="methods",
            title="Methods by training time",
            reading="Each line is a method at the learning rate and λ that noisy validation chose. Bands are 95 % "
            "intervals over seeds. At one time, the height of a line is the accuracy that the method has reached by "
            "then.",
            alt="Line plot of test accuracy against seconds of training, a line for each method",
        )
    ]


def _over_lambda(results: Results, found: Findings | None) -> list[Recipe]:
    return [
        Recipe(
            draw=lambda: curves.response_figure(results, found),
            name=FIRST,
            title="Accuracy by λ, and what it costs",
            reading="Each point is the mean over the last five epochs (all epochs of a shorter run). Bars are 95 % "
            "intervals over seeds. λ is chosen on the noisy validation line. "
            + _test_line(results)
            + " Below: seconds of training of one trial.",
            alt="Line plot of test and noisy validation accuracy against lambda, above the seconds that a trial takes",
        ),
        Recipe(
            draw=lambda: conditions.interaction_figure(results),
            name="lambda_and_learning_rate",
            folded=True,
            title="λ and learning rate together",
            reading="Brighter colours are higher scores. White dots are the configurations that were run. A slanted "
            "ridge means that λ and learning rate must be chosen together.",
            alt="Contours of the validation score over lambda and learning rate",
            absent="it needs several learning rates, and four λs",
        ),
    ]


def _of_findings(results: Results, found: Findings) -> list[Recipe]:
    return [
        Recipe(
            draw=lambda: curves.smooth_figure(results, found),
            name="smooth_response",
            folded=True,
            title="Smooth curve of the validation score over λ",
            reading="The curve is a Gaussian process fitted to the means. Its 95 % band shows how well λs can be "
            "compared: it leaves out differences between seeds that are equal for all λs. Where the band is wide "
            "between two λs, the score of a λ in between is uncertain.",
            alt="Smooth curve with a band of the validation score against lambda",
            absent="it needs four λs and two seeds in a condition",
            notes=lambda: curves.smooth_notes(found),
        ),
        Recipe(
            draw=lambda: conditions.noise_figure(results, found),
            name="lambda_by_noise",
            title="Best λ against noise ratio",
            reading="Bars are 95 % intervals of the best λ. Only bars that do not overlap show that it changes with "
            "the noise ratio.",
            alt="Best lambda with intervals against the share of wrong labels",
            absent="it needs conditions of two noise ratios or more",
            notes=lambda: conditions.noise_sentences(results, found),
        ),
    ]


def _test_line(results: Results) -> str:
    if results.clean:
        return "The test line (clean labels) shows how good that choice really was."
    return "The test line is scored on labels as given (possibly noisy)."


def _over_epochs(results: Results, plays: bool) -> list[Recipe]:
    budgets = cache(lambda: budget.by_budget(results))
    return [
        Recipe(
            draw=lambda: curves.accuracy_figure(results),
            name="accuracy_by_epoch",
            title="Test accuracy during training",
            reading="If a line is still rising at the last epoch, train longer. If it falls, the network has begun to "
            "learn the wrong labels.",
            alt="Line plot of test accuracy by epoch, a line for each lambda",
            absent="no test image has a label",
        ),
        Recipe(
            draw=lambda: budget.figure(results, budgets()),
            name="budget",
            folded=True,
            title="Leading λ by number of epochs",
            reading="Each dot is the λ that noisy validation would choose after so many epochs. Larger dots are more "
            "certain. A λ that leads only at the end learns slowly at first, and shorter runs would reject it.",
            alt="Leading lambda against the number of epochs trained",
            absent="it needs two λs in a condition, five epochs, and a study without drawn conditions or gains",
            notes=lambda: budget.sentences(budgets()),
        ),
        Recipe(
            draw=lambda: curves.loss_figure(results) if plays else None,
            name="losses_by_epoch",
            folded=True,
            title="Joint losses during training",
            reading="The paper reports that good runs converge to the dashed values. λ = 0 has no joint loss and "
            "therefore no line. The axes leave out the lowest and highest 2 % of values, which may be single spikes.",
            alt="Two line plots, generator and discriminator joint loss by epoch, a line for each lambda",
            absent=NO_GAME,
        ),
    ]


def _convergence(results: Results, found: Findings | None, plays: bool) -> list[Recipe]:
    early = cache(lambda: convergence.by_epoch(results))

    def told() -> list[str]:
        fitted = "" if found is None else rules.fitted_sentence(found.best)
        return [text for text in (*convergence.sentences(results), fitted) if text]

    return [
        Recipe(
            draw=lambda: convergence.figure(results) if plays else None,
            name="convergence",
            folded=True,
            title="Do converged losses predict accuracy?",
            reading="Each mark is a trial. Its losses are means of the last five epochs. If the paper's observation "
            "held here, accuracy would peak at the dashed values.",
            alt="Two scatter plots of test accuracy against generator and discriminator joint loss at the end",
            absent=NO_GAME,
            notes=told,
        ),
        Recipe(
            draw=lambda: convergence.early_figure(results, early()),
            name="convergence_by_epoch",
            folded=True,
            title="How early do the losses predict accuracy?",
            reading="For each epoch, the rank correlation between the distance of the losses (L_G, L_D) to "
            "(2.6, 0.45) and the final test accuracy, ranked within each condition. Below 0, a smaller distance goes "
            "with a higher accuracy. The band is a 95 % interval.",
            alt="Rank correlation with a band against the epoch",
            absent="it needs joint losses, five epochs, and three λs above 0 or more",
            notes=lambda: [text for text in [convergence.early_sentence(early())] if text],
        ),
    ]


def _predictions(results: Results) -> list[Recipe]:
    names = list(dict.fromkeys(results.trials["condition"]))
    first = f", at {names[0]}" if len(names) > 1 and not methods.compared(results) else ""
    return [
        Recipe(
            draw=lambda: examples.confusion_figure(results),
            name="confusion",
            title=f"Confusion matrices{first}",
            reading="Predictions for the test split after the last epoch, all seeds together. Rows are the classes of "
            f"the {results.test_labels}. Joint training is the λ above 0 with the highest validation score, plain "
            "training is λ = 0. The diagonal is the recall of each class. Where correct training labels are known, the "
            "first matrix shows which classes the training labels confuse. A method that repeats this pattern has "
            "learned the noise.",
            alt="Confusion matrices, one for each method, rows are the classes of the labels",
            absent="no trial has left predictions of the test images that can be read",
        ),
        Recipe(
            draw=lambda: examples.faces_figure(results),
            name="faces",
            title=f"Test faces that methods disagree on{first}",
            reading="First, faces where only joint training predicts the label. Then, faces where it does not and "
            "another method does. From one seed; faces sampled evenly across classes.",
            alt="Rows of test faces with the label and the prediction of each method",
            absent="it needs the images of a study with one data set, and test images on which joint training and "
            "another method with the same seed differ"
            if examples.shows_faces(results)
            else "images of people stay out of the page unless --faces few, or report.faces in the study file, asks "
            "for them",
            legend=lambda: f"{examples.legend(results)}.",
        ),
    ]


def _drawn_conditions(results: Results) -> list[Recipe]:
    return [
        Recipe(
            draw=partial(curves.surface_figure, results, column(setting)),
            name=re.sub(r"[^A-Za-z0-9_.-]", "_", f"surface_{setting.name}"),
            title=f"λ against {setting.name}",
            reading="Each mark is a trial. Brighter colours are higher accuracies.",
            alt=f"Scatter plot of lambda against {setting.name}, coloured by test accuracy",
        )
        for setting in results.study.drawn
    ]
