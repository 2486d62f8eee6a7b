"""Gradescope's "Download Submissions": a folder for each submission, and a file that says whose it is.

No specification is public. Names and fields are those that public readers of such exports use: a folder
assignment_<id>_export with submission_<id> each, and submission_metadata.yml, which Ruby wrote, with
`:submitters:` (`:name:`, `:sid:`, `:email:`, several for a group), `:created_at:`, `:score:`, `:results:`,
`:history:`. Of assignments that are handed in as a PDF, the records are called after the files. Gradescope
unpacks what students upload, and exports the attempt that counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grader.cohort.handed_in.layouts.choosing import Choice, chosen_as, with_note
from grader.cohort.handed_in.layouts.layout import Handed, Layout, Listing, Reading, entry_of, student
from grader.cohort.handed_in.layouts.ruby_yaml import Value, read_records
from grader.cohort.model import Entry, Student

METADATA = "submission_metadata.yml"
_FOLDER = re.compile(r"submission_[0-9]{1,20}")
_MOST_OF_A_GROUP = 100
# As Ruby writes a time ("2026-09-20 18:20:54.123456000 Z"), and as ISO 8601 does.
_TIME = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})[ T](?P<time>\d{2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,6})\d*)?"
    r"\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})",
    re.ASCII,
)


def recognises(listing: Listing) -> bool:
    """Tell whether the file is there that says whose the submissions are."""
    return any(each.name == METADATA for each in listing.things)


def read(listing: Listing) -> Reading:
    """Make an entry of each record, and of each folder that no record names."""
    records = read_records(listing.folder / METADATA, {"submitters", "created_at"})
    reading = Reading()
    for each in listing.things:
        if each.name == METADATA:
            continue
        record = records.get(each.name)
        if record is not None:
            reading.handed.append(Handed(_entry(chosen_as(each), each.name, record)))
        elif _FOLDER.fullmatch(each.name):
            note = f"{METADATA} does not say whose it is"
            reading.handed.append(Handed(entry_of(with_note(chosen_as(each), note), each.name, [])))
        else:
            reading.rest.append(each)
    for name in sorted(set(records) - {each.name for each in listing.things}):
        reading.handed.append(Handed(_missing(listing.folder, name, records[name])))
    return reading


def _missing(folder: Path, name: str, record: Mapping[str, Value]) -> Entry:
    choice = Choice(folder, f"{METADATA} names it, but it is not in the folder; download the export again")
    entry = _entry(choice, name, record)
    # Not the name itself: it is a stranger's, and could lead anywhere.
    return replace(entry, path=folder / entry.label)


def _entry(choice: Choice, name: str, record: Mapping[str, Value]) -> Entry:
    entry = entry_of(choice, name, _students(record.get("submitters")))
    notes = entry.notes if entry.students else (*entry.notes, f"{METADATA} names nobody for it")
    return replace(entry, notes=notes, submitted_at=time_of(record.get("created_at")))


def _students(submitters: Value) -> list[Student | None]:
    if not isinstance(submitters, list):
        return []
    told = [each for each in submitters[:_MOST_OF_A_GROUP] if isinstance(each, dict)]
    students = [
        student(name=_text(each, "name"), email=_text(each, "email"), sid=_text(each, "sid")) for each in told
    ]
    return list({each.key: each for each in students if each is not None}.values())


def _text(record: Mapping[str, Value], key: str) -> str | None:
    value = record.get(key)
    return value if isinstance(value, str) else None


def time_of(value: Value) -> datetime | None:
    """Return the moment that Ruby wrote, as a time or as Rails' object of one; None where it is none."""
    if isinstance(value, dict):
        value = value.get("utc")
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    zone = "+00:00" if found["zone"] in {"Z", "UTC"} else found["zone"]
    try:
        whole = datetime.fromisoformat(f"{found['day']}T{found['time']}{zone}")
        return (whole + timedelta(microseconds=int((found["fraction"] or "0").ljust(6, "0")))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


LAYOUT = Layout(
    name="gradescope",
    title="Gradescope's export",
    holds=f"`{METADATA}` and a folder `submission_<id>` each; groups have several submitters",
    recognises=recognises,
    read=read,
)
