"""What an earlier study says of how much seeds differ: read, checked, kept with the study that uses it."""

import random

import pytest

from fer_tune.decision.race import Prior
from fer_tune.results.files import write_json
from fer_tune.search.jobs import NotRunnable, jobs_of
from fer_tune.search.preparation import prepare
from fer_tune.search.prior import as_json, prior_of, read_prior, shipped_prior
from fer_tune.study.loading import load_plan
from fer_tune.study.plan import make_plan
from fer_tune.study.schema import Study
from tests.support.searches import end
from tests.support.studies import SHIPPED, SMALL_STUDY


def plan(**changes):
    return make_plan(Study.model_validate({**SMALL_STUDY, "seeds": [0, 1, 2, 3, 4], **changes}))


@pytest.fixture
def earlier(tmp_path):
    """Results of an earlier study: five seeds whose levels differ widely and whose λs differ by 0.02 about these."""
    own = plan()
    write_json(tmp_path / "study.json", own.resolved)
    for cell in own.cells:
        for job in jobs_of(cell, tmp_path, 0, {}):
            rng = random.Random(f"{cell.key} {job.record.seed}")
            end(job, 0.5 + job.record.seed / 10 + rng.gauss(0, 0.02))
    return tmp_path


def test_the_spread_is_that_between_lambdas_on_the_same_seed(earlier):
    prior = prior_of(plan(decide={"prior": str(earlier)}), earlier)
    assert 0.005 < prior.spread < 0.05
    assert prior.degrees_of_freedom == 4
    assert prior.source == str(earlier)


def test_it_is_kept_with_the_study_that_uses_it(earlier, tmp_path):
    prior = Prior(0.02, 4.0, "an earlier study")
    write_json(tmp_path / "prior.json", as_json(prior))
    assert read_prior(tmp_path) == prior
    assert read_prior(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training": {"epochs": 3, "batch_size": 32}}, "training.epochs is 2 there, 3 here"),
        ({"objective": "val_ccc"}, "objective is 'val_accuracy' there, 'val_ccc' here"),
        ({"model": {"width": 0.25, "encoder_norm": "batch"}}, "model.width is 0.125 there, 0.25 here"),
    ],
)
def test_a_study_that_was_trained_otherwise_says_nothing(earlier, changes, said):
    with pytest.raises(NotRunnable, match=said):
        prior_of(plan(**changes), earlier)


def test_a_folder_that_is_none_or_holds_one_seed_is_named(earlier, tmp_path):
    with pytest.raises(NotRunnable, match=r"is not a results folder: study.json is missing"):
        prior_of(plan(), tmp_path / "nowhere")
    for path in (earlier / "trials").glob("*,s[1-4]/result.json"):
        path.unlink()
    with pytest.raises(NotRunnable, match="no two seeds that several lambdas share"):
        prior_of(plan(), earlier)
    (earlier / "study.json").write_text("{")
    with pytest.raises(NotRunnable, match="is damaged"):
        prior_of(plan(), earlier)


def test_the_default_study_starts_from_what_its_own_seeds_showed_before():
    own = load_plan(SHIPPED / "lambda_sweep.yaml")
    prior = shipped_prior(own)
    assert prior is not None
    assert 0 < prior.degrees_of_freedom <= 8
    assert 0.003 < prior.spread < 0.06
    assert not set(own.study.seeds) & {501, 502, 503, 504}  # which it comes from
    for word in ("training.epochs=10", "noise.ratio=0.2", "dataset.train=600", "objective=val_ccc"):
        assert shipped_prior(load_plan(SHIPPED / "lambda_sweep.yaml", [word])) is None, word


def test_a_race_that_has_begun_keeps_what_it_knew_at_its_start(tmp_path):
    small = ["dataset.train=64", "dataset.validation=28", "dataset.test=28"]
    own = load_plan(SHIPPED / "lambda_sweep.yaml", small)
    for name in ("fresh", "known"):
        (tmp_path / name).mkdir()
    prepare(own, tmp_path / "fresh")
    assert read_prior(tmp_path / "fresh") is None
    write_json(tmp_path / "known" / "prior.json", as_json(Prior(0.02, 4.0, "then")))
    write_json(tmp_path / "known" / "study.json", own.resolved)
    prepare(own, tmp_path / "known")
    assert read_prior(tmp_path / "known") == Prior(0.02, 4.0, "then")
