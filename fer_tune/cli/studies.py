"""`fer-tune studies`: the study files that come with fer-tune."""

import argparse
from dataclasses import dataclass

HELP = "List the study files that come with fer-tune and the question that each answers, or print one of them."
EPILOG = """examples:
  fer-tune studies
  fer-tune studies new_dataset > my_study.yaml"""


@dataclass(frozen=True)
class StudiesOptions:
    """The options of `fer-tune studies`."""

    name: str | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("name", nargs="?", help="print this study file; redirect it into a file to start your own")


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> StudiesOptions:
    """The options as given."""
    return StudiesOptions(namespace.name)


def run(options: StudiesOptions) -> int:
    """Run the command; return the exit code 0. Raises StudyError for an unknown name."""
    from fer_tune.study.shipped import question, shipped_studies, shipped_study

    shipped = shipped_studies()
    if options.name is None:
        width = max(map(len, shipped))
        for name, path in shipped.items():
            print(f"{name:<{width}}  {question(path)}")
        return 0
    print(shipped_study(options.name).read_text(encoding="utf-8"), end="")
    return 0
