"""Photographs to look for faces in. The one real photograph is of Grace Hopper; it comes with matplotlib."""

from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw

FACE = (151, 103, 229, 229)  # where a person sees the face in it, brows to lips: left, top, width, height


def portrait() -> Image.Image:
    """A woman in uniform before a flag: 512 by 600 pixels."""
    package = Path(find_spec("matplotlib").origin).parent
    return Image.open(package / "mpl-data" / "sample_data" / "grace_hopper.jpg").convert("RGB")


def group(count: int) -> Image.Image:
    """The portrait `count` times in a row, each time smaller."""
    row = Image.new("RGB", (340 * count, 400), (90, 110, 130))
    for k in range(count):
        width = 340 - 60 * k
        row.paste(portrait().resize((width, width * 600 // 512)), (340 * k, 0))
    return row


def landscape() -> Image.Image:
    """Hills under a sky: no face."""
    picture = Image.new("RGB", (640, 480), (150, 190, 230))
    pen = ImageDraw.Draw(picture)
    pen.polygon([(0, 480), (0, 300), (220, 180), (430, 330), (640, 240), (640, 480)], fill=(70, 120, 60))
    pen.ellipse((480, 40, 560, 120), fill=(250, 240, 180))
    return picture
