"""Report to JUnit XML, as CI services and dashboards read it.

Source: the attributes that pytest writes (`junit_family=xunit2`) and that Jenkins (junit-10.xsd) and the
windyroad JUnit schema list. The instructor's view is the default: test reports are read by whoever grades.
GitLab shows neither properties nor a failure's message, so each body repeats the points.

Faults of the submission are failures, what has no score is an error: a report that was not scored must not
look green. What was skipped or waits for a person is skipped.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from grader.plain_text import quiet, scrub
from grader.reports.rows import Row, question_rows
from grader.reports.schema import QuestionReport, Report
from grader.reports.wording import (
    environment_sentence,
    for_the_instructor,
    open_sentences,
    points,
    score_sentence,
)
from grader.reports.writing import started_at

# What XML 1.0 cannot hold in any form.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Return the report as JUnit XML: a suite for each question, a case for each check."""
    suites = [_total(report), *(_suite(question, report) for question in report.questions)]
    root = ET.Element("testsuites", {"name": _safe(report.assignment.id), **_counts(suites)})
    root.set("time", f"{report.timing.wall_time_s:.3f}")
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _total(report: Report) -> ET.Element:
    """Return a suite of one case, the grading itself: an error where there is no score."""
    case = ET.Element("testcase", {"classname": _safe(report.assignment.id), "name": "total", "time": "0"})
    _properties(case, _score_properties(report))
    told = "\n".join((score_sentence(report), *open_sentences(report), environment_sentence(report)))
    if report.score is None:
        _body(case, "error", kind=report.status, message=score_sentence(report), text=told)
    _text(case, "system-out", told)
    if instructors := for_the_instructor(report):
        _text(case, "system-err", instructors)
    return _suite_of("total", [case], report)


def _suite(question: QuestionReport, report: Report) -> ET.Element:
    cases = [_case(row) for row in question_rows(question, report)]
    return _suite_of(f"{question.id} {question.title}", cases, report)


def _suite_of(name: str, cases: list[ET.Element], report: Report) -> ET.Element:
    suite = ET.Element("testsuite", {"name": _safe(name), "tests": str(len(cases))})
    for kind, plural in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(plural, str(sum(case.find(kind) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', 0)) for case in cases):.3f}")
    suite.set("timestamp", started_at(report).strftime("%Y-%m-%dT%H:%M:%S"))
    suite.set("hostname", "localhost")  # as the schema says where it is nobody's business
    suite.extend(cases)
    return suite


def _case(row: Row) -> ET.Element:
    case = ET.Element(
        "testcase",
        {"classname": _safe(row.question), "name": _safe(row.name), "time": f"{row.duration_s:.3f}"},
    )
    if row.file is not None:
        case.set("file", _safe(row.file))
        case.set("line", str(row.line))
    score = "" if row.score is None else points(row.score)
    _properties(case, [("score", score), ("max_score", points(row.max_score)), ("outcome", row.outcome)])
    if row.state == "failed":
        _body(case, "failure", kind=row.outcome, message=row.message, text=f"{row.verdict}\n{row.details}")
    elif row.state == "unscored":
        _body(case, "error", kind=row.outcome, message=row.message, text=f"{row.verdict}\n{row.details}")
    elif row.state in ("skipped", "pending"):
        ET.SubElement(case, "skipped", {"message": _safe(f"{row.verdict}: {row.message}")})
    return case


def _score_properties(report: Report) -> Iterator[tuple[str, str]]:
    yield "status", report.status
    yield "score", "" if report.score is None else points(report.score)
    yield "max_score", points(report.max_score)
    yield "pending", points(report.pending)


def _properties(case: ET.Element, values: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> None:
    properties = ET.SubElement(case, "properties")
    for name, value in values:
        ET.SubElement(properties, "property", {"name": name, "value": _safe(value)})


def _body(case: ET.Element, tag: str, *, kind: str, message: str, text: str) -> None:
    ET.SubElement(case, tag, {"message": _safe(message), "type": kind}).text = _safe(text)


def _text(case: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(case, tag).text = _safe(text)


def _counts(suites: list[ET.Element]) -> dict[str, str]:
    names = ("tests", "failures", "errors", "skipped")
    return {name: str(sum(int(suite.get(name, 0)) for suite in suites)) for name in names}


def _safe(text: str) -> str:
    return _NO_XML.sub("", quiet(scrub(text, max_bytes=64 << 10)))
