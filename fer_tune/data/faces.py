"""Draws one parametric face: facial action units move brows, eyes, nose and mouth of an identity.

Coordinates are face units: x to the right and y down, about -1 to 1 over the head. Action units are
those of the Facial Action Coding System (Ekman & Friesen), each between 0 (rest) and about 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SUPERSAMPLE = 4
STREET_SPREAD = 1.8  # of poses, against the studio's
Colour = tuple[int, int, int]

# Typical action units of each emotion at full intensity, in the order of EMOTIONS. Several rows are
# several ways to show it.
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
    """Who the face is: shape, colours and hair, none of which tells the emotion."""

    head_width: float
    head_height: float
    eye_distance: float
    eye_size: float
    brow_height: float
    brow_thickness: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lip_thickness: float
    hair_line: float
    hair_long: bool
    bald: bool
    glasses: bool
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour


SKINS = np.array([[248, 216, 192], [236, 194, 162], [214, 166, 128], [176, 124, 88], [132, 88, 60], [96, 64, 46]])
HAIRS = np.array([[28, 22, 20], [66, 42, 26], [118, 78, 42], [190, 150, 84], [150, 64, 34], [140, 138, 136]])
IRISES = np.array([[58, 38, 24], [92, 64, 36], [62, 98, 60], [62, 98, 142], [96, 110, 118]])


def draw_identity(rng: np.random.Generator) -> Identity:
    """Sample who a face is."""
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
    """Sample how strongly each action unit shows an emotion (0 to 6) at an intensity in [0, 1]."""
    ways = EXPRESSIONS[emotion]
    way = ways[rng.integers(len(ways))]
    units = {name: intensity * value * rng.uniform(0.85, 1.1) for name, value in way.items()}
    for name in ("inner_brow_raise", "brow_lower", "corner_pull", "corner_depress", "lid_tighten"):
        units[name] = max(0.0, units.get(name, 0.0) + rng.normal(0, 0.04))
    return units


def draw_face(
    size: int, emotion: int, intensity: float, rng: np.random.Generator, domain: str = "studio"
) -> np.ndarray:
    """Draw one face with nuisance variation of identity, pose, light and background.

    `domain` is studio, or street: larger turns of the head, coloured and uneven light, a soft and noisy camera.
    Returns a uint8 array (3, size, size), RGB.
    """
    identity = draw_identity(rng)
    units = action_units(emotion, intensity, rng)
    canvas = size * SUPERSAMPLE
    top, bottom = rng.uniform(30, 225, 3), rng.uniform(30, 225, 3)
    ramp = _span(0, 1, canvas)[:, None, None]
    column = Image.fromarray(((1 - ramp) * top + ramp * bottom).astype(np.uint8))
    image = column.resize((canvas, canvas), Image.Resampling.NEAREST)
    spread = 1.0 if domain == "studio" else STREET_SPREAD
    _Painter(image, identity, units, _pose(canvas, rng, spread)).paint()
    if domain == "street":
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8) * canvas / 32))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BOX), dtype=np.float32)
    if domain == "street":
        pixels = pixels * rng.uniform(0.75, 1.2, 3).astype(np.float32) * np.float32(rng.uniform(0.6, 1.1))
        pixels = pixels + rng.normal(0, 8, pixels.shape).astype(np.float32)
    return _light(pixels, rng).transpose(2, 0, 1)


def _pose(canvas: int, rng: np.random.Generator, spread: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """Small rotation, zoom, shift and turn of the head: a map from face units to canvas pixels."""
    angle = np.deg2rad(rng.normal(0, 4)) * spread
    zoom = rng.uniform(0.92, 1.04)
    shift = rng.normal(0, 0.03, 2) * spread
    turn = rng.normal(0, 0.05) * spread
    scale = canvas * 0.46
    cos, sin = scale * zoom * np.cos(angle), scale * zoom * np.sin(angle)
    right, down = scale * shift + canvas / 2

    def to_pixels(points: np.ndarray) -> np.ndarray:
        x, y = points[:, 0], points[:, 1]
        turned = x + turn * (1 - x * x)
        return _points(cos * turned - sin * y + right, sin * turned + cos * y + down)

    return to_pixels


def _light(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light from one side, exposure and sensor noise on (size, size, 3) pixels, as uint8."""
    size = pixels.shape[0]
    direction = rng.uniform(0, 2 * np.pi)
    grid = _span(-1, 1, size)
    slope = np.cos(direction) * grid[None, :] + np.sin(direction) * grid[:, None]
    lit = pixels * (rng.uniform(0.8, 1.15) * (1 + rng.uniform(0, 0.28) * slope))[:, :, None]
    return _clip(lit + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)


