"""Label sets: their order, and what is refused."""

import pytest

from fer_tune.data.labels import EMOTIONS, FACE_LABELS, LabelSet, first_categorical


def test_emotions_are_named_in_affectnets_order():
    assert EMOTIONS == ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger")


def test_the_first_categorical_set_is_found():
    assert first_categorical(FACE_LABELS[::-1]) == FACE_LABELS[0]
    with pytest.raises(ValueError, match="at least one categorical label set"):
        first_categorical(FACE_LABELS[1:])


@pytest.mark.parametrize(
    ("kind", "names", "message"),
    [
        ("ordinal", ("a", "b"), "kind must be categorical or continuous: it is 'ordinal'"),
        ("categorical", ("a",), "too few names"),
        ("continuous", (), "too few names"),
    ],
)
def test_an_impossible_label_set_is_refused(kind, names, message):
    with pytest.raises(ValueError, match=message):
        LabelSet("set", kind, names)
