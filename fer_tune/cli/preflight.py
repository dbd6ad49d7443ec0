"""What is checked before a study starts: the results folder, disk space, precision."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fer_tune.errors import UserError
from fer_tune.names import completed
from fer_tune.results.files import Damaged, read_json, read_json_or, write_json
from fer_tune.results.folder import failed_trials, trial_folders
from fer_tune.results.lock import FolderError, locked
from fer_tune.results.repair import is_whole, version_problem
from fer_tune.search.extension import read_extensions, write_extensions
from fer_tune.study.cost import plan_bytes
from fer_tune.study.differences import differences
from fer_tune.study.plan import Plan, as_begun, resolved
from fer_tune.study.schema import Study, TrialConfig
from fer_tune.system.forks import Forked

MOST_TIMES = 100.0  # that --extend multiplies epochs with


def claim_folder(plan: Plan, results: Path, resume: bool, restart: bool) -> Plan:
    """Decide what happens to an existing results folder; change nothing unless the user has asked for it.

    Returns the plan to run. Where a folder is resumed, newer settings that the study file does not name are what they
    were when it was begun. Raises FolderError where the folder is in use, is not a results folder, or holds another
    version of the study.
    """
    if not results.exists() or not any(not path.name.startswith(".") for path in results.iterdir()):
        return plan
    if link := next(_neither_file_nor_folder(results), None):
        raise FolderError(f"{link}: links and pipes in a results folder are not followed: remove it")
    if not (results / "study.json").exists() and not any(results.glob("trials/*/trial.json")):
        raise FolderError(f"{results} is not empty and is not a results folder: choose another name or --results")
    if restart:
        _delete(results)
        return plan
    if not resume:
        raise FolderError(f"{results} exists: --resume continues it, --restart deletes it and starts over")
    if problem := version_problem(results):
        raise FolderError(problem)
    if begun := next(_begun_settings(results), None):
        plan = as_begun(plan, begun)
    if harmful := [d for d in differences(_begun_with(plan, results), plan.resolved) if not d.harmless]:
        raise FolderError(
            f"{results} holds another version of this study: {'; '.join(map(str, harmful))}. Undo the change, use "
            "--restart, or give the study a new name"
        )
    return plan


def _begun_settings(results: Path) -> Iterator[Study | TrialConfig]:
    """Settings that a folder was begun with: those of study.json and of each trial, as far as they can be read."""
    if is_whole(results / "study.json"):
        with suppress(ValidationError):
            yield Study.model_validate(completed(read_json(results / "study.json")))
    for folder in trial_folders(results):
        with suppress(Damaged, ValidationError):
            yield TrialConfig.model_validate(folder.record().config)


def extend(plan: Plan, results: Path, factor: float | None, epochs: int | None) -> str:
    """Note that the leaders of a study are trained for longer; return that in words.

    Args:
        factor: times the epochs that they have been trained for so far; None where `epochs` says how many.

    Raises UserError where there is no race to extend, or for a number that is not larger.
    """
    so_far, target = extension_target(plan, results, factor, epochs)
    known = read_extensions(results)
    if target == so_far:
        return f"Training the leaders to {so_far} epochs, as asked before."
    write_extensions(results, [*known, target])
    return f"Training the leaders on from {so_far} to {target} epochs."


def extension_target(plan: Plan, results: Path, factor: float | None, epochs: int | None) -> tuple[int, int]:
    """The epochs that a study's leaders have been trained for, or are being trained for, and those asked for.

    They are equal where an earlier extension has not finished. Arguments and errors as for `extend`.
    """
    option = f"--extend {factor:g}" if factor is not None else f"--epochs {epochs}"
    if plan.study.decide is None:
        raise UserError(f"{option}: only a study with `decide` has leaders to train for longer; it has a list of seeds")
    if not any(results.glob("trials/*/result.json")):
        raise UserError(f"{option}: {results} has no finished trial to go on from: run the study first")
    if plan.study.training.schedule != "constant":
        raise UserError(
            f"{option}: with training.schedule {plan.study.training.schedule} the learning rate has come to its end. "
            "Train a new study, with another name and more training.epochs"
        )
    known = read_extensions(results)
    so_far = known[-1] if known else plan.study.training.epochs
    if factor is not None and not 1 < factor < MOST_TIMES:
        raise UserError(f"{option}: give a factor above 1 and below {MOST_TIMES:g}")
    target = round(so_far * factor) if factor is not None else epochs
    assert target is not None
    if known and (target == so_far or not _last_run_is_complete(results)):
        return so_far, so_far
    if target <= so_far:
        raise UserError(f"{option}: the leaders have {so_far} epochs already: give a larger number")
    return so_far, target


def _last_run_is_complete(results: Path) -> bool:
    runs = read_json_or(results / "run.json", [])
    return bool(runs) and bool(runs[-1].get("complete"))


def _delete(results: Path) -> None:
    with locked(results):
        for folder in trial_folders(results):  # workers of a killed run may still be writing
            folder.lock().close()
        shutil.rmtree(results)


def _neither_file_nor_folder(folder: Path) -> Iterator[Path]:
    """Links, pipes and the like below a folder, which fer-tune never writes. Links are not followed."""
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *files)):
            with suppress(FileNotFoundError):  # another run may be writing
                mode = path.lstat().st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    yield path


def _begun_with(plan: Plan, results: Path) -> Any:
    """The resolved study that a results folder was begun with; newer settings hold what its version did.

    Where study.json is damaged this returns the plan's own: each trial's record is still compared later.
    """
    if not is_whole(results / "study.json"):
        return plan.resolved
    found = completed(read_json(results / "study.json"))
    try:
        return resolved(Study.model_validate(found))
    except ValidationError:
        return found


def check_precision(plan: Plan) -> None:
    """Refuse bf16 on a machine that emulates it: the study would seem to hang. Raises UserError."""
    if not any(cell.at(min).training.precision == "bf16" for cell in plan.cells):
        return
    if not Forked(_computes_bf16).result():  # torch stays out of this process, which will fork again
        raise UserError(
            "training.precision: bf16 needs a GPU, or a CPU with native bf16 support (AVX-512 or ARM). On this machine "
            "bf16 is some 50 times slower than fp32: use fp32"
        )


def _computes_bf16() -> bool:
    from fer_tune.training.devices import computes_bf16, usual_device

    return computes_bf16(usual_device())


def check_space(plan: Plan, results: Path) -> None:
    """Refuse a study that does not fit on the disk. Raises UserError."""
    needed, free = plan_bytes(plan), shutil.disk_usage(results).free
    used = sum(file.stat().st_size for file in results.rglob("*") if file.is_file())
    if needed - used > free:
        raise UserError(
            f"{results}: the study needs about {(needed - used) / 2**30:.2g} GiB, but only {free / 2**30:.2g} GiB are "
            "free: free some space, or choose another --results"
        )


@contextmanager
def kept_only_if_begun(results: Path) -> Iterator[None]:
    """Remove a results folder if a mistake ends the run before its first trial: it would only be in the way."""
    begun = (results / "study.json").exists()
    try:
        yield
    except (UserError, ChildProcessError, OSError):
        if not begun and not (results / "trials").exists():
            shutil.rmtree(results, ignore_errors=True)
        raise


def retry_failed(results: Path) -> None:
    """Let failed trials run again: what failed was their worker."""
    for folder in failed_trials(results):
        (folder.path / "result.json").unlink()


def mark_incomplete(results: Path) -> None:
    """Mark the last run incomplete: a study that has grown is not complete until this run ends."""
    runs = read_json_or(results / "run.json", [])
    if runs and runs[-1]["complete"]:
        write_json(results / "run.json", [*runs[:-1], {**runs[-1], "complete": False}])
