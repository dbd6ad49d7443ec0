"""What a study needs before its first trial: data sets, weight files and the environment, written to its folder."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fer_tune.data.dataset import open_dataset
from fer_tune.data.kinds import place_of
from fer_tune.data.loading import dataset_key, load_data, write_dataset
from fer_tune.results.environment import environment
from fer_tune.results.files import Damaged, read_json, read_json_or, write_json
from fer_tune.search.jobs import NotRunnable
from fer_tune.search.prior import as_json, prior_of, shipped_prior
from fer_tune.search.warm_start import earlier_values
from fer_tune.study.plan import Plan
from fer_tune.study.schema import TrialConfig
from fer_tune.system.cpus import usable_cpus


def reads_files(plan: Plan) -> bool:
    """Whether a trial depends on the user's files; drawn faces alone do not."""
    return any(_reads_files(cell.at(min)) for cell in plan.cells)


def _reads_files(config: TrialConfig) -> bool:
    drawn = config.dataset.kind == "synthetic" and not config.dataset.machine_labels
    return not drawn or config.model.encoder_weights is not None


def prepare(plan: Plan, results: Path, repeated: Path | None = None) -> None:
    """Write the resolved study, every data set that its conditions need, and the environment.

    Args:
        repeated: the results folder of the study that is repeated, if any: the data must be the same.

    Raises NotRunnable where data or weight files changed since the study began or do not fit, DataError where a data
    set cannot be used.
    """
    if plan.study.warm_start and not (results / "warm_start.json").exists():
        earlier = earlier_values(plan.study.objective, Path(plan.study.warm_start))
        write_json(results / "warm_start.json", [value.as_json() for value in earlier])
    if not (results / "study.json").exists():  # a race that has begun keeps what it knew then
        _note_prior(plan, results)
    write_json(results / "study.json", plan.resolved)
    digests = _write_datasets(plan, results)
    _note_weights(plan, results)
    _check_games(plan, results, digests)
    _check_repeated(repeated, digests.values())
    write_json(results / "data" / "digests.json", digests)
    if not (results / "environment.json").exists():
        write_json(results / "environment.json", environment(digests.values()))


def _note_prior(plan: Plan, results: Path) -> None:
    """Write what is known beforehand of the spread between seeds: from the earlier study named, else from our own."""
    decide = plan.study.decide
    if decide is None:
        return
    prior = prior_of(plan, Path(decide.prior)) if decide.prior else shipped_prior(plan)
    if prior is not None:
        write_json(results / "prior.json", as_json(prior))


def _write_datasets(plan: Plan, results: Path) -> dict[str, str]:
    """The digest of every data set, by its key within the study."""
    digests: dict[str, str] = read_json_or(results / "data" / "digests.json", {})
    for key, spec in plan.datasets().items():
        before = digests.get(key)
        digests[key] = _stored(spec, results / "data", before)
        if before not in (None, digests[key]):
            raise NotRunnable(
                f"dataset: {place_of(spec)} has changed since the study began: use --restart, or a new name"
            )
    return digests


def _stored(spec: Any, folder: Path, known: str | None) -> str:
    """The digest of a data set that is stored below `folder`, read or drawn if it is not there yet.

    Drawn faces depend on their specification alone; files may have changed since they were read.
    """
    if spec.kind == "synthetic" and not spec.machine_labels and known and (folder / known / "dataset.json").exists():
        return known
    return write_dataset(spec, folder, usable_cpus()).name


def _note_weights(plan: Plan, results: Path) -> None:
    """Write the digest of every weight file that an encoder starts from."""
    weights: dict[str, str] = read_json_or(results / "weights.json", {})
    for cell in plan.cells:
        weights |= _checked_weights(cell.at(min), weights)
    if weights:
        write_json(results / "weights.json", weights)


def _checked_weights(config: TrialConfig, known: Mapping[str, str]) -> dict[str, str]:
    """The weight file that the encoder starts from and its digest; refuse one that does not fit or has changed."""
    path = config.model.encoder_weights
    if path is None:
        return {}
    from fer_tune.models.encoder import Encoder
    from fer_tune.models.weights import WeightsError, load_convolutions

    try:
        load_convolutions(Encoder(config.dataset.image_size, 1, config.model.features), Path(path))
    except WeightsError as error:
        raise NotRunnable(str(error)) from None
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if known.get(path, digest) != digest:
        raise NotRunnable(
            f"model.encoder_weights: {path} has changed since the study began: use --restart, or a new name"
        )
    return {path: digest}


def _check_games(plan: Plan, results: Path, digests: Mapping[str, str]) -> None:
    """Refuse data in which no sample has all the labels that joint training needs."""
    checked = set()
    for cell in plan.cells:
        config = cell.at(max)
        digest = digests[dataset_key(config.dataset.model_dump(mode="json"))]
        case = (digest, config.training.majority)
        if config.training.lam > 0 and case not in checked:
            checked.add(case)
            _check_game(results / "data" / digest, config)


def _check_game(saved: Path, config: TrialConfig) -> None:
    data = load_data(open_dataset(saved), config.noise, config.seed, config.training.majority)
    try:
        data.game_inputs  # noqa: B018
    except ValueError as error:
        raise NotRunnable(f"dataset: {error}") from None


def _check_repeated(folder: Path | None, digests: Iterable[str]) -> None:
    """Refuse data that differ from those of the study that is repeated."""
    if folder is not None and set(_known_digests(folder)) != set(digests):
        raise NotRunnable(
            f"--from {folder}: the data have changed since that study was run: its numbers cannot be repeated"
        )


def _known_digests(folder: Path) -> Iterable[str]:
    path = folder / "environment.json"
    try:
        return [str(digest) for digest in read_json(path)["data_digests"]]
    except (KeyError, TypeError, FileNotFoundError):
        raise Damaged(f"{path} is damaged or missing: it said which data that study was run on") from None
