"""Faces are found in a real photograph as a person sees them; what is none, or cannot be read, is said."""

import sys

import pytest
from PIL import Image, ImageEnhance

from fer_tune.data.errors import DataError
from fer_tune.data.face_boxes import find_faces
from tests.support.photographs import FACE, group, landscape, portrait

cv2 = pytest.importorskip("cv2")


def found_in(folder, *pictures, **options):
    files = []
    for i, picture in enumerate(pictures):
        files.append(folder / f"{i}.png")
        picture.save(files[-1])
    return list(find_faces(files, **options))


def overlap(one, two):
    """Intersection over union of two boxes."""
    (a, b, c, d), (e, f, g, h) = one, two
    wide, high = min(a + c, e + g) - max(a, e), min(b + d, f + h) - max(b, f)
    inner = max(0, wide) * max(0, high)
    return inner / (c * d + g * h - inner)


CHANGES = {
    "as it is": lambda picture: picture,
    "large": lambda picture: picture.resize((1536, 1800)),
    "small": lambda picture: picture.resize((128, 150)),
    "dark": lambda picture: ImageEnhance.Brightness(picture).enhance(0.25),
    "of little contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.3),
    "turned a little": lambda picture: picture.rotate(8, center=(265, 217)),
    "grey": lambda picture: picture.convert("L"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_real_face_is_found_where_a_person_sees_it(tmp_path, name):
    picture = CHANGES[name](portrait())
    (found,) = found_in(tmp_path, picture)
    (box,) = found.boxes
    scale = picture.width / 512
    assert overlap(box, [v * scale for v in FACE]) > 0.6
    assert box[2] > 0.9 * FACE[2] * scale, "a margin around brows and lips"


def test_several_faces_come_largest_first_and_a_landscape_has_none(tmp_path):
    several, none = found_in(tmp_path, group(3), landscape(), workers=2)
    assert len(several.boxes) == 3
    widths = [box[2] for box in several.boxes]
    assert widths == sorted(widths, reverse=True)
    assert none.boxes == ()
    assert none.problem == ""


def test_boxes_are_those_of_the_upright_photograph_and_end_at_its_edges(tmp_path):
    close = portrait().crop((160, 110, 380, 330))
    turned = portrait().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 270 degrees
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    (upright,) = found_in(tmp_path, portrait())
    (found,) = find_faces([tmp_path / "turned.jpg"])
    assert overlap(found.boxes[0], upright.boxes[0]) > 0.9
    for one in found_in(tmp_path, close):
        for left, top, width, height in one.boxes:
            assert min(left, top) >= 0
            assert left + width <= 220
            assert top + height <= 220


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"not an image")
    bad, missing = find_faces([tmp_path / "bad.jpg", tmp_path / "missing.jpg"])
    assert bad.problem == "is not a readable image"
    assert missing.problem == "No such file or directory"


def test_without_opencv_or_with_one_that_has_no_detector_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(DataError, match=r"has no face detector of its own: pip install 'fer-tune\[faces\]'"):
        found_in(tmp_path, landscape())
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DataError, match=r"needs OpenCV: pip install 'fer-tune\[faces\]'"):
        found_in(tmp_path, landscape())
