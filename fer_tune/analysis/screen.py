"""What the report says first, in this order: the λ, how it compares, what trusting it may lose, how to know more."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from fer_tune.analysis import methods
from fer_tune.analysis.gaps import counted
from fer_tune.analysis.networks import Network
from fer_tune.analysis.race import Answer, Comparison, Dropped, Longer, Verdict
from fer_tune.analysis.results import Results
from fer_tune.analysis.tables import with_interval
from fer_tune.analysis.text import joined
from fer_tune.names import LAMBDA, find

MOST_SEEDS_OF_A_RACE = 6  # that are proposed for a study of fewer seeds
LEAST_TOLERANCE = 0.005  # that is proposed
SAME_COST = 0.05  # difference in seconds, as a share, that is not worth a word


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of the first screen.

    Attributes:
        text: what it says.
        is_command: whether it is a command to paste.
    """

    text: str
    is_command: bool = False

    @property
    def shown(self) -> str:
        """The paragraph as the terminal shows it."""
        return f"  {self.text}" if self.is_command else self.text


@dataclass(frozen=True)
class Screen:
    """What the report says first of one condition.

    Attributes:
        lam: the λ, and what is known of it, in one short sentence.
        why: what that rests on; empty where there is nothing to add.
        compared: how it compares with plain training and with other methods, a sentence each.
        loss: what trusting it may lose.
        more: what it would take to know more.
        command: the command that does this.
        network: which trained network to use; empty where there is none.
        predict: the command that uses it.
    """

    lam: str
    why: str
    compared: tuple[str, ...]
    loss: str
    more: str
    command: str
    network: str
    predict: str

    def paragraphs(self, where: str = "") -> list[Paragraph]:
        """The whole of it; `where` names its condition at the start."""
        said = [Paragraph(f"{where}{self.lam}")]
        said += [Paragraph(text) for text in (self.why, *self.compared, self.loss, self.more) if text]
        said += [Paragraph(self.command, True)] if self.command else []
        said += [Paragraph(self.network)] if self.network else []
        return said + ([Paragraph(self.predict, True)] if self.predict else [])


def screen(results: Results, answer: Answer) -> Screen:
    """The first screen of one answer."""
    more, command = knowing_more(results, answer)
    return Screen(
        lam=" ".join(filter(None, [the_lambda(results, answer), better_method(answer)])),
        why=why(answer),
        compared=tuple(compared(results, answer)),
        loss=the_loss(answer),
        more=more,
        command=command,
        network=the_network(answer.network),
        predict=predict_command(results, answer.network),
    )


def lambdas(lams: Sequence[float]) -> str:
    """Several λs in words: `λ = 0.3 and λ = 1`."""
    return joined([f"λ = {lam:.3g}" for lam in lams])


def the_lambda(results: Results, a: Answer) -> str:
    """The λ to take, or the one that leads, in one short sentence."""
    lam, epochs = f"λ = {a.lam:.3g}" if a.lam is not None else "no λ", f"{counted(a.epochs, 'epoch')} of training"
    match a.verdict:
        case Verdict.WINNER | Verdict.TIE | Verdict.BUDGET:
            return f"Take {lam} for {epochs} ({a.verdict})."
        case Verdict.UNDECIDED if a.blocks == 0:
            return "Nothing is decided: no seed has a result with every λ."
        case Verdict.UNDECIDED:
            return f"Nothing is decided: {_few_seeds(a.blocks)} not show how much seeds differ."
        case Verdict.UNFINISHED:
            done = f"Unfinished ({results.done} of {'up to ' if a.early else ''}{results.study.planned_trials} trials)"
            return f"{done}: no λ leads yet." if a.lam is None else f"{done}: so far {lam} leads for {epochs}."
        case Verdict.ALONE:
            return f"Only {lam} was run, so there is nothing to choose."


def _few_seeds(count: int) -> str:
    return "one seed does" if count == 1 else f"{count} seeds do"


