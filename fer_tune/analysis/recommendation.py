"""Which lambda, by which rule, how surely, at what price, and for which budget.

python -m analysis.recommendation results/NAME
"""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fer_tune.analysis import methods, rules
from fer_tune.analysis.response import MOST_SEEDS, Response, respond, rises_then_falls
from fer_tune.analysis.rules import NOISY, ORACLE, Pick
from fer_tune.analysis.statistics import (
    RISE_ALPHA,
    RISE_POINTS,
    best_configurations,
    paired_difference,
    pooled_interval,
    trend,
)
from fer_tune.analysis.tables import (
    NAMES,
    Results,
    drawn,
    lambda_grid,
    listed,
    maximises_gain,
    named,
    script,
    with_interval,
)

FORMAT_VERSION = 1
FINGERPRINT = {
    "dataset": ("image_size",),
    "noise": ("kind",),
    "model": ("width", "features", "encoder_norm", "encoder_input"),
    "training": ("epochs", "batch_size", "warmup_epochs", "gamma", "score_weights", "augment", "balance"),
}  # what a lambda was found for and does not carry over without evidence
MOST_PARAGRAPHS = 2  # of a headline
TOO_SHORT = 6  # epochs below which nothing is known of a curve's end


@dataclass(frozen=True)
class Recommendation:
    """What the study says of one panel.

    Attributes:
        response: of the deciding score on noisy validation; its lambda of least expected regret is recommended.
        rising: lambdas that rise at the end of training and could still overtake the best; then no winner
            is known. Each is given as many more epochs as it has had, at the slope that it ends with, and
            so is the best.
        best_rises: whether the best one rises too.
        more_epochs: how many more epochs those that rise need.
        too_short: the runs have fewer than six epochs, and nothing is known of how they would end.
        edge: the lambda is the smallest or largest one tried (of at least three).
        missing: what the comparison lacks, a sentence each: seeds, the baseline, trials stopped early.
        peak: the best inner lambda on clean test labels and the p-value of its beating both ends, or None.
    """

    panel: str
    response: Response
    picks: list[Pick]
    rising: list[float]
    best_rises: bool
    more_epochs: int
    too_short: bool
    edge: bool
    peak: tuple[float, float] | None
    missing: list[str]
    shrinkage: float

    @property
    def lam(self) -> float:
        return self.response.lam

    @property
    def close(self) -> list[float]:
        """Lambdas that the data do not tell from the recommended one."""
        return self.response.close()

    def more_seeds(self, other: float) -> int:
        """How many more seeds would tell the recommended lambda from another one."""
        return self.response.seeds_to_tell(self.lam, other, RISE_POINTS * self.shrinkage)


@dataclass(frozen=True)
class Findings:
    """Everything that the report says of lambda, computed once; `why` is how far noisy validation is to be trusted."""

    best: pd.DataFrame
    picks: list[Pick]
    why: str
    recommendations: list[Recommendation]


def findings(results: Results) -> Findings:
    """The recommendation of every panel (condition), in the study's order, and what it rests on."""
    best = rules.readings(results)
    found = rules.picks(best)
    answers = [
        _recommend(results, str(panel), rows, [p for p in found if p.panel == panel])
        for panel, rows in best.groupby("panel", sort=False)
    ]
    return Findings(best, found, rules.trust(found), answers)


def _recommend(results: Results, panel: str, best: pd.DataFrame, found: list[Pick]) -> Recommendation:
    response = respond(best, "score", int(best["validation_samples"].iloc[0]), objective=results.objective)
    chosen = response.lam
    shrinkage = max(0.05, float(best["accuracy_shrinkage"].mean()))
    lams = [float(lam) for lam in response.lams]
    grid = lambda_grid(results.study)
    ends_tried = grid or lams
    alpha = RISE_ALPHA / len(lams)  # a study of many lambdas must not be held up by chance
    epochs = results.epochs[results.epochs["key"].isin(best["key"])]
    curves = {lam: rows.groupby("epoch")[results.objective].mean().to_numpy() for lam, rows in epochs.groupby("lambda")}
    too_short = min(len(curve) for curve in curves.values()) < TOO_SHORT
    ends = {} if too_short else {lam: trend(curves[lam], shrinkage, alpha) for lam in lams}
    means = dict(zip(lams, response.means.tolist(), strict=True))
    later = {lam: means[lam] + (end.slope * len(curves[lam]) if end.rising else 0.0) for lam, end in ends.items()}
    rising = [lam for lam, end in ends.items() if lam != chosen and end.rising and later[lam] >= later[chosen]]
    more = max((ends[lam].more_epochs for lam in (*rising, chosen) if ends), default=0)
    return Recommendation(
        panel=panel,
        response=response,
        picks=found,
        rising=rising,
        best_rises=bool(ends) and ends[chosen].rising,
        more_epochs=more,
        too_short=too_short,
        edge=len(ends_tried) > 2 and chosen in (min(ends_tried), max(ends_tried)),
        missing=_missing(results, best, grid),
        peak=rises_then_falls(best, "test_accuracy"),
        shrinkage=shrinkage,
    )


