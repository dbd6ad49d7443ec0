"""Text reaches a terminal of any encoding."""

import os
import subprocess
import sys

import pytest

from fer_tune.system.output import CLOSED_PIPE, quiet_when_closed
from tests.support.commands import ROOT

TEXT = "λ = 0.3 – 2 × 3 → 标注 \\udce9"
PRINTED = "lambda = 0.3 - 2 x 3 -> \\u6807\\u6ce8 \\udce9"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r", "shift_jis", "utf-8"])
def test_nothing_that_is_printed_fails(encoding, stream):
    code = "import sys; from fer_tune.system.output import never_fail_to_print; never_fail_to_print(); "
    code += f"print('{TEXT}', file=sys.{stream})"
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    said = getattr(done, stream).decode(encoding)
    if encoding == "ascii":
        assert said == f"{PRINTED}\n"
    assert " = 0.3 " in said
    assert said.endswith("\\udce9\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["studies"], ["studies", "new_dataset"], ["--help"]], ids=" ".join)
def test_a_closed_pipe_ends_a_command_without_a_word(words, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "fer_tune", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (CLOSED_PIPE, 0)  # argparse takes no notice of it


def test_a_broken_pipe_of_another_file_is_no_closed_output():
    with pytest.raises(BrokenPipeError), quiet_when_closed():
        raise BrokenPipeError
