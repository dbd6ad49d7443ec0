"""CPUs that may be used, not those of the machine."""

import os
import subprocess
import sys

import pytest

from fer_tune.system.cpus import usable_cpus
from tests.support.commands import ROOT


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no CPU affinity here")
def test_the_affinity_of_the_process_counts():
    first = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{first}}}); from fer_tune.system.cpus import usable_cpus; "
    code += "print(usable_cpus())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_there_is_always_one():
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
