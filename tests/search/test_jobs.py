"""The trials of a configuration."""

import pytest

from fer_tune.data.dataset import open_dataset
from fer_tune.data.loading import split_sizes
from fer_tune.results.files import read_json, write_json
from fer_tune.results.folder import trial_folders
from fer_tune.results.records import Role
from fer_tune.search.jobs import NotRunnable, jobs_of
from fer_tune.search.preparation import prepare
from fer_tune.study.loading import load_plan
from tests.support import folders
from tests.support.studies import LAMBDA, NOISE_RATIO


def test_a_configuration_has_a_trial_for_each_seed(plan_of, tmp_path):
    plan = plan_of(seeds=[3, 5])
    jobs = list(jobs_of(plan.cells[1], tmp_path, 0, {}))
    assert [job.folder.key for job in jobs] == ["lambda=0.5,n000,s3", "lambda=0.5,n000,s5"]
    assert [job.record.seed for job in jobs] == [3, 5]
    assert {job.record.role for job in jobs} == {Role.TRIAL}
    assert {job.warm_up for job in jobs} == {None}
    assert jobs[0].record.varied == {"lambda": 0.5}
    assert jobs[0].record.validation_samples == 28
    assert jobs[0].record.accuracy_shrinkage == pytest.approx(1 - 0.4 * 7 / 6)
    assert jobs[0].record.config == jobs[0].config.model_dump(by_alias=True, mode="json")


def test_copies_that_are_left_out_of_validation_do_not_count_as_its_samples(plan_of, tmp_path):
    dataset = {**folders.write_raf(tmp_path / "raf"), "copies": "drop"}  # whose test faces are training faces too
    plan = plan_of(dataset=dataset, noise={})
    (tmp_path / "out").mkdir()
    prepare(plan, tmp_path / "out")
    (job,) = jobs_of(plan.cells[0], tmp_path / "out", 0, {})
    (digest,) = read_json(tmp_path / "out" / "data" / "digests.json").values()
    stored = open_dataset(tmp_path / "out" / "data" / digest)
    assert job.record.validation_samples == len(stored.splits["validation"])
    assert job.record.validation_samples < split_sizes(plan.study.dataset)["validation"]


def test_where_the_gain_is_maximised_each_trial_has_a_baseline_at_its_noise(plan_of, tmp_path):
    search = {"lambda": {"uniform": [0.1, 1.0]}, "noise_ratio": {"uniform": [0.0, 0.6]}}
    (cell,) = plan_of(search=search).cells
    trial, baseline = jobs_of(cell, tmp_path, 2, {LAMBDA: 0.7, NOISE_RATIO: 0.3})
    assert baseline.folder.key == f"{trial.folder.key},baseline"
    assert (trial.config.training.lam, baseline.config.training.lam) == (0.7, 0.0)
    assert (trial.config.noise.ratio, baseline.config.noise.ratio) == (0.3, 0.3)
    assert trial.record.varied == baseline.record.varied == {"lambda": 0.7, "noise_ratio": 0.3}


def test_trials_that_differ_in_lambda_alone_share_a_warm_up(plan_of, tmp_path):
    training = {"epochs": 4, "batch_size": 32, "warmup_epochs": 2}
    plan = plan_of(training=training, search={"lambda": {"grid": [0.0, 0.5]}}, conditions={"noise_ratio": [0.2, 0.4]})
    (first,), (second,), (other,) = (jobs_of(cell, tmp_path, 0, {}) for cell in plan.cells[:3])
    assert first.warm_up.folder == second.warm_up.folder
    assert first.warm_up.record == second.warm_up.record
    assert first.warm_up.folder != other.warm_up.folder
    assert first.warm_up.record.role is Role.WARM_UP
    assert first.warm_up.config.training.epochs == 2
    assert "lambda" not in first.warm_up.record.varied
    assert first.record.warm_up == first.warm_up.folder.key


def test_a_warm_up_keeps_the_name_that_a_version_without_newer_settings_gave_it(plan_of, tmp_path):
    before = {"epochs": 4, "batch_size": 32, "warmup_epochs": 2, "average": 0.0, "order": "generator_first"}
    before["crop_padding"] = "grey"
    names = []
    for training in (before, {**before, "average": 0.9}, {**before, "order": "discriminator_first"}):
        (job,) = jobs_of(plan_of(training=training).cells[1], tmp_path, 0, {})
        names.append(job.warm_up.folder.key)
    assert names[0] == "all,warm_up=e2fa714b2ded,s0"
    assert len(set(names)) == 3


def test_a_trial_waits_for_its_warm_up_until_that_has_ended(finished):
    (job,) = jobs_of(load_plan(finished.study).cells[1], finished.results, 0, {})
    assert not job.waits_for_warm_up
    assert job.finished_warm_up == job.warm_up.folder.path
    (job.warm_up.folder.path / "result.json").unlink()
    assert not job.waits_for_warm_up, "it has epochs of its own"
    assert job.finished_warm_up is None
    job.folder.state.unlink()
    assert job.waits_for_warm_up


def test_a_warm_up_whose_state_is_gone_is_not_continued(finished):
    (job,) = jobs_of(load_plan(finished.study).cells[1], finished.results, 0, {})
    job.warm_up.folder.state.unlink()
    assert job.finished_warm_up is None


def test_a_folder_with_another_record_is_refused(finished):
    folder = trial_folders(finished.results)[1]
    write_json(folder.path / "trial.json", {**folder.record().as_json(), "seed": 9})
    cell = next(cell for cell in load_plan(finished.study).cells if folder.key.startswith(cell.key))
    with pytest.raises(NotRunnable, match=r"trial\.json differs from what the search suggests today"):
        list(jobs_of(cell, finished.results, 0, {}))
