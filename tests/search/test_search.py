"""The searcher with real Optuna, and the run with real Ray."""

import itertools
import math
import random
import threading
import time
from collections import Counter
from pathlib import Path

import optuna
import pandas as pd
import psutil
import pytest
import ray
import torch
from fer_tune.search.progress import Progress
from rich.console import Console

from fer_tune.cli.run import _prepare
from fer_tune.data.loading import dataset_key
from fer_tune.results.files import read_json, write_json
from fer_tune.results.folder import TrialFolder, trial_folders
from fer_tune.results.tables import write_tables
from fer_tune.search.cell_search import CellSearch
from fer_tune.search.exports import export_optuna
from fer_tune.search.jobs import NotRunnable
from fer_tune.search.runner import is_complete, run_search, trial_resources
from fer_tune.search.searcher import StudySearcher
from fer_tune.search.trial import TrialRun
from fer_tune.search.warm_start import earlier_values
from fer_tune.study.cost import epoch_core_seconds, remaining_core_seconds
from fer_tune.study.loading import load_study
from fer_tune.study.schema import TrialConfig
from tests.conftest import CLOCK, ROOT

LR = {"log_uniform": [1e-4, 1e-2]}


def finish(job, value):
    """Write what a trial would leave: a fabricated result, for searcher tests alone."""
    job.folder.begin(job.settings)
    job.folder.write_history([{"epoch": 1.0, "val_accuracy": value, "seconds": 0.0}])
    job.folder.end("finished", "val_accuracy")


def score(settings):
    """A smooth function of the suggestion, best at lr = 1e-3."""
    return 1 - abs(math.log10(settings["config"]["training"]["lr"]) + 3) / 5 + settings["seed"] / 100


def walk(study, results, shuffle=0, most=10**6):
    """Run a cell's search to its end (or for a number of trials), trials of a batch ending in any order."""
    search = CellSearch(study, study.cells()[-1], results)
    rng, keys, open_jobs = random.Random(shuffle), [], []
    while not search.finished and len(keys) < most:
        while (job := search.next_job()) is not None:
            open_jobs.append(job)
        if not open_jobs:
            break
        job = open_jobs.pop(rng.randrange(len(open_jobs)))
        finish(job, score(job.settings))
        search.complete(job.folder.key)
        keys.append(job.folder.key)
    return search, keys


@pytest.fixture
def searched(study_file):
    return load_study(
        study_file(search={"lambda": {"grid": [0.0, 0.5]}, "lr": LR}, seeds=[0, 1], optuna={"trials": 12, "batch": 4})
    )


def suggestions(results):
    return {f.key: f.settings()["varied"] for f in trial_folders(results)}


def test_suggestions_do_not_depend_on_which_trial_ends_first(searched, tmp_path):
    for name, shuffle in (("a", 1), ("b", 2)):
        walk(searched, tmp_path / name, shuffle)
    assert len(suggestions(tmp_path / "a")) == 24
    assert suggestions(tmp_path / "a") == suggestions(tmp_path / "b")


@pytest.mark.parametrize("most", [1, 7, 8, 15, 23])
def test_a_resumed_search_repeats_no_trial_and_suggests_the_same(searched, tmp_path, most):
    walk(searched, tmp_path / "whole")
    _, first = walk(searched, tmp_path / "parts", most=most)
    _, second = walk(searched, tmp_path / "parts", shuffle=3)
    assert len(first) == most and not set(first) & set(second) and len(first) + len(second) == 24
    assert suggestions(tmp_path / "parts") == suggestions(tmp_path / "whole")


def test_tpe_learns_from_the_means_it_is_told(searched, tmp_path):
    study = searched.model_copy(update={"optuna": searched.optuna.model_copy(update={"trials": 40})})
    walk(study, tmp_path)
    distance = [abs(math.log10(v["lr"]) + 3) for k, v in sorted(suggestions(tmp_path).items()) if k.endswith("s0")]
    assert sum(distance[-12:]) / 12 < sum(distance[:8]) / 8


def test_each_lambda_and_condition_gets_its_own_equal_search(study_file, tmp_path):
    study = load_study(
        study_file(conditions={"noise_ratio": [0.2, 0.4]}, search={"lambda": {"grid": [0.0, 0.5]}, "lr": LR})
    )
    searches = [CellSearch(study, cell, tmp_path) for cell in study.cells()]
    first = [[search.next_job().settings["varied"]["lr"] for _ in range(4)] for search in searches]
    assert first[0] == first[1] and first[2] == first[3] and first[0] != first[2]
    assert len({id(s.optuna) for s in searches}) == 4


