"""Which rules that choose λ carry over to images that look different from those that they were set up on.

python -m analysis.domains results/domains
python -m analysis.domains results/A results/B --csv cases.csv
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from fer_tune.analysis.results import Results
from fer_tune.analysis.rules import readings
from fer_tune.analysis.study_record import column
from fer_tune.analysis.tables import as_text, load, with_interval
from fer_tune.analysis.text import visible
from fer_tune.decision.transfer import Case, cases, summary
from fer_tune.errors import UserError

FEWEST_CASES = 6  # below, the text says that they are few


class NoDomains(UserError):
    """The results folders have no two domains, or nothing that scores a choice in them."""


def with_domains(every: Sequence[Results]) -> pd.DataFrame:
    """What rules read of the trials of several folders (`rules.readings`), with the column domain.

    A domain is one look of drawn faces, or the folder or table of other data. Conditions are named by it and by what
    else they vary; the same condition of the same domain in two folders stays two conditions.
    """
    tables = []
    for results in every:
        best = readings(results)
        best = best.assign(domain=[_domain(results, trial) for trial in best.to_dict("records")])
        if len(every) > 1:
            best["condition"] = f"{results.study.name}: " + best["condition"].astype(str)
        tables.append(best)
    return pd.concat(tables, ignore_index=True)


def _domain(results: Results, trial: dict[Any, Any]) -> str:
    """The domain of one trial, in a few words."""
    dataset = dict(results.study.section("dataset"))
    for setting in results.study.conditions:
        if setting.section == "dataset":
            dataset[setting.key] = trial[column(setting)]
    if dataset["kind"] == "synthetic":
        return str(dataset["domain"])
    return f"{dataset['kind']} {dataset.get('file') or dataset.get('folder')}"


def table(found: Sequence[Case]) -> list[dict[str, str]]:
    """What each rule loses, as table rows: on average, at worst, and in each domain."""
    frame = summary(found)
    nan = float("nan")
    domains = [name for name in frame if name not in ("needs", "cases", "regret", "low", "high", "worst")]
    return [
        {
            "rule": str(name),
            "needs": str(line["needs"]),
            "mean regret": with_interval(line["regret"], line["low"], line["high"]),
            "worst": f"{line['worst']:.3f}",
            "cases": str(line["cases"]),
            **{f"in {domain}": with_interval(line[domain], nan, nan) for domain in domains},
        }
        for name, line in frame.to_dict("index").items()
    ]


def show(every: Sequence[Results]) -> tuple[str, list[Case]]:
    """The table as text, headed by what it rests on, and its cases. Raises NoDomains."""
    best = with_domains(every)
    domains = list(dict.fromkeys(best["domain"]))
    if len(domains) < 2:
        raise NoDomains(
            f"all trials are of one domain ({domains[0]}): give results folders of several, or a study with the "
            "condition dataset.domain, such as the shipped study domains"
        )
    found = cases(best)
    if not found:
        raise NoDomains("nothing scores a choice: it needs two seeds, two λs and labels of the test split")
    count = len({(case.domain, case.condition) for case in found})
    few = f" Fewer than {FEWEST_CASES} cases say little." if count < FEWEST_CASES else ""
    head = (
        f"{count} cases (domain × condition) in {len(domains)} domains: {', '.join(domains)}. Each rule is set up on "
        "the other domains, chooses in this one, and is scored on a seed that had no part in either. Intervals are "
        f"over cases; cases of one domain share their images, so they are somewhat too narrow.{few}"
    )
    return f"{head}\n{as_text(table(found))}", found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 where there is nothing to compare."""
    parser = argparse.ArgumentParser(prog="python -m analysis.domains", description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+", help="results folders of finished studies")
    parser.add_argument("--csv", type=Path, help="also write every rule's choice in every case to this file")
    options = parser.parse_args(arguments)
    try:
        every = [load(path) for path in options.results]
        for gap in (gap for results in every for gap in results.gaps):
            print(gap.text(), file=sys.stderr)
        text, found = show(every)
        if options.csv:
            _write(options.csv, found)
        print(visible(text))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def _write(path: Path, found: Sequence[Case]) -> None:
    rows = [{**asdict(case), "lams": " ".join(f"{lam:g}" for lam in case.lams)} for case in found]
    pd.DataFrame(rows).to_csv(path, index=False)


if __name__ == "__main__":
    sys.exit(main())
