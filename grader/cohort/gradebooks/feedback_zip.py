"""Feedback for each student, as a zip that Moodle takes back ("Upload multiple feedback files in a zip").

Source: mod/assign/feedback/file/importziplib.php of Moodle: a folder is NAME_NUMBER_PLUGINTYPE_PLUGIN_, split
at underscores, and the number is the participant's; a name has no underscore therefore.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from grader.cohort.gradebooks.comments import sentences_of
from grader.cohort.gradebooks.records import Entered
from grader.cohort.gradebooks.writing import large_file
from grader.plain_text import one_line
from grader.reports import rendered
from grader.reports.to_json import read_report_file
from grader.stable_zip import stable_row

FILE_NAMES = {"html": "student.html", "markdown": "student.md"}
_SUFFIX = "assignsubmission_file_"
_NOT_IN_NAMES = re.compile(r"""[/\\_&<>"`|:'*?]+""")
_LONGEST_NAME_BYTES = 100


def write_feedback(path: Path, entered: Sequence[Entered], formats: Sequence[str]) -> None:
    """Write what each student may read of their own report, one at a time.

    A student without a number of the place is left out. The same grades give the same bytes.
    """
    numbered = sorted((each for each in entered if each.lms_id), key=folder_of)
    with large_file(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for each in numbered:
            for name, text in _files(each, formats):
                archive.writestr(stable_row(f"{folder_of(each)}/{name}"), text.encode(), compresslevel=9)


def folder_of(entered: Entered) -> str:
    """Return the folder of a student, as Moodle names it."""
    name = " ".join(_NOT_IN_NAMES.sub(" ", one_line(entered.name)).split())
    cut = name.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore").strip(" .~-")
    return f"{cut or 'Participant'}_{entered.lms_id}_{_SUFFIX}"


def _files(entered: Entered, formats: Iterable[str]) -> Iterator[tuple[str, str]]:
    report = read_report_file(entered.report)
    for name in formats:
        yield FILE_NAMES[name], rendered(report, name, "student")
    if entered.final != entered.raw:  # which the report itself does not know
        yield "lateness.txt", "; ".join(sentences_of(entered)) + "\n"
