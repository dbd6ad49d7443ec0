"""Contact sheets, for a person to check a data set: a few faces of each class, or groups of images to compare."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer_tune.data.errors import LONGEST_QUOTE, printable
from fer_tune.data.labels import LabelSet

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
UNASSIGNED = "\uffff"  # no font has it: what a font draws for characters that it does not have
FACE, GAP, NAMES, TITLE = 72, 4, 150, 30  # pixels: side of a face, gap, width of the names, height of the title
LARGE, LINE, SHEET = 128, 15, 1120  # pixels: side of an image of a group, height of a line, width of a sheet of groups


def write_sheet(
    path: Path,
    images: np.ndarray,
    classes: np.ndarray,
    chosen: np.ndarray,
    label_set: LabelSet,
    columns: int = 10,
    title: str = "",
) -> None:
    """Write a PNG with up to `columns` images of each class, evenly spread over those available.

    Args:
        images: uint8 (N, 3, S, S), RGB; only those shown are read.
        classes: (N,) of the label set; missing ones are left out.
        chosen: indices of the images to choose from, such as a split.
    """
    height = FACE + GAP
    sheet = Image.new("RGB", (NAMES + columns * (FACE + GAP), TITLE + label_set.size * height), "white")
    pen, font = ImageDraw.Draw(sheet), _font()
    pen.text((GAP, 8), _drawable(title, font), "black", font)
    for k, name in enumerate(label_set.names):
        members = chosen[classes[chosen] == k]
        top = TITLE + k * height
        pen.text((GAP, top + FACE // 2 - 16), f"{_drawable(name, font)}\n{len(members)} images", "black", font)
        shown = members[np.linspace(0, len(members) - 1, min(columns, len(members))).astype(int)]
        for column, i in enumerate(shown.tolist()):
            face = Image.fromarray(np.ascontiguousarray(images[i].transpose(1, 2, 0)))
            sheet.paste(face.resize((FACE, FACE), Image.Resampling.NEAREST), (NAMES + column * (FACE + GAP), top))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def write_groups(path: Path, groups: Sequence[tuple[Sequence[np.ndarray], Sequence[str]]], title: str) -> None:
    """Write a PNG with groups of images side by side, each above its lines of text.

    Args:
        groups: images uint8 (3, H, W), RGB, of any size, as many in each group; and lines, as many in each.
        title: one line above all.
    """
    font = _font()
    width = max(len(images) for images, _ in groups) * (LARGE + GAP) + 4 * GAP
    height = LARGE + max(len(lines) for _, lines in groups) * LINE + 3 * GAP
    columns = min(len(groups), max(1, SHEET // width))
    sheet = Image.new("RGB", (columns * width, TITLE + -(-len(groups) // columns) * height), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, 8), _drawable(title, font), "black", font)
    for place, (images, lines) in enumerate(groups):
        left, top = GAP + place % columns * width, TITLE + place // columns * height
        for k, image in enumerate(images):
            picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
            scale = LARGE / max(picture.size)
            sides = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR
            sheet.paste(picture.resize(sides, how), (left + k * (LARGE + GAP), top))
        for k, line in enumerate(lines):
            pen.text((left, top + LARGE + GAP + k * LINE), _fitting(line, width - 2 * GAP, font), "black", font)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _fitting(text: str, width: int, font: Font) -> str:
    """The text, of a long one the end: names of files differ there."""
    shown = _drawable(text[-LONGEST_QUOTE:], font)
    while font.getlength(shown) > width:
        shown = f"…{shown[2:]}"
    return shown


def _font() -> Font:
    """DejaVu Sans, which comes with matplotlib and has most alphabets; otherwise Pillow's own, which has ASCII."""
    found = find_spec("matplotlib")
    file = Path(found.origin or "").parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf" if found else Path()
    return ImageFont.truetype(file, 12) if file.is_file() else ImageFont.load_default(14)


def _drawable(text: str, font: Font) -> str:
    """The text, with the code of each character that the font does not have."""
    unknown = bytes(font.getmask(UNASSIGNED))
    codes = (c if c.isprintable() and bytes(font.getmask(c)) != unknown else f"<{ord(c):X}>" for c in printable(text))
    return "".join(codes)
