"""The race over seeds: its limits, its errors over simulated studies, and that it replays."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.race import SPREADS, TOLERANCE, races, study, truth
from fer_tune.decision.race import ERROR, Outcome, Prior, costs_of, critical_values, run_race

PRIOR = Prior(spread=0.03, degrees_of_freedom=8, source="an earlier study")
STUDIES = 400
MARGIN = 2.6 * np.sqrt(ERROR * (1 - ERROR) / STUDIES)  # binomial, 1 in 200


@pytest.mark.parametrize(("arms", "limit"), [(3, 1.92), (4, 2.06), (5, 2.16)])
def test_limits_at_one_look_with_a_known_spread_are_those_of_dunnetts_test(arms, limit):
    # one-sided 5 % with 2, 3 and 4 arms beside the given one, from published tables
    assert critical_values(arms, 2, 2, 1e6) == pytest.approx((limit,), abs=0.01)


def test_limits_of_two_arms_at_one_look_are_those_of_a_t_test():
    # one arm, one look, one-sided 5 %: Student's t with 5 + 1 and with 2 degrees of freedom
    assert critical_values(2, 2, 2, 5.0) == pytest.approx((1.943,), abs=0.01)
    assert critical_values(2, 3, 3, 0.0) == pytest.approx((2.920,), abs=0.02)


def test_the_look_after_two_blocks_spends_half_as_much_as_each_later_one():
    # of three looks 1, 2 and 2 fifths of 5 %; the first as if it were alone: Student's t with 6 degrees of freedom
    assert critical_values(2, 4, 2, 5.0)[0] == pytest.approx(stats.t.isf(0.01, 6), abs=0.02)
    assert critical_values(2, 4, 3, 0.0)[0] == pytest.approx(stats.t.isf(0.025, 2), abs=0.05)


def test_limits_are_the_same_bit_for_bit_when_simulated_again():
    first = critical_values(4, 3, 2, 4.5)
    critical_values.cache_clear()
    assert critical_values(4, 3, 2, 4.5) == first


def test_limits_grow_with_arms_and_fall_from_look_to_look():
    few, many = critical_values(3, 6, 2, 5.0), critical_values(12, 6, 2, 5.0)
    assert all(np.diff(few) < 0)
    assert all(np.diff(many) < 0)
    assert all(np.array(many)[1:] > np.array(few)[1:])  # at first more arms know more of a common spread


@pytest.mark.parametrize("scores", ["normal", "no prior", "no prior, unequal SDs"])
@pytest.mark.parametrize("worse", [0.0, 0.4])
def test_a_given_arm_among_equal_ones_drops_out_as_rarely_as_stated(scores, worse):
    rng = np.random.default_rng(3)
    means = truth("equal", 4, 0.03) - np.array([0, 0, worse, worse])  # arms that drop out at once change nothing
    dropped = []
    for _ in range(STUDIES):
        # no tolerance, so that no tie ends the race before the error is spent
        values, prior = study(means, SPREADS[scores], rng)
        dropped += [0 not in run_race(values, (1, 1, 1, 1), 6, 0.0, prior).survivors]
    assert 0 < np.mean(dropped) <= ERROR + MARGIN


def test_arms_that_failed_at_once_do_not_make_the_others_overconfident():
    rng, dropped = np.random.default_rng(6), []
    for _ in range(STUDIES):
        values, _ = study(truth("equal", 5, 0.03), SPREADS["normal"], rng)
        values[:, 2:] = np.nan
        dropped += [0 not in run_race(values, (1,) * 5, 6, 0.0).survivors]
    assert 0.02 <= np.mean(dropped) <= ERROR + MARGIN


@pytest.mark.parametrize("distance", ["near", "trap"])
@pytest.mark.parametrize(("scores", "error"), [("normal", ERROR), ("unequal SDs", ERROR), ("prior too small", 0.06)])
def test_what_the_pick_loses_is_covered(distance, scores, error):
    spread = SPREADS[scores]
    means = truth(distance, 3, spread.sd)
    lost = np.array([means.max() - means[s.pick] <= s.loss for s in races(3, distance, spread, STUDIES, 5)])
    assert lost.mean() >= 1 - error - MARGIN


def test_what_any_arm_loses_is_covered_at_every_look_together():
    rng, missed = np.random.default_rng(8), []
    for _ in range(STUDIES // 2):
        values, prior = study(truth("equal", 3, 0.03) + np.array([0, 0.02, 0]), SPREADS["normal"], rng)
        looks = [run_race(values[:n], (1, 1, 1), 6, 0.0, prior, stopped=True) for n in range(1, 7)]
        missed += [any(s.loss < 0.02 for s in looks if s.pick != 1)]
    assert np.mean(missed) <= ERROR + 1.5 * MARGIN  # half as many studies


def test_more_blocks_never_change_an_earlier_decision():
    rng = np.random.default_rng(1)
    for number in range(35):
        spread = list(SPREADS.values())[number % len(SPREADS)]
        values, prior = study(truth("clear", 5, 0.03), spread, rng)
        values[rng.random(values.shape) < 0.02] = np.nan
        whole = run_race(values, (1, 4, 4, 4, 4), 6, TOLERANCE, prior)
        for n in range(1, 7):
            part = run_race(values[:n], (1, 4, 4, 4, 4), 6, TOLERANCE, prior)
            seen = min(n, whole.blocks)
            assert part.blocks == seen
            assert [d.block for d in part.drops] == [d.block for d in whole.drops if d.block <= seen]
            assert [d.arm for d in part.drops] == [d.arm for d in whole.drops if d.block <= seen]
            if n < whole.blocks:
                assert part.outcome is Outcome.RUNNING
            else:
                assert repr(part) == repr(whole)


def test_scores_of_an_arm_after_it_left_do_not_count():
    values, prior = study(truth("clear", 3, 0.03), SPREADS["no prior"], np.random.default_rng(0))
    values[2:, 2] = np.nan
    cut = run_race(values, (1, 4, 4), 6, 0.0, prior)
    first = cut.drops[0]
    assert (first.arm, first.block, first.by) == (2, 3, None)
    values[3:, 2] = 5.0
    assert repr(run_race(values, (1, 4, 4), 6, 0.0, prior)) == repr(cut)
    assert cut.means[2] == pytest.approx(values[:2, 2].mean())


def test_a_winner_is_found_and_says_whom_it_beat():
    values = np.array([[0.81, 0.91, 0.79], [0.80, 0.93, 0.78], [0.82, 0.90, 0.80]])
    found = run_race(values, (1, 4, 4), 6, 0.0, PRIOR)
    assert found.outcome is Outcome.WINNER
    assert found.pick == 1
    assert found.loss == 0
    assert found.survivors == (1,)
    assert {drop.by for drop in found.drops} == {1}
    assert all(drop.difference > 0.08 for drop in found.drops)
    assert found.prior == PRIOR


def test_of_arms_that_lose_little_enough_the_cheapest_is_taken():
    values = np.array([[0.80, 0.81, 0.80]]) + np.zeros((4, 1))
    found = run_race(values, (9, 4, 1), 6, 0.075, Prior(0.01, 8, "an earlier study"))
    assert found.outcome is Outcome.TIE
    assert found.pick == 2
    assert 0.01 < found.loss <= 0.075


def test_the_leader_is_picked_when_the_looks_are_used_up_or_the_race_is_stopped():
    values, prior = study(truth("equal", 3, 0.03), SPREADS["normal"], np.random.default_rng(2))
    used = run_race(values, (1, 1, 1), 6, 0.0, prior)
    assert used.outcome is Outcome.BUDGET
    assert used.pick == values.mean(0).argmax()
    assert used.loss > 0
    assert run_race(values[:2], (1, 1, 1), 6, 0.0, prior).outcome is Outcome.RUNNING
    assert run_race(values[:2], (1, 1, 1), 6, 0.0, prior, stopped=True).outcome is Outcome.BUDGET


def test_one_block_decides_nothing_even_with_a_prior():
    # of the default study's arms on a seed on which plain training got stuck; two other seeds say the opposite
    values = np.array([[0.325, 0.55], [0.56, 0.55], [0.57, 0.55]])
    prior = Prior(0.019, 3, "an earlier study")
    assert run_race(values[:1], (0, 1), 6, 0.05, prior).outcome is Outcome.RUNNING
    found = run_race(values[:1], (0, 1), 6, 0.05, prior, stopped=True)
    assert found.outcome is Outcome.UNDECIDED
    assert np.isnan(found.loss)
    later = run_race(values, (0, 1), 6, 0.05, prior)
    assert later.contradicted
    assert later.survivors == (0, 1)


def test_an_arm_rests_once_it_cannot_be_ahead_by_more_than_the_tolerance():
    values = np.array([[0.85, 0.90, 0.83, 0.89], [0.86, 0.89, 0.84, 0.91], [0.85, 0.90, 0.83, 0.89]])
    prior = Prior(0.02, 5, "an earlier study")
    found = run_race(values[:2], (0, 1, 2, 3), 6, 0.05, prior)
    assert found.outcome is Outcome.RUNNING
    assert found.survivors == (0, 1, 2, 3)
    assert found.running == (1, 3)
    values[2, [0, 2]] = np.nan  # they were not run, and did not fail
    later = run_race(values, (0, 1, 2, 3), 6, 0.05, prior)
    assert later.counts == (2, 3, 2, 3)
    assert not [drop for drop in later.drops if drop.by is None]
    values[2, [0, 2]] = 5.0
    assert repr(run_race(values, (0, 1, 2, 3), 6, 0.05, prior)) == repr(later)


def test_an_arm_that_rested_comes_back_where_it_may_be_ahead_of_the_new_leader():
    prior = Prior(0.028, 5, "an earlier study")
    values = np.array([[0.87, 0.92, 0.905], [0.87, 0.92, 0.905], [0.5, 0.86, 0.91], [0.5, 0.86, 0.91]])
    before = run_race(values[:2], (0, 1, 2), 6, 0.05, prior)
    assert before.pick == 1
    assert 0 not in before.running
    after = run_race(values[:3], (0, 1, 2), 6, 0.05, prior)
    assert after.pick == 2
    assert after.running == (0, 1, 2)
    last = run_race(values, (0, 1, 2), 6, 0.05, prior)
    assert last.counts[0] == 3


def test_what_any_arm_loses_is_covered_while_others_rest():
    rng, missed, rested = np.random.default_rng(9), [], 0
    means = truth("equal", 5, 0.03) + np.array([0, 0, 0.045, 0, 0])  # the best one may rest
    for _ in range(STUDIES):
        values, prior = study(means, SPREADS["normal"], rng)
        found = run_race(values, (0, 1, 2, 3, 4), 6, TOLERANCE, prior)
        rested += len(set(found.counts)) > 1
        missed += [means.max() - means[found.pick] > found.loss]
    assert rested > STUDIES / 4
    assert np.mean(missed) <= ERROR + MARGIN


def test_of_equals_the_smallest_lambda_is_the_cheapest_and_plain_training_always():
    values = np.array([[0.80, 0.81, 0.80]]) + np.zeros((3, 1))
    prior = Prior(0.01, 5, "an earlier study")
    for lams, pick in (((0.3, 0.0, 1.0), 1), ((1.0, 0.6, 0.3), 2)):
        assert run_race(values, costs_of(lams), 6, 0.075, prior).pick == pick


@pytest.mark.parametrize("blocks", [1, 2])
def test_without_a_prior_one_or_two_blocks_decide_nothing(blocks):
    values = np.array([[0.5, 0.9], [0.5, 0.9]])[:blocks]
    found = run_race(values, (1, 1), 6, 0.05, stopped=True)
    assert found.outcome is Outcome.UNDECIDED
    assert found.pick == 1
    assert np.isnan(found.loss)
    assert run_race(values, (1, 1), 6, 0.05).outcome is Outcome.RUNNING


def test_before_the_first_block_there_is_no_pick():
    found = run_race(np.empty((0, 2)), (1, 1), 6, 0.05, PRIOR)
    assert found.outcome is Outcome.RUNNING
    assert found.pick is None
    assert np.isnan(found.means).all()


def test_where_every_arm_is_lost_nothing_is_picked():
    found = run_race(np.full((1, 3), np.nan), (1, 1, 1), 6, 0.05, PRIOR)
    assert found.pick is None
    assert found.outcome is Outcome.UNDECIDED
    assert [drop.by for drop in found.drops] == [None] * 3


def test_a_prior_that_the_blocks_contradict_is_forgotten_and_the_limits_without_one_hold():
    values = np.array([[0.85, 0.85, 0.85], [0.85, 0.95, 0.75], [0.85, 0.75, 0.95], [0.85, 0.95, 0.75]])
    found = run_race(values, (1, 1, 1), 6, 0.0, Prior(0.01, 8, "an earlier study"))
    assert found.contradicted
    assert found.prior is None
    assert repr(found) == repr(replace(run_race(values, (1, 1, 1), 6, 0.0), contradicted=True))
    generous = run_race(values, (1, 1, 1), 6, 0.0, Prior(0.3, 8, "an earlier study"))
    assert not generous.contradicted  # it only makes the race careful
    assert generous.prior is not None


def test_the_spread_is_that_about_arms_and_seeds():
    values = np.array([[0.0, 0.2], [0.5, 0.7], [0.9, 1.1]])
    assert run_race(values, (1, 1), 3, 0.0).spread == pytest.approx(0, abs=1e-12)
    values[0, 0] += 0.03
    # the difference has SD 0.03 / √3, one arm 1 / √2 of it
    assert run_race(values, (1, 1), 3, 0.0).spread == pytest.approx(0.03 / np.sqrt(6))


@pytest.mark.parametrize(
    ("scores", "costs"), [(np.zeros(3), (1, 1, 1)), (np.zeros((2, 1)), (1,)), (np.zeros((2, 3)), (1, 1))]
)
def test_other_shapes_are_errors(scores, costs):
    with pytest.raises(ValueError, match="two arms or more"):
        run_race(scores, costs, 6, 0.05)


@pytest.mark.parametrize("prior", [Prior(0.0, 8, "none"), Prior(0.03, 0, "none")])
def test_a_prior_that_says_nothing_is_an_error(prior):
    with pytest.raises(ValueError, match="above 0"):
        run_race(np.zeros((2, 3)), (1, 1, 1), 6, 0.05, prior)


def test_a_fixed_list_of_seeds_has_one_look_that_spends_the_whole_error():
    rng = np.random.default_rng(7)
    lost, early = 0, set()
    for _ in range(4000):
        standing = run_race(rng.standard_normal((4, 3)), [1, 1, 1], looks=4, tolerance=0, first_look=4)
        lost += any(drop.arm == 0 for drop in standing.drops)
        early |= {drop.block for drop in standing.drops}
    assert early == {4}
    assert 0.04 < lost / 4000 < 0.06
    assert np.isnan(run_race(rng.standard_normal((3, 3)), [1, 1, 1], looks=4, tolerance=0, first_look=4).loss)
