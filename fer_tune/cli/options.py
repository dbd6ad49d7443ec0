"""The options of `fer-tune run`."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from fer_tune.errors import UserError
from fer_tune.results.storage import is_remote


@dataclass(frozen=True)
class RunOptions:
    """The options as given; `add_options` explains each.

    Attributes:
        command: the words that started this command, for the command that resumes it.
    """

    study: Path | None
    repeated: Path | None
    overrides: tuple[str, ...]
    results: str
    resume: bool
    restart: bool
    dry_run: bool
    schema: bool
    cpus: int | None
    address: str | None
    verbose: bool
    command: tuple[str, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("study", type=Path, nargs="?", help="the study file (YAML), or the name of a shipped study such as smoke")
    add("--from", dest="repeated", type=Path, metavar="RESULTS", help="repeat the study of a results folder elsewhere")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting: training.epochs=4")
    add("--results", default="results", help="folder of results folders, or a URI such as s3://bucket/results")
    add("--resume", action="store_true", help="continue the study in its results folder")
    add("--restart", action="store_true", help="delete the study's results folder and start over")
    add("--dry-run", action="store_true", help="print the trials and what they would cost; run nothing")
    add("--schema", action="store_true", help="print the study file's JSON Schema, for editors")
    add("--cpus", type=int, metavar="N", help="use only N of this machine's CPUs (default: all)")
    add("--address", metavar="HOST:PORT", help="join a running Ray cluster; its nodes must share the results folder")
    add("--verbose", action="store_true", help="let Ray print what it does")


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> RunOptions:
    """The options as given."""
    return RunOptions(
        study=namespace.study,
        repeated=namespace.repeated,
        overrides=tuple(namespace.set),
        results=namespace.results,
        resume=namespace.resume,
        restart=namespace.restart,
        dry_run=namespace.dry_run,
        schema=namespace.schema,
        cpus=namespace.cpus,
        address=namespace.address,
        verbose=namespace.verbose,
        command=command,
    )


def check_options(options: RunOptions) -> None:
    """Raise UserError for options that do not fit together."""
    if options.repeated is not None and options.study is not None:
        raise UserError("name a study file or --from, not both")
    if options.study is None and options.repeated is None:
        raise UserError("name a study file, such as studies/lambda_sweep.yaml")
    if options.resume and options.restart:
        raise UserError("--resume and --restart exclude each other")
    if options.cpus is not None and options.address is not None:
        raise UserError("--cpus and --address exclude each other: a cluster has its own CPUs")
    if options.address is not None and is_remote(options.results):
        raise UserError("--address needs a results folder on a disk that the cluster's nodes share, not a URI")
    if options.cpus is not None and options.cpus < 1:
        raise UserError(f"--cpus {options.cpus}: a study needs at least 1")
