"""The response to lambda on simulated studies whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from fer_tune.decision.intervals import paired_difference, t_quantile
from fer_tune.decision.response import (
    best_configurations,
    cross_fitted,
    respond,
    rises_then_falls,
    sampling_error,
    spread_of,
    width_of_choice,
)

LAMS = np.array([0.0, 0.2, 0.4, 0.7, 1.0])
SPREAD = 0.02


def truth(lam, peak):
    return 0.8 - 0.3 * (lam - peak) ** 2


def study(rng, peak, seeds=3, lams=LAMS, spread=SPREAD):
    """Trials whose seeds have a level of their own, shared by all lambdas."""
    levels = rng.normal(0, 0.03, seeds)
    rows = [
        {"lambda": lam, "configuration": f"{lam:g}", "seed": seed, "score": truth(lam, peak) + levels[seed] + noise}
        for lam in lams
        for seed, noise in enumerate(rng.normal(0, spread, seeds))
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def simulated():
    """100 studies of three seeds: the peak and what was found of it."""
    rng = np.random.default_rng(0)
    peaks = rng.uniform(0.1, 0.9, 100)
    return [(peak, respond(study(rng, peak), "score", 1500)) for peak in peaks]


def test_the_best_lambda_lies_in_its_interval_with_95_percent_at_least(simulated):
    covered = [low <= peak <= high for peak, found in simulated for low, high in [found.interval()]]
    assert np.mean(covered) >= 0.92
    assert np.mean([found.interval()[1] - found.interval()[0] for _, found in simulated]) < 0.65


def test_intervals_of_differences_cover_95_percent(simulated):
    covered = []
    for peak, found in simulated:
        for lam, other in ((0.2, 1.0), (0.4, 0.7), (0.0, 0.2)):
            _, low, high = found.difference(lam, other)
            covered.append(low <= truth(lam, peak) - truth(other, peak) <= high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_the_band_covers_the_true_curve_about_the_mean_of_all_lambdas(simulated):
    """How good all seeds are together is left out of the band, so it is left out of the truth as well."""
    covered = []
    for peak, found in simulated:
        band = found.band()
        true = truth(band.index.to_numpy(), peak) - truth(LAMS, peak).mean() + found.means.mean()
        covered.append(np.mean((band["low"] <= true) & (true <= band["high"])))
    assert 0.93 <= np.mean(covered) <= 0.99


def test_the_probability_of_being_best_is_as_often_right_as_it_says(simulated):
    said = [found.p_best.max() for _, found in simulated]
    right = [LAMS[truth(LAMS, peak).argmax()] == LAMS[found.p_best.argmax()] for peak, found in simulated]
    assert np.mean(said) == pytest.approx(np.mean(right), abs=0.08)


def test_lambdas_that_differ_by_more_than_their_seeds_are_told_apart():
    rng = np.random.default_rng(2)
    found = respond(study(rng, 0.4, spread=0.001), "score", 10**6)
    assert found.lam == 0.4
    assert found.indistinguishable() == []
    assert found.within(0.02) == [0.2, 0.4]
    assert found.regret[2] == 0


def test_the_seeds_own_levels_are_taken_out_where_all_lambdas_share_them():
    rng = np.random.default_rng(3)
    table = study(rng, 0.4, seeds=40)
    spread, degrees_of_freedom = spread_of(table, "score")
    assert spread == pytest.approx(SPREAD, rel=0.15)
    assert degrees_of_freedom == 39 * 4
    unpaired, degrees_of_freedom = spread_of(table.drop(index=0), "score")
    assert unpaired > 0.03
    assert degrees_of_freedom == 39 * 5 - 1


def test_one_seed_leaves_the_sampling_error_of_the_validation_set():
    found = respond(study(np.random.default_rng(4), 0.4, seeds=1), "score", 1500)
    assert found.degrees_of_freedom == 0
    assert found.spread == pytest.approx(np.sqrt(0.8 * 0.2 / 1500), rel=0.2)


def test_the_sampling_error_is_that_of_the_score():
    rng = np.random.default_rng(0)
    shares = rng.binomial(400, 0.7, 2000) / 400
    assert sampling_error(0.7, 400, "val_accuracy") == pytest.approx(shares.std(), rel=0.1)
    pairs = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], (2000, 400))
    correlations = [np.corrcoef(pair.T)[0, 1] for pair in pairs]
    assert sampling_error(0.8, 400, "val_ccc") == pytest.approx(np.std(correlations), rel=0.1)


def test_a_searched_lambda_is_smoothed_over_its_learning_rates():
    table = study(np.random.default_rng(5), 0.5, seeds=1, lams=np.linspace(0, 1, 30), spread=0.03)
    found = respond(table, "score", 1500)
    low, high = found.interval()
    assert low <= 0.5 <= high
    assert abs(found.lam - 0.5) < 0.25


@pytest.mark.parametrize(("peak", "holds"), [(0.45, True), (1.3, False), (-0.3, False)])
def test_rising_then_falling_is_tested(peak, holds):
    rng = np.random.default_rng(6)
    found = [rises_then_falls(study(rng, peak, seeds=7), "score")[1] < 0.05 for _ in range(60)]
    assert np.mean(found) > 0.8 if holds else np.mean(found) < 0.05
    assert rises_then_falls(study(rng, peak, seeds=1), "score") is None


def test_a_rise_without_a_fall_is_called_one_in_5_percent_at_most_where_spreads_are_unequal():
    """With one spread for all λs it was called so in 8 to 10 %."""
    rng = np.random.default_rng(13)
    found = []
    for _ in range(250):
        table = unequal(rng, np.array([0.02, 0.02, 0.08]), 5)
        found.append(rises_then_falls(table.assign(score=table["score"] + (table["lambda"] > 0)), "score")[1] < 0.05)
    assert np.mean(found) <= 0.075


def test_a_configuration_is_chosen_by_score_never_by_test_accuracy():
    rows = [(0.2, "a", 0, 0.5, 0.9), (0.2, "a", 1, 0.5, 0.9), (0.2, "b", 0, 0.6, 0.7), (0.2, "b", 1, 0.55, 0.7)]
    table = pd.DataFrame(rows, columns=["lambda", "configuration", "seed", "score", "test_accuracy"])
    assert cross_fitted(table)["test_accuracy"].tolist() == [0.7, 0.7]
    assert set(best_configurations(table)["configuration"]) == {"b"}


def unequal(rng, spreads, seeds):
    """Trials of equal λs whose seeds differ by each λ's own spread, and by a level that all share."""
    scores = 0.5 + rng.normal(0, 0.03, (seeds, 1)) + rng.normal(0, 1, (seeds, len(spreads))) * spreads
    table = pd.DataFrame(scores, columns=np.linspace(0, 1, len(spreads))).rename_axis("seed").reset_index()
    return table.melt("seed", var_name="lambda", value_name="score").assign(configuration=lambda t: t["lambda"])


