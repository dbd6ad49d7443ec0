"""Memory of this process and its children."""

import subprocess
import sys

from fer_tune.system.memory import own_peak_bytes, tree_bytes
from tests.conftest import ROOT


def test_memory_of_a_child_counts_while_it_runs():
    before = tree_bytes()
    code = "hold = bytearray(b'x') * 200_000_000\nprint('held', flush=True)\ninput()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    during = tree_bytes()
    child.communicate(b"\n")
    assert 190e6 < during - before < 260e6
    assert tree_bytes() - before < 50e6


def test_peak_memory_stays_after_freeing_and_excludes_the_parent():
    hold = bytearray(b"x") * 300_000_000
    assert own_peak_bytes() > len(hold)
    code = (
        "from fer_tune.system.memory import own_peak_bytes as peak\na = peak()\n"
        "b = bytearray(b'x') * 200_000_000\ndel b\nprint(a, peak())"
    )
    before, after = map(int, subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT).stdout.split())
    assert before < 200e6 < after - before + 10e6
