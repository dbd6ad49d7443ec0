"""`fer-tune annotate`: labels one data set with a network trained on another."""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fer_tune.cli.data import is_study_file
from fer_tune.cli.trained import trial_folder

HELP = """Label one data set with a network trained on another, the way the paper produced its noisy labels.

Writes label files in the target's own format, and prints the lines to add to its study file."""
EPILOG = """examples:
  fer-tune annotate studies/annotator.yaml studies/machine_labels.yaml
  fer-tune annotate results/NAME data/mine                  with the network that the study recommends
  fer-tune annotate results/NAME/trials/KEY data/mine"""


@dataclass(frozen=True)
class AnnotateOptions:
    """The options of `fer-tune annotate`; `add_options` explains each."""

    source: Path
    target: Path
    results: Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add(
        "source",
        type=Path,
        help="a results folder (the network that it recommends), a trial folder, or a study file (YAML): its "
        "multi-task network is trained first",
    )
    add("target", type=Path, help="the data set to label: a study file (YAML), a data folder or a table")
    add("--results", type=Path, default=Path("results"), help="folder to write to (default: results)")


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> AnnotateOptions:
    """The options as given."""
    return AnnotateOptions(namespace.source, namespace.target, namespace.results)


def run(options: AnnotateOptions) -> int:
    """Run the command; return the exit code 0."""
    import yaml
    from rich.console import Console
    from rich.progress import track

    from fer_tune.cli.datasets import named_dataset
    from fer_tune.search.annotator import annotate_dataset, train_annotator
    from fer_tune.search.checkpoint import load_checkpoint
    from fer_tune.study.loading import load_plan

    console = Console(stderr=True)
    target = named_dataset(options.target)  # before the training, which may take hours
    folder = options.source
    if is_study_file(folder):
        show = partial(track, description="training the annotator", console=console)
        folder, accuracy = train_annotator(load_plan(folder), options.results, show)
        console.print(f"annotator: clean test accuracy {accuracy:.3f} on its own data")
    else:
        folder = trial_folder(folder)
    annotation = annotate_dataset(
        load_checkpoint(folder),
        _annotator_name(folder),
        target.spec,
        options.results / "annotations" / target.name,
        partial(track, description="labelling", console=console, transient=True),
    )
    print("\n".join(annotation.differences))
    for name in annotation.kept:
        print(f"{name}: the network does not predict this label set, so the target's own labels are kept")
    print("Add this to the dataset section of the target's study file:")
    print(yaml.safe_dump(dict(annotation.files)).strip())
    return 0


def _annotator_name(folder: Path) -> str:
    """STUDY,KEY of a trial folder; an annotator's own folder is named after its study."""
    place = folder.resolve()
    return f"{place.parent.parent.name},{place.name}" if place.parent.name == "trials" else place.name
