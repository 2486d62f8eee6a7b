"""The page of a class holds its facts; names and messages in it are text, and links go to reports."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from grader.cli import run
from grader.cohort.failures.clusters import cluster_id, failures
from grader.cohort.failures.comments import comment
from grader.cohort.model import Entry, Row, Student
from grader.cohort.page import writing as class_report
from grader.cohort.page.facts import gather
from grader.cohort.page.writing import render, with_reports, write_class_report
from grader.cohort.rows import read_rows
from grader.errors import MachineFault
from tests.unit.cohort.samples import TANH, failed, report_of, row_named, without_report, write_class
from tests.unit.reports.pages import Page
from tests.unit.reports.samples import HOSTILE, hostile_report

WRONG = {TANH: failed("it is 3.5 times too large", "the mean is taken twice")}
NAMES = (*HOSTILE, "javascript:alert(1)", "../../etc", "a\nb", "ü" * 300, "//example.org/x", "con:aux?#%2e")


@pytest.fixture
def folder(tmp_path):
    reports = [report_of("ada", WRONG), report_of("bob", WRONG), report_of("eve")]
    return write_class(tmp_path / "class", reports, ("json", "html"))


def links_in(page: str) -> list[str]:
    return Page(page).attributes("href")


def text_of(page: str) -> str:
    return " ".join(Page(page).text.split())


def test_the_page_tells_scores_clusters_marks_and_the_command_for_a_comment(folder):
    text = text_of(write_class_report(folder).read_text(encoding="utf-8"))
    key = cluster_id(next(failures(report_of("x", WRONG))))
    for words in (
        "3 submissions",
        "it is 3.5 times too large. Likely cause: the mean is taken twice ada bob",
        f'grader comment {folder} {key} "TEXT" --by NAME',
        "q1.3.answer3 submissions",
        "3 points each",
        "1 passed, 2 failed",
    ):
        assert words in text


def test_a_comment_stands_in_the_page_and_so_does_one_for_nobody(folder):
    key = cluster_id(next(failures(report_of("x", WRONG))))
    comment(folder, key, "Slide 12", by="Ada")
    assert "Comment by Ada: Slide 12" in text_of(write_class_report(folder).read_text(encoding="utf-8"))
    write_class(folder, [report_of("ada"), report_of("bob")])
    assert f"nobody has the failure {key}" in text_of(write_class_report(folder).read_text(encoding="utf-8"))


def test_links_go_to_each_report_from_wherever_the_page_is(folder, tmp_path):
    for out in (folder / "class.html", tmp_path / "elsewhere.html"):
        links = links_in(write_class_report(folder, out).read_text(encoding="utf-8"))
        outside = {link for link in links if not link.startswith("#")}
        assert len(outside) == 6
        assert all((out.parent / unquote(link)).is_file() for link in outside)


def require_harmless(page: str) -> None:
    """Nothing of a page runs, or loads anything."""
    elements = Page(page).elements
    assert not {tag for tag, _ in elements} & {"script", "img", "iframe", "link", "base", "form", "object"}
    assert not {key for _, found in elements for key in found if key.startswith("on") or key == "src"}


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_name_is_the_page_is_whole_and_its_links_are_relative(tmp_path, name):
    label = "-" + re.sub(r"[/\0\n]", "_", name.encode("utf-8", "replace").decode())[:80]
    path = tmp_path / label / "report.json"
    path.parent.mkdir()
    path.write_text("{}", encoding="utf-8")
    entry = Entry(label=label, path=path.parent, students=(Student(key=name, name=name),))
    row = Row(entry=entry, status="graded", report=path)
    odd = Row(entry=Entry(label=name, path=Path(name)), status="odd", reason=name)
    facts = gather([(row, hostile_report(HOSTILE[0])), (odd, None)])
    page = render(facts, {}, folder=Path(name), beside=tmp_path)
    for link in links_in(page):
        assert not urlsplit(link).scheme
        assert not urlsplit(link).netloc
        assert link.startswith(("#", "./"))
    require_harmless(page)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_reports_are_text_in_the_page(text):
    report = hostile_report(text)
    row = Row(entry=Entry(label=text, path=Path(text)), status="graded")
    page = render(gather([(row, report)]), {}, folder=Path("class"), beside=Path())
    require_harmless(page)
    assert "\u202e" not in page
    assert "##[" not in page


def test_the_page_has_a_policy_that_loads_and_runs_nothing(folder):
    page = write_class_report(folder).read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!#|\./)", page)


def test_long_lists_are_cut_and_the_rest_is_counted(monkeypatch):
    monkeypatch.setattr(class_report, "MOST_SUBMISSIONS", 5)
    pairs = [(row_named(f"s{at}", report := report_of(f"s{at}", WRONG)), report) for at in range(45)]
    text = text_of(render(gather(pairs), {}, folder=Path("class"), beside=Path()))
    assert "and 15 more" in text
    assert "40 more submissions are not shown" in text


def test_without_names_there_are_numbers_and_no_links(folder):
    page = write_class_report(folder, anonymous=True).read_text(encoding="utf-8")
    text = text_of(page)
    assert not re.search(r"\b(ada|bob|eve)\b", text.replace(str(folder), ""))
    assert {"submission 1", "submission 2", "submission 3"} <= set(re.findall(r"submission \d", text))
    assert all(link.startswith("#") for link in links_in(page))


def test_a_class_in_which_nothing_could_be_graded_has_a_page():
    rows = [(without_report("a", "rejected", "the zip is damaged"), None)]
    text = text_of(render(gather(rows), {}, folder=Path("class"), beside=Path()))
    assert "No submission has a score." in text
    assert "the zip is damaged" in text


def test_scores_out_of_different_maxima_are_told():
    one, other = report_of("a"), report_of("b").model_copy(update={"max_score": Decimal(7)})
    pairs = [(row_named(each.submission.name, each), each) for each in (one, other)]
    page = render(gather(pairs), {}, folder=Path("class"), beside=Path())
    assert "not all graded out of the same number of points" in page


def test_a_report_that_was_damaged_since_is_an_odd_row(folder):
    rows = list(read_rows(folder))
    (folder / "bob/report.json").write_text("{", encoding="utf-8")
    found = list(with_reports(rows))
    assert [(row.status, report is None) for row, report in found] == [
        ("graded", False),
        ("odd", True),
        ("graded", False),
    ]


def test_a_report_without_a_time_is_an_odd_row_and_not_the_end_of_the_page(folder):
    path = folder / "bob/report.json"
    path.write_text(path.read_text(encoding="utf-8").replace("2026-01-01T", "no time "), encoding="utf-8")
    text = text_of(write_class_report(folder).read_text(encoding="utf-8"))
    assert "timing.started_at is no time" in text


def test_a_page_that_cannot_be_written_is_told(folder, tmp_path):
    with pytest.raises(MachineFault, match="cannot be written"):
        write_class_report(folder, tmp_path / "nowhere" / "class.html")


def test_the_command_prints_where_the_page_is_and_refuses_an_empty_folder(folder, tmp_path, capsys):
    assert run(["class-report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'class.html'}\n"
    assert run(["class-report", str(tmp_path), "--out", str(tmp_path / "x.html")]) == 2
    assert not (tmp_path / "x.html").exists()


def test_the_same_class_gives_the_same_page(folder):
    first = write_class_report(folder).read_bytes()
    assert write_class_report(folder).read_bytes() == first
