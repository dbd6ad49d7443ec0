"""Draws faces: an identity whose brows, eyes, nose and mouth are moved by facial action units.

Coordinates are in face units: x to the right, y down, about -1 to 1 over the head. Action units are those of the
Facial Action Coding System (Ekman and Friesen, 1978), each from 0 (rest) to about 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SUPERSAMPLE = 4
SPREADS = {"studio": 1.0, "street": 1.8, "line": 1.0, "lowlight": 1.3}  # of poses, relative to the studio
PEN = (0.04, 0.055)  # width of a pen in face units: the finest and the broadest
RGB_TO_INT = np.array([1, 1 << 8, 1 << 16])  # Pillow also accepts a colour as one number
CANVAS_PER_UNIT = 0.46  # share of the canvas that is one face unit
Colour = np.ndarray | tuple[int, int, int]  # (3,), or (n, 3) for n faces
Sketch = Literal["outline", "fine outline", "inked", "left out"]

# Typical action units of each emotion at full intensity, in the order of EMOTIONS. Each row is one way to show it.
EXPRESSIONS: tuple[tuple[dict[str, float], ...], ...] = (
    ({},),
    (
        {"cheek_raise": 0.9, "corner_pull": 1.0, "jaw_drop": 0.45},
        {"cheek_raise": 0.8, "corner_pull": 1.0},
        {"cheek_raise": 1.0, "corner_pull": 1.0, "jaw_drop": 0.75},
    ),
    (
        {"inner_brow_raise": 1.0, "brow_lower": 0.15, "corner_depress": 1.0, "lid_droop": 0.8, "chin_raise": 0.5},
        {"inner_brow_raise": 1.0, "corner_depress": 1.0, "lid_droop": 1.0, "tear": 1.0},
    ),
    (
        {"inner_brow_raise": 1.0, "outer_brow_raise": 1.0, "lid_raise": 0.9, "jaw_drop": 1.0, "pucker": 0.8},
        {"inner_brow_raise": 1.0, "outer_brow_raise": 1.0, "lid_raise": 1.0, "jaw_drop": 0.65, "pucker": 1.0},
    ),
    (
        {
            "inner_brow_raise": 1.0,
            "outer_brow_raise": 0.25,
            "brow_lower": 0.1,
            "lid_raise": 1.0,
            "lip_stretch": 1.0,
            "jaw_drop": 0.4,
            "teeth_clench": 1.0,
        },
        {
            "inner_brow_raise": 1.0,
            "outer_brow_raise": 0.35,
            "lid_raise": 1.0,
            "lip_stretch": 1.0,
            "jaw_drop": 0.3,
            "teeth_clench": 1.0,
            "corner_depress": 0.35,
        },
    ),
    (
        {
            "nose_wrinkle": 1.0,
            "upper_lip_raise": 1.0,
            "brow_lower": 0.45,
            "lid_tighten": 0.9,
            "cheek_raise": 0.4,
            "corner_depress": 0.45,
            "jaw_drop": 0.3,
            "tongue": 1.0,
        },
        {
            "nose_wrinkle": 1.0,
            "upper_lip_raise": 1.0,
            "brow_lower": 0.35,
            "lid_tighten": 1.0,
            "cheek_raise": 0.5,
            "corner_depress": 0.6,
            "sneer": 1.0,
        },
    ),
    (
        {"brow_lower": 1.0, "lid_raise": 0.25, "lid_tighten": 0.35, "lip_press": 1.0, "corner_depress": 0.45},
        {
            "brow_lower": 1.0,
            "lid_raise": 0.3,
            "lid_tighten": 0.3,
            "jaw_drop": 0.4,
            "teeth_clench": 1.0,
            "corner_depress": 0.5,
        },
    ),
)


@dataclass(frozen=True)
class Identity:
    """Shape, colours and hair of faces; none of them depends on the emotion.

    For one face: numbers, and colours (3,). For n faces: columns (n, 1), and colours (n, 3).
    """

    head_width: Any
    head_height: Any
    eye_distance: Any
    eye_size: Any
    brow_height: Any
    brow_thickness: Any
    nose_length: Any
    nose_width: Any
    mouth_width: Any
    lip_thickness: Any
    hair_line: Any
    hair_long: Any
    bald: Any
    glasses: Any
    skin: Any
    hair: Any
    iris: Any
    lips: Any


SKINS = np.array([[248, 216, 192], [236, 194, 162], [214, 166, 128], [176, 124, 88], [132, 88, 60], [96, 64, 46]])
HAIRS = np.array([[28, 22, 20], [66, 42, 26], [118, 78, 42], [190, 150, 84], [150, 64, 34], [140, 138, 136]])
IRISES = np.array([[58, 38, 24], [92, 64, 36], [62, 98, 60], [62, 98, 142], [96, 110, 118]])


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draw the identity of one face."""
    skin = _mix(SKINS, rng)
    lips = _clip(0.62 * skin + np.array([78, 10, 18]) + rng.normal(0, 6, 3), 0, 255)
    return Identity(
        head_width=rng.uniform(0.74, 0.86),
        head_height=rng.uniform(0.96, 1.08),
        eye_distance=rng.uniform(0.33, 0.39),
        eye_size=rng.uniform(0.165, 0.2),
        brow_height=rng.uniform(0.36, 0.41),
        brow_thickness=rng.uniform(0.05, 0.085),
        nose_length=rng.uniform(0.9, 1.1),
        nose_width=rng.uniform(0.1, 0.15),
        mouth_width=rng.uniform(0.27, 0.33),
        lip_thickness=rng.uniform(0.045, 0.075),
        hair_line=rng.uniform(-0.72, -0.58),
        hair_long=bool(rng.random() < 0.4),
        bald=bool(rng.random() < 0.1),
        glasses=bool(rng.random() < 0.1),
        skin=_colour(skin),
        hair=_colour(_mix(HAIRS, rng)),
        iris=_colour(IRISES[rng.integers(len(IRISES))] + rng.normal(0, 8, 3)),
        lips=_colour(lips),
    )


