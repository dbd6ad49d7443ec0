"""Which λ, by which rule, how certain, at what cost, and for which number of epochs.

python -m analysis.recommendation results/NAME
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from fer_tune.analysis import methods, rules
from fer_tune.analysis.study_record import StudyRecord, column
from fer_tune.analysis.tables import Results, as_text, script, with_interval
from fer_tune.analysis.text import joined
from fer_tune.analysis.trial_files import test_samples
from fer_tune.decision.intervals import group_intervals, paired_difference
from fer_tune.decision.recommendation import FEWEST_EPOCHS, Missing, Recommendation, recommend
from fer_tune.decision.response import cross_fitted
from fer_tune.decision.rules import NOISY, ORACLE, Pick, calibrated_target, picks, trust
from fer_tune.results.records import Role

FORMAT_VERSION = 1
FINGERPRINT = {
    "dataset": ("image_size",),
    "noise": ("kind",),
    "model": ("width", "features", "encoder_norm", "encoder_input"),
    "training": ("epochs", "batch_size", "warmup_epochs", "gamma", "score_weights", "augment", "balance"),
}  # settings that the best lambda may depend on: a result does not carry over to other values
MOST_PARAGRAPHS = 2  # of a headline
SIGNIFICANT = 0.05


class Verdict(StrEnum):
    """Whether a study recommends a λ in a condition, or why it only names the λ that leads so far."""

    RECOMMENDED = "recommended"
    UNFINISHED = "unfinished"
    TOO_SHORT = "too short to tell"
    OPEN = "no clear winner"


@dataclass(frozen=True)
class Findings:
    """Everything that the report says of λ, computed once.

    Attributes:
        best: what `rules.readings` returns.
        picks: what each rule would choose in each condition.
        why: why noisy validation chooses, and how good its choices were.
        recommendations: one for each condition, in the study's order.
        complete: whether every trial of the study has ended.
    """

    best: pd.DataFrame
    picks: list[Pick]
    why: str
    recommendations: list[Recommendation]
    complete: bool

    def verdict(self, r: Recommendation) -> Verdict:
        """Whether λ is recommended in a condition."""
        if not self.complete:
            return Verdict.UNFINISHED
        if r.too_short:
            return Verdict.TOO_SHORT
        return Verdict.OPEN if _is_open(r) else Verdict.RECOMMENDED


def _is_open(r: Recommendation) -> bool:
    """Whether any λ that was tried may be the best: the interval holds them all, or with one seed none stands out."""
    lams = r.response.lams
    if not r.response.degrees_of_freedom:
        return 1 < len(lams) == len(r.indistinguishable) + 1
    low, high = r.response.interval()
    return len(lams) > 1 and low <= lams.min() and high >= lams.max()


def findings(results: Results) -> Findings:
    """The recommendation of every condition, in the study's order, and what it rests on."""
    best = rules.readings(results)
    found = picks(best)
    answers = [
        recommend(
            condition=str(condition),
            best=rows,
            epochs=results.epochs[results.epochs["key"].isin(rows["key"])],
            picks=[pick for pick in found if pick.condition == condition],
            objective=results.objective,
            grid=results.study.lambda_grid,
            seeds=len(results.study.seeds),
        )
        for condition, rows in best.groupby("condition", sort=False)
    ]
    complete = results.complete if results.runs is not None else results.done >= results.study.planned_trials
    why = rules.trust_sentence(trust(found) if complete else None, results.test_labels)
    return Findings(best, found, why, answers, complete)


def cost(results: Results) -> str:
    """What the study cost, in words."""
    tables = (results.trials, results.broken, results.auxiliary)
    compute = sum(table["seconds"].sum() for table in tables)
    runs = results.runs or ()
    wall = sum(run.wall_seconds for run in runs)
    warm = int((results.auxiliary["role"] == Role.WARM_UP).sum())
    count = sum(map(len, tables)) - warm
    shared = f" and {_count(warm, 'shared warm-up')}" if warm else ""
    peak = max((run.peak_memory_bytes for run in runs), default=0) / 2**30
    memory = f", {peak:.1f} GiB peak memory" if peak else ""
    clock = f", {wall / 60:.1f} minutes wall-clock" if wall else ""
    return f"{_count(count, 'trial')}{shared}, {compute / 60:.1f} minutes of training{clock}{memory}"


