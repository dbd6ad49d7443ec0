"""The benchmark command prints its ratios; what they are is for the reader and never tested."""

import json
import math

import numpy as np
import pytest
import yaml

from benchmarks import around, load, pairs, race, reading, report, steps, workers
from benchmarks.__main__ import PARTS, main
from benchmarks.growth import by_images, by_trials
from fer_tune.cli.main import main as fer_tune
from fer_tune.data.labels import FACE_LABELS
from fer_tune.decision.race import run_race
from fer_tune.models.spec import ModelSpec
from fer_tune.search.prior import shipped_prior
from fer_tune.search.race_search import RaceSearch
from fer_tune.study.loading import load_plan
from fer_tune.study.shipped import shipped_study
from fer_tune.training.devices import computes_bf16, usual_device
from tests.support.made_up import folder_writer

STEPS = ["plain fp32", "fast fp32", *(["fast bf16"] if computes_bf16(usual_device()) else [])]
TINY = steps.Case(32, FACE_LABELS, 8, ModelSpec(width=0.125, encoder_norm="batch"), 1)


@pytest.fixture
def tiny_case(monkeypatch):
    """The name of a case that is measured in a moment."""
    monkeypatch.setitem(steps.CASES, "tiny", TINY)
    monkeypatch.setattr(steps, "matrix_rate", lambda precision, threads: 1.0)
    return "tiny"


