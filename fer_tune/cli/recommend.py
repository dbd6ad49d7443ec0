"""Which lambda for another noise ratio or a new data set, from a study that has run.

python -m fer_tune.recommend results/NAME --noise-ratio 0.3
python -m fer_tune.recommend results/NAME --data STUDY-or-FOLDER
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from fer_tune.analysis.answer import answer, differences
from fer_tune.analysis.recommendation import findings
from fer_tune.analysis.tables import NothingToReport, Results, load
from fer_tune.cli.data import named_dataset
from fer_tune.data.errors import DataError
from fer_tune.data.loading import load_data
from fer_tune.data.noise import NoiseSpec
from fer_tune.study.errors import StudyError
from fer_tune.study.loading import load_study
from fer_tune.study.schema import Study
from fer_tune.training.noise_estimate import EstimateError, NoiseEstimate, estimate_noise

USER_ERROR = 2


class QuestionError(ValueError):
    """A question that cannot be put so."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, also for "no evidence", or 2 for a mistake."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        if (options.noise_ratio is None) == (options.data is None):
            raise QuestionError("give either --noise-ratio, such as 0.3, or --data with a study file or a data folder")
        if options.noise_ratio is not None and not 0 <= options.noise_ratio < 1:
            raise QuestionError(f"--noise-ratio {options.noise_ratio:g}: a share of labels, from 0 to less than 1")
        results = load(options.results)
        print(_reply(results, options, console))
    except (QuestionError, EstimateError, NothingToReport, StudyError, DataError, OSError) as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fer_tune.recommend", description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="a results folder, such as results/noise_kinds")
    parser.add_argument("--noise-ratio", type=float, metavar="R", help="share of wrong labels, within what was studied")
    parser.add_argument("--noise-kind", metavar="KIND", help="where the study has several: symmetric, instance, ...")
    parser.add_argument(
        "--data", type=Path, help="a study file (YAML), data folder or manifest: its noise is estimated"
    )
    return parser


def _reply(results: Results, options: argparse.Namespace, console: Console) -> str:
    found = findings(results)
    if options.data is None:
        return answer(results, found, options.noise_ratio, options.noise_kind).text()
    own = Study.model_validate_json((results.path / "study.json").read_text(encoding="utf-8"))
    asked = _asked(own, options.data)
    label_sets = [[s.kind, s.size] for s in asked.dataset.label_sets]
    if different := differences(results, json.loads(asked.model_dump_json(by_alias=True)), label_sets):
        return "\n".join(["No evidence: this study's λ was found for other settings.", *(f"- {d}" for d in different)])
    estimate = _estimate(asked, console)
    lines = [
        f"Estimated share of wrong labels: {estimate.ratio:.2f} (it may be {estimate.low:.2f} to {estimate.high:.2f}), "
        f"by {estimate.method}.",
    ]
    kind = options.noise_kind or (asked.noise.kind if options.data.suffix in (".yaml", ".yml") else None)
    lines.append(answer(results, found, estimate.ratio, kind, (estimate.low, estimate.high)).text())
    if kind is None:
        lines.append(f"Caution: of which kind your labels' noise is, is not known; the study's is {own.noise.kind}.")
    if asked.dataset.kind != own.dataset.kind:
        lines.append(f"Caution: the study's images are of kind {own.dataset.kind}, yours of kind {asked.dataset.kind}.")
    lines.append("Train with the study's settings: the answer holds for those.")
    return "\n".join(lines)


def _asked(own: Study, data: Path) -> Study:
    """The asker's study; of a data folder, the finished study's settings with that data."""
    if data.suffix in (".yaml", ".yml"):
        return load_study(data)
    _, spec, _ = named_dataset(data)
    if "image_size" in type(spec).model_fields:
        spec = type(spec).model_validate({**spec.model_dump(), "image_size": own.dataset.image_size})
    return own.model_copy(update={"dataset": spec, "noise": NoiseSpec(kind=own.noise.kind)})


def _estimate(asked: Study, console: Console) -> NoiseEstimate:
    """Estimate the noise of the labels that the asker's first trial would train on."""
    config: Any = asked.trial_config(asked.cells()[0], _middle(asked), asked.seeds[0])
    data = load_data(config.dataset, config.noise, config.seed)
    with console.status("reading") as status:
        return estimate_noise(data, config.model, config.training, config.seed, status.update)


def _middle(study: Study) -> dict[str, float]:
    return {name: (d.range or (0.0,))[0] for name, d in study.cells()[0].space.items()}


if __name__ == "__main__":
    sys.exit(main())
