"""The journal of annotations: torn and damaged lines, folding, several writers, kills, people who may only read."""

import errno
import json
import os
import random
import subprocess
import sys
import threading

import pyarrow.parquet as pq
import pytest

from mmasc.collection import Collection, journal
from mmasc.collection.annotation_table import read_events, write_events
from mmasc.collection.annotations import Annotation
from mmasc.collection.journal import FOLDED, FOLDER, JOURNAL, Journal
from mmasc.errors import MmascError
from tests.helpers.killing import kill_in_mid_work
from tests.helpers.windows import made

WHOLE = {"id": "0" * 32, "recording": 7, "start": 0, "end": 1, "label": "a", "path": "a"}


@pytest.fixture
def one(tmp_path) -> Collection:
    """A collection of one recording, id 7, a.wav, of 30 s."""
    made(tmp_path / "c")
    return Collection(tmp_path / "c")


def note(label: str, **rest) -> Annotation:
    return Annotation(recording=7, start=0, end=1, label=label, **rest)


def labels(collection: Collection) -> list[str]:
    return sorted(item.label for item in Collection(collection.store.folder).annotations.all())


def path_of(collection: Collection, name: str = JOURNAL):
    return collection.store.folder / FOLDER / name


def faults(collection: Collection) -> list[str]:
    return [item.message for item in collection.check() if "annotations" in item.message]


def test_a_line_is_an_event_that_people_can_read(one):
    (name,) = one.annotations.add([note("frög", question="a frog")])
    (line,) = path_of(one).read_text("utf-8").splitlines()
    values = json.loads(line)
    assert values["op"] == "set"
    (said,) = values["set"]
    assert said == {
        "id": name, "recording": 7, "start": 0.0, "end": 1.0, "label": "frög", "verdict": "present", "by": "unnamed",
        "question": "a frog", "path": "a.wav",
    }  # fmt: skip


@pytest.mark.parametrize("cut", [1, 2, 40, -1])
def test_a_torn_last_line_counts_nothing_and_harms_nothing(one, cut):
    one.annotations.add([note("first")])
    whole = path_of(one).read_bytes()
    one.annotations.add([note("torn")])
    torn = path_of(one).read_bytes()[: len(whole) + cut if cut > 0 else cut]
    path_of(one).write_bytes(torn)
    assert labels(one) == ["first"]
    assert path_of(one).read_bytes() == torn  # reading changes nothing
    one.annotations.add([note("next")])
    assert labels(one) == ["first", "next"]
    assert faults(one) == []
    one.compact()
    assert labels(one) == ["first", "next"]


def test_every_byte_of_a_line_that_is_changed_is_found(one):
    for label in ("first", "second", "third"):
        one.annotations.add([note(label)])
    first, second, third = path_of(one).read_bytes().splitlines(keepends=True)
    chance = random.Random(0)
    for place in range(0, len(second) - 1, 7):
        changed = bytearray(second)
        changed[place] ^= 1 << chance.randrange(5)
        path_of(one).write_bytes(first + bytes(changed) + third)
        if b"\n" in changed[:-1]:
            continue
        assert labels(one) == ["first", "third"]
        (line,) = faults(one)
        assert "1 damaged: line 2 (" in line
    # It stays where it is: somebody may mend it
    one.annotations.add([note("fourth")])
    one.compact()
    assert labels(one) == ["first", "fourth", "third"]
    assert len(faults(one)) == 1
    path_of(one).write_bytes(second)
    assert labels(one) == ["first", "fourth", "second", "third"]


@pytest.mark.parametrize(
    "line", [b"", b"\xff\xfe", b"[" * 10_000, b"null", b'{"crc32":"', b'{"op":"set"}', b'{"id":1,"op":"fly","at":""}']
)
def test_lines_of_others_are_named_by_their_number(one, line):
    one.annotations.add([note("first")])
    with open(path_of(one), "ab") as file:
        file.write(line + b"\n")
    one.annotations.add([note("third")])
    assert labels(one) == ["first", "third"]
    (found,) = faults(one)
    assert "line 2 (" in found


