"""Readers of every format, strict as the place is: schemas of ours from the places' own lists of fields.

A reader takes a format's text and returns what it read; it raises where the place would not read it so.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Annotated, Any, Literal

import cmarkgfm
import jsonschema
import junitparser
from cmarkgfm.cmark import Options
from markdown_it import MarkdownIt
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from grader.reports.to_csv import COLUMNS
from grader.reports.to_json import read_report
from tests.unit.reports.pages import Page

Number = Annotated[int | float, Field(ge=0, allow_inf_nan=False)]
Visibility = Literal["hidden", "after_due_date", "after_published", "visible"]
TextFormat = Literal["text", "html", "simple_format", "md", "ansi"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


# Gradescope: gradescope-autograders.readthedocs.io, "Autograder Specifications", results.json.
class GradescopeTest(Strict):
    score: Number | None = None
    max_score: Number | None = None
    status: Literal["passed", "failed"] | None = None
    name: str = Field(min_length=1)
    name_format: TextFormat | None = None
    number: str | None = None
    output: str
    output_format: TextFormat | None = None
    tags: list[str] = []
    visibility: Visibility
    extra_data: dict[str, Any] = {}


class Gradescope(Strict):
    score: Number | None = None
    execution_time: Number
    output: str
    output_format: Literal["text"]
    test_output_format: Literal["text"]
    test_name_format: Literal["text"]
    visibility: Visibility
    stdout_visibility: Visibility
    extra_data: dict[str, Any]
    tests: list[GradescopeTest]
    leaderboard: list[Any] = []

    @model_validator(mode="after")
    def is_scored_or_not_at_all(self) -> Gradescope:
        """The top score overrides the tests' sum; without it every test's score would be added up."""
        if self.score is None:
            assert all(test.score is None for test in self.tests)
        for test in self.tests:
            assert test.score is None or test.score <= (test.max_score or 0)
            assert not {test.output_format, test.name_format} - {None, "text"}
        return self


# Classroom 50: classroom50/result/v1, no other keys at the top, extra keys of a test are kept.
class Classroom50Test(BaseModel):
    model_config = ConfigDict(extra="allow")
    test_name: str = Field(alias="test-name", min_length=1)
    passed: StrictBool
    score: StrictInt = Field(ge=0)
    max_score: StrictInt = Field(alias="max-score", ge=0)

    @model_validator(mode="after")
    def is_within_its_maximum(self) -> Classroom50Test:
        assert self.score <= self.max_score
        return self


class Classroom50(Strict):
    schema_: Literal["classroom50/result/v1"] = Field(alias="schema")
    classroom: str = Field(min_length=1)
    assignment: str = Field(min_length=1)
    submission: str = Field(pattern="^submit/")
    commit: str = Field(min_length=1)
    release: str = Field(min_length=1)
    review: str = Field(min_length=1)
    datetime: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    score: StrictInt = Field(ge=0)
    max_score: StrictInt = Field(alias="max-score", ge=0)
    tests: list[Classroom50Test]

    @model_validator(mode="after")
    def is_within_its_maximum(self) -> Classroom50:
        assert self.score <= self.max_score
        return self


# The legacy reporter of GitHub Classroom; `score` must be a number everywhere, since it adds them up.
GITHUB_CLASSROOM = {
    "type": "object",
    "required": ["version", "status", "max_score", "tests"],
    "additionalProperties": False,
    "properties": {
        "version": {"enum": [1, 3]},
        "status": {"enum": ["pass", "fail", "error"]},
        "max_score": {"type": "number", "minimum": 0},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "name",
                    "status",
                    "score",
                    "message",
                    "test_code",
                    "filename",
                    "line_no",
                    "duration",
                ],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "status": {"enum": ["pass", "fail", "error"]},
                    "score": {"type": "number", "minimum": 0},
                    "message": {"type": "string"},
                    "test_code": {"type": "string"},
                    "filename": {"type": "string"},
                    "line_no": {"type": "integer", "minimum": 0},
                    "duration": {"type": "number", "minimum": 0},
                    "task_id": {"type": "integer"},
                    "output": {"type": "string", "maxLength": 500},
                },
            },
        },
    },
}


# PrairieLearn: prairielearn.readthedocs.io, "External grading", results.json.
class PrairieLearnTest(Strict):
    name: str = Field(min_length=1)
    description: str
    points: Number
    max_points: Number
    message: str
    output: str
    images: list[dict[str, str]]


class PrairieLearn(Strict):
    gradable: StrictBool
    score: float | None = Field(default=None, ge=0, le=1)
    message: str
    output: str
    images: list[dict[str, str]]
    format_errors: list[str] = []
    tests: list[PrairieLearnTest] = []

    @model_validator(mode="after")
    def is_scored_if_gradable(self) -> PrairieLearn:
        assert self.gradable is (self.score is not None)
        assert self.gradable or (self.format_errors and not self.tests)
        return self


# JUnit XML: what pytest's xunit2 writes and Jenkins' junit-10.xsd lists. Element: attributes, then children.
COUNTS = ("tests", "failures", "errors", "skipped", "time")
JUNIT: Mapping[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = MappingProxyType(
    {
        "testsuites": (frozenset({"name", *COUNTS}), frozenset(), frozenset({"testsuite"})),
        "testsuite": (
            frozenset({"name", *COUNTS, "timestamp", "hostname"}),
            frozenset(),
            frozenset({"properties", "testcase", "system-out", "system-err"}),
        ),
        "properties": (frozenset(), frozenset(), frozenset({"property"})),
        "property": (frozenset({"name", "value"}), frozenset(), frozenset()),
        "testcase": (
            frozenset({"classname", "name", "time"}),
            frozenset({"file", "line"}),
            frozenset({"properties", "failure", "error", "skipped", "system-out", "system-err"}),
        ),
        "failure": (frozenset({"message", "type"}), frozenset(), frozenset()),
        "error": (frozenset({"message", "type"}), frozenset(), frozenset()),
        "skipped": (frozenset({"message"}), frozenset(), frozenset()),
        "system-out": (frozenset(), frozenset(), frozenset()),
        "system-err": (frozenset(), frozenset(), frozenset()),
    }
)


def read_junit(text: str) -> junitparser.JUnitXml:
    _check_element(root := ET.fromstring(text.encode()))
    for suite in (root, *root):
        cases = [*suite.iter("testcase")]
        assert int(suite.get("tests", -1)) == len(cases)
        for kind, plural in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.get(plural, -1)) == sum(case.find(kind) is not None for case in cases)
    read = junitparser.JUnitXml.fromstring(text.encode())
    assert isinstance(read, junitparser.JUnitXml)
    assert sum(len(list(suite)) for suite in read) == read.tests
    return read


def _check_element(element: ET.Element) -> None:
    required, tolerated, children = JUNIT[element.tag]
    assert required <= set(element.attrib) <= required | tolerated, element.tag
    for child in element:
        assert child.tag in children, child.tag
        _check_element(child)
    if element.tag == "testcase":
        verdicts = [child for child in element if child.tag in {"failure", "error", "skipped"}]
        assert len(verdicts) <= 1


# The tags that a table, headings, lists and code become, and the two that gfm.py writes itself.
GFM_TAGS = {
    *("h1", "h2", "p", "strong", "ul", "li", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"),
    *("details", "summary", "hr"),
}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def read_markdown(text: str) -> str:
    """Return the HTML that GitHub's own parser makes of it, after seeing that all markup is ours."""
    html: str = cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)
    tags = _Tags()
    tags.feed(html)
    for tag, attributes in tags.found:
        assert tag in GFM_TAGS, (tag, attributes)
        assert set(attributes) <= {"align", "lang", "class"}, (tag, attributes)
    names = [tag for tag, _ in tags.found]
    assert names.count("h1") == names.count("table") == 1
    assert names.count("details") == names.count("summary") == text.count("\n<details><summary>")
    assert (
        len({row.count("<td") for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL) if "<td" in row}) <= 1
    )
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "html_block":
            assert token.content.startswith(("<details><summary>", "</details>")), token.content
        for child in token.children or ():
            assert child.type not in {"image", "link_open", "html_inline"}, child
    return html


