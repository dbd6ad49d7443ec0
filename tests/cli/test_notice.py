"""`--notify`."""

import pytest

from fer_tune.cli import notice
from fer_tune.cli.notice import Notice, notify

NOTICE = Notice("mine", "results/mine", "Take λ = 0.3.\nIt may lose 2 points.", 0)


def test_the_command_sees_study_folder_answer_and_exit_code(tmp_path):
    written = tmp_path / "mail.txt"
    names = ("FER_TUNE_STUDY", "FER_TUNE_RESULTS", "FER_TUNE_ANSWER", "FER_TUNE_EXIT_CODE")
    command = "; ".join(f'printenv {name} >> "{written}"' for name in names)
    assert notify(command, NOTICE) == ""
    assert written.read_text(encoding="utf-8") == "mine\nresults/mine\nTake λ = 0.3.\nIt may lose 2 points.\n0\n"


def test_a_command_that_fails_is_named_and_ends_nothing():
    assert notify("exit 3", NOTICE) == "--notify: 'exit 3' ended with exit code 3"


def test_a_command_that_does_not_end_is_stopped(monkeypatch):
    monkeypatch.setattr(notice, "SECONDS", 0.2)
    assert notify("exec sleep 30", NOTICE) == "--notify: 'exec sleep 30' was stopped after 0.2 s"


@pytest.mark.parametrize("answer", ["a\0b"])
def test_an_answer_that_no_environment_can_hold_is_said(answer):
    assert "could not be run" in notify("true", Notice("mine", "results/mine", answer, 0))
