"""`fer-tune run`: runs a study and reports on it."""

import argparse
from dataclasses import dataclass
from pathlib import Path

HELP = """Run all trials of a study, then write its tables and the report with the recommended lambda.

Ctrl-C stops a study cleanly. The same command with --resume continues it without repeating a finished epoch."""
EPILOG = """examples:
  fer-tune run smoke                              runs every part once, under 90 seconds
  fer-tune run studies/lambda_sweep.yaml          the default study
  fer-tune run my_study.yaml --dry-run            show what it would run and cost
  fer-tune run my_study.yaml --set training.epochs=60 --set 'seeds=[0, 1, 2]'
  fer-tune run my_study.yaml --within 2h          stop within 2 hours with the best answer so far
  fer-tune run my_study.yaml --extend 1.5         train the leaders of a finished study for half as long again
  fer-tune run my_study.yaml --resume             continue after Ctrl-C, a crash or a full disk"""


@dataclass(frozen=True)
class RunOptions:
    """The options as given; `add_options` explains each.

    Attributes:
        extend: train the leaders of a finished study for so many times its epochs.
        epochs: train the leaders of a finished study to so many epochs.
        within: what the run may spend, as given: 2h, 300epochs, 12trials.
        notify: a shell command to run at the end.
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
    extend: float | None
    epochs: int | None
    within: str | None
    cpus: int | None
    address: str | None
    verbose: bool
    notify: str | None
    command: tuple[str, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("study", type=Path, nargs="?", help="the study file (YAML), or the name of a shipped study such as smoke")
    add(
        "--from",
        dest="repeated",
        type=Path,
        metavar="RESULTS",
        help="repeat the study that a results folder records; choose another --results",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting of the study file, such as training.epochs=4; may be repeated",
    )
    add(
        "--results",
        default="results",
        help="parent folder for results (default: results), or a URI such as s3://bucket/results",
    )
    add("--resume", action="store_true", help="continue the study in its results folder")
    add("--restart", action="store_true", help="delete the study's results folder and start over")
    add("--dry-run", action="store_true", help="print the trials and their estimated cost; run nothing")
    add("--schema", action="store_true", help="print the study file's JSON Schema, for editors")
    longer = parser.add_mutually_exclusive_group()
    longer.add_argument(
        "--extend",
        type=float,
        metavar="FACTOR",
        help="train the lambdas that a finished race left over up to FACTOR times its epochs, on the same seeds and "
        "from the states they ended with; only the added epochs are run",
    )
    longer.add_argument("--epochs", type=int, metavar="N", help="the same as --extend, up to N epochs")
    add(
        "--within",
        metavar="BUDGET",
        help="spend at most so much in this run, then answer with what there is: 90s, 30min, 2h, 1d, 300epochs or "
        "12trials. What is not finished is kept, and --resume continues it",
    )
    add("--cpus", type=int, metavar="N", help="use only N of this machine's CPUs (default: all)")
    add("--address", metavar="HOST:PORT", help="join a running Ray cluster; its nodes must share the results folder")
    add("--verbose", action="store_true", help="show Ray's own messages")
    add(
        "--notify",
        metavar="COMMAND",
        help="run this shell command when the study ends, with FER_TUNE_STUDY, FER_TUNE_RESULTS, FER_TUNE_ANSWER and "
        "FER_TUNE_EXIT_CODE in its environment: to send mail or a message",
    )


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
        extend=namespace.extend,
        epochs=namespace.epochs,
        within=namespace.within,
        cpus=namespace.cpus,
        address=namespace.address,
        verbose=namespace.verbose,
        notify=namespace.notify,
        command=command,
    )


def run(options: RunOptions) -> int:
    """Run the command; return the exit code: 0, 1 where trials failed or there is no report, 130 when interrupted.

    Raises UserError.
    """
    from fer_tune.cli.study_run import run_study

    return run_study(options)
