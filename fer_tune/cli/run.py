"""The command line: reads a study file, runs it, writes tables and report, names the recommended lambda.

python -m fer_tune.run studies/lambda_sweep.yaml
"""

import argparse
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from pydantic import ValidationError
from rich.console import Console

from fer_tune.cli.reporter import NoReport, Reporter
from fer_tune.data.dataset import open_dataset
from fer_tune.data.index import DataError
from fer_tune.data.labels import first_categorical
from fer_tune.data.loading import dataset_key, load_data, split_sizes, write_dataset
from fer_tune.data.noise import accuracy_shrinkage
from fer_tune.results.environment import environment
from fer_tune.results.files import Damaged, read_json, write_json
from fer_tune.results.folder import ended_trials, trial_folders
from fer_tune.results.repair import mend, whole, wrong_version
from fer_tune.results.storage import RemoteError, is_remote, mirrored
from fer_tune.results.tables import write_tables
from fer_tune.results.tensorboard import write_tensorboard
from fer_tune.study.cost import START_SECONDS, duration, study_bytes, study_core_seconds
from fer_tune.study.differences import differences
from fer_tune.study.errors import StudyError
from fer_tune.study.loading import load_study
from fer_tune.study.plan import Cell
from fer_tune.study.schema import GAIN_NOTE, NAMES, Study, TrialConfig
from fer_tune.system.forks import Forked
from fer_tune.system.memory import quick_imports
from fer_tune.system.signals import interrupt_held, stops_as_interrupts

UNFINISHED, USER_ERROR, INTERRUPTED = 1, 2, 130


