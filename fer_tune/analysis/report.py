"""The report: report/index.html (self-contained), report/report.md with its figures, and recommendation.json.

python -m analysis.report results/NAME [--watch]
"""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from fer_tune.analysis import page, recommendation
from fer_tune.analysis.page_figures import Each
from fer_tune.analysis.tables import NothingToReport, argument_parser, load

WATCH_SECONDS = 5.0  # between looks at whether a running study has new results
USER_ERROR = 2


def write_report(path: Path, formats: Sequence[str] = (), each: Each = map) -> str:
    """Write the report of a results folder; return its headline.

    Args:
        path: the results folder.
        formats: further formats of figures, beside PNG and SVG: pdf.
        each: calls a function for every item of a list and returns what they return, as `map` does, or on several
            cores.

    Raises NothingToReport where no trial has ended.
    """
    results = load(path)
    results = replace(results, formats=tuple(dict.fromkeys((*results.formats, *formats))))
    target = path / "report"
    shutil.rmtree(target / "figures", ignore_errors=True)
    target.mkdir(exist_ok=True)
    found = recommendation.findings(results)
    shown = page.content(results, found, each)
    _render(target, shown)
    _replace(path / "recommendation.json", recommendation.as_json(results, found))
    return "\n".join(shown["headline"])


def _render(target: Path, shown: dict[str, Any]) -> None:
    """Fill both templates."""
    environment = Environment(
        loader=PackageLoader("fer_tune.analysis"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = _escape_markdown
    for template, name in (("report.html", "index.html"), ("report.md", "report.md")):
        _replace(target / name, environment.get_template(template).render(shown))


def _replace(path: Path, text: str) -> None:
    """Write a file that somebody may be reading: whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _escape_markdown(text: object) -> str:
    escaped = str(text).replace("\\", "\\\\")
    for sign in "|<>`*_[]":
        escaped = escaped.replace(sign, f"\\{sign}")
    return " ".join(escaped.split())


def watch(path: Path, formats: Sequence[str]) -> None:
    """Write the report again whenever a running study has new results, until it is complete or Ctrl-C.

    Raises NothingToReport where the folder is not a results folder.
    """
    if not (path / "study.json").exists():
        raise NothingToReport(f"{path} is not a results folder: study.json is missing")
    seen: list[int] | None = None
    complete = False
    while not complete:
        stamp = [file.stat().st_mtime_ns for file in (path / "trials.csv", path / "run.json") if file.exists()]
        if stamp != seen:
            seen = stamp
            complete, said = _look(path, formats)
            print(f"{time.strftime('%H:%M:%S')} {said}", flush=True)
        if not complete:
            time.sleep(WATCH_SECONDS)


def _look(path: Path, formats: Sequence[str]) -> tuple[bool, str]:
    """Write the report if any trial has ended: whether the study is complete, and what to print."""
    try:
        complete = load(path).complete  # before writing: what ends meanwhile is reported at the next look
        headline = write_report(path, formats)
    except NothingToReport as nothing:
        return False, str(nothing)
    return complete, f"{path / 'report' / 'index.html'}\n{headline}"


def _of_remote(uri: str, words: Sequence[str]) -> int:
    """Report on results in object storage and write the report there; return the exit code."""
    from fer_tune.results.storage import RemoteError, fetched  # pyarrow is slow to load

    if "--watch" in words:
        print("--watch needs a folder on this machine, not a URI", file=sys.stderr)
        return USER_ERROR
    try:
        with fetched(uri) as folder:
            return main([str(folder) if word == uri else word for word in words])
    except RemoteError as error:
        print(error, file=sys.stderr)
        return USER_ERROR


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 where there is nothing to report."""
    parser = argument_parser(
        "Write the report of a results folder, even while its study still runs.", "fer-tune report"
    )
    parser.add_argument("--watch", action="store_true", help="write it again whenever there are new results")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if uri := next((word for word in words if "://" in word), None):
        return _of_remote(uri, words)
    options = parser.parse_args(words)
    formats = options.format or ()
    try:
        if options.watch:
            watch(options.results, formats)
        else:
            print(f"{write_report(options.results, formats)}\n{options.results / 'report' / 'index.html'}")
    except NothingToReport as nothing:
        print(nothing, file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return 0
    return 0


__all__ = ["NothingToReport", "main", "write_report"]

if __name__ == "__main__":
    sys.exit(main())
