"""Runs a study from its file to its report."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from fer_tune.analysis.gaps import ReportFailed
from fer_tune.cli.description import describe_copies, describe_cost, describe_plan, preparation, say
from fer_tune.cli.exits import DONE, INTERRUPTED, PARTLY_DONE
from fer_tune.cli.notice import Notice, notify
from fer_tune.cli.preflight import (
    check_precision,
    check_space,
    claim_folder,
    extend,
    extension_target,
    kept_only_if_begun,
    mark_incomplete,
    retry_failed,
)
from fer_tune.cli.progress import TerminalDisplay
from fer_tune.cli.reporter import NoReport, Reporter
from fer_tune.cli.run import RunOptions
from fer_tune.cli.within import parse_within
from fer_tune.errors import UserError
from fer_tune.results.environment import environment
from fer_tune.results.files import read_json, read_json_or, write_json
from fer_tune.results.folder import ended_trials, failed_trials
from fer_tune.results.lock import locked
from fer_tune.results.repair import repair
from fer_tune.results.storage import is_remote, mirrored
from fer_tune.results.tables import write_tables
from fer_tune.results.tensorboard import write_tensorboard
from fer_tune.search.budget import Ending
from fer_tune.search.preparation import prepare, reads_files
from fer_tune.search.prior import prior_of
from fer_tune.study.differences import differences
from fer_tune.study.loading import load_plan
from fer_tune.study.plan import Plan
from fer_tune.study.schema import Study
from fer_tune.study.shipped import find_study
from fer_tune.system.cpus import usable_cpus
from fer_tune.system.forks import Forked, kill_children
from fer_tune.system.memory import quick_imports
from fer_tune.system.signals import interrupt_held, stops_as_interrupts

REPORT_SECONDS = 10.0  # of a limit on time are kept for tables and report


@dataclass(frozen=True)
class StudyRun:
    """One run of a study.

    Attributes:
        results: its results folder.
        shown: what to call that folder: a URI where it only mirrors one.
        started: when the command started, on the monotonic clock.
    """

    plan: Plan
    results: Path
    shown: str
    options: RunOptions
    console: Console
    started: float

    def say(self, text: str) -> None:
        """Print a text unchanged."""
        say(self.console, text)


def run_study(options: RunOptions) -> int:
    """Run the command; return the exit code.

    0, 1 where trials failed or a part of the report is missing, 130 when interrupted. Raises UserError.
    """
    if options.schema:
        print(json.dumps(Study.model_json_schema(by_alias=True), indent=1))
        return DONE
    start = time.monotonic()
    _check_options(options)
    console = Console(soft_wrap=True)
    plan = load_plan(_study_file(options), options.overrides)
    if plan.study.decide is not None and plan.study.decide.prior and not options.resume:
        prior_of(plan, Path(plan.study.decide.prior))  # a mistake there is better found before anything is drawn
    if options.dry_run:
        _describe(plan, options, console)
        return DONE
    try:
        if is_remote(options.results):
            with mirrored(options.results, plan.study.name) as (folder, shown):
                return _stoppable(StudyRun(plan, (folder / plan.study.name).resolve(), shown, options, console, start))
        results = (Path(options.results) / plan.study.name).resolve()
        return _stoppable(StudyRun(plan, results, str(results), options, console, start))
    except KeyboardInterrupt:
        say(console, _stopped_text(options))
        return INTERRUPTED


def _describe(plan: Plan, options: RunOptions, console: Console) -> None:
    """Say what the command would run and cost."""
    from fer_tune.cli.forecast import forecast_extension, forecast_limit  # with Ray, which takes a second

    describe_plan(plan, console)
    if _extends(options):
        folder = Path(options.results) / plan.study.name
        say(console, forecast_extension(plan, folder, options.extend, options.epochs, _cpus(options)))
        return
    describe_cost(plan, console, _cpus(options))
    if options.within:
        say(console, forecast_limit(plan, options.within, _cpus(options)))
    describe_copies(plan, console)


def _extends(options: RunOptions) -> bool:
    return options.extend is not None or options.epochs is not None


def _check_options(options: RunOptions) -> None:
    """Raise UserError for options that do not fit together."""
    if options.repeated is not None and options.study is not None:
        raise UserError("give a study file or --from, not both")
    if options.study is None and options.repeated is None:
        raise UserError("give a study file, such as studies/lambda_sweep.yaml")
    if options.resume and options.restart:
        raise UserError("give --resume or --restart, not both")
    if options.cpus is not None and options.address is not None:
        raise UserError("give --cpus or --address, not both: a cluster decides on its own CPUs")
    if options.address is not None and is_remote(options.results):
        raise UserError("--address needs a results folder on a disk that the cluster's nodes share, not a URI")
    if options.restart and _extends(options):
        raise UserError("give --restart or --extend (--epochs), not both: what is deleted cannot be trained on")
    parse_within(options.within)
    if options.cpus is not None and options.cpus < 1:
        raise UserError(f"--cpus {options.cpus}: a study needs at least 1")


def _cpus(options: RunOptions) -> int:
    """How many of this machine's CPUs the study may use."""
    return options.cpus or usable_cpus()


