"""Two studies side by side: what each recommends, and the accuracy of each shared λ, paired by seed.

python -m analysis.compare results/A results/B
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fer_tune.analysis.answer import Difference, differences
from fer_tune.analysis.curves import of_best
from fer_tune.analysis.recommendation import findings
from fer_tune.analysis.results import Results
from fer_tune.analysis.study_record import StudyRecord
from fer_tune.analysis.tables import as_text, load, with_interval
from fer_tune.analysis.text import visible
from fer_tune.decision.intervals import paired_difference
from fer_tune.errors import UserError
from fer_tune.names import find


def compared(first: Results, second: Results) -> list[dict[str, str]]:
    """One row for each condition and λ that both studies have: test accuracy of each, and the difference.

    The difference is second less first, paired by seed, with its 95 % interval; with fewer than two shared seeds it is
    that of the means.
    """
    tables = [of_best(results).trials for results in (first, second)]
    rows = []
    for condition in dict.fromkeys(tables[0]["condition"]):
        rows_of = [table[table["condition"] == condition] for table in tables]
        for lam in sorted(set(rows_of[0]["lambda"]) & set(rows_of[1]["lambda"])):
            own = [_by_seed(table[table["lambda"] == lam]) for table in rows_of]
            seeds = own[0].index.intersection(own[1].index)
            rows.append(
                {
                    "condition": str(condition),
                    "λ": f"{lam:.3g}",
                    "first": _mean(own[0]),
                    "second": _mean(own[1]),
                    "difference": _difference(own, seeds),
                    "shared seeds": str(len(seeds)),
                }
            )
    return rows


def _by_seed(trials: pd.DataFrame) -> pd.Series:
    return trials.groupby("seed")["test_accuracy"].mean().dropna()


def _mean(values: pd.Series) -> str:
    return f"{values.mean():.3f} (n = {len(values)})" if len(values) else "unknown (no test labels)"


def _difference(own: list[pd.Series], seeds: pd.Index) -> str:
    if any(values.empty for values in own):
        return ""
    if len(seeds) < 2:
        return f"{own[1].mean() - own[0].mean():+.3f}"
    return with_interval(*paired_difference(own[1][seeds].to_numpy(), own[0][seeds].to_numpy()), sign="+")


def not_shared(first: Results, second: Results) -> list[str]:
    """The conditions and λs that only one of the studies has, a line each."""
    tables = [of_best(results).trials for results in (first, second)]
    names = [list(dict.fromkeys(table["condition"])) for table in tables]
    lines = []
    for own, other, where in ((0, 1, "first"), (1, 0, "second")):
        if alone := [name for name in names[own] if name not in names[other]]:
            lines.append(f"Not compared, only the {where} has them: conditions {', '.join(map(str, alone))}")
        for name in names[own]:
            lams = [set(table.loc[table["condition"] == name, "lambda"]) for table in tables]
            if name in names[other] and (more := sorted(lams[own] - lams[other])):
                at = "" if name == "all" else f" at {name}"
                lines.append(f"Not compared, only the {where} has it{at}: λ = {', '.join(f'{x:.3g}' for x in more)}")
    return lines


def describe(first: Results, second: Results) -> list[str]:
    """What each study answers, and the settings in which they differ, a line each."""
    lines = []
    for results in (first, second):
        lines += [f"{results.study.name}, left out: {gap.text()}" for gap in results.gaps]
        found = findings(results)
        for r in found.recommendations:
            answer = found.answer(r)
            lam = r.lam if answer is None else answer.lam
            shown = "no λ yet" if lam is None else f"λ = {lam:.3g}"
            lines.append(f"{results.study.name} ({r.condition}): {shown} ({found.verdict(r)})")
    settings = differences(first, second.study, second.label_sets)
    named = {difference.setting for difference in settings}
    data = [difference for difference in _of_data(first.study, second.study) if difference.setting not in named]
    return [*lines, *(difference.text("the first has", "the second has") for difference in [*data, *settings])]


def _of_data(first: StudyRecord, second: StudyRecord) -> list[Difference]:
    """The settings of the data and of their noise in which two studies differ."""
    found = []
    kinds = [study.section("dataset")["kind"] for study in (first, second)]
    if kinds[0] != kinds[1]:
        found.append(Difference("dataset.kind", *kinds))
    for section in ("dataset", "noise") if kinds[0] == kinds[1] else ("noise",):
        for name in first.section(section):
            if name in second.section(section) and name != "sets":  # label sets are compared by kind and size
                own, theirs = (_values(study, f"{section}.{name}") for study in (first, second))
                if own != theirs:
                    found.append(Difference(f"{section}.{name}", own, theirs))
    return found


def _values(study: StudyRecord, path: str) -> Any:
    """The value of a setting, or the values that it takes where it is a condition."""
    section, _, name = path.partition(".")
    setting = find(study.conditions, path)
    if setting is None:
        return study.section(section)[name]
    condition = study.conditions[setting]
    ends = condition.drawn_from
    return ", ".join(map(str, condition.values)) if ends is None else f"{ends[0]:g} to {ends[1]:g}"


def _nothing_shared(first: Results, second: Results) -> str:
    """Why no λ of two studies can be compared."""
    own, theirs = (list(dict.fromkeys(results.trials["condition"])) for results in (first, second))
    if set(own) & set(theirs):
        return "The studies share no λ."
    names = ["no condition" if names == ["all"] else "; ".join(names) for names in (own, theirs)]
    return f"No λ can be compared, because the conditions differ: the first has {names[0]}, the second has {names[1]}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 where a folder has nothing to compare."""
    parser = argparse.ArgumentParser(prog="fer-tune compare", description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path, help="a results folder")
    parser.add_argument("second", type=Path, help="another results folder")
    options = parser.parse_args(arguments)
    try:
        first, second = load(options.first), load(options.second)
        rows = compared(first, second)
        told = [*not_shared(first, second), as_text(rows)] if rows else [_nothing_shared(first, second)]
        lines = [*describe(first, second), *told]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    print(visible("\n".join(lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
