"""The files of a results folder, each checked as it is read. Whatever a file holds, its fault is one line."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fer_tune.analysis.gaps import Gap, Kind, listed
from fer_tune.analysis.text import plain_name
from fer_tune.decision.race import Prior
from fer_tune.errors import UserError
from fer_tune.results.files import Damaged, read_json

TEXT = (
    "key",
    "cell",
    "condition",
    "role",
    "status",
    "reason",
)  # columns; the others hold numbers or what a study varies
WRITTEN_AGAIN = "Resume the study with --resume, which writes it again"


class NothingToReport(UserError):
    """No trial of the folder has ended with a result, or the folder is not a results folder."""


@dataclass(frozen=True)
class Environment:
    """Where the study was begun: the content of `environment.json`.

    Attributes:
        digests: of the study's data sets.
        packages: versions by name.
        machine: platform and CPUs, in words.
        commit: of the fer-tune checkout; empty where there was none.
        words: of the command line.
    """

    digests: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    commit: str = ""
    words: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command line, as it was typed but for quotes."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Run:
    """One run of the study: an entry of `run.json`.

    Attributes:
        wall_seconds: how long it took.
        peak_memory_bytes: of all its processes; 0 where it was not measured.
        complete: whether every trial that the study needs had ended.
        budget_spent: whether it ended because the time, epochs or trials that it was given were used up.
    """

    wall_seconds: float
    peak_memory_bytes: int
    complete: bool
    budget_spent: bool = False


def damaged(path: Path, why: str, advice: str = WRITTEN_AGAIN) -> NothingToReport:
    """The error of a file that nothing can be reported without."""
    return NothingToReport(f"{path} is damaged: {why}. {advice}")


def read_environment(path: Path, gaps: list[Gap]) -> tuple[Any, Environment]:
    """The format version and the content of `environment.json`; what is missing is added to the gaps."""
    found = _json_or_gap(path / "environment.json", dict, "Versions, machine and data of the study", gaps)
    if found is None:
        return None, Environment()
    digests, packages, command = (found.get(key) for key in ("data_digests", "packages", "command"))
    machine = f"{found.get('platform', 'unknown machine')}, {found.get('cpus', 'unknown number of')} CPUs"
    if not _is_list_of(digests, str) or not isinstance(packages, dict) or "format_version" not in found:
        gaps.append(
            Gap("Versions, machine and data of the study", f"{path / 'environment.json'} lacks keys", Kind.FAILED)
        )
    return found.get("format_version"), Environment(
        digests=tuple(digests) if _is_list_of(digests, str) else (),
        packages={str(name): str(version) for name, version in packages.items()} if isinstance(packages, dict) else {},
        machine=machine,
        commit=str(found.get("git_commit") or ""),
        words=tuple(command) if _is_list_of(command, str) else (),
    )


def read_runs(path: Path, gaps: list[Gap]) -> tuple[Run, ...] | None:
    """The entries of `run.json`, none before a run has ended; None where it is damaged, which is added to the gaps."""
    if not (path / "run.json").exists():
        return ()
    what = "Wall-clock time of the study, and whether it is complete"
    found = _json_or_gap(path / "run.json", list, what, gaps)
    if found is None:
        return None
    try:
        return tuple(
            Run(
                wall_seconds=float(run["wall_seconds"]),
                peak_memory_bytes=int(run.get("peak_memory_bytes") or 0),
                complete=bool(run["complete"]),
                budget_spent=bool(run.get("budget_spent")),
            )
            for run in found
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        gaps.append(Gap(what, f"{path / 'run.json'} is damaged", Kind.FAILED))
        return None


def read_prior(path: Path, gaps: list[Gap]) -> Prior | None:
    """What `prior.json` says of the spread between seeds; None where there is none, or where it is damaged (a gap)."""
    if not (path / "prior.json").exists():
        return None
    what = "What earlier studies say of the spread between seeds"
    found = _json_or_gap(path / "prior.json", dict, what, gaps)
    if found is None:
        return None
    with suppress(KeyError, TypeError, ValueError):
        prior = Prior(float(found["spread"]), float(found["degrees_of_freedom"]), str(found["source"]))
        if min(prior.spread, prior.degrees_of_freedom) > 0:
            return prior
    gaps.append(Gap(what, f"{path / 'prior.json'} is damaged", Kind.FAILED))
    return None


def _json_or_gap(path: Path, kind: type, what: str, gaps: list[Gap]) -> Any:
    """A JSON file that holds an object of a kind; None where it does not, which is added to the gaps."""
    try:
        found = read_json(path)
    except FileNotFoundError:
        why = f"{path} is missing"
    except Damaged:
        why = f"{path} is damaged"
    except OSError as error:
        why = f"{path}: {error.strerror}"
    else:
        if isinstance(found, kind):
            return found
        why = f"{path} is damaged"
    gaps.append(Gap(what, why, Kind.FAILED))
    return None


def _is_list_of(found: Any, kind: type) -> bool:
    return isinstance(found, list) and all(isinstance(each, kind) for each in found)


def read_study(path: Path) -> Any:
    """The content of `study.json`. Raises NothingToReport, and FileNotFoundError where there is none."""
    try:
        return read_json(path / "study.json")
    except Damaged:
        raise damaged(path / "study.json", "it is not JSON") from None


def read_table(path: Path, filled: Sequence[str], numbers: Callable[[str], bool]) -> pd.DataFrame:
    """trials.csv or epochs.csv.

    Args:
        path: the file.
        filled: the columns that must be there, without an empty cell.
        numbers: whether a column must hold numbers; empty cells are missing values.

    Raises NothingToReport, and FileNotFoundError where there is no file.
    """
    text = _text(path)
    if not text.strip():
        raise NothingToReport(
            f"no trial in {path.parent} has finished an epoch yet: {path.name} is empty. If trials have ended, resume "
            "the study with --resume, which writes it again"
        )
    header = _checked_header(path, text)
    if lacking := [column for column in filled if column not in header]:
        raise damaged(path, f"it has no column {' and no column '.join(lacking)}; its columns are {listed(header, 8)}")
    rows = io.StringIO(text, newline="")
    next(csv.reader(rows))
    try:
        table = pd.read_csv(
            rows, names=header, header=None, index_col=False, keep_default_na=False, na_values=[""],
            dtype={column: str for column in TEXT if column in header},
        )  # fmt: skip
    except (ValueError, OverflowError) as error:
        raise damaged(path, plain_name(str(error).partition("\n")[0])) from None
    for column in header:
        _check_cells(path, table[column], column in filled, numbers(column))
    return table


def _text(path: Path) -> str:
    """The text of a file. Raises NothingToReport."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        raise damaged(path, "it is not UTF-8 text") from None
    if text.strip() and not text.endswith("\n"):
        raise damaged(path, "its last line is cut")
    return text.removeprefix("\ufeff")


def _checked_header(path: Path, text: str) -> list[str]:
    """The column names of a table whose rows all have as many cells. Raises NothingToReport."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader)
        for row in reader:
            if len(row) != len(header):
                raise damaged(path, f"line {reader.line_num} has {len(row)} cells, and the header {len(header)}")
    except csv.Error as error:
        raise damaged(path, f"line {reader.line_num}: {error}") from None
    if twice := [column for column in dict.fromkeys(header) if header.count(column) > 1]:
        raise damaged(path, f"it has column {listed(twice)} twice")
    return header


def _check_cells(path: Path, values: pd.Series, is_filled: bool, is_number: bool) -> None:
    """Raise NothingToReport for a cell that is empty or not a number where it must not be."""
    wrong = values.isna() if is_filled else pd.Series(False, index=values.index)
    if is_number and not (pd.api.types.is_numeric_dtype(values) and values.dtype != bool):
        wrong |= pd.to_numeric(values, errors="coerce").isna() & values.notna() if values.dtype != bool else True
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        cell = values.iloc[row]
        held = "an empty cell" if pd.isna(cell) else repr(plain_name(cell))
        raise damaged(path, f"row {row + 1} has {held} under {plain_name(values.name)}")
