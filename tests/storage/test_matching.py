"""Rows and files: by whole folders, on any system's paths, and never by guessing."""

import itertools
import unicodedata

import pytest

from mmasc.datasets import read_dataset
from mmasc.errors import MmascError
from mmasc.storage.matching import FileMatcher, match_rows, one_statement
from mmasc.storage.tables import Row

FILES = [
    "/data/rec/siteA/x.wav",
    "/data/rec/siteB/x.wav",
    "/data/rec/siteB/deep/y.wav",
    "/data/rec/2022/siteC/z.wav",
    "/data/rec/2023/siteC/z.wav",
    "/data/rec/top.wav",
    "/data/rec/siteA/top.wav",
    "/data/rec/Straße/ünder.WAV",
]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("siteA/x.wav", ["siteA/x.wav"]),
        ("./siteA/x.wav", ["siteA/x.wav"]),
        ("siteB/../siteA/x.wav", ["siteA/x.wav"]),
        (r"siteB\x.wav", ["siteB/x.wav"]),
        ("/data/rec/siteA/x.wav", ["siteA/x.wav"]),
        (r"E:\data\rec\siteA\x.wav", ["siteA/x.wav"]),
        (r"E:\old disk\siteB\x.wav", ["siteB/x.wav"]),
        ("//server/share/siteB/x.wav", ["siteB/x.wav"]),
        ("/elsewhere/rec/top.wav", ["top.wav"]),
        ("y.wav", ["siteB/deep/y.wav"]),
        ("deep/y.wav", ["siteB/deep/y.wav"]),
        ("Y.WAV", ["siteB/deep/y.wav"]),
        ("SITEA/x.WAV", ["siteA/x.wav"]),
        ("straße/Ünder.wav", ["Straße/ünder.WAV"]),
        (unicodedata.normalize("NFD", "Straße/ünder.WAV"), ["Straße/ünder.WAV"]),
        ("top.wav", ["top.wav"]),
        ("2023/siteC/z.wav", ["2023/siteC/z.wav"]),
        # Two would do
        ("x.wav", ["siteA/x.wav", "siteB/x.wav"]),
        ("siteC/z.wav", ["2022/siteC/z.wav", "2023/siteC/z.wav"]),
        # Another folder, another part of a name, another year
        ("siteD/x.wav", []),
        ("A/x.wav", []),
        ("siteB/y.wav", []),
        ("/old/2021/siteC/z.wav", []),
        ("other/top.wav", []),
        ("x", []),
        ("", []),
        ("..", []),
    ],
)
def test_names_mean_files_by_whole_folders(name, files):
    assert FileMatcher(FILES, ["/data/rec"]).find(name) == [f"/data/rec/{file}" for file in files]


ENDINGS = (".flac", ".wav", ".mp3")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("siteA/x", ["siteA/x.wav"]),
        ("siteA/x.flac", ["siteA/x.wav"]),
        (r"E:\old disk\siteB\X.MP3", ["siteB/x.wav"]),
        ("siteB/x.WAV", ["siteB/x.wav"]),
        ("deep/y.flac", ["siteB/deep/y.wav"]),
        ("y", ["siteB/deep/y.wav"]),
        ("ünder.mp3", ["Straße/ünder.WAV"]),
        (unicodedata.normalize("NFD", "strasse/ünder"), ["Straße/ünder.WAV"]),
        ("/data/rec/top.flac", ["top.wav"]),
        ("top", ["top.wav"]),
        # Two would do; another folder; an ending that is none; an exact name is never another one
        ("x", ["siteA/x.wav", "siteB/x.wav"]),
        ("both.mp3", ["both.flac", "both.wav"]),
        ("both.wav", ["both.wav"]),
        ("siteD/x.flac", []),
        ("/old/2021/siteC/z.mp3", []),
        ("y.txt", []),
        (".wav", []),
    ],
)
def test_an_ending_may_be_another_where_the_caller_says_which(name, files):
    matcher = FileMatcher([*FILES, "/data/rec/both.wav", "/data/rec/both.flac"], ["/data/rec"])
    assert sorted(matcher.find(name, ENDINGS)) == [f"/data/rec/{file}" for file in files]
    assert matcher.find(name, ENDINGS) == matcher.find(name, ENDINGS)


def test_a_base_of_its_own_is_where_the_table_lies():
    matcher = FileMatcher(FILES, ["/data/rec", "/data/rec/siteB"])
    assert matcher.find("x.wav") == ["/data/rec/siteB/x.wav"]
    assert matcher.find("top.wav") == ["/data/rec/top.wav"]


def test_a_backslash_in_a_file_name_of_this_system_is_found_first():
    assert FileMatcher(["/r/a\\b.wav", "/r/a/b.wav"], ["/r"]).find("a\\b.wav") == ["/r/a\\b.wav"]


