"""Networks that have collapsed are named, with what to set; the largest class alone is a baseline."""

import numpy as np
import pytest

from fer_tune.analysis.collapse import majority, warnings
from fer_tune.analysis.recommendation import against_baseline
from fer_tune.analysis.tables import load
from tests.support.made_up import PEAK, add_classes

GRID = {"lambda": {"grid": [0.0, 0.2]}}
NAMES = ["calm", "glad", "cross"]


@pytest.fixture
def path(results_folder):
    return add_classes(results_folder(PEAK, search=GRID, epochs=6, seeds=[0, 1]), NAMES)


def predicted(path, key, true, classes):
    rows = "".join(f"{i},{t},{c},0.1,0.1,0.8\n" for i, (t, c) in enumerate(zip(true, classes, strict=True)))
    header = "index,mood_true,mood_predicted,mood_p_calm,mood_p_glad,mood_p_cross\n"
    (path / "trials" / key / "predictions.csv").write_text(header + rows)


def of(path, lam):
    results = load(path)
    return warnings(results, results.trials, {"all": lam})


def test_a_network_that_names_one_class_is_named_with_the_classes_that_it_never_recognises(path):
    true = np.array([0] * 50 + [1] * 30 + [2] * 20)
    predicted(path, "lambda=0.2,n000,s0", true, np.zeros(100, int))
    (said,) = of(path, 0.2)
    assert said == (
        "Warning: the network of lambda=0.2,n000,s0 has learnt nothing. It names calm for 100% of the test images and "
        "scores 0.50; the largest class alone scores 0.50. Classes that it never recognises: glad, cross. Try "
        "training.balance, or objective: val_mean_class_accuracy."
    )


def test_a_network_that_is_far_too_fond_of_one_class_has_collapsed(path):
    true = np.array([0] * 50 + [1] * 30 + [2] * 20)
    predicted(path, "lambda=0.2,n000,s0", true, np.where(np.arange(100) > 92, 2, 0))
    (said,) = of(path, 0.2)
    assert "has collapsed. It names calm for 93% of the test images and scores 0.57" in said
    assert "never recognises: glad." in said


def test_a_good_network_of_an_uneven_data_set_has_not_collapsed(path):
    true = np.array([0] * 85 + [1] * 10 + [2] * 5)
    for seed in (0, 1):
        predicted(path, f"lambda=0.2,n000,s{seed}", true, np.where(np.arange(100) == 99, 0, true))
    assert of(path, 0.2) == []


def test_without_predictions_nothing_is_said(results_folder):
    results = load(results_folder(PEAK, search=GRID))
    assert majority(results, results.trials["key"]) is None
    assert warnings(results, results.trials, {"all": 0.2}) == []
    assert all("largest" not in row["λ"] for row in against_baseline(results))


def test_the_largest_class_alone_is_the_last_row_of_the_baselines(path):
    row = against_baseline(load(path))[-1]
    assert row["λ"] == "none: always calm, the largest class"
    assert row["test accuracy"] == "0.333"
