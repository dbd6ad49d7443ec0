"""`--extend` and `--epochs`: what is noted in a results folder, and what is refused before anything is lost."""

import json

import pytest

from fer_tune.cli.preflight import claim_folder, extend
from fer_tune.errors import UserError
from fer_tune.results.files import write_json
from fer_tune.results.folder import trial_folders
from fer_tune.run import main
from fer_tune.search.extension import read_extensions
from fer_tune.study.loading import load_plan
from fer_tune.study.plan import make_plan
from fer_tune.study.schema import Study
from tests.support.studies import SMALL_STUDY, run_here, write_study


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    """A small race that has run to its end."""
    plan = make_plan(Study.model_validate({**SMALL_STUDY, "decide": {}, "seeds": [0]}))
    return plan, run_here(plan, tmp_path_factory.mktemp("raced") / "small")


def test_epochs_are_noted_once_and_an_unfinished_extension_is_gone_on_with(raced):
    plan, results = raced
    assert extend(plan, results, 1.5, None) == "Training the leaders on from 2 to 3 epochs."
    write_json(results / "run.json", [{"complete": False}])
    assert extend(plan, results, 1.5, None) == "Training the leaders to 3 epochs, as asked before."
    write_json(results / "run.json", [{"complete": True}])
    assert extend(plan, results, None, 3) == "Training the leaders to 3 epochs, as asked before."
    assert extend(plan, results, 2.0, None) == "Training the leaders on from 3 to 6 epochs."
    assert read_extensions(results) == [3, 6]


@pytest.mark.parametrize(("factor", "epochs"), [(1.0, None), (0.5, None), (float("nan"), None), (1e9, None), (None, 1)])
def test_what_is_no_extension_is_one_line(raced, factor, epochs):
    plan, results = raced
    write_json(results / "run.json", [{"complete": True}])
    with pytest.raises(UserError, match=r"^--(extend|epochs) "):
        extend(plan, results, factor, epochs)


def test_a_list_of_seeds_has_no_leaders(tmp_path):
    with pytest.raises(UserError, match="only a study with `decide`"):
        extend(load_plan(write_study(tmp_path)), tmp_path, 1.5, None)


@pytest.mark.parametrize("words", [["--extend", "1.5"], ["--epochs", "9"]])
def test_nothing_is_deleted_to_be_trained_on(raced, tmp_path, capsys, words):
    _, results = raced
    study = write_study(tmp_path, decide={}, seeds=[0])
    before = len(list(trial_folders(results)))
    assert main([str(study), "--results", str(results.parent), "--restart", *words]) == 2
    assert capsys.readouterr().err.startswith("give --restart or --extend (--epochs), not both")
    assert len(list(trial_folders(results))) == before


def test_a_study_that_named_no_seeds_before_there_were_races_keeps_its_one(tmp_path):
    study = write_study(tmp_path, seeds=[0])
    results = run_here(load_plan(study), tmp_path / "results" / "small")
    older = json.loads((results / "study.json").read_text())
    del older["decide"]
    write_json(results / "study.json", older)
    study.write_text(study.read_text().replace("seeds:\n- 0\n", ""))
    plan = load_plan(study)
    assert plan.study.decide is not None
    assert plan.study.seeds == (0, 1, 2, 3, 4, 5)
    kept = claim_folder(plan, results, resume=True, restart=False)
    assert kept.study.decide is None
    assert kept.study.seeds == (0,)


def test_a_prior_that_is_not_there_is_found_before_anything_is_drawn(tmp_path, capsys):
    study = write_study(tmp_path, decide={"prior": "nowhere"}, seeds=[0, 1])
    for words in (["--dry-run"], ["--results", str(tmp_path / "results")]):
        assert main([str(study), *words]) == 2
        said = capsys.readouterr()
        assert said.err == "decide.prior: nowhere is not a results folder: study.json is missing\n"
        assert "Drawing" not in said.out