def _missing(results: Results, best: pd.DataFrame, grid: list[float]) -> list[str]:
    said = []
    wanted = len(results.study["seeds"])
    counts = best.groupby("lambda")["seed"].nunique()
    if len(few := counts[counts < wanted]):
        parts = ", ".join(f"λ = {lam:.3g} has {n} of {wanted}" for lam, n in few.items())
        said.append(f"Seeds are missing, diverged or not run yet: {parts}.")
    if 0.0 in grid and 0.0 not in counts.index:
        said.append("λ = 0 has no result yet: there is no baseline.")
    stopped = best[best["status"] == "stopped"]
    if len(stopped):
        lams = _listed(sorted(map(float, stopped["lambda"].unique())))
        said.append(
            f"The scheduler stopped trials of λ = {lams} early: their scores are of fewer epochs, and might have risen."
        )
    return said


def cost(results: Results) -> str:
    """What the study cost, in words."""
    compute = results.trials["seconds"].sum() + results.broken["seconds"].sum() + results.aside["seconds"].sum()
    wall = sum(run["wall_seconds"] for run in results.runs)
    warm = int((results.aside["role"] == "warm_up").sum())
    count = len(results.trials) + len(results.broken) + len(results.aside) - warm
    shared = f" and {warm} shared warm-ups" if warm else ""
    peak = max(run["peak_memory_bytes"] for run in results.runs) / 2**30 if results.runs else 0.0
    memory = f", {peak:.1f} GiB of memory at the most" if peak else ""
    clock = f", {wall / 60:.1f} minutes by the clock" if wall else ""
    return f"{count} trials{shared}, {compute / 60:.1f} minutes of training{clock}{memory}"


def headline(results: Results, found: Findings) -> list[str]:
    """What the report opens with: a paragraph for each condition, then one on cost, budget and what is missing.

    With more than two conditions each has one line here and its paragraph in `details`.
    """
    systems = methods.compared(results)
    answers = methods.sentences(results) if systems else []
    told = _answered(results, found)
    answers += [(_line if len(told) > MOST_PARAGRAPHS else _sentence)(results, r) for r in told]
    budgets = results.trials["epochs"]
    epochs = f"{budgets.min()} to {budgets.max()}" if budgets.nunique() > 1 else str(budgets.max())
    seeds = results.trials["seed"].nunique()
    closing = (
        f"The study cost {cost(results)}. It holds for a budget of {epochs} epochs "
        f"({seeds} seed{'s' if seeds > 1 else ''}), noise and data as studied."
    )
    if not results.complete:
        closing += " The study is unfinished: this is what has ended so far."
    if any(len(r.response.lams) > 1 for r in told):
        closing += f" λ is chosen by {NOISY}: {found.why}."
    if len(results.broken):
        closing += f" {len(results.broken)} trials diverged or failed and are listed below."
    return [*answers, closing]


def details(results: Results, found: Findings) -> list[str]:
    """The paragraph of each condition, where the headline has but a line for each."""
    told = _answered(results, found)
    return [_sentence(results, r) for r in told] if len(told) > MOST_PARAGRAPHS else []


def _answered(results: Results, found: Findings) -> list[Recommendation]:
    """Conditions with something to say of lambda; a study of systems may have one lambda in each."""
    systems = methods.compared(results)
    return [r for r in found.recommendations if len(r.response.lams) > 1 or not systems]


def _line(results: Results, found: Recommendation) -> str:
    state = "undecided, so far " if found.rising or found.too_short else ""
    close = f" Not told from λ = {_listed(found.close)} with {found.response.seeds} seeds." if found.close else ""
    close += " At the edge of the λs tried." if found.edge and found.lam > 0 else ""
    return f"{found.panel}: {state}λ = {found.lam:.3g}{_sureness(found)}. {_worth(results, found)}{close}"


