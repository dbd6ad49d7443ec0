"""How convergence tracks accuracy, on studies where it does and does not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fer_tune.analysis.convergence import (
    by_epoch,
    converged_sentence,
    correlated,
    correlations,
    early_sentence,
    sentences,
)
from fer_tune.analysis.statistics import rank_correlation
from fer_tune.analysis.tables import load
from tests.support.made_up import plateau

NEARER_IS_BETTER = plateau(lambda lam: 0.5 + 0.3 * min(lam, 0.6))


def test_the_correlation_is_with_the_distance_to_the_papers_target(results_folder):
    found = correlations(load(results_folder(NEARER_IS_BETTER)).trials)
    assert found["distance to (2.6, 0.45)"].n == 3
    assert found["distance to (2.6, 0.45)"].rho < -0.3
    assert np.isnan(found["L_G"].low)  # three lambdas are too few for an interval


def test_settled_short_and_drifting_losses_are_said(results_folder):
    results = load(results_folder(NEARER_IS_BETTER))
    assert "shown to have converged in 100% of 9 trials" in converged_sentence(results)
    drifting = results.epochs.assign(
        generator_joint_loss=results.epochs["generator_joint_loss"] + results.epochs["epoch"]
    )
    assert "in 0% of 9 trials" in converged_sentence(replace(results, epochs=drifting))
    assert "Convergence-based rules are not shown where most trials have not converged." in converged_sentence(
        replace(results, epochs=drifting)
    )
    short = results.epochs[results.epochs["epoch"] < 12]
    assert "12 joint-loss epochs needed to judge convergence" in converged_sentence(replace(results, epochs=short))


def test_within_and_across_conditions_are_told_apart(results_folder):
    results = load(results_folder(NEARER_IS_BETTER, conditions={"noise_ratio": [0.2, 0.4]}))
    text = " ".join(sentences(results))
    assert "(noise_ratio=0.2)" in text
    assert "(all conditions, ranked within each)" in text
    assert "over 3 λs, averaged over seeds: too few λs for an interval or a p-value" in text
    assert "p = " not in text


def clustered(rng, lams, configurations):
    """Losses and accuracy of trials that each depend on λ and on nothing else in common."""
    lam = np.repeat(np.arange(lams), configurations)
    x, y = (rng.normal(size=lams)[lam] + 0.5 * rng.normal(size=len(lam)) for _ in range(2))
    trials = pd.DataFrame({"condition": "all", "lambda": lam, "configuration": np.arange(len(lam))})
    return pd.Series(x), pd.Series(y), trials


def test_learning_rates_of_a_lambda_are_no_independent_evidence():
    """Six λs with five learning rates each: as 30 independent ones they would mislead in a third of all studies."""
    rng, found, naive = np.random.default_rng(0), [], []
    for _ in range(200):
        x, y, trials = clustered(rng, 6, 5)
        result = correlated(x, y, trials)
        assert result.n == 6
        found.append(result.p < 0.05)
        one = np.zeros(len(x))
        naive.append(rank_correlation(x.to_numpy(), y.to_numpy(), one, np.arange(len(x)), permute=False).low > 0)
    assert np.mean(found) <= 0.075
    assert np.mean(naive) > 0.1
    assert correlated(*clustered(rng, 2, 5)) is None, "ten trials of two λs"


def test_how_early_the_correlation_holds(results_folder):
    """Losses that carry no news before epoch 15, and all of it from there on."""
    results = load(results_folder(NEARER_IS_BETTER))
    epochs = results.epochs.copy()
    early = (epochs["epoch"] < 15) & epochs["generator_joint_loss"].notna()
    noise = np.random.default_rng(0).normal(2, 0.5, int(early.sum()))
    epochs.loc[early, "generator_joint_loss"] = noise
    final = results.trials.set_index("key")["test_accuracy"]
    late = ~early & epochs["generator_joint_loss"].notna()
    epochs.loc[late, "generator_joint_loss"] = 2.6 - (0.9 - epochs.loc[late, "key"].map(final))
    epochs.loc[epochs["generator_joint_loss"].notna(), "discriminator_joint_loss"] = 0.45
    table = by_epoch(replace(results, epochs=epochs)).set_index("epoch")
    assert table.loc[30, "rho"] == pytest.approx(-1)
    assert abs(table.loc[8, "rho"]) < 0.9
    assert early_sentence(table.reset_index()).startswith("At the last epoch the correlation is")