@pytest.mark.parametrize("seeds", [3, 5])
def test_differences_cover_95_percent_where_spreads_are_unequal(seeds):
    """The spreads of the methods study. With one spread for all λs, 87 to 88 % of the two noisiest were covered."""
    rng, covered = np.random.default_rng(7), []
    for _ in range(180):
        found = respond(unequal(rng, np.array([0.063, 0.067, 0.028, 0.025]), seeds), "score", None, smoothed=False)
        for i, j in ((0, 1), (0, 2), (2, 3)):
            _, low, high = found.difference(found.lams[i], found.lams[j])
            covered.append(low <= 0 <= high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_two_seeds_that_agree_by_chance_are_no_surer_than_the_validation_set():
    table = study(np.random.default_rng(8), 0.4, seeds=2, spread=0.0)
    found = respond(table, "score", 400)
    error = sampling_error(found.means.mean(), 400, "val_accuracy")
    assert found.spread == found.sampling == pytest.approx(error)
    _, low, high = found.difference(0.4, 0.7)
    assert (high - low) / 2 == pytest.approx(t_quantile(0) * error)
    assert respond(table, "score", None).spread == 1e-6


def test_draws_of_conditions_are_independent_and_the_same_every_time():
    """With the same draws everywhere, P(best) of two conditions that differ in nothing would be equal."""
    tables = [study(np.random.default_rng(9), 0.4) for _ in range(2)]
    here, again, there = (
        respond(table, "score", 1500, stream=name).draws - table.groupby("lambda")["score"].mean().to_numpy()
        for table, name in zip(
            [tables[0], *tables], ["noise_ratio=0.2", "noise_ratio=0.2", "noise_ratio=0.4"], strict=True
        )
    )
    assert (here == again).all()
    assert abs(np.corrcoef(here.ravel(), there.ravel())[0, 1]) < 0.03


def searched(rng, studies, configurations, seeds, spread):
    """Equal configurations on seeds that share a level, each study under a λ of its own, and a plain arm."""
    shape = (studies, configurations, seeds)
    levels = rng.normal(0, 0.05, (studies, 1, seeds))
    scores = levels + rng.normal(0, 0.02, shape)
    lam, configuration, seed = (axis.ravel() for axis in np.indices(shape))
    names = [f"{a} {b}" for a, b in zip(lam, configuration, strict=True)]
    table = pd.DataFrame({"lambda": lam, "configuration": names, "seed": seed, "score": scores.ravel()})
    return table, levels[:, 0] + rng.normal(0, spread, (studies, seeds))


def claims(chosen, plain):
    """The share of studies in which the chosen configuration is called better than the plain arm, at 2.5 %."""
    first = chosen.sort_values(["lambda", "seed"])["score"].to_numpy().reshape(plain.shape)
    width = chosen["width"].iloc[0] if "width" in chosen else 1.0
    return np.mean([paired_difference(a, b, width)[1] > 0 for a, b in zip(first, plain, strict=True)])


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.01, 0.02])
def test_a_learning_rate_chosen_among_four_earns_its_lambda_no_claim(seeds, spread):
    """Without any difference, the best configuration's own scores are called better far more often than 2.5 %."""
    table, plain = searched(np.random.default_rng(10), 1500, 4, seeds, spread)
    assert claims(cross_fitted(table), plain) <= 0.03
    assert claims(best_configurations(table), plain) > 0.04