def better_method(a: Answer) -> str:
    """That another method did better than the λ to take, in a sentence; empty where none is seen to."""
    if a.lam is None or a.verdict not in (Verdict.WINNER, Verdict.TIE, Verdict.BUDGET):
        return ""
    ahead = [c for c in a.references if c.difference[0] < 0 and not c.difference[2] >= 0]
    if not ahead:
        return ""
    best = min(ahead, key=lambda c: c.difference[0])
    where = "" if best.seeds > 1 else " on the one seed that both have"
    return f"But {best.name} did better{where}: {best.other:.3f} against {best.own:.3f}."


def why(a: Answer) -> str:
    """What the λ rests on, in one sentence; empty where there is nothing to add."""
    if a.lam is None:
        return ""
    lam, others = f"λ = {a.lam:.3g}", [other for other in a.survivors if other != a.lam]
    rivals = f" {lambdas(others)} cannot be ruled out." if others else ""
    match a.verdict:
        case Verdict.WINNER:
            return f"After {counted(a.blocks, 'seed')}, {lambdas([each.lam for each in a.dropped])} can be ruled out."
        case Verdict.TIE if others:
            left = f"After {counted(a.blocks, 'seed')}, {lambdas(a.survivors)} are left."
            return f"{left} Of those that lose at most {points(a.tolerance)} of {a.measure}, {lam} costs least."
        case Verdict.BUDGET if a.blocks < a.most_blocks:
            when = f"{a.blocks} of up to {counted(a.most_blocks, 'seed')}, when the budget was used up"
            return f"It leads after {when}.{rivals}"
        case Verdict.BUDGET:
            return f"It leads after all {counted(a.blocks, 'seed')}.{rivals}"
        case Verdict.UNDECIDED:
            these = "this seed" if a.blocks == 1 else "these seeds"
            return f"On {these}, {lam} did best on held-out labels after {counted(a.epochs, 'epoch')} of training."
        case Verdict.UNFINISHED:
            return (
                f"It leads after {a.blocks} of {'up to ' if a.early else ''}{counted(a.most_blocks, 'seed')}.{rivals}"
            )
        case _:
            return ""


def compared(results: Results, a: Answer) -> list[str]:
    """How the λ compares with plain training and with other methods."""
    if a.lam is None:
        return []
    if results.trials["test_accuracy"].isna().all():
        return ["Its accuracy on test labels is unknown: no test image has a label."]
    said = []
    if a.lam == 0 and a.verdict is not Verdict.ALONE:
        said.append("λ = 0 is plain training: no joint loss did better here.")
    if a.plain is not None:
        said.append(_compared(results, a.lam, a.plain))
    elif a.verdict is not Verdict.ALONE and a.lam > 0:
        lacking = "has no result yet" if 0.0 in results.study.lambda_grid else "is not in the study"
        said.append(f"λ = 0 {lacking}, so there is no baseline.")
    said += [_compared(results, a.lam, other) for other in a.references]
    if a.verdict is not Verdict.ALONE and not (a.references or methods.compared(results)):
        said.append("No robust loss ran beside it, so there is no comparison with one.")
    return said + [longer(results, a, each) for each in a.longer]


def longer(results: Results, a: Answer, each: Longer) -> str:
    """What the λs that a race left over answer after more epochs."""
    same = "again " if each.lam == a.lam else ""
    text = f"Trained on to {counted(each.epochs, 'epoch')}: {same}take λ = {each.lam:.3g} ({each.verdict})"
    if not math.isnan(each.loss):
        text += "; trusting it loses " + (
            "nothing" if each.loss <= 0 else f"at most {points(each.loss)} of {a.measure}"
        )
    if math.isnan(each.accuracy):
        return f"{text}."
    return (
        f"{text}. Its accuracy on {results.test_labels} is {each.accuracy:.3f} then, {each.before:.3f} after "
        f"{counted(a.epochs, 'epoch')}."
    )


def _compared(results: Results, lam: float, c: Comparison) -> str:
    over = "one seed: no interval" if c.seeds < 2 else f"paired over {c.seeds} seeds"
    text = (
        f"Compared with {c.name}: λ = {lam:.3g} reaches {c.own:.3f} against {c.other:.3f} on {results.test_labels}, a "
        f"difference of {with_interval(*c.difference, sign='+')}, {over}."
    )
    if abs(c.own_seconds - c.other_seconds) <= SAME_COST * c.seconds:
        return f"{text} Both take {seconds(c.own_seconds)} a trial."
    return (
        f"{text} A trial takes {seconds(c.own_seconds)} against {seconds(c.other_seconds)}. After equal seconds "
        f"({seconds(c.seconds)}) it is {c.own_then:.3f} against {c.other_then:.3f}."
    )


