"""Names and lists of files as disks and other programs leave them."""

import os

import pytest
import soundfile

from mmasc.audio import find_audio, open_audio
from mmasc.errors import MmascError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lists_of_any_editor(tmp_path, encoding, newline):
    names = [tmp_path / "a.wav", tmp_path / "żółw 音.wav"]
    for name in names:
        name.touch()
    text = newline.join(["", *map(str, names), " "])
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    (tmp_path / "list.txt").write_bytes(mark + text.encode(encoding))
    assert find_audio(f"@{tmp_path}/list.txt") == names


def test_a_bad_line_is_named(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "list.txt").write_text(f"{tmp_path}/a.wav\n\n{tmp_path}/b.wav\n")
    with pytest.raises(MmascError, match=r"^line 3 of .*list\.txt: .*b\.wav: no such file or folder; check the name$"):
        find_audio(f"@{tmp_path}/list.txt")


@pytest.mark.parametrize("content", [b"\0\1\2", b"RIFF\0\0\0\0WAVE", b"\xff\xfe\x00\xd8"])
def test_what_is_no_list_is_said(tmp_path, content):
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(MmascError, match=r"x\.wav: (is not a list of files|the list of files is damaged)") as caught:
        find_audio(f"@{tmp_path}/x.wav")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_only_files_are_found(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "folder.wav" / "in.wav").touch()
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    (tmp_path / "._a.wav").touch()
    assert find_audio(tmp_path) == [tmp_path / "folder.wav" / "in.wav"]
    with pytest.raises(MmascError, match="is not an ordinary file"):
        open_audio(tmp_path / "zero.wav")


def test_a_name_that_no_disk_takes_is_no_such_file(tmp_path):
    with pytest.raises(MmascError, match="no such file or folder"):
        find_audio(tmp_path / ("x" * 300 + ".wav"))


def test_what_macos_leaves_beside_a_sound_is_said(tmp_path):
    path = tmp_path / "._a.wav"
    path.write_bytes(b"\0\x05\x16\x07\0\2\0\0Mac OS X        " + bytes(4_000))
    with pytest.raises(MmascError, match="holds notes of macOS, not sound"):
        open_audio(path)


def test_names_of_sounds_may_be_anything(tmp_path):
    path = tmp_path / "a\x1b[31m\nb.wav"
    soundfile.write(str(path), [0.1] * 800, 8_000, format="WAV")
    assert find_audio(tmp_path) == [path]
    path.write_bytes(b"no sound")
    with pytest.raises(MmascError) as caught:
        open_audio(path)
    assert str(caught.value).isprintable()