def test_a_choice_among_configurations_widens_every_interval_of_its_lambda():
    table, _ = searched(np.random.default_rng(12), 2, 4, 3, 0.02)
    plain = table[table["configuration"].isin(["1 0"])].assign(**{"lambda": 2})
    found = respond(cross_fitted(pd.concat([table, plain])), "score", None)
    assert found.widths.tolist() == [width_of_choice(4), width_of_choice(4), 1.0]
    gaps = found.by_seed[:, 0] - found.by_seed[:, 2]
    mean, _, high = found.difference(0, 2)
    assert high - mean == pytest.approx(width_of_choice(4) * t_quantile(2) * gaps.std(ddof=1) / np.sqrt(3))


def test_the_configuration_of_a_seed_is_chosen_by_the_other_seeds():
    rows = [("a", 0, 0.9), ("a", 1, 0.1), ("a", 2, 0.1), ("b", 0, 0.6), ("b", 1, 0.6), ("b", 2, 0.6)]
    table = pd.DataFrame(rows, columns=["configuration", "seed", "score"]).assign(**{"lambda": 0.3})
    assert cross_fitted(table).set_index("seed")["score"].to_dict() == {0: 0.6, 1: 0.6, 2: 0.6}
    assert set(cross_fitted(table)["configuration"]) == {"b"}
    alone = cross_fitted(table[table["seed"] == 0])
    assert alone["score"].tolist() == [0.9]


def test_a_configuration_without_a_seed_is_not_taken_there():
    rows = [("a", 0, 0.5), ("a", 1, 0.5), ("b", 0, 0.9)]
    table = pd.DataFrame(rows, columns=["configuration", "seed", "score"]).assign(**{"lambda": 0.3})
    assert cross_fitted(table).set_index("seed")["score"].to_dict() == {0: 0.5, 1: 0.5}


def test_a_searched_lambda_keeps_every_configuration():
    table = study(np.random.default_rng(11), 0.5, lams=np.linspace(0, 1, 12))
    pd.testing.assert_frame_equal(cross_fitted(table), table.assign(width=1.0))


def test_p_best_holds_the_best_lambda_as_often_as_it_says_where_lambdas_differ_in_spread():
    rng, held = np.random.default_rng(4), []
    for _ in range(200):
        means, spreads = rng.normal(0.8, 0.02, 3), 0.03 * rng.permutation([0.55, 0.95, 1.65])  # by a factor of three
        scores = means + 0.03 * rng.standard_normal((4, 1)) + spreads * rng.standard_normal((4, 3))
        rows = [
            {"lambda": lam, "configuration": f"{lam:g}", "seed": seed, "score": scores[seed, i]}
            for i, lam in enumerate((0.0, 0.3, 1.0))
            for seed in range(4)
        ]
        likely = respond(pd.DataFrame(rows), "score", 10**6, smoothed=False).p_best
        order = np.argsort(-likely)
        held.append(means.argmax() in order[: np.searchsorted(likely[order].cumsum(), 0.95) + 1])
    assert 0.92 <= np.mean(held) < 1
