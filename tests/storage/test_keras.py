"""Keras files as data: arrays come back as they were written; links, odd types and damage are refused in a line."""

import numpy as np
import pytest

from mmasc.errors import MmascError
from mmasc.storage.keras import read_keras

h5py = pytest.importorskip("h5py")


def test_arrays_come_back_under_their_full_names(tmp_path):
    arrays = {
        "a/kernel:0": np.arange(6.0).reshape(2, 3).astype(np.float32),
        "a/b/bias:0": np.arange(3, dtype=np.int64),
        "top": np.float64([1.5]),
    }
    with h5py.File(tmp_path / "some.h5", "w") as file:
        for name, one in arrays.items():
            file[name] = one
        file.create_group("empty")
    found = read_keras(tmp_path / "some.h5")
    assert set(found) == set(arrays)
    for name, one in arrays.items():
        np.testing.assert_array_equal(found[name], one)
    assert found["top"].dtype == np.float32


def write_link(file, path):
    file["away"] = h5py.ExternalLink(str(path.parent / "other.h5"), "/secret")


def write_soft_link(file, path):
    file["away"] = h5py.SoftLink("/nowhere")


def write_circle(file, path):
    group = file.create_group("again")
    group["again"] = group


def write_external(file, path):
    (path.parent / "raw").write_bytes(b"12345678")
    file.create_dataset("raw", (8,), "u1", external=[(str(path.parent / "raw"), 0, 8)])


def write_virtual(file, path):
    with h5py.File(path.parent / "other.h5", "w") as other:
        other["secret"] = np.arange(4)
    layout = h5py.VirtualLayout((4,), "i8")
    layout[:] = h5py.VirtualSource(str(path.parent / "other.h5"), "secret", (4,))
    file.create_virtual_dataset("seen", layout)


def write_text(file, path):
    file["text"] = "no number"


def write_huge(file, path):
    file.create_dataset("huge", (1 << 40,), "f4", chunks=(1024,))


@pytest.mark.parametrize(
    "write", [write_link, write_soft_link, write_circle, write_external, write_virtual, write_text, write_huge]
)
def test_what_is_no_plain_array_is_refused(tmp_path, write):
    path = tmp_path / "bad.h5"
    with h5py.File(path, "w") as file:
        write(file, path)
    with pytest.raises(MmascError, match=r"bad\.h5 cannot be read as a Keras file"):
        read_keras(path)


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(40)])
def test_damage_is_one_line(tmp_path, content):
    (tmp_path / "bad.h5").write_bytes(content)
    with pytest.raises(MmascError, match=r"bad\.h5 cannot be read"):
        read_keras(tmp_path / "bad.h5")
