"""A contact sheet: a few faces of each class beside its name, as a person checks a data set."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer_tune.data.labels import LabelSet

SIDE, GAP, TEXT = 72, 4, 150  # pixels: a face, the space between two, the names on the left


def write_sheet(
    path: Path,
    images: np.ndarray,
    classes: np.ndarray,
    chosen: np.ndarray,
    label_set: LabelSet,
    columns: int = 10,
    title: str = "",
) -> None:
    """Write a PNG of up to `columns` images of each class, evenly spread over those there are.

    Args:
        images: uint8 (N, 3, S, S), RGB.
        classes: (N,) of the label set; missing ones are left out.
        chosen: indices of the images to choose from, such as a split; only what is shown is read.
    """
    height = SIDE + GAP
    sheet = Image.new("RGB", (TEXT + columns * (SIDE + GAP), 30 + label_set.size * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    pen.text((GAP, 8), title, "black", font)
    for k, name in enumerate(label_set.names):
        members = chosen[classes[chosen] == k]
        top = 30 + k * height
        pen.text((GAP, top + SIDE // 2 - 16), f"{name}\n{len(members)} images", "black", font)
        shown = members[np.linspace(0, len(members) - 1, min(columns, len(members))).astype(int)]
        for column, i in enumerate(shown.tolist()):
            face = Image.fromarray(np.ascontiguousarray(images[i].transpose(1, 2, 0)))
            sheet.paste(face.resize((SIDE, SIDE), Image.Resampling.NEAREST), (TEXT + column * (SIDE + GAP), top))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
