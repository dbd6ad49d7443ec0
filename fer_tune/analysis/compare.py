"""Two studies side by side: what each recommends, and the accuracy of each shared λ, paired by seed.

python -m analysis.compare results/A results/B
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fer_tune.analysis.answer import Difference, differences
from fer_tune.analysis.conditions import noise_condition
from fer_tune.analysis.curves import of_best
from fer_tune.analysis.recommendation import findings
from fer_tune.analysis.tables import Results, as_text, load, with_interval
from fer_tune.analysis.text import visible
from fer_tune.decision.intervals import paired_difference
from fer_tune.errors import UserError


def compared(first: Results, second: Results) -> list[dict[str, str]]:
    """One row a condition and λ that both studies have: test accuracy of each, and the difference.

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
    """What each study recommends, and the settings in which they differ, a line each."""
    lines = []
    for results in (first, second):
        lines += [f"{results.study.name}, left out: {gap.text()}" for gap in results.gaps]
        for r in findings(results).recommendations:
            state = "undecided, so far" if r.undecided else "recommends"
            lines.append(f"{results.study.name} ({r.condition}): {state} λ = {r.lam:.3g}")
    lines += not_shared(first, second)
    found = differences(first, second.study, second.label_sets)
    ratios = [results.study.section("noise")["ratio"] for results in (first, second)]
    if not noise_condition(first) and not noise_condition(second) and ratios[0] != ratios[1]:
        found.insert(0, Difference("noise.ratio", *ratios))
    return [*lines, *(difference.text("the first has", "the second") for difference in found)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 where a folder has nothing to compare."""
    parser = argparse.ArgumentParser(prog="fer-tune compare", description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path, help="a results folder")
    parser.add_argument("second", type=Path, help="another results folder")
    options = parser.parse_args(arguments)
    try:
        first, second = load(options.first), load(options.second)
        rows = compared(first, second)
        lines = [*describe(first, second), as_text(rows) or "The studies share no λ in any condition."]
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
