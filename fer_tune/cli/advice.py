"""What `fer-tune recommend` says: which lambda for another noise ratio or a new data set, from a finished study."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from rich.console import Console

from fer_tune.cli.data import is_study_file
from fer_tune.cli.datasets import CHECKS, is_drawn, named_dataset
from fer_tune.cli.recommend import RecommendOptions
from fer_tune.data.errors import DataError
from fer_tune.data.labels import first_categorical
from fer_tune.data.loading import dataset_digest, load_data
from fer_tune.errors import UserError
from fer_tune.names import completed
from fer_tune.results.files import read_json
from fer_tune.study.cost import plan_core_seconds
from fer_tune.study.loading import load_plan
from fer_tune.study.plan import make_plan, resolved
from fer_tune.study.schema import Study, TrialConfig

if TYPE_CHECKING:
    from fer_tune.analysis.answer import Answer
    from fer_tune.analysis.recommendation import Findings
    from fer_tune.analysis.results import Results
    from fer_tune.training.noise_estimate import NoiseEstimate

SHARE_OF_STUDY = 0.1  # of the study's seconds: what an estimate of the noise takes at most
LEAST_IMAGES, QUICK_IMAGES = 500, 2000  # for an estimate: at least, and with --quick
ONLY_THESE_SETTINGS = "The answer holds only for the study's settings: train with these."


@dataclass(frozen=True)
class _Asked:
    """What the user asks about.

    Attributes:
        study: the user's study; of a data folder the finished study's settings with that data and no noise added.
        is_own: whether the data are those of the finished study.
        reads_alike: whether the data were read by the finished study's own dataset section.
        names_noise: whether the user said which noise is added: in a study file.
    """

    study: Study
    is_own: bool
    reads_alike: bool
    names_noise: bool


def advice(options: RecommendOptions) -> list[str]:
    """What to say, line by line. Raises UserError."""
    from fer_tune.analysis.recommendation import findings
    from fer_tune.analysis.tables import load

    results = load(options.results)
    found = findings(results)
    if options.data is None:
        said = _for_ratio(results, found, options)
    else:
        said = _for_data(results, found, options, options.data)
    return [*said, *(f"Left out: {gap.text()}" for gap in results.gaps)]


def _for_ratio(results: "Results", found: "Findings", options: RecommendOptions) -> list[str]:
    from fer_tune.analysis.answer import answer

    assert options.noise_ratio is not None
    return [answer(results, found, options.noise_ratio, options.noise_kind).text()]


def _for_data(results: "Results", found: "Findings", options: RecommendOptions, data: Path) -> list[str]:
    from fer_tune.analysis.answer import answer, answer_as_given, differences, knows_noise, refusal
    from fer_tune.analysis.study_record import StudyRecord

    own = _finished(results.path)
    asked = _asked(results, own, data)
    label_sets = [[s.kind, s.size] for s in asked.study.dataset.label_sets]
    if different := differences(results, StudyRecord.of(resolved(asked.study)), label_sets):
        named = [f"- {difference.text('this study has', 'yours has')}" for difference in different]
        return ["No evidence: this study's λ was found for other settings.", *named]
    plan = make_plan(asked.study)
    config = plan.cells[0].typical()
    added = config.noise.ratio_of(first_categorical(config.dataset.label_sets))
    kind = options.noise_kind or (config.noise.kind if asked.names_noise and added else None)
    if asked.is_own:
        return ["These are the study's own data.", *_told(answer_as_given(results, found, added, kind))]
    if not knows_noise(results) and not added and _labelled_alike(results, asked):
        alike = (
            "Caution: these are not the study's data, but they have the same label sets. The answer assumes that their "
            "labels are as noisy as the study's."
        )
        return _told(answer_as_given(results, found), [alike])
    if (refused := refusal(results, found, kind)) is not None:
        return [refused.text()]
    if is_drawn(config.dataset):
        return _told(answer(results, found, added, kind), _cautions(own, asked, kind))
    estimate = _estimate(config, options, plan_core_seconds(plan))
    return [
        f"Estimated share of wrong labels: {estimate.ratio:.2f} ({estimate.low:.2f} to {estimate.high:.2f}), by "
        f"{estimate.method}.",
        *_told(
            answer(results, found, estimate.ratio, kind, (estimate.low, estimate.high)), _cautions(own, asked, kind)
        ),
    ]


def _told(reply: "Answer", cautions: Sequence[str] = ()) -> list[str]:
    """An answer with what limits it; nothing limits no evidence."""
    return [reply.text()] if reply.lam is None else [reply.text(), *cautions, ONLY_THESE_SETTINGS]


def _cautions(own: Study, asked: _Asked, kind: str | None) -> list[str]:
    """In what the user's data may differ from the study's, a sentence each."""
    said = []
    if kind is None and not asked.names_noise:
        said.append(f"Caution: the study's noise is {own.noise.kind}; the kind of noise in your labels is unknown.")
    mine, theirs = asked.study.dataset.kind, own.dataset.kind
    if mine != theirs:
        said.append(f"Caution: the study ran on a data set of kind {theirs}; yours is of kind {mine}.")
    return said


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


def _asked(results: "Results", own: Study, data: Path) -> _Asked:
    """What the user asks about. Raises UserError.

    It is only expanded into trials once its settings are known to be those of the finished study.
    """
    if is_study_file(data):
        study = load_plan(data).study
        return _Asked(study, _is_own(results, own, study.dataset), study.dataset.kind == own.dataset.kind, True)
    digest, spec = _read_alike(own.dataset, data)
    reads_alike = spec is not None
    if spec is None:
        spec = named_dataset(data).spec
        if "image_size" in type(spec).model_fields:
            spec = type(spec).model_validate({**spec.model_dump(), "image_size": own.dataset.image_size})
    noise = own.noise.model_copy(update={"ratio": 0.0, "ratios": {}})
    study = own.model_copy(update={"dataset": spec, "noise": noise})
    return _Asked(study, digest in results.environment.digests, reads_alike, False)


def _is_own(results: "Results", own: Study, spec: Any) -> bool:
    """Whether a study file's data are those of the finished study: drawn from the same settings, or the same files."""
    if spec.kind == "synthetic":
        return any(spec == cell.at(min).dataset for cell in make_plan(own).cells)
    with Console(stderr=True).status("reading your data"):
        return dataset_digest(spec) in results.environment.digests


