"""One image file: colour modes, orientation, boxes, and files that are refused."""

import io

import numpy as np
import pytest
from PIL import Image

from fer_tune.data.pictures import NOT_AN_IMAGE, UNREADABLE, read_picture, why_unreadable
from tests.support import folders
from tests.support.pictures import png_header


def content_of(picture, form="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK", "P", "1", "I;16"])
def test_every_colour_mode_becomes_rgb(mode):
    gradient = Image.linear_gradient("L").resize((50, 40))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(gradient).astype(np.uint16) * 257)
    else:
        picture = gradient.convert(mode)
    image = read_picture(content_of(picture, "TIFF" if mode == "CMYK" else "PNG"), 32).astype(int)
    assert image.shape == (3, 32, 32)
    assert image[:, -1].mean() - image[:, 0].mean() > 150
    assert np.abs(image[0] - image[2]).max() < 30


def test_orientation_tags_are_applied():
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = read_picture(content_of(Image.linear_gradient("L").convert("RGB"), "JPEG", exif=exif), 32).astype(int)
    assert image[:, 0].mean() - image[:, -1].mean() > 150


def test_a_box_is_cut_out_and_may_reach_over_the_border():
    picture = Image.new("RGB", (60, 60), (250, 0, 0))
    picture.paste((0, 0, 250), (30, 30, 60, 60))
    image = read_picture(content_of(picture), 32, box=(30, 30, 40, 40))
    assert (image[2] == 250).all()
    assert (image[0] == 0).all()


@pytest.mark.parametrize("form", ["ICO", "PCX", "EPS"])
def test_a_format_that_no_face_comes_in_is_never_decoded(form):
    with pytest.raises(UNREADABLE) as caught:
        read_picture(content_of(folders.face(0, 0), form), 32)
    assert why_unreadable(caught.value) == NOT_AN_IMAGE


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [(8_000, 8_000, "8000 x 8000 pixels exceed the limit of 50 million"), (20_000, 20_000, "decompression bomb")],
)
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(width, height, message):
    with pytest.raises(UNREADABLE, match=message):
        read_picture(png_header(width, height), 32)
