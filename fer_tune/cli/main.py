"""`fer-tune` and its sub-commands."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from fer_tune.cli import data
from fer_tune.cli.exits import INTERRUPTED, USER_ERROR
from fer_tune.errors import UserError
from fer_tune.system.output import is_closed, never_fail_to_print, quiet_when_closed
from fer_tune.system.surroundings import provide_home

COMMANDS = {  # each is a module of this room with HELP, EPILOG, add_options, read_options and run
    "run": "run a study and report on it",
    "report": "write the report of a results folder",
    "recommend": "recommend a lambda for another noise ratio or a new data set",
    "compare": "compare two studies",
    "data": "check a data set and draft its dataset section",
    "predict": "label images with a trained network, or export it",
    "annotate": "label a data set with a network trained on another",
    "studies": "list the study files that come with fer-tune, or print one",
    "bench": "measure how long a step and a study take on this machine",
    "completion": "print a shell completion script",
}
EXAMPLES = """examples:
  fer-tune run lambda_sweep                   run the default study (about 10 minutes on 2 cores)
  fer-tune run my_study.yaml --dry-run        show what a study would run and cost
  fer-tune data data/mine                     check your images and labels
  fer-tune recommend results/noise_kinds --noise-kind symmetric --noise-ratio 0.3"""


def parser() -> argparse.ArgumentParser:
    """The parser of `fer-tune` with all its sub-commands."""
    top = argparse.ArgumentParser(
        prog="fer-tune",
        description="Choose lambda, the weight of the joint loss, for training on a face data set with noisy labels.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"fer-tune {_version()}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        module = _module(name)
        command = commands.add_parser(
            name,
            help=summary,
            description=module.HELP,
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=name != "bench",  # the benchmarks have options and a help text of their own
            prefix_chars="+" if name == "bench" else "-",  # so that all of them are passed on
        )
        module.add_options(command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `fer-tune`; return the exit code."""
    _prepare_process()
    words = sys.argv[1:] if arguments is None else arguments
    with quiet_when_closed():
        namespace = parser().parse_args(data.as_options(words))
        module = _module(namespace.command)
        return guarded(lambda: module.run(module.read_options(namespace, ("fer-tune", namespace.command))))


def door(command: str) -> Callable[..., int]:
    """The `main` of `python -m fer_tune.COMMAND`, the same as `fer-tune COMMAND`."""

    def door_main(arguments: Sequence[str] | None = None) -> int:
        module = _module(command)
        words = ("python", "-m", f"fer_tune.{command}")
        single = argparse.ArgumentParser(
            prog=" ".join(words),
            description=module.HELP,
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_options(single)
        _prepare_process()
        given = sys.argv[1:] if arguments is None else arguments
        with quiet_when_closed():
            namespace = single.parse_args(data.as_options(given))
            return guarded(lambda: module.run(module.read_options(namespace, words)))

    return door_main


def guarded(command: Callable[[], int]) -> int:
    """Run a command; print what the user can change as one message, and return the exit code.

    Raises BrokenPipeError where standard output is closed.
    """
    try:
        return command()
    except (UserError, ChildProcessError) as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    except OSError as error:
        if isinstance(error, BrokenPipeError) and is_closed():
            raise
        named = f"{error.filename}: " if error.filename else ""
        print(f"{named}{error.strerror or error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


def _prepare_process() -> None:
    """Make up for what this process may lack: an encoding for every character, a home folder."""
    never_fail_to_print()
    provide_home()


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"fer_tune.cli.{command}")


def _version() -> str:
    try:
        return version("fer-tune")
    except PackageNotFoundError:
        return "(not installed)"
