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
from markupsafe import Markup

from fer_tune.analysis import examples, page, recommendation
from fer_tune.analysis.gaps import Gap, Kind, Report, ReportFailed, attempted, explained
from fer_tune.analysis.page_figures import Each
from fer_tune.analysis.reading import NothingToReport
from fer_tune.analysis.results import Results
from fer_tune.analysis.tables import argument_parser, load
from fer_tune.analysis.text import visible
from fer_tune.errors import UserError

WATCH_SECONDS = 5.0  # between looks at whether a running study has new results
DONE, PARTLY_DONE, USER_ERROR = 0, 1, 2  # exit codes, as in `cli.exits`


def write_report(path: Path, formats: Sequence[str] = (), each: Each = map, faces: str | None = None) -> Report:
    """Write the report of a results folder. A part that fails is named, and the rest is written.

    Args:
        path: the results folder.
        formats: further formats of figures, beside PNG and SVG: pdf.
        each: calls a function for every item of a list and returns what they return, as `map` does, or on several
            cores.
        faces: whether the page shows test images, `none` or `few`; None for what the study says.

    Raises NothingToReport where no trial has ended or the tables cannot be read, ReportFailed where not even the page
    can be written.
    """
    try:
        return _written(path, formats, each, faces)
    except (UserError, OSError):
        raise
    except Exception as error:
        raise ReportFailed(f"{path}: the report cannot be written. {explained(error)}.") from error


def _written(path: Path, formats: Sequence[str], each: Each, faces: str | None) -> Report:
    results = load(path)
    results = replace(results, formats=tuple(dict.fromkeys((*results.formats, *formats))), faces=faces)
    target = path / "report"
    shutil.rmtree(target / "figures", ignore_errors=True)
    target.mkdir(exist_ok=True)
    shown = page.content(results, each)
    gaps = [*shown.gaps, *_write_recommendation(path / "recommendation.json", results, shown)]
    failed = [gap.text() for gap in gaps if gap.kind != Kind.ABSENT]
    _render(target, {**shown.values, "wrong": failed})
    return Report(shown.headline, tuple(gaps), tuple(examples.faces_notices(results)))


def _write_recommendation(path: Path, results: Results, shown: page.Content) -> list[Gap]:
    """Write recommendation.json, or remove an old one where there is no recommendation; return the gap that leaves."""
    gaps: list[Gap] = []
    text = None
    if shown.found is not None:
        found = shown.found
        text = attempted("recommendation.json", lambda: recommendation.as_json(results, found), None, gaps)
    if text is None:
        path.unlink(missing_ok=True)
    else:
        _replace(path, text)
    return gaps


def _render(target: Path, shown: dict[str, Any]) -> None:
    """Fill both templates."""
    environment = Environment(
        loader=PackageLoader("fer_tune.analysis"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
    )
    environment.filters["markdown"] = _escape_markdown
    environment.filters["cells"] = lambda row: list(row.values())
    for template, name in (("report.html", "index.html"), ("report.md", "report.md")):
        _replace(target / name, environment.get_template(template).render(shown))


def _replace(path: Path, text: str) -> None:
    """Write a file that somebody may be reading: whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_bytes(text.encode(errors="backslashreplace"))  # in JSON a lone surrogate has such a name
    unfinished.replace(path)


def _escape_markdown(text: object) -> str:
    escaped = visible(text).replace("\\", "\\\\")
    for sign in "|<>`*_[]$~&#":
        escaped = escaped.replace(sign, f"\\{sign}")
    return " ".join(escaped.split())


def watch(path: Path, formats: Sequence[str], faces: str | None = None) -> int:
    """Write the report again whenever a running study has new results, until it is complete; return the exit code.

    Raises NothingToReport where the folder is not a results folder.
    """
    if not (path / "study.json").exists():
        raise NothingToReport(f"{path} is not a results folder: study.json is missing")
    seen: list[int] | None = None
    complete, code = False, DONE
    while not complete:
        stamp = [file.stat().st_mtime_ns for file in (path / "trials.csv", path / "run.json") if file.exists()]
        if stamp != seen:
            seen = stamp
            complete, said, code = _look(path, formats, faces)
            print(f"{time.strftime('%H:%M:%S')} {said}", flush=True)
        if not complete:
            time.sleep(WATCH_SECONDS)
    return code


def _look(path: Path, formats: Sequence[str], faces: str | None) -> tuple[bool, str, int]:
    """Write the report if any trial has ended: whether the study is complete, what to print, the exit code."""
    try:
        complete = load(path).complete  # before writing: what ends meanwhile is reported at the next look
        report = write_report(path, formats, faces=faces)
    except NothingToReport as nothing:
        return False, str(nothing), DONE
    said = f"{path / 'report' / 'index.html'}\n{report.text()}"
    return complete, said, PARTLY_DONE if report.failures else DONE


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
    """Run the command line; return the exit code: 0, 1 where a part is missing, 2 where there is nothing to report."""
    parser = argument_parser(
        "Write the report of a results folder, even while its study still runs.", "fer-tune report"
    )
    parser.add_argument("--watch", action="store_true", help="write it again whenever there are new results")
    parser.add_argument("--faces", choices=("none", "few"), help="whether the page shows test images")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if uri := next((word for word in words if "://" in word), None):
        return _of_remote(uri, words)
    options = parser.parse_args(words)
    formats = options.format or ()
    try:
        if options.watch:
            return watch(options.results, formats, options.faces)
        report = write_report(options.results, formats, faces=options.faces)
        print(f"{report.text()}\n{options.results / 'report' / 'index.html'}")
        return PARTLY_DONE if report.failures else DONE
    except ReportFailed as failed:
        print(failed, file=sys.stderr)
        return PARTLY_DONE
    except UserError as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    except OSError as error:
        print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return DONE


__all__ = ["NothingToReport", "Report", "main", "write_report"]

if __name__ == "__main__":
    sys.exit(main())
