"""Sealed files: whole they come back, damaged in any way they are not there, and one byte anywhere is damage."""

import pytest

from mmasc.storage.sealed import SEAL_BYTES, read_sealed, sealed_fault, write_sealed


@pytest.mark.parametrize("content", [b"", b"x", b"abc" * 700_000])
def test_what_is_sealed_comes_back(tmp_path, content):
    path = tmp_path / "new" / "file"
    write_sealed(path, content)
    assert read_sealed(path) == content
    assert sealed_fault(path) == ""
    assert path.read_bytes()[:-SEAL_BYTES] == content  # readers of the content alone need not know of the seal


def test_every_flipped_bit_and_every_cut_is_seen(tmp_path):
    path = tmp_path / "file"
    write_sealed(path, b"content")
    whole = path.read_bytes()
    damaged = [whole[:end] for end in range(len(whole))]
    damaged += [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
    damaged += [whole + b"\0", b"\0" + whole]
    for content in damaged:
        path.write_bytes(content)
        assert read_sealed(path) is None
        assert sealed_fault(path) == ("too short" if len(content) < SEAL_BYTES else "its checksum is another")


def test_what_is_not_there_or_no_file(tmp_path):
    assert read_sealed(tmp_path / "none") is None
    assert sealed_fault(tmp_path / "none") is None
    assert read_sealed(tmp_path) is None
    assert sealed_fault(tmp_path)