def test_a_failed_or_diverged_trial_is_told_as_failed_and_the_search_goes_on(searched, tmp_path):
    search = CellSearch(searched, searched.cells()[-1], tmp_path)
    jobs = [search.next_job() for _ in range(8)]
    for i, job in enumerate(jobs):
        finish(job, score(job.settings))
        if i == 0:
            job.folder.end("failed", "val_accuracy", "worker lost")
        search.complete(job.folder.key)
    assert search.next_job().folder.key.endswith("n004,s0")
    states = [t.state.name for t in search.optuna._ot_study.trials[:4]]
    assert states == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]


def test_a_sampled_condition_fills_its_range_and_is_shared_by_every_lambda(study_file, tmp_path):
    study = load_study(
        study_file(conditions={"noise_ratio": {"sample": [0.0, 0.6]}}, optuna={"trials": 16, "batch": 16})
    )
    ratios = []
    for cell in study.cells():
        search = CellSearch(study, cell, tmp_path)
        ratios.append([search.next_job().settings["config"]["noise"]["ratio"] for _ in range(16)])
    assert ratios[0] == ratios[1]
    counts = pd.cut(ratios[0][1:], [0, 0.15, 0.3, 0.45, 0.6]).value_counts()
    assert counts.min() >= 2


def test_an_optimised_noise_ratio_is_judged_by_the_gain_over_lambda_zero(study_file, tmp_path):
    search = {"lambda": {"uniform": [0.1, 1.0]}, "noise_ratio": {"uniform": [0.0, 0.6]}}
    study = load_study(study_file(search=search, seeds=[0, 1], optuna={"trials": 2, "batch": 1}))
    cell = CellSearch(study, study.cells()[0], tmp_path)
    jobs = [cell.next_job() for _ in range(4)]
    assert [j.settings["role"] for j in jobs] == ["trial", "baseline"] * 2
    for own, plain in (jobs[:2], jobs[2:]):
        configs = own.settings["config"], plain.settings["config"]
        assert configs[1]["training"]["lambda"] == 0 and configs[0]["training"]["lambda"] >= 0.1
        assert configs[0]["noise"] == configs[1]["noise"] and configs[0]["seed"] == configs[1]["seed"]
    for job, value in zip(jobs, (0.7, 0.5, 0.6, 0.5), strict=True):
        finish(job, value)
        cell.complete(job.folder.key)
    assert cell.next_job() is not None
    assert cell.optuna._ot_study.trials[0].value == pytest.approx(0.15)


def simulate(study, results, slots):
    """Run a study's searcher against a clock: every epoch takes as long as estimated, a slice costs nothing.

    Returns when each trial ended, and how often each began.
    """
    (results / "data").mkdir()
    write_json(results / "data" / "digests.json", {dataset_key(study.dataset.model_dump(mode="json")): "d"})
    searcher = StudySearcher(study, results, 1, slots)
    clock, ends, starts, busy, names = 0.0, {}, Counter(), [], map(str, itertools.count())
    while True:
        while len(busy) < slots and isinstance(found := searcher.suggest(name := next(names)), dict):
            config = TrialConfig.model_validate(found["settings"]["config"])
            folder = TrialFolder(Path(found["folder"]))
            starts[folder.key] += 1
            begun = len(folder.history()) or (config.training.warmup_epochs if found["warm_up"] else 0)
            seconds = sum(epoch_core_seconds(config, e) for e in range(begun + 1, found["until"] + 1))
            busy.append((clock + seconds, name, folder, found["until"], config.training.epochs))
        if not busy:
            return ends, starts
        clock, trial_id, folder, until, epochs = done = min(busy, key=lambda b: b[0])
        busy.remove(done)
        folder.write_history([{"epoch": e, "val_accuracy": 0.5, "seconds": 1.0} for e in range(1, until + 1)])
        if until == epochs:
            folder.end("finished", "val_accuracy")
            folder.state.touch()
            ends[folder.key] = clock
        searcher.on_trial_complete(trial_id)


