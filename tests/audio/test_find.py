"""Files and folders are found once, in order, by name, pattern and list."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmasc.audio import find_audio, load_audio
from mmasc.errors import MmascError
from tests.helpers.recordings import RATE, sound
from tests.helpers.users import BOB, As, root_only


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_are_searched_in_order_without_hidden_files(tmp_path):
    touch(
        *(tmp_path / name for name in ["b.WAV", "a.flac", "a b/c.mp3", "a/z.ogg", "notes.txt", ".x.wav", ".git/y.wav"])
    )
    found = [path.relative_to(tmp_path).as_posix() for path in find_audio(tmp_path)]
    assert found == ["a/z.ogg", "a b/c.mp3", "a.flac", "b.WAV"]


def test_a_named_file_is_taken_whatever_it_is_called(tmp_path):
    touch(tmp_path / "sound.dat", tmp_path / ".hidden")
    assert find_audio([tmp_path / "sound.dat", str(tmp_path / ".hidden")]) == [
        tmp_path / "sound.dat",
        tmp_path / ".hidden",
    ]


def test_extensions_can_be_chosen(tmp_path):
    touch(tmp_path / "a.dat", tmp_path / "b.wav", tmp_path / "c.RAW")
    assert [path.name for path in find_audio(tmp_path, ["dat", ".raw"])] == ["a.dat", "c.RAW"]
    for wrong in ("wav", [], [""]):
        with pytest.raises(ValueError, match="extensions must be"):
            find_audio(tmp_path, wrong)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.wav", ["a.wav", "b.wav"]),
        ("[b-z].*", ["b.wav"]),
        ("**/*.wav", ["a.wav", "b.wav", "x/c.wav", "x/y/d.wav"]),
        ("x/**/*.wav", ["x/c.wav", "x/y/d.wav"]),
        ("**/y/*", ["x/y/d.wav"]),
        ("x/**", ["x/c.wav", "x/y/d.wav"]),
        ("*/**/y/**/d.*", ["x/y/d.wav"]),
        ("*", ["a.wav", "b.wav", "x/c.wav", "x/y/d.wav"]),
        ("*.txt", ["a.txt"]),
    ],
)
def test_patterns(tmp_path, monkeypatch, pattern, names):
    touch(*(tmp_path / name for name in ["a.wav", "b.wav", "a.txt", ".h.wav", "x/c.wav", "x/y/d.wav", "x/.z/e.wav"]))
    assert [path.relative_to(tmp_path).as_posix() for path in find_audio(f"{tmp_path}/{pattern}")] == names
    monkeypatch.chdir(tmp_path)
    assert [path.as_posix() for path in find_audio(pattern)] == names


def test_what_exists_is_no_pattern(tmp_path):
    names = ["a[1].wav", "a1.wav", "b*.wav", "bb.wav", "what?.wav", "two words.wav", "new\nline.wav", "żółw 音.wav"]
    touch(*(tmp_path / name for name in names))
    for name in names:
        assert find_audio(tmp_path / name) == [tmp_path / name]
    touch(tmp_path / "takes[1-3]" / "x.wav")
    assert find_audio(tmp_path / "takes[1-3]") == [tmp_path / "takes[1-3]" / "x.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are UTF-8 here")
def test_names_that_are_no_utf8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff.wav"))
    soundfile.write(os.fsencode(path), sound(0.1), RATE, format="WAV")
    assert find_audio(tmp_path) == [path]
    assert load_audio(path)[0].shape == (1, 4_410)
    path.write_bytes(b"")
    with pytest.raises(MmascError, match=r"caf\\xe9 \\xff.wav: is empty"):
        load_audio(path)


def test_lists_of_files(tmp_path, monkeypatch):
    touch(tmp_path / "b.wav", tmp_path / "deep" / "a.wav", tmp_path / "c d.dat", tmp_path / "@real.wav")
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfb.wav\r\n\r\nc d.dat\ndeep\n*.wav")
    monkeypatch.chdir(tmp_path)
    assert [path.as_posix() for path in find_audio("@list.txt")] == ["b.wav", "c d.dat", "deep/a.wav", "@real.wav"]
    assert find_audio("@real.wav") == [Path("@real.wav")]
    with pytest.raises(MmascError, match=r"none\.txt: the list of files cannot be read"):
        find_audio("@none.txt")
    (tmp_path / "again.txt").write_text("@list.txt")
    with pytest.raises(MmascError, match=r"line 1 of again\.txt: @list\.txt: no such file"):
        find_audio("@again.txt")


def test_a_file_is_found_once_where_it_was_first_named(tmp_path, monkeypatch):
    touch(tmp_path / "a.wav", tmp_path / "b.wav")
    monkeypatch.chdir(tmp_path)
    assert find_audio(["b.wav", "./b.wav", tmp_path, "*.wav"]) == [Path("b.wav"), tmp_path / "a.wav"]


def test_links_in_a_circle_end(tmp_path):
    folders = [tmp_path / f"d{number}" for number in range(9)]
    touch(*(folder / "x.wav" for folder in folders))
    # Every folder links to every other one and to the top: followed path by path these are millions
    for folder in folders:
        (folder / "top").symlink_to(tmp_path)
        for other in folders:
            (folder / f"to-{other.name}").symlink_to(other)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "lost.wav").symlink_to(tmp_path / "nowhere.wav")
    real = [folder / "x.wav" for folder in folders]
    assert find_audio(tmp_path) == real
    assert find_audio(f"{tmp_path}/**/x.wav") == real


def test_linked_folders_are_followed(tmp_path):
    touch(tmp_path / "store" / "a.wav")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "store")
    assert find_audio(tmp_path / "set") == [tmp_path / "set" / "linked" / "a.wav"]


def test_a_tree_is_found_as_os_walk_finds_it(tmp_path):
    generator = np.random.default_rng(0)
    for _ in range(60):
        parts = [str(generator.choice(["a", "b", ".c", "d e"])) for _ in range(generator.integers(0, 4))]
        touch(tmp_path.joinpath(*parts) / f"{generator.integers(20)}{generator.choice(['.wav', '.MP4', '.txt'])}")
    expected = set()
    for folder, folders, files in os.walk(tmp_path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        expected |= {Path(folder) / name for name in files if not name.endswith(".txt")}
    found = find_audio(tmp_path)
    assert set(found) == expected
    assert len(found) == len(expected)
    assert found == find_audio(f"{tmp_path}/**")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ("missing.wav", r"missing\.wav: no such file or folder; check the name"),
        (["missing"], r"missing: no such file or folder"),
        ("*.nope", r"\*\.nope: the pattern matches nothing; looked for files that end in \.nope"),
        ("**/x*", r"\*\*/x\*: the pattern matches nothing; looked for files that end in .*\.wav"),
        ("*.*", r"the pattern matches no audio; looked for"),
        (".", r"\.: no audio found; looked for files that end in .*\.flac.*\.wav"),
        ([], "no path given: no audio found"),
        ("", "'' is not a path"),
        ("a\0b", "is not a path"),
        # Python reads a pattern in the square of its brackets: half an hour for this one
        ("[" * 1_000_000, r"a pattern of 1,000,000 characters, more than 4,096; name the folder"),
    ],
)
def test_nothing_found_is_an_error(tmp_path, monkeypatch, paths, message):
    touch(tmp_path / "notes.txt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MmascError, match=message) as caught:
        find_audio(paths)
    assert "\n" not in str(caught.value)


@root_only
def test_a_file_in_a_folder_that_may_not_be_entered_is_not_called_missing():
    base = Path(tempfile.mkdtemp())
    try:
        (base / "one.wav").touch()
        with As(BOB, 0o022), pytest.raises(MmascError, match=r"one.wav: its folder may not be entered; check"):
            find_audio(base / "one.wav")
    finally:
        shutil.rmtree(base)
