"""Which trial starts next, and how far it runs."""

from dataclasses import replace

import pytest

from fer_tune.decision import next_trial
from fer_tune.decision.next_trial import SLICED_ROUNDS, SLICES, Candidate, choose, run_until

TRIAL = Candidate(is_warm_up=False, seconds_left=100.0, epoch=0, epochs=40, seconds_an_epoch=60.0)


def test_the_trial_that_would_end_last_starts_first():
    assert choose([TRIAL, replace(TRIAL, seconds_left=300.0), replace(TRIAL, seconds_left=200.0)]) == 1


def test_a_warm_up_starts_before_every_trial():
    assert choose([replace(TRIAL, seconds_left=300.0), replace(TRIAL, is_warm_up=True, seconds_left=1.0)]) == 1


def test_of_two_warm_ups_the_longer_one_starts_first():
    warm = replace(TRIAL, is_warm_up=True)
    assert choose([TRIAL, warm, replace(warm, seconds_left=200.0)]) == 2


def test_the_first_of_equals_starts_so_that_the_order_never_changes():
    assert choose([TRIAL, TRIAL, TRIAL]) == 0


def test_without_candidates_there_is_nothing_to_choose():
    with pytest.raises(ValueError, match="empty"):
        choose([])


def test_few_trials_left_run_in_slices():
    assert run_until(TRIAL, slots=2, trials_left=3, sliceable=True) == 40 / SLICES


def test_a_slice_starts_where_the_last_one_ended_and_ends_with_the_trial():
    assert run_until(replace(TRIAL, epoch=7), 2, 3, sliceable=True) == 7 + 40 / SLICES
    assert run_until(replace(TRIAL, epoch=38), 2, 3, sliceable=True) == 40


@pytest.mark.parametrize(
    ("slots", "trials_left"),
    [
        (1, 2),  # one worker: nothing idles
        (2, 2),  # one trial for each worker
        (2, 1),  # nothing to share
        (2, 2 * SLICED_ROUNDS),  # many left: they divide evenly enough
    ],
)
def test_whole_trials_run_where_slices_gain_nothing(slots, trials_left):
    assert run_until(TRIAL, slots, trials_left, sliceable=True) == 40


def test_slices_start_just_below_the_limit():
    assert run_until(TRIAL, slots=2, trials_left=2 * SLICED_ROUNDS - 1, sliceable=True) < 40


def test_warm_ups_and_studies_with_a_scheduler_are_not_sliced():
    assert run_until(replace(TRIAL, is_warm_up=True), 2, 3, sliceable=True) == 40
    assert run_until(TRIAL, 2, 3, sliceable=False) == 40


def test_a_slice_lasts_at_least_so_many_seconds(monkeypatch):
    quick = replace(TRIAL, seconds_an_epoch=0.5)
    assert run_until(quick, 2, 3, sliceable=True) == 20
    monkeypatch.setattr(next_trial, "SLICE_SECONDS", 0.0)
    assert run_until(quick, 2, 3, sliceable=True) == 5
