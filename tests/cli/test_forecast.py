"""What `--dry-run` says of `--extend`, `--epochs` and `--within`."""

import pytest

from fer_tune.cli.forecast import forecast_extension, forecast_limit
from fer_tune.errors import UserError
from fer_tune.results.folder import trial_folders
from fer_tune.run import main
from fer_tune.search.extension import read_extensions
from fer_tune.study.plan import make_plan
from fer_tune.study.schema import Study
from tests.support.studies import SMALL_STUDY, run_here, write_study


def raced_plan(seeds):
    return make_plan(Study.model_validate({**SMALL_STUDY, "decide": {}, "seeds": seeds}))


def test_an_extension_is_counted_and_nothing_is_written(tmp_path):
    plan = raced_plan([0])
    results = run_here(plan, tmp_path / "small")
    before = sorted(path for path in results.rglob("*"))
    said = forecast_extension(plan, results, 1.5, None, 2)
    assert said.startswith(
        "Trains the 2 settings that the race left over on 1 seed from 2 to 3 epochs: 2 trials, about "
    )
    assert sorted(path for path in results.rglob("*")) == before
    assert read_extensions(results) == []


def test_a_race_that_runs_has_no_leaders_yet(tmp_path):
    plan = raced_plan([0])
    results = run_here(plan, tmp_path / "small")
    (next(iter(trial_folders(results))).path / "result.json").unlink()
    assert forecast_extension(plan, results, 1.5, None, 2).startswith("The race is not over: finish it first")


def test_an_extension_of_nothing_is_refused_and_leaves_no_folder(tmp_path, capsys):
    study = write_study(tmp_path, decide={}, seeds=[0])
    for words in (["--dry-run"], []):
        assert main([str(study), "--results", str(tmp_path / "results"), "--extend", "1.5", *words]) == 2
        assert "has no finished trial to go on from" in capsys.readouterr().err
        assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("within", "said"),
    [
        ("1s", "not one seed with every lambda fits"),
        ("4trials", "2 of up to 4 seeds with every lambda fit"),
        ("100d", "4 of up to 4 seeds with every lambda fit"),
        ("4epochs", "1 of up to 4 seeds with every lambda fit"),
    ],
)
def test_a_budget_is_told_in_seeds_of_a_race(within, said):
    assert forecast_limit(raced_plan([0, 1, 2, 3]), within, 2) == f"--within {within}: {said}, by this estimate" + (
        ", so nothing would be decided." if "not one" in said else "."
    )


def test_a_budget_is_told_in_trials_of_a_list():
    plan = make_plan(Study.model_validate({**SMALL_STUDY, "seeds": [0, 1]}))
    assert forecast_limit(plan, "3trials", 2) == "--within 3trials: about 3 of 4 trials fit, by this estimate."


def test_a_budget_that_cannot_be_read_is_refused():
    with pytest.raises(UserError, match="write a duration"):
        forecast_limit(raced_plan([0]), "soon", 2)
