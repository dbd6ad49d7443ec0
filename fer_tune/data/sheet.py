"""A contact sheet: a few faces of each class beside its name, for a person to check a data set."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer_tune.data.labels import LabelSet

FACE, GAP, NAMES, TITLE = 72, 4, 150, 30  # pixels: side of a face, gap, width of the names, height of the title


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
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    pen.text((GAP, 8), title, "black", font)
    for k, name in enumerate(label_set.names):
        members = chosen[classes[chosen] == k]
        top = TITLE + k * height
        pen.text((GAP, top + FACE // 2 - 16), f"{name}\n{len(members)} images", "black", font)
        shown = members[np.linspace(0, len(members) - 1, min(columns, len(members))).astype(int)]
        for column, i in enumerate(shown.tolist()):
            face = Image.fromarray(np.ascontiguousarray(images[i].transpose(1, 2, 0)))
            sheet.paste(face.resize((FACE, FACE), Image.Resampling.NEAREST), (NAMES + column * (FACE + GAP), top))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
