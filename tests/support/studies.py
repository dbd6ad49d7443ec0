"""Small studies: written to a file, and run in this process."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fer_tune.names import NEWER_SETTINGS, Setting
from fer_tune.results.environment import environment
from fer_tune.results.files import read_json, write_json
from fer_tune.results.folder import trial_folders
from fer_tune.results.tables import write_tables
from fer_tune.search.preparation import prepare
from fer_tune.search.searcher import StudySearcher
from fer_tune.search.trial import TrialRun
from fer_tune.study.plan import Plan
from tests.support.commands import ROOT

SHIPPED = ROOT / "studies"
SMOKE = SHIPPED / "smoke.yaml"
SMALL_DATA = {"kind": "synthetic", "train": 64, "validation": 28, "test": 28}
SMALL_STUDY = {
    "name": "small",
    "dataset": SMALL_DATA,
    "noise": {"kind": "symmetric", "ratio": 0.4},
    "model": {"width": 0.125, "encoder_norm": "batch"},
    "training": {"epochs": 2, "batch_size": 32},
    "search": {"lambda": {"grid": [0.0, 0.5]}},
    "seeds": [0],
}
LAMBDA, LR, NOISE_RATIO = map(Setting.named, ("lambda", "lr", "noise_ratio"))


@dataclass(frozen=True)
class Finished:
    """A study that has run to its end.

    Attributes:
        study: its file.
        results: its results folder, results/NAME.
    """

    study: Path
    results: Path

    @property
    def options(self) -> list[str]:
        """The study file and --results, as a command takes them."""
        return [str(self.study), "--results", str(self.results.parent)]

    def trials(self) -> list[Any]:
        """The folders of its trials, warm-ups left out."""
        return [folder for folder in trial_folders(self.results) if not folder.record().is_warm_up]


def write_study(folder: Path, **changes: Any) -> Path:
    """Write the small study, changed by the given keys, as study.yaml; return the file."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({**SMALL_STUDY, **changes}, sort_keys=False))
    return path


def run_here(plan: Plan, results: Path) -> Path:
    """Run what is left of a study without Ray, one trial after another in this process; return its results folder.

    The numbers are those of the real command, which starts several processes.
    """
    results.mkdir(parents=True, exist_ok=True)
    prepare(plan, results)
    searcher = StudySearcher(plan, results, slots=1)
    for number in itertools.count():
        told = searcher.suggest(str(number))
        if not isinstance(told, dict):
            break
        given = told["assignment"]
        run = TrialRun(given.folder, given.record, given.data, given.objective, given.warm_up, given.continues)
        while not run.done:
            run.step()
        run.close()
        searcher.on_trial_complete(str(number))
    assert all(search.finished for search in searcher.searches)
    write_tables(results)
    digests = read_json(results / "data" / "digests.json").values()
    run_entry = {
        "wall_seconds": 60.0,
        "peak_memory_bytes": 2**30,
        "complete": True,
        "environment": environment(digests),
    }
    write_json(results / "run.json", [run_entry])
    return results


def write_as_older_version(results: Path) -> None:
    """Take newer settings out of study.json and every trial.json, as a version without them wrote these files."""
    for path in (results / "study.json", *results.glob("trials/*/trial.json")):
        content = read_json(path)
        for section, values in NEWER_SETTINGS.items():
            for key in values:
                del content.get("config", content)[section][key]
        write_json(path, content)
