"""The sheet of faces: names in any alphabet."""

import numpy as np
import pytest
from PIL import Image

from fer_tune.data.labels import LabelSet
from fer_tune.data.sheet import NAMES, write_sheet


def drawn(path, names, title=""):
    images, classes = np.zeros((len(names), 3, 8, 8), dtype=np.uint8), np.arange(len(names))
    write_sheet(path, images, classes, classes, LabelSet("mood", "categorical", names), title=title)
    return np.asarray(Image.open(path).convert("L"))


@pytest.mark.parametrize(
    ("one", "other"),
    [("é", "è"), ("жест", "жесть"), ("\u8868", "\u60c5"), ("\U0001f9ff", "\U0001f9fe"), ("a\nb", "a b"), ("$x$", "x")],
)
def test_names_that_differ_look_different(tmp_path, one, other):
    names = drawn(tmp_path / "sheet.png", (one, other))[:, :NAMES]
    first, second = names[30:106], names[106:182]
    assert first.min() < 128
    assert not np.array_equal(first, second)


def test_any_text_is_drawn(tmp_path):
    odd = "".join(map(chr, [0, 7, 10, 27, 0x301, 0x200B, 0x202E, 0xE000, 0xFFFF, 0x10FFFF]))
    assert drawn(tmp_path / "sheet.png", (odd, "x" * 3000), title=odd).size
