"""The examples run as they stand: every cell of every notebook, in order, in a process of its own."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"


def run_python(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in `cwd`, where figures are drawn and not shown."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def run_notebook(name: str, script: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook's code cells, in order, with `cwd` as its folder. `script` is the file they are written to."""
    cells = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    script.write_text("\n\n".join(code), encoding="utf-8")
    return run_python(script, cwd=cwd)


def test_every_example_is_tested():
    names = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".ipynb", ".py")}
    assert names == {"one_model.ipynb", "read_results.ipynb", "draw_faces.py", "own_encoder.py"}


def test_notebooks_are_stored_without_outputs():
    for path in EXAMPLES.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert not cell.get("outputs"), path.name


def test_one_model_trains(tmp_path: Path):
    done = run_notebook("one_model.ipynb", tmp_path / "cells.py", tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_finished_study_is_read(smoke: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path):
    results, _ = smoke
    done = run_notebook("read_results.ipynb", tmp_path / "cells.py", results.parent.parent)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("λ =" in line for line in lines)


def test_faces_are_drawn_with_a_table_of_labels(tmp_path: Path):
    done = run_python(EXAMPLES / "draw_faces.py", tmp_path / "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "600 faces and labels.csv. Next: fer-tune data " in done.stdout
    with open(tmp_path / "mine" / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 600
    gaps = [number for number, row in enumerate(rows) if row["emotion"] == ""]
    assert len(gaps) == 10
    assert set(np.diff(gaps)) == {60}
    assert all((tmp_path / "mine" / row["path"]).is_file() for row in rows)


def test_an_encoder_of_ones_own_trains(tmp_path):
    done = run_python(EXAMPLES / "own_encoder.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["epoch 1", "epoch 2"]


def test_the_slurm_job_can_be_read_by_bash_and_calls_commands_that_exist(tmp_path):
    job = EXAMPLES / "slurm" / "study.sbatch"
    subprocess.run(["bash", "-n", str(job)], check=True)
    text = job.read_text(encoding="utf-8")
    called = next(line for line in text.splitlines() if "-m fer_tune.run" in line)
    options = [word for word in called.split() if word.startswith("--")]
    shown = run_python("-m", "fer_tune.run", "--help", cwd=tmp_path)
    assert options
    assert [option for option in options if option not in shown.stdout] == []
    ray = run_python("-m", "ray.scripts.scripts", "start", "--help", cwd=tmp_path)
    starts = [line for line in text.splitlines() if "scripts.scripts start" in line or "-worker-port" in line]
    own = [word.split("=")[0] for line in starts for word in line.split() if word.startswith("--")]
    assert own
    assert [option for option in own if option not in ray.stdout] == []


def test_the_page_on_encoders_shows_the_example():
    code = (EXAMPLES / "own_encoder.py").read_text(encoding="utf-8").split('"""', 2)[2].strip()
    assert code in (ROOT / "docs" / "howto" / "other_encoder.md").read_text(encoding="utf-8")
