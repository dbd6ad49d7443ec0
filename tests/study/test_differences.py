"""Which changes of a study leave its trials what they are."""

import pytest

from fer_tune.study.differences import differences
from fer_tune.study.schema import Study

RAW = {
    "name": "grows",
    "conditions": {"noise_ratio": [0.2, 0.4]},
    "search": {"lambda": {"grid": [0.0, 0.5]}, "lr": {"per_lambda": [1e-3, 2e-3]}},
    "seeds": [0, 1],
}
SEARCHED = {"lambda": {"grid": [0.0, 0.5]}, "lr": {"log_uniform": [1e-4, 1e-3]}}


def resolved(**changes):
    return Study.model_validate({**RAW, **changes}).model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [0, 1, 2]},
        {"conditions": {"noise_ratio": [0.2, 0.4, 0.6]}},
        {"search": {"lambda": {"grid": [0.0, 0.5, 1.0]}, "lr": {"per_lambda": [1e-3, 2e-3, 1e-3]}}},
        {"resources": {"cpu": 2}},
    ],
)
def test_what_only_adds_trials_is_harmless_and_its_reverse_is_not(changes):
    old, new = resolved(), resolved(**changes)
    assert differences(old, new)
    assert all(difference.harmless for difference in differences(old, new))
    if "resources" not in changes:
        assert not any(difference.harmless for difference in differences(new, old))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seeds": [1, 0, 2]}, "seeds was [0, 1], is [1, 0, 2]"),
        ({"training": {"epochs": 20}}, "training.epochs was 16, is 20"),
        ({"conditions": {"noise_ratio": [0.4, 0.6]}}, "conditions.noise_ratio was [0.2, 0.4], is [0.4, 0.6]"),
        ({"conditions": {"noise_ratio": {"sample": [0.1, 0.5]}}}, "conditions.noise_ratio was [0.2, 0.4]"),
        ({"search": {"lambda": {"grid": [0.0, 0.5]}, "lr": {"per_lambda": [1e-3, 4e-3]}}}, "search.lr.per_lambda was"),
        ({"objective": "val_ccc"}, 'objective was "val_accuracy", is "val_ccc"'),
    ],
)
def test_what_would_change_a_trial_is_told_with_both_values(changes, text):
    (found,) = differences(resolved(), resolved(**changes))
    assert not found.harmless
    assert str(found).startswith(text)


def test_more_seeds_are_refused_where_a_search_has_been_told_of_fewer():
    old, new = (resolved(search=SEARCHED, seeds=seeds) for seeds in ([0, 1], [0, 1, 2]))
    (found,) = differences(old, new)
    assert not found.harmless
    assert "more seeds would change what the search was told" in str(found)


def test_equal_studies_differ_in_nothing():
    assert differences(resolved(), resolved()) == []
