"""Memory of this process and its children."""

import subprocess
import sys

from fer_tune.memory import tree_bytes


def test_memory_of_a_child_counts_while_it_lives():
    before = tree_bytes()
    code = "hold = bytearray(b'x') * 200_000_000\nprint('held', flush=True)\ninput()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    during = tree_bytes()
    child.communicate(b"\n")
    assert 190e6 < during - before < 260e6
    assert tree_bytes() - before < 50e6
