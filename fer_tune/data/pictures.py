"""Decodes one image file. Image files may come from strangers: formats and sizes are limited, metadata is not trusted.

Transparent pixels lie on black. 16-bit pixels keep their upper byte. Grey floating-point values are taken as 0 to 1,
0 to 255 or 0 to 65535, whichever holds all of them. Of an animation the first frame is used.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image

from fer_tune.data.errors import one_line

# Pillow reads some forty formats. No face comes in the others, and each is code that a crafted file could attack.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
MAX_PIXELS = 50_000_000  # of one image; larger ones are refused before they are decoded
NOT_AN_IMAGE = "is not a readable image"
TURNS = {  # what undoes each value of the orientation tag
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # turns that exchange width and height

Box = tuple[int, int, int, int]  # left, top, width, height in pixels


class PictureError(ValueError):
    """The bytes are not an image that can be used; the message says why."""


UNREADABLE = (OSError, PictureError)  # of opening a file and decoding it


def read_picture(content: bytes, size: int, box: Box | None = None) -> np.ndarray:
    """Decode the bytes of an image file (one of FORMATS) to uint8 (3, size, size), RGB.

    The orientation tag is applied where it can be read, then the box is cut out. Raises PictureError for bytes that
    are not an image, for more than 50 million pixels, and for a box outside the image.
    """
    with _upright(content, 0 if box else 2 * size) as (picture, _):
        return resize(picture if box is None else _crop(picture, box), size)


def read_photograph(content: bytes, side: int) -> tuple[Image.Image, tuple[int, int]]:
    """Decode the bytes of an image file to an upright RGB image; also the width and height that it has in full.

    The image may be smaller, but its longer side is at least `side` where the file's is. Raises PictureError.
    """
    with _upright(content, side) as (picture, whole):
        return picture.convert("RGB"), whole


@contextmanager
def _upright(content: bytes, least: int) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """An upright image, decoded at a size of at least `least` where that is faster (0: in full); and its full size.

    Whatever happens while it is used is raised as a PictureError.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            whole = opened.size
            if opened.width * opened.height > MAX_PIXELS:
                raise PictureError(
                    f"{opened.width} x {opened.height} pixels exceed the limit of {MAX_PIXELS / 1e6:.0f} million"
                )
            if least:
                opened.draft("RGB", (least, least))
            opened.load()
            turn = _orientation(opened)
            yield _turned(_eight_bits(opened), turn), whole[::-1] if turn in SIDEWAYS else whole
    except PictureError:
        raise
    except Exception as error:  # whatever damaged pixels or metadata make of Pillow
        raise PictureError(_reason(error)) from None


@contextmanager
def without_warnings() -> Iterator[None]:
    """Pillow's warnings of odd metadata are not shown: `read_picture` makes do, or its error names the file.

    For the thread that starts others, as warnings are set for the whole process.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\..*")
        yield


def resize(picture: Image.Image, size: int) -> np.ndarray:
    """Convert a Pillow image to uint8 (3, size, size), RGB."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    picture = picture.convert("RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1)


def why_unreadable(error: Exception) -> str:
    """Explain one of UNREADABLE."""
    return (error.strerror if isinstance(error, OSError) else None) or one_line(error)


def _reason(error: Exception) -> str:
    """Pillow's own text where it helps: much of it names a buffer in memory, or a step of its own parser."""
    told = isinstance(error, (OSError, ValueError, SyntaxError, Image.DecompressionBombError))
    return one_line(error) if told and str(error) and "BytesIO" not in str(error) else NOT_AN_IMAGE


def _orientation(picture: Image.Image) -> int:
    """The orientation tag of a loaded image, 1 to 8; 1 (upright) where its metadata cannot be read."""
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow's parser assumes much of what a file holds
        return 1
    return found if found in TURNS else 1


def _turned(picture: Image.Image, orientation: int) -> Image.Image:
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Convert grey of 16 bits or of floating-point numbers to 8 bits; Pillow would clip it at 255."""
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, dtype=np.float64)
        if picture.mode == "F":
            values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        highest = values.max()
        if picture.mode == "F" and highest <= 1:
            values = values * 255
        elif highest > 255:
            values = values / 256
        if highest >= 2**16:
            raise PictureError(f"its grey values reach {highest:g}: more than 16 bits are not read")
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return picture


def _crop(picture: Image.Image, box: Box) -> Image.Image:
    left, top, width, height = box
    right, bottom = min(left + width, picture.width), min(top + height, picture.height)
    left, top = max(left, 0), max(top, 0)
    if right <= left or bottom <= top:
        raise PictureError(f"the face box {box} is outside the {picture.width} x {picture.height} image")
    return picture.crop((left, top, right, bottom))
