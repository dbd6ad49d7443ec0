"""What a person sees while a study runs. The trials are made up; a real terminal is in test_run.py."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from fer_tune.cli.progress import TerminalDisplay
from fer_tune.results.records import Role, Status, TrialRecord
from fer_tune.search.callback import EndedTrial, Progress, RunningTrial

ROW = {"epoch": 3.0, "generator_joint_loss": 2.25, "discriminator_joint_loss": 0.75, "val_accuracy": 0.5}


def shown(terminal, act):
    """What a display of 160 columns prints."""
    text = io.StringIO()
    display = TerminalDisplay(Console(file=text, force_terminal=terminal, width=160, color_system=None))
    with display:
        act(display)
    return text.getvalue()


@pytest.fixture
def running(plan_of):
    config = plan_of(training={"epochs": 12, "batch_size": 32, "lr": 0.002}).cells[1].config({}, 0)
    return [RunningTrial("one", config, ROW), RunningTrial("two", config, {})]


PROGRESS = Progress(running=2, done=3, total=16, failed=0, elapsed=65.0, left=600.0)
SUMMARY = "2 running, 3 of 16 done; 65 s elapsed, about 10 min left"


def test_a_terminal_shows_a_live_table(running):
    text = shown(True, lambda display: display.update(PROGRESS, running))
    headings = ("trial", "λ", "learning rate", "L_G", "L_D", "validation accuracy")
    for part in (*headings, SUMMARY, "3 / 12", "2.25", "0.75", "2.0e-03", "starting"):
        assert part in text, part


def test_elsewhere_a_line_is_printed_at_most_every_ten_seconds(running):
    def act(display):
        display.update(PROGRESS, running)
        display.update(PROGRESS, running)

    assert shown(False, act) == f"{SUMMARY}\n"


def test_a_race_says_that_it_may_stop_earlier(running):
    text = shown(False, lambda display: display.update(replace(PROGRESS, at_most=True), running))
    assert text == "2 running, 3 of at most 16 done; 65 s elapsed, at most 10 min left\n"


def test_failures_are_counted_and_nothing_is_said_of_an_unknown_end(running):
    progress = Progress(running=1, done=3, total=16, failed=2, elapsed=5.0, left=0.0)
    assert shown(False, lambda display: display.update(progress, running)) == (
        "1 running, 3 of 16 done, 2 failed; 5 s elapsed\n"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"running": 0, "done": 16}, "0 running, 16 of 16 done; 65 s elapsed"),
        ({"running": 0, "done": 15, "failed": 1}, "0 running, 15 of 16 done, 1 failed; 65 s elapsed"),
        ({"running": 1, "done": 16}, "1 running, 16 of 16 done; 65 s elapsed"),
    ],
)
def test_the_last_line_says_of_no_time_left(running, changes, said):
    last = replace(PROGRESS, **changes)
    assert shown(False, lambda display: display.update(last, running)) == f"{said}\n"


@pytest.mark.parametrize(
    ("role", "status", "reason", "line"),
    [
        (Role.TRIAL, Status.FINISHED, "", "finished: key  validation accuracy 0.5"),
        (Role.WARM_UP, Status.FINISHED, "", "shared warm-up finished (seed 0): key  validation accuracy 0.5"),
        (Role.TRIAL, Status.FAILED, "worker lost", "failed: key  validation accuracy 0.5  worker lost"),
    ],
)
def test_the_end_of_a_trial_is_one_line(role, status, reason, line):
    ended = EndedTrial("key", TrialRecord(role=role, config={}), status, 0.5, reason)
    assert shown(False, lambda display: display.trial_ended(ended)) == f"{line}\n"
