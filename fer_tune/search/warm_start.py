"""What the configurations of an earlier study were worth, as the start of a search."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_tune.results.files import read_json, read_json_or
from fer_tune.results.folder import trial_folders
from fer_tune.results.records import Role
from fer_tune.search.jobs import NotRunnable


@dataclass(frozen=True)
class EarlierValue:
    """One configuration of an earlier study: its varied settings and its mean objective over seeds."""

    varied: Mapping[str, Any]
    value: float

    def as_json(self) -> dict[str, Any]:
        """Its entry in warm_start.json."""
        return asdict(self)


def earlier_values(objective: str, results: Path) -> list[EarlierValue]:
    """The configurations of an earlier study that have ended.

    Raises NotRunnable where `results` is not a results folder, is damaged, or maximised something else.
    """
    if not (results / "study.json").exists():
        raise NotRunnable(f"warm_start: {results} is not a results folder: study.json is missing")
    try:
        earlier = read_json(results / "study.json")["objective"]
        found = _mean_values(results)
    except (KeyError, TypeError, ValueError):
        raise NotRunnable(
            f"warm_start: {results} is damaged: resume that study, which repairs it, or remove warm_start"
        ) from None
    if earlier != objective:
        raise NotRunnable(f"warm_start: {results} maximised {earlier}, this study maximises {objective}")
    return found


def _mean_values(results: Path) -> list[EarlierValue]:
    groups: dict[tuple[str, int], list[EarlierValue]] = {}
    for folder in trial_folders(results):
        record, result = folder.record(), folder.result()
        if record.role is Role.TRIAL and result is not None and result.objective is not None:
            place = groups.setdefault((record.cell, record.number), [])
            place.append(EarlierValue(record.varied, float(result.objective)))
    return [EarlierValue(group[0].varied, sum(e.value for e in group) / len(group)) for group in groups.values()]


def read_earlier_values(results: Path) -> list[EarlierValue]:
    """What a results folder's own warm_start.json holds; nothing where there is none. Raises Damaged."""
    found = read_json_or(results / "warm_start.json", [])
    return [EarlierValue(entry["varied"], float(entry["value"])) for entry in found]
