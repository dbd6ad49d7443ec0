"""`fer-tune data`: checks a data set before anything trains on it, and exports a study's noisy labels."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HELP = """Check every row and every image of a data set, count its classes, draw a sheet of its faces, and draft the
dataset section of a study file.

`fer-tune data export-labels STUDY` instead writes the exact noisy labels that a study trains on."""
EPILOG = """examples:
  fer-tune data data/mine                  a folder of images with a CSV table of labels
  fer-tune data data/mine --draft mine.yaml  the same, and write a study of it that runs as it is
  fer-tune data data/RAF-DB                a known data set, recognised by its files
  fer-tune data my_study.yaml              the data set of a study
  fer-tune data data/mine --near-duplicates    also pairs of images that are nearly equal
  fer-tune data data/mine --suspects       also the labels that are probably wrong, worst first
  fer-tune data data/photos --crop-faces   instead a table with the box of each face
  fer-tune data export-labels my_study.yaml"""
EXPORT = "export-labels"
STUDY_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class DataOptions:
    """The options of `fer-tune data`; `add_options` explains each."""

    what: Path
    export_labels: bool
    draft: Path | None
    answers: tuple[str, ...]
    results: Path
    near_duplicates: bool = False
    crop_faces: bool = False
    suspects: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.usage = (
        f"{parser.prog} [--results FOLDER] [--draft FILE] [--answer LINE] [--near-duplicates] [--suspects] "
        f"[--crop-faces] [{EXPORT}] WHAT"
    )
    parser.add_argument(
        "what", type=Path, metavar="WHAT", help="a data folder, a table (CSV or Parquet), or a study file (YAML)"
    )
    parser.add_argument(f"--{EXPORT}", action="store_true", help=argparse.SUPPRESS)  # what `as_options` makes of it
    parser.add_argument(
        "--draft",
        type=Path,
        metavar="FILE",
        help="also write a study of the data set that runs as it is (a new YAML file)",
    )
    parser.add_argument(
        "--answer", action="append", default=[], metavar="LINE",
        help='which reading is right where several are possible, such as "range: [-10, 10]"; may be given again',
    )  # fmt: skip
    parser.add_argument(
        "--near-duplicates",
        action="store_true",
        help="also look for images that are nearly equal: scaled, compressed again, slightly cropped, mirrored ...",
    )
    parser.add_argument(
        "--suspects",
        action="store_true",
        help="also say how many labels of training and validation are probably wrong, and write a table of them",
    )
    parser.add_argument(
        "--crop-faces",
        action="store_true",
        help="instead look for the faces in photographs, and write a table with their boxes (needs fer-tune[faces])",
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder to write to (default: results)")


def as_options(words: Sequence[str]) -> list[str]:
    """The words of a command line, `export-labels` as an option: it may then stand before other options."""
    return [f"--{EXPORT}" if word == EXPORT else word for word in words]


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> DataOptions:
    """The options as given."""
    return DataOptions(
        what=namespace.what,
        export_labels=namespace.export_labels,
        draft=namespace.draft,
        answers=tuple(namespace.answer),
        results=namespace.results,
        near_duplicates=namespace.near_duplicates,
        crop_faces=namespace.crop_faces,
        suspects=namespace.suspects,
    )


def run(options: DataOptions) -> int:
    """Run the command; return the exit code 0. Raises UserError."""
    from fer_tune.cli.datasets import check_dataset, export_study_labels

    return export_study_labels(options) if options.export_labels else check_dataset(options)


def is_study_file(path: Path) -> bool:
    """Whether a path names a study file by its suffix."""
    return path.suffix in STUDY_SUFFIXES