def _study_file(options: RunOptions) -> Path:
    if options.repeated is None:
        assert options.study is not None
        return find_study(options.study)
    file = options.repeated / "study.json"
    if not file.exists():
        raise UserError(f"--from {options.repeated}: not a results folder: study.json is missing")
    return file


def _stoppable(run: StudyRun) -> int:
    """Run a study that SIGTERM and SIGHUP stop as Ctrl-C does."""
    with stops_as_interrupts(lambda: _give_up(run.options)):
        try:
            return _execute(run)
        except SystemExit:  # Ray, while it starts, answers SIGTERM like this
            raise KeyboardInterrupt from None


def _give_up(options: RunOptions) -> None:
    """End this process and its children at once, because a stop was requested and nothing responds.

    Trial folders are complete at any time. Only tables and report may be out of date.
    """
    kill_children()
    try:
        os.write(sys.stdout.fileno(), f"{_stopped_text(options)}\n".encode())  # takes no lock of the main thread
    finally:
        os._exit(INTERRUPTED)


def _execute(run: StudyRun) -> int:
    """Run a study in its folder."""
    results, options = run.results, run.options
    if options.address is None:
        check_precision(run.plan)
    extends = _extends(options)
    if extends:
        extension_target(run.plan, results, options.extend, options.epochs)  # refused before anything is written
    plan = claim_folder(run.plan, results, resume=options.resume or extends, restart=options.restart)
    for kept in differences(run.plan.resolved, plan.resolved):
        if kept.path == "training.crop_padding" and plan.study.dataset.kind != "cifar10":
            continue  # nothing else is cropped
        run.say(f"{kept.path} is {kept.new}, as when this folder was begun; a new study would use {kept.old}")
    run = replace(run, plan=plan)
    describe_plan(plan, run.console)
    cpus = _cpus(options)
    with locked(results), closing(Reporter(results, cpus)) as report, ThreadPoolExecutor(2) as background:
        if extends:
            run.say(extend(plan, results, options.extend, options.epochs))
        if options.resume or extends:
            for text in repair(results):
                run.say(f"repaired: {text}")
            retry_failed(results)
        mark_incomplete(results)
        with kept_only_if_begun(results):
            check_space(plan, results)
            for text in preparation(plan, results):
                run.say(text)
            with _preparing(plan, results, options.repeated) as wait:
                ending, account = _search(run, wait, background, report.prepare)
        write_tables(results)
        spent = {
            "wall_seconds": round(time.monotonic() - run.started, 2),
            **account,
            "complete": ending is Ending.COMPLETE,
            "budget_spent": ending is Ending.OVER_BUDGET,
        }
        _note_run(results, spent)
        run.say("Writing the report…")
        report.begin()
        exported = background.submit(_export, plan, results)
        code, answer = _conclude(run, ending, report)
        _await(run, exported)
    if options.notify:
        problem = notify(options.notify, Notice(plan.study.name, run.shown, answer, code))
        if problem:
            run.say(problem)
    return code


@contextmanager
def _preparing(plan: Plan, results: Path, repeated: Path | None) -> Iterator[Callable[[], None]]:
    """Prepare the results folder while Ray starts; the yielded function waits for it.

    Only drawn faces are prepared meanwhile. Files are read first: they may contain mistakes.
    """
    if reads_files(plan):
        prepare(plan, results, repeated)
        yield lambda: None
        return
    prepared = Forked(prepare, plan, results, repeated)
    try:
        yield prepared.result
    finally:
        prepared.stop()


