"""Imports point one way only: rooms.py says which room may import which, and this test reads every import."""

import subprocess
import sys

import pytest

from tests.support.commands import ROOT
from tests.support.rooms import MAY_IMPORT, violations

ORDER = (
    "system", "names", "errors", "data", "models", "training", "study", "results", "decision", "search", "analysis",
    "cli", "door",
)  # fmt: skip
LOADED = {  # what a fresh process must not have loaded after these lines
    "from fer_tune.cli.main import parser; parser()": {"torch", "ray", "pandas", "matplotlib"},
    "import fer_tune.cli.study_run": {"torch", "ray", "matplotlib"},
    "import fer_tune.study.loading": {"torch", "ray"},
    "import fer_tune.study.plan, fer_tune.study.cost, fer_tune.study.shipped": {"torch", "ray"},
    "import fer_tune.models.spec, fer_tune.training.spec": {"torch", "ray"},
    "import fer_tune.results.folder, fer_tune.results.tables, fer_tune.results.repair": {"torch", "ray"},
    "import fer_tune.decision.next_trial": {"torch", "ray", "pandas"},
    "import fer_tune.decision.recommendation": {"torch", "ray"},
    "import fer_tune.analysis.report": {"torch", "ray"},
    "import fer_tune.search.jobs, fer_tune.search.preparation": {"torch", "ray"},
    "import fer_tune.search.trial, fer_tune.search.checkpoint": {"ray"},
    "import fer_tune.search.trainable": {"torch"},
}


def test_imports_point_one_way():
    assert [str(found) for found in violations(ROOT)] == []


def test_a_room_may_only_import_rooms_below_it():
    for room, allowed in MAY_IMPORT.items():
        if room in ORDER:
            below = set(ORDER[: ORDER.index(room)])
            assert allowed <= below, room


def test_search_and_analysis_do_not_know_each_other():
    assert "analysis" not in MAY_IMPORT["search"]
    assert "search" not in MAY_IMPORT["analysis"]


@pytest.mark.parametrize("code", LOADED, ids=lambda code: code.replace("import ", ""))
def test_what_a_room_loads_at_run_time(code):
    """Also what it imports through others."""
    say = f"{code}; import sys; print(*sorted({LOADED[code]!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", say], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


MADE_UP = {
    "a room above": ("fer_tune/study/bad.py", "from fer_tune.cli.main import main", "study never imports cli"),
    "a room beside": ("fer_tune/search/bad.py", "import fer_tune.analysis.report", "search never imports analysis"),
    "a library": ("fer_tune/cli/bad.py", "import torch.nn as nn", "cli never imports torch"),
    "in a function": ("fer_tune/study/bad.py", "def f():\n    import ray", "study never imports ray"),
    "for types alone": (
        "fer_tune/results/bad.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from fer_tune.study.plan import Plan",
        "results never imports study",
    ),
    "relative": ("fer_tune/models/bad.py", "from ..data import labels", "models never imports data"),
    "relative, the room": ("fer_tune/models/bad.py", "from .. import data", "models never imports data"),
    "from the package": ("fer_tune/data/bad.py", "from fer_tune import study", "data never imports study"),
    "files": ("fer_tune/decision/bad.py", "from pathlib import Path", "decision never imports pathlib"),
    "YAML": ("fer_tune/training/bad.py", "import yaml", "training never imports yaml"),
    "a script": ("analysis/bad.py", "from fer_tune.results.folder import TrialFolder", "script never imports results"),
    "scripts": ("fer_tune/analysis/bad.py", "import analysis.report", "analysis never imports analysis/"),
    "benchmarks": ("fer_tune/search/bad.py", "import benchmarks.steps", "search never imports benchmarks/"),
    "a door": ("fer_tune/run.py", "from fer_tune.search.runner import run_search", "door never imports search"),
    "a door from inside": ("fer_tune/cli/bad.py", "import fer_tune.run", "cli never imports run"),
    "in the contents": ("fer_tune/study/__init__.py", "import json", "the __init__.py of a room imports nothing"),
    "one module": ("fer_tune/search/trial.py", "from ray import tune", "search never imports ray"),
    "not a room": ("fer_tune/attic/old.py", "import json", "attic is not a room"),
}


@pytest.mark.parametrize("case", MADE_UP)
def test_the_checker_names_file_line_and_rule(tmp_path, case):
    name, source, rule = MADE_UP[case]
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(f"{source}\n")
    (found,) = violations(tmp_path)
    line = 1 if case == "not a room" else len(source.splitlines())
    assert str(found).startswith(f"{name}:{line}: {rule}")


def test_the_checker_lets_pass_what_is_allowed(tmp_path):
    allowed = {
        "fer_tune/names.py": "import dataclasses",
        "fer_tune/cli/run.py": "import ray\nfrom fer_tune.search import runner\nimport fer_tune",
        "fer_tune/data/__main__.py": "from fer_tune.cli.main import door",
        "fer_tune/analysis/report.py": "from fer_tune.results.folder import TrialFolder\nimport pandas",
        "fer_tune/cli/bench.py": "from benchmarks.__main__ import main",
        "benchmarks/steps.py": "import torch\nfrom benchmarks import timed",
        "analysis/report.py": "from fer_tune.analysis.report import main",
    }
    for name, source in allowed.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    assert violations(tmp_path) == []
