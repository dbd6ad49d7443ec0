"""Problems of data: one cause is said once."""

import pytest

from fer_tune.data.errors import DataError, Problems, in_yaml


def message(problems):
    with pytest.raises(DataError) as caught:
        problems.raise_any()
    return str(caught.value).splitlines()


def test_a_problem_that_comes_again_is_said_once_with_its_count():
    problems = Problems("bad")
    for line in range(200):
        problems.add(f"t.csv:{line}", "split must be train: it is 'Training'")
    assert message(problems) == ["bad:", "  t.csv:0: split must be train: it is 'Training' (and 199 more like it)"]


def test_every_kind_of_problem_is_shown_before_a_second_of_one_kind():
    problems = Problems("bad")
    for line in range(1000):
        problems.add(f"t.csv:{line}", f"image '{line}.png' is missing")
    problems.add("t.csv:7", "valence must be a number: it is 'x'")
    lines = message(problems)
    assert len(lines) == 7
    assert lines[1] == "  t.csv:0: image '0.png' is missing"
    assert "  t.csv:7: valence must be a number: it is 'x'" in lines
    assert lines[-1] == "... and 996 more"


def test_a_remedy_is_said_once_and_last():
    problems = Problems("bad")
    for line in range(3):
        problems.add(f"t.csv:{line}", "x")
        problems.suggest("  do this")
    assert message(problems)[-1] == "  do this"
    assert message(problems).count("  do this") == 1


def test_nothing_is_raised_without_a_problem():
    Problems("bad").raise_any()


def test_a_mapping_is_one_line_of_a_study_file():
    assert in_yaml({"no": "sad", "1": None, "plain": "x"}) == "{'no': sad, '1': null, plain: x}"
