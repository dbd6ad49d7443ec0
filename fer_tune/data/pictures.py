"""Decodes one image file. Image files may come from strangers: formats and sizes are limited."""

import io

import numpy as np
from PIL import Image, ImageOps

# Pillow reads some forty formats. No face comes in the others, and each is code that a crafted file could attack.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
MAX_PIXELS = 50_000_000  # of one image; larger ones are refused before they are decoded
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises for bad files
NOT_AN_IMAGE = "is not a readable image"

Box = tuple[int, int, int, int]  # left, top, width, height in pixels


def read_picture(content: bytes, size: int, box: Box | None = None) -> np.ndarray:
    """Decode the bytes of an image file (one of FORMATS) to uint8 (3, size, size), RGB.

    The orientation tag is applied, then the box is cut out. Raises one of UNREADABLE for bytes that are not an
    image, for more than 50 million pixels, and for a box outside the image.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError(
                f"{opened.width} x {opened.height} pixels exceed the limit of {MAX_PIXELS / 1e6:.0f} million"
            )
        if box is None:
            opened.draft("RGB", (2 * size, 2 * size))
        picture = ImageOps.exif_transpose(_eight_bits(opened))
        if box is not None:
            picture = _crop(picture, box)
        return resize(picture, size)


def resize(picture: Image.Image, size: int) -> np.ndarray:
    """Convert a Pillow image to uint8 (3, size, size), RGB."""
    picture = picture.convert("RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1)


def why_unreadable(error: Exception) -> str:
    """Explain one of UNREADABLE. Pillow's own text names a buffer in memory, not the file."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return NOT_AN_IMAGE if "BytesIO" in text else text


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Convert 16-bit grey to 8 bits by its upper byte; Pillow would clip it at 255."""
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, dtype=np.float64)
        return Image.fromarray(np.clip(values / (256 if values.max() > 255 else 1), 0, 255).astype(np.uint8))
    return picture


def _crop(picture: Image.Image, box: Box) -> Image.Image:
    left, top, width, height = box
    right, bottom = min(left + width, picture.width), min(top + height, picture.height)
    left, top = max(left, 0), max(top, 0)
    if right <= left or bottom <= top:
        raise ValueError(f"the face box {box} is outside the {picture.width} x {picture.height} image")
    return picture.crop((left, top, right, bottom))
