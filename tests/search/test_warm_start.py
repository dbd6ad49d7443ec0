"""What an earlier study found, as the start of a search."""

import pytest

from fer_tune.results.files import write_json
from fer_tune.results.folder import trial_folders
from fer_tune.search.jobs import NotRunnable
from fer_tune.search.preparation import prepare
from fer_tune.search.warm_start import earlier_values, read_earlier_values
from fer_tune.study.loading import load_plan
from tests.support.searches import SEARCHED, score, walk

OBJECTIVE = "val_accuracy"


@pytest.fixture
def searched(plan_of):
    return plan_of(**SEARCHED)


@pytest.fixture
def earlier(searched, tmp_path):
    """The results folder of a finished search of one lambda."""
    walk(searched.cells[-1], tmp_path)
    write_json(tmp_path / "study.json", {"objective": OBJECTIVE})
    return tmp_path


def test_a_configurations_value_is_its_mean_over_seeds(earlier):
    found = earlier_values(OBJECTIVE, earlier)
    assert len(found) == 12
    for value in found:
        records = [folder.record() for folder in trial_folders(earlier)]
        scores = [score(record) for record in records if record.varied == value.varied]
        assert len(scores) == 2
        assert value.value == pytest.approx(sum(scores) / 2)


def test_what_was_found_is_kept_in_the_new_results_folder(finished, tmp_path):
    plan = load_plan(finished.study, [f"warm_start={finished.results}", "name=later"])
    later = tmp_path / "later"
    later.mkdir()
    prepare(plan, later)
    assert read_earlier_values(later) == earlier_values(OBJECTIVE, finished.results)
    assert [value.varied for value in read_earlier_values(later)] == [{"lambda": 0.0}, {"lambda": 0.5}]
    assert read_earlier_values(finished.results) == []


def test_an_earlier_study_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(NotRunnable, match=r"warm_start: .* is not a results folder"):
        earlier_values(OBJECTIVE, tmp_path)
    write_json(tmp_path / "study.json", {"objective": "val_ccc"})
    with pytest.raises(NotRunnable, match="maximised val_ccc, this study maximises val_accuracy"):
        earlier_values(OBJECTIVE, tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("study.json", "[]"),
        ("study.json", "{}"),
        ("study.json", "{"),
        ("trial.json", "{}"),
        ("trial.json", "[1]"),
        ("result.json", '{"objective": "much"}'),
    ],
)
def test_an_earlier_study_that_is_damaged_is_named(searched, tmp_path, name, text):
    walk(searched.cells[-1], tmp_path, most=1)
    write_json(tmp_path / "study.json", {"objective": OBJECTIVE})
    next(iter(tmp_path.rglob(name))).write_text(text)
    with pytest.raises(NotRunnable, match=r"warm_start: .* is damaged"):
        earlier_values(OBJECTIVE, tmp_path)