def headline(results: Results, found: Findings) -> list[str]:
    """What the report opens with: a paragraph for each condition, then one on cost, epochs and what is missing.

    An unfinished study says so first. With more than two conditions each has one line here and its paragraph in
    `details`.
    """
    systems = methods.compared(results)
    told = _answered(results, found)
    answers = methods.sentences(results) if systems else []
    answers += [(_line if len(told) > MOST_PARAGRAPHS else _paragraph)(results, found, r) for r in told]
    if not found.complete:
        answers = [_unfinished(results), *answers] if len(answers) > 1 else [f"{_unfinished(results)} {answers[0]}"]
    return [*answers, _closing(results, found, told)]


def _unfinished(results: Results) -> str:
    return f"Unfinished ({results.done} of {results.study.planned_trials} trials): no recommendation yet."


def _closing(results: Results, found: Findings, told: Sequence[Recommendation]) -> str:
    """Cost, for what the answer holds, and what is missing."""
    budgets = results.trials["epochs"]
    epochs = f"{budgets.min()} to {budgets.max()}" if budgets.nunique() > 1 else str(budgets.max())
    seeds = _count(results.trials["seed"].nunique(), "seed")
    said = [
        f"Cost of the study: {cost(results)}.",
        f"The result holds for {epochs} epochs of training ({seeds}), with the noise and data studied.",
    ]
    if any(len(r.response.lams) > 1 for r in told):
        said.append(f"λ is chosen by {NOISY}: {found.why}.")
    if len(results.broken):
        said.append(f"{_count(len(results.broken), 'trial')} diverged or failed; the list is below.")
    return " ".join(said)


def details(results: Results, found: Findings) -> list[str]:
    """The paragraph of each condition, where the headline has only a line for each."""
    told = _answered(results, found)
    return [_paragraph(results, found, r) for r in told] if len(told) > MOST_PARAGRAPHS else []


def _answered(results: Results, found: Findings) -> list[Recommendation]:
    """Conditions with something to say about λ; a study of methods may have one λ in each."""
    systems = methods.compared(results)
    return [r for r in found.recommendations if len(r.response.lams) > 1 or not systems]


def _line(results: Results, found: Findings, r: Recommendation) -> str:
    verdict = found.verdict(r)
    state = "" if verdict is Verdict.RECOMMENDED else f"{verdict}, so far "
    said = [f"{r.condition}: {state}λ = {r.lam:.3g}{_certainty(r)}.", _accuracy(results, r)]
    if r.indistinguishable:
        seeds = _count(r.response.seeds, "seed")
        said.append(f"Statistically indistinguishable from {lambdas(r.indistinguishable)} with {seeds}.")
    if r.edge and r.lam > 0:
        said.append("It is at the edge of the λs tried.")
    return " ".join(said)


def _paragraph(results: Results, found: Findings, r: Recommendation) -> str:
    where = "" if r.condition == "all" else f"At {r.condition}: "
    if len(r.response.lams) == 1:
        if found.complete:
            return f"{where}Only λ = {r.lam:.3g} was run, so there is nothing to choose."
        return f"{where}So far only λ = {r.lam:.3g} has results."
    return " ".join([where + _answer(results, found, r), _accuracy(results, r), *caveats(results, r)])


def _answer(results: Results, found: Findings, r: Recommendation) -> str:
    """The recommended λ, or why there is none yet and which one leads."""
    gain = ", gain over λ = 0" if results.study.maximises_gain else ""
    rule = f"{NOISY} ({results.objective}{gain})"
    lam = f"λ = {r.lam:.3g}{_certainty(r)}"
    match found.verdict(r):
        case Verdict.RECOMMENDED:
            return f"Recommended {lam}, chosen by {rule}."
        case Verdict.TOO_SHORT:
            reason = (
                f"Too short to tell. With fewer than {FEWEST_EPOCHS} epochs, the final accuracy cannot be predicted. "
            )
        case Verdict.OPEN:
            reason = "No clear winner. "
        case Verdict.UNFINISHED:
            reason = ""
    return f"{reason}So far {rule} favours {lam}."


def lambdas(lams: Sequence[float]) -> str:
    """Several λs in words: `λ = 0.3 and λ = 1`."""
    return joined([f"λ = {lam:.3g}" for lam in lams])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _certainty(found: Recommendation) -> str:
    return certainty(found.response.interval()) if found.response.degrees_of_freedom else " (one seed: no interval)"


def certainty(interval: tuple[float, float]) -> str:
    """Within which the best λ lies, in brackets, to follow a λ."""
    return f" (best λ between {interval[0]:.2g} and {interval[1]:.2g} with at least 95 % confidence)"


