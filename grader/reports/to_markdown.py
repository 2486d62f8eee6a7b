"""Report to GitHub Flavored Markdown: for a mail, an issue, a comment or the body of a release.

Source: the GFM specification. The student's view is the default, since such texts are sent to students.
"""

from __future__ import annotations

from grader.reports import gfm
from grader.reports.rows import rows_of
from grader.reports.schema import Report


def render(report: Report) -> str:
    """Return the report as Markdown; what a student wrote stands in code spans and fences, or is escaped."""
    rows = rows_of(report)
    parts = (
        gfm.heading(report),
        gfm.table(rows),
        gfm.details(rows),
        gfm.instructors_part(report),
        gfm.footer(report),
    )
    return "\n".join(part for part in parts if part)
