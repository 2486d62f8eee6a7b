"""How every page is made: templates that escape whatever they are given, and a log that obeys none of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from grader.plain_text import quiet, scrub

_TEMPLATES = Path(__file__).with_name("templates")
_MOST_TEXT_BYTES = 1 << 20  # texts are cut when they enter the report; here they only lose odd characters


@cache
def page_template(name: str, *folders: Path) -> Template:
    """Return a template; it may include those of the reports, the style sheet among them."""
    environment = Environment(
        loader=FileSystemLoader([*folders, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def finished(text: str) -> str:
    """Return a page as it is written: it may be printed in a CI service's log."""
    head, start, rest = text.partition("<style>")
    style, end, body = rest.partition("</style>")
    return f"{quiet(head)}{start}{style}{end}{quiet(body)}\n"


def _printable(value: object) -> object:
    """Return what stands in the page for a value of a template's expression."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return scrub(value, max_bytes=_MOST_TEXT_BYTES)
    return value