@dataclass(frozen=True)
class Command:
    """A line that GitHub's runner obeys."""

    kind: str
    properties: dict[str, str]
    message: str


def read_commands(text: str) -> list[Command]:
    """Return what the runner would obey, as its ActionCommand reads lines: every line must be a command."""
    return [_command(line) for line in text.splitlines()]


def _command(line: str) -> Command:
    found = re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line)
    assert found, line
    properties = dict(each.split("=", 1) for each in found[2].split(","))
    return Command(
        found[1], {key: _unescaped(value) for key, value in properties.items()}, _unescaped(found[3])
    )


def _unescaped(text: str) -> str:
    for code, character in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, character)
    return text


def obeyed(text: str) -> list[str]:
    """Return the lines of a log that the runner of GitHub, or of Azure, would obey."""
    return [
        line
        for line in re.split("[\r\n\v\f\x85\u2028\u2029]", text)
        if line.lstrip().startswith("::") or "##[" in line or "##vso[" in line
    ]


@dataclass(frozen=True)
class Autolab:
    """The last two lines: the formatted feedback and the scores."""

    feedback: dict[str, Any]
    scores: dict[str, float]
    scoreboard: list[float] | None


def read_autolab(text: str) -> Autolab:
    """Read the last lines as Autolab does: with quotation marks around every word before a colon."""
    lines = text.splitlines()
    autoresult = json.loads(re.sub("([a-zA-Z0-9]+):", r'"\1":', lines[-1]))
    feedback = json.loads(lines[-2])
    assert set(autoresult) <= {"scores", "scoreboard"}
    assert feedback["_presentation"] == "semantic"
    assert set(feedback) == {"_presentation", "stages", *feedback["stages"]}
    for name in feedback["stages"][1:]:
        for case in feedback[name].values():
            assert set(case) <= {"passed", "hint"}
            assert isinstance(case["passed"], bool)
    assert not [line for line in lines[:-2] if line.startswith("{")]
    return Autolab(feedback, autoresult["scores"], autoresult.get("scoreboard"))


