"""Hand-made SVG: elements whose text and attributes are escaped, scales, ticks and colours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

Ids = Iterator[int]  # so that no two elements of a page share an id
Number = float | int
# How values that are no finite numbers stand in a report.
NON_FINITE = ("nan", "inf", "-inf")
# Further out an axis ends: what is beyond stands at its edge.
_HUGE, _LARGEST_EXPONENT = 1e300, 308
_MINUS = "\u2212"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BLUE, _WHITE, _ORANGE = (33, 102, 172), (247, 247, 247), (179, 88, 6)


def element(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element; `stroke_width` is written as `stroke-width`, `class_` as `class`."""
    written = Markup().join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _attribute(value))
        for key, value in attributes.items()
    )
    inside = Markup().join(children)  # type: ignore[arg-type]  # it escapes whatever it is given
    return Markup("<{}{}>{}</{}>").format(name, written, inside, name)


def drawing(ids: Ids, title: str, description: str, size: tuple[float, float], *children: object) -> Markup:
    """Return an SVG with title and description, which a screen reader tells in place of its parts."""
    number = next(ids)
    width, height = size
    return element(
        "svg",
        element("title", title, id=f"title-{number}"),
        element("desc", description, id=f"description-{number}"),
        *children,
        viewBox=f"0 0 {_attribute(width)} {_attribute(height)}",
        width=width,
        role="img",
        aria_labelledby=f"title-{number}",
        aria_describedby=f"description-{number}",
    )


def text(x: float, y: float, words: object, anchor: str = "start", **attributes: object) -> Markup:
    """Return text at a place; the anchor is start, middle or end."""
    return element("text", words, x=x, y=y, text_anchor=anchor, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: object) -> Markup:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def finite(value: object) -> float | None:
    """Return a value of a report as a number; None where it is none, or not finite."""
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    """Return a number in a few digits, and a text as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).replace("-inf", f"{_MINUS}inf")
    if isinstance(value, int) and abs(value) < 10**7:
        return str(value).replace("-", _MINUS)
    number = finite(value)
    if number is None:
        return "a huge number"
    return f"{number + 0.0:.3g}".replace("e+", "e").replace("-", _MINUS)


def short(name: str, most: int) -> str:
    """Return a name, cut where a drawing has no more room for it."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def power_of_ten(exponent: int) -> str:
    """Return 10 to a power, as it is written: 10⁻⁶."""
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from numbers to places, and its ticks; on a logarithmic one, 0 is at the lower edge."""

    low: float
    high: float
    start: float
    end: float
    is_logarithmic: bool
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """Return where a number is drawn, never outside of the axis."""
        if self.is_logarithmic:
            value = math.log10(value) if value > 0 else self.low
        share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))


def linear_axis(values: Sequence[float], start: float, end: float) -> Axis:
    """Return an axis of round numbers around the values."""
    cut = [max(-_HUGE, min(_HUGE, value)) for value in values]
    low, high = min(cut, default=0.0), max(cut, default=1.0)
    widest = max(abs(low), abs(high))
    if high - low <= max(1e-9 * widest, 1 / _HUGE):
        half = 0.5 * widest if widest > 1 / _HUGE else 0.5
        low, high = low - half, high + half
    step = _round_step((high - low) / 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = tuple((at * step, shown(float(f"{at * step:.6g}"))) for at in range(first, last + 1))
    return Axis(first * step, last * step, start, end, is_logarithmic=False, ticks=ticks)


def logarithmic_axis(values: Sequence[float], start: float, end: float) -> Axis:
    """Return an axis of powers of ten around the values above 0."""
    exponents = [math.log10(value) for value in values if value > 0] or [0.0]
    first = min(math.floor(min(exponents)), _LARGEST_EXPONENT - 1)
    last = min(max(math.ceil(max(exponents)), first + 1), _LARGEST_EXPONENT)
    every = -(-(last - first) // 5)
    ticks = tuple((10.0**at, power_of_ten(at)) for at in range(first, last + 1) if (last - at) % every == 0)
    return Axis(first, last, start, end, is_logarithmic=True, ticks=ticks)


def diverging(value: float, largest: float) -> tuple[int, int, int]:
    """Return blue below 0, white at 0 and orange above: told apart by the colour-blind too."""
    share = 0.0 if largest == 0 else max(-1.0, min(1.0, value / largest))
    return _mixed(_WHITE, _ORANGE if share > 0 else _BLUE, abs(share))


def sequential(share: float) -> tuple[int, int, int]:
    """Return white at 0 and blue at 1."""
    return _mixed(_WHITE, _BLUE, max(0.0, min(1.0, share)))


def colour(rgb: tuple[int, int, int]) -> str:
    """Return a colour as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def ink_on(rgb: tuple[int, int, int]) -> str:
    """Return black or white, whichever is easier to read on a colour."""
    luminance = sum(
        weight * _linear(part / 255) for weight, part in zip((0.2126, 0.7152, 0.0722), rgb, strict=True)
    )
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _mixed(one: tuple[int, ...], other: tuple[int, ...], share: float) -> tuple[int, int, int]:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if step <= factor * power * (1 + 1e-9))


def _attribute(value: object) -> str:
    return f"{round(value, 2):g}" if isinstance(value, float) else str(value)
