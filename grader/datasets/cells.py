"""Blood-like cells, drawn by arithmetic: the sample profile's stand-in for BloodMNIST.

No pixel of a photograph is in here, nor anything measured on one but rough sizes and colours. Each class is a
row of `LOOKS`; a cell is a wobbly disc of cytoplasm, the lobes of a nucleus on an arc, granules and vacuoles,
among red cells on a stained slide.

The same labels and generator give the same bytes on every machine: only uniform draws, and of the arithmetic
only what IEEE 754 rounds correctly (+ - * / and square roots; no sine, exponential or matrix product, whose
last bits are a matter of the processor).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]  # of float32
Colour = tuple[float, float, float]  # red, green, blue, 0-255
Spread = tuple[float, float]  # mean and standard deviation

SIDE = 28
VARIETY = (
    1.0  # times every spread below: how much cells of one class differ, and so how hard they are to tell
)
CHUNK = 256  # cells drawn at once: their arrays fit into a processor's cache
RED_CELLS = 7
MAX_LOBES = 4


@dataclass(frozen=True, slots=True)
class Look:
    """How the cells of one class look; lengths are in pixels, or in radii of the cell where that is said."""

    radius: Spread
    elongation: Spread  # ratio of its axes
    wobble: Spread  # of its outline, in radii
    lobes: Spread  # how many
    lobe_radius: Spread  # in radii
    lobe_arc: Spread  # radius of the arc that the lobes lie on, in radii
    lobe_step: Spread  # between neighbours on the arc, as the tangent of half the angle
    offset: Spread  # of the nucleus from the middle of the cell, in radii
    granules: Spread  # share of the pixels
    granules_hide: Spread  # how much they cover the nucleus, 0-1
    vacuoles: Spread  # how many
    cytoplasm: Colour
    nucleus: Colour
    granule: Colour


BASOPHIL = Look(
    radius=(9.2, 0.9),
    elongation=(1.06, 0.07),
    wobble=(0.05, 0.03),
    lobes=(2.4, 0.5),
    lobe_radius=(0.48, 0.06),
    lobe_arc=(0.38, 0.07),
    lobe_step=(1.0, 0.3),
    offset=(0.08, 0.06),
    granules=(0.5, 0.12),
    granules_hide=(0.75, 0.15),
    vacuoles=(0.3, 0.4),
    cytoplasm=(150, 98, 172),
    nucleus=(98, 54, 144),
    granule=(44, 16, 88),
)
EOSINOPHIL = Look(
    radius=(9.2, 0.8),
    elongation=(1.05, 0.06),
    wobble=(0.03, 0.02),
    lobes=(2.3, 0.4),
    lobe_radius=(0.4, 0.05),
    lobe_arc=(0.45, 0.07),
    lobe_step=(0.9, 0.25),
    offset=(0.1, 0.08),
    granules=(0.5, 0.15),
    granules_hide=(0.08, 0.06),
    vacuoles=(0.1, 0.2),
    cytoplasm=(198, 140, 152),
    nucleus=(84, 46, 134),
    granule=(206, 70, 84),
)
ERYTHROBLAST = Look(
    radius=(6.4, 1.1),
    elongation=(1.05, 0.06),
    wobble=(0.03, 0.02),
    lobes=(1.0, 0.1),
    lobe_radius=(0.68, 0.08),
    lobe_arc=(0.02, 0.02),
    lobe_step=(0.5, 0.2),
    offset=(0.17, 0.1),
    granules=(0.03, 0.03),
    granules_hide=(0.02, 0.02),
    vacuoles=(0.0, 0.1),
    cytoplasm=(160, 136, 176),
    nucleus=(66, 36, 118),
    granule=(110, 80, 150),
)
IMMATURE_GRANULOCYTE = Look(
    radius=(10.2, 1.2),
    elongation=(1.12, 0.1),
    wobble=(0.05, 0.03),
    lobes=(1.6, 0.3),
    lobe_radius=(0.64, 0.07),
    lobe_arc=(0.2, 0.08),
    lobe_step=(0.6, 0.2),
    offset=(0.2, 0.1),
    granules=(0.2, 0.1),
    granules_hide=(0.2, 0.1),
    vacuoles=(0.2, 0.3),
    cytoplasm=(150, 108, 172),
    nucleus=(92, 52, 142),
    granule=(96, 40, 128),
)
LYMPHOCYTE = Look(
    radius=(7.3, 0.8),
    elongation=(1.05, 0.05),
    wobble=(0.03, 0.02),
    lobes=(1.0, 0.1),
    lobe_radius=(0.87, 0.06),
    lobe_arc=(0.02, 0.02),
    lobe_step=(0.5, 0.2),
    offset=(0.07, 0.05),
    granules=(0.04, 0.03),
    granules_hide=(0.05, 0.05),
    vacuoles=(0.0, 0.2),
    cytoplasm=(138, 104, 178),
    nucleus=(76, 36, 128),
    granule=(110, 60, 150),
)
MONOCYTE = Look(
    radius=(10.0, 1.1),
    elongation=(1.1, 0.09),
    wobble=(0.07, 0.04),
    lobes=(2.8, 0.5),
    lobe_radius=(0.46, 0.06),
    lobe_arc=(0.36, 0.08),
    lobe_step=(0.5, 0.12),
    offset=(0.12, 0.08),
    granules=(0.06, 0.04),
    granules_hide=(0.05, 0.05),
    vacuoles=(1.6, 0.9),
    cytoplasm=(146, 118, 178),
    nucleus=(98, 58, 146),
    granule=(110, 66, 150),
)
NEUTROPHIL = Look(
    radius=(9.0, 0.8),
    elongation=(1.06, 0.06),
    wobble=(0.03, 0.02),
    lobes=(3.2, 0.7),
    lobe_radius=(0.33, 0.05),
    lobe_arc=(0.45, 0.09),
    lobe_step=(0.56, 0.15),
    offset=(0.08, 0.06),
    granules=(0.25, 0.12),
    granules_hide=(0.04, 0.04),
    vacuoles=(0.1, 0.2),
    cytoplasm=(196, 158, 180),
    nucleus=(76, 38, 130),
    granule=(172, 112, 160),
)
PLATELET = Look(
    radius=(3.3, 0.8),
    elongation=(1.12, 0.12),
    wobble=(0.1, 0.06),
    lobes=(0.0, 0.1),
    lobe_radius=(0.4, 0.1),
    lobe_arc=(0.1, 0.05),
    lobe_step=(0.5, 0.2),
    offset=(0.05, 0.05),
    granules=(0.35, 0.12),
    granules_hide=(0.5, 0.1),
    vacuoles=(0.0, 0.1),
    cytoplasm=(158, 116, 164),
    nucleus=(120, 76, 146),
    granule=(104, 54, 136),
)
LOOKS = (
    BASOPHIL,
    EOSINOPHIL,
    ERYTHROBLAST,
    IMMATURE_GRANULOCYTE,
    LYMPHOCYTE,
    MONOCYTE,
    NEUTROPHIL,
    PLATELET,
)

SLIDE: Colour = (234, 204, 187)
BLUE_SLIDE: Colour = (212, 206, 226)
BLUE_SHARE = 0.06  # of all slides were stained otherwise
RED_CELL: Colour = (204, 164, 166)
STAIN_SPREAD = 10.5  # of each channel of a cell's colours, 0-255
LIGHT_SPREAD = 0.035  # of the brightness of a whole picture
GRAIN = 9.0  # of a pixel, 0-255


def draw_cells(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw one cell for each label; returns (N, 28, 28, 3)."""
    images = np.empty((len(labels), SIDE, SIDE, 3), dtype=np.uint8)
    for start in range(0, len(labels), CHUNK):
        chunk = slice(start, start + CHUNK)
        images[chunk] = _Painter(labels[chunk], rng).paint()
    return images


