"""Which λ, by which rule, how certain, at what cost, and for which number of epochs.

python -m analysis.recommendation results/NAME
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from fer_tune.analysis import majority, methods, race, rules, screen
from fer_tune.analysis.gains import gain
from fer_tune.analysis.networks import Network, best_network
from fer_tune.analysis.race import Answer, Verdict
from fer_tune.analysis.results import Results
from fer_tune.analysis.screen import Paragraph, Screen
from fer_tune.analysis.study_record import StudyRecord, column
from fer_tune.analysis.tables import as_text, script, with_interval
from fer_tune.analysis.trial_files import test_samples
from fer_tune.decision.intervals import group_intervals
from fer_tune.decision.recommendation import Missing, Recommendation, recommend
from fer_tune.decision.response import cross_fitted
from fer_tune.decision.rules import NOISY, ORACLE, Pick, calibrated_target, picks, trust
from fer_tune.names import FINGERPRINT
from fer_tune.results.records import Role

FORMAT_VERSION = 2
MOST_SCREENS = 2  # whole ones, in a headline
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Findings:
    """Everything that the report says of λ, computed once.

    Attributes:
        best: what `rules.readings` returns.
        picks: what each rule would choose in each condition.
        why: why noisy validation chooses, and how good its choices were.
        recommendations: one for each condition, in the study's order.
        answers: what the race over seeds answers in each condition; empty where λ is searched.
        complete: whether every trial that the study needs has ended.
    """

    best: pd.DataFrame
    picks: list[Pick]
    why: str
    recommendations: list[Recommendation]
    answers: Mapping[str, Answer]
    complete: bool

    def answer(self, r: Recommendation) -> Answer | None:
        """What the race over seeds answers in a condition; None where λ is searched."""
        return self.answers.get(r.condition)

    def verdict(self, r: Recommendation) -> Verdict:
        """What is known of λ in a condition. A searched λ, of which no two seeds are alike, is a pick at budget."""
        if (found := self.answer(r)) is not None:
            return found.verdict
        decided = Verdict.BUDGET if r.response.degrees_of_freedom else Verdict.UNDECIDED
        return decided if self.complete else Verdict.UNFINISHED


def findings(results: Results) -> Findings:
    """The answer of every condition, in the study's order, and what it rests on."""
    best = rules.readings(results)
    found = picks(best)
    raced = {answer.condition: answer for answer in race.answers(results)}
    recommendations = [
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
    why = rules.trust_sentence(trust(found) if results.whole else None, results.test_labels)
    told = [_answered(r, raced.get(r.condition)) for r in recommendations]
    return Findings(best, found, why, told, raced, results.whole)


def _answered(r: Recommendation, found: Answer | None) -> Recommendation:
    """A recommendation of the λ that the race answers with."""
    if found is None or found.lam is None or found.lam not in r.response.lams:
        return r
    return replace(r, answer=found.lam)


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


def headline(results: Results, found: Findings) -> list[Paragraph]:
    """What the report opens with: for each condition the λ, how it compares, what trusting it may lose, what is next.

    With more than two conditions each has one line here and its own paragraphs in `details`.
    """
    told = _shown(results, found)
    said = [Paragraph(text) for text in methods.sentences(results)] if methods.compared(results) else []
    if len(told) > MOST_SCREENS:
        said += [Paragraph(_line(results, found, r)) for r in told]
        if (first := next((a for r in told if (a := found.answer(r)) is not None), None)) is not None:
            more, command = screen.knowing_more(results, first)
            said += [Paragraph(text, text == command) for text in (more, command) if text]
    else:
        screens = [_screen(results, found, r) for r in told]
        for i, (r, own) in enumerate(zip(told, screens, strict=True)):
            again = any(own.command == other.command for other in screens[i + 1 :])
            said += (replace(own, more="", command="") if again else own).paragraphs(_where(r))
    if not told and (network := _network(found)) is not None:
        said += [Paragraph(screen.the_network(network)), Paragraph(screen.predict_command(results, network), True)]
    return [*said, Paragraph(_closing(results))]


def _network(found: Findings) -> Network | None:
    """The best network of all conditions, where none of them has a λ to answer."""
    networks = [answer.network for answer in found.answers.values() if answer.network is not None]
    return max(networks, key=lambda network: network.score, default=None)


def _closing(results: Results) -> str:
    said = [f"Cost of the study: {cost(results)}."]
    if len(results.broken):
        said.append(f"{_count(len(results.broken), 'trial')} diverged or failed; the list is below.")
    return " ".join(said)


def details(results: Results, found: Findings) -> list[str]:
    """What limits each condition's answer, a paragraph each; with many conditions also the whole answer."""
    told = _shown(results, found)
    said = []
    for r in told:
        whole = _screen(results, found, r).paragraphs() if len(told) > MOST_SCREENS else []
        texts = [part.text for part in whole if not part.is_command and not part.text.endswith(":")]
        texts += caveats(results, r, found.answer(r))
        if texts:
            said.append(f"{_where(r)}{' '.join(texts)}")
    if any(len(r.response.lams) > 1 for r in told):
        said.append(f"λ is chosen by {NOISY} ({results.objective}{_gain(results)}): {found.why}.")
    return said


def _shown(results: Results, found: Findings) -> list[Recommendation]:
    """Conditions with something to say about λ; a study of methods may have one λ in each."""
    systems = methods.compared(results)
    return [r for r in found.recommendations if len(r.response.lams) > 1 or not systems]


def _where(r: Recommendation) -> str:
    return "" if r.condition == "all" else f"At {r.condition}: "


def _gain(results: Results) -> str:
    return ", gain over λ = 0" if results.study.maximises_gain else ""


def _screen(results: Results, found: Findings, r: Recommendation) -> Screen:
    answer = found.answer(r)
    return screen.screen(results, answer) if answer is not None else _searched(results, found, r)


def _searched(results: Results, found: Findings, r: Recommendation) -> Screen:
    """The first screen of a condition whose λ was searched: no two configurations are compared seed by seed."""
    sure = bool(r.response.degrees_of_freedom)
    own = f"Its accuracy on {results.test_labels} is {_of_condition(results, r.condition)[r.lam]['test accuracy']}."
    least = screen.points(float(r.response.regret.min()) / r.shrinkage)
    network = best_network(results, _named(found.best[found.best["condition"] == r.condition]))
    return Screen(
        lam=_of_search(results, found, r),
        why="",
        compared=() if results.trials["test_accuracy"].isna().all() else (own,),
        loss=f"Trusting it loses {least} on average, by the smooth curve; a searched λ has no 95 % bound."
        if sure
        else "",
        more="" if found.complete else "To finish it:",
        command="" if found.complete else screen.run_command(results, flags=["--resume"]),
        network=screen.the_network(network),
        predict=screen.predict_command(results, network),
    )


def _of_search(results: Results, found: Findings, r: Recommendation) -> str:
    """The λ that a search favours, and what is known of it."""
    lam, count = f"λ = {r.lam:.3g}", len(r.response.lams)
    match found.verdict(r):
        case Verdict.UNFINISHED:
            done = f"{results.done} of {results.study.planned_trials} trials"
            return f"Unfinished ({done}). So far the search favours {lam}{_certainty(r)}."
        case Verdict.UNDECIDED:
            doubt = "one seed does not show how much seeds differ"
            return f"Nothing is decided: {doubt}. Of the {count} λs searched, {lam} did best."
        case _:
            epochs = f"{_count(int(results.trials['epochs'].max()), 'epoch')} of training"
            return f"Take {lam} (pick at budget) for {epochs}: the best of {count} λs searched{_certainty(r)}."


def _named(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.assign(name=trials["lambda"].map("λ = {:.3g}".format))


def _line(results: Results, found: Findings, r: Recommendation) -> str:
    """A condition's answer in one line."""
    answer = found.answer(r)
    if answer is None or answer.lam is None:
        return f"{r.condition}: {_screen(results, found, r).lam}"
    said = [f"{r.condition}: λ = {answer.lam:.3g} ({answer.verdict})"]
    if loss := screen.bound(answer):
        said.append(f"trusting it loses {loss}")
    own = _of_condition(results, r.condition).get(answer.lam, {})
    if own.get("test accuracy"):
        said.append(f"test accuracy {own['test accuracy']}")
    if own.get("difference from λ = 0"):
        said.append(f"{own['difference from λ = 0']} over plain training")
    return f"{'; '.join(said)}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _certainty(found: Recommendation) -> str:
    return certainty(found.response.interval()) if found.response.degrees_of_freedom else " (one seed: no interval)"


def certainty(interval: tuple[float, float]) -> str:
    """Within which the best λ lies, in brackets, to follow a λ."""
    return f" (best λ between {interval[0]:.2g} and {interval[1]:.2g} with at least 95 % confidence)"


def caveats(results: Results, found: Recommendation, answer: Answer | None) -> list[str]:
    """The limitations of an answer, a sentence each."""
    said = _what_is_missing(found.missing, results.study.decide is not None)
    if answer is not None:
        said += [screen.dropped(each) for each in answer.dropped]
    oracle = next((pick for pick in found.picks if pick.rule == ORACLE), None)
    if found.rising:
        said.append(
            f"Accuracy at {screen.lambdas(found.rising)} still rises at the last epoch. Training longer may change the "
            "answer: --extend measures it."
        )
    if oracle is not None and oracle.lam != found.lam and len(found.response.lams) > 1:
        said.append(f"The highest accuracy on {results.test_labels} is {oracle.accuracy:.3f}, at λ = {oracle.lam:.3g}.")
    tried = results.study.lambda_grid or [float(lam) for lam in found.response.lams]
    if len(tried) > 2 and found.lam in (min(tried), max(tried)):
        beyond = "largest λ tried: try larger" if found.lam == max(tried) else "smallest λ tried: try smaller"
        said.append(f"λ = {found.lam:.3g} is the {beyond} ones." if found.lam > 0 else "No λ above 0 did better.")
    if found.peak is not None:
        lam, p = found.peak
        said.append(
            f"As in the paper, accuracy peaks between the smallest and the largest λ (at λ = {lam:.3g}, p = {p:.2g})."
            if p < SIGNIFICANT
            else "Unlike in the paper, accuracy shows no significant peak between the smallest and the largest λ "
            f"(p = {p:.2g})."
        )
    return said


def _what_is_missing(missing: Missing, may_drop_out: bool) -> list[str]:
    """What a comparison lacks. `may_drop_out`: a λ need not have run on every seed."""
    said = []
    if missing.seeds and not may_drop_out:
        parts = ", ".join(f"λ = {lam:.3g} has {n} of {missing.seeds_wanted}" for lam, n in missing.seeds.items())
        said.append(f"Some seeds have no result (not run yet, diverged or failed): {parts}.")
    if missing.stopped:
        stopped = f"The scheduler stopped trials of {screen.lambdas(missing.stopped)} early"
        said.append(f"{stopped}. Their scores come from fewer epochs and might have risen.")
    return said


def against_baseline(results: Results) -> list[dict[str, str]]:
    """Test accuracy of each λ, and its paired difference from λ = 0 over the same seeds, as table rows.

    Each condition ends with what always answering its largest class scores.
    """
    rows: list[dict[str, str]] = []
    for condition in map(str, results.trials["condition"].unique()):
        rows += [*_of_condition(results, condition).values(), *majority.rows(results, condition)]
    return rows


def _of_condition(results: Results, condition: str) -> dict[float, dict[str, str]]:
    """The rows of `against_baseline` of one condition, by λ."""
    trials = cross_fitted(results.trials[results.trials["condition"] == condition])
    table = group_intervals(trials, "test_accuracy", "lambda", share=True, samples=test_samples(results))
    rows = {}
    for lam, line in zip(table.index.to_numpy(dtype=float).tolist(), table.to_dict("records"), strict=True):
        measured = gain(results, condition, lam)
        rows[lam] = {
            "condition": condition,
            "λ": f"{lam:.3g}",
            "test accuracy": with_interval(line["mean"], line["low"], line["high"]),
            "seeds": str(int(line["n"])),
            "difference from λ = 0": with_interval(*measured, sign="+") if measured else "",
        }
    return rows


TAGS = {
    Verdict.WINNER: "winner",
    Verdict.TIE: "taken",
    Verdict.BUDGET: "taken",
    Verdict.UNDECIDED: "leads, not decided",
    Verdict.UNFINISHED: "leads so far",
    Verdict.ALONE: "",
}


def chances(found: Findings) -> list[dict[str, str]]:
    """How certain the choice among the λs is, as table rows; expected regret is in units of the deciding score.

    With one seed, P(best) is only said of the networks in hand.
    """
    one_seed = not any(r.response.degrees_of_freedom for r in found.recommendations)
    named = "P(best network in hand)" if one_seed else "P(best)"
    rows = []
    for r in (r for r in found.recommendations if len(r.response.lams) > 1):
        tag, answer = TAGS[found.verdict(r)], found.answer(r)
        leads = r.lam if answer is None else answer.lam
        near = r.response.within(r.point)
        for i, lam in enumerate(map(float, r.response.lams)):
            rows.append(
                {
                    "condition": r.condition,
                    "λ": f"{lam:.3g}" + (f" ({tag})" if tag and lam == leads else ""),
                    "score": f"{r.response.means[i]:.3f}",
                    "race over seeds": screen.place_in_race(answer, lam),
                    named: f"{r.response.p_best[i]:.2f}",
                    "expected regret": f"{r.response.regret[i]:.3f}" if r.response.degrees_of_freedom else "",
                    "within 0.01 of the best": "yes" if lam in near else "",
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
    """The answers as `recommendation.json`: format version 2, one entry a condition."""
    content = {
        "format_version": FORMAT_VERSION,
        "study": results.study.name,
        "objective": results.objective,
        "complete": results.complete,
        "fingerprint": fingerprint(results.study, results.label_sets),
        "fitted_target": _target(found.best),
        "conditions": [_entry(results, r, found) for r in found.recommendations],
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


def _entry(results: Results, r: Recommendation, found: Findings) -> dict[str, Any]:
    lams = [float(lam) for lam in r.response.lams]
    answer = found.answer(r)
    return {
        "condition": _listed_values(results, r.condition),
        "panel": r.condition,
        "verdict": found.verdict(r),
        "lambda": r.lam if answer is None else answer.lam,
        "decided": found.verdict(r) is Verdict.BUDGET if answer is None else answer.decided,
        "answer": None if answer is None else asdict(answer),
        "interval_95": list(r.response.interval()) if r.response.degrees_of_freedom else None,
        "rule": NOISY,
        "why": found.why,
        "p_best": _by_lambda(lams, r.response.p_best.tolist()),
        "expected_regret": _by_lambda(lams, r.response.regret.tolist()),
        "within_a_point": r.response.within(r.point),
        "score_against": _score_against(r, lams),
        "test_accuracy": {row["λ"]: row["test accuracy"] for row in _of_condition(results, r.condition).values()},
        "caveats": caveats(results, r, answer),
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
    said = [part.shown for part in headline(results, found)]
    return "\n".join([*said, "", as_text([*chances(found), *against_baseline(results)])])


if __name__ == "__main__":
    script(__doc__, show)
