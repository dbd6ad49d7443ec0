"""`--notify`: a command of the user's that runs when a study ends, with the answer in its environment."""

import os
import subprocess
from dataclasses import dataclass

SECONDS = 60  # that the command may take


@dataclass(frozen=True)
class Notice:
    """What the command is told, as environment variables.

    Attributes:
        study: FER_TUNE_STUDY, the study's name.
        results: FER_TUNE_RESULTS, its results folder.
        answer: FER_TUNE_ANSWER, what the report says first; why there is none where it could not be written.
        code: FER_TUNE_EXIT_CODE of the run.
    """

    study: str
    results: str
    answer: str
    code: int

    def environment(self) -> dict[str, str]:
        """This process's environment with the notice."""
        return {
            **os.environ,
            "FER_TUNE_STUDY": self.study,
            "FER_TUNE_RESULTS": self.results,
            "FER_TUNE_ANSWER": self.answer,
            "FER_TUNE_EXIT_CODE": str(self.code),
        }


def notify(command: str, notice: Notice) -> str:
    """Run the command in a shell; return what went wrong, empty where nothing did."""
    try:
        done = subprocess.run(command, shell=True, env=notice.environment(), timeout=SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"--notify: {command!r} was stopped after {SECONDS} s"
    except (OSError, ValueError) as error:
        return f"--notify: {command!r} could not be run: {error}"
    return f"--notify: {command!r} ended with exit code {done.returncode}" if done.returncode else ""