@pytest.mark.parametrize("case", ["tiny", pytest.param("default study", marks=pytest.mark.long)])
@pytest.mark.usefixtures("tiny_case")
def test_steps_of_every_variant_are_side_by_side(capsys, case):
    assert main(["steps", "--case", case, "--rounds", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["steps"]
    assert [row["step"] for row in rows] == STEPS
    assert rows[0]["ratio"] == 1
    for row in rows:
        assert row["images_per_second"] > 0
        assert row["peak_bytes"] > 1e8
    assert rows[1]["gflop_per_image"] < 0.9 * rows[0]["gflop_per_image"]


def test_both_orders_are_side_by_side_with_and_without_an_average(capsys, tiny_case):
    assert main(["updates", "--case", tiny_case, "--rounds", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["updates"]
    assert [row["updates"] for row in rows] == list(steps.UPDATES)
    assert len(rows) == 4
    assert rows[0]["ratio"] == rows[0]["ratio_task_alone"] == 1
    assert [row["average_ms"] > 0 for row in rows] == [False, True, False, True]
    assert all(row["images_per_second_task_alone"] > 0 for row in rows)


def test_the_rate_of_a_matrix_product_is_measured():
    assert steps.matrix_rate("fp32", threads=1, size=64) > 0


def test_the_profile_names_the_most_expensive_operations_also_as_a_sub_command(capsys, tiny_case):
    assert fer_tune(["bench", "profile", "--case", tiny_case]) == 0
    out = capsys.readouterr().out
    assert "convolution" in out
    assert out.count("share") == len(STEPS)


def test_growth_tables_grow():
    trials = list(by_trials((2, 8)))
    assert [row["value"] for row in trials] == [2, 8]
    assert all(row["seconds to replay"] > 0 for row in trials)
    (images,) = by_images((70,))
    assert images["images_per_second"] > 100
    assert math.isfinite(images["peak_bytes"])


@pytest.mark.long
def test_reading_counts_images_and_the_memory_of_trials_that_share_them():
    labels, decoded, one, four = reading.reading(images=80, size=32)
    assert labels["images_per_second"] > 0
    assert decoded["bytes_of_the_cache"] > 80 * 3 * 32**2
    assert four["bytes_in_all"] > one["bytes_in_all"]


@pytest.mark.long
def test_label_files_of_both_kinds_are_read():
    affectnet, manifest = reading.label_rows(5000, 5000)
    assert 4000 < affectnet["kept"] <= affectnet["rows"] == 5000
    assert manifest["kept"] == manifest["rows"] == 5000


@pytest.mark.long
def test_made_up_results_are_reported_on(monkeypatch):
    monkeypatch.setattr(report, "SIZES", (10,))
    monkeypatch.setattr(report, "EPOCHS", 10)
    (row,) = report.by_trials()
    assert row["trials"] == 10
    assert row["page_bytes"] > 10_000


def test_races_are_simulated_in_every_scenario(capsys):
    assert main(["race", "--studies", "3", "--seed", "1", "--json"]) == 0
    rows, together = json.loads(capsys.readouterr().out).values()
    assert len(rows) == 2 * len(race.SPREADS) * len(race.DISTANCES)
    assert {row["arms"] for row in together} == {3, 5}
    for row in rows:
        shares = [float(row[name].rstrip(" %")) for name in ("winner", "tie", "budget")]
        assert sum(shares) == pytest.approx(100, abs=0.2)


def test_every_part_has_a_summary(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in PARTS)


@pytest.mark.long
@pytest.mark.serial
def test_start_and_stop_are_measured_against_those_of_the_libraries(monkeypatch):
    tiny = {"name": "tiny", **workers.TINY, "search": {"lambda": {"grid": [0.0]}}, "seeds": [0]}
    monkeypatch.setattr(around, "SWEEP", tiny)
    (row,) = around.start_and_stop(1)
    assert row["seconds_around"] > 0
    assert row["ratio"] == pytest.approx(row["seconds_around"] / row["seconds_bare"])
    assert 1 < row["seconds_bare"] < 120


@pytest.mark.long
@pytest.mark.serial
def test_a_load_of_small_trials_is_weighed():
    (row,) = load.by_trials((12,))
    assert row["trials_ended"] == 12
    assert row["driver_bytes_at_most"] > 1e8


@pytest.mark.long
@pytest.mark.serial
def test_starts_of_trials_are_timed():
    (row,) = workers.trial_starts(2, 6)
    assert row["trials"] == 4
    assert math.isfinite(row["seconds_a_trial"])


def default_arms(tmp_path, curve, name, seeds, **training):
    """A made-up results folder of arms that are trained as the default study's are."""
    raw = yaml.safe_load(shipped_study(pairs.STUDY).read_text())
    kept = {section: raw[section] for section in ("dataset", "noise", "model")}
    grid = [0.0] if training else raw["search"]["lambda"]["grid"]
    changes = {"training": {**raw["training"], **training}, "search": {"lambda": {"grid": grid}}}
    return folder_writer(tmp_path)(curve, name=name, seeds=seeds, **kept, **changes)


def test_the_default_study_is_judged_on_every_pair_of_seeds(tmp_path, capsys):
    levels = {1: (0.9, 0.7), 2: (0.9, 0.71), 3: (0.6, 0.9), 4: (0.6, 0.91), 5: (0.6, 0.9), 6: (0.6, 0.9), 7: (0.6, 0.9)}

    def curve(lam, seed, epoch):
        return np.full(len(epoch), levels[seed][lam > 0])

    folders = [
        default_arms(tmp_path, curve, "early", [1, 2, 3]),
        default_arms(tmp_path, curve, "late", [4, 5, 6, 7]),
        default_arms(tmp_path, lambda lam, seed, epoch: np.full(len(epoch), 0.95), "gce", [1, 2], method="gce"),
    ]
    assert main(["pairs", *map(str, folders), "--json"]) == 0
    table, (together,), reached = json.loads(capsys.readouterr().out).values()
    assert [row["seeds"] for row in table] == ["1 + 2", "3 + 4", "5 + 6"]
    assert [row["pick"] for row in table] == ["λ = 0", "λ = 0.3", "λ = 0.3"]
    assert [row["contradicted"] for row in table] == ["yes", "no", "no"]
    assert table[0]["outcome"] == "winner"
    assert table[0]["score_gce"] > table[0]["score_λ = 0"]
    assert table[1]["score_gce"] == "nan"
    assert together["contradicted"] == "1 of 3"
    assert together["winners"] == "100%"
    assert [(row["arm"], row["seeds"]) for row in reached] == [("λ = 0", 7), ("λ = 0.3", 7), ("gce", 2)]
    assert reached[1]["test_accuracy"] == f"{np.mean([level[1] for level in levels.values()]):.3f}"


def test_pairs_are_judged_by_the_rule_of_the_search(tmp_path):
    plan = load_plan(shipped_study(pairs.STUDY))
    own = RaceSearch(plan.cells, tmp_path, prior=shipped_prior(plan))
    scores = np.random.default_rng(0).normal(0.5, 0.02, (8, 2))
    found = pairs.judge(own, scores, range(8))
    costs, tolerance = (0.0, 0.3), plan.study.decide.tolerance * own.scale
    for place, each in enumerate(found):
        rows = scores[2 * place : 2 * place + 2]
        assert each.standing == run_race(rows, costs, 2, tolerance, shipped_prior(plan))
        assert each.lost == pytest.approx(scores.mean(0).max() - scores.mean(0)[each.standing.pick])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"epochs": 20}, "training.epochs is 20 there, 30 in lambda_sweep"), (None, "study.json is missing")],
)
def test_a_folder_of_other_arms_is_named(tmp_path, capsys, changes, message):
    folder = tmp_path / "nowhere"
    if changes is not None:
        folder = default_arms(tmp_path, lambda lam, seed, epoch: 0.5 + 0 * epoch, "other", [1, 2], **changes)
    assert fer_tune(["bench", "pairs", str(folder)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["pairs"], ["race", "results"]])
def test_only_pairs_takes_folders(words):
    with pytest.raises(SystemExit, match="2"):
        main(words)
