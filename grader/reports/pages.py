"""A page for a browser: one file that needs no network and no script, in which whatever was told is text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from grader.plain_text import quiet, scrub

_TEMPLATES = Path(__file__).with_name("templates")
_MOST_TEXT_BYTES = 1 << 20  # texts are cut where they are read; here they only lose odd characters


def render_page(name: str, values: Mapping[str, Any], *, folder: Path = _TEMPLATES) -> str:
    """Return a page made from the template `name` of a folder; it may include `report.css`."""
    text = _template(name, folder).render(values)
    head, start, rest = text.partition("<style>")
    style, end, body = rest.partition("</style>")
    return f"{quiet(head)}{start}{style}{end}{quiet(body)}\n"  # it may be printed in a CI service's log


@cache
def _template(name: str, folder: Path) -> Template:
    environment = Environment(
        loader=FileSystemLoader([folder, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _printable(value: object) -> object:
    """Return what stands in the page for a value of a template's expression."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return scrub(value, max_bytes=_MOST_TEXT_BYTES)
    return value
