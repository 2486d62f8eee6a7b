"""A CSV file is written back as it was: only cells that are set change."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grader.cohort.gradebooks.csv_cells import DELIMITERS, decoded, is_unclosed, read_table, value_of
from grader.errors import UsageError

# Such as make trouble, and any other.
TEXTS = st.text(st.sampled_from('ab,;\t"\r\n= \ufeff') | st.characters(exclude_categories=["Cs"]))
BOMS = [
    (b"\xef\xbb\xbf", "utf-8"),
    (b"", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
]


def rows_by_python(text, delimiter):
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


@given(TEXTS, st.sampled_from(DELIMITERS))
@example('a,"b""c', ",")
@example('"a"b"c,d\r\r\n\n', ",")
def test_any_text_is_written_back_as_it_was(text, delimiter):
    assert read_table(text, delimiter).encoded() == text.encode()


@given(TEXTS, st.sampled_from(DELIMITERS))
def test_cells_say_what_pythons_csv_reads_in_them(text, delimiter):
    table = read_table(text, delimiter)
    ours = [[value_of(raw) for raw in line.cells] for line in table.lines]
    assert [[] if line.is_blank else row for line, row in zip(table.lines, ours, strict=True)] == (
        rows_by_python(text, delimiter)
    )


@given(
    st.lists(st.lists(st.text(st.sampled_from('ab,;"\n\r ')), min_size=2, max_size=4), min_size=1),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(DELIMITERS),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.data(),
)
def test_a_cell_that_is_set_is_the_only_one_that_python_reads_otherwise(
    rows, quoting, delimiter, value, data
):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    table = read_table(text.getvalue(), delimiter)
    line = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, len(rows[line]) - 1))
    written = table.with_values({(line, column): value}).encoded().decode()
    rows[line][column] = value
    assert rows_by_python(written, delimiter) == rows


@pytest.mark.parametrize("bom, encoding", BOMS)
def test_byte_order_mark_and_encoding_are_kept(bom, encoding):
    data = bom + "Größe,Łódź,数\r\n1,2,3".encode(encoding)
    text, found, mark = decoded(data, "x.csv")
    assert text.startswith("Größe")
    assert read_table(text, ",", encoding=found, bom=mark).encoded() == data


@pytest.mark.parametrize("data", ["Größe;1,5\r\n".encode("cp1252"), bytes(range(0x80, 0x100))])
def test_bytes_that_are_not_utf_8_are_kept(data):
    text, found, mark = decoded(data, "x.csv")
    assert read_table(text, ";", encoding=found, bom=mark).encoded() == data


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04\x00", b"\x89PNG\r\n\x1a\n\x00", b"a,b\n\x00,1\n", b"\xff\xfea"]
)
def test_what_is_no_text_is_refused_in_one_sentence(data):
    with pytest.raises(UsageError, match=r"x\.csv is not a CSV file"):
        decoded(data, "x.csv")


def test_a_character_that_the_files_encoding_lacks_is_refused():
    table = read_table("a,b\n", ",", encoding="cp1252")
    with pytest.raises(UsageError, match="cp1252"):
        table.with_values({(0, 0): "数"}).encoded()


def test_quotes_stay_where_a_cell_had_them_and_come_where_it_needs_them():
    table = read_table('"","",\n,,\n', ",")
    changed = table.with_values({(0, 0): "1", (0, 2): "1,5", (1, 0): "2", (1, 1): 'say "a"'})
    assert changed.encoded() == b'"1","","1,5"\n2,"say ""a""",\n'


def test_a_quote_that_nothing_closes_is_told():
    assert is_unclosed('"a,b\n')
    assert not is_unclosed('"a"')
    assert not is_unclosed('a"')


def test_a_very_long_cell_takes_no_longer_than_its_length():
    text = '"' + '""' * 500_000 + "x\n" * 500_000
    assert read_table(text, ",").encoded() == text.encode()
