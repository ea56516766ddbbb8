"""Parts of many files: disjoint, complete, the same everywhere, and merged they are what one run makes."""

import hashlib
import json
from pathlib import Path

import pytest

import mmasc
from mmasc.collection import Collection
from mmasc.collection.shards import Shard
from tests.helpers.command import run
from tests.helpers.dying import many_sounds
from tests.helpers.rows import same_rows


@pytest.mark.parametrize("of_parts", [1, 2, 3, 7, 50])
def test_every_file_is_in_one_part(of_parts):
    files = [Path(f"/root/place {item % 5}/Gänse {item}.wav") for item in range(400)]
    parts = [Shard(number, of_parts).files(files, "/root") for number in range(of_parts)]
    assert sorted(path for part in parts for path in part) == sorted(files)
    # chance alone: 8 files a part at least, of 50 parts with 8 on average none has more than 3 times as many
    assert max(map(len, parts)) < 3 * 400 / of_parts + 1


def test_names_that_are_not_utf8_are_in_the_first_part():
    files = [Path(f"/root/\udcff{item}.wav") for item in range(5)]
    assert [Shard(number, 3).files(files, "/root") for number in range(3)] == [files, [], []]


def test_the_part_of_arguments():
    assert Shard.parse(" 3/8\n") == Shard(3, 8) == Shard.of("3/8", "/root") == Shard.of(Shard(3, 8), "/root")
    assert Shard.of(None, None) is None
    for number, of_parts in ((-1, 2), (2, 2), (0, 0), (0, -1)):
        with pytest.raises(ValueError, match=f"from 0 on: 0/8 to 7/8, got {number}/{of_parts}"):
            Shard(number, of_parts)


def test_the_part_is_the_digest_of_the_stored_path():
    number = int.from_bytes(hashlib.blake2b("place/Gänse 1.wav".encode(), digest_size=8).digest(), "big")
    assert [part for part in range(10) if Shard(part, 10).holds("place/Gänse 1.wav")] == [number % 10]
    # the same wherever the root lies
    for root in ("/a", "/b/c"):
        path = Path(root, "place/Gänse 1.wav")
        assert Shard(number % 10, 10).files([path], root) == [path]


@pytest.mark.parametrize("wrong", ["3/2", "2/2", "0/0", "a/b", "1", "-1/2", "1/2/3", "", "1.5/2"])
def test_what_is_no_part_is_refused(wrong, tmp_path, sounds, capsys):
    with pytest.raises(ValueError, match=r"shard must be I/N, of N parts the I-th from 0 on: 0/8 to 7/8, got"):
        Shard.parse(wrong)
    found = run(
        "embed", str(sounds), "--into", str(tmp_path / "c"), "--shard", wrong, "--root", str(sounds), capsys=capsys
    )
    assert found[0] == 2
    assert "of N parts the I-th from 0 on" in found[2]
    assert not (tmp_path / "c").exists()


def test_a_part_needs_a_root(tmp_path, sounds):
    with pytest.raises(ValueError, match="shard needs root"):
        mmasc.embed(sounds, tmp_path / "c", "classic", shard="0/2")


def test_merged_parts_are_what_one_run_makes(tmp_path, registered, capsys):
    sounds = many_sounds(tmp_path / "sounds", 30)
    mmasc.embed(sounds, tmp_path / "whole", registered)
    parts = [tmp_path / f"part-{number}" for number in range(3)]
    added = [
        mmasc.embed(sounds, part, registered, root=sounds, shard=f"{number}/3").added
        for number, part in enumerate(parts)
    ]
    assert sum(added) == 30
    collection = Collection(parts[0])
    result = collection.merge(*parts[1:])
    assert (result["recordings"], result["already_there"]) == (added[1] + added[2], 0)
    same_rows(parts[0], tmp_path / "whole")
    # again adds nothing; one that is not there stops before anything is merged
    merged = run("collection", "merge", *map(str, parts), "--format", "json", capsys=capsys)
    assert (merged[0], json.loads(merged[1])["recordings"]) == (0, 0)
    missing = run(
        "collection", "merge", str(tmp_path / "whole"), str(parts[1]), str(tmp_path / "nowhere"), capsys=capsys
    )
    assert missing[0] == 1
    assert "nowhere" in missing[2]


def test_the_command_says_what_joins_the_parts(tmp_path, sounds, capsys):
    folder = tmp_path / "2024"
    rest = ["--encoder", "classic", "--root", str(sounds), "--shard"]
    status, _, err = run("embed", str(sounds), "--into", str(folder / "part-1"), *rest, "1/3", capsys=capsys)
    assert status == 0
    assert f"all 3 parts are done: mmasc collection merge {folder}/part-0 {folder}/part-1 {folder}/part-2" in err
    _, _, err = run("embed", str(sounds), "--into", str(tmp_path / "c"), *rest, "0/20", capsys=capsys)
    assert f"mmasc collection merge {tmp_path}/c OTHER_PARTS..." in err