class _Painter:
    """Paints an identity with its action units; every point passes through the pose.

    Shapes are collected first and posed together, in the order of painting: NumPy on a few points at a time is
    mostly its own overhead.
    """

    def __init__(
        self,
        image: Image.Image,
        identity: Identity,
        units: Mapping[str, float],
        to_pixels: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self.canvas = image.size[0]
        self.brush = ImageDraw.Draw(image)
        self.shapes: list[tuple[np.ndarray, Colour, float | None]] = []
        self.who = identity
        self.units = units
        self.to_pixels = to_pixels
        self.shade = _scale_colour(identity.skin, 0.72)
        self.crease = _scale_colour(identity.skin, 0.55)

    def unit(self, name: str) -> float:
        return self.units.get(name, 0.0)

    def paint(self) -> None:
        self.head()
        for side in (-1, 1):
            self.cheek(side)
            self.eye(side)
            self.brow(side)
        self.creases()
        self.nose()
        self.mouth()
        self.tears()
        if self.who.glasses:
            self.glasses()
        self.draw()

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        self.shapes.append((points, colour, None))

    def line(self, points: np.ndarray, colour: Colour, thickness: float) -> None:
        self.shapes.append((points, colour, thickness))

    def draw(self) -> None:
        pixels = self.to_pixels(np.concatenate([points for points, _, _ in self.shapes])).ravel().tolist()
        end = 0
        for points, colour, thickness in self.shapes:
            start, end = end, end + points.size
            if thickness is None:
                self.brush.polygon(pixels[start:end], fill=colour)
            else:
                width = max(1, round(thickness * self.canvas * 0.46))
                self.brush.line(pixels[start:end], fill=colour, width=width, joint="curve")

    def head(self) -> None:
        who = self.who
        centre = (0.0, 0.04)
        if not who.bald:
            hair = _ellipse((0.0, -0.1), who.head_width * 1.13, who.head_height * 1.02)
            if who.hair_long:
                hair = _ellipse((0.0, 0.15), who.head_width * 1.2, who.head_height * 1.2)
            self.polygon(hair, who.hair)
        for side in (-1, 1):
            self.polygon(_ellipse((side * who.head_width, 0.02), 0.09, 0.17), self.shade)
        outline = _ellipse(centre, who.head_width, who.head_height)
        narrow = 1 - 0.16 * _clip(outline[:, 1], 0, 1) ** 2
        outline = _points(outline[:, 0] * narrow, outline[:, 1] + 0.1 * self.unit("jaw_drop") * (outline[:, 1] > 0.6))
        self.polygon(outline, who.skin)
        if not who.bald:
            t = _span(-1, 1, 25)
            x = t * who.head_width * 1.02
            low = who.hair_line + 0.32 * t**4
            top = -who.head_height * 1.02 * np.sqrt(_clip(1 - (t * 0.93) ** 2, 0, 1)) - 0.02
            self.polygon(np.concatenate([_points(x, low), _points(x, top)[::-1]]), who.hair)

    def cheek(self, side: int) -> None:
        raised = self.unit("cheek_raise")
        if raised > 0.2:
            lift = 0.3 - 0.06 * raised
            self.polygon(_ellipse((side * 0.46, lift), 0.15, 0.1), _blend(self.who.skin, (232, 120, 110), 0.22))
            t = _span(-0.9, 0.9, 9)
            under = _points(side * self.who.eye_distance + t * 0.17, 0.03 + 0.04 * (1 - t**2))
            self.line(under, self.shade, 0.022)

    def eye(self, side: int) -> None:
        who, unit = self.who, self.unit
        half = who.eye_size
        opening = 1 + 0.75 * unit("lid_raise") - 0.5 * unit("lid_tighten") - 0.12 * unit("cheek_raise")
        upper = half * 0.5 * max(0.18, opening - 0.55 * unit("lid_droop"))
        lower = half * 0.42 * max(0.15, opening - 0.35 * unit("cheek_raise") + 0.05 * unit("lid_droop"))
        centre = np.array([side * who.eye_distance, -0.1])
        t = _span(-1, 1, 21)
        droop = 0.05 * unit("lid_droop") * _clip(t * side, 0, 1) ** 2
        top = _points(centre[0] + t * half, centre[1] - upper * (1 - t**2) + droop)
        bottom = _points(centre[0] + t * half, centre[1] + lower * (1 - np.abs(t) ** 2.2) + droop)
        self.polygon(np.concatenate([top, bottom[::-1]]), (246, 244, 240))
        gaze = 0.035 * unit("lid_droop")
        for radius, colour in ((0.085, who.iris), (0.042, (12, 10, 10))):
            circle = _ellipse((centre[0], centre[1] + gaze), radius, radius)
            s = _clip((circle[:, 0] - centre[0]) / half, -1, 1)
            low = centre[1] - upper * (1 - s**2)
            high = centre[1] + lower * (1 - np.abs(s) ** 2.2)
            self.polygon(_points(circle[:, 0], _clip(circle[:, 1], low, high)), colour)
        self.line(top, (30, 22, 20), 0.035)
        self.line(bottom, self.crease, 0.016)

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
        self.polygon(np.concatenate([_points(x, y - thickness), _points(x, y + thickness * 0.3)[::-1]]), colour)

    def creases(self) -> None:
        unit = self.unit
        t = _span(-1, 1, 13)
        if min(unit("inner_brow_raise"), unit("outer_brow_raise")) > 0.5:
            for level in (-0.72, -0.66):
                self.line(_points(0.34 * t, level + 0.03 * t**2), self.shade, 0.016)
        if unit("brow_lower") > 0.6:
            for side in (-1, 1):
                self.line(np.array([[side * 0.045, -0.42], [side * 0.06, -0.26]]), self.crease, 0.022)
        wrinkle = unit("nose_wrinkle")
        if wrinkle > 0.2:
            for level in (-0.12, -0.05, 0.02):
                self.line(_points(0.085 * t, level + 0.035 * (1 - t**2)), self.crease, 0.022)
        fold = max(unit("corner_pull") * 0.8, wrinkle * 1.2, unit("upper_lip_raise"))
        if fold > 0.25:
            for side in (-1, 1):
                start = np.array([side * (self.who.nose_width + 0.03), 0.24 - 0.07 * wrinkle])
                end = np.array([side * (self.who.mouth_width + 0.12), 0.53])
                s = _span(0, 1, 9)[:, None]
                curve = start + (end - start) * s + np.array([side * 0.05, -0.03]) * 4 * s * (1 - s)
                self.line(curve, self.crease if wrinkle > 0.2 else self.shade, 0.016 + 0.016 * wrinkle)

    def nose(self) -> None:
        who, wrinkle = self.who, self.unit("nose_wrinkle")
        tip = 0.24 * who.nose_length - 0.07 * wrinkle
        wide = who.nose_width * (1 + 0.35 * wrinkle)
        self.line(np.array([[0.06, -0.05], [0.07, tip - 0.1], [wide * 0.85, tip]]), self.shade, 0.022)
        t = _span(-1, 1, 15)
        self.line(_points(wide * t, tip + 0.035 * (1 - t**2) - 0.04 * wrinkle * t**2), self.crease, 0.024)
        for side in (-1, 1):
            self.polygon(_ellipse((side * wide * 0.5, tip + 0.005), 0.032, 0.018), _scale_colour(who.skin, 0.35))

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
        power = 2 + 3 * min(1.0, clench)
        t = _span(-1, 1, 31)
        profile = 1 - np.abs(t) ** power
        x = half * t
        top = corner + (upper_mid - corner) * profile
        bottom = corner + (lower_mid - corner) * profile
        if unit("sneer") > 0.2:
            top = top - 0.07 * unit("sneer") * np.exp(-((t - 0.45) ** 2) / 0.08)
        bottom = np.maximum(bottom, top)
        thick = who.lip_thickness * (1 - 0.65 * press)
        lip = np.sqrt(_clip(1 - t**2, 0, 1))
        bow = 1 - 0.25 * np.exp(-(t**2) / 0.02)
        self.polygon(
            np.concatenate([_points(x, top - thick * lip * bow), _points(x, bottom + 1.25 * thick * lip)[::-1]]),
            who.lips,
        )
        gap = bottom - top
        if gap.max() > 0.035:
            self.inner_mouth(x, top, bottom)
        else:
            self.line(_points(x, (top + bottom) / 2), _scale_colour(who.lips, 0.45), 0.026)
        if unit("chin_raise") > 0.2:
            self.line(_points(0.1 * t, 0.79 - 0.03 * (1 - t**2)), self.shade, 0.022)

    def inner_mouth(self, x: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> None:
        """What an open mouth shows: dark inside, teeth of a smile, clenched teeth, a tongue."""
        unit, gap = self.unit, bottom - top

        def band(low: np.ndarray, high: np.ndarray, colour: Colour) -> None:
            self.polygon(np.concatenate([_points(x, low), _points(x, high)[::-1]]), colour)

        band(top, bottom, (58, 16, 20))
        if unit("teeth_clench") > 0.2:
            band(top + 0.1 * gap, bottom - 0.1 * gap, (240, 236, 226))
            self.line(_points(x, (top + bottom) / 2), (120, 96, 90), 0.018)
        elif unit("corner_pull") > 0.2:
            band(top, top + 0.6 * gap, (248, 246, 240))
        if unit("tongue") > 0.2:
            middle = len(x) // 2
            reach = bottom[middle] + 0.07 * unit("tongue")
            self.polygon(_ellipse((0.0, reach - 0.06), 0.14, 0.11), (214, 96, 104))
            self.line(np.array([[0.0, reach - 0.1], [0.0, reach]]), (168, 62, 72), 0.016)

    def tears(self) -> None:
        if self.unit("tear") > 0.2:
            for side in (-1, 1):
                self.polygon(_ellipse((side * (self.who.eye_distance + 0.04), 0.16), 0.035, 0.09), (168, 208, 240))

    def glasses(self) -> None:
        for side in (-1, 1):
            ring = _ellipse((side * self.who.eye_distance, -0.08), 0.25, 0.21)
            self.line(np.concatenate([ring, ring[:1]]), (40, 40, 46), 0.02)
        self.line(np.array([[-0.1, -0.1], [0.1, -0.1]]), (40, 40, 46), 0.02)


@cache
def _span(low: float, high: float, count: int) -> np.ndarray:
    """Evenly spaced values (count,), never to be changed."""
    values = np.linspace(low, high, count)
    values.flags.writeable = False
    return values


def _clip(values: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """np.clip of few values, at a third of its cost."""
    return np.minimum(np.maximum(values, low), high)


def _points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points (n, 2) of coordinates (n,)."""
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points


def _ellipse(centre: tuple[float, float], width: float, height: float) -> np.ndarray:
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


def _colour(values: np.ndarray | list[float]) -> Colour:
    r, g, b = (int(min(max(value, 0), 255)) for value in values)
    return r, g, b


def _scale_colour(colour: Colour, factor: float) -> Colour:
    return _colour([value * factor for value in colour])


def _blend(a: Colour, b: Colour, share: float) -> Colour:
    return _colour([(1 - share) * one + share * other for one, other in zip(a, b, strict=True)])