@pytest.mark.parametrize(("slots", "seeds"), [(2, [0]), (2, [0, 1]), (4, [0, 1]), (8, [0, 1, 2])])
def test_the_last_trials_run_in_slices_so_that_no_worker_idles(tmp_path, slots, seeds):
    study = load_study(Path("studies/lambda_sweep.yaml")).model_copy(update={"seeds": tuple(seeds)})
    ends, starts = simulate(study, tmp_path, slots)
    configs = [study.trial_config(cell, {}, 0) for cell in study.cells()]
    warm = remaining_core_seconds(configs[0], 0) - remaining_core_seconds(configs[0], 6)
    work = len(seeds) * (sum(remaining_core_seconds(config, 6) for config in configs) + warm)
    assert sum("warm_up" not in key for key in ends) == study.total_trials() and max(starts.values()) <= 9
    assert max(ends.values()) <= 1e-6 + warm + max(1.06 * work / slots, remaining_core_seconds(configs[-1], 6))


@pytest.mark.parametrize(("slots", "scheduler"), [(3, "none"), (2, "median")])
def test_trials_that_divide_evenly_or_are_scheduled_run_in_one_piece(tmp_path, slots, scheduler):
    study = load_study(Path("studies/lambda_sweep.yaml")).model_copy(update={"scheduler": scheduler})
    _, starts = simulate(study, tmp_path, slots)
    assert set(starts.values()) == {1}


def test_a_search_starts_from_what_an_earlier_study_found(searched, tmp_path):
    walk(searched, tmp_path / "earlier")
    write_json(tmp_path / "earlier" / "study.json", {"objective": searched.objective})
    found = earlier_values(searched, tmp_path / "earlier")
    assert len(found) == 12
    (tmp_path / "later").mkdir()
    write_json(tmp_path / "later" / "warm_start.json", found)
    matching, other = (CellSearch(searched, cell, tmp_path / "later") for cell in reversed(searched.cells()))
    known = [t for t in matching.optuna._ot_study.trials if t.state.name == "COMPLETE"]
    assert sorted(t.value for t in known) == pytest.approx(sorted(e["value"] for e in found))
    assert not other.optuna._ot_study.trials, "another lambda has nothing to learn from"
    best = max(found, key=lambda e: e["value"])["varied"]["lr"]
    suggested = [matching.next_job().settings["varied"]["lr"] for _ in range(8)]
    assert sum(abs(math.log10(lr / best)) for lr in suggested) / 8 < 0.6


def test_an_earlier_study_that_does_not_fit_is_refused(searched, tmp_path):
    with pytest.raises(NotRunnable, match=r"warm_start: .* is no results folder"):
        earlier_values(searched, tmp_path)
    write_json(tmp_path / "study.json", {"objective": "val_ccc"})
    with pytest.raises(NotRunnable, match="maximised val_ccc, this study maximises val_accuracy"):
        earlier_values(searched, tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("study.json", "[]"),
        ("study.json", "{}"),
        ("study.json", "{"),
        ("trial.json", "{}"),
        ("trial.json", "[1]"),
        ("result.json", '{"objective": "much"}'),
    ],
)
def test_an_earlier_study_that_is_damaged_is_named(searched, tmp_path, name, text):
    walk(searched, tmp_path, most=1)
    write_json(tmp_path / "study.json", {"objective": searched.objective})
    path = next(iter(tmp_path.rglob(name)))
    path.write_text(text)
    with pytest.raises(NotRunnable, match=r"warm_start: .* is damaged"):
        earlier_values(searched, tmp_path)


def test_a_suggestion_that_differs_from_the_one_on_record_stops_the_study(searched, tmp_path):
    walk(searched, tmp_path, most=3)
    changed = searched.model_copy(update={"optuna": searched.optuna.model_copy(update={"seed": 9})})
    with pytest.raises(NotRunnable, match="was suggested otherwise than today"):
        CellSearch(changed, changed.cells()[-1], tmp_path).next_job()


def test_export_holds_every_configuration_with_its_mean(searched, tmp_path):
    walk(searched, tmp_path)
    path = export_optuna(searched, tmp_path)
    (study,) = (optuna.load_study(study_name="small: all", storage=f"sqlite:///{path}"),)
    assert len(study.trials) == 12
    for trial in study.trials:
        assert set(trial.params) == {"lambda", "lr"} and trial.params["lambda"] == 0.5
        values = [TrialFolder(tmp_path / "trials" / key).result()["objective"] for key in trial.user_attrs["trials"]]
        assert len(values) == 2 and trial.value == pytest.approx(sum(values) / 2)


