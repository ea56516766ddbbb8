"""Collections published to an object store: read from there, published again, killed in the middle."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import mmasc
from mmasc.cli import cli
from mmasc.collection import Collection
from mmasc.collection.annotation import Annotation
from mmasc.collection.index import IndexPolicy
from mmasc.collection.publication import published_files
from mmasc.collection.published import _brought
from mmasc.errors import MmascError
from mmasc.remote import limits, stores
from tests.helpers.collections import labelled, table_of, write
from tests.helpers.servers import KEY, SECRET, bucket
from tests.helpers.web import serving

__all__ = ["bucket", "labelled"]


@pytest.fixture
def place(bucket, request, tmp_path, monkeypatch) -> str:
    """An empty prefix; the cache is one of the test's own."""
    monkeypatch.setattr(limits, "WAIT_SECONDS", [0.01, 0.01])
    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))
    return f"{bucket}/{request.node.name}"


def label(collection: Collection, name: str, start: float = 0.0) -> None:
    one = collection.recordings["id"][0].as_py()
    collection.annotations.add([Annotation(recording=one, start=start, end=start + 0.5, label=name)])


def test_what_is_published_answers_as_the_collection_does(place, labelled):
    here = Collection(labelled / "c")
    label(here, "croak")
    report = here.publish(f"{place}/")
    assert (report.address, report.sent) == (place, report.files)
    there = Collection.open(place)
    assert there.recordings.equals(here.recordings)
    assert there.annotations.all() == here.annotations.all()
    assert there.vectors("label", windows=True)[0].tobytes() == here.vectors("label", windows=True)[0].tobytes()
    question = {"text": "abba", "k": 3, "where": "label != 'owl'"}
    assert [dict(hit) for hit in there.search(**question)] == [dict(hit) for hit in here.search(**question)]
    assert there.info() == {**here.info(), "folder": place}
    assert there.check() == []
    # The index came with it, and was not built again
    folder = there.store.space_folder(there.space().space.identity)
    published = published_files(stores.read_range(f"{place}/collection.json", 0, 1 << 20), place)
    assert {path.relative_to(there.store.folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        name for name in published if name.startswith("spaces/")
    } | {f"spaces/{folder.name}/.fetched.json"}
    # And may be a source
    mmasc.embed(labelled / "s" / "a", labelled / "other", "standin")
    assert Collection(labelled / "other").merge(place)["recordings"] == 2


def test_again_only_what_is_new_is_sent(place, labelled, registered):
    here = Collection(labelled / "c")
    here.publish(place)
    assert here.publish(place).sent == 0
    reader = Collection.open(place)
    write(labelled / "s" / "b" / "z.wav", 0.75)
    mmasc.embed(labelled / "s", labelled / "c", registered)
    here.refresh()
    label(here, "new")
    report = here.publish(place)
    assert 0 < report.sent < report.files
    # Who reads the old state goes on; who refreshes sees the new one
    assert len(reader.space().vectors()) == len(reader.recordings) == 3
    reader.refresh()
    assert (len(reader.recordings), len(reader.space()), len(reader.annotations)) == (4, 4, 1)
    assert reader.search(text="abba", k=4)[0].path
    here.compact()
    here.publish(place)
    reader.refresh()
    np.testing.assert_array_equal(reader.vectors()[0], here.vectors()[0])


class KilledError(Exception):
    """Stands for a process that ends."""


def test_killed_at_any_moment_readers_see_the_old_or_the_new_state(place, labelled, registered, monkeypatch):
    here = Collection(labelled / "c")
    label(here, "old")
    here.publish(place)
    write(labelled / "s" / "b" / "z.wav", 0.75)
    mmasc.embed(labelled / "s", labelled / "c", registered)
    here.refresh()
    label(here, "new", 0.5)
    old = (["old"], 3, 3)
    new = (["new", "old"], 4, 4)
    written = stores.write
    seen = set()
    for last in range(30):
        left = last

        def write_or_end(address, content):
            nonlocal left
            left -= 1
            if left < 0:
                raise KilledError
            written(address, content)

        monkeypatch.setattr(stores, "write", write_or_end)
        try:
            here.publish(place)
            ended = False
        except KilledError:
            ended = True
        reader = Collection.open(place)
        found = (
            sorted(one.label for one in reader.annotations.all()),
            len(reader.recordings),
            len(reader.space().vectors()),
        )
        assert found == (old if ended else new)
        assert reader.check() == []
        seen.add(ended)
        if not ended:
            break
    assert seen == {True, False}


def test_an_index_with_lists_comes_along(place, tmp_path, registered):
    generator = np.random.default_rng(0)
    (tmp_path / "s").mkdir()
    soundfile.write(tmp_path / "s" / "x.wav", generator.uniform(-0.5, 0.5, 300 * 8_000), 8_000)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    policy = IndexPolicy(flat_numbers=100)
    here = Collection(tmp_path / "c", policy)
    assert here.space().refresh_index().kind == "ivf"
    here.publish(place)
    there = Collection.open(place, policy=policy)
    queries = here.space().vectors()[:5]
    for one, other in zip(here.space().search(queries, 3), there.space().search(queries, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert there.space()._index.kind == "ivf"
    ours, theirs = ([one.index.row_ids.tolist() for one in c.space()._index.segments] for c in (here, there))
    assert theirs == ours
    assert sum(map(len, theirs)) == 300


def test_nothing_is_written_to_a_published_collection(place, labelled, registered):
    here = Collection(labelled / "c")
    here.publish(place)
    there = Collection.open(place)
    ways = [
        lambda: there.add([labelled / "s"]),
        lambda: there.remove(where="duration > 0"),
        lambda: there.move_root(labelled),
        lambda: there.merge(labelled / "c"),
        lambda: there.compact(),
        lambda: there.set_metadata({1: {"x": 1}}),
        lambda: there.read_clocks("%Y%m%d_%H%M%S"),
        lambda: label(there, "x"),
        lambda: mmasc.embed(labelled / "s", there.store.folder, registered),
        lambda: there.store.write_silence("x", np.zeros(4)),
    ]
    for way in ways:
        with pytest.raises(MmascError, match="mmasc collection publish"):
            way()
    assert there.check() == []
    assert Collection.open(place).annotations.all() == []


def test_other_things_are_not_replaced(place, labelled, registered, tmp_path):
    here = Collection(labelled / "c")
    stores.write(f"{place}/mine/x.wav", b"x")
    with pytest.raises(MmascError, match=r"holds other things \(.*mine/x\.wav\); give an empty prefix"):
        here.publish(f"{place}/mine")
    here.publish(f"{place}/c")
    mmasc.embed(labelled / "s" / "a", tmp_path / "d", registered)
    with pytest.raises(MmascError, match="another collection"):
        Collection(tmp_path / "d").publish(f"{place}/c")
    for where, said in {
        "https://host/c": "published and read as s3://",
        "s3://bucket": "published and read as s3://",
        "/a/folder": "/a/folder: collections are published and read as s3://",
        "ftp://h/c": "published and read as s3://",
        "s3://none/c": "no such object or bucket",
    }.items():
        with pytest.raises(MmascError, match=said):
            here.publish(where)
    with pytest.raises(MmascError, match="holds no published collection"):
        Collection.open(f"{place}/none")
    for path in (labelled / "c").glob("collection.json"):
        stores.write(f"{place}/copied/collection.json", path)
    with pytest.raises(MmascError, match="was copied there, not published"):
        Collection.open(f"{place}/copied")


def test_a_collection_without_a_name_in_common_is_another_one(place, labelled, registered, tmp_path):
    here, other = Collection(labelled / "c"), tmp_path / "d"
    here.publish(place)
    for number in range(3):
        write(tmp_path / "t" / f"{number}.wav", 0.5 + number)
        mmasc.embed(tmp_path / "t", other, registered)
    for _ in range(3):
        Collection(other).compact()
    ours, theirs = ({one.relative_to(c).as_posix() for one in c.rglob("*.manifest")} for c in (labelled / "c", other))
    assert ours.isdisjoint(theirs)
    with pytest.raises(MmascError, match=r"another collection \(3 recordings, none of them"):
        Collection(other).publish(place)
    assert Collection.open(place).recordings.equals(here.recordings)
    # Of one collection nothing may have stayed but its recordings
    here.compact()
    here.publish(place)
    assert Collection.open(place).recordings.equals(here.recordings)


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "spaces/../../x", "spaces/i/.hidden", "collection.json", "spaces/i/windows.lance/x", "heads/1"],
)
def test_a_hostile_head_writes_nowhere_else(name):
    hostile = b'{"files": {"%s": {"digest": "%s", "size": 1}}}' % (name.encode(), b"0" * 32)
    with pytest.raises(MmascError, match="is damaged .*is not the name of a file of a collection"):
        published_files(hostile, "s3://b/c")


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"{",
        b'{"files": []}',
        b'{"files": {"annotations/x": {"digest": "../x", "size": 1}}}',
        b'{"files": {"annotations/x": {"digest": "%s", "size": -1}}}' % (b"0" * 32),
    ],
)
def test_a_damaged_head_is_said(raw):
    with pytest.raises(MmascError, match="is damaged|was copied"):
        published_files(raw, "s3://b/c")