def read_github_classroom(text: str) -> dict[str, Any]:
    found = re.fullmatch(r"result=([A-Za-z0-9+/=]+)\n", text)
    assert found
    assert len(found[1]) < 128 << 10
    content = json.loads(base64.b64decode(found[1], validate=True))
    jsonschema.validate(content, GITHUB_CLASSROOM)
    return content


def read_prairielearn(text: str) -> PrairieLearn:
    assert len(text.encode()) <= 1_000_000
    return PrairieLearn.model_validate_json(text)


def read_csv(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    for row in rows:
        assert None not in row
        for column, cell in row.items():
            assert cell is not None
            if column in {"score", "max_score", "duration_s"}:
                assert not cell or float(cell) >= 0
            else:
                assert not re.match(r"\s*[=+\-@\t\r]", cell), cell
                assert not re.search(r";\s*[=+\-@]", cell), cell
    return rows


def read_html(text: str) -> Page:
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {"script", "iframe", "object", "form", "base", "link"}
    return page


READERS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "json": read_report,
        "student": read_report,
        "markdown": read_markdown,
        "actions": read_markdown,
        "junit": read_junit,
        "gradescope": Gradescope.model_validate_json,
        "classroom50": Classroom50.model_validate_json,
        "github-classroom": read_github_classroom,
        "autolab": read_autolab,
        "prairielearn": read_prairielearn,
        "csv": read_csv,
        "html": read_html,
        "html-student": read_html,
    }
)