def _sentence(results: Results, found: Recommendation) -> str:
    where = "" if found.panel == "all" else f"At {found.panel}: "
    gain = ", gain over λ = 0" if maximises_gain(results.study) else ""
    rule = f"{NOISY} ({results.objective}{gain})"
    sure = f"{found.lam:.3g}{_sureness(found)}"
    if len(found.response.lams) == 1:
        return f"{where}Only λ = {found.lam:.3g} was run: there is nothing to choose."
    if found.too_short:
        text = (
            f"{where}Too short to tell: runs of fewer than {TOO_SHORT} epochs say nothing of how they would end. "
            f"So far {rule} would take λ = {sure}."
        )
    elif found.rising:
        one = len(found.rising) == 1
        text = (
            f"{where}Budget-limited: no winner can be named, because λ = {_listed(found.rising)} still "
            f"{'rises' if one else 'rise'} at the end and could win; train about "
            f"{found.more_epochs} more epochs. So far {rule} would take λ = {sure}."
        )
    else:
        text = f"{where}Recommended λ = {sure}, by {rule}."
    return " ".join([text, _worth(results, found), *caveats(results, found)])


def _listed(lams: list[float]) -> str:
    return ", ".join(f"{lam:.3g}" for lam in lams)


def _sureness(found: Recommendation) -> str:
    if not found.response.freedom:
        return " (one seed: no interval)"
    low, high = found.response.interval()
    return f" (the best lies in {low:.2g} to {high:.2g} with at least 95 %)"


def _worth(results: Results, found: Recommendation) -> str:
    """Test accuracy at the lambda, against lambda 0."""
    own = _of_panel(results, found.panel)[found.lam]
    text = f"Its accuracy on {results.test_labels} is {own['test accuracy']}"
    if own["difference from λ = 0"]:
        text += f", {own['difference from λ = 0']} against λ = 0"
    oracle = next((pick for pick in found.picks if pick.rule == ORACLE), None)
    if oracle is not None and oracle.lam != found.lam:
        text += f"; the best there is λ = {oracle.lam:.3g} with {oracle.accuracy:.3f}"
    return text + "."


def caveats(results: Results, found: Recommendation) -> list[str]:
    """What weakens a recommendation, a sentence each."""
    said, close = list(found.missing), found.close
    if close:
        seeds = found.response.seeds
        told = f"with {seeds} seed{'s' if seeds > 1 else ''}" if found.response.freedom else "on this validation set"
        text = f"The data do not tell it from λ = {_listed(close)} {told}"
        if found.response.freedom:
            more = {lam: found.more_seeds(lam) for lam in close}
            hardest = max(more.values())
            enough = f"about {hardest}" if hardest < MOST_SEEDS - seeds else f"more than {MOST_SEEDS - 100}"
            text += f"; {enough} more seeds would tell differences of a point of accuracy or as measured"
        said.append(text + ".")
    if found.best_rises and not found.rising:
        said.append(f"It still rises, out of the others' reach: about {found.more_epochs} more epochs would pay.")
    if found.edge and found.lam > 0:
        said.append("It lies at the edge of the λs tried: try beyond it.")
    elif found.edge:
        said.append("No joint game did better.")
    if found.peak is not None:
        lam, p = found.peak
        holds = p < 0.05
        said.append(
            f"Accuracy {'rises, then falls' if holds else 'is not shown to rise, then fall'} over λ, as in the paper "
            f"(λ = {lam:.3g} against both ends: p = {p:.2g})."
        )
    return said


def against_baseline(results: Results) -> list[dict[str, str]]:
    """Paired difference of each lambda's test accuracy from lambda = 0, over the same seeds, as table rows."""
    return [row for panel in results.trials["panel"].unique() for row in _of_panel(results, str(panel)).values()]


def _of_panel(results: Results, panel: str) -> dict[float, dict[str, str]]:
    """The rows of `against_baseline` of one panel, by lambda."""
    trials = best_configurations(results.trials[results.trials["panel"] == panel])
    table = pooled_interval(trials, "test_accuracy", "lambda")
    base, rows = _paired(results, trials[trials["lambda"] == 0]), {}
    for lam, line in zip(table.index.to_numpy(dtype=float).tolist(), table.to_dict("records"), strict=True):
        own = _paired(results, trials[trials["lambda"] == lam])
        seeds = base.index.intersection(own.index)
        row = {
            "condition": panel,
            "λ": f"{lam:.3g}",
            "test accuracy": with_interval(line["mean"], line["low"], line["high"]),
            "seeds": str(int(line["n"])),
            "difference from λ = 0": "",
        }
        if len(seeds) and lam != 0:
            row["difference from λ = 0"] = with_interval(
                *paired_difference(own[seeds].to_numpy(), base[seeds].to_numpy()), sign="+"
            )
        rows[lam] = row
    return rows


def _paired(results: Results, trials: pd.DataFrame) -> pd.Series:
    """Test accuracy by seed; where a condition was drawn, by seed and draw."""
    return trials.groupby(["seed", "number"] if drawn(results.study) else ["seed"])["test_accuracy"].mean()


