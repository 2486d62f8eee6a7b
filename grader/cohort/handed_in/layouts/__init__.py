"""How each place lays out what a class handed in. A place is one module and one line in the table."""

from __future__ import annotations

from grader.cohort.handed_in.layouts import canvas, github, gradescope, moodle, plain
from grader.cohort.handed_in.layouts.layout import Handed, Layout, Listing, Reading

# In the order they are tried: each is known by something that those below it do not have.
LAYOUTS: dict[str, Layout] = {
    "gradescope": gradescope.LAYOUT,
    "moodle": moodle.LAYOUT,
    "github": github.LAYOUT,
    "canvas": canvas.LAYOUT,
    "plain": plain.LAYOUT,
}

__all__ = ["LAYOUTS", "Handed", "Layout", "Listing", "Reading", "recognised"]


def recognised(listing: Listing) -> Layout:
    """Return the layout of a folder."""
    return next(layout for layout in LAYOUTS.values() if layout.recognises(listing))