def _search(
    run: StudyRun, wait: Callable[[], None], background: ThreadPoolExecutor, on_first_start: Callable[[], None]
) -> tuple[Ending, dict[str, float | int | None]]:
    """Run what is left of a study once it is prepared; return how that ended, and what it took.

    Ray is shut down on a thread of `background` while tables and report are made.
    """
    with interrupt_held(), quick_imports():
        from fer_tune.search.callback import StudyCallback
        from fer_tune.search.followers import followers_of
        from fer_tune.search.runner import is_complete, run_search
        from fer_tune.search.session import ray_session

    plan, results, options = run.plan, run.results, run.options
    ended = ended_trials(results)
    display = TerminalDisplay(run.console)
    followers = followers_of(plan, results)
    callback = StudyCallback(plan, results, ended, display, on_first_start, followers)
    limit = parse_within(options.within)
    try:
        if ended >= plan.total_trials if plan.study.decide is None else ended and is_complete(plan, results):
            wait()
            run.say("Already complete: nothing to run. The report is written again.")
            ending = Ending.COMPLETE
        else:
            run.say("Starting Ray…")
            with ExitStack() as session:
                session.enter_context(
                    ray_session(options.address, options.verbose, None if options.address else _cpus(options))
                )
                wait()
                spent = time.monotonic() - run.started + REPORT_SECONDS
                run.say("Starting the first trials…")
                with display, closing(followers):
                    ending = run_search(plan, results, callback, options.verbose, limit, spent)
                background.submit(session.pop_all().close)
    except KeyboardInterrupt:
        if not any(results.glob("trials/*/history.csv")):
            raise  # no epoch has run yet: loading the report's libraries to say so would take seconds
        return Ending.CUT_OFF, callback.account.as_json()
    except ConnectionError as error:
        raise UserError(f"--address {options.address}: no Ray cluster answers at this address: {error}") from None
    for name, why in followers.lost.items():
        run.say(f"{name} has not seen all epochs: {why}")
    if callback.unwritable:
        raise UserError(
            f"{results}: {callback.unwritable}. Finished trials are kept. Once the folder can be written again, resume "
            f"with:\n  {_resume_command(options)}"
        )
    return ending, callback.account.as_json()


def _note_run(results: Path, spent: dict[str, Any]) -> None:
    """Add this run to run.json."""
    digests = read_json(results / "data" / "digests.json").values()
    runs = read_json_or(results / "run.json", [])
    write_json(results / "run.json", [*runs, {**spent, "environment": environment(digests)}])


def _export(plan: Plan, results: Path) -> None:
    """Write what other programs read: TensorBoard's event files and Optuna's database."""
    from fer_tune.search.exports import export_optuna

    write_tensorboard(results)
    export_optuna(plan, results)


def _await(run: StudyRun, exported: Future[None]) -> None:
    """Wait for what other programs read; without it a study is still complete."""
    try:
        exported.result()
    except Exception as error:  # from SQLite or TensorBoard
        run.say(f"could not write the files for TensorBoard or Optuna: {str(error).splitlines()[0]}")


def _conclude(run: StudyRun, ending: Ending, report: Reporter) -> tuple[int, str]:
    """Print the answer and what to do next; return the exit code and the answer."""
    reported, answer = _say_report(run, report)
    failed = len(failed_trials(run.results))
    if failed:
        run.say(
            f"{failed} {'trial' if failed == 1 else 'trials'} failed; the report and trials.csv give the reasons. To "
            f"retry, run:\n  {_resume_command(run.options)}"
        )
    if ending is Ending.OVER_BUDGET:
        run.say(
            f"The budget of {run.options.within} is used up; unfinished trials are kept. To go on, run:\n  "
            f"{_resume_command(run.options)}"
        )
    if ending is not Ending.CUT_OFF:
        return DONE if reported and not failed else PARTLY_DONE, answer
    run.say(
        f"Stopped with {ended_trials(run.results)} of {_most(run.plan)} trials done. Finished work is kept. To "
        f"resume, run:\n  {_resume_command(run.options)}"
    )
    return INTERRUPTED, answer


def _most(plan: Plan) -> str:
    """How many trials a study has; a race may need fewer."""
    return f"at most {plan.total_trials}" if plan.study.decide is not None else str(plan.total_trials)


def _say_report(run: StudyRun, reporter: Reporter) -> tuple[bool, str]:
    """Print what the report says first and what it lacks; return whether it is whole, and what it says."""
    try:
        report = reporter.report()
        run.say(f"\n{report.text()}\nReport: {run.shown}/report/index.html")
        return not report.failures, report.text()
    except NoReport as nothing:
        run.say(f"\nNo report yet: {nothing}")
        return True, f"No report yet: {nothing}"
    except (ChildProcessError, ReportFailed) as killed:
        again = shlex.join(["fer-tune", "report", run.shown])
        run.say(f"\nThe report was not written, but all results are kept: {killed} To write it, run:\n  {again}")
        return False, f"The report was not written: {killed}"


def _stopped_text(options: RunOptions) -> str:
    return f"Stopped; finished work is kept. To resume, run:\n  {_resume_command(options)}"


def _resume_command(options: RunOptions) -> str:
    """This command with --resume."""
    study = options.study if options.repeated is None else options.repeated / "study.json"
    words = [*options.command, str(study)]
    words += ["--results", options.results] if options.results != "results" else []
    words += ["--within", options.within] if options.within else []
    words += ["--notify", options.notify] if options.notify else []
    words += ["--cpus", str(options.cpus)] if options.cpus else []
    words += ["--address", options.address] if options.address else []
    words += [word for text in options.overrides for word in ("--set", text)]
    return shlex.join([*words, "--resume"])
