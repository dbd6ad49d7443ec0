"""One image file: colour modes, orientation, boxes, and files that are refused."""

import os
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from fer_tune.data.pictures import NOT_AN_IMAGE, UNREADABLE, PictureError, read_picture, why_unreadable
from tests.support import folders
from tests.support.pictures import (
    content_of,
    mutate_metadata,
    pictures_with_metadata,
    png_chunk,
    png_header,
)


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


SIDE = 32  # no resizing: every pixel is compared
BLACK = Image.new("L", (SIDE, SIDE))


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (SIDE, SIDE, *shape), dtype=dtype, endpoint=True)


def on_black(rgb, alpha):
    """What is seen of pixels (S, S, 3) through their alpha (S, S) on a black background."""
    return rgb * (alpha[..., None] / 255)


def png(color_type, depth, samples, *chunks):
    """A PNG written by hand from samples (S, S[, channels]); Pillow writes fewer kinds of them."""
    raw = samples.astype(">u2" if depth == 16 else "u1").tobytes()
    step = len(raw) // SIDE
    body = b"".join(b"\0" + raw[k : k + step] for k in range(0, len(raw), step))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, content) for kind, content in parts)


def grey(values):
    return np.repeat(np.asarray(values, dtype=float)[..., None], 3, axis=-1)


def tiff(values):
    return content_of(Image.fromarray(values), "TIFF")


def kinds_of_pixels():
    """By name: the bytes of a file, and the RGB (S, S, 3) that it means, computed with numpy alone."""
    grey8, rgb8, rgba8, grey16, rgb16 = noise(), noise(3), noise(4), noise(dtype=np.uint16), noise(3, dtype=np.uint16)
    palette, codes = noise(3)[0], noise() % 32
    entries = (b"PLTE", palette.tobytes())
    alphas = noise(dtype=np.uint8)[1]
    bits = noise() > 127
    cmyk = noise(4)
    fractions = grey8 / np.float32(255)
    key = rgb8[3, 5]
    behind = (rgb8 == key).all(axis=-1)
    keyed = (b"tRNS", np.asarray(key, dtype=">u2").tobytes())
    return {
        "grey": (png(0, 8, grey8), grey(grey8)),
        "grey, 16 bits": (png(0, 16, grey16), grey(grey16 >> 8)),
        "grey, 16 bits, TIFF": (tiff(grey16), grey(grey16 >> 8)),
        "grey, 16 bits, big end first": (tiff(grey16.astype(">u2")), grey(grey16 >> 8)),
        "grey, 32 bits": (tiff(grey16.astype(np.int32)), grey(grey16 >> 8)),
        "grey, fractions": (tiff(fractions), grey(grey8)),
        "grey, fractions with NaN": (tiff(np.where(bits, fractions, np.nan)), grey(np.where(bits, grey8, 0))),
        "grey, floats to 255": (tiff(grey8.astype(np.float32)), grey(grey8)),
        "grey, floats to 65535": (tiff(grey16.astype(np.float32)), grey(grey16 >> 8)),
        "grey and alpha": (png(4, 8, rgb8[..., :2]), on_black(grey(rgb8[..., 0]), rgb8[..., 1])),
        "grey and alpha, 16 bits": (png(4, 16, rgb16[..., :2]), on_black(grey(rgb16[..., 0] >> 8), rgb16[..., 1] >> 8)),
        "grey, one transparent": (png(0, 8, grey8, (b"tRNS", b"\0\7")), grey(np.where(grey8 == 7, 0, grey8))),
        "black and white": (content_of(Image.fromarray(bits)), grey(bits * 255)),
        "RGB": (png(2, 8, rgb8), rgb8),
        "RGB, 16 bits": (png(2, 16, rgb16), rgb16 >> 8),
        "RGB, one transparent": (png(2, 8, rgb8, keyed), np.where(behind[..., None], 0, rgb8)),
        "RGBA": (png(6, 8, rgba8), on_black(rgba8[..., :3], rgba8[..., 3])),
        "RGBA, TIFF": (tiff(rgba8), on_black(rgba8[..., :3], rgba8[..., 3])),
        "RGBA, WebP": (content_of(Image.fromarray(rgba8), "WEBP", lossless=True, exact=True),
                       on_black(rgba8[..., :3], rgba8[..., 3])),
        "palette": (png(3, 8, codes, entries), palette[codes]),
        "palette with transparency": (png(3, 8, codes, entries, (b"tRNS", alphas.tobytes())),
                                      on_black(palette[codes], alphas[codes])),
        "GIF": (content_of(paletted(codes, palette), "GIF"), palette[codes]),
        "GIF with transparency": (content_of(paletted(codes, palette), "GIF", transparency=9),
                                  np.where((codes == 9)[..., None], 0, palette[codes])),
        "animation": (content_of(paletted(codes, palette), "GIF", append_images=[BLACK], save_all=True),
                      palette[codes]),
        "CMYK": (content_of(Image.fromarray(cmyk, "CMYK"), "TIFF"),
                 (255 - cmyk[..., :3].astype(float)) * (255 - cmyk[..., 3:]) / 255),
        "BMP": (content_of(Image.fromarray(rgb8), "BMP"), rgb8),
        "PPM": (b"P6 32 32 255\n" + rgb8.tobytes(), rgb8),
        "PPM, 16 bits": (b"P5 32 32 65535\n" + grey16.astype(">u2").tobytes(), grey(grey16 >> 8)),
    }  # fmt: skip


