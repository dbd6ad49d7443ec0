"""The benchmark command prints its ratios; what they are is for the reader and never tested."""

import json
import math

import pytest

from benchmarks import around, load, race, reading, report, steps, workers
from benchmarks.__main__ import PARTS, main
from benchmarks.growth import by_images, by_trials
from fer_tune.cli.main import main as fer_tune
from fer_tune.data.labels import FACE_LABELS
from fer_tune.models.spec import ModelSpec
from fer_tune.training.devices import computes_bf16, usual_device

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