def action_units(emotion: int, intensity: float, rng: np.random.Generator) -> dict[str, float]:
    """Draw the strength of each action unit for an emotion (0 to 6) at an intensity in [0, 1]."""
    ways = EXPRESSIONS[emotion]
    way = ways[rng.integers(len(ways))]
    units = {name: intensity * value * rng.uniform(0.85, 1.1) for name, value in way.items()}
    for name in ("inner_brow_raise", "brow_lower", "corner_pull", "corner_depress", "lid_tighten"):
        units[name] = max(0.0, units.get(name, 0.0) + rng.normal(0, 0.04))
    return units


def draw_faces(
    size: int,
    emotions: Sequence[int],
    intensities: Sequence[float],
    rngs: Sequence[np.random.Generator],
    domain: str = "studio",
) -> np.ndarray:
    """Draw n faces with random identity, pose, light and background: uint8 (n, 3, size, size), RGB.

    Each face has its own generator, so its pixels do not depend on the other faces. Drawing many faces together is
    several times faster than one by one.

    Args:
        emotions: n indices into EMOTIONS.
        intensities: n values in [0, 1].
        rngs: n generators.
        domain: studio; street: larger turns of the head, coloured and uneven light, a soft and noisy camera; line: a
            pen on paper, outlines without colours; lowlight: a dark and coloured picture of low contrast, full of
            noise.
    """
    canvas = size * SUPERSAMPLE
    spread = SPREADS[domain]
    identities, units, backgrounds, poses = [], [], [], []
    for emotion, intensity, rng in zip(emotions, intensities, rngs, strict=True):
        identities.append(draw_identity(rng))
        units.append(action_units(emotion, intensity, rng))
        backgrounds.append((rng.uniform(30, 225, 3), rng.uniform(30, 225, 3)))
        poses.append(_pose(rng, spread))
    painter = _Painter(canvas, _identity_of_all(identities), _units_of_all(units), np.array(poses))
    faces = np.empty((len(rngs), size, size, 3), dtype=np.uint8)
    for i, rng in enumerate(rngs):
        if domain == "line":
            image = painter.sketched(i, rng)
        else:
            image = _background(canvas, *backgrounds[i])
            painter.paint(i, image)
        faces[i] = _photograph(size, image, rng, domain)
    return faces.transpose(0, 3, 1, 2)