class UsageError(Exception):
    """A mistake of the user's; its message says what, where and what would be right."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    0, 1 where trials failed or the report's process was killed, 2 for a mistake, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=True)
    try:
        if options.schema:
            print(json.dumps(Study.model_json_schema(by_alias=True), indent=1))
            return 0
        _check_options(options)
        study = load_study(options.study, options.set)
        if options.dry_run:
            _describe(study, console, options.cpus or os.cpu_count() or 1)
            return 0
        if not is_remote(options.results):
            return _stoppable(study, Path(options.results), options, console)
        with mirrored(options.results, study.name) as (folder, options.shown):
            return _stoppable(study, folder, options, console)
    except (StudyError, DataError, UsageError, RemoteError, Damaged, ChildProcessError) as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    except OSError as error:
        print(f"{error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        if options.study is not None:
            _say(console, f"Stopped; what was finished is kept. Go on with:\n  {_resume_command(options)}")
        return INTERRUPTED


def _stoppable(study: Study, place: Path, options: argparse.Namespace, console: Console) -> int:
    """Run a study that SIGTERM and SIGHUP stop as Ctrl-C does."""
    with stops_as_interrupts(lambda: _give_up(options)):
        try:
            return _run(study, place, options, console)
        except SystemExit:  # Ray, while it starts, answers SIGTERM so
            raise KeyboardInterrupt from None


def _give_up(options: argparse.Namespace) -> None:
    """End this process and those below it at once, where a stop was asked for and nothing moves any more.

    Trial folders are whole at any time, so only tables and report are not of the last moment.
    """
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    text = f"Stopped; what was finished is kept. Go on with:\n  {_resume_command(options)}\n"
    try:
        os.write(sys.stdout.fileno(), text.encode())  # no lock that the main thread may hold
    finally:
        os._exit(INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fer_tune.run", description="Run a study and report on it.")
    add = parser.add_argument
    add("study", type=Path, nargs="?", help="the study file (YAML)")
    add("--from", dest="repeated", type=Path, metavar="RESULTS", help="repeat the study of a results folder elsewhere")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a value: training.epochs=4")
    add("--results", default="results", help="folder of results folders, or a URI such as s3://bucket/results")
    add("--resume", action="store_true", help="go on with the study's results folder")
    add("--restart", action="store_true", help="delete the study's results folder and start over")
    add("--dry-run", action="store_true", help="print the trials and what they would cost; run nothing")
    add("--schema", action="store_true", help="print the study file's JSON Schema, for editors")
    add("--cpus", type=int, metavar="N", help="use only so many of this machine's CPUs (default: all)")
    add("--address", help="join a running Ray cluster; the results folder must be shared by its nodes")
    add("--verbose", action="store_true", help="let Ray print what it does")
    parser.set_defaults(shown=None)
    return parser


def _check_options(options: argparse.Namespace) -> None:
    if options.repeated is not None:
        if options.study is not None:
            raise UsageError("name a study file or --from, not both")
        options.study = options.repeated / "study.json"
        if not options.study.exists():
            raise UsageError(f"--from {options.repeated}: is no results folder: study.json is missing")
    if options.study is None:
        raise UsageError("name a study file, such as studies/lambda_sweep.yaml")
    if options.resume and options.restart:
        raise UsageError("--resume and --restart exclude each other")
    if options.cpus is not None and options.address is not None:
        raise UsageError("--cpus and --address exclude each other: a cluster has its own CPUs")
    if options.address is not None and is_remote(options.results):
        raise UsageError("--address needs a results folder on a disk that the cluster's nodes share, and no URI")
    if options.cpus is not None and options.cpus < 1:
        raise UsageError(f"--cpus {options.cpus}: a study needs at least 1")


def _run(study: Study, place: Path, options: argparse.Namespace, console: Console) -> int:
    """Run a study in its folder below `place`."""
    results = (place / study.name).resolve()
    _check_precision(study, options)
    _claim(study, results, options)
    _describe(study, console)
    cpus = options.cpus or os.cpu_count() or 1
    with _locked(results), closing(Reporter(results, cpus)) as report, ThreadPoolExecutor(2) as aside:
        if options.resume:
            for text in mend(results):
                _say(console, f"mended: {text}")
            _retry_failed(results)
        _mark_incomplete(results)
        start = time.monotonic()
        with _kept_only_if_begun(results):
            _check_space(study, results)
            with _preparing(study, results, options.repeated) as wait:
                complete, account = _search(study, results, options, console, wait, aside, report.prepare)
        write_tables(results)
        _finish(results, {"wall_seconds": round(time.monotonic() - start, 2), **account, "complete": complete})
        report.begin()
        exported = aside.submit(_export, study, results)
        code = _conclude(study, results, options, console, complete, report)
        _await(exported, console)
        return code


def _await(exported: Future[None], console: Console) -> None:
    """Wait for what other programs read; a study is none the worse without it."""
    try:
        exported.result()
    except Exception as error:  # of SQLite or TensorBoard
        _say(console, f"TensorBoard's or Optuna's files could not be written: {str(error).splitlines()[0]}")


@contextmanager
def _preparing(study: Study, results: Path, repeated: Path | None) -> Iterator[Callable[[], None]]:
    """Prepare the results folder while Ray starts; what is yielded waits for that.

    Only drawn faces are prepared meanwhile. Files come first: reading them may find mistakes.
    """
    if any(_reads_files(_at_end(study, cell, min)) for cell in study.cells()):
        _prepare(study, results, repeated)
        yield lambda: None
        return
    prepared = Forked(_prepare, study, results, repeated)
    try:
        yield prepared.result
    finally:
        prepared.stop()


def _reads_files(config: TrialConfig) -> bool:
    """Whether a trial depends on files of the user's."""
    drawn = config.dataset.kind == "synthetic" and not config.dataset.machine_labels
    return not drawn or config.model.encoder_weights is not None


@contextmanager
def _kept_only_if_begun(results: Path) -> Iterator[None]:
    """Remove a results folder that a mistake has ended before its first trial: it would only be in the way."""
    begun = (results / "study.json").exists()
    try:
        yield
    except (DataError, UsageError, ChildProcessError, OSError):
        if not begun and not (results / "trials").exists():
            shutil.rmtree(results, ignore_errors=True)
        raise


def _claim(study: Study, results: Path, options: argparse.Namespace) -> None:
    """Decide what becomes of an existing results folder; touch nothing unless the user has said so."""
    if not results.exists() or not any(not path.name.startswith(".") for path in results.iterdir()):
        return
    if link := next(_neither_file_nor_folder(results), None):
        raise UsageError(f"{link}: links and pipes in a results folder are not followed: remove it")
    if not (results / "study.json").exists() and not any(results.glob("trials/*/trial.json")):
        raise UsageError(f"{results} is not empty and is no results folder: choose another name or --results")
    if options.restart:
        with _locked(results):
            for folder in trial_folders(results):  # workers of a run that was killed may still be writing
                folder.lock().close()
            shutil.rmtree(results)
    elif not options.resume:
        raise UsageError(f"{results} holds this study already: --resume goes on with it, --restart begins anew")
    elif problem := wrong_version(results):
        raise UsageError(problem)
    elif refused := [d for d in differences(_begun(study, results), _resolved(study)) if not d.harmless]:
        raise UsageError(
            f"{results} holds another version of this study: {'; '.join(map(str, refused))}. Undo the change, use "
            "--restart, or give the study a new name"
        )


