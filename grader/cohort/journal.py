"""The journal of a batch: one SQLite file that says what was found, and which reports are written.

What was found is committed before any file is written, and the files are written from it: whenever the
process dies, the next start knows what is done, and writes what was not.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from grader.cohort.model import Entry, Row, Student
from grader.errors import MachineFault, UsageError
from grader.findings import Findings, findings_from_json

JOURNAL_NAME = "journal.sqlite"
REPORT_NAME = "report.json"
SCHEMA = "grader/journal/v1"
_WAIT_S = 30.0
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE findings (fingerprint TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE entries (
    label TEXT PRIMARY KEY, entry TEXT NOT NULL, fingerprint TEXT, rubric TEXT,
    status TEXT NOT NULL, reason TEXT, score TEXT, max_score TEXT, pending TEXT NOT NULL,
    flags INTEGER NOT NULL, graded_at TEXT, wall_time_s REAL, written TEXT
);
"""
_COLUMNS = (
    *("label", "entry", "fingerprint", "rubric", "status", "reason", "score", "max_score", "pending"),
    *("flags", "graded_at", "wall_time_s", "written"),
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row with what it was made from. `written` names the files that hold it; None: not written yet."""

    row: Row
    fingerprint: str | None = None
    rubric: str | None = None
    written: str | None = None


class Journal:
    """The journal in a folder, to be used by one thread; entering and leaving it opens and closes it.

    Every method that changes it returns when the change is on disk. Raise UsageError for a file that is no
    journal of this version, MachineFault where it cannot be read or written: what was recorded stays.
    """

    def __init__(self, folder: Path, *, assignment: str | None = None) -> None:
        self._path = folder / JOURNAL_NAME
        self._assignment = assignment
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        with self._told():
            if self._assignment is None:
                self._database = sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)
            else:
                self._database = sqlite3.connect(self._path, timeout=_WAIT_S)
                self._make()
            self._require_own()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        database, self._database = self._database, None
        if database is None:
            return
        if self._assignment is not None and kind is None:
            # A file by itself, which can be read where nothing can be written: an artifact, a medium.
            with contextlib.suppress(sqlite3.Error):  # somebody reads it now
                database.execute("PRAGMA journal_mode = DELETE")
        database.close()

    def recorded(self, label: str) -> Recorded | None:
        """Return what is recorded of an entry."""
        with self._told():
            found = self._open.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM entries WHERE label = ?",  # noqa: S608 -- our own names
                (label,),
            ).fetchone()
        return None if found is None else self._recorded(found)

    def all_recorded(self) -> Iterator[Recorded]:
        """Yield what is recorded of each entry, in the order of their labels."""
        with self._told():
            query = f"SELECT {', '.join(_COLUMNS)} FROM entries ORDER BY label"  # noqa: S608 -- as above
            for found in self._open.execute(query):
                yield self._recorded(found)

    def labels(self) -> list[str]:
        """Return the labels of all entries."""
        with self._told():
            return [label for (label,) in self._open.execute("SELECT label FROM entries ORDER BY label")]

    def findings(self, fingerprint: str) -> Findings | None:
        """Return what was found earlier under a fingerprint."""
        with self._told():
            found = self._open.execute(
                "SELECT body FROM findings WHERE fingerprint = ?", (fingerprint,)
            ).fetchone()
            return None if found is None else findings_from_json(zlib.decompress(found[0]))

    def record(self, recorded: Recorded, findings: str | None = None) -> None:
        """Put an entry's row, and what was found in it as JSON, on disk in one step."""
        if findings is not None and recorded.fingerprint is None:
            raise ValueError("findings are kept under a fingerprint")
        with self._changed() as database:
            if findings is not None:
                body = zlib.compress(findings.encode())
                database.execute(
                    "INSERT OR REPLACE INTO findings VALUES (?, ?)", (recorded.fingerprint, body)
                )
            marks = ", ".join("?" * len(_COLUMNS))
            database.execute(
                f"INSERT OR REPLACE INTO entries ({', '.join(_COLUMNS)}) VALUES ({marks})",  # noqa: S608
                _values(recorded),
            )

    def forget_unused(self) -> None:
        """Drop findings that no entry has any more."""
        with self._changed() as database:
            database.execute(
                "DELETE FROM findings WHERE fingerprint NOT IN"
                " (SELECT fingerprint FROM entries WHERE fingerprint IS NOT NULL)"
            )

    # -------------------------------------------------------------------------------- inside

    @property
    def assignment(self) -> str:
        """Of which homework it is."""
        with self._told():
            (value,) = self._open.execute("SELECT value FROM about WHERE name = 'assignment'").fetchone()
        return str(value)

    @property
    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            raise ValueError("the journal is not open")
        return self._database

    def _recorded(self, found: tuple[Any, ...]) -> Recorded:
        values = dict(zip(_COLUMNS, found, strict=True))
        entry = entry_from_record(json.loads(values["entry"]))
        report = self._path.with_name(entry.label) / REPORT_NAME
        row = Row(
            entry=entry,
            status=values["status"],
            reason=values["reason"],
            score=_decimal(values["score"]),
            max_score=_decimal(values["max_score"]),
            pending=Decimal(values["pending"]),
            report=report if values["written"] is not None else None,
            flags=values["flags"],
            graded_at=_moment(values["graded_at"]),
            wall_time_s=values["wall_time_s"],
        )
        return Recorded(row, values["fingerprint"], values["rubric"], values["written"])

    def _make(self) -> None:
        """Make the tables of a new file; those who come second find them made."""
        # Readers are not kept waiting, and what is committed survives whatever happens to this process.
        self._open.execute("PRAGMA journal_mode = WAL")
        self._open.execute("PRAGMA synchronous = FULL")
        with self._changed() as database:
            if self._is_new():
                for statement in filter(str.strip, _TABLES.split(";")):
                    database.execute(statement)
                about = (("schema", SCHEMA), ("assignment", self._assignment))
                database.executemany("INSERT INTO about VALUES (?, ?)", about)

    def _is_new(self) -> bool:
        (tables,) = self._open.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return not tables

    def _require_own(self) -> None:
        about = {} if self._is_new() else dict(self._open.execute("SELECT name, value FROM about"))
        if about.get("schema") != SCHEMA:
            raise UsageError(
                f"{self._path} is of another version: its schema is {str(about.get('schema'))[:60]!r}, this"
                f" version reads {SCHEMA!r}; choose another --out"
            )
        if self._assignment not in (None, about["assignment"]):
            raise UsageError(
                f"{self._path} is the journal of {about['assignment'][:60]!r}, not of {self._assignment!r};"
                " choose another --out"
            )

    @contextlib.contextmanager
    def _changed(self) -> Iterator[sqlite3.Connection]:
        with self._told():
            self._open.execute("BEGIN IMMEDIATE") if not self._open.in_transaction else None
            with self._open:
                yield self._open

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # a full disk, a lock, no rights
                raise MachineFault(f"the journal {self._path} cannot be used: {error}") from error
            raise UsageError(f"{self._path} is no journal of ours ({error}); move it away") from error


def entry_to_record(entry: Entry) -> dict[str, Any]:
    """Turn an entry into JSON values."""
    moments = {name: getattr(entry, name) for name in ("submitted_at", "due_at")}
    told = {name: None if moment is None else moment.isoformat() for name, moment in moments.items()}
    return {**asdict(replace(entry, submitted_at=None, due_at=None)), **told, "path": str(entry.path)}


def entry_from_record(record: dict[str, Any]) -> Entry:
    """Turn JSON values back into an entry."""
    return Entry(
        **{
            **record,
            "path": Path(record["path"]),
            "students": tuple(Student(**student) for student in record["students"]),
            "submitted_at": _moment(record["submitted_at"]),
            "due_at": _moment(record["due_at"]),
            "notes": tuple(record["notes"]),
        }
    )


def _values(recorded: Recorded) -> tuple[Any, ...]:
    row = recorded.row
    return (
        row.entry.label,
        json.dumps(entry_to_record(row.entry)),
        recorded.fingerprint,
        recorded.rubric,
        row.status,
        row.reason,
        None if row.score is None else str(row.score),
        None if row.max_score is None else str(row.max_score),
        str(row.pending),
        row.flags,
        None if row.graded_at is None else row.graded_at.isoformat(),
        row.wall_time_s,
        recorded.written,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