def chances(found: Findings) -> list[dict[str, str]]:
    """How sure the choice among the lambdas is, as table rows: expected regret is in points of the deciding score."""
    rows = []
    for r in found.recommendations:
        close = r.close
        for i, lam in enumerate(map(float, r.response.lams)):
            untold = f"{r.more_seeds(lam)} more" if lam in close and r.response.freedom else ""
            rows.append(
                {
                    "condition": r.panel,
                    "λ": f"{lam:.3g}" + (" (recommended)" if lam == r.lam else ""),
                    "score": f"{r.response.means[i]:.3f}",
                    "P(best)": f"{r.response.p_best[i]:.2f}",
                    "expected regret": f"{r.response.regret[i]:.3f}",
                    "within a point": "yes" if lam in r.response.within(RISE_POINTS * r.shrinkage) else "",
                    "seeds to tell it apart": "not told apart" if lam in close and not untold else untold,
                }
            )
    return rows


def fingerprint(study: dict[str, Any], label_sets: list[list[Any]]) -> dict[str, Any]:
    """What a study's lambdas were found for: settings that they may depend on, conditions left out.

    Args:
        study: a resolved study.
        label_sets: the kind and size of each label set.
    """
    conditions = {NAMES.get(name, name) for name in study["conditions"]}
    rates = study["search"].get(named(study["search"], "training.lr"), {})
    found: dict[str, Any] = {
        "label_sets": label_sets,
        "training.lr": {how: values for how, values in rates.items() if values} or study["training"]["lr"],
    }
    for section, names in FINGERPRINT.items():
        for name in names:
            if f"{section}.{name}" not in conditions and name in study[section]:
                found[f"{section}.{name}"] = study[section][name]
    return found


def as_json(results: Results, found: Findings) -> str:
    """The recommendation as `recommendation.json`: format version 1, one entry a condition."""
    content = {
        "format_version": FORMAT_VERSION,
        "study": results.study["name"],
        "objective": results.objective,
        "complete": results.complete,
        "fingerprint": fingerprint(results.study, results.label_sets),
        "fitted_target": _target(found.best),
        "conditions": [_entry(results, r, found.why) for r in found.recommendations],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)


def _target(best: pd.DataFrame) -> dict[str, float] | None:
    """Where the losses of the best lambdas have settled, by half of the clean test labels; None where that lacks."""
    place = rules.calibrated_target(best)
    return dict(zip(("generator_joint_loss", "discriminator_joint_loss"), place, strict=True)) if place else None


def _entry(results: Results, r: Recommendation, why: str) -> dict[str, Any]:
    lams = [float(lam) for lam in r.response.lams]
    rows = results.trials[results.trials["panel"] == r.panel]
    names = listed(results.study)
    own = lams.index(r.lam)
    neighbours = [lams[i] for i in (own - 1, own + 1) if 0 <= i < len(lams)]
    sure = bool(r.response.freedom)
    regret = zip(lams, r.response.regret, strict=True)
    return {
        "condition": json.loads(rows[names].iloc[:1].to_json(orient="records"))[0] if names else {},
        "panel": r.panel,
        "lambda": r.lam,
        "interval_95": list(r.response.interval()) if sure else None,
        "rule": NOISY,
        "why": why,
        "decided": not (r.too_short or r.rising or r.close),
        "too_short": r.too_short,
        "rising": r.rising,
        "more_epochs": r.more_epochs,
        "edge": r.edge,
        "p_best": {f"{lam:g}": float(p) for lam, p in zip(lams, r.response.p_best, strict=True)},
        "expected_regret": {f"{lam:g}": float(x) for lam, x in regret},
        "within_a_point": r.response.within(RISE_POINTS * r.shrinkage),
        "not_told_apart": {f"{lam:g}": r.more_seeds(lam) if sure else None for lam in r.close},
        "score_against": {
            f"{lam:g}": [float(x) for x in r.response.difference(r.lam, lam)]
            for lam in dict.fromkeys([lams[0], *neighbours])
            if lam != r.lam
        },
        "test_accuracy": {row["λ"]: row["test accuracy"] for row in _of_panel(results, r.panel).values()},
        "caveats": caveats(results, r),
    }  # fmt: skip


def show(results: Results) -> str:
    """The headline, how sure the choice is, and the differences from the baseline, as text."""
    found = findings(results)
    rows = [*chances(found), *against_baseline(results)]
    return "\n".join(
        [*headline(results, found), "", *("  ".join(f"{k} {v}" for k, v in row.items() if v) for row in rows)]
    )


if __name__ == "__main__":
    script(__doc__, show)
