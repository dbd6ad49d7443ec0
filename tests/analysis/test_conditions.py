"""The best lambda against the noise, and what matters beside it."""

import pytest

from fer_tune.analysis.conditions import (
    by_noise,
    importance,
    interaction_figure,
    noise_condition,
    noise_figure,
    noise_sentences,
)
from fer_tune.analysis.recommendation import findings
from fer_tune.analysis.tables import load
from tests.support.made_up import plateau

PEAK = plateau(lambda lam: 0.85 - 0.5 * (lam - 0.2) ** 2)


def test_the_best_lambda_by_noise_ratio_and_kind(results_folder):
    conditions = {"noise_kind": ["symmetric", "pairflip"], "noise_ratio": [0.2, 0.4]}
    results = load(results_folder(PEAK, conditions=conditions))
    found = findings(results)
    table = by_noise(results, found, noise_condition(results))
    assert table["elsewhere"].tolist() == ["pairflip"] * 2 + ["symmetric"] * 2
    assert table["ratio"].tolist() == [0.2, 0.4] * 2
    assert (table["lambda"] == 0.2).all()
    assert noise_sentences(results, found)[0].endswith(
        "All intervals overlap, so the study shows no change with the noise ratio."
    )
    assert noise_figure(results, found) is not None


def test_one_seed_has_no_interval_here_either(results_folder):
    results = load(results_folder(PEAK, conditions={"noise_ratio": [0.2, 0.4]}, seeds=[0]))
    found = findings(results)
    assert noise_sentences(results, found) == [
        "Best λ: 0.2 at noise ratio 0.2, 0.2 at noise ratio 0.4. With one seed there are no intervals to compare."
    ]
    assert by_noise(results, found, noise_condition(results))["low"].isna().all()
    assert noise_figure(results, found) is not None


def test_without_a_noise_condition_there_is_no_such_figure(results_folder):
    results = load(results_folder(PEAK))
    assert noise_figure(results, findings(results)) is None
    assert importance(results) == {}


def test_importance_finds_what_the_score_depends_on(results_folder):
    search = {"lambda": {"uniform": [0.0, 1.0]}, "lr": {"log_uniform": [1e-4, 1e-3]}}
    results = load(
        results_folder(PEAK, search=search, conditions={"noise_ratio": [0.1, 0.2, 0.3, 0.5]}, optuna={"trials": 6})
    )
    shares = importance(results)
    assert next(iter(shares)) == "noise_ratio"
    assert sum(shares.values()) == pytest.approx(1)
    assert interaction_figure(results) is None  # lambda and learning rate lie on a line here
