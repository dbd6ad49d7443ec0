"""Images that a table holds as numbers: grey values from 0 to 255, row by row."""

from collections.abc import Callable
from math import isqrt

import numpy as np
import pandas as pd

from fer_tune.data.errors import Problems, printable


def grey_images(
    cells: "pd.Series[str]", name: str, place: Callable[[int], str], problems: Problems, side: int | None = None
) -> np.ndarray:
    """Square images uint8 (N, S, S) from cells of S x S numbers, separated by blanks or commas.

    Args:
        name: of the column, for messages.
        place: FILE:LINE of a row.
        side: S; None for that of the first cell.

    A bad cell is a problem.
    """
    values = [_values(cell) for cell in cells]
    if side is None:
        side = next((isqrt(len(v)) for v in values if v is not None and len(v) and isqrt(len(v)) ** 2 == len(v)), 1)
    images = np.zeros((len(values), side, side), dtype=np.uint8)
    for i, found in enumerate(values):
        if found is None or len(found) != side * side or found.min() < 0 or found.max() > 255:
            count = len(cells.iloc[i].replace(",", " ").split())
            text = f"{printable(name)} must be {side * side} whole numbers from 0 to 255: it has {count} values"
            problems.add(place(i), text)
        else:
            images[i] = found.reshape(side, side)
    return images


def looks_like_pixels(cell: str) -> bool:
    """Whether a cell holds at least 64 grey values, as many as a square image has."""
    values = _values(cell)
    return values is not None and len(values) >= 64 and isqrt(len(values)) ** 2 == len(values) and values.max() <= 255


def _values(cell: str) -> np.ndarray | None:
    """The whole numbers in a cell; None where it holds anything else."""
    try:
        return np.array(list(map(int, cell.replace(",", " ").split())), dtype=np.int16)
    except (ValueError, OverflowError):
        return None
