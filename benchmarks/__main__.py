"""Measures how long training steps and studies take on this machine, and how that scales.

python -m benchmarks
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import around, equivalence, growth, load, pairs, projection, race, reading, report, suspects, workers
from benchmarks.steps import CASES, VARIANTS, bench_steps, bench_updates, top_costs

PARTS = {
    "steps": "the plain and the fast training step (the default)",
    "updates": "both orders of a step's updates, with and without the average of weights (of the default study)",
    "profile": "the most expensive operations of a step",
    "workers": "several trials at once compared with one; the start of a trial",
    "around": "start and stop of a study, compared with Ray Tune and torch alone",
    "growth": "time and memory by image size, width, label sets, images and trials",
    "reading": "decoding images once; memory of trials that share them",
    "load": "studies of very many small trials: seconds for each trial, memory of the driver",
    "report": "time and memory of a report by number of trials",
    "projection": "sweeps over RAF-DB and AffectNet on GPUs: estimated, not measured",
    "race": "simulated races over seeds: how often the rule errs and what it costs",
    "pairs": "the default study's answer on every pair of seeds of finished results folders (FOLDER ...)",
    "suspects": "how well wrong labels are counted and named, on drawn faces or where right labels are known",
    "equivalence": "accuracy of plain, fast and bf16 over paired seeds",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="fer-tune bench", description=__doc__.splitlines()[0])
    add = parser.add_argument
    parts = "; ".join(f"{name}: {what}" for name, what in PARTS.items())
    add("what", nargs="?", default="steps", choices=list(PARTS), help=parts)
    add("folders", nargs="*", type=Path, metavar="FOLDER", help="pairs: results folders of the default study's arms")
    add(
        "--case", action="append", choices=list(CASES), help="steps, updates, profile: only this case (may be repeated)"
    )
    add(
        "--rounds",
        type=int,
        default=5,
        help="steps, updates: timed steps of each variant; around: runs of each (default 5)",
    )
    add("--seeds", type=int, help="equivalence, suspects: how many (default 10 and 2)")
    add("--study", type=Path, help="suspects: the data set of this study file instead of drawn faces")
    add("--workers", type=int, default=2, help="equivalence: runs at once, one core each (default 2)")
    add("--studies", type=int, default=2000, help="race: simulated studies a scenario (default 2000)")
    add("--seed", type=int, default=0, help="race: of the simulation (default 0)")
    add("--figure", type=Path, help="growth, load: also draw it into this PNG")
    add("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if bool(options.folders) != (options.what == "pairs"):
        parser.error("pairs takes one results folder or more, and no other benchmark takes any")
    if options.what in ("steps", "profile", "equivalence") and "fast bf16" not in VARIANTS:
        print("bf16 is left out: this CPU has no native bf16 support", file=sys.stderr)
    tables = _tables(options)
    if options.json:
        print(json.dumps(tables, indent=1, default=float))
    else:
        for title, rows in tables.items():
            _print(rows, title)
    return 0


def _tables(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    cases = options.case or list(CASES)
    if options.what == "profile":
        return {f"{case}, {variant}": top_costs(CASES[case], variant) for case in cases for variant in VARIANTS}
    if options.what == "updates":
        return {"updates": bench_updates(options.case or ["default study"], options.rounds)}
    if options.what == "growth":
        parts = (growth.by_model, growth.by_concurrency, growth.by_images, growth.by_trials)
        tables = {part.__name__.replace("_", " "): list(part()) for part in parts}
        if options.figure:
            growth.draw([row for rows in tables.values() for row in rows], options.figure)
        return tables
    if options.what == "workers":
        return {part.__name__.replace("_", " "): list(part()) for part in (workers.by_workers, workers.trial_starts)}
    if options.what == "around":
        return {"around the trials": list(around.start_and_stop(options.rounds))}
    if options.what == "reading":
        return {part.__name__.replace("_", " "): list(part()) for part in (reading.reading, reading.label_rows)}
    if options.what == "report":
        return {"report, made-up results": list(report.by_trials())}
    if options.what == "load":
        return {"load": list(load.by_trials(figure=options.figure))}
    if options.what == "projection":
        return {"projection": list(projection.project())}
    if options.what == "race":
        return race.tables(options.studies, options.seed)
    if options.what == "pairs":
        return pairs.tables(options.folders)
    if options.what == "suspects":
        rows = suspects.of_study(options.study) if options.study else suspects.drawn_faces(options.seeds or 2)
        return {"suspects": list(rows)}
    if options.what == "equivalence":
        return {"equivalence": equivalence.measure(range(300, 300 + (options.seeds or 10)), options.workers)}
    return {"steps": bench_steps(cases, options.rounds)}


def _print(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    table = Table(title=title, title_justify="left")
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        table.add_column(name.replace("_", " "), justify="left" if isinstance(rows[-1].get(name), str) else "right")
    for row in rows:
        cells = (row.get(name, "") for name in names)
        table.add_row(*(cell if isinstance(cell, str) else f"{cell:,.4g}" for cell in cells))
    Console(width=160).print(table)


if __name__ == "__main__":
    sys.exit(main())
