"""A race over seeds by the real command line, stopped by a budget and gone on with."""

import json

import pytest

from fer_tune.results.folder import trial_folders
from tests.support.commands import run_command
from tests.support.studies import SMALL_STUDY, write_study

pytestmark = pytest.mark.serial


def test_a_race_within_a_budget_answers_and_goes_on_to_its_end(tmp_path):
    study = write_study(tmp_path, decide={"baselines": [{"method": "gce"}]}, seeds=[0, 1, 2])
    first = run_command(study, "--within", "4trials", cwd=tmp_path)
    results = tmp_path / "results" / SMALL_STUDY["name"]
    assert first.returncode == 0, first.stdout + first.stderr
    assert "a race of 2 lambdas, and gce to compare with, over at most 3 seeds = at most 9 trials" in first.stdout
    assert "The budget of 4trials is used up" in first.stdout
    assert 3 <= len(list(trial_folders(results))) <= 4
    runs = json.loads((results / "run.json").read_text())
    assert runs[-1]["budget_spent"]
    assert not runs[-1]["complete"]
    second = run_command(study, "--resume", cwd=tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    runs = json.loads((results / "run.json").read_text())
    assert runs[-1]["complete"]
    third = run_command(study, "--resume", cwd=tmp_path)
    assert "Already complete" in third.stdout


@pytest.mark.parametrize("within", ["2 weeks", "0h", "-1h", "1.5trials", "soon"])
def test_a_budget_that_is_none_is_one_line(tmp_path, within):
    done = run_command(write_study(tmp_path), f"--within={within}", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"--within {within}: write ")
    assert not (tmp_path / "results").exists()
