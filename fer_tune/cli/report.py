"""`fer-tune report`: writes the report of a results folder."""

import argparse
from dataclasses import dataclass

HELP = "Write the report of a results folder. For a running study, it uses the trials finished so far."
EPILOG = """examples:
  fer-tune report results/lambda_sweep
  fer-tune report results/lambda_sweep --watch             follow a running study
  fer-tune report results/lambda_sweep --format pdf        also write figures for a paper
  fer-tune report results/mine --faces few                 show test faces on which methods disagree
  fer-tune report s3://bucket/results/lambda_sweep"""
FORMATS = ("png", "svg", "pdf")
FACES = ("none", "few")


@dataclass(frozen=True)
class ReportOptions:
    """The options of `fer-tune report`; `add_options` explains each."""

    results: str
    formats: tuple[str, ...]
    watch: bool
    faces: str | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("results", help="a results folder such as results/lambda_sweep, or the URI of one")
    add("--format", action="append", choices=FORMATS, help="also write figures in this format (may be repeated)")
    add(
        "--faces",
        choices=FACES,
        help="whether the page shows a few test images on which methods disagree, which may be faces of people "
        "(default: as report.faces in the study file says; without it few for drawn faces, none for other data)",
    )
    add("--watch", action="store_true", help="rewrite the report whenever a running study has new results")


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> ReportOptions:
    """The options as given."""
    return ReportOptions(namespace.results, tuple(namespace.format or ()), namespace.watch, namespace.faces)


def run(options: ReportOptions) -> int:
    """Run the command; return the exit code."""
    from fer_tune.analysis.report import main

    words = [option for name in options.formats for option in ("--format", name)]
    words += ["--faces", options.faces] if options.faces else []
    return main([options.results, *words, *(["--watch"] if options.watch else [])])