@pytest.mark.parametrize(
    "values",
    [
        {"op": "fly"},
        {"op": "set", "set": [{"recording": 7, "start": 1, "end": 0, "label": "a", "path": "a"}]},
        {"op": "set", "set": [{"recording": 7, "start": 0, "end": 1, "label": "a", "path": "a", "more": 1}]},
        {"op": "set", "set": [{"recording": 7, "start": 0, "end": 1, "label": "a"}]},
        {"op": "set", "set": [{"recording": 7, "start": 0, "end": 1, "label": "a", "path": "a"}]},
        {"op": "set", "set": [{**WHOLE, "recording": 1 << 63}]},
        {"op": "set", "set": [{**WHOLE, "end": 10**400}]},
        {"op": "set", "set": [{**WHOLE, "label": "\x07"}]},
        {"op": "set", "set": [5]},
        {"op": "set", "set": 5},
        {"op": "set"},
        {"op": "rename", "old": "a"},
        {"op": "remove", "ids": 7},
    ],
)
def test_whole_lines_that_say_nothing_we_know_are_damaged(one, values):
    one.annotations.add([note("first")])
    with open(path_of(one), "ab") as file:
        file.write(journal.closed({"id": "0" * 32, "at": "2024-05-01T04:13:20Z", **values}))
    assert labels(one) == ["first"]
    assert len(faults(one)) == 1


def test_a_damaged_table_is_one_line(one):
    one.annotations.add([note("first")])
    one.compact()
    content = path_of(one, FOLDED).read_bytes()
    one.annotations.add([note("second")])
    for damaged in (content[:-9], b"", content.replace(b"first", b"fIrst"), content[:40] + b"\0" * 40 + content[80:]):
        assert damaged != content
        path_of(one, FOLDED).write_bytes(damaged)
        with pytest.raises(MmascError, match=r"folded.parquet is damaged .*restore it from a backup") as caught:
            labels(one)
        assert "\n" not in str(caught.value)
        (line,) = faults(one)
        assert "folded.parquet is damaged" in line
    path_of(one, FOLDED).write_bytes(content)
    assert labels(one) == ["first", "second"]


def test_a_fold_that_dies_counts_nothing_twice(one, monkeypatch):
    one.annotations.add([note("first"), note("second")])
    one.annotations.rename("first", "third")
    monkeypatch.setattr(journal, "write_atomically", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt), Journal(one.store.folder).writing() as opened:
        opened.fold()
    assert path_of(one, FOLDED).exists()
    assert len(path_of(one).read_bytes().splitlines()) == 2  # both have them
    assert labels(one) == ["second", "third"]
    assert one.annotations.undo() == ["first renamed to third"]
    assert labels(one) == ["first", "second"]


def test_who_reads_while_it_is_folded_sees_all(one, monkeypatch):
    """The journal was read when the fold comes: what it had is then in the table too."""
    one.annotations.add([note("first")])
    real = journal.read_events

    def folded_meanwhile(path):
        with monkeypatch.context() as patch:
            patch.setattr(journal, "read_events", real)
            with Journal(one.store.folder).writing() as opened:
                opened.fold()
        return real(path)

    reader = Journal(one.store.folder)
    monkeypatch.setattr(journal, "read_events", folded_meanwhile)
    assert {event.annotations[0].label for event in reader.read().events} == {"first"}