def seconds(value: float) -> str:
    """A time in words: `0.4 s`, `71 s`, `12 min`."""
    return f"{value / 60:.0f} min" if value >= 600 else f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


def points(loss: float) -> str:
    """A loss in points, rounded up so that it stays a bound."""
    shown = math.ceil(1000 * loss - 1e-6) / 10
    return f"{shown:.1f} point{'' if shown == 1 else 's'}"


def bound(a: Answer) -> str:
    """What taking the λ can lose, in a few words; empty where it is unknown."""
    if a.lam is None or math.isnan(a.loss):
        return ""
    return "nothing" if a.loss <= 0 else f"at most {points(a.loss)} of {a.measure}"


def the_loss(a: Answer) -> str:
    """What trusting the λ may lose, and what that rests on."""
    if a.lam is None or a.verdict is Verdict.ALONE:
        return ""
    if not bound(a):
        return (
            "What trusting it may lose is unknown: that takes at least three seeds, or two and knowledge from earlier "
            "studies."
        )
    text = f"Trusting it{' now' if a.verdict is Verdict.UNFINISHED else ''} loses {bound(a)} with 95 %"
    text += ": no other λ tried is better." if a.loss <= 0 else ", compared with the best λ tried."
    seeds = f"this study's {counted(a.blocks, 'seed')}"
    if a.contradicted:
        return f"{text} Seeds differ more here than {a.prior} led to expect, so only {seeds} count."
    known = f"{a.prior} and {seeds}" if a.prior else seeds
    return f"{text} How much seeds differ is known from {known}."


def dropped(each: Dropped) -> str:
    """When and why a λ left the race."""
    if each.by is None:
        return f"λ = {each.lam:.3g} left the race: it has no result on every seed (it diverged or failed)."
    return (
        f"λ = {each.lam:.3g} left the race after {counted(each.block, 'seed')}: it was {points(each.behind)} behind "
        f"λ = {each.by:.3g}."
    )


def place_in_race(a: Answer | None, lam: float) -> str:
    """Where a λ stands in the race over seeds, in a few words; empty where there is none."""
    if a is None or a.blocks == 0 or a.verdict is Verdict.ALONE:
        return ""
    for each in a.dropped:
        if each.lam == lam and each.by is None:
            return "out: diverged or failed"
        if each.lam == lam:
            return f"out after {counted(each.block, 'seed')}"
    if a.verdict is Verdict.UNDECIDED:
        return ""
    seeds = dict(zip(a.survivors, a.seeds, strict=True)).get(lam, a.blocks)
    return "in" if seeds == a.blocks else f"in, rested: {seeds} of {counted(a.blocks, 'seed')}"


def knowing_more(results: Results, a: Answer) -> tuple[str, str]:
    """What it would take to know more, in words, and the command for it."""
    match a.verdict:
        case Verdict.UNFINISHED:
            return "To finish it:", run_command(results, flags=["--resume"])
        case Verdict.UNDECIDED:
            return "To decide, add seeds. The study stops as soon as they suffice:", _extended(
                results, _more_seeds(results)
            )
        case Verdict.TIE:
            finer = max(LEAST_TOLERANCE, min(a.tolerance, a.loss) / 2)
            sets = {**_more_seeds(results, a.blocks >= a.most_blocks), "decide": _decide(results, finer)}
            return f"To tell them apart within {points(finer)}:", _extended(results, sets)
        case Verdict.BUDGET if results.budget_spent:
            return "To go on from here:", run_command(results, flags=["--resume"])
        case Verdict.BUDGET:
            return "To know more, add seeds:", _extended(results, _more_seeds(results))
        case Verdict.WINNER if beyond := _beyond(results, a):
            which = "largest" if a.lam == max(results.study.lambda_grid) else "smallest"
            text = f"It is the {which} λ tried, so one beyond it may be better. To try one:"
            return text, _extended(results, beyond)
        case Verdict.WINNER:
            own = results.study.seeds
            sets = {"name": f"{results.study.name}_again", "seeds": [max(own) + 1 + i for i in range(len(own))]}
            text = "Nothing is left to decide among these λs. To check the answer on new seeds:"
            return text, run_command(results, sets)
        case Verdict.ALONE:
            return "", ""


