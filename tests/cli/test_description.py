"""What is said of a study before it runs: `--dry-run`."""

import pytest

from fer_tune.cli.description import preparation
from fer_tune.results.files import write_json
from fer_tune.run import main
from tests.support import folders


def test_dry_run_prints_trials_and_cost_and_writes_nothing(study_file, capsys, tmp_path):
    path = study_file(seeds=[0, 1, 2])
    assert main([str(path), "--dry-run", "--results", str(tmp_path / "results")]) == 0
    out = capsys.readouterr().out
    assert "2 searches × 1 configuration × 3 seeds = 6 trials" in out
    assert "lambda=0.5: 1 configuration × 3 seeds" in out
    assert "difference appears only 0.53 times as large" in out
    assert "GiB of disk" in out
    assert not (tmp_path / "results").exists()


def test_the_gain_objective_is_explained_once(study_file, capsys):
    search = {"lambda": {"uniform": [0.0, 1.0]}, "noise_ratio": {"uniform": [0.0, 0.6]}}
    assert main([str(study_file(search=search)), "--dry-run"]) == 0
    assert capsys.readouterr().out.count("the objective is the gain over lambda = 0") == 1


def test_a_lambda_that_is_not_searched_is_noted(study_file, capsys):
    assert main([str(study_file(search={}, training={"lambda": 0.3, "batch_size": 32})), "--dry-run"]) == 0
    assert "note: lambda is not searched; every trial uses training.lambda = 0.3" in capsys.readouterr().out


def test_what_is_searched_and_what_is_drawn_is_said(study_file, capsys):
    changes = {"conditions": {"noise_ratio": {"sample": [0.1, 0.5]}}, "search": {"lr": {"log_uniform": [1e-4, 1e-2]}}}
    assert main([str(study_file(**changes)), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "noise_ratio sampled from [0.1, 0.5]" in out
    assert "lr searched in [0.0001, 0.01]" in out


def warned(capsys, path):
    """The lines of a dry run that warn."""
    assert main([str(path), "--dry-run"]) == 0
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]


def test_what_the_report_will_lack_is_said_beforehand(study_file, capsys):
    changes = {"training": {"epochs": 4, "batch_size": 32}, "search": {"lambda": {"grid": [0.3, 1.0]}}}
    short, small, seeds, baseline = warned(capsys, study_file(**changes))
    assert "with 4 epochs (fewer than 6) the final accuracy cannot be predicted" in short
    # 28 samples, noise 0.4 of 7 classes: 1.96 x sqrt(2) x 0.5 / sqrt(28) / (1 - 0.4 x 7 / 6)
    assert "with 28 validation samples and 1 seed, lambdas that differ by less than about 0.49 in" in small
    assert "1 seed and no earlier study do not show how much seeds differ" in seeds
    assert seeds.endswith("Remove `seeds`: then up to six are run.")
    assert "lambda = 0 (plain training) is not among the lambdas" in baseline


def test_a_study_that_can_tell_a_point_apart_is_not_warned_of(study_file, capsys):
    data = {"kind": "synthetic", "train": 64, "validation": 40_000, "test": 28}
    training = {"epochs": 30, "batch_size": 32}
    changes = {"dataset": data, "noise": {"ratio": 0.0}, "training": training, "seeds": [0, 1, 2]}
    assert warned(capsys, study_file(**changes)) == []


def test_a_race_of_too_few_seeds_is_warned_of(study_file, capsys):
    told = warned(capsys, study_file(decide={}, seeds=[0, 1]))[-1]
    assert told.startswith("warning: 2 seeds and no earlier study do not show")
    assert told.endswith("Give more seeds.")


@pytest.mark.parametrize("scheduler", ["asha", "median"])
def test_a_scheduler_that_may_stop_the_best_lambda_is_warned_of(study_file, capsys, scheduler):
    last = warned(capsys, study_file(scheduler=scheduler))[-1]
    assert last.startswith(f"warning: scheduler {scheduler}: it compares trials by their first epochs")
    assert "58 to 83 % of simulated studies" in last


def test_what_is_prepared_is_said_once(plan_of, tmp_path):
    plan = plan_of()
    assert preparation(plan, tmp_path) == ["Drawing 120 faces…"]
    (tmp_path / "data").mkdir()
    write_json(tmp_path / "data" / "digests.json", dict.fromkeys(plan.datasets(), "ab"))
    assert preparation(plan, tmp_path) == []
    table = folders.write_manifest(tmp_path / "mine")
    assert preparation(plan_of(dataset=table), tmp_path) == [f"Reading {tmp_path / 'mine' / 'faces.csv'}…"]