def test_export_of_an_unfinished_configuration_is_marked(searched, tmp_path):
    walk(searched, tmp_path, most=3)
    study = optuna.load_study(study_name="small: all", storage=f"sqlite:///{export_optuna(searched, tmp_path)}")
    assert {t.state.name for t in study.trials} <= {"COMPLETE", "FAIL"}


def test_smoke_export_opens_with_optuna(smoke):
    results, _ = smoke
    storage = f"sqlite:///{results / 'optuna.sqlite3'}"
    assert optuna.get_all_study_names(storage) == ["smoke: noise_ratio=0.2", "smoke: noise_ratio=0.4"]
    study = optuna.load_study(study_name="smoke: noise_ratio=0.4", storage=storage)
    assert len(study.trials) == 4 and study.best_trial.value > 0


@pytest.fixture(scope="class")
def logical_machine():
    """Real Ray that believes in eight CPUs and four GPUs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        ray.init(
            address="local", num_cpus=8, num_gpus=4, include_dashboard=False, log_to_driver=False,
            logging_level="CRITICAL", object_store_memory=100 * 2**20,
        )  # fmt: skip
        yield
        ray.shutdown()


@pytest.mark.usefixtures("logical_machine")
class TestWithRay:
    """Real runs in one Ray session."""

    def run(self, study, results):
        results.mkdir(parents=True)
        _prepare(study, results)
        progress = Progress(study, results, 0, Console(quiet=True))
        complete = run_search(study, results, progress)
        assert complete and is_complete(study, results)
        assert len(pd.read_csv(results / "trials.csv")) >= 1  # written while it ran, for a report of what has ended
        write_tables(results)
        return progress, pd.read_csv(results / "trials.csv")

    @pytest.mark.slow
    def test_half_a_gpu_a_trial_on_four_gpus_runs_eight_trials_at_once(self, study_file, tmp_path):
        study = load_study(
            study_file(
                search={"lambda": {"grid": [0.0]}}, seeds=list(range(8)), resources={"cpu": 1, "gpu": 0.5},
                training={"epochs": 50, "batch_size": 32},
            )
        )  # fmt: skip
        assert trial_resources(study) == ({"cpu": 1.0, "gpu": 0.5}, 8)
        progress, trials = self.run(study, tmp_path / "r")
        assert progress.most_running == 8 and len(trials) == 8

    @pytest.mark.slow
    def test_trials_in_slices_equal_trials_in_one_piece(self, study_file, tmp_path, monkeypatch):
        monkeypatch.setattr("fer_tune.search.searcher.SLICE_SECONDS", 0.0)
        study = load_study(
            study_file(
                search={"lambda": {"grid": [0.0, 0.3, 0.5]}}, training={"epochs": 3, "batch_size": 32},
                resources={"cpu": 4, "gpu": 0, "deterministic": True},  # on CPU the same numbers
            )
        )  # fmt: skip
        progress, sliced = self.run(study, tmp_path / "sliced")
        assert progress.starts > 3 and list(sliced["epochs"]) == [3, 3, 3]
        (saved,) = (tmp_path / "sliced" / "data").glob("*/dataset.json")
        torch.set_num_threads(4)  # as many as the trials held
        for folder in trial_folders(tmp_path / "sliced"):
            whole = TrialRun(tmp_path / folder.key, folder.settings(), saved.parent, study.objective)
            while not whole.done:
                whole.step()
            whole.close()
            ends = [(f / "predictions.csv").read_text() for f in (folder.path, tmp_path / folder.key)]
            assert ends[0] == ends[1]
            one, other = (pd.DataFrame(f.history()).drop(columns=CLOCK) for f in (folder, whole.folder))
            pd.testing.assert_frame_equal(one, other, check_exact=True)
        torch.set_num_threads(1)

    def test_auto_takes_a_whole_gpu_where_there_are_any(self, study_file):
        assert trial_resources(load_study(study_file())) == ({"cpu": 1.0, "gpu": 1.0}, 4)

    def test_a_trial_that_cannot_fit_is_refused(self, study_file):
        with pytest.raises(NotRunnable, match="asks for 9 CPUs"):
            trial_resources(load_study(study_file(resources={"cpu": 9, "gpu": 0})))

    @pytest.mark.slow
    @pytest.mark.parametrize("scheduler", ["asha", "median"])
    def test_a_scheduler_compares_trials_only_within_a_condition(self, study_file, tmp_path, scheduler):
        study = load_study(
            study_file(
                conditions={"noise_ratio": [0.0, 0.6]}, search={"lambda": {"grid": [0.0]}}, seeds=list(range(6)),
                scheduler=scheduler, training={"epochs": 8, "batch_size": 32, "lr": 1e-3},
                resources={"cpu": 4, "gpu": 0},
            )
        )  # fmt: skip
        _, trials = self.run(study, tmp_path / "r")
        stopped = trials[trials["status"] == "stopped"]
        assert len(trials) == 12 and len(stopped) >= 1 and stopped["epochs"].max() < 8
        assert stopped["reason"].str.startswith(scheduler).all()
        assert trials[trials["status"] == "finished"].groupby("noise_ratio").size().min() >= 1

    @pytest.mark.slow
    def test_a_trial_whose_code_raises_fails_with_its_reason_and_the_study_goes_on(self, study_file, tmp_path):
        study = load_study(study_file(seeds=[0, 1], resources={"cpu": 4, "gpu": 0}))
        broken = tmp_path / "r" / "trials" / "lambda=0.5,n000,s0"
        broken.mkdir(parents=True)
        (broken / "state.pt").write_bytes(b"not a state")
        results = tmp_path / "r"
        _prepare(study, results)
        progress = Progress(study, results, 0, Console(quiet=True))
        assert run_search(study, results, progress)
        status = {f.key: f.result()["status"] for f in trial_folders(results)}
        assert status.pop("lambda=0.5,n000,s0") == "failed" and set(status.values()) == {"finished"}
        assert read_json(broken / "result.json")["reason"]

    @pytest.mark.slow
    def test_a_killed_worker_goes_on_and_one_that_is_killed_again_and_again_fails(self, study_file, tmp_path):
        """The first is killed while it writes a checkpoint; at its third death the second counts as failed."""
        study = load_study(
            study_file(
                search={"lambda": {"grid": [0.5]}}, seeds=[0, 1, 2], resources={"cpu": 1, "gpu": 2},
                training={"epochs": 12, "batch_size": 32},
            )
        )  # fmt: skip
        results = tmp_path / "r"
        results.mkdir()
        _prepare(study, results)
        seen = {}
        folders = [TrialFolder(results / "trials" / f"lambda=0.5,n000,s{seed}") for seed in (0, 1)]
        killers = [
            threading.Thread(target=kill_workers, args=(folders[0], 1, seen, True), daemon=True),
            threading.Thread(target=kill_workers, args=(folders[1], 3, seen), daemon=True),
        ]
        for killer in killers:
            killer.start()
        assert run_search(study, results, Progress(study, results, 0, Console(quiet=True)))
        for killer in killers:
            killer.join()
        first, second, third = (folder.result() for folder in trial_folders(results))
        assert (first["status"], second["status"], third["status"]) == ("finished", "failed", "finished")
        assert second["reason"] and first["epochs"] == 12
        assert repr(folders[0].history()[: len(seen[folders[0].key])]) == repr(seen[folders[0].key]), "run again"


def kill_workers(folder, times, seen, writing=False):
    """Kill whichever worker holds a trial's folder, so many times, each after another epoch (or amid its writing)."""
    for _ in range(times):
        before = len(folder.history())
        while len(folder.history()) <= before or (writing and not list(folder.path.glob(".state.pt.*"))):
            time.sleep(0.003)
        seen[folder.key] = folder.history()
        holder = next(p for p in psutil.process_iter() if holds(p, folder.path / ".lock"))
        holder.kill()
        holder.wait()


def holds(process, path):
    try:
        return process.name().startswith("ray::") and str(path) in [file.path for file in process.open_files()]
    except psutil.Error:
        return False


def test_a_study_that_has_grown_runs_the_new_trials_alone(smoke):
    smoke_file = ROOT / "studies" / "smoke.yaml"
    grown = load_study(smoke_file, ["conditions.noise_ratio=[0.2,0.4,0.6]"])
    searcher = StudySearcher(grown, smoke[0], cpus=2, slots=2)
    assert searcher.left == 8
    folders = [Path(searcher.suggest(f"{i}")["folder"]).name for i in range(4)]
    assert all(name.startswith("noise_ratio=0.6,") for name in folders)