def _identity_of_all(identities: Sequence[Identity]) -> Identity:
    columns = {f.name: [getattr(one, f.name) for one in identities] for f in fields(Identity)}
    return Identity(**{name: np.array(values).reshape(len(values), -1) for name, values in columns.items()})


def _units_of_all(units: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    """Each action unit of n faces as a column (n, 1)."""
    names = dict.fromkeys(name for one in units for name in one)
    return {name: np.array([[one.get(name, 0.0)] for one in units]) for name in names}


def _background(canvas: int, top: np.ndarray, bottom: np.ndarray) -> Image.Image:
    ramp = _span(0, 1, canvas)[:, None, None]
    column = Image.fromarray(((1 - ramp) * top + ramp * bottom).astype(np.uint8))
    return column.resize((canvas, canvas), Image.Resampling.NEAREST)


def _pose(rng: np.random.Generator, spread: float) -> tuple[float, ...]:
    """Rotation (radians), zoom, turn of the head, and shift to the right and down (face units)."""
    angle = np.deg2rad(rng.normal(0, 4)) * spread
    zoom = rng.uniform(0.92, 1.04)
    right, down = rng.normal(0, 0.03, 2) * spread
    turn = rng.normal(0, 0.05) * spread
    return angle, zoom, turn, right, down


def _photograph(size: int, image: Image.Image, rng: np.random.Generator, domain: str) -> np.ndarray:
    """A painted face as a camera sees it: uint8 (size, size, 3)."""
    if domain == "street":
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8) * image.width / 32))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BOX), dtype=np.float32)
    if domain == "street":
        pixels = pixels * rng.uniform(0.75, 1.2, 3).astype(np.float32) * np.float32(rng.uniform(0.6, 1.1))
        pixels = pixels + rng.normal(0, 8, pixels.shape).astype(np.float32)
    return _light(_in_the_dark(pixels, rng) if domain == "lowlight" else pixels, rng)