def _accuracy(results: Results, found: Recommendation) -> str:
    """Test accuracy at the λ, compared with λ = 0 and with the highest one."""
    own = _of_condition(results, found.condition)[found.lam]
    if not own["test accuracy"]:
        return "Its accuracy on test labels is unknown: no test image has a label."
    text = f"Its accuracy on {results.test_labels} is {own['test accuracy']}"
    if own["difference from λ = 0"]:
        text += f", a difference of {own['difference from λ = 0']} from λ = 0"
    oracle = next((pick for pick in found.picks if pick.rule == ORACLE), None)
    if oracle is not None and oracle.lam != found.lam:
        text += f"; the highest is {oracle.accuracy:.3f}, at λ = {oracle.lam:.3g}"
    return text + "."


def caveats(results: Results, found: Recommendation) -> list[str]:
    """The limitations of a recommendation, a sentence each."""
    said = _what_is_missing(found.missing)
    if found.indistinguishable:
        said += _doubt(found)
    if found.rising:
        said.append(
            f"Accuracy at {lambdas(found.rising)} still rises at the last epoch. Training longer may change the "
            "answer: --extend measures it."
        )
    if found.edge:
        beyond = (
            "largest λ tried: try larger" if found.lam == found.response.lams.max() else "smallest λ tried: try smaller"
        )
        said.append(f"It is the {beyond} ones." if found.lam > 0 else "No λ above 0 did better.")
    if found.peak is not None:
        lam, p = found.peak
        said.append(
            f"As in the paper, accuracy peaks between the smallest and the largest λ (at λ = {lam:.3g}, p = {p:.2g})."
            if p < SIGNIFICANT
            else "Unlike in the paper, accuracy shows no significant peak between the smallest and the largest λ "
            f"(p = {p:.2g})."
        )
    return said


def _doubt(found: Recommendation) -> list[str]:
    """Which λs may be as good."""
    text = f"Statistically indistinguishable from {lambdas(found.indistinguishable)}"
    if not found.response.degrees_of_freedom:
        return [f"{text} on this validation set."]
    return [f"{text} with {_count(found.response.seeds, 'seed')}."]


def _what_is_missing(missing: Missing) -> list[str]:
    said = []
    if missing.seeds:
        parts = ", ".join(f"λ = {lam:.3g} has {n} of {missing.seeds_wanted}" for lam, n in missing.seeds.items())
        said.append(f"Some seeds have no result (not run yet, diverged or failed): {parts}.")
    if missing.baseline:
        said.append("λ = 0 has no result yet, so there is no baseline.")
    if missing.stopped:
        said.append(
            f"The scheduler stopped trials of {lambdas(missing.stopped)} early. Their scores come from fewer epochs "
            "and might have risen."
        )
    return said


def against_baseline(results: Results) -> list[dict[str, str]]:
    """Test accuracy of each λ, and its paired difference from λ = 0 over the same seeds, as table rows."""
    conditions = results.trials["condition"].unique()
    return [row for condition in conditions for row in _of_condition(results, str(condition)).values()]


def _of_condition(results: Results, condition: str) -> dict[float, dict[str, str]]:
    """The rows of `against_baseline` of one condition, by λ."""
    trials = cross_fitted(results.trials[results.trials["condition"] == condition])
    table = group_intervals(trials, "test_accuracy", "lambda", share=True, samples=test_samples(results))
    base, rows = _paired(results, trials[trials["lambda"] == 0]), {}
    for lam, line in zip(table.index.to_numpy(dtype=float).tolist(), table.to_dict("records"), strict=True):
        own = _paired(results, trials[trials["lambda"] == lam])
        seeds = base.index.intersection(own.index)
        row = {
            "condition": condition,
            "λ": f"{lam:.3g}",
            "test accuracy": with_interval(line["mean"], line["low"], line["high"]),
            "seeds": str(int(line["n"])),
            "difference from λ = 0": "",
        }
        if len(seeds) and lam != 0:
            width = float(trials.loc[trials["lambda"].isin([0, lam]), "width"].max())
            row["difference from λ = 0"] = with_interval(
                *paired_difference(own[seeds].to_numpy(), base[seeds].to_numpy(), width), sign="+"
            )
        rows[lam] = row
    return rows


def _paired(results: Results, trials: pd.DataFrame) -> pd.Series:
    """Test accuracy by seed; where a condition was drawn, by seed and draw."""
    return trials.groupby(["seed", "number"] if results.study.drawn else ["seed"])["test_accuracy"].mean().dropna()


