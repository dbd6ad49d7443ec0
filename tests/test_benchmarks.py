"""The benchmark command prints its ratios; what they are is for the reader and never tested."""

import json
import math

import pytest

from benchmarks import around, workers
from benchmarks.__main__ import main
from benchmarks.growth import by_images, by_trials
from fer_tune.training.devices import computes_bf16, usual_device

STEPS = ["plain fp32", "fast fp32", *(["fast bf16"] if computes_bf16(usual_device()) else [])]


@pytest.mark.slow
def test_steps_of_every_variant_stand_side_by_side(capsys):
    assert main(["steps", "--case", "default study", "--rounds", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["steps"]
    assert [row["step"] for row in rows] == STEPS
    assert rows[0]["ratio"] == 1 and all(row["images_per_second"] > 0 and row["peak_bytes"] > 1e8 for row in rows)
    assert rows[1]["gflop_per_image"] < 0.9 * rows[0]["gflop_per_image"]


def test_the_profile_names_the_dearest_operations(capsys):
    assert main(["profile", "--case", "default study"]) == 0
    out = capsys.readouterr().out
    assert "convolution" in out and out.count("share") == len(STEPS)


def test_growth_tables_grow():
    trials = list(by_trials((2, 8)))
    assert [row["value"] for row in trials] == [2, 8] and all(row["seconds to replay"] > 0 for row in trials)
    (images,) = by_images((70,))
    assert images["images_per_second"] > 100 and math.isfinite(images["peak_bytes"])


@pytest.mark.slow
def test_start_and_stop_stand_beside_those_of_the_libraries(monkeypatch):
    tiny = {"name": "tiny", **workers.TINY, "search": {"lambda": {"grid": [0.0]}}, "seeds": [0]}
    monkeypatch.setattr(around, "SWEEP", tiny)
    (row,) = around.start_and_stop(1)
    assert row["seconds_around"] > 0 and row["ratio"] == pytest.approx(row["seconds_around"] / row["seconds_bare"])
    assert 1 < row["seconds_bare"] < 120
