"""What `fer-tune recommend` says: which lambda for another noise ratio or a new data set, from a finished study."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.console import Console

from fer_tune.cli.data import is_study_file
from fer_tune.cli.datasets import named_dataset
from fer_tune.cli.recommend import RecommendOptions
from fer_tune.data.loading import load_data
from fer_tune.errors import UserError
from fer_tune.names import completed
from fer_tune.results.files import read_json
from fer_tune.study.loading import load_plan
from fer_tune.study.plan import make_plan, resolved
from fer_tune.study.schema import Study

if TYPE_CHECKING:
    from fer_tune.analysis.tables import Results
    from fer_tune.training.noise_estimate import NoiseEstimate


def advice(options: RecommendOptions) -> list[str]:
    """What to say, line by line. Raises UserError."""
    from fer_tune.analysis.tables import load

    results = load(options.results)
    found = _for_ratio(results, options) if options.data is None else _for_data(results, options, options.data)
    return [*found, *(f"Left out: {gap.text()}" for gap in results.gaps)]


def _for_ratio(results: "Results", options: RecommendOptions) -> list[str]:
    from fer_tune.analysis.answer import answer
    from fer_tune.analysis.recommendation import findings

    assert options.noise_ratio is not None
    return [answer(results, findings(results), options.noise_ratio, options.noise_kind).text()]


def _for_data(results: "Results", options: RecommendOptions, data: Path) -> list[str]:
    from fer_tune.analysis.answer import answer, differences
    from fer_tune.analysis.recommendation import findings
    from fer_tune.analysis.study_record import StudyRecord

    own = _finished(results.path)
    asked = _asked(own, data)
    label_sets = [[s.kind, s.size] for s in asked.dataset.label_sets]
    if different := differences(results, StudyRecord.of(resolved(asked)), label_sets):
        named = [f"- {difference.text('this study has', 'yours has')}" for difference in different]
        return ["No evidence: this study's λ was found for other settings.", *named]
    estimate = _estimate(asked)
    lines = [
        f"Estimated share of wrong labels: {estimate.ratio:.2f} ({estimate.low:.2f} to {estimate.high:.2f}), by "
        f"{estimate.method}.",
    ]
    kind = options.noise_kind or (asked.noise.kind if is_study_file(data) else None)
    between = (estimate.low, estimate.high)
    lines.append(answer(results, findings(results), estimate.ratio, kind, between).text())
    if kind is None:
        lines.append(f"Caution: the study's noise is {own.noise.kind}; the kind of noise in your labels is unknown.")
    if asked.dataset.kind != own.dataset.kind:
        lines.append(
            f"Caution: the study ran on a data set of kind {own.dataset.kind}; yours is of kind {asked.dataset.kind}."
        )
    return [*lines, "The answer holds only for the study's settings: train with these."]


def _finished(results: Path) -> Study:
    """The study of a results folder. Raises UserError where this version of fer-tune cannot read it."""
    try:
        return Study.model_validate(completed(read_json(results / "study.json")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{results / 'study.json'}: {where}: {first['msg']}. This fer-tune cannot read the study: use the version "
            "that ran it, or --noise-ratio"
        ) from None


def _asked(own: Study, data: Path) -> Study:
    """The user's study; for a data folder, the finished study's settings with that data and no noise added.

    It is only expanded into trials once its settings are known to be those of the finished study.
    """
    if is_study_file(data):
        return load_plan(data).study
    spec = named_dataset(data).spec
    if "image_size" in type(spec).model_fields:
        spec = type(spec).model_validate({**spec.model_dump(), "image_size": own.dataset.image_size})
    noise = own.noise.model_copy(update={"ratio": 0.0, "ratios": {}})
    return own.model_copy(update={"dataset": spec, "noise": noise})


def _estimate(asked: Study) -> "NoiseEstimate":
    """Estimate the noise of the labels that the user's first trial would train on."""
    from fer_tune.training.noise_estimate import estimate_noise

    config = make_plan(asked).cells[0].typical()
    data = load_data(config.dataset, config.noise, config.seed)
    with Console(stderr=True).status("reading") as status:
        return estimate_noise(data, config.model, config.training, config.seed, status.update)