def paletted(codes, palette):
    picture = Image.fromarray(codes, "P")
    picture.putpalette(palette.tobytes())
    return picture


KINDS = kinds_of_pixels()


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_pixels_is_what_it_means(kind):
    content, expected = KINDS[kind]
    found = read_picture(content, SIDE).transpose(1, 2, 0).astype(float)
    assert np.abs(found - expected).max() <= 1


def test_luma_and_chroma_become_rgb_as_the_standard_says():
    flat = np.array([[60, 90, 200], [235, 128, 128], [16, 128, 128], [120, 60, 170]], dtype=np.uint8)
    y, cb, cr = flat.T.astype(float)
    expected = np.stack(
        [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    )
    for k in range(4):
        picture = Image.fromarray(np.tile(flat[k], (SIDE, SIDE, 1)), "YCbCr")
        found = read_picture(content_of(picture, "JPEG", quality=100), SIDE)
        assert np.abs(found[:, 9, 9] - np.clip(expected[:, k], 0, 255)).max() <= 2


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize("lab", [(50, 0, 0), (60, 30, -20), (40, -25, 15), (80, 5, 40)])
def test_lab_becomes_rgb_as_the_standard_says(lab):
    lightness, a, b = lab
    cubes = np.array([(lightness + 16) / 116 + a / 500, (lightness + 16) / 116, (lightness + 16) / 116 - b / 200])
    xyz = np.where(cubes > 6 / 29, cubes**3, (cubes - 4 / 29) * 3 * (6 / 29) ** 2) * [0.9642, 1, 0.8249]
    to_rgb = [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.033454],
        [0.0719453, -0.2289914, 1.4052427],
    ]
    linear = to_rgb @ xyz
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    pixel = np.array([lightness * 2.55, a % 256, b % 256]).round().astype(np.uint8)
    content = content_of(Image.fromarray(np.tile(pixel, (SIDE, SIDE, 1)), "LAB"), "TIFF")
    assert np.abs(read_picture(content, SIDE)[:, 9, 9] - expected).max() <= 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tiff(np.full((SIDE, SIDE), 1e6, dtype=np.float32)), "its grey values reach 1e\\+06: more than 16 bits"),
        (b"", NOT_AN_IMAGE),
        (b"\xff\xd8\xff\xe0" + bytes(500), "."),
    ],
)
def test_pixels_that_cannot_be_used_are_refused_in_one_line(content, message):
    with pytest.raises(PictureError, match=message) as caught:
        read_picture(content, SIDE)
    assert "\n" not in why_unreadable(caught.value)


def test_each_orientation_is_undone_also_of_16_bits():
    upright = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
        6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }  # fmt: skip
    expected = read_picture(content_of(Image.fromarray(upright)), 32)
    for orientation, pixels in stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        for form in ("PNG", "TIFF"):
            content = content_of(Image.fromarray(np.ascontiguousarray(pixels)), form, exif=exif)
            assert np.array_equal(read_picture(content, 32), expected), (orientation, form)


def test_odd_exif_is_passed_over_and_its_orientation_used():
    """A resolution of -1/0, as some phones write, which Pillow can read and not write."""
    entries = struct.pack("<H", 2) + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", 0x011A, 5, 1, 38)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + entries + struct.pack("<I", 0) + struct.pack("<iI", -1, 0)
    picture = Image.linear_gradient("L").convert("RGB")
    turned = read_picture(content_of(picture, "JPEG", exif=exif), 32)
    assert np.array_equal(turned, read_picture(content_of(picture.rotate(-90), "JPEG"), 32))


METADATA = pictures_with_metadata()
MUTATIONS = 2000
TIMES = int(os.environ.get("FER_TUNE_FUZZ", "1"))


@pytest.mark.parametrize("form", METADATA)
@pytest.mark.filterwarnings("ignore")
def test_mutated_metadata_never_ends_in_anything_but_pixels_or_a_reason(form):
    """EXIF, XMP, colour profiles, comments, text and TIFF tags: 2,000 mutations in all, times FER_TUNE_FUZZ."""
    content, blocks = METADATA[form]
    good, rng = read_picture(content, 32), random.Random(form)
    outcomes = {"same pixels": 0, "other pixels": 0, "refused": 0}
    for _ in range(MUTATIONS * TIMES // len(METADATA)):
        try:
            found = read_picture(mutate_metadata(content, blocks, rng), 32)
            outcomes["same pixels" if np.array_equal(found, good) else "other pixels"] += 1
        except PictureError as error:
            outcomes["refused"] += 1
            assert why_unreadable(error).strip()
            assert "\n" not in why_unreadable(error)
    assert outcomes["same pixels"] > 0, outcomes
    if form in ("JPEG", "PNG", "WEBP"):
        assert outcomes["refused"] < 0.15 * sum(outcomes.values()), outcomes


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