def chances(found: Findings) -> list[dict[str, str]]:
    """How certain the choice among the λs is, as table rows; expected regret is in units of the deciding score."""
    rows = []
    for r in found.recommendations:
        tag = "recommended" if found.verdict(r) is Verdict.RECOMMENDED else "leads so far"
        close, near = r.indistinguishable, r.response.within(r.point)
        for i, lam in enumerate(map(float, r.response.lams)):
            rows.append(
                {
                    "condition": r.condition,
                    "λ": f"{lam:.3g}" + (f" ({tag})" if lam == r.lam and len(r.response.lams) > 1 else ""),
                    "score": f"{r.response.means[i]:.3f}",
                    "P(best)": f"{r.response.p_best[i]:.2f}",
                    "expected regret": f"{r.response.regret[i]:.3f}",
                    "within 0.01 of the best": "yes" if lam in near else "",
                    "indistinguishable from it": "yes" if lam in close else "",
                }
            )
    return rows


def fingerprint(study: StudyRecord, label_sets: list[list[Any]]) -> dict[str, Any]:
    """What a study's λs were found for: settings that they may depend on, conditions left out.

    Args:
        study: the study.
        label_sets: the kind and size of each label set.
    """
    conditions = {setting.path for setting in study.conditions}
    found: dict[str, Any] = {
        "label_sets": label_sets,
        "training.lr": dict(study.learning_rates) or study.section("training")["lr"],
    }
    for section, names in FINGERPRINT.items():
        own = study.section(section)
        found |= {
            f"{section}.{name}": own[name] for name in names if f"{section}.{name}" not in conditions and name in own
        }
    return found


def as_json(results: Results, found: Findings) -> str:
    """The recommendation as `recommendation.json`: format version 1, one entry a condition."""
    content = {
        "format_version": FORMAT_VERSION,
        "study": results.study.name,
        "objective": results.objective,
        "complete": results.complete,
        "fingerprint": fingerprint(results.study, results.label_sets),
        "fitted_target": _target(found.best),
        "conditions": [_entry(results, r, found.why) for r in found.recommendations],
    }
    return json.dumps(_without_nan(content), indent=1, ensure_ascii=False, allow_nan=False)


def _without_nan(content: Any) -> Any:
    """The same content with None for every missing number."""
    if isinstance(content, Mapping):
        return {name: _without_nan(part) for name, part in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(part) for part in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _target(best: pd.DataFrame) -> dict[str, float] | None:
    """Where the losses of the best λs converged, by half of the clean test labels; None without these."""
    place = calibrated_target(best)
    return dict(zip(("generator_joint_loss", "discriminator_joint_loss"), place, strict=True)) if place else None


def _entry(results: Results, r: Recommendation, why: str) -> dict[str, Any]:
    lams = [float(lam) for lam in r.response.lams]
    sure = bool(r.response.degrees_of_freedom)
    return {
        "condition": _listed_values(results, r.condition),
        "panel": r.condition,
        "lambda": r.lam,
        "interval_95": list(r.response.interval()) if sure else None,
        "rule": NOISY,
        "why": why,
        "decided": r.decided,
        "too_short": r.too_short,
        "rising": r.rising,
        "edge": r.edge,
        "p_best": _by_lambda(lams, r.response.p_best.tolist()),
        "expected_regret": _by_lambda(lams, r.response.regret.tolist()),
        "within_a_point": r.response.within(r.point),
        "not_told_apart": r.indistinguishable,
        "score_against": _score_against(r, lams),
        "test_accuracy": {row["λ"]: row["test accuracy"] for row in _of_condition(results, r.condition).values()},
        "caveats": caveats(results, r),
    }


def _listed_values(results: Results, condition: str) -> Mapping[str, Any]:
    """The values of the listed conditions at one condition, by the names that the study file uses."""
    names = {setting.name: column(setting) for setting in results.study.listed}
    if not names:
        return {}
    first = results.trials.loc[results.trials["condition"] == condition, list(names.values())].iloc[:1]
    row = json.loads(first.to_json(orient="records"))[0]
    return {name: row[place] for name, place in names.items()}


def _by_lambda(lams: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    return {f"{lam:g}": value for lam, value in zip(lams, values, strict=True)}


def _score_against(r: Recommendation, lams: list[float]) -> dict[str, list[float]]:
    """Difference in score from the smallest λ and from both neighbours: mean, low, high."""
    own = lams.index(r.lam)
    neighbours = [lams[i] for i in (own - 1, own + 1) if 0 <= i < len(lams)]
    others = [lam for lam in dict.fromkeys([lams[0], *neighbours]) if lam != r.lam]
    return {f"{lam:g}": [float(x) for x in r.response.difference(r.lam, lam)] for lam in others}


def show(results: Results) -> str:
    """The headline, how certain the choice is, and the differences from the baseline, as text."""
    found = findings(results)
    return "\n".join([*headline(results, found), "", as_text([*chances(found), *against_baseline(results)])])


if __name__ == "__main__":
    script(__doc__, show)