class _Painter:
    """Paints a few cells at once; every number is an array of them, (N, 1, 1) or (N, 28, 28)."""

    def __init__(self, labels: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
        self._labels = labels
        self._rng = rng
        self._look = {field.name: self._drawn(field.name) for field in fields(Look) if field.type == "Spread"}
        self._y, self._x = (grid.astype(np.float32)[None] for grid in np.mgrid[0:SIDE, 0:SIDE])
        middle = np.float32((SIDE - 1) / 2)
        self._centre = (middle + self._bell() * 0.7, middle + self._bell() * 0.7)

    def paint(self) -> npt.NDArray[np.uint8]:
        """Return the pictures, (N, 28, 28, 3)."""
        canvas = self._slide()
        self._add_red_cells(canvas)
        body = self._body()
        nucleus = self._nucleus() * body
        _blend(canvas, self._stained("cytoplasm"), body)
        chromatin = 0.82 + 0.18 * _smooth(self._pixels())
        _blend(canvas, self._stained("nucleus"), nucleus * chromatin)
        _blend(canvas, self._stained("granule"), self._granules(body, nucleus))
        for number in range(2):
            _blend(canvas, self._colour((226, 208, 220)), self._vacuole(number) * body * (1 - nucleus))
        return self._photographed(canvas)

    # ------------------------------------------------------------------------------------ draws

    def _uniform(self) -> Array:
        """Return one number in [0, 1) for each cell."""
        return self._rng.random((len(self._labels), 1, 1)).astype(np.float32)

    def _bell(self) -> Array:
        """Return one number for each cell, of mean 0 and variance 1, bell-shaped within -3 and 3."""
        return (self._uniform() + self._uniform() + self._uniform() - np.float32(1.5)) * np.float32(2)

    def _pixels(self) -> Array:
        """Return one number in [-1, 1) for each pixel."""
        draws = self._rng.random((len(self._labels), SIDE, SIDE), dtype=np.float32)
        return draws * np.float32(2) - np.float32(1)

    def _direction(self) -> tuple[Array, Array]:
        """Return a unit vector for each cell, in about every direction alike, without sine and cosine."""
        half = (self._uniform() * 2 - 1) * np.float32(0.41421356)  # the tangent of an eighth of a turn
        across, along = _turn_of(half)
        quarter = np.floor(self._uniform() * 4)
        swapped = quarter % 2 == 1
        sign = np.where(quarter < 2, np.float32(1), np.float32(-1))
        return sign * np.where(swapped, -along, across), sign * np.where(swapped, across, along)

    def _drawn(self, name: str) -> Array:
        spreads = np.array([getattr(look, name) for look in LOOKS], dtype=np.float32)[self._labels]
        mean, deviation = spreads[:, 0, None, None], spreads[:, 1, None, None]
        return np.maximum(mean + np.float32(VARIETY) * deviation * self._bell(), np.float32(0))

    def _colour(self, colour: Colour | Array, spread: float = STAIN_SPREAD) -> Array:
        """Return a colour a cell, (N, 1, 1, 3): darker or lighter, and each channel a little on its own."""
        together, channels = self._bell(), [self._bell() for _ in range(3)]
        off = np.stack([together + np.float32(0.6) * channel for channel in channels], axis=-1)
        return np.asarray(colour, dtype=np.float32) + np.float32(VARIETY * spread) * off

    def _stained(self, part: str) -> Array:
        colours = np.array([getattr(look, part) for look in LOOKS], dtype=np.float32)
        return self._colour(colours[self._labels][:, None, None, :])

    # ------------------------------------------------------------------------------------ parts

    def _slide(self) -> Array:
        blue = (self._uniform() < BLUE_SHARE)[..., None]
        colour = np.where(blue, BLUE_SLIDE, SLIDE)
        return np.broadcast_to(self._colour(colour, 3.0), (len(self._labels), SIDE, SIDE, 3)).copy()

    def _add_red_cells(self, canvas: Array) -> None:
        """Put red cells around the middle; each has a pale centre, some more than others."""
        crowd = 0.15 + 0.7 * self._uniform()
        for _ in range(RED_CELLS):
            across, along = self._direction()
            away = 11 + 6 * self._uniform()
            radius = 3.6 + 1.4 * self._uniform()
            distance = self._distance(13.5 + away * across, 13.5 + away * along)
            present = self._uniform() < crowd
            hollow = _edge(radius * np.float32(0.5) - distance, 2.0) * self._uniform()
            cover = _edge(radius - distance, 1.2) * present * (1 - np.float32(0.8) * hollow)
            _blend(canvas, self._colour(RED_CELL, 6.0), cover * np.float32(0.85))

    def _body(self) -> Array:
        """Return how much each pixel is within the cell, 0-1: an ellipse whose outline wobbles."""
        (centre_y, centre_x), (c, s) = self._centre, self._direction()
        dx, dy = self._x - centre_x, self._y - centre_y
        stretch = np.sqrt(self._look["elongation"])
        along, across = (c * dx + s * dy) / stretch, (c * dy - s * dx) * stretch
        distance = np.sqrt(along * along + across * across) + np.float32(1e-3)
        a, b = self._direction()
        u, v = (a * along + b * across) / distance, (a * across - b * along) / distance
        threefold = u * (u * u - 3 * v * v)  # the cosine of three times the angle
        radius = self._look["radius"] * (1 + self._look["wobble"] * threefold)
        return _edge(radius - distance, 1.3)

    def _nucleus(self) -> Array:
        """Return how much each pixel is within the nucleus, 0-1: up to four discs on an arc."""
        radius, (centre_y, centre_x) = self._look["radius"], self._centre
        offset_x, offset_y = self._direction()
        away = radius * self._look["offset"]
        c, s = self._direction()
        step_c, step_s = _turn_of(self._look["lobe_step"])
        count = np.rint(self._look["lobes"])
        arc = radius * self._look["lobe_arc"]
        cover: Array = np.zeros((len(self._labels), SIDE, SIDE), dtype=np.float32)
        for lobe in range(MAX_LOBES):
            own = radius * self._look["lobe_radius"] * (1 + np.float32(0.1) * self._bell())
            x, y = centre_x + away * offset_x + arc * c, centre_y + away * offset_y + arc * s
            disc = _edge(own - self._distance(x, y), 1.4) * (count > lobe)
            cover = np.maximum(cover, disc)
            c, s = c * step_c - s * step_s, c * step_s + s * step_c
        return cover

    def _granules(self, body: Array, nucleus: Array) -> Array:
        share = self._look["granules"]
        spots = _edge(share * 2 - 1 - self._pixels(), 0.3)
        shown: Array = 1 - nucleus * (1 - np.minimum(self._look["granules_hide"], 1))
        return spots * body * shown * np.float32(0.8)

    def _vacuole(self, number: int) -> Array:
        (centre_y, centre_x), (across, along) = self._centre, self._direction()
        away = self._look["radius"] * (np.float32(0.35) + np.float32(0.5) * self._uniform())
        present = np.rint(self._look["vacuoles"]) > number
        distance = self._distance(centre_x + away * across, centre_y + away * along)
        return _edge(np.float32(1.1) - distance, 1.5) * present * np.float32(0.7)

    def _distance(self, x: Array, y: Array) -> Array:
        dx, dy = self._x - x, self._y - y
        distance: Array = np.sqrt(dx * dx + dy * dy)
        return distance

    def _photographed(self, canvas: Array) -> npt.NDArray[np.uint8]:
        """Blur a little, change the light, add grain and round to bytes."""
        light = 1 + np.float32(VARIETY * LIGHT_SPREAD) * self._bell()
        grain = np.float32(GRAIN) * _smooth(self._pixels())
        pictures = _smooth(canvas) * light[..., None] + grain[..., None]
        rounded: npt.NDArray[np.uint8] = np.rint(np.clip(pictures, 0, 255)).astype(np.uint8)
        return rounded


def _turn_of(half_tangent: Array) -> tuple[Array, Array]:
    """Return cosine and sine of an angle from the tangent of its half."""
    squared = half_tangent * half_tangent
    return (1 - squared) / (1 + squared), 2 * half_tangent / (1 + squared)


def _edge(inside: Array, softness: float) -> Array:
    """Return 1 well inside, 0 well outside, and a ramp that many pixels wide between."""
    return np.clip(inside / np.float32(softness) + np.float32(0.5), 0, 1)


def _blend(canvas: Array, colour: Array, cover: Array) -> None:
    canvas += (colour - canvas) * cover[..., None]


def _smooth(pixels: Array) -> Array:
    """Average with the neighbours, weights 1 2 1 in both directions; the frame is repeated outwards."""
    for axis in (1, 2):
        padded = np.concatenate([pixels.take([0], axis), pixels, pixels.take([SIDE - 1], axis)], axis)
        before, after = (
            (padded[:, :SIDE], padded[:, 2:]) if axis == 1 else (padded[:, :, :SIDE], padded[:, :, 2:])
        )
        pixels = (before + after) * np.float32(0.25) + pixels * np.float32(0.5)
    return pixels
