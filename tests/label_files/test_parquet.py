import io
from dataclasses import asdict, replace

import pyarrow.parquet as pq

from mmasc.label_files.parquet import parquet_bytes
from mmasc.label_files.rows import LabelRow

ROW = LabelRow("pond/a.wav", 1.5, 2.25, "fr\u00f6g", 0.5)


def test_every_field_comes_back():
    rows = [ROW, replace(ROW, label="a,b\n", score=None, verdict="absent")]
    found = pq.read_table(io.BytesIO(parquet_bytes(rows))).to_pylist()
    assert found == [asdict(row) for row in rows]
    assert pq.read_table(io.BytesIO(parquet_bytes([]))).column_names == list(asdict(ROW))


def test_names_that_are_not_utf_8_are_written_readably():
    found = pq.read_table(io.BytesIO(parquet_bytes([replace(ROW, path="a\udcff.wav")]))).to_pylist()
    assert found[0]["path"] == "a\ufffd.wav"