def _check_precision(study: Study, options: argparse.Namespace) -> None:
    """Refuse bf16 where this machine computes and cannot: a study would seem to hang."""
    configs = [_at_end(study, cell, min) for cell in study.cells()]
    if options.address is not None or not any(config.training.precision == "bf16" for config in configs):
        return
    if not Forked(_computes_bf16).result():  # torch stays out of this process, which will fork again
        raise UsageError(
            "training.precision: bf16 needs a GPU, or a CPU with arithmetic for it (AVX-512 or ARM's bf16), and would "
            "take this machine some 50 times as long as fp32: use fp32"
        )


def _computes_bf16() -> bool:
    from fer_tune.training.devices import computes_bf16, usual_device

    return computes_bf16(usual_device())


def _neither_file_nor_folder(folder: Path) -> Iterator[Path]:
    """What in a results folder this project cannot have written. Links are looked at and not followed."""
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *files)):
            with suppress(FileNotFoundError):  # another run may be writing
                mode = path.lstat().st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    yield path


def _begun(study: Study, results: Path) -> Any:
    """The study that a results folder was begun with, settings that are newer than it at their defaults.

    Where that is not known any more each trial's own settings are still compared.
    """
    if not whole(results / "study.json"):
        return _resolved(study)
    found = read_json(results / "study.json")
    try:
        return _resolved(Study.model_validate(found))
    except ValidationError:
        return found


def _retry_failed(results: Path) -> None:
    """Let failed trials run again, since what failed was a worker and not the game."""
    for folder in trial_folders(results):
        if (folder.result() or {}).get("status") == "failed":
            (folder.path / "result.json").unlink()


def _check_space(study: Study, results: Path) -> None:
    """Refuse a study that the disk cannot hold."""
    needed, free = study_bytes(study), shutil.disk_usage(results).free
    there = sum(file.stat().st_size for file in results.rglob("*") if file.is_file())
    if needed - there > free:
        raise UsageError(
            f"{results} has {free / 2**30:.2g} GiB left, and the study needs about {(needed - there) / 2**30:.2g}: "
            "make room, or choose another --results"
        )


def _mark_incomplete(results: Path) -> None:
    """A study that has grown is not complete any more, and until it is its report says so."""
    runs = read_json(results / "run.json") if (results / "run.json").exists() else []
    if runs and runs[-1]["complete"]:
        write_json(results / "run.json", [*runs[:-1], {**runs[-1], "complete": False}])


def _resolved(study: Study) -> Any:
    return json.loads(study.model_dump_json(by_alias=True))


