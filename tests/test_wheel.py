"""A built wheel, in a fresh environment and an empty folder, holds everything a user needs."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from fer_tune.study.shipped import shipped_studies

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parent.parent
CARRIED = ("fer_tune", "studies", "pyproject.toml", "README.md", "LICENSE")
TINY = {
    "name": "tiny",
    "dataset": {"kind": "synthetic", "train": 28, "validation": 14, "test": 14},
    "noise": {"ratio": 0.4},
    "model": {"width": 0.125, "encoder_norm": "batch"},
    "training": {"epochs": 1, "batch_size": 28, "lambda": 0.0},
}
SHADOWS = ("analysis.py", "report.py", "benchmarks.py", "studies.py")  # a user's own files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in CARRIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    build = ["wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", "out"]
    subprocess.run([sys.executable, "-m", "pip", *build], cwd=source, check=True, capture_output=True)
    (built,) = (source / "out").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def place(wheel, tmp_path_factory) -> Path:
    """A folder with a fresh environment in `env`, which holds the wheel and borrows the tests' dependencies."""
    folder = tmp_path_factory.mktemp("user")
    venv.create(folder / "env", symlinks=True)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])  # its own .pth files do not count there
    install = ["install", "--no-deps", "--no-index", "--quiet", str(wheel)]
    python = str(folder / "env" / "bin" / "python")
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True, capture_output=True)
    for name in SHADOWS:
        (folder / name).write_text("raise SystemExit('a file of the user was imported')\n")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return folder


def call(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in the user's folder, with nothing of the tests' environment but the machine's own."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")}
    command = [str(place / "env" / "bin" / words[0]), *words[1:]]
    return subprocess.run(command, cwd=place, env=kept, capture_output=True, text=True, timeout=240)


def test_the_wheel_holds_studies_schema_templates_and_types_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"fer_tune/studies/{name}.yaml" for name in shipped_studies()}
    wanted |= {"fer_tune/studies/study.schema.json", "fer_tune/py.typed"}
    wanted |= {f"fer_tune/analysis/templates/{name}" for name in ("report.html", "report.md", "page.js", "trials.js")}
    assert wanted <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"fer_tune"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "fer_tune").rglob("*.py")}
    assert modules <= names


def test_the_console_script_knows_its_version_and_the_shipped_studies(place):
    assert call(place, "fer-tune", "--version").stdout == "fer-tune 0.1.0\n"
    assert "lambda_sweep" in call(place, "fer-tune", "studies").stdout
    dry = call(place, "fer-tune", "run", "smoke", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert " = 16 trials" in dry.stdout


def test_a_study_runs_from_the_wheel_beside_files_of_the_same_names(place):
    done = call(place, "fer-tune", "run", "tiny.yaml", "--cpus", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (place / "results" / "tiny" / "report" / "index.html").exists()
    again = call(place, "fer-tune", "report", "results/tiny")
    assert again.returncode == 0, again.stderr
    alone = call(place, "python", "-m", "fer_tune.analysis.convergence", "results/tiny")
    assert alone.returncode == 0, alone.stderr


def test_benchmarks_are_said_to_need_a_checkout(place):
    done = call(place, "fer-tune", "bench", "steps")
    assert done.returncode == 2
    assert "run this command in a checkout" in done.stderr