@pytest.mark.parametrize(
    "said",
    [None, "[" * 99_999, "[]", "7", "null", "{", b"\xff"]
    + [
        json.dumps({f"spaces/i/{name}": ""})
        for name in ("", ".", "..", "../../x", "/etc/x", "a//b", ".x", "a\0b", "t.lance/x")
    ],
)
def test_a_record_of_what_was_brought_is_not_trusted(tmp_path, said):
    record = tmp_path / ".fetched.json"
    if said is not None:
        record.write_bytes(said if isinstance(said, bytes) else said.encode())
    assert _brought(record, "spaces/i") == {}
    record.write_text('{"spaces/i/a": "x", "spaces/j/a": "y"}')
    assert _brought(record, "spaces/i") == {"spaces/i/a": "x"}


def test_damaged_objects_are_noticed(place, labelled):
    here = Collection(labelled / "c")
    label(here, "x")
    here.publish(place)
    files = published_files(stores.read_range(f"{place}/collection.json", 0, 1 << 20), place)
    journal = files["annotations/journal.jsonl"]
    stores.write(f"{place}/files/{journal.digest}", b"y" * journal.size)
    with pytest.raises(MmascError, match="is damaged; publish the collection again"):
        Collection.open(place)
    stores.write(f"{place}/files/{journal.digest}", labelled / "c" / "annotations" / "journal.jsonl")
    there = Collection.open(place)
    table = next(one for one in stores.listed(f"{place}/recordings.lance/data/"))
    stores._asked(place, lambda store: store.rm_file(table[5:]))
    assert any("1 file is gone" in finding.message for finding in there.check())


