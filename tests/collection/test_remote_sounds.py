"""Recordings of an object store and of a web server in a collection: everything that reads them reads them again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.annotation import Annotation
from mmasc.collection.clips import cut_clips
from mmasc.collection.duplicates import find_duplicates
from mmasc.errors import MmascError
from mmasc.label_files.rows import LabelRow
from mmasc.remote import copies, limits, sightings, stores
from tests.helpers.collections import levels, second, table_of
from tests.helpers.servers import KEY, SECRET, bucket, sound_bytes, web_server

__all__ = ["bucket", "second"]


@pytest.fixture(scope="module")
def web():
    with web_server() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """As a process that has just begun."""
    monkeypatch.setattr(limits, "WAIT_SECONDS", [0.01, 0.01])
    monkeypatch.setattr(sightings, "_SEEN", {})
    monkeypatch.setattr(copies, "_OF_PROCESS", [])
    yield
    copies.copies().close()


@pytest.fixture
def place(bucket, request) -> str:
    """A prefix with three sounds, a text and an object that stands for a folder."""
    prefix = f"{bucket}/{request.node.name.replace('[', '-').replace(']', '')}"
    for name, level in (("a/20240501_040000.wav", 0.25), ("a/x.wav", -0.25), ("b/y.flac.wav", 0.5)):
        stores.write(f"{prefix}/{name}", sound_bytes(level))
    stores.write(f"{prefix}/a/notes.txt", b"no sound")
    stores._asked(prefix, lambda store: store.pipe_file(f"{prefix[5:]}/a/", b""))
    return prefix


def test_a_prefix_is_embedded_and_then_skipped(place, tmp_path, registered):
    report = mmasc.embed(f"{place}/", tmp_path / "c", registered, folders=["site"], threads=2)
    assert (report.added, report.failed, report.remarks) == (3, [], [])
    assert levels(tmp_path / "c") == {"a/20240501_040000.wav": [0.25], "a/x.wav": [-0.25], "b/y.flac.wav": [0.5]}
    rows = table_of(tmp_path / "c")
    assert {name: row["site"] for name, row in rows.items()} == {
        "a/20240501_040000.wav": "a",
        "a/x.wav": "a",
        "b/y.flac.wav": "b",
    }
    assert str(rows["a/20240501_040000.wav"]["recorded_at"]) == "2024-05-01 04:00:00"
    collection = Collection(tmp_path / "c")
    assert collection.info()["root"] == place
    assert collection.path_of("a/x.wav") == f"{place}/a/x.wav"
    assert collection.check() == []
    again = mmasc.embed(place, tmp_path / "c", registered)
    assert (again.skipped, again.added, again.audio_seconds) == (3, 0, 0.0)
    # One object, and what is found is the same recording
    assert mmasc.embed([f"{place}/a/x.wav"], tmp_path / "c", registered).skipped == 1


def test_changed_later_and_removed_objects_are_seen(place, tmp_path, registered):
    mmasc.embed(place, tmp_path / "c", registered)
    stores.write(f"{place}/a/x.wav", sound_bytes(0.125))  # as many bytes as before
    stores.write(f"{place}/z.wav", sound_bytes(0.75))
    report = mmasc.embed(place, tmp_path / "c", registered)
    assert (report.changed, report.added, report.skipped) == (1, 1, 2)
    assert levels(tmp_path / "c")["a/x.wav"] == [0.125]
    stores._asked(place, lambda store: store.rm_file(f"{place[5:]}/z.wav"))
    report = mmasc.embed(place, tmp_path / "c", registered)
    assert (report.missing, report.skipped) == (1, 3)
    assert "1 recording is not under" in Collection(tmp_path / "c").check()[0].message
    assert Collection(tmp_path / "c").remove(missing=True) == 1
    stores.write(f"{place}/moved/x.wav", sound_bytes(0.125))
    stores._asked(place, lambda store: store.rm_file(f"{place[5:]}/a/x.wav"))
    report = mmasc.embed(place, tmp_path / "c", registered)
    assert (report.moved, report.added, report.skipped) == (1, 0, 2)


def test_vectors_are_those_of_the_files(place, tmp_path, registered, sounds):
    for path in sounds.rglob("*.*"):
        stores.write(f"{place}/sounds/{path.relative_to(sounds).as_posix()}", path)
    mmasc.embed(sounds, tmp_path / "here", registered, channels="each")
    mmasc.embed(f"{place}/sounds/", tmp_path / "there", registered, channels="each", threads=0)
    here, there = (Collection(tmp_path / name).vectors(windows=True) for name in ("here", "there"))
    assert here[0].tobytes() == there[0].tobytes()
    digests = [table_of(tmp_path / name) for name in ("here", "there")]
    for name, row in digests[0].items():
        assert {key: row[key] for key in ("mmasc_digest", "size", "duration", "status")} == {
            key: digests[1][name][key] for key in ("mmasc_digest", "size", "duration", "status")
        }
    # They were uploaded: said so, nothing is embedded again
    moved = Collection(tmp_path / "here")
    assert moved.move_root(f"{place}/sounds") == 0
    report = mmasc.embed(f"{place}/sounds/", tmp_path / "here", registered, channels="each")
    assert (report.skipped, report.added, report.windows) == (5, 0, 0)
    # And merged, they are the same recordings
    assert moved.merge(tmp_path / "there")["recordings"] == 0


def test_all_that_reads_recordings_reads_these(place, tmp_path, registered, second):
    mmasc.embed(place, tmp_path / "c", registered)
    stores.write(f"{place}/b/copy.wav", sound_bytes(0.5))
    collection = Collection(tmp_path / "c")
    collection.add([place])
    mmasc.embed(place, tmp_path / "c", second, space="second")
    assert levels(tmp_path / "c", "second") == levels(tmp_path / "c")
    found = find_duplicates(collection)
    # Levels make no difference
    same = {f"{place}/b/copy.wav", f"{place}/b/y.flac.wav", f"{place}/a/20240501_040000.wav"}
    assert [{copy.path for copy in group} for group in found.groups] == [same]
    rows = [LabelRow(f"{place}/a/x.wav", 0.25, 0.75, "low")]
    report = cut_clips(rows, tmp_path / "clips")
    assert report.failed == []
    samples, rate = soundfile.read(tmp_path / "clips" / report.clips[0].clip)
    np.testing.assert_allclose(samples, np.full(rate // 2, -0.25))
    assert collection.search(audio=f"{place}/a/x.wav", k=1)[0].duplicate
    table = tmp_path / "labels.csv"
    table.write_text(f"path,start,end,label\n{place}/a/x.wav,0,1,whole\na/x.wav,0,1,stored\nx.wav,0,1,name\n")
    mmasc.import_labels(collection, table)
    assert {one.label for one in collection.annotations.all(recording=f"{place}/a/x.wav")} == {
        "whole",
        "stored",
        "name",
    }
    assert collection.read_clocks(dry_run=True).sources == {"name": 1}
    metadata = tmp_path / "m.csv"
    metadata.write_text(f"path,kind\n{place}/a/x.wav,frog\nb/copy.wav,owl\n")
    mmasc.embed(place, tmp_path / "c", registered, metadata=metadata)
    kinds = {name: row["kind"] for name, row in table_of(tmp_path / "c").items()}
    assert kinds == {"a/20240501_040000.wav": None, "a/x.wav": "frog", "b/y.flac.wav": None, "b/copy.wav": "owl"}
    assert collection.remove([f"{place}/b"]) == 2


def test_a_web_server_and_a_disk_in_one_collection(web, tmp_path, registered, sounds):
    web.files = {"/deep/x.wav": sound_bytes(0.25), "/deep/y.wav": sound_bytes(0.5), "/z.wav": b"no sound"}
    addresses = [web.address + path for path in web.files]
    web.headers = {"/deep/y.wav": {"Accept-Ranges": "bytes"}}
    report = mmasc.embed([*addresses, sounds], tmp_path / "c", registered)
    assert (report.added, len(report.failed)) == (7, 1)
    assert report.failed[0].reason.startswith(f"{web.address}/z.wav: no sound that can be read")
    assert [line for line in report.remarks if "ETag" in line] == [
        "1 recording lies on servers that say neither an ETag nor when files were written: whether they change is not "
        "seen, so they are read and embedded each time"
    ]
    found = levels(tmp_path / "c")
    assert (found[addresses[0]], found[addresses[1]]) == ([0.25], [0.5])
    web.files["/deep/y.wav"] = sound_bytes(0.75)
    again = mmasc.embed(addresses[:2], tmp_path / "c", registered)
    assert (again.skipped, again.changed, again.added) == (1, 1, 0)
    assert levels(tmp_path / "c")[addresses[1]] == [0.75]
    with pytest.raises(MmascError, match=r"none\.wav: the server has no such object"):
        mmasc.embed([f"{web.address}/none.wav"], tmp_path / "c", registered)


def test_an_object_that_changes_while_it_is_read_is_said(web, tmp_path, registered, monkeypatch):
    web.files, web.headers = {"/x.wav": sound_bytes(0.25)}, {}
    listed = sightings.find_objects

    def changed_then(*arguments):
        found = listed(*arguments)
        web.files["/x.wav"] = sound_bytes(0.5)
        return found

    monkeypatch.setattr("mmasc.audio.find.find_objects", changed_then)
    report = mmasc.embed([f"{web.address}/x.wav"], tmp_path / "c", registered)
    assert "was changed while it was read" in report.failed[0].reason
    monkeypatch.setattr("mmasc.audio.find.find_objects", listed)
    mmasc.embed([f"{web.address}/x.wav"], tmp_path / "c", registered)
    assert levels(tmp_path / "c") == {"x.wav": [0.5]}


def test_no_credential_is_kept(place, tmp_path, registered, caplog):
    mmasc.embed(f"{place.replace('s3://', 's3://' + KEY + ':' + SECRET + '@')}/", tmp_path / "c", registered)
    with pytest.raises(MmascError, match="no object lies there") as caught:
        mmasc.embed(f"s3://{KEY}:{SECRET}@sounds/nothing/", tmp_path / "c", registered)
    with pytest.raises(MmascError, match="carries X-Amz-Signature") as signed:
        mmasc.embed(f"https://host/x.wav?X-Amz-Signature={SECRET}", tmp_path / "c", registered)
    said = f"{caught.value} {signed.value} {caplog.text}"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "c").rglob("*") if path.is_file())
    for secret in (KEY, SECRET):
        assert secret not in said
        assert secret.encode() not in kept
    assert len(table_of(tmp_path / "c")) == 3


def test_wrong_credentials_and_buckets_are_one_line(place, tmp_path, registered, monkeypatch):
    with pytest.raises(MmascError, match=r"s3://none/x: the store has no such object or bucket; check the address"):
        mmasc.embed("s3://none/x", tmp_path / "c", registered)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(MmascError, match=r"the store does not answer \(.*\); tried 3 times"):
        mmasc.embed(place, tmp_path / "c", registered)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("into", ["s3://sounds/c", "gs://sounds/c", "https://host/c", "nfs://host/c", Path("s3://b/c")])
def test_a_collection_is_not_written_to_an_address(into, tmp_path, monkeypatch, registered):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MmascError, match="written on a local or shared disk; then: mmasc collection publish"):
        mmasc.embed(tmp_path, into, registered)
    assert list(tmp_path.iterdir()) == []


def test_moments_of_objects_are_annotated(place, tmp_path, registered):
    mmasc.embed(place, tmp_path / "c", registered)
    collection = Collection(tmp_path / "c")
    one = Annotation(recording=collection.annotations.recording_id(f"{place}/a/x.wav"), start=0.0, end=0.5, label="x")
    collection.annotations.add([one])
    assert collection.annotations.all(recording="a/x.wav")[0].label == "x"
    assert collection.annotations.path_of(one) == f"{place}/a/x.wav"


def test_too_large_and_a_full_folder(place, tmp_path, registered):
    with limits.limited(max_bytes=1_000):
        report = mmasc.embed(place, tmp_path / "c", registered)
    assert len(report.failed) == 3
    assert "1,000 are fetched at most; raise it with --max-bytes" in report.failed[0].reason
    (tmp_path / "t").mkdir()
    with limits.limited(folder=tmp_path / "t"):
        copies.copies().close()
        mmasc.embed(place, tmp_path / "c", registered)
        assert len(list((tmp_path / "t").glob("mmasc-remote-*/*.wav"))) == 3  # kept for the next who asks
        copies.copies().close()
    assert list((tmp_path / "t").iterdir()) == []
    shutil.rmtree(tmp_path / "t")
