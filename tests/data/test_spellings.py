"""Which spellings are proposed to be one class, and which are not."""

import pytest

from fer_tune.data.spellings import propose

PROPOSED = {
    "case": ({"neutral": 5425, "NEUTRAL": 132, "sad": 900}, {"NEUTRAL": "neutral"}),
    "blanks": ({"very sad": 50, "very_sad": 9, "Very  Sad": 3, "calm": 60},
               {"very_sad": "very sad", "Very  Sad": "very sad"}),
    "synonyms": ({"happiness": 40, "happy": 30, "Angry": 9, "anger": 20}, {"happy": "happiness", "Angry": "anger"}),
    "misspelt": ({"glad": 60, "glaad": 1, "calm": 60}, {"glaad": "glad"}),
    "junk": ({"happy": 5000, "sad": 5000, "xx": 2, "#REF!": 1}, {"xx": None, "#REF!": None}),
    "a rare emotion": ({"happy": 5000, "sad": 5000, "contempt": 2}, {}),
    "a rare class": ({"a": 40, "b": 40, "rare": 1}, {}),
    "codes": ({"0": 400, "1": 400, "10": 1, "11": 390}, {}),
    "nothing": ({}, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", PROPOSED)
def test_spellings_of_one_class_are_proposed(case):
    counts, expected = PROPOSED[case]
    found = propose(counts)
    assert dict(found.map) == expected
    assert set(found.classes) == set(counts) - set(expected)


def test_known_classes_name_what_other_words_mean():
    found = propose({"Happy": 3, "hapyness": 1, "ANGRY": 2, "tired": 9}, ["happiness", "anger"])
    assert dict(found.map) == {"Happy": "happiness", "hapyness": "happiness", "ANGRY": "anger"}
    assert found.classes == ("happiness", "anger")


def test_the_name_of_the_column_is_no_class():
    assert dict(propose({"happy": 9, "sad": 9, "emotion": 9}, junk=["emotion"]).map) == {"emotion": None}


def test_a_proposal_is_said_in_one_line_with_counts():
    counts = {"happiness": 900, "HAPPINESS": 387, "Happy": 1, "sad": 1000, "#REF!": 2}
    assert propose(counts).said() == (
        "4 spellings of 2 classes: HAPPINESS -> happiness (387 rows), Happy -> happiness (1 row), "
        "#REF! -> no label (2 rows)"
    )
    assert propose({"happy": 5, "sad": 5}).said() == ""


def test_of_many_words_none_is_compared():
    words = {f"word {k}": 1 for k in range(1000)} | {f"WORD {k}": 1 for k in range(1000)}
    assert propose(words).map == {}
