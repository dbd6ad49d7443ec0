"""Where the faces are in photographs: OpenCV's detector of frontal faces, which needs no download.

OpenCV is optional (`pip install 'fer-tune[faces]'`). Version 5 has left this detector out and ships no other, so an
earlier one is needed.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
from PIL import Image

from fer_tune.data.errors import DataError
from fer_tune.data.pictures import UNREADABLE, Box, read_photograph, why_unreadable, without_warnings

SIDE = 640  # pixels of the longer side in which faces are looked for
SMALLEST = 1 / 12  # of the longer side: smaller faces are not looked for
AGREEING = 4  # overlapping windows that must see a face
STEP = 1.1  # between two sizes of windows
MARGIN = 0.1  # of a face's width: the detector's boxes end at the brows and the lips
AT_ONCE = 64


@dataclass(frozen=True)
class FoundFaces:
    """The faces in one photograph.

    Attributes:
        boxes: in pixels of the upright photograph, inside it, the largest face first.
        problem: why the file cannot be read; empty where it can.
    """

    boxes: tuple[Box, ...] = ()
    problem: str = ""


def find_faces(files: Sequence[Path], workers: int = 1) -> Iterator[FoundFaces]:
    """Look for faces in image files, in their order; about 0.2 s each on one core.

    Raises DataError where OpenCV is missing or has no detector.
    """
    detector_file = _detector_file()
    own = local()  # a detector must not be shared between threads

    def one(file: Path) -> FoundFaces:
        if not hasattr(own, "detector"):
            own.detector = _opencv().CascadeClassifier(detector_file)
        try:
            return FoundFaces(_faces(own.detector, *read_photograph(file.read_bytes(), SIDE)))
        except UNREADABLE as error:
            return FoundFaces(problem=why_unreadable(error))

    with without_warnings(), ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(files), AT_ONCE):
            yield from pool.map(one, files[start : start + AT_ONCE])


def _faces(detector: Any, photograph: Image.Image, whole: tuple[int, int]) -> tuple[Box, ...]:
    """Boxes in a photograph that was reduced from the size `whole`, the largest first."""
    scale = SIDE / max(whole)
    grey = photograph.convert("L").resize((max(1, round(whole[0] * scale)), max(1, round(whole[1] * scale))))
    least = round(SIDE * SMALLEST)
    seen = detector.detectMultiScale(
        _opencv().equalizeHist(np.asarray(grey)), scaleFactor=STEP, minNeighbors=AGREEING, minSize=(least, least)
    )
    boxes = [_with_margin([float(value) / scale for value in box], whole) for box in seen]
    return tuple(sorted(boxes, key=lambda box: (-box[2] * box[3], box)))


def _with_margin(box: Sequence[float], whole: tuple[int, int]) -> Box:
    """A box that is larger on every side, cut at the edges of the photograph, in whole pixels."""
    left, top, width, height = box
    more = MARGIN * width
    ends = (left - more, top - more, left + width + more, top + height + more)
    x0, y0 = (max(0, round(end)) for end in ends[:2])
    x1, y1 = (min(side, round(end)) for side, end in zip(whole, ends[2:], strict=True))
    return x0, y0, x1 - x0, y1 - y0


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        raise DataError("--crop-faces needs OpenCV: pip install 'fer-tune[faces]'") from None
    return cv2


def _detector_file() -> str:
    """The file of the detector, which OpenCV's package brings along. Raises DataError."""
    cv2 = _opencv()
    if not hasattr(cv2, "CascadeClassifier"):
        raise DataError(
            f"--crop-faces: OpenCV {cv2.__version__} has no face detector of its own: pip install 'fer-tune[faces]'"
        )
    return str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_alt2.xml")
