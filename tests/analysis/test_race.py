"""What a study answers: the race replayed from its trials, on studies whose right answer is known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fer_tune.analysis.race import Verdict, answers
from fer_tune.analysis.recommendation import against_baseline, as_json, chances, findings
from fer_tune.analysis.tables import load
from fer_tune.results.folder import TrialFolder
from fer_tune.results.records import Role, Status
from fer_tune.results.tables import write_tables
from tests.support.made_up import PEAK, add_decide, add_extended, add_references, plateau, remove_trials

SPREAD = 0.004  # of the made-up studies between seeds
GRID = {"lambda": {"grid": [0.0, 0.3, 1.0]}}


def scattered(levels, spread=SPREAD):
    """Known levels by λ, each seed of each λ a little off."""

    def curve(lam, seed, epoch):
        off = spread * np.random.default_rng([int(100 * lam), seed]).standard_normal()
        return np.full(len(epoch), levels[lam] + off)

    return curve


CLEAR = scattered({0.0: 0.7, 0.3: 0.85, 1.0: 0.6})
EQUAL = scattered({0.0: 0.8, 0.3: 0.8, 1.0: 0.8})
DOUBTFUL = scattered({0.0: 0.80, 0.3: 0.83, 1.0: 0.82}, spread=0.05)


@pytest.fixture
def answered(results_folder):
    def ask(curve, **changes):
        return answers(load(results_folder(curve, **{"search": GRID, **changes})))

    return ask


def test_a_fixed_list_of_seeds_is_one_look_and_a_clear_best_lambda_wins(answered):
    (found,) = answered(CLEAR)
    assert found.verdict is Verdict.WINNER
    assert found.lam == 0.3
    assert found.loss == 0
    assert (found.blocks, found.most_blocks, found.epochs) == (3, 3, 30)
    assert {each.lam for each in found.dropped} == {0.0, 1.0}
    assert {each.block for each in found.dropped} == {3}
    assert found.decided


def test_among_equals_the_cheapest_is_taken(results_folder):
    path = results_folder(EQUAL, search=GRID)
    for folder in map(TrialFolder, sorted((path / "trials").glob("lambda=0.0*"))):
        folder.write_history([{**row, "seconds": 0.4} for row in folder.history()])
    write_tables(path)
    (found,) = answers(load(path))
    assert found.verdict is Verdict.TIE
    assert found.lam == 0
    assert 0 < found.loss <= 0.05
    assert len(found.survivors) > 1


def test_what_is_left_in_doubt_is_a_pick_with_what_it_may_lose_in_clean_accuracy(answered):
    (found,) = answered(DOUBTFUL)
    assert found.verdict is Verdict.BUDGET
    assert found.loss > 0.05
    assert found.measure == "clean accuracy"
    assert found.decided


def test_a_loss_is_in_points_of_clean_accuracy_only_where_the_noise_is_known(results_folder):
    noisy = load(results_folder(DOUBTFUL, search=GRID, noise={"ratio": 0.4}))
    clean = load(results_folder(DOUBTFUL, search=GRID, noise={"ratio": 0.0}, name="clean"))
    sets = [{"name": "mood", "kind": "categorical", "columns": ["mood"], "classes": ["calm", "glad"]}]
    table = {"kind": "manifest", "file": "faces.csv", "sets": sets}
    given = load(results_folder(DOUBTFUL, search=GRID, noise={"ratio": 0.0}, name="given", dataset=table))
    (one,), (other,), (own,) = answers(noisy), answers(clean), answers(given)
    assert one.loss == pytest.approx(other.loss)
    assert own.loss == pytest.approx(other.loss)
    assert (one.measure, own.measure) == ("clean accuracy", "accuracy on held-out labels")


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_with_fewer_than_three_seeds_and_no_prior_nothing_is_decided(answered, seeds):
    (found,) = answered(CLEAR, seeds=seeds)
    assert found.verdict is Verdict.UNDECIDED
    assert found.lam == 0.3
    assert math.isnan(found.loss)
    assert not found.decided


def test_with_a_prior_two_seeds_may_do_and_one_never(results_folder):
    prior = {"spread": SPREAD, "degrees_of_freedom": 8, "source": "two earlier studies"}
    (found,) = answers(load(add_decide(results_folder(CLEAR, search=GRID, seeds=[0, 1]), prior=prior)))
    assert found.verdict is Verdict.WINNER
    assert found.prior == "two earlier studies"
    assert not found.contradicted
    (one,) = answers(load(add_decide(results_folder(CLEAR, search=GRID, seeds=[0], name="one"), prior=prior)))
    assert one.verdict is Verdict.UNDECIDED
    assert math.isnan(one.loss)


def test_a_lambda_that_rests_needs_no_trial_and_does_not_count_as_broken(results_folder):
    prior = {"spread": 0.0064, "degrees_of_freedom": 5, "source": "an earlier study"}
    near = scattered({0.0: 0.80, 0.3: 0.83, 1.0: 0.828}, spread=0.012)
    path = results_folder(near, search=GRID, seeds=list(range(6)))
    path = add_decide(path, tolerance=0.03, prior=prior)
    (whole,) = answers(load(path))
    seeds = dict(zip(whole.survivors, whole.seeds, strict=True))
    assert seeds[0.0] < whole.blocks
    assert seeds[0.3] == whole.blocks
    remove_trials(path, 0.0, range(seeds[0.0], 6))
    for lam in (0.3, 1.0):
        remove_trials(path, lam, range(seeds[lam], 6))
    results = load(path)
    (found,) = answers(results)
    assert replace(found, network=None) == replace(whole, network=None)
    assert not [each for each in found.dropped if each.by is None]
    said = {row["λ"]: row["race over seeds"] for row in chances(findings(results))}
    assert said["0"] == f"in, rested: {seeds[0.0]} of {whole.blocks} seeds"


def test_a_prior_that_the_seeds_contradict_does_not_count(results_folder):
    path = results_folder(scattered({0.0: 0.80, 0.3: 0.83, 1.0: 0.82}, spread=0.03), search=GRID)
    without = answers(load(path))[0]
    prior = {"spread": 0.0005, "degrees_of_freedom": 8, "source": "another data set"}
    (path / "prior.json").write_text(json.dumps(prior))
    (found,) = answers(load(path))
    assert found.contradicted
    assert found.loss == pytest.approx(without.loss)


def test_a_race_stops_early_and_needs_no_trial_of_what_dropped_out(results_folder):
    path = add_decide(results_folder(scattered({0.0: 0.7, 0.3: 0.85, 1.0: 0.84}), search=GRID, seeds=list(range(6))))
    whole = answers(load(path))
    remove_trials(path, 0.0, [3, 4, 5])
    remove_trials(path, 0.3, [4, 5])
    remove_trials(path, 1.0, [4, 5])
    (found,) = answers(load(path))
    assert whole[0].blocks == found.blocks == 3
    assert replace(found, network=None) == replace(whole[0], network=None)
    assert found.verdict in (Verdict.WINNER, Verdict.TIE)


def test_trials_of_a_block_that_is_not_whole_do_not_count(results_folder):
    curve = scattered({0.0: 0.80, 0.3: 0.83, 1.0: 0.82}, spread=0.05)
    path = add_decide(results_folder(curve, search=GRID, seeds=list(range(6)), complete=False), tolerance=0.001)
    before = remove_trials(path, 1.0, [4, 5])
    (found,) = answers(load(before))
    assert found.verdict is Verdict.UNFINISHED
    assert found.blocks == 4
    remove_trials(path, 0.0, [5])
    remove_trials(path, 0.3, [5])
    (later,) = answers(load(path))
    assert (later.loss, later.lam, later.blocks) == (found.loss, found.lam, 4)


def test_a_budget_that_is_used_up_ends_the_race_with_a_pick(results_folder):
    path = add_decide(results_folder(DOUBTFUL, search=GRID, seeds=list(range(6))), tolerance=0.001, spent=True)
    for lam in (0.0, 0.3, 1.0):
        remove_trials(path, lam, [4, 5])
    results = load(path)
    (found,) = answers(results)
    assert found.verdict is Verdict.BUDGET
    assert found.blocks == 4
    assert not results.partial


def test_a_study_that_has_begun_has_no_answer_before_its_first_whole_block(results_folder):
    path = remove_trials(results_folder(CLEAR, search=GRID, complete=False), 1.0, [0, 1, 2])
    (found,) = answers(load(path))
    assert found.verdict is Verdict.UNFINISHED
    assert found.lam is None
    assert found.blocks == 0


def test_a_lambda_that_diverges_leaves_the_race(results_folder):
    path = results_folder(CLEAR, search=GRID)
    TrialFolder(path / "trials" / "lambda=1.0,n000,s1").end(Status.DIVERGED, "val_accuracy", "no longer finite")
    write_tables(path)
    (found,) = answers(load(path))
    assert [(each.lam, each.by) for each in found.dropped if each.by is None] == [(1.0, None)]
    assert found.lam == 0.3
    assert found.blocks == 3


def test_the_answer_is_compared_with_plain_training_and_with_the_robust_loss_at_equal_seconds(results_folder):
    rising = plateau(lambda lam: {0.0: 0.7, 0.3: 0.9, 1.0: 0.5}[lam], speed=8.0)
    path = results_folder(rising, search=GRID)
    for folder in map(TrialFolder, sorted((path / "trials").glob("lambda=0.0*"))):
        folder.write_history([{**row, "seconds": 0.5} for row in folder.history()])
    add_references(path, plateau(lambda lam: 0.92), seconds=0.4)
    results = load(path)
    (found,) = answers(results)
    assert found.plain.name == "plain training (λ = 0)"
    assert found.plain.difference[0] == pytest.approx(0.2, abs=0.01)
    assert (found.plain.own_seconds, found.plain.other_seconds) == pytest.approx((30, 15))
    assert found.plain.own_then < found.plain.own
    (robust,) = found.references
    assert robust.name == "generalised cross-entropy"
    assert robust.difference[0] < 0
    assert robust.seconds == pytest.approx(12)
    assert robust.other_then == pytest.approx(robust.other)
    assert robust.own_then == pytest.approx(0.9 * np.mean(1 - np.exp(-np.arange(8, 13) / 8)) + 0.002, abs=1e-3)
    assert robust.seeds == 3


def test_references_take_no_part_in_tables_of_lambda(results_folder):
    path = results_folder(CLEAR, search=GRID)
    before = load(path)
    tables = [chances(findings(before)), against_baseline(before)]
    add_references(path, plateau(lambda lam: 0.95), seconds=0.4)
    after = load(path)
    assert [chances(findings(after)), against_baseline(after)] == tables
    assert set(after.auxiliary["role"]) == {Role.REFERENCE}
    assert after.done == before.done + 3


def test_where_plain_training_wins_it_is_compared_with_the_best_joint_loss(answered):
    (found,) = answered(scattered({0.0: 0.85, 0.3: 0.8, 1.0: 0.6}))
    assert found.lam == 0
    assert found.plain.name == "λ = 0.3, the best above 0"
    assert found.plain.difference[0] > 0


def test_each_condition_is_a_race_of_its_own(answered):
    found = answered(CLEAR, conditions={"noise_ratio": [0.2, 0.4]})
    assert [answer.condition for answer in found] == ["noise_ratio=0.2", "noise_ratio=0.4"]
    assert {answer.verdict for answer in found} == {Verdict.WINNER}


def test_where_a_rate_is_searched_each_lambda_races_with_its_best_configuration(answered):
    (found,) = answered(CLEAR, search={**GRID, "lr": {"grid": [1e-3, 2e-3]}})
    assert found.lam == 0.3
    assert found.blocks == 3


def test_a_searched_lambda_has_no_race(answered):
    assert answered(PEAK, search={"lambda": {"uniform": [0.0, 1.0]}}, optuna={"trials": 12, "batch": 4}) == []


def test_a_study_of_one_lambda_has_nothing_to_choose(answered):
    (found,) = answered(PEAK, search={"lambda": {"grid": [0.2]}})
    assert found.verdict is Verdict.ALONE
    assert found.lam == 0.2


def test_programs_read_the_answer_too(results_folder):
    results = load(results_folder(CLEAR, search=GRID))
    content = json.loads(as_json(results, findings(results)))
    assert content["format_version"] == 2
    (entry,) = content["conditions"]
    assert entry["verdict"] == "winner"
    assert entry["lambda"] == entry["answer"]["lam"] == 0.3
    assert entry["answer"]["network"]["key"].startswith("lambda=0.3")
    assert entry["decided"]


@pytest.mark.parametrize(
    "content", ['{"spread": "wide"}', "[]", '{"spread": 0, "degrees_of_freedom": 8, "source": "x"}', "{"]
)
def test_a_damaged_prior_is_named_and_does_not_count(results_folder, content):
    path = results_folder(CLEAR, search=GRID)
    (path / "prior.json").write_text(content)
    results = load(path)
    assert results.prior is None
    assert [gap.what for gap in results.gaps] == ["What earlier studies say of the spread between seeds"]


def test_trials_that_idle_workers_ran_ahead_change_nothing_in_any_table(results_folder):
    path = add_decide(results_folder(scattered({0.0: 0.7, 0.3: 0.85, 1.0: 0.84}), search=GRID, seeds=list(range(6))))
    ahead = load(path)
    assert set(ahead.trials["seed"]) == {0, 1, 2}
    assert set(ahead.epochs["key"]) == set(ahead.trials["key"])
    said = as_json(ahead, findings(ahead))
    for lam in (0.0, 0.3, 1.0):
        remove_trials(path, lam, [3, 4, 5])
    assert as_json(load(path), findings(load(path))) == said


def test_leaders_that_were_trained_on_have_an_answer_of_their_own(results_folder):
    levels = {0.0: 0.7, 0.3: 0.85, 1.0: 0.84}
    path = add_decide(results_folder(scattered(levels), search=GRID, seeds=list(range(6))), tolerance=0.001)
    (short,) = answers(load(path))
    assert short.longer == ()
    later = {**levels, 1.0: 0.95}
    add_extended(path, scattered(later), 45, short.survivors, range(short.blocks))
    (found,) = answers(load(path))
    assert replace(found, longer=()) == replace(short, longer=())
    (longer,) = found.longer
    assert longer.epochs == 45
    assert longer.lam == (1.0 if 1.0 in short.survivors else short.lam)
    assert longer.accuracy == pytest.approx(later[longer.lam], abs=0.02)
    assert longer.before == pytest.approx(levels[longer.lam], abs=0.02)


def test_an_extension_that_is_not_whole_says_nothing_yet(results_folder):
    path = add_decide(results_folder(DOUBTFUL, search=GRID, seeds=list(range(6))), tolerance=0.001)
    (short,) = answers(load(path))
    add_extended(path, DOUBTFUL, 45, short.survivors, range(short.blocks - 1))
    (found,) = answers(load(path))
    assert found.longer == ()
