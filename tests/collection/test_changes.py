"""What a change of a file does to its recording: labels are never lost, vectors are those of what is there."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import mmasc
from mmasc.collection import Collection, looks, row_writer
from mmasc.collection.stamps import DIGEST, Stamp
from mmasc.errors import MmascError
from mmasc.storage.contents import digest_of
from tests.helpers.collections import levels, table_of, write

OLD = Path(__file__).parents[1] / "data" / "collection-0.1.0"


# The sounds of that collection: constant levels, so that vectors are known
OLD_SOUNDS = [("pond/a.wav", 1.5, 0.25), ("pond/b.wav", 2.0, -0.125), ("wood/c.wav", 1.0, 0.5)]


@pytest.fixture
def no_decoding(monkeypatch) -> Callable[[], None]:
    def forbid() -> None:
        def decodes(*_arguments, **_options):
            raise AssertionError("decoded although it was there")

        monkeypatch.setattr("mmasc.encoders.embedding.stream_audio", decodes)

    return forbid


def counts(report) -> tuple[int, int, int, int, int]:
    assert report.done == report.found
    return report.added, report.changed, report.skipped, report.moved, len(report.failed)


@pytest.mark.parametrize("how", ["times", "rewritten", "renamed over", "permissions"])
def test_a_touched_file_keeps_everything_and_is_not_decoded(labelled, registered, no_decoding, monkeypatch, how):
    file = labelled / "s/a/x.wav"
    before, vectors = table_of(labelled / "c"), levels(labelled / "c")
    if how == "times":
        os.utime(file, (1_700_000_000, 1_700_000_000))
    elif how == "rewritten":
        file.write_bytes(file.read_bytes())
    elif how == "renamed over":
        shutil.copy(file, file.with_suffix(".tmp"))
        os.replace(file.with_suffix(".tmp"), file)
    else:
        os.chmod(file, 0o600)
    no_decoding()
    assert counts(mmasc.embed(labelled / "s", labelled / "c", registered)) == (0, 0, 3, 0, 0)
    after = table_of(labelled / "c")
    assert Stamp.of_row(after["a/x.wav"]) == Stamp.of(file.stat(), digest_of(file))
    for path, row in after.items():
        times = ("mtime_ns", "mmasc_ctime_ns")
        assert {key: value for key, value in row.items() if key not in times} == {
            key: value for key, value in before[path].items() if key not in times
        }
    assert levels(labelled / "c") == vectors
    # The new stamp is known: the content is not read once more
    monkeypatch.setattr(looks, "digest_of", lambda path: pytest.fail(f"{path} was read again"))
    assert mmasc.embed(labelled / "s", labelled / "c", registered).skipped == 3


def test_a_changed_file_keeps_id_and_labels_and_loses_old_vectors_in_every_space(labelled, registered, second):
    mmasc.embed(labelled / "s", labelled / "c", second, space="second")
    before = table_of(labelled / "c")
    write(labelled / "s/a/x.wav", 0.125, 2.5)
    report = mmasc.embed(labelled / "s", labelled / "c", registered)
    assert counts(report) == (0, 1, 2, 0, 0)
    row = table_of(labelled / "c")["a/x.wav"]
    assert (row["id"], row["label"], row["duration"]) == (before["a/x.wav"]["id"], "frog", 2.5)
    assert levels(labelled / "c")["a/x.wav"] == [0.125, 0.125, 0.125]
    assert levels(labelled / "c", "second") == {"b/x.wav": [-0.25], "b/y.wav": [0.5]}
    (said,) = report.remarks
    assert "1 recording changed since it was embedded in space 'second'" in said
    command = f"mmasc embed {labelled / 's'} --into {labelled / 'c'} --encoder standin --space second"
    assert said.endswith(command)
    (warning,) = [one.message for one in Collection(labelled / "c").check()]
    assert "space 'second' has no vectors of 1 recording that another space has (a/x.wav)" in warning
    assert warning.endswith(command)
    assert counts(mmasc.embed(labelled / "s", labelled / "c", second, space="second")) == (1, 0, 2, 0, 0)
    assert levels(labelled / "c", "second")["a/x.wav"] == [0.125, 0.125, 0.125]
    assert Collection(labelled / "c").check() == []


def test_a_change_seen_first_by_another_encoder_is_a_change(labelled, registered, second):
    write(labelled / "s/a/x.wav", 0.125)
    report = mmasc.embed(labelled / "s", labelled / "c", second, space="second")
    assert counts(report) == (3, 0, 0, 0, 0)
    assert "1 recording changed since it was embedded in space 'standin'" in report.remarks[0]
    assert levels(labelled / "c") == {"b/x.wav": [-0.25], "b/y.wav": [0.5]}
    assert levels(labelled / "c", "second")["a/x.wav"] == [0.125]
    assert table_of(labelled / "c")["a/x.wav"]["label"] == "frog"


def test_other_content_under_the_same_size_and_time_is_seen(labelled, registered):
    file = labelled / "s/a/x.wav"
    stat = file.stat()
    write(file, 0.125)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert counts(mmasc.embed(labelled / "s", labelled / "c", registered)) == (0, 1, 2, 0, 0)
    assert levels(labelled / "c")["a/x.wav"] == [0.125]
    assert table_of(labelled / "c")["a/x.wav"]["label"] == "frog"


@pytest.mark.parametrize("step", ["remove_windows", "update_recordings", "append_windows", "commit"])
def test_a_writer_that_dies_while_it_replaces_a_changed_file_lost_nothing(labelled, registered, monkeypatch, step):
    write(labelled / "s/a/x.wav", 0.125)
    real = getattr(row_writer.Transaction, step)

    def dies(self, *arguments):
        if step == "commit" and self.head == Collection(labelled / "c").head:
            return real(self, *arguments)
        if step != "commit":
            real(self, *arguments)
            if step == "update_recordings" and not len(arguments[0]):
                return None
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(row_writer.Transaction, step, dies)
        with pytest.raises(KeyboardInterrupt):
            mmasc.embed(labelled / "s", labelled / "c", registered)
    assert table_of(labelled / "c")["a/x.wav"]["label"] == "frog"
    assert levels(labelled / "c")["a/x.wav"] == [0.25]
    assert mmasc.embed(labelled / "s", labelled / "c", registered).changed == 1
    assert table_of(labelled / "c")["a/x.wav"]["label"] == "frog"
    assert levels(labelled / "c")["a/x.wav"] == [0.125]


def test_a_moved_file_keeps_its_recording_in_every_space(labelled, registered, second, no_decoding):
    mmasc.embed(labelled / "s", labelled / "c", second, space="second")
    before = table_of(labelled / "c")
    (labelled / "s/new").mkdir()
    os.rename(labelled / "s/a/x.wav", labelled / "s/new/z.wav")
    no_decoding()
    report = mmasc.embed(labelled / "s", labelled / "c", registered)
    assert counts(report) == (0, 0, 2, 1, 0)
    assert report.missing == 0
    assert report.remarks == []
    after = table_of(labelled / "c")
    assert set(after) == {"new/z.wav", "b/x.wav", "b/y.wav"}
    assert (after["new/z.wav"]["id"], after["new/z.wav"]["label"]) == (before["a/x.wav"]["id"], "frog")
    for space in ("standin", "second"):
        assert levels(labelled / "c", space) == {"new/z.wav": [0.25], "b/x.wav": [-0.25], "b/y.wav": [0.5]}
    # Once more there is nothing to do
    assert counts(mmasc.embed(labelled / "s", labelled / "c", registered)) == (0, 0, 3, 0, 0)


def test_a_moved_file_is_new_for_a_second_encoder_alone(labelled, registered, second):
    os.rename(labelled / "s/a/x.wav", labelled / "s/a/z.wav")
    assert counts(mmasc.embed(labelled / "s", labelled / "c", second, space="second")) == (3, 0, 0, 0, 0)
    assert levels(labelled / "c") == levels(labelled / "c", "second")
    assert table_of(labelled / "c")["a/z.wav"]["label"] == "frog"


@pytest.mark.parametrize("case", ["a copy", "two gone", "two new"])
def test_what_was_moved_is_not_guessed(labelled, registered, case):
    file = labelled / "s/a/x.wav"
    if case == "two gone":
        shutil.copy(file, labelled / "s/a/twin.wav")
        mmasc.embed(labelled / "s", labelled / "c", registered)
        os.remove(labelled / "s/a/twin.wav")
    known = set(table_of(labelled / "c"))
    shutil.copy(file, labelled / "s/one.wav")
    if case == "two new":
        shutil.copy(file, labelled / "s/two.wav")
    if case != "a copy":
        os.remove(file)
    report = mmasc.embed(labelled / "s", labelled / "c", registered)
    assert (report.moved, report.added) == (0, 2 if case == "two new" else 1)
    assert set(table_of(labelled / "c")) >= known | {"one.wav"}
    assert table_of(labelled / "c")["one.wav"]["label"] is None


def test_another_root_is_said_before_anything_is_stored(labelled, registered, no_decoding):
    (labelled / "disk").mkdir()
    os.rename(labelled / "s", labelled / "disk/s")
    before = table_of(labelled / "c")
    no_decoding()
    command = f"mmasc collection move-root {labelled / 'c'} {labelled / 'disk/s'}"
    for given in (labelled / "disk/s", labelled / "disk", labelled / "disk/s/a"):
        with pytest.raises(MmascError, match="none of the 3 recordings") as caught:
            mmasc.embed(given, labelled / "c", registered)
        assert str(caught.value).endswith(command)
        assert "\n" not in str(caught.value)
    # An empty folder in its place, as a disk that is not mounted leaves it
    (labelled / "s").mkdir()
    with pytest.raises(MmascError, match="move-root"):
        mmasc.embed(labelled / "disk/s", labelled / "c", registered)
    assert table_of(labelled / "c") == before
    assert Collection(labelled / "c").move_root(labelled / "disk/s") == 0
    assert counts(mmasc.embed(labelled / "disk/s", labelled / "c", registered)) == (0, 0, 3, 0, 0)


def test_other_files_go_on_where_the_root_is_gone(labelled, registered):
    shutil.rmtree(labelled / "s")
    write(labelled / "t/b/x.wav", 0.125)  # of the same size and place under its root, with another content
    write(labelled / "t/other.wav", 0.25, 2.0)
    report = mmasc.embed(labelled / "t", labelled / "c", registered)
    assert counts(report) == (2, 0, 0, 0, 0)
    assert report.missing == 0
    assert len(table_of(labelled / "c")) == 5


def test_a_root_that_is_not_used_is_said(labelled, registered):
    (said,) = mmasc.embed(labelled / "s", labelled / "c", registered, root=labelled).remarks
    assert f"--root {labelled} was not used" in said


def test_recordings_that_are_gone_are_said_and_can_be_removed(labelled, registered):
    os.remove(labelled / "s/a/x.wav")
    assert mmasc.embed(labelled / "s/b", labelled / "c", registered).missing == 0  # that folder lacks nothing
    report = mmasc.embed(labelled / "s", labelled / "c", registered)
    assert report.missing == 1
    (said,) = report.remarks
    assert "1 recording of" in said
    assert "no longer there (a/x.wav)" in said
    assert said.endswith(f"mmasc collection remove {labelled / 'c'} --missing")
    collection = Collection(labelled / "c")
    assert collection.remove([labelled / "s/b"], missing=True) == 0
    assert collection.remove(missing=True) == 1
    assert set(table_of(labelled / "c")) == {"b/x.wav", "b/y.wav"}
    assert collection.remove(missing=True) == 0


def test_a_file_that_a_folder_took_the_place_of_is_gone_and_its_recording_follows_the_sound(labelled, registered):
    place = labelled / "s/a/x.wav"
    before = table_of(labelled / "c")["a/x.wav"]
    os.rename(place, labelled / "sound")
    place.mkdir()
    found = Collection(labelled / "c").check()
    assert [one.message.partition(" is not under ")[0] for one in found] == ["1 recording"]
    assert mmasc.embed(labelled / "s", labelled / "c", registered).missing == 1
    os.rename(labelled / "sound", place / "take.wav")
    assert counts(mmasc.embed(labelled / "s", labelled / "c", registered)) == (0, 0, 2, 1, 0)
    after = table_of(labelled / "c")
    assert set(after) == {"a/x.wav/take.wav", "b/x.wav", "b/y.wav"}
    assert (after["a/x.wav/take.wav"]["id"], after["a/x.wav/take.wav"]["label"]) == (before["id"], before["label"])


@pytest.mark.parametrize("seconds", [10_000_000_000, -10_000_000_000])  # 2286, 1653
def test_times_that_no_column_holds_are_the_nearest(labelled, registered, no_decoding, seconds):
    file = labelled / "s/a/new.wav"
    write(file, 0.375, 1.0)
    extreme = os.stat_result(tuple(file.stat())[:10], {"st_mtime_ns": seconds * 10**9, "st_ctime_ns": -1})
    stamp = Stamp.of(extreme)
    assert stamp.mtime_ns == (2**63 - 1 if seconds > 0 else -(2**63))
    assert stamp.ctime_ns == 0
    try:
        os.utime(file, (seconds, seconds))
    except OSError:  # other systems have no such times
        return
    if abs(file.stat().st_mtime - seconds) > 1:
        return  # nor does this disk
    assert counts(mmasc.embed(labelled / "s", labelled / "c", registered)) == (1, 0, 3, 0, 0)
    no_decoding()
    assert counts(mmasc.embed(labelled / "s", labelled / "c", registered)) == (0, 0, 4, 0, 0)
    assert Collection(labelled / "c").check() == []


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_disk_that_is_not_there_empties_no_collection(labelled, left):
    os.rename(labelled / "s", labelled / "away")
    if left == "an empty folder":
        (labelled / "s").mkdir()
    with pytest.raises(MmascError, match="nothing was removed .*move-root") as caught:
        Collection(labelled / "c").remove(missing=True)
    assert "\n" not in str(caught.value)
    assert len(table_of(labelled / "c")) == 3
    # By their paths they can be removed
    assert Collection(labelled / "c").remove([labelled / "s/a"]) == 1


@pytest.mark.parametrize("what", ["grows", "is rewritten", "vanishes"])
def test_a_file_that_changes_while_it_is_read_is_not_stored(labelled, registered, monkeypatch, what):
    file = write(labelled / "s/new.wav", 0.125)

    def digest(path: Path) -> bytes:
        found = digest_of(path)
        if path == file and what == "grows":
            with open(file, "ab") as writing:
                writing.write(b"more")
        elif path == file and what == "is rewritten":
            stat = file.stat()
            file.write_bytes(file.read_bytes()[:-2] + b"\1\1")
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        elif path == file:
            file.unlink()
        return found

    monkeypatch.setattr("mmasc.collection.executors.local.digest_of", digest)
    report = mmasc.embed(labelled / "s", labelled / "c", registered)
    monkeypatch.undo()
    assert counts(report) == (0, 0, 3, 0, 1)
    assert ("removed" if what == "vanishes" else "changed") + " while it was read" in report.failed[0].reason
    assert "new.wav" not in table_of(labelled / "c")


def test_columns_reach_whatever_was_given(labelled, registered, second):
    """Skipped, touched, moved, new in a second space, and failed: each recording gets its columns."""
    os.utime(labelled / "s/a/x.wav", (1, 1))
    os.rename(labelled / "s/b/y.wav", labelled / "s/b/moved.wav")
    (labelled / "s/b/x.wav").write_bytes(b"no sound any more")
    write(labelled / "s/new.wav", 0.1)
    (labelled / "n.csv").write_text("path;count\na/x.wav;1\nb/x.wav;2\nb/moved.wav;3\nnew.wav;4\n")
    report = mmasc.embed(labelled / "s", labelled / "c", second, space="second", metadata=labelled / "n.csv")
    assert len(report.failed) == 1
    assert {path: (row["count"], row["label"]) for path, row in table_of(labelled / "c").items()} == {
        "a/x.wav": (1, "frog"),
        "b/x.wav": (2, "owl"),
        "b/moved.wav": (3, "rain"),
        "new.wav": (4, None),
    }


def test_an_empty_value_deletes_no_label(labelled, registered):
    (labelled / "n.csv").write_text("path,label,more\na/x.wav,,1\nb/x.wav,NA,\nb/y.wav,wind,3\n")
    report = mmasc.embed(labelled / "s", labelled / "c", registered, metadata=labelled / "n.csv")
    assert report.remarks == [f"1 values of {labelled / 'n.csv'} were read as missing (NA 1×)"]
    assert {path: (row["label"], row["more"]) for path, row in table_of(labelled / "c").items()} == {
        "a/x.wav": ("frog", 1),
        "b/x.wav": ("owl", None),
        "b/y.wav": ("wind", 3),
    }


def test_faults_of_a_table_are_said_before_anything_is_decoded(labelled, registered, no_decoding):
    write(labelled / "s/new.wav", 0.1)
    no_decoding()
    table = labelled / "n.csv"
    table.write_text("path,label\nnew.wav,x\na/x.wav,frog\nnew.wav,y\n")
    with pytest.raises(MmascError, match=r"lines 2 and 4 are two rows for .*new\.wav .*label: x and y"):
        mmasc.embed(labelled / "s", labelled / "c", registered, metadata=table)
    with pytest.raises(MmascError, match="lines 2 and 4"):
        mmasc.embed(labelled / "s", labelled / "fresh", registered, metadata=table)
    assert not (labelled / "fresh").exists()
    table.write_text("path,size,meta_size\nnew.wav,1,2\n")
    with pytest.raises(MmascError, match="columns size and meta_size are both meta_size here"):
        mmasc.embed(labelled / "s", labelled / "c", registered, metadata=table)


def test_values_of_another_type_are_said_before_anything_is_decoded(labelled, registered, no_decoding):
    table = labelled / "n.csv"
    table.write_text("path,count\na/x.wav,1\n")
    mmasc.embed(labelled / "s", labelled / "c", registered, metadata=table)
    table.write_text("path,count\na/x.wav,many\n")
    no_decoding()
    with pytest.raises(MmascError, match=rf"{table}: column 'count' holds int64 in this collection"):
        mmasc.embed(labelled / "s", labelled / "c", registered, metadata=table)
    # Numbers in a column of text stay as they were written
    table.write_text("path,label\na/x.wav,1e3\nb/x.wav,2\n")
    mmasc.embed(labelled / "s", labelled / "c", registered, metadata=table)
    assert [table_of(labelled / "c")[path]["label"] for path in ("a/x.wav", "b/x.wav")] == ["1e3", "2"]


def test_the_type_of_a_column_is_that_of_the_table_whatever_is_stored_first(tmp_path, registered):
    for name in "abc":
        write(tmp_path / f"s/{name}.wav", 0.1)
    (tmp_path / "m.csv").write_text("path,count\na.wav,\nb.wav,\nc.wav,3\n")
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered, metadata=tmp_path / "m.csv", commit_windows=1)
    assert Collection(tmp_path / "c").recordings.schema.field("count").type == pa.int64()


def test_a_bare_name_is_given_to_none_of_two_recordings(labelled, registered):
    (labelled / "n.csv").write_text("filename,note\nx.wav,which\ny.wav,this\n")
    for given in ("s", "s/a"):  # also where only one of the two is given now
        remarks = mmasc.embed(labelled / given, labelled / "c", registered, metadata=labelled / "n.csv").remarks
        assert any("line 2: x.wav is" in line and "a/x.wav" in line and "b/x.wav" in line for line in remarks)
    assert {path: row["note"] for path, row in table_of(labelled / "c").items()} == {
        "a/x.wav": None,
        "b/x.wav": None,
        "b/y.wav": "this",
    }


@pytest.fixture
def old(tmp_path) -> Path:
    shutil.copytree(OLD, tmp_path / "c")
    for name, seconds, level in OLD_SOUNDS:
        os.utime(write(tmp_path / "sounds" / name, level, seconds), ns=(10**18, 10**18))
    collection = Collection(tmp_path / "c")
    assert collection.move_root(tmp_path / "sounds") == 0
    return tmp_path


OWN = {
    "pond/a.wav": ("frog", 3, "early", "mine"),
    "pond/b.wav": (None, None, None, None),
    "wood/c.wav": ("owl", None, "late", None),
}


# Its own column of a name that is ours now has ours in front of nothing: it is called meta_... from the first look on
OWN_NAMES = ["label", "count", "ctime_ns", "meta_mmasc_digest"]
OLD_LEVELS = {"pond/a.wav": [0.25, 0.25], "pond/b.wav": [-0.125, -0.125], "wood/c.wav": [0.5]}


def own_of(folder: Path) -> dict[str, tuple]:
    collection = Collection(folder)
    assert sorted(collection.metadata_columns) == sorted(OWN_NAMES)
    return {path: tuple(row[name] for name in OWN_NAMES) for path, row in table_of(folder).items()}


def test_a_collection_of_version_0_1_0_opens_and_answers(old):
    collection = Collection(old / "c")
    assert own_of(old / "c") == OWN
    assert levels(old / "c") == OLD_LEVELS
    assert {row[DIGEST] for row in table_of(old / "c").values()} == {None}
    hits = collection.search(vectors=np.array([0.5, 0.5, 0.5, 1], np.float32), where="label = 'owl'")
    assert [(Path(hit["path"]).name, hit["meta_mmasc_digest"]) for hit in hits] == [("c.wav", None)]
    assert collection.check() == []


def test_a_collection_of_version_0_1_0_goes_on(old, registered, no_decoding, monkeypatch):
    with monkeypatch.context():
        no_decoding()
        assert counts(mmasc.embed(old / "sounds", old / "c", registered)) == (0, 0, 3, 0, 0)
    monkeypatch.undo()
    assert own_of(old / "c") == OWN
    assert levels(old / "c") == OLD_LEVELS


def test_files_of_a_collection_of_version_0_1_0_are_compared_by_their_vectors(old, standin):
    os.utime(old / "sounds/pond/a.wav", (1, 1))
    write(old / "sounds/pond/b.wav", 0.0625, 2.0)
    write(old / "sounds/new.wav", 0.1)
    ids = {path: row["id"] for path, row in table_of(old / "c").items()}
    assert counts(mmasc.embed(old / "sounds", old / "c", standin)) == (1, 1, 2, 0, 0)
    assert own_of(old / "c") == {**OWN, "new.wav": (None,) * 4}
    assert {path: row["id"] for path, row in table_of(old / "c").items() if path != "new.wav"} == ids
    assert levels(old / "c") == {**OLD_LEVELS, "pond/b.wav": [0.062, 0.062], "new.wav": [0.1]}
    # What was decoded has a digest now: touched and moved files are known by it
    os.rename(old / "sounds/pond/a.wav", old / "sounds/pond/z.wav")
    assert counts(mmasc.embed(old / "sounds", old / "c", standin)) == (0, 0, 3, 1, 0)
    assert own_of(old / "c")["pond/z.wav"] == OWN["pond/a.wav"]


def test_a_second_encoder_in_a_collection_of_version_0_1_0(old, second):
    assert counts(mmasc.embed(old / "sounds", old / "c", second, space="second")) == (3, 0, 0, 0, 0)
    assert own_of(old / "c") == OWN
    assert levels(old / "c") == levels(old / "c", "second") == OLD_LEVELS
    assert {row[DIGEST] for row in table_of(old / "c").values()} == {
        digest_of(old / "sounds" / name) for name, _, _ in OLD_SOUNDS
    }


@pytest.mark.parametrize("old_first", [True, False])
def test_a_collection_of_version_0_1_0_is_merged(old, registered, old_first):
    write(old / "sounds/new.wav", 0.1)
    mmasc.embed(old / "sounds", old / "fresh", registered)
    into, other = ("c", "fresh") if old_first else ("fresh", "c")
    result = Collection(old / into).merge(old / other)
    assert (result["recordings"], result["windows"]) == ((1, 1) if old_first else (0, 0))
    assert result["already_there"] == 3
    assert own_of(old / into) == {**OWN, "new.wav": (None,) * 4}
    assert levels(old / into) == {**OLD_LEVELS, "new.wav": [0.1]}
    again = Collection(old / into).merge(old / other)
    assert (again["recordings"], again["windows"], again["values"]) == (0, 0, 0)
