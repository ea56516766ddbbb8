"""Tables of people: every separator and encoding reads alike, faults are named by line, values have one type."""

import csv
import io

import pytest

from mmasc.datasets import read_dataset
from mmasc.errors import MmascError
from mmasc.ivf.sources import read_sources
from mmasc.storage.tables import first_values, read_leniently, read_table
from mmasc.storage.values import MISSING, is_missing
from mmasc.training.alignment import mel_cache as sounds

VALUES = [["a.wav", "rain, heavy", 'the "big" one'], ["b/c.wav", "", "two\nlines"], ["d.wav", "x;y\tz", "é"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_separator_encoding_and_line_end_reads_alike(tmp_path, delimiter, encoding, end):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["path", "what, and; where\tto", "note"], *VALUES])
    (tmp_path / "t.csv").write_bytes(text.getvalue().encode(encoding))
    table = read_table(tmp_path / "t.csv")
    assert table.columns == ("path", "what, and; where\tto", "note")
    assert [list(row.values()) for row in table.rows] == VALUES
    assert [row.line for row in table.rows] == [2, 3, 5]
    assert table.delimiter == delimiter


def test_a_line_may_say_the_separator_and_empty_lines_count(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\npath;a,b,c\n\nx.wav;1\n;;\ny.wav;2;\n")
    table = read_table(tmp_path / "t.csv")
    assert table.columns == ("path", "a,b,c")
    assert [(row.line, dict(row)) for row in table.rows] == [
        (4, {"path": "x.wav", "a,b,c": "1"}),
        (6, {"path": "y.wav", "a,b,c": "2"}),
    ]


def test_a_column_without_a_name_is_left_out(tmp_path):
    (tmp_path / "t.csv").write_text('"","path"\n"1","a.wav"\n"2","b.wav"\n')
    assert [dict(row) for row in read_table(tmp_path / "t.csv").rows] == [{"path": "a.wav"}, {"path": "b.wav"}]


FAULTS = [
    (b"", "empty; the first line must name the columns"),
    (b"\n\n", "empty"),
    (b"path,label\n", "has no rows, only the columns path, label"),
    (b"path,label\na.wav\n", "line 2 has fewer values than columns .1, not 2."),
    (b'path,label\n"a\nb",x\na.wav,x,y\n', "line 4 has more values than columns .3, not 2."),
    (b"path,label,label\na.wav,x,y\n", "column 'label' occurs twice"),
    (b'path,label\na.wav,x\n"b.wav,x\n', "line 3 cannot be read as CSV .a quote is opened and never closed"),
    (b'path,label\n"a"b,x\n', "line 2 cannot be read as CSV"),
    (b"path,label\na.wav,\0\n", "line 2 holds zero bytes"),
    ("path,label\na.wav,x\n".encode("utf-16"), "text in UTF-16; save it as UTF-8"),
    ("path,label\na.wav,é\n".encode("latin-1"), "not UTF-8 .byte 0xe9 in line 2; perhaps Latin-1.; save it"),
]


@pytest.mark.parametrize(("content", "message"), FAULTS)
def test_a_fault_is_one_line_with_the_file_and_the_place_in_every_reader(tmp_path, content, message):
    table = tmp_path / "t.csv"
    table.write_bytes(content)
    for read in (
        read_table,
        lambda path: read_dataset("csv", path),
        lambda path: sounds.read_table(path, "path", "label"),
        read_sources,
    ):
        with pytest.raises(MmascError, match=message) as caught:
            read(table)
        assert str(table) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_a_table_that_cannot_be_opened_is_named(tmp_path, name):
    with pytest.raises(MmascError, match="cannot be read"):
        read_table(tmp_path / name)


@pytest.mark.parametrize("word", sorted(MISSING))
def test_missing_values_are_missing_everywhere_and_said(tmp_path, word):
    (tmp_path / "t.csv").write_text(f"path,label,count\na.wav,{word},1\nb.wav,none,{word}\n")
    table = read_table(tmp_path / "t.csv")
    assert [dict(row) for row in table.rows] == [
        {"path": "a.wav", "label": "", "count": "1"},
        {"path": "b.wav", "label": "none", "count": ""},
    ]
    assert table.remarks == [f"2 values of {tmp_path / 't.csv'} were read as missing ({word} 2×)"]
    assert is_missing(word)
    assert not is_missing("none")
    with pytest.raises(MmascError, match="line 2: label is empty or missing"):
        table.need("label")


def test_a_table_without_a_header_has_names_for_as_many_values_as_it_has(tmp_path):
    (tmp_path / "t.csv").write_text('# 1 segment\n# ID, more\nabc, 1.0, "/m/1,/m/2"\n')
    (row,) = read_table(tmp_path / "t.csv", ["clip", "start", "labels", "more"]).rows
    assert dict(row) == {"clip": "abc", "start": "1.0", "labels": "/m/1,/m/2"}
    assert row.line == 3
    assert first_values(tmp_path / "t.csv") == ["abc", "1.0", "/m/1,/m/2"]


def table_of(tmp_path, text, **how):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_leniently(path, **how)


def test_bad_lines_are_passed_over_and_named(tmp_path):
    text = 'a;b\n1;2\n3\n4;5;6\n7;8;;\n\n"9"x;9\n10;11\n12;"13\n'
    table, faults = table_of(tmp_path, text)
    assert [(row.line, dict(row)) for row in table.rows] == [
        (2, {"a": "1", "b": "2"}),
        (5, {"a": "7", "b": "8"}),
        (8, {"a": "10", "b": "11"}),
    ]
    assert table.delimiter == ";"
    assert [line for line, _ in faults] == [3, 4, 7, 9]
    assert faults[0][1] == "fewer values than columns (1, not 2)"
    assert faults[1][1] == "more values than columns (3, not 2)"
    assert faults[2][1].startswith("cannot be read as CSV (")
    assert faults[3][1] == "cannot be read as CSV (a quote is opened and never closed)"


def test_quotes_and_delimiters_may_be_said(tmp_path):
    table, faults = table_of(tmp_path, 'a\tb,c\n"x\t1\n', delimiter="\t", quotes=False)
    assert (table.columns, faults) == (("a", "b,c"), [])
    assert [dict(row) for row in table.rows] == [{"a": '"x', "b,c": "1"}]
    assert table.delimiter == "\t"
    empty, _ = table_of(tmp_path, "a,b\n")
    assert (empty.columns, empty.rows, empty.remarks) == (("a", "b"), [], [])
    with pytest.raises(MmascError, match="empty; the first line must name the columns"):
        table_of(tmp_path, "\n \n")
    with pytest.raises(MmascError, match="column 'a' occurs twice"):
        table_of(tmp_path, "a,a\n")


@pytest.mark.parametrize(
    ("first", "delimiter"),
    [
        ("a", ","), ("a,b;c", ","), ("a;b;c,d", ";"), ("a\tb\tc;d", "\t"), ("a,b,c;d;e", ","), ('"a;b;c",d', ","),
        ('"a""b;c;d",e', ","), ("sep=;", ";"), (" sep=\t ", "\t"), ("sep=|", ","),
    ],
)  # fmt: skip
def test_the_first_line_says_what_separates(tmp_path, first, delimiter):
    lines = [first, f"x{delimiter}y"] if first.strip(" ").startswith("sep=") else [first]
    table, _ = table_of(tmp_path, "\n".join(["", *lines] if first[0] != "s" and first[0] != " " else lines) + "\n")
    assert table.delimiter == delimiter


def test_encodings_of_other_programs(tmp_path):
    for text in ("a,b\né,2\n".encode("utf-16"), "a,b\né,2\n".encode("utf-8-sig")):
        table, faults = table_of(tmp_path, text)
        assert ([dict(row) for row in table.rows], faults) == ([{"a": "é", "b": "2"}], [])
    table, _ = table_of(tmp_path, b"a,b\n\xe9,2\nx,3\n")
    assert [dict(row) for row in table.rows] == [{"a": "\udce9", "b": "2"}, {"a": "x", "b": "3"}]
    with pytest.raises(MmascError, match="line 3 holds zero bytes"):
        table_of(tmp_path, b"a,b\n1,2\n\0,3\n")


def test_what_was_read_as_missing_is_counted_the_commonest_first(tmp_path):
    table, _ = table_of(tmp_path, "a,b,\nNA,null,NA\nNA,1,\n")
    assert table.remarks == [f"3 values of {tmp_path / 't.csv'} were read as missing (NA 2×, null 1×)"]
    table.need()
    with pytest.raises(MmascError, match="line 2: a is empty or missing; fill it in"):
        table.need("a", "b")
    with pytest.raises(MmascError, match="has no column 'c'; its columns are a, b"):
        table.need("c")


def test_first_values_of_a_table(tmp_path):
    for text, values in (("", []), ("# a\n\n b , c\n", ["b", "c"]), ("a;b\n1;2\n", ["a", "b"])):
        (tmp_path / "t.csv").write_text(text)
        assert first_values(tmp_path / "t.csv") == values