def test_damaged_heads_and_tables_are_named_by_their_address(place, labelled):
    Collection(labelled / "c").publish(place)
    head = stores.read_range(f"{place}/collection.json", 0, 1 << 20)
    for content in (b"\xff\xfe{", head.replace(b'"format": 1', b'"format": "1"'), head.replace(b'"dim"', b'"din"')):
        assert content != head
        stores.write(f"{place}/collection.json", content)
        with pytest.raises(MmascError, match=rf"{place}/collection\.json is .*; publish the collection again"):
            Collection.open(place)
    stores.write(f"{place}/collection.json", head)
    (manifest,) = stores.listed(f"{place}/recordings.lance/_versions/")
    whole = stores.read_range(manifest, 0, 1 << 20)
    # The end of a manifest says where it begins
    for content in (b"", whole[:-9], whole[:-16] + (1 << 26).to_bytes(8, "little") + whole[-8:]):
        stores.write(manifest, content)
        with pytest.raises(MmascError, match=rf"{place}/recordings\.lance cannot be read .*publish the coll"):
            _ = Collection.open(place).recordings


def test_messages_name_the_address(place, labelled):
    Collection(labelled / "c").publish(place)
    there = Collection.open(place)
    cases = (
        lambda: there.vectors("none"),
        lambda: there.space("none"),
        lambda: there.search(image="x.png"),
        lambda: mmasc.classify(there, {"a": ["a"], "b": ["b"]}, encoder="clap"),
        lambda: mmasc.fit_head(there, "none"),
    )
    for ask in cases:
        with pytest.raises(MmascError, match=rf"{place}\b") as refused:
            ask()
        assert str(there.store.folder) not in str(refused.value)


def test_no_credential_is_published(place, labelled):
    Collection(labelled / "c").publish(place)
    Collection.open(place).search(text="abba")
    kept = [path.read_bytes() for path in (labelled / "home").rglob("*") if path.is_file()]
    kept += [stores.read_range(one, 0, 1 << 20) for one in stores.listed(f"{place}/")]
    assert len(kept) > 10
    assert not any(secret.encode() in content for content in kept for secret in (KEY, SECRET))


def test_the_commands(place, labelled):
    runner = CliRunner()
    sent = runner.invoke(cli, ["collection", "publish", str(labelled / "c"), place])
    assert sent.stdout.endswith(f"MB); read it with: mmasc search {place} ...\n")
    again = runner.invoke(cli, ["collection", "publish", str(labelled / "c"), place, "--format", "json"])
    assert json.loads(again.stdout)["sent"] == 0
    shown = runner.invoke(cli, ["collection", "info", place])
    assert shown.stdout.startswith("3 recordings")
    refused = runner.invoke(cli, ["embed", str(labelled / "s"), "--into", place])
    assert "then: mmasc collection publish" in str(refused.exception)


def test_the_page_reads_a_published_collection(place, labelled):
    Collection(labelled / "c").publish(place)
    for server in serving(place):
        found = server.client.get("/api/recordings").json()
        assert found["total"] == 3
        recording = found["recordings"][0]["id"]
        assert server.client.get(f"/api/recordings/{recording}/overview?width=8").status_code == 200
        assert server.client.get(f"/api/recordings/{recording}/audio?start=0&end=0.5").status_code == 200
        assert server.session.read_only


def test_recordings_that_were_uploaded_are_heard_on_the_page(place, labelled):
    for path in (labelled / "s").rglob("*.wav"):
        stores.write(f"{place}/sounds/{path.relative_to(labelled / 's').as_posix()}", path)
    here = Collection(labelled / "c")
    assert here.move_root(f"{place}/sounds") == 0
    here.publish(f"{place}/c")
    assert set(table_of(Path(labelled / "c"))) == {"a/x.wav", "b/x.wav", "b/y.wav"}
    for server in serving(f"{place}/c"):
        recording = server.client.get("/api/recordings").json()["recordings"][0]["id"]
        for asked in ("overview?width=8", "audio?start=0&end=0.5", "picture?start=0&end=1&width=64&height=64"):
            answer = server.client.get(f"/api/recordings/{recording}/{asked}")
            assert answer.status_code == 200, answer.text
