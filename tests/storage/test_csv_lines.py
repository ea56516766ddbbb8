"""Lines of CSV: read back by any reader, whatever stands in the values."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmasc.cli.output import print_rows, rows_text
from mmasc.collection.clips import Clip, _write_clips
from mmasc.label_files.rows import LabelRow
from mmasc.label_files.tabular import csv_text
from mmasc.storage.csv_lines import csv_writer
from mmasc.storage.tables import read_table

BREAKS = ["cr\r", "a\rb", "a\nb", "a\r\nb", "\r", "a,b", 'a"b', "tab\tb"]


@given(st.lists(st.lists(st.text(), min_size=2, max_size=3), min_size=1))
def test_rows_come_back(rows):
    text = io.StringIO(newline="")
    csv_writer(text).writerows(rows)
    written = text.getvalue()
    assert list(csv.reader(io.StringIO(written, newline=""))) == rows
    assert written.endswith("\n")
    assert not written.endswith("\r\n")


@pytest.mark.parametrize("value", BREAKS)
def test_what_commands_write_has_one_record_for_each_row(value, capsys, tmp_path):
    row = {"path": value, "label": "frog"}
    print_rows([row], "csv")
    moment = csv_text([LabelRow(value, 0.0, 1.0, value, note=value)])
    for text in (capsys.readouterr().out, rows_text([row], "csv"), moment):
        header, *records = csv.reader(io.StringIO(text, newline=""))
        assert [len(one) for one in records] == [len(header)]
        assert records[0][header.index("path")] == value
    _write_clips(tmp_path, {"c.wav": Clip(value, 0.0, 1.0, 0.0, 1.0, value, None, "c.wav")})
    (found,) = read_table(tmp_path / "clips.csv").rows
    assert (found["label"], found["score"], found["clip"]) == (value.strip(), "", "c.wav")