def _read_alike(own: Any, data: Path) -> tuple[str, Any | None]:
    """The digest of the user's data and their settings, read as the finished study reads its own; None if they differ.

    A guess at what the columns of a table are is only made for data that the study cannot read.
    """
    if own.kind == "manifest" and own.file is None:
        return "", None
    if own.kind == "manifest":
        file = data / Path(own.file).name if data.is_dir() else data
        spec = own.model_copy(update={"file": str(file), "folder": None if data.is_dir() else own.folder})
    elif own.kind == "synthetic" or not data.is_dir():
        return "", None
    else:
        file, spec = data, own.model_copy(update={"folder": str(data)})
    if not file.exists():
        return "", None
    try:
        with Console(stderr=True).status("reading your data"):
            return dataset_digest(spec), spec
    except DataError:
        return "", None


def _labelled_alike(results: "Results", asked: _Asked) -> bool:
    """Whether other data have the study's kind and classes, so that their labels may be as noisy."""
    named = {s.name: s.names for s in asked.study.dataset.label_sets if s.kind == "categorical"}
    return asked.reads_alike and named == results.classes


def _estimate(config: TrialConfig, options: RecommendOptions, study_seconds: float) -> "NoiseEstimate":
    """Estimate the noise of the labels that the user's first trial would train on, after saying what that costs.

    It takes at most SHARE_OF_STUDY of the study's own seconds, or a quick look at QUICK_IMAGES images.
    """
    from fer_tune.cli.held_out import scores_of
    from fer_tune.training.held_out import images_within
    from fer_tune.training.noise_estimate import annotators_disagree, check_labels, estimate_noise

    with Console(stderr=True).status("reading your data"):
        data = load_data(config.dataset, config.noise, config.seed)
    if annotators_disagree(data):
        return estimate_noise(data, seed=config.seed)
    check_labels(data)
    most = max(LEAST_IMAGES, images_within(SHARE_OF_STUDY * study_seconds))
    if options.quick:
        most = min(most, QUICK_IMAGES)
    known = " If you know the share of wrong labels, give --noise-ratio instead."
    held_out = scores_of(data, options.results.parent / CHECKS, most, known)
    return estimate_noise(data, held_out, config.seed)
