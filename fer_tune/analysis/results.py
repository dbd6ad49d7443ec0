"""What a results folder holds, as every analysis takes it. `tables.load` reads it."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fer_tune.analysis.gaps import Gap
from fer_tune.analysis.reading import Environment, Run
from fer_tune.analysis.study_record import StudyRecord
from fer_tune.decision.race import Prior
from fer_tune.results.files import Damaged, read_json
from fer_tune.results.records import Role

FORMATS = ("png", "svg")  # of figures
CLEAN_TEST_LABELS = "clean test labels"


@dataclass(frozen=True)
class Results:
    """One study's results.

    Attributes:
        path: the results folder.
        study: the study that was run.
        trials: one row a trial that has a result; its metrics are means over its last five epochs. `score` is what
            the study maximises: the objective, or its gain over the baseline; `ccc_score` and `test_score` are
            validation CCC and clean test accuracy, treated the same way. `condition` is what a trial is compared
            within: the values of the listed conditions, and a third of the range of a drawn one.
        epochs: one row an epoch of those trials.
        broken: one row a trial that diverged or failed.
        auxiliary: one row a trial that only served others: baselines of a gain, comparison methods (role reference),
            shared warm-ups.
        auxiliary_epochs: one row an epoch of those trials.
        prior: what earlier studies say of the spread between seeds, by `prior.json`; None without it.
        runs: one entry a run of the study that has ended; None where `run.json` cannot be read.
        environment: where the study was begun.
        gaps: what does not count or could not be read.
        formats: of the figures that scripts write.
        faces: whether the page shows test images, `none` or `few`, where the study's own setting does not count.
    """

    path: Path
    study: StudyRecord
    trials: pd.DataFrame
    epochs: pd.DataFrame
    broken: pd.DataFrame
    auxiliary: pd.DataFrame
    auxiliary_epochs: pd.DataFrame
    runs: tuple[Run, ...] | None
    environment: Environment
    prior: Prior | None = None
    gaps: tuple[Gap, ...] = ()
    formats: tuple[str, ...] = FORMATS
    faces: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every trial of the study is known to have ended."""
        return self.runs is not None and are_complete(self.runs)

    @property
    def partial(self) -> bool:
        """Whether the study still runs or was stopped before its budget was used up."""
        return self.runs is not None and not (self.complete or self.budget_spent)

    @property
    def whole(self) -> bool:
        """Whether every trial that the study needs has ended; counted where no run says so."""
        return self.complete if self.runs is not None else self.done >= self.study.planned_trials

    @property
    def budget_spent(self) -> bool:
        """Whether the last run ended because the time, epochs or trials that it was given were used up."""
        return self.runs is not None and len(self.runs) > 0 and self.runs[-1].budget_spent

    @property
    def figures(self) -> Path:
        """The folder that figures are written to."""
        return self.path / "report" / "figures"

    @property
    def objective(self) -> str:
        """The metric that the study maximises."""
        return self.study.objective

    @property
    def label_sets(self) -> list[list[Any]]:
        """Kind and size of each label set, as the data were stored; empty where the data are gone or damaged."""
        return next((sets for digest in self.environment.digests if (sets := stored_label_sets(self.path, digest))), [])

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """The classes of each categorical label set, by its name: as the data were stored, or as the study names them.

        Empty where the data are gone or damaged and the study names none.
        """
        known: Any = self.study.section("dataset").get("sets", ())
        for digest in self.environment.digests:
            with suppress(OSError, Damaged, KeyError, TypeError):
                known = self.dataset(digest)["label_sets"]
                break
        with suppress(KeyError, TypeError, AttributeError):
            named = [s for s in known if s["kind"] == "categorical"]
            return {str(s["name"]): tuple(map(str, s.get("names") or s.get("classes") or ())) for s in named}
        return {}

    @property
    def annotators(self) -> list[str]:
        """The label sets with the classes of the first categorical one: each is one annotator. Empty if unknown."""
        first = next(iter(self.classes.values()), ())
        return [name for name, classes in self.classes.items() if classes == first]

    def dataset(self, digest: str) -> Any:
        """The description of a stored data set. Raises OSError and Damaged where it cannot be read."""
        return read_json(description_of(self.path, digest))

    @property
    def clean(self) -> bool:
        """Whether the test labels are known to be clean: your own table need not say so."""
        dataset = self.study.section("dataset")
        if dataset.get("kind") != "manifest":
            return True
        return bool(next((s.get("clean") for s in dataset.get("sets", ()) if s.get("kind") == "categorical"), False))

    @property
    def labels_may_be_wrong(self) -> bool:
        """Whether labels may have been wrong before the study added noise: only those of drawn faces are known."""
        dataset = self.study.section("dataset")
        return dataset["kind"] != "synthetic" or bool(dataset.get("machine_labels"))

    @property
    def test_labels(self) -> str:
        """What the test split is scored on, in words."""
        return CLEAN_TEST_LABELS if self.clean else "test labels as given (possibly noisy)"

    @property
    def done(self) -> int:
        """How many trials have ended, well or badly; shared warm-ups are not counted."""
        served = self.auxiliary["role"].isin([Role.BASELINE, Role.REFERENCE, Role.EXTENDED])
        broken = self.broken["role"] != Role.WARM_UP
        return len(self.trials) + int(served.sum()) + int(broken.sum())


def description_of(path: Path, digest: str) -> Path:
    """The description of a stored data set in a results folder."""
    return path / "data" / Path(digest).name / "dataset.json"


def stored_label_sets(path: Path, digest: str) -> list[list[Any]] | None:
    """Kind and size of each label set of a stored data set; None where its description is damaged, [] without one."""
    try:
        return [[str(s["kind"]), len(s["names"])] for s in read_json(description_of(path, digest))["label_sets"]]
    except FileNotFoundError:
        return []
    except (OSError, Damaged, KeyError, TypeError):
        return None


def are_complete(runs: tuple[Run, ...]) -> bool:
    """Whether the last of a study's runs ended with every trial that the study needs."""
    return bool(runs) and runs[-1].complete