@contextmanager
def _locked(results: Path) -> Iterator[None]:
    """Hold the results folder against a second run of the same study."""
    with ExitStack() as stack:
        try:
            results.mkdir(parents=True, exist_ok=True)
            handle = os.open(results / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            file = stack.enter_context(os.fdopen(handle, "r+"))
        except OSError as error:
            raise UsageError(f"{results}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UsageError(f"{results} is in use by another run ({file.read().strip()}): wait for it") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)


def _describe(study: Study, console: Console, cores: int = 0) -> None:
    """Say what a study is; with a number of cores also what it would cost there, search by search."""
    cells = study.cells()
    seconds = study_core_seconds(study)
    _say(
        console,
        f"{study.name}: {study.total_trials()} trials in {len(cells)} {'search' if len(cells) == 1 else 'searches'} "
        f"x {len(study.seeds)} seeds, {study.training.epochs} epochs each; about {duration(seconds)} of one CPU core",
    )
    if cores:
        wall = seconds / max(1, min(cores, study.total_trials())) + START_SECONDS
        _say(
            console,
            f"on {cores} cores like those measured about {duration(wall)}; a GPU is commonly worth 20 cores or more",
        )
        for cell in cells:
            _say(console, f"  {cell.key}: {study.configurations(cell)} x {len(study.seeds)}{_searched(cell)}")
        _say(console, f"about {study_bytes(study) / 2**30:.2g} GiB of disk")
    if not any(NAMES.get(name, name) == "training.lambda" for name in (*study.search, *study.conditions)):
        _say(console, f"note: lambda is not searched; every trial uses training.lambda = {study.training.lam:g}")
    if study.maximises_gain:
        _say(console, GAIN_NOTE)
    first, validation = first_categorical(study.dataset.label_sets), split_sizes(study.dataset)["validation"]
    sampling = f"one standard error of an accuracy there is up to {0.5 / validation**0.5:.3f}"
    ends = [(cell, end) for cell in cells for end in (min, max)]
    noises = [_at_end(study, cell, end).noise for cell, end in ends]
    for noise in {noise.model_dump_json(): noise for noise in noises}.values():
        if study.dataset.kind != "synthetic" and not noise.ratio_of(first):
            _say(console, f"labels as they come, how noisy is not known; {validation} validation samples: {sampling}")
            continue
        _say(
            console,
            f"noise {noise.kind} {noise.ratio_of(first):g}: validation on {validation} noisy samples shrinks an "
            f"accuracy difference to {accuracy_shrinkage(noise, first):.2f} of itself; {sampling}",
        )


def _searched(cell: Cell) -> str:
    parts = [
        f"{name} {'drawn from' if cell.sampled else 'searched in'} {list(dimension.range or ())}"
        for name, dimension in cell.space.items()
    ]
    return "; " + ", ".join(parts) if parts else ""


def _at_end(study: Study, cell: Cell, end: Callable[[tuple[float, float]], float]) -> TrialConfig:
    """A trial of a cell with everything that it searches at its lowest (min) or highest (max)."""
    suggestion = {name: end(dimension.range) for name, dimension in cell.space.items() if dimension.range}
    return study.trial_config(cell, suggestion, 0)


def _prepare(study: Study, results: Path, repeated: Path | None = None) -> None:
    """Write the resolved study, every data set that its conditions need, and the environment.

    The data must be those of `repeated`, the results folder of the study that is repeated, if any.
    """
    if study.warm_start and not (results / "warm_start.json").exists():
        from fer_tune.search.jobs import NotRunnable
        from fer_tune.search.warm_start import earlier_values

        try:
            write_json(results / "warm_start.json", earlier_values(study, Path(study.warm_start)))
        except NotRunnable as error:
            raise UsageError(str(error)) from None
    write_json(results / "study.json", _resolved(study))
    known = results / "data" / "digests.json"
    digests = read_json(known) if known.exists() else {}
    weights = read_json(results / "weights.json") if (results / "weights.json").exists() else {}
    seen: set[str] = set()
    for cell in study.cells():
        config = _at_end(study, cell, min)
        key = dataset_key(config.dataset.model_dump(mode="json"))
        if key not in seen:
            seen.add(key)
            before, digests[key] = digests.get(key), _stored(config.dataset, results / "data", digests.get(key))
            if before not in (None, digests[key]):
                where = getattr(config.dataset, "file", None) or getattr(config.dataset, "folder", "its label file")
                raise UsageError(f"dataset: {where} has changed since the study began: use --restart, or a new name")
        weights |= _checked_weights(config, weights)
        if _at_end(study, cell, max).training.lam > 0:
            _check_game(results / "data" / digests[key], config)
    if weights:
        write_json(results / "weights.json", weights)
    _check_repeated(repeated, digests.values())
    write_json(known, digests)
    if not (results / "environment.json").exists():
        write_json(results / "environment.json", environment(digests.values()))


def _known_digests(folder: Path) -> Iterable[str]:
    path = folder / "environment.json"
    try:
        return [str(digest) for digest in read_json(path)["data_digests"]]
    except (KeyError, TypeError, FileNotFoundError):
        raise Damaged(f"{path} is damaged or missing: on which data that study was run is not known") from None


def _check_repeated(folder: Path | None, digests: Iterable[str]) -> None:
    """Refuse data that are not those of the study that is repeated."""
    if folder is not None and set(_known_digests(folder)) != set(digests):
        raise UsageError(
            f"--from {folder}: the data have changed since that study was run: its numbers cannot be repeated"
        )


def _stored(spec: Any, folder: Path, known: str | None) -> str:
    """The digest of a data set that lies below `folder`, read or drawn where it does not yet.

    Drawn faces depend on their specification alone; files may have changed since they were read.
    """
    if spec.kind == "synthetic" and not spec.machine_labels and known and (folder / known / "dataset.json").exists():
        return known
    return write_dataset(spec, folder, os.cpu_count() or 1).name


def _checked_weights(config: TrialConfig, known: Mapping[str, str]) -> dict[str, str]:
    """The weight file that the encoder starts from and its digest. Refuse one that does not fit or has changed."""
    path = config.model.encoder_weights
    if path is None:
        return {}
    from fer_tune.models.encoder import Encoder
    from fer_tune.models.weights import WeightsError, load_convolutions

    try:
        load_convolutions(Encoder(config.dataset.image_size, 1, config.model.features), Path(path))
    except WeightsError as error:
        raise UsageError(str(error)) from None
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if known.get(path, digest) != digest:
        raise UsageError(
            f"model.encoder_weights: {path} has changed since the study began: use --restart, or a new name"
        )
    return {path: digest}


def _check_game(saved: Path, config: TrialConfig) -> None:
    """Refuse data in which no sample has all the labels that the joint game needs."""
    data = load_data(open_dataset(saved), config.noise, config.seed, config.training.majority)
    try:
        data.game_inputs  # noqa: B018
    except ValueError as error:
        raise UsageError(f"dataset: {error}") from None


def _search(
    study: Study,
    results: Path,
    options: argparse.Namespace,
    console: Console,
    wait: Callable[[], None],
    aside: ThreadPoolExecutor,
    begun: Callable[[], None],
) -> tuple[bool, dict[str, float | int | None]]:
    """Run what is left of a study once it is prepared; return whether it is complete and what that took.

    Ray is shut down on a thread of `aside`, while tables and report are made. `begun` is called when trials run.
    """
    with interrupt_held(), quick_imports():
        from fer_tune.search.jobs import NotRunnable
        from fer_tune.search.progress import Progress
        from fer_tune.search.runner import run_search
        from fer_tune.search.session import ray_session

    ended = ended_trials(results)
    progress = Progress(study, results, ended, console, begun)
    try:
        if ended == study.total_trials():
            wait()
            complete = True
        else:
            with ExitStack() as session:
                session.enter_context(ray_session(options.address, options.verbose, options.cpus))
                wait()
                with progress:
                    complete = run_search(study, results, progress, options.verbose)
                aside.submit(session.pop_all().close)
        if progress.unwritable:
            raise UsageError(
                f"{results}: {progress.unwritable}. What has ended is kept; once it can be written again, go on with:\n"
                f"  {_resume_command(options)}"
            )
        return complete, progress.account()
    except KeyboardInterrupt:
        if not any(results.glob("trials/*/history.csv")):
            raise  # no epoch has run yet, and loading the report's libraries to say so would take seconds
        return False, progress.account()
    except ConnectionError as error:
        raise UsageError(f"--address {options.address}: no Ray cluster answers there: {error}") from None
    except NotRunnable as error:
        raise UsageError(str(error)) from None


def _export(study: Study, results: Path) -> None:
    """What other programs read: TensorBoard's event files and Optuna's database."""
    from fer_tune.search.exports import export_optuna

    write_tensorboard(results)
    export_optuna(study, results)


def _finish(results: Path, run: dict[str, Any]) -> None:
    digests = read_json(results / "data" / "digests.json").values()
    run = {**run, "environment": environment(digests)}
    runs = read_json(results / "run.json") if (results / "run.json").exists() else []
    write_json(results / "run.json", [*runs, run])


def _conclude(
    study: Study,
    results: Path,
    options: argparse.Namespace,
    console: Console,
    complete: bool,
    report: Reporter,
) -> int:
    shown, reported = options.shown or results, True
    try:
        headline = report.headline()
        _say(console, f"\n{headline}\nReport: {shown}/report/index.html")
    except NoReport as nothing:
        _say(console, f"\nNo report yet: {nothing}")
    except ChildProcessError as killed:
        reported = False
        again = shlex.join(["python", "-m", "analysis.report", str(shown)])
        _say(console, f"\nNo report, though all results are kept: {killed} Write it with:\n  {again}")
    failed = sum((folder.result() or {}).get("status") == "failed" for folder in trial_folders(results))
    if failed:
        _say(
            console,
            f"{failed} trials failed; their reasons stand in the report and in trials.csv. Try them again with:",
        )
        _say(console, f"  {_resume_command(options)}")
    if complete:
        return 0 if reported and not failed else UNFINISHED
    ended = ended_trials(results)
    _say(
        console,
        f"Stopped with {ended} of {study.total_trials()} trials done; they are kept. Go on with:\n"
        f"  {_resume_command(options)}",
    )
    return INTERRUPTED


def _resume_command(options: argparse.Namespace) -> str:
    elsewhere = ["--results", options.results] if options.results != "results" else []
    overrides = [word for text in options.set for word in ("--set", text)]
    elsewhere += ["--cpus", str(options.cpus)] if options.cpus else []
    elsewhere += ["--address", options.address] if options.address else []
    return shlex.join(["python", "-m", "fer_tune.run", str(options.study), *elsewhere, *overrides, "--resume"])


if __name__ == "__main__":
    sys.exit(main())
