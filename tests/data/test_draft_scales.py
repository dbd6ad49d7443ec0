"""Which scale valence and arousal are on: clear cases, cases to ask about, markers of missing ones."""

import numpy as np
import pytest

from fer_tune.data.draft_scales import affect_columns, scale_of
from fer_tune.data.errors import DataError

CLEAR = {
    "plain": ([-0.4, 0.2, 0.9], None, ()),
    "one mistake in many": ([*np.linspace(-1, 1, 40), 1.7], None, ()),
    "AFEW-VA": ([-10, -5, 0, 7], (-10, 10), ()),
    "a thousand": ([-830, 20, 400], (-1000, 1000), ()),
    "percent": ([3, 50, 99], (0, 100), ()),
    "AffectNet": ([-2, -2, 0.1, 0.9, -0.3], None, ("-2",)),
    "Aff-Wild2": ([-5, -5, 0.1, 0.9, -0.3], None, ("-5",)),
}


@pytest.mark.parametrize("case", CLEAR)
def test_a_clear_scale(case):
    values, ends, missing = CLEAR[case]
    scale = scale_of(np.array(values, dtype=float), "valence", "t.csv", {})
    assert scale.range == ends
    assert scale.missing == missing


@pytest.mark.parametrize("values", [[0.1, 0.9], [1, 9], [1, 5], [-3, 3], [0, 7], [-2, 2]])
def test_two_readings_are_asked_for(values):
    with pytest.raises(DataError, match=r"t\.csv: valence goes from .* readings are possible:\n  range: .*\n  range: "):
        scale_of(np.array(values, dtype=float), "valence", "t.csv", {})
    assert scale_of(np.array(values, dtype=float), "valence", "t.csv", {"range": [-10, 10]}).range == (-10, 10)


def test_a_scale_that_nobody_uses_is_none():
    assert scale_of(np.array([-70_000.0, 3.0]), "valence", "t.csv", {}) is None


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["path", "Valence", "arousal_mean"], ["Valence", "arousal_mean"]),
        (["v", "a", "label"], ["v", "a"]),
        (["a", "b", "c"], []),
        (["v", "label"], []),
        (["interval", "aroma"], []),
        (["val", "aro"], ["val", "aro"]),
    ],
)
def test_columns_of_affect_are_known_by_name(columns, found):
    assert affect_columns(columns) == found