def test_a_long_journal_folds_by_itself_and_every_event_stays(one, monkeypatch, caplog):
    monkeypatch.setattr(journal, "FOLD_BYTES", 2_000)
    for number in range(40):
        one.annotations.add([note(f"{number:02d}")])
    assert path_of(one).stat().st_size < 20_000
    assert len(read_events(path_of(one, FOLDED))) > 10
    assert labels(one) == [f"{number:02d}" for number in range(40)]
    assert len(one.annotations.undo(39)) == 39
    assert labels(one) == ["00"]
    # A fold that fails says so and loses nothing
    monkeypatch.setattr(journal, "write_events", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    one.annotations.redo()
    one.annotations.add([note("x" * 20_000)])
    assert any("stays long" in line for line in caplog.messages)
    assert len(labels(one)) == 41


def test_the_table_says_what_the_journal_said(one, tmp_path):
    one.annotations.add([note("first", score=0.1, identity="x", by="head"), note("second", verdict="absent")])
    one.annotations.rename("first", "third")
    one.annotations.remove([one.annotations.all()[0].id])
    one.annotations.undo()
    one.annotations.redo()
    events = Journal(one.store.folder).read().events
    assert [event.op for event in events] == ["set", "rename", "remove", "undo", "redo"]
    write_events(tmp_path / "t.parquet", events)
    assert read_events(tmp_path / "t.parquet") == events
    write_events(tmp_path / "t.parquet", [])
    assert read_events(tmp_path / "t.parquet") == []


def test_several_writers_lose_nothing(one, monkeypatch):
    monkeypatch.setattr(journal, "FOLD_BYTES", 3_000)

    def write(name: str) -> None:
        annotations = Collection(one.store.folder).annotations
        for number in range(20):
            annotations.add([note(f"{name} {number:02d}")])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert labels(one) == [f"{name} {number:02d}" for name in "abc" for number in range(20)]
    assert faults(one) == []


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_what_could_not_be_written_does_not_count(one, monkeypatch, failing):
    one.annotations.add([note("first")])
    before = path_of(one).read_bytes()
    real = os.write

    def full(handle, content=b"", *rest):
        if content:
            real(handle, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal.os, failing, full)
        with pytest.raises(MmascError, match=r"cannot write to .*No space left.*unharmed"):
            one.annotations.add([note("second")])
    assert path_of(one).read_bytes() == before
    one.annotations.add([note("third")])
    assert labels(one) == ["first", "third"]
    assert faults(one) == []


def add_for_ever(tick, folder) -> None:
    """One label after the other, each said when it was acknowledged; folding every few."""
    journal.FOLD_BYTES = 1_000
    annotations = Collection(folder).annotations
    for number in range(100_000):
        annotations.add([Annotation(recording=7, start=0, end=1, label=f"{number:06d}") for _ in range(2)])
        tick(number)


@pytest.mark.parametrize("after", [0, 7, 40])
def test_what_was_acknowledged_outlives_a_kill(one, after):
    folder, chance = one.store.folder, random.Random(after)
    heard = len(one.annotations)
    kill_in_mid_work(add_for_ever, folder, after=after, last=100_000, delay=chance.uniform(0, 0.02))
    found = labels(one)
    assert len(found) >= heard + 2 * (after + 1)
    assert found == [f"{number // 2:06d}" for number in range(len(found))]  # both of a pair, none twice
    assert len(found) % 2 == 0
    assert faults(one) == []
    one.annotations.add([note("x")])
    assert len(labels(one)) == len(found) + 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become another user")
def test_another_user_reads_and_is_told_that_he_cannot_write(one):
    one.annotations.add([note("first")])
    one.compact()
    one.annotations.add([note("second")])
    folder = one.store.folder
    for place in (folder, *folder.parents[:-1]):
        if place.stat().st_uid == 0 and str(place) != "/tmp":
            place.chmod(0o755)
    code = f"""
import os
from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from mmasc.errors import MmascError
os.setuid(65534)
annotations = Collection({str(folder)!r}).annotations
print(*[one.label for one in annotations.all()])
try:
    annotations.add([Annotation(recording=7, start=0, end=1, label="third")])
except MmascError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert sorted(first.split()) == ["first", "second"]
    assert second.startswith("cannot write to")


def test_a_collection_without_annotations_has_no_files_of_them(one):
    assert len(one.annotations) == 0
    assert one.annotations.all() == []
    assert one.annotations.to_table().num_rows == 0
    one.compact()
    assert one.check() == Collection(one.store.folder).check()
    assert not (one.store.folder / FOLDER).exists()


def test_tables_and_lines_of_earlier_versions_open_and_newer_fields_stay(one):
    """What was written before annotations had frequencies and a channel holds none of the three columns."""
    boxed = {"low_hz": 100.5, "high_hz": 2000.0, "channel": 2}
    one.annotations.add([note("plain")])
    plain = path_of(one).read_bytes()
    assert not {name for name in boxed if name.encode() in plain}
    one.annotations.add([note("boxed", **boxed)])
    with Journal(one.store.folder).writing() as writing:
        writing.fold()
    assert [getattr(item, name) for item in one.annotations.all(label="boxed") for name in boxed] == [*boxed.values()]
    table = pq.read_table(path_of(one, FOLDED))
    pq.write_table(table.drop_columns([*boxed]), path_of(one, FOLDED))
    assert labels(one) == ["boxed", "plain"]
    assert all(getattr(item, name) is None for item in one.annotations.all() for name in boxed)
    with pytest.raises(MmascError, match="low_hz and high_hz must be 0 <= low_hz <= high_hz, got 5.0 and 1.0"):
        note("a", low_hz=5, high_hz=1)
    with pytest.raises(MmascError, match="the channel must be a whole number from 1 on, got 0"):
        note("a", channel=0)