def _in_the_dark(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pixels (size, size, 3) in little light: a grey veil, a cast of colour, noise that grows with light."""
    cast = np.array([1.0, rng.uniform(0.75, 1.0), rng.uniform(0.45, 0.85)])
    cast = cast if rng.random() < 0.7 else cast[::-1]  # lamps are warm, screens are cold
    dim = rng.uniform(20, 40) + pixels * cast * rng.uniform(0.28, 0.45)
    return (dim + rng.normal(0, 1, pixels.shape) * (3 + 0.8 * np.sqrt(dim))).astype(np.float32)


def _light(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add light from one side, exposure and sensor noise to pixels (size, size, 3); returns uint8."""
    size = pixels.shape[0]
    direction = rng.uniform(0, 2 * np.pi)
    grid = _span(-1, 1, size)
    slope = np.cos(direction) * grid[None, :] + np.sin(direction) * grid[:, None]
    lit = pixels * (rng.uniform(0.8, 1.15) * (1 + rng.uniform(0, 0.28) * slope))[:, :, None]
    return _clip(lit + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class _Shape:
    """One part of n faces: points (n, points, 2); colour, line width in pixels (0: filled) and who has it, (n,).

    `sketch` says what a pen makes of a filled part.
    """

    points: np.ndarray
    colour: np.ndarray
    width: np.ndarray
    shown: np.ndarray
    sketch: Sketch = "outline"


class _Painter:
    """Paints n faces, each with its identity, action units and pose.

    All faces are computed together, shape by shape: on a few points at a time, NumPy's overhead would dominate.
    """

    def __init__(self, canvas: int, identity: Identity, units: Mapping[str, np.ndarray], poses: np.ndarray) -> None:
        """Compute all shapes of n faces at poses (n, 5), for a canvas with a side of `canvas` pixels."""
        self.canvas = canvas
        self.shapes: list[_Shape] = []
        self.who = identity
        self.units = units
        self.rest = np.zeros_like(identity.head_width)
        self.shade = _scale_colour(identity.skin, 0.72)
        self.crease = _scale_colour(identity.skin, 0.55)
        self.head()
        for side in (-1, 1):
            self.cheek(side)
            self.eye(side)
            self.brow(side)
        self.creases()
        self.nose()
        self.mouth()
        self.tears()
        self.glasses()
        self.pixels = self.posed(np.concatenate([shape.points for shape in self.shapes], axis=1), poses)
        ends = np.cumsum([2 * shape.points.shape[1] for shape in self.shapes]).tolist()
        self.spans = list(zip([0, *ends[:-1]], ends, strict=True))
        self.colours, self.widths, self.shown = (
            np.stack([getattr(shape, name) for shape in self.shapes], axis=1) for name in ("colour", "width", "shown")
        )

    def unit(self, name: str) -> np.ndarray:
        return self.units.get(name, self.rest)

    def paint(self, face: int, image: Image.Image) -> None:
        """Paint one of the n faces onto its canvas."""
        brush, points = ImageDraw.Draw(image), self.pixels[face].ravel().tolist()
        colours, widths = self.colours[face].tolist(), self.widths[face].tolist()
        for k in np.flatnonzero(self.shown[face]).tolist():
            start, end = self.spans[k]
            if widths[k]:
                brush.line(points[start:end], fill=colours[k], width=widths[k], joint="curve")
            else:
                brush.polygon(points[start:end], fill=colours[k])

    def sketched(self, face: int, rng: np.random.Generator) -> Image.Image:
        """One of the n faces drawn with a pen on a sheet of paper."""
        paper, ink = (tuple(_colour(rng.uniform(*ends, 3)).tolist()) for ends in ((225, 255), (10, 80)))
        pen = max(2, round(rng.uniform(*PEN) * self.canvas * CANVAS_PER_UNIT))
        image = Image.new("RGB", (self.canvas, self.canvas), paper)
        brush, points = ImageDraw.Draw(image), self.pixels[face].ravel().tolist()
        for k in np.flatnonzero(self.shown[face]).tolist():
            (start, end), sketch = self.spans[k], self.shapes[k].sketch
            if width := int(self.widths[face, k]):
                brush.line(points[start:end], fill=ink, width=max(2 * pen // 3, width), joint="curve")
            elif sketch != "left out":
                edge = pen // 2 if sketch == "fine outline" else pen
                brush.polygon(points[start:end], ink if sketch == "inked" else paper, ink, edge)
        return image

    def polygon(
        self, points: np.ndarray, colour: Colour, where: np.ndarray | bool = True, sketch: Sketch = "outline"
    ) -> None:
        """Fill a shape, points (n, points, 2), on the faces where (n, 1) is true."""
        self.add(points, colour, 0, where, sketch)

    def line(
        self, points: np.ndarray, colour: Colour, thickness: np.ndarray | float, where: np.ndarray | bool = True
    ) -> None:
        """Draw a line through points (n, points, 2), or (points, 2) on all faces; thickness in face units."""
        self.add(points, colour, np.maximum(1, np.round(thickness * self.canvas * CANVAS_PER_UNIT)), where)

    def add(
        self,
        points: np.ndarray,
        colour: Colour,
        width: np.ndarray | int,
        where: np.ndarray | bool,
        sketch: Sketch = "outline",
    ) -> None:
        n = len(self.rest)
        self.shapes.append(
            _Shape(
                np.broadcast_to(points, (n, *points.shape[-2:])),
                np.broadcast_to(np.asarray(colour) @ RGB_TO_INT, n),
                np.broadcast_to(width, (n, 1)).ravel().astype(int),
                np.broadcast_to(where, (n, 1)).ravel(),
                sketch,
            )
        )

    def posed(self, points: np.ndarray, poses: np.ndarray) -> np.ndarray:
        """Points (n, points, 2) in canvas pixels, after turning, rotating, zooming and shifting the head."""
        angle, zoom, turn, right, down = poses.T[:, :, None]
        scale = self.canvas * CANVAS_PER_UNIT
        cos, sin = scale * zoom * np.cos(angle), scale * zoom * np.sin(angle)
        x, y = points[..., 0], points[..., 1]
        turned = x + turn * (1 - x * x)
        half = self.canvas / 2
        return _points(cos * turned - sin * y + (scale * right + half), sin * turned + cos * y + (scale * down + half))

    def head(self) -> None:
        who = self.who
        wide, high, low = (np.where(who.hair_long, *pair) for pair in ((1.2, 1.13), (1.2, 1.02), (0.15, -0.1)))
        self.polygon(_ellipse((0.0, low), who.head_width * wide, who.head_height * high), who.hair, ~who.bald)
        for side in (-1, 1):
            self.polygon(_ellipse((side * who.head_width, 0.02), 0.09, 0.17), self.shade)
        outline = _ellipse((0.0, 0.04), who.head_width, who.head_height)
        x, y = outline[..., 0], outline[..., 1]
        narrow = 1 - 0.16 * _clip(y, 0, 1) ** 2
        self.polygon(_points(x * narrow, y + 0.1 * self.unit("jaw_drop") * (y > 0.6)), who.skin)
        t = _span(-1, 1, 25)
        x = t * who.head_width * 1.02
        low = who.hair_line + 0.32 * t**4
        top = -who.head_height * 1.02 * np.sqrt(_clip(1 - (t * 0.93) ** 2, 0, 1)) - 0.02
        self.polygon(_band(x, low, top), who.hair, ~who.bald)

    def cheek(self, side: int) -> None:
        raised = self.unit("cheek_raise")
        lift = 0.3 - 0.06 * raised
        blush = _blend(self.who.skin, (232, 120, 110), 0.22)
        self.polygon(_ellipse((side * 0.46, lift), 0.15, 0.1), blush, raised > 0.2, sketch="left out")
        t = _span(-0.9, 0.9, 9)
        under = _points(side * self.who.eye_distance + t * 0.17, 0.03 + 0.04 * (1 - t**2))
        self.line(under, self.shade, 0.022, raised > 0.2)

    def eye(self, side: int) -> None:
        who, unit = self.who, self.unit
        half = who.eye_size
        opening = 1 + 0.75 * unit("lid_raise") - 0.5 * unit("lid_tighten") - 0.12 * unit("cheek_raise")
        upper = half * 0.5 * np.maximum(0.18, opening - 0.55 * unit("lid_droop"))
        lower = half * 0.42 * np.maximum(0.15, opening - 0.35 * unit("cheek_raise") + 0.05 * unit("lid_droop"))
        across, down = side * who.eye_distance, -0.1
        t = _span(-1, 1, 21)
        droop = 0.05 * unit("lid_droop") * _clip(t * side, 0, 1) ** 2
        x = across + t * half
        top, bottom = down - upper * (1 - t**2) + droop, down + lower * (1 - np.abs(t) ** 2.2) + droop
        self.polygon(_band(x, top, bottom), (246, 244, 240))
        gaze = 0.035 * unit("lid_droop")
        parts: tuple[tuple[float, Colour, Sketch], ...]
        parts = ((0.085, who.iris, "left out"), (0.042, (12, 10, 10), "inked"))
        for radius, colour, sketch in parts:
            circle = _ellipse((across, down + gaze), radius, radius)
            s = _clip((circle[..., 0] - across) / half, -1, 1)
            low = down - upper * (1 - s**2)
            high = down + lower * (1 - np.abs(s) ** 2.2)
            self.polygon(_points(circle[..., 0], _clip(circle[..., 1], low, high)), colour, sketch=sketch)
        self.line(_points(x, top), (30, 22, 20), 0.035)
        self.line(_points(x, bottom), self.crease, 0.016)

    def brow(self, side: int) -> None:
        who, unit = self.who, self.unit
        inner_raise, outer_raise, lower = unit("inner_brow_raise"), unit("outer_brow_raise"), unit("brow_lower")
        t = _span(0, 1, 17)
        inner_x = 0.15 - 0.06 * lower
        x = side * (inner_x + (who.eye_distance + 0.2 - inner_x) * t)
        inner_y = -who.brow_height + 0.035 - 0.19 * inner_raise + 0.2 * lower
        outer_y = -who.brow_height + 0.04 - 0.2 * outer_raise - 0.06 * lower + 0.05 * inner_raise * (1 - outer_raise)
        arch = 0.07 + 0.05 * outer_raise - 0.06 * lower - 0.04 * inner_raise * (1 - outer_raise)
        y = inner_y + (outer_y - inner_y) * t - arch * 4 * t * (1 - t) * 0.8
        thickness = who.brow_thickness * (0.55 + 0.45 * np.sin(np.pi * (0.25 + 0.65 * t)))
        colour = _blend(who.hair, (20, 14, 12), 0.35)
        self.polygon(_band(x, y - thickness, y + thickness * 0.3), colour, sketch="inked")

    def creases(self) -> None:
        unit = self.unit
        t = _span(-1, 1, 13)
        raised = np.minimum(unit("inner_brow_raise"), unit("outer_brow_raise")) > 0.5
        for level in (-0.72, -0.66):
            self.line(_points(0.34 * t, level + 0.03 * t**2), self.shade, 0.016, raised)
        for side in (-1, 1):
            frown = np.array([[side * 0.045, -0.42], [side * 0.06, -0.26]])
            self.line(frown, self.crease, 0.022, unit("brow_lower") > 0.6)
        wrinkle = unit("nose_wrinkle")
        for level in (-0.12, -0.05, 0.02):
            self.line(_points(0.085 * t, level + 0.035 * (1 - t**2)), self.crease, 0.022, wrinkle > 0.2)
        fold = np.maximum(np.maximum(unit("corner_pull") * 0.8, wrinkle * 1.2), unit("upper_lip_raise"))
        colour = np.where(wrinkle > 0.2, self.crease, self.shade)
        s = _span(0, 1, 9)
        for side in (-1, 1):
            left, right = side * (self.who.nose_width + 0.03), side * (self.who.mouth_width + 0.12)
            high, low = 0.24 - 0.07 * wrinkle, 0.53
            x = left + (right - left) * s + side * 0.05 * 4 * s * (1 - s)
            y = high + (low - high) * s + -0.03 * 4 * s * (1 - s)
            self.line(_points(x, y), colour, 0.016 + 0.016 * wrinkle, fold > 0.25)

    def nose(self) -> None:
        who, wrinkle = self.who, self.unit("nose_wrinkle")
        tip = 0.24 * who.nose_length - 0.07 * wrinkle
        wide = who.nose_width * (1 + 0.35 * wrinkle)
        x = np.hstack([self.rest + 0.06, self.rest + 0.07, wide * 0.85])
        y = np.hstack([self.rest - 0.05, tip - 0.1, tip])
        self.line(_points(x, y), self.shade, 0.022)
        t = _span(-1, 1, 15)
        self.line(_points(wide * t, tip + 0.035 * (1 - t**2) - 0.04 * wrinkle * t**2), self.crease, 0.024)
        for side in (-1, 1):
            nostril = _ellipse((side * wide * 0.5, tip + 0.005), 0.032, 0.018)
            self.polygon(nostril, _scale_colour(who.skin, 0.35), sketch="left out")

    def mouth(self) -> None:
        who, unit = self.who, self.unit
        jaw, pull, depress = unit("jaw_drop"), unit("corner_pull"), unit("corner_depress")
        stretch, lift, press = unit("lip_stretch"), unit("upper_lip_raise"), unit("lip_press")
        clench = unit("teeth_clench")
        half = who.mouth_width * (1 + 0.35 * pull + 0.42 * stretch - 0.42 * unit("pucker") - 0.12 * press)
        base = 0.53 + 0.02 * jaw
        corner = base - 0.13 * pull + 0.12 * depress + 0.02 * stretch
        middle = base + 0.04 * pull - 0.06 * depress - 0.02 * lift - 0.03 * unit("chin_raise")
        upper_mid = middle - 0.1 * jaw * (unit("pucker") > 0) - 0.07 * lift - 0.07 * clench
        lower_mid = middle + 0.38 * jaw * (1 - 0.35 * clench) + 0.04 * clench
        power = 2 + 3 * np.minimum(1.0, clench)
        t = _span(-1, 1, 31)
        profile = 1 - np.abs(t) ** power
        x = half * t
        top = corner + (upper_mid - corner) * profile
        bottom = corner + (lower_mid - corner) * profile
        sneer = unit("sneer")
        top = np.where(sneer > 0.2, top - 0.07 * sneer * np.exp(-((t - 0.45) ** 2) / 0.08), top)
        bottom = np.maximum(bottom, top)
        thick = who.lip_thickness * (1 - 0.65 * press)
        lip = np.sqrt(_clip(1 - t**2, 0, 1))
        bow = 1 - 0.25 * np.exp(-(t**2) / 0.02)
        self.polygon(_band(x, top - thick * lip * bow, bottom + 1.25 * thick * lip), who.lips, sketch="left out")
        is_open = (bottom - top).max(axis=1, keepdims=True) > 0.035
        self.inner_mouth(x, top, bottom, is_open)
        self.line(_points(x, (top + bottom) / 2), _scale_colour(who.lips, 0.45), 0.026, ~is_open)
        self.line(_points(0.1 * t, 0.79 - 0.03 * (1 - t**2)), self.shade, 0.022, unit("chin_raise") > 0.2)

    def inner_mouth(self, x: np.ndarray, top: np.ndarray, bottom: np.ndarray, is_open: np.ndarray) -> None:
        """The inside of an open mouth: dark, teeth of a smile, clenched teeth, a tongue."""
        unit, gap = self.unit, bottom - top
        clenched, tongue = is_open & (unit("teeth_clench") > 0.2), is_open & (unit("tongue") > 0.2)
        self.polygon(_band(x, top, bottom), (58, 16, 20), is_open, sketch="inked")
        self.polygon(_band(x, top + 0.1 * gap, bottom - 0.1 * gap), (240, 236, 226), clenched, sketch="fine outline")
        self.line(_points(x, (top + bottom) / 2), (120, 96, 90), 0.018, clenched)
        smiling = is_open & ~clenched & (unit("corner_pull") > 0.2)
        self.polygon(_band(x, top, top + 0.6 * gap), (248, 246, 240), smiling, sketch="fine outline")
        middle = x.shape[1] // 2
        reach = bottom[:, [middle]] + 0.07 * unit("tongue")
        self.polygon(_ellipse((0.0, reach - 0.06), 0.14, 0.11), (214, 96, 104), tongue)
        furrow = _points(np.zeros((1, 2)), np.concatenate([reach - 0.1, reach], axis=1))
        self.line(furrow, (168, 62, 72), 0.016, tongue)

    def tears(self) -> None:
        for side in (-1, 1):
            drop = _ellipse((side * (self.who.eye_distance + 0.04), 0.16), 0.035, 0.09)
            self.polygon(drop, (168, 208, 240), self.unit("tear") > 0.2)

    def glasses(self) -> None:
        frame, worn = (40, 40, 46), self.who.glasses
        for side in (-1, 1):
            ring = _ellipse((side * self.who.eye_distance, -0.08), 0.25, 0.21)
            self.line(np.concatenate([ring, ring[:, :1]], axis=1), frame, 0.02, worn)
        self.line(np.array([[-0.1, -0.1], [0.1, -0.1]]), frame, 0.02, worn)


@cache
def _span(low: float, high: float, count: int) -> np.ndarray:
    """Evenly spaced values (count,), read-only because they are cached."""
    values = np.linspace(low, high, count)
    values.flags.writeable = False
    return values


def _clip(values: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """As np.clip; for few values in a third of the time."""
    return np.minimum(np.maximum(values, low), high)


def _points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points (..., points, 2) of coordinates (..., points)."""
    points = np.empty((*np.broadcast_shapes(x.shape, y.shape), 2))
    points[..., 0], points[..., 1] = x, y
    return points


def _band(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The outline (n, points, 2) of the area between two curves (n, points) over x."""
    return np.concatenate([_points(x, low), _points(x, high)[:, ::-1]], axis=1)


def _ellipse(
    centre: tuple[np.ndarray | float, np.ndarray | float], width: np.ndarray | float, height: np.ndarray | float
) -> np.ndarray:
    cos, sin = _circle()
    return _points(centre[0] + width * cos, centre[1] + height * sin)


@cache
def _circle() -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine (40,) around a circle."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.cos(angle), np.sin(angle)


def _mix(palette: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    position = rng.uniform(0, len(palette) - 1)
    low = int(position)
    share = position - low
    return (1 - share) * palette[low] + share * palette[min(low + 1, len(palette) - 1)] + rng.normal(0, 4, 3)


def _colour(values: np.ndarray) -> np.ndarray:
    return _clip(values, 0, 255).astype(int)


def _scale_colour(colour: Colour, factor: float) -> np.ndarray:
    return _colour(np.asarray(colour) * factor)


def _blend(a: Colour, b: Colour, share: float) -> np.ndarray:
    return _colour((1 - share) * np.asarray(a) + share * np.asarray(b))
