"""Report to `student.json`: the same shape as `report.json`, with what its student may read."""

from __future__ import annotations

from grader.reports import to_json
from grader.reports.schema import Report
from grader.reports.student_view import student_view


def render(report: Report) -> str:
    """Return the student's view of the report as JSON."""
    return to_json.render(student_view(report))
