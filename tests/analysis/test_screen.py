"""The words of the first screen, for each verdict and in their order, and the commands to paste."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest

from fer_tune.analysis.race import Answer, Comparison, Dropped, Longer, Verdict
from fer_tune.analysis.recommendation import chances, details, findings, headline
from fer_tune.analysis.screen import bound, compared, place_in_race, points, run_command, screen, seconds, the_loss
from fer_tune.analysis.tables import load
from tests.support.made_up import PEAK, add_decide, remove_trials

NAN = float("nan")
PLAIN = Comparison("plain training (λ = 0)", 0.9, 0.8, (0.1, 0.08, 0.12), 3, 194.0, 75.0, 0.62, 0.8)
GCE = Comparison("generalised cross-entropy", 0.9, 0.93, (-0.03, -0.04, -0.02), 3, 194.0, 71.0, 0.6, 0.93)
DROPPED = (Dropped(0.0, 2, 0.2, 0.1), Dropped(1.0, 3, None, NAN))
WINNER = Answer(
    condition="all", verdict=Verdict.WINNER, lam=0.2, loss=0.0, measure="clean accuracy", tolerance=0.05, blocks=3,
    most_blocks=3, early=False, epochs=30, survivors=(0.2,), seeds=(3,), dropped=DROPPED, prior="", contradicted=False,
    plain=PLAIN, references=(GCE,), network=None, longer=(),
)  # fmt: skip


def changed(**changes):
    return Answer(**{**WINNER.__dict__, **changes})


@pytest.fixture
def results(results_folder):
    """A made-up study that was run as `fer-tune run mine.yaml --cpus 2`."""
    return load(began(results_folder(PEAK)))


def began(path, *words):
    about = json.loads((path / "environment.json").read_text())
    command = ["fer-tune", "run", "mine.yaml", "--cpus", "2", *words]
    (path / "environment.json").write_text(json.dumps({**about, "command": command}))
    return path


def test_the_first_screen_says_the_lambda_the_comparisons_the_loss_and_what_is_next_in_this_order(results):
    said = [part.text for part in screen(results, WINNER).paragraphs()]
    assert said == [
        "Take λ = 0.2 for 30 epochs of training (winner). But generalised cross-entropy did better: 0.930 against "
        "0.900.",
        "After 3 seeds, λ = 0 and λ = 1 can be ruled out.",
        "Compared with plain training (λ = 0): λ = 0.2 reaches 0.900 against 0.800 on clean test labels, a difference "
        "of +0.100 (+0.080 to +0.120), paired over 3 seeds. A trial takes 194 s against 75 s. After equal seconds "
        "(75 s) it is 0.620 against 0.800.",
        "Compared with generalised cross-entropy: λ = 0.2 reaches 0.900 against 0.930 on clean test labels, a "
        "difference of -0.030 (-0.040 to -0.020), paired over 3 seeds. A trial takes 194 s against 71 s. After equal "
        "seconds (71 s) it is 0.600 against 0.930.",
        "Trusting it loses nothing with 95 %: no other λ tried is better. How much seeds differ is known from this "
        "study's 3 seeds.",
        "Nothing is left to decide among these λs. To check the answer on new seeds:",
        "fer-tune run mine.yaml --cpus 2 --set name=made_up_again --set 'seeds=[3, 4, 5]'",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "first", "why", "loss", "more"),
    [
        (
            {"verdict": Verdict.TIE, "loss": 0.0312, "survivors": (0.2, 0.6)},
            "Take λ = 0.2 for 30 epochs of training (tie, cheapest taken).",
            "After 3 seeds, λ = 0.2 and λ = 0.6 are left. Of those that lose at most 5.0 points of clean accuracy, "
            "λ = 0.2 costs least.",
            "Trusting it loses at most 3.2 points of clean accuracy with 95 %, compared with the best λ tried.",
            "To tell them apart within 1.6 points:",
        ),
        (
            {"verdict": Verdict.BUDGET, "loss": 0.07, "survivors": (0.2, 0.6)},
            "Take λ = 0.2 for 30 epochs of training (pick at budget).",
            "It leads after all 3 seeds. λ = 0.6 cannot be ruled out.",
            "Trusting it loses at most 7.0 points of clean accuracy with 95 %, compared with the best λ tried.",
            "To know more, add seeds:",
        ),
        (
            {"verdict": Verdict.BUDGET, "loss": 0.07, "survivors": (0.2, 0.6), "most_blocks": 6, "early": True},
            "Take λ = 0.2 for 30 epochs of training (pick at budget).",
            "It leads after 3 of up to 6 seeds, when the budget was used up. λ = 0.6 cannot be ruled out.",
            "Trusting it loses at most 7.0 points of clean accuracy with 95 %",
            "To know more, add seeds:",
        ),
        (
            {"verdict": Verdict.UNDECIDED, "loss": NAN, "blocks": 1},
            "Nothing is decided: one seed does not show how much seeds differ.",
            "On this seed, λ = 0.2 did best on held-out labels after 30 epochs of training.",
            "What trusting it may lose is unknown: that takes at least three seeds",
            "To decide, add seeds. The study stops as soon as they suffice:",
        ),
        (
            {"verdict": Verdict.UNFINISHED, "loss": 0.07, "survivors": (0.2, 0.6), "most_blocks": 6},
            "Unfinished (12 of 12 trials): so far λ = 0.2 leads for 30 epochs of training.",
            "It leads after 3 of 6 seeds. λ = 0.6 cannot be ruled out.",
            "Trusting it now loses at most 7.0 points of clean accuracy with 95 %",
            "To finish it:",
        ),
    ],
)  # fmt: skip
def test_each_verdict_has_its_words(results, changes, first, why, loss, more):
    found = screen(results, changed(**changes, references=()))
    assert found.lam == first
    assert found.why == why
    assert found.loss.startswith(loss)
    assert found.more == more
    assert found.command.startswith("fer-tune run mine.yaml --cpus 2")


@pytest.mark.parametrize(
    ("difference", "seeds", "said"),
    [
        ((-0.03, -0.04, -0.02), 3, " But generalised cross-entropy did better: 0.930 against 0.900."),
        ((-0.03, NAN, NAN), 1, " But generalised cross-entropy did better on the one seed that both have: 0.930"),
        ((-0.03, -0.08, 0.02), 3, ""),
        ((0.03, 0.02, 0.04), 3, ""),
    ],
)
def test_a_method_that_is_seen_to_do_better_is_said_beside_the_lambda(results, difference, seeds, said):
    other = replace(GCE, difference=difference, seeds=seeds)
    first = screen(results, changed(references=(other,))).lam
    assert first.startswith(f"Take λ = 0.2 for 30 epochs of training (winner).{said}")
    assert ("But" in first) == bool(said)


def test_a_study_without_a_whole_block_says_so(results):
    found = screen(
        results, changed(verdict=Verdict.UNFINISHED, lam=None, loss=NAN, blocks=0, plain=None, references=())
    )
    assert found.lam == "Unfinished (12 of 12 trials): no λ leads yet."
    assert (found.why, found.compared, found.loss) == ("", (), "")


def test_what_the_spread_between_seeds_is_known_from_is_said():
    assert the_loss(WINNER).endswith("How much seeds differ is known from this study's 3 seeds.")
    known = changed(prior="two earlier studies")
    assert the_loss(known).endswith("known from two earlier studies and this study's 3 seeds.")
    assert "Seeds differ more here than two earlier studies led to expect" in the_loss(
        changed(prior="two earlier studies", contradicted=True)
    )


@pytest.mark.parametrize(
    ("loss", "said"), [(0.05, "5.0 points"), (0.0501, "5.1 points"), (0.01, "1.0 point"), (0.0, "0.0 points")]
)
def test_a_loss_is_rounded_up_so_that_it_stays_a_bound(loss, said):
    assert points(loss) == said


def test_a_loss_of_nothing_and_an_unknown_one_are_no_number():
    assert bound(changed(loss=0.0)) == "nothing"
    assert bound(changed(loss=NAN)) == ""


def test_a_time_is_short_to_read():
    assert [seconds(value) for value in (0.42, 71.4, 1500)] == ["0.42 s", "71 s", "25 min"]


def test_a_study_without_a_baseline_or_a_robust_loss_says_so(results):
    said = screen(results, changed(plain=None, references=())).compared
    assert said == (
        "λ = 0 has no result yet, so there is no baseline.",
        "No robust loss ran beside it, so there is no comparison with one.",
    )


def test_where_plain_training_is_the_answer_this_is_said_first(results):
    first, second, *_ = screen(results, changed(lam=0.0)).compared
    assert first == "λ = 0 is plain training: no joint loss did better here."
    assert second.startswith("Compared with plain training")


def test_more_seeds_become_a_race_that_keeps_its_error(results):
    command = screen(results, changed(verdict=Verdict.UNDECIDED, loss=NAN, blocks=1)).command
    assert shlex.split(command)[5:] == ["--set", "seeds=[0, 1, 2, 3, 4, 5]", "--set", "decide={}", "--resume"]


def test_a_study_whose_search_chose_by_its_seeds_gets_them_under_another_name(results_folder):
    search = {"lambda": {"grid": [0.0, 0.2]}, "lr": {"log_uniform": [1e-3, 4e-3]}}
    path = began(results_folder(PEAK, search=search, seeds=[0], optuna={"trials": 2, "batch": 2}))
    command = screen(load(path), changed(verdict=Verdict.UNDECIDED, loss=NAN, blocks=1)).command
    assert command.endswith("--set 'decide={}' --set name=made_up_more")


def test_two_conditions_share_one_command(results_folder):
    said = words(load(began(results_folder(PEAK, conditions={"noise_ratio": [0.2, 0.4]}))))
    assert len([text for text in said if text.startswith("fer-tune run")]) == 1
    assert len([text for text in said if text.startswith("fer-tune predict")]) == 2


def test_a_study_that_decides_keeps_how_it_does(results_folder):
    path = add_decide(began(results_folder(PEAK, seeds=list(range(6)))), tolerance=0.04)
    found = screen(load(path), changed(verdict=Verdict.TIE, loss=0.03, most_blocks=6, early=True, survivors=(0.2, 0.6)))
    assert shlex.split(found.command)[-3:] == ["--set", "decide={tolerance: 0.015}", "--resume"]
    assert "seeds=" not in found.command


def test_a_budget_that_was_used_up_goes_on_with_the_same_command(results_folder):
    path = add_decide(began(results_folder(PEAK, seeds=list(range(6))), "--within", "10m"), spent=True)
    found = screen(load(path), changed(verdict=Verdict.BUDGET, loss=0.07, most_blocks=6, early=True))
    assert found.command == "fer-tune run mine.yaml --cpus 2 --within 10m --resume"


def test_a_winner_at_the_edge_asks_for_a_lambda_beyond(results):
    found = screen(results, changed(lam=1.0, survivors=(1.0,)))
    assert found.more == "It is the largest λ tried, so one beyond it may be better. To try one:"
    assert "'search.lambda.grid=[0.0, 0.2, 0.6, 1.0, 1.2]' --resume" in found.command


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["python", "-m", "fer_tune.run", "a b.yaml", "--resume"], "fer-tune run 'a b.yaml' --set 'seeds=[3]'"),
        (["run", "x", "--set", "seeds=[1]", "--set=name=y"], "fer-tune run x --set name=y --set 'seeds=[3]'"),
        (["fer-tune", "run", "x", "--restart", "--dry-run"], "fer-tune run x --set 'seeds=[3]'"),
        (["pytest"], "fer-tune run STUDY --set 'seeds=[3]'"),
    ],
)  # fmt: skip
def test_a_command_keeps_what_the_study_was_run_with(results_folder, words, kept):
    path = results_folder(PEAK)
    about = json.loads((path / "environment.json").read_text())
    (path / "environment.json").write_text(json.dumps({**about, "command": words}))
    assert run_command(load(path), {"seeds": [3]}) == kept


def test_where_a_lambda_stands_in_the_race():
    assert place_in_race(WINNER, 0.2) == "in"
    rested = changed(verdict=Verdict.TIE, survivors=(0.2, 0.6), seeds=(3, 2))
    assert place_in_race(rested, 0.6) == "in, rested: 2 of 3 seeds"
    assert place_in_race(rested, 0.2) == "in"
    assert place_in_race(WINNER, 0.0) == "out after 2 seeds"
    assert place_in_race(WINNER, 1.0) == "out: diverged or failed"
    assert place_in_race(None, 0.2) == ""
    assert place_in_race(changed(verdict=Verdict.UNDECIDED), 0.2) == ""


def words(results):
    return [part.text for part in headline(results, findings(results))]


def test_the_network_to_use_is_named_with_the_command_that_uses_it(results_folder):
    results = load(began(results_folder(PEAK)))
    said = words(results)
    (named,) = [text for text in said if text.startswith("The best trained network in hand is that of λ = 0.2, seed 2")]
    assert "(trial lambda=0.2,n000,s2)" in named
    place = shlex.quote(str(results.path / "trials" / "lambda=0.2,n000,s2"))
    assert said[said.index(named) + 1] == f"fer-tune predict {place} photos/"


def test_one_seed_gives_no_interval_and_p_best_is_only_of_networks(results_folder):
    results = load(began(results_folder(PEAK, seeds=[0])))
    found = findings(results)
    said = " ".join(words(results))
    assert "a difference of +0.250, one seed: no interval." in said
    assert "recommended" not in said.lower()
    assert "Take" not in said
    rows = chances(found)
    assert "P(best)" not in rows[0]
    assert [row["λ"] for row in rows] == ["0", "0.2 (leads, not decided)", "0.6", "1"]
    assert {row["expected regret"] for row in rows} == {""}
    assert float(rows[1]["P(best network in hand)"]) > 0.5


def test_longer_training_has_a_sentence_of_its_own(results_folder):
    results = load(results_folder(PEAK))
    longer = Longer(epochs=45, verdict=Verdict.TIE, lam=0.6, loss=0.021, accuracy=0.93, before=0.9)
    said = compared(results, changed(longer=(longer,)))[-1]
    assert said == (
        "Trained on to 45 epochs: take λ = 0.6 (tie, cheapest taken); trusting it loses at most 2.1 points of clean "
        "accuracy. Its accuracy on clean test labels is 0.930 then, 0.900 after 30 epochs."
    )
    assert (
        "again take λ = 0.2 (winner); trusting it loses nothing."
        in compared(results, changed(longer=(Longer(45, Verdict.WINNER, 0.2, 0.0, NAN, NAN),)))[-1]
    )


def test_many_conditions_have_a_line_each_and_everything_else_below(results_folder):
    results = load(began(results_folder(PEAK, conditions={"noise_ratio": [0.1, 0.2, 0.4]})))
    said, below = words(results), details(results, findings(results))
    start = "noise_ratio=0.1: λ = 0.2 (winner); trusting it loses nothing; test accuracy 0.852 (0.8"
    assert said[0].startswith(start)
    assert said[0].endswith("; +0.250 (+0.250 to +0.250) over plain training.")
    assert len([text for text in said if text.startswith("noise_ratio=")]) == 3
    assert below[0].startswith("At noise_ratio=0.1: Take λ = 0.2 for 30 epochs of training (winner).")
    assert len(below) == 4


def test_no_old_verdict_is_left(results_folder):
    """An old study whose accuracy still rises at the end is answered for the epochs that it trained."""

    def late(lam, seed, epoch):
        return epoch / 36 if lam == 1.0 else PEAK(lam, seed, epoch)

    results = load(began(results_folder(late)))
    found = findings(results)
    said = " ".join([*words(results), *details(results, found), *map(str, chances(found))])
    assert said.startswith("Take λ = 0.2 for 30 epochs of training")
    for gone in (
        "udget-limited",
        "oo short",
        "o clear winner",
        "still rising",
        "more epochs",
        "more seeds",
        "ecommended",
    ):
        assert gone not in said


def test_a_searched_lambda_is_a_pick_without_a_bound(results_folder):
    space = {"lambda": {"uniform": [0.0, 1.0]}}
    several = load(began(results_folder(PEAK, search=space, optuna={"trials": 12, "batch": 4})))
    said = words(several)
    assert said[0].startswith(
        "Take λ = 0.208 (pick at budget) for 30 epochs of training: the best of 12 λs searched (best"
    )
    assert any("a searched λ has no 95 % bound" in text for text in said)
    one = load(began(results_folder(PEAK, name="one", search=space, optuna={"trials": 12, "batch": 4}, seeds=[0])))
    assert words(one)[0].startswith("Nothing is decided: one seed does not show how much seeds differ.")


def test_an_unfinished_study_names_what_resumes_it(results_folder):
    path = remove_trials(began(results_folder(PEAK, complete=False)), 1.0, [2])
    said = words(load(path))
    assert said[0] == "Unfinished (11 of 12 trials): so far λ = 0.2 leads for 30 epochs of training."
    assert said[1].startswith("It leads after 2 of 3 seeds.")
    assert "fer-tune run mine.yaml --cpus 2 --resume" in said
    assert np.unique(said).size == len(said)
