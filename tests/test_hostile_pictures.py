"""Pictures made to harm: each is refused in one line that names it, before memory or time is spent on it."""

import contextlib
import logging
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mmasc.errors import MmascError
from mmasc.ivf.pictures import read_photograph
from mmasc.storage.pictures import as_shown, opened_picture
from tests.helpers.hostile import refused


def png(width: int, height: int) -> bytes:
    """A picture that declares its size and holds nothing but one packed run of zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(5_000_000)))


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (9_000, 9_000), (0, 5)])
def test_pictures_that_unfold(tmp_path, size):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size))
    refused(lambda path: read_photograph(path, 32), path)


def test_pictures_that_are_programs_or_lie(tmp_path):
    """Encapsulated PostScript is not run; a TIFF whose tags point behind its end is one line and no warnings."""
    program, damaged = tmp_path / "program.png", tmp_path / "damaged.tiff"
    program.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch ran) (w) file\nshowpage\n")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(damaged)
    content = bytearray(damaged.read_bytes())
    content[-8:] = b"\xff" * 8
    for cut in (len(content), len(content) // 2, 20):
        damaged.write_bytes(content[:cut])
        with contextlib.suppress(MmascError):
            read_photograph(damaged, 8)
    for call in (lambda path: read_photograph(path, 8), lambda path: opened_picture(path).__enter__()):
        refused(call, program)


def test_what_pillow_logs_of_a_damaged_picture_goes_nowhere(tmp_path, monkeypatch, capsys):
    path = tmp_path / "many.tiff"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    content = path.read_bytes()
    # Samples of a pixel, a short: 67 instead of 3
    place = content.index(struct.pack("<HHI", 277, 3, 1)) + 8
    path.write_bytes(content[:place] + struct.pack("<H", 67) + content[place + 2 :])
    # As in a process in which nobody keeps logs
    monkeypatch.setattr(logging.root, "handlers", [])
    refused(lambda path: read_photograph(path, 8), path)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("turned", range(1, 9))
def test_pictures_are_seen_as_they_are_shown(tmp_path, turned):
    """Exif says how a telephone was held; the picture that it means is turned back to what was stored."""
    shown = Image.fromarray(np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3) * 3)
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition of Pillow that undoes it
    stored = shown if turned == 1 else shown.transpose(Image.Transpose(back[turned]))
    exif = Image.Exif()
    exif[0x0112] = turned
    stored.save(tmp_path / "x.png", exif=exif)
    with opened_picture(tmp_path / "x.png") as image:
        np.testing.assert_array_equal(np.asarray(as_shown(image)), np.asarray(shown))


def test_pictures_of_any_depth_keep_their_brightness(tmp_path):
    grey = np.linspace(0, 1, 32).reshape(4, 8)
    Image.fromarray(np.rint(grey * 65_535).astype(np.uint16)).save(tmp_path / "16.png")
    Image.fromarray(np.rint(grey * 255).astype(np.uint8)).save(tmp_path / "8.png")
    Image.fromarray(grey.astype(np.float32)).save(tmp_path / "float.tiff")
    Image.fromarray((grey * 300).astype(np.float32)).save(tmp_path / "large.tiff")
    for name in ("16.png", "8.png", "float.tiff", "large.tiff"):
        with opened_picture(tmp_path / name) as image:
            seen = np.asarray(as_shown(image))
        assert seen.shape == (4, 8, 3)
        assert np.abs(seen / 255 - grey[..., None]).max() < 1 / 255


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path, kind):
    clear = Image.new("RGBA", (4, 2), (0, 0, 0, 255))
    clear.putpixel((1, 1), (0, 0, 0, 0))
    clear.convert(kind).save(tmp_path / "x.png")
    with opened_picture(tmp_path / "x.png") as image:
        seen = np.asarray(as_shown(image))
    assert seen[1, 1].tolist() == [255, 255, 255]
    assert seen.sum() == 3 * 255
