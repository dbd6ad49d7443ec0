"""What the default study answers on other seeds: its race, run again on every pair of seeds that was trained.

The seeds come from finished results folders of the default study's lambdas, trained alike on a list of seeds. What
other methods reached on the same seeds stands beside them. The means over all seeds are the best truth there is: a
verdict that they contradict was wrong. U and what the pick truly lost are in clean accuracy, scores on noisy labels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_tune.decision.race import Outcome, Standing
from fer_tune.errors import UserError
from fer_tune.names import FINGERPRINT, LAST_EPOCHS, completed
from fer_tune.results.files import read_json
from fer_tune.results.folder import TrialFolder, trial_folders
from fer_tune.results.records import Role
from fer_tune.search.prior import shipped_prior
from fer_tune.search.race_search import RaceSearch
from fer_tune.study.loading import load_plan
from fer_tune.study.plan import Plan
from fer_tune.study.shipped import shipped_study

STUDY = "lambda_sweep"
COMPARED = (Role.TRIAL, Role.REFERENCE)
FURTHER = {"dataset": ("kind", "train", "validation", "domain"), "noise": ("ratio",), "training": ("lr",)}


@dataclass(frozen=True)
class Trained:
    """One trial: with which arm (`λ = 0.3`, or a method), on which seed, and what it reached."""

    arm: str
    seed: int
    score: float
    test_accuracy: float


@dataclass(frozen=True)
class Judged:
    """The verdict on one pair of seeds, and what the means over all seeds say of it.

    Attributes:
        seeds: the pair.
        standing: where the race of the default study ends on it.
        lost: score that the pick loses against the best arm, by the means over all seeds.
    """

    seeds: tuple[int, int]
    standing: Standing
    lost: float

    @property
    def contradicted(self) -> bool:
        """Whether the pick loses more than its U, as a winner does that is not the best."""
        return self.lost > self.standing.loss + 1e-12


def tables(folders: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """The verdict on every pair of seeds, their summary, and what each arm reached over all seeds.

    Raises UserError where a folder is not one of the default study's arms, or no two seeds have every lambda.
    """
    plan = load_plan(shipped_study(STUDY))
    race = RaceSearch(plan.cells, Path(STUDY), prior=shipped_prior(plan))
    lams = [f"λ = {cell.typical().training.lam:g}" for cell in race.arms]
    trials = [trial for folder in folders for trial in read(folder, plan)]
    scores = {(trial.seed, trial.arm): trial.score for trial in trials}
    seeds = sorted(seed for seed in {trial.seed for trial in trials} if all((seed, lam) in scores for lam in lams))
    if len(seeds) < 2:
        raise UserError(f"{', '.join(map(str, folders))}: no two seeds have finished trials of {' and '.join(lams)}")
    judged = judge(race, np.array([[scores[seed, lam] for lam in lams] for seed in seeds]), seeds)
    others = sorted({trial.arm for trial in trials} - set(lams))
    rows = [_row(each, lams, others, scores, race.scale) for each in judged]
    return {
        f"the default study on {len(judged)} pairs of seeds": rows,
        "together": [_together(judged, race.scale)],
        "over all seeds": [_reached(arm, trials) for arm in (*lams, *others)],
    }


def judge(race: RaceSearch, scores: np.ndarray, seeds: Sequence[int]) -> list[Judged]:
    """The verdicts of a race on each disjoint pair of seeds, in order; a last seed without a partner only counts above.

    Args:
        race: the study's.
        scores: (seeds, arms) in the order of the race's arms.
        seeds: of the rows.
    """
    means = scores.mean(0)
    found = []
    for first in range(0, len(seeds) - 1, 2):
        standing = race.decide(scores[first : first + 2])
        assert standing.pick is not None
        lost = float(means.max() - means[standing.pick])
        found.append(Judged((seeds[first], seeds[first + 1]), standing, lost))
    return found


def read(folder: Path, plan: Plan) -> list[Trained]:
    """The finished trials of a results folder. Raises UserError where it was not trained as the default study is."""
    if not (folder / "study.json").exists():
        raise UserError(f"{folder} is not a results folder: study.json is missing")
    own, theirs = plan.resolved, completed(read_json(folder / "study.json"))
    settings = [(section, key) for listed in (FURTHER, FINGERPRINT) for section, keys in listed.items() for key in keys]
    for section, key in settings:
        if theirs[section].get(key) != own[section].get(key):
            text = f"{section}.{key} is {theirs[section].get(key)!r} there, {own[section].get(key)!r} in {STUDY}"
            raise UserError(f"{folder} is not of the default study's arms: {text}")
    finished = [f for f in trial_folders(folder) if f.record().role in COMPARED and not math.isnan(_score(f))]
    return [_trained(each) for each in finished]


def _score(folder: TrialFolder) -> float:
    result = folder.result()
    return math.nan if result is None or result.objective is None else result.objective


def _trained(folder: TrialFolder) -> Trained:
    record, last = folder.record(), folder.history()[-LAST_EPOCHS:]
    training = record.config["training"]
    arm = f"λ = {training['lambda']:g}" if training["method"] == "joint" else str(training["method"])
    return Trained(arm, record.seed, _score(folder), float(np.mean([row["test_accuracy"] for row in last])))


def _row(
    judged: Judged, lams: Sequence[str], others: Sequence[str], scores: dict[tuple[int, str], float], scale: float
) -> dict[str, Any]:
    standing = judged.standing
    assert standing.pick is not None
    row = {
        "seeds": " + ".join(map(str, judged.seeds)),
        "outcome": str(standing.outcome),
        "pick": lams[standing.pick],
        "U": f"{standing.loss / scale:.3f}",
        "truly_lost": f"{judged.lost / scale:.3f}",
        "contradicted": "yes" if judged.contradicted else "no",
        "prior_forgotten": "yes" if standing.contradicted else "no",
    }
    for arm in (*lams, *others):
        known = [scores.get((seed, arm), math.nan) for seed in judged.seeds]
        row[f"score_{arm}"] = f"{np.mean(known):.3f}"
    return row


def _together(judged: Sequence[Judged], scale: float) -> dict[str, Any]:
    outcomes = [each.standing.outcome for each in judged]
    wrong = sum(each.contradicted for each in judged)
    return {
        "pairs": len(judged),
        "winners": f"{np.mean([o is Outcome.WINNER for o in outcomes]):.0%}",
        "ties": f"{np.mean([o is Outcome.TIE for o in outcomes]):.0%}",
        "picks_at_budget": f"{np.mean([o is Outcome.BUDGET for o in outcomes]):.0%}",
        "contradicted": f"{wrong} of {len(judged)}",
        "mean_truly_lost": f"{np.mean([each.lost for each in judged]) / scale:.4f}",
    }


def _reached(arm: str, trials: Sequence[Trained]) -> dict[str, Any]:
    own = [trial for trial in trials if trial.arm == arm]
    scores, accuracies = (np.array([getattr(t, name) for t in own]) for name in ("score", "test_accuracy"))
    several = len(own) > 1
    return {
        "arm": arm,
        "seeds": len(own),
        "score": f"{scores.mean():.3f}",
        "SD": f"{scores.std(ddof=1):.3f}" if several else "",
        "test_accuracy": f"{accuracies.mean():.3f}",
        "SD_of_test": f"{accuracies.std(ddof=1):.3f}" if several else "",
    }