def _extended(results: Results, sets: Mapping[str, Any]) -> str:
    """The command that runs a study further; as another one where choices already made depended on its settings."""
    searched = any({"uniform", "log_uniform"} & set(how) for how in results.study.search.values())
    if searched or results.study.drawn:
        return run_command(results, {**sets, "name": f"{results.study.name}_more"})
    return run_command(results, sets, ["--resume"])


def _more_seeds(results: Results, needed: bool = True) -> dict[str, Any]:
    """The settings that give a study twice its seeds, at least six, and let it stop early."""
    own = list(results.study.seeds)
    count = max(MOST_SEEDS_OF_A_RACE, 2 * len(own)) - len(own)
    seeds = {"seeds": own + [max(own) + 1 + i for i in range(count)]} if needed else {}
    return seeds if results.study.decide is not None else {**seeds, "decide": _decide(results, None)}


def _decide(results: Results, tolerance: float | None) -> Mapping[str, Any]:
    """The section `decide` with another tolerance (a share of clean accuracy); the default one for None."""
    own = {name: value for name, value in (results.study.raw.get("decide") or {}).items() if value}
    return own | ({} if tolerance is None else {"tolerance": round(tolerance, 3)})


def _beyond(results: Results, a: Answer) -> dict[str, Any]:
    """The settings that add a λ beyond an answer at the end of the grid; empty where there is none to add."""
    grid, setting = results.study.lambda_grid, find(results.study.search, LAMBDA)
    if a.lam is None or len(grid) < 3 or a.lam == 0 or a.lam not in (min(grid), max(grid)):
        return {}
    if setting is None or setting.name != "lambda" or any("per_lambda" in how for how in results.study.search.values()):
        return {}
    inner = sorted(grid)[1] if a.lam == min(grid) else sorted(grid)[-2]
    return {"search.lambda.grid": [*grid, round(max(a.lam / 2, a.lam + (a.lam - inner) / 2), 3)]}


def run_command(results: Results, sets: Mapping[str, Any] | None = None, flags: Sequence[str] = ()) -> str:
    """The command that ran the study, with further settings and flags; its own of that kind are replaced."""
    sets = sets or {}
    words = _study_words(results.environment.words, sets)
    for name, value in sets.items():
        text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("...\n")
        words += ["--set", f"{name}={text.strip()}"]
    return shlex.join([*words, *flags])


def _study_words(command: Sequence[str], sets: Mapping[str, Any]) -> list[str]:
    """The words of a command that ran a study, without what is said again or would run it from the start."""
    place = next((i for i, word in enumerate(command) if word in ("run", "fer_tune.run")), None)
    if place is None:
        return ["fer-tune", "run", "STUDY"]
    kept, words = [], iter(command[place + 1 :])
    for word in words:
        option, _, value = word.partition("=")
        if option in ("--resume", "--restart", "--dry-run"):
            continue
        if word == "--set" or (option == "--set" and value):
            value = value or next(words, "")
            if value.partition("=")[0] not in sets:
                kept += ["--set", value]
        else:
            kept.append(word)
    return ["fer-tune", "run", *kept]


def the_network(network: Network | None) -> str:
    """Which trained network to use: a statement about the networks in hand, not about the λs behind them."""
    if network is None:
        return ""
    text = f"The best trained network in hand is that of {network.name}, seed {network.seed} (trial {network.key})."
    if network.count == 1 or network.as_good is None:
        return text
    others = f"{network.count - 1} other{'' if network.count == 2 else 's'}"
    if not network.as_good:
        return f"{text} On the held-out images it is better than the {others}."
    return f"{text} On the held-out images, {len(network.as_good)} of the {others} may be as good."


def predict_command(results: Results, network: Network | None) -> str:
    """The command that labels images with a network; empty without one."""
    if network is None:
        return ""
    return shlex.join(["fer-tune", "predict", str(results.path / "trials" / network.key), "photos/"])