def test_a_row_with_a_folder_never_reaches_another_folder():
    """All pairs of short paths: a found file shares every folder that the name and the path under the root have."""
    places = ["/".join(parts) for n in (1, 2, 3) for parts in itertools.product("ab", repeat=n)]
    found = 0
    for place, name in itertools.product(places, places):
        for file in FileMatcher([f"/r/{place}/x.wav"], ["/r"]).find(f"{name}/x.wav"):
            under, wanted = file.split("/")[2:], f"{name}/x.wav".split("/")
            shared = min(len(under), len(wanted))
            assert under[-shared:] == wanted[-shared:]
            found += 1
    assert found > len(places)


@pytest.mark.parametrize("bases", [[], ["/"]])
def test_a_path_from_the_root_has_as_many_folders_as_it_names(bases):
    matcher = FileMatcher(["/a/x.wav", "/b/c/x.wav"], bases)
    assert matcher.find("disk/a/x.wav") == ["/a/x.wav"]
    assert matcher.find("disk/b/c/x.wav") == ["/b/c/x.wav"]
    assert matcher.find("disk/c/x.wav") == []


def row(line: int, **values: str) -> Row:
    return Row(values.items(), line)


def test_rows_are_given_counted_and_named():
    rows = [row(2, path="siteA/x.wav"), row(3, path="x.wav"), row(4, path="q.wav"), row(5, path="siteA\\x.wav")]
    matched = match_rows(rows, "path", FileMatcher(FILES, ["/data/rec"]))
    assert matched.rows == {"/data/rec/siteA/x.wav": [rows[0], rows[3]]}
    assert matched.strange == [rows[2]]
    (line,) = matched.remarks("meta.csv", "path")
    assert "line 3: x.wav is /data/rec/siteA/x.wav, /data/rec/siteB/x.wav; write the folder too" in line


@pytest.mark.parametrize("count", [2, 3, 4])
def test_three_files_that_a_row_may_mean_are_named(count):
    files = [f"/r/{place}/x.wav" for place in "abcd"[:count]]
    (line,) = match_rows([row(2, path="x.wav")], "path", FileMatcher(files, ["/r"])).remarks("meta.csv", "path")
    assert f"x.wav is {', '.join(files[:3])}{', ...' if count > 3 else ''}; write" in line


def test_rows_of_one_file_say_one_thing():
    rows = [row(2, a="1", b=""), row(5, a="1", b="x"), row(7, a="", b="x")]
    assert one_statement("m.csv", "f.wav", rows, ["a", "b"]) == {"a": "1", "b": "x"}
    with pytest.raises(MmascError, match=r"m\.csv: lines 5 and 9 are two rows for f\.wav .*b: x and y"):
        one_statement("m.csv", "f.wav", [*rows, row(9, a="", b="y")], ["a", "b"])


def sound(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_tables_of_data_sets_are_matched_alike(tmp_path):
    for name in ("siteA/x.wav", "siteB/x.wav", "audio/y.wav"):
        sound(tmp_path / name)
    table = tmp_path / "t.csv"
    table.write_text("path;label;fold\nsiteA\\x.wav;dog;1\nD:\\old\\siteB\\x.wav;cat;2\nY.wav;cat;1\n")
    dataset = read_dataset("csv", table)
    assert [(clip.path.relative_to(tmp_path).as_posix(), clip.labels[0]) for clip in dataset.clips] == [
        ("siteA/x.wav", "dog"),
        ("siteB/x.wav", "cat"),
        ("audio/y.wav", "cat"),
    ]
    table.write_text("path,label,fold\nx.wav,dog,1\naudio/y.wav,cat,2\n")
    with pytest.raises(MmascError, match=r"line 2: x\.wav is .*siteA/x\.wav, .*siteB/x\.wav"):
        read_dataset("csv", table)
    remarks = read_dataset("csv", table, missing="skip").remarks
    assert "line 2: x.wav is" in remarks[0]
    assert "1 of the 2 clips" in remarks[1]


def test_two_rows_of_a_data_set_say_one_thing(tmp_path):
    for name in ("a.wav", "b.wav"):
        sound(tmp_path / name)
    table = tmp_path / "t.csv"
    table.write_text("path,label,fold,note\na.wav,dog,1,x\nb.wav,cat,2,y\na.wav,dog,1,z\n")
    dataset = read_dataset("csv", table)
    assert [(clip.path.name, dict(clip.columns)) for clip in dataset.clips] == [("a.wav", {}), ("b.wav", {"note": "y"})]
    table.write_text("path,label,fold\na.wav,dog,1\nb.wav,cat,2\n./a.wav,cat,1\n")
    with pytest.raises(MmascError, match=r"lines 2 and 4 are two rows for .*a\.wav .*labels: dog and cat"):
        read_dataset("csv", table)


def test_blanks_around_names_that_tables_lose_are_no_difference():
    matcher = FileMatcher(["/r/ lead.wav", "/r/deep /x.wav", "/r/both.wav", "/r/ both.wav"], ["/r"])
    assert matcher.find("lead.wav") == matcher.find(" lead.wav") == ["/r/ lead.wav"]
    assert matcher.find("deep/x.wav") == ["/r/deep /x.wav"]
    assert matcher.find("both.wav") == ["/r/both.wav"]
    assert matcher.find(" both.wav") == ["/r/ both.wav"]
    assert matcher.find("BOTH.wav") == ["/r/both.wav", "/r/ both.wav"]
