"""What is said of a study before it runs: `--dry-run`."""

from fer_tune.run import main


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
