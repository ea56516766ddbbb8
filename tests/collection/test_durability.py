"""What a commit promises: killed, full, shared or damaged a collection is whole or says what is wrong."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection, leases, locks
from mmasc.collection import store as store_module
from mmasc.collection import transaction as transaction_module
from mmasc.collection.checksums import CHECKSUMS, read_checksums
from mmasc.collection.head import HEAD_NAME, Head, SpaceHead, read_head
from mmasc.collection.store import Store
from mmasc.collection.tables import manifest, versions
from mmasc.errors import MmascError
from mmasc.storage.files import write_atomically
from mmasc.windows.units import unit_float32
from tests.helpers.windows import DIM, IDENTITY, made, rows, starts, windows_table


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("automatic", [False, True])
def test_a_compaction_that_ends_before_the_head_loses_nothing(tmp_path, monkeypatch, fault, automatic):
    store = made(tmp_path / "c")
    before, files = starts(store), store.head()

    def fails(folder, head):
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_write_head", fails)
        if automatic:
            patch.setattr(transaction_module, "_FRAGMENTS_BEFORE_COMPACTION", 1)
        with pytest.raises((MmascError, KeyboardInterrupt)), store.transaction() as change:
            change.append_windows("one", rows(100, 1)) if automatic else change.compact()
    assert store.head() == files
    assert starts(store) == before
    assert store.damaged_files(store.head()) == []
    Collection(tmp_path / "c").compact()
    assert starts(store) == before
    assert len(store.dataset(store.head().spaces["one"]).get_fragments()) == 1


def test_compaction_leaves_one_file_and_one_version(tmp_path):
    store = made(tmp_path / "c", commits=5)
    before = starts(store)
    assert len(store.dataset(store.head().spaces["one"]).get_fragments()) == 5
    Collection(tmp_path / "c").compact()
    table = windows_table(store)
    assert versions(table) == [store.head().spaces["one"].version]
    assert len(list((table / "data").iterdir())) == 1
    assert starts(store) == before


def test_many_small_commits_compact_by_themselves(tmp_path, monkeypatch):
    monkeypatch.setattr(transaction_module, "_FRAGMENTS_BEFORE_COMPACTION", 4)
    store = made(tmp_path / "c", commits=5)
    assert len(store.dataset(store.head().spaces["one"]).get_fragments()) == 1
    assert starts(store) == list(np.arange(50.0))


def test_a_cleaning_that_was_cut_short_is_finished_by_the_next(tmp_path, monkeypatch):
    store = made(tmp_path / "c", commits=4)
    table = windows_table(store)
    old = store.dataset(store.head().spaces["one"]).get_fragments()[0].data_files()[0].path
    with store.transaction() as change:
        change.compact()
    # Killed in the middle of cleaning: a file of an old version is gone, a manifest is empty, a rest lies about
    (table / "data" / old).unlink()
    next(iter((table / "_versions").glob("*.manifest"))).stat()
    broken = store.tables.folder / table / "_versions" / f"{2**64 - 1 - 2:020d}.manifest"
    broken.write_bytes(b"")
    (table / "data" / "rest.lance").write_bytes(b"x")
    store.clean()
    assert versions(table) == [store.head().spaces["one"].version]
    assert len(list((table / "data").iterdir())) == 1
    assert starts(store) == list(np.arange(40.0))


@pytest.mark.parametrize("locks", [True, False])
def test_the_copy_of_a_head_that_never_counted_stops_no_compaction(tmp_path, monkeypatch, locks):
    store = made(tmp_path / "c", commits=0)

    def die(*_):
        raise KeyboardInterrupt

    def write():
        with store.transaction() as change:
            change.append_windows("one", rows(0, 5))

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_write_head", die)
        with pytest.raises(KeyboardInterrupt):
            write()
    with store.transaction() as change:
        change.set_root(str(tmp_path / "moved"))
    if not locks:
        monkeypatch.setattr(leases, "fcntl", None)
    Collection(tmp_path / "c").compact()
    monkeypatch.setattr(transaction_module, "_FRAGMENTS_BEFORE_COMPACTION", 0)
    write()
    assert store.remarks == []
    assert starts(store) == [0, 1, 2, 3, 4]


def test_an_automatic_compaction_that_cannot_clean_counts_and_says_so(tmp_path, monkeypatch):
    store = made(tmp_path / "c")
    monkeypatch.setattr(transaction_module, "_FRAGMENTS_BEFORE_COMPACTION", 1)

    def refuses(spare_recent):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(store, "_clean", refuses)
    with store.transaction() as change:
        change.append_windows("one", rows(30, 10))
    assert starts(store) == list(np.arange(40.0))
    (line,) = store.remarks
    assert "stay until the next compaction" in line


def test_the_manifest_of_a_commit_that_never_counted_may_be_empty(tmp_path):
    """After a power cut names can be there without their bytes."""
    store = made(tmp_path / "c")
    newest = store.head().spaces["one"].version
    (windows_table(store) / "_versions" / f"{2**64 - 1 - newest - 1:020d}.manifest").write_bytes(b"")
    with store.transaction() as change:
        change.append_windows("one", rows(30, 10))
    assert starts(store) == list(np.arange(40.0))


def test_a_head_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    store = made(tmp_path / "c")
    before = (tmp_path / "c" / HEAD_NAME).read_bytes()
    real = Path.write_bytes

    def half(path, content):
        if HEAD_NAME in path.name:
            real(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", half)
    full = pytest.raises(MmascError, match="cannot write to .*No space left.*; what was stored before is unharmed")
    with full, store.transaction() as change:
        change.set_root("/elsewhere")
    assert (tmp_path / "c" / HEAD_NAME).read_bytes() == before
    assert not list((tmp_path / "c").glob("*.tmp")) + list((tmp_path / "c").glob(".*.tmp"))


def test_what_somebody_reads_stays_until_it_is_closed(tmp_path):
    store = made(tmp_path / "c")
    reader = Collection(tmp_path / "c")
    before = reader.space().vectors()
    version = reader.head.spaces["one"].version
    Collection(tmp_path / "c").compact()
    with store.transaction() as change:
        change.remove_windows("one", [7])
    Collection(tmp_path / "c").compact()
    assert version in versions(windows_table(store))
    np.testing.assert_array_equal(reader.space().vectors(), before)
    reader.refresh()
    store.clean()
    assert versions(windows_table(store)) == [store.head().spaces["one"].version]


def test_a_reader_of_one_space_holds_the_lease_alone(tmp_path):
    made(tmp_path / "c")
    reader = Collection(tmp_path / "c").space()
    Collection(tmp_path / "c").compact()
    assert reader.vectors().shape == (30, DIM)


def test_an_old_head_shows_the_old_rows(tmp_path):
    store = made(tmp_path / "c")
    head = store.head()
    with store.transaction() as change:
        change.append_recordings(pa.table({"id": [8], "path": ["b.wav"], "duration": [1.0], "status": ["ok"]}))
    assert len(store.recordings(head)) == 1
    assert len(store.recordings()) == 2


def test_a_reader_that_meets_a_head_being_cleaned_starts_again(tmp_path, monkeypatch):
    store = made(tmp_path / "c")
    real, met = store_module.take_lease, []

    def cleaned_meanwhile(folder, generation):
        if not met:
            met.append(generation)
            with store.transaction() as change:
                change.set_root("/moved")
            leases.drop_unread(folder, generation + 1, spare_recent=False)
        return real(folder, generation)

    monkeypatch.setattr(store_module, "take_lease", cleaned_meanwhile)
    head = store.head()
    assert (head.generation, head.root) == (met[0] + 1, "/moved")
    assert head.lease is not None


def test_a_lease_on_a_file_without_a_name_is_none(tmp_path, monkeypatch):
    """The cleaner deletes the copy after the reader opened it and before the reader locks it."""
    store = made(tmp_path / "c")
    generation = store.head().generation
    real = leases.fcntl.flock

    def deleted_meanwhile(handle, how):
        leases.copy_path(tmp_path / "c", generation).unlink()
        real(handle, how)

    monkeypatch.setattr(leases.fcntl, "flock", deleted_meanwhile)
    assert leases.take_lease(tmp_path / "c", generation) is leases.Refusal.GONE


def test_a_lease_does_not_travel(tmp_path):
    import pickle

    store = made(tmp_path / "c")
    head = store.head()
    again = pickle.loads(pickle.dumps(head))
    assert again == head
    assert again.lease is None


def test_without_locks_old_versions_stay_for_an_hour(tmp_path, monkeypatch):
    store = made(tmp_path / "c")
    monkeypatch.setattr(leases, "fcntl", None)
    old = store.head().spaces["one"].version
    Collection(tmp_path / "c").compact()
    assert old in versions(windows_table(store))
    for copy in (tmp_path / "c" / "heads").iterdir():
        os.utime(copy, (1, 1))
    store.clean()
    assert versions(windows_table(store)) == [store.head().spaces["one"].version]


def test_copies_of_heads_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "_KEPT_HEADS", 3)
    store = made(tmp_path / "c", commits=1)
    kept = store.head()
    for number in range(8):
        with store.transaction() as change:
            change.set_root(f"/{number}")
    there = leases.generations(tmp_path / "c")
    assert there == [kept.generation, *range(kept.generation + 5, kept.generation + 9)]


def test_an_index_of_windows_that_no_longer_count_gives_no_wrong_answer(tmp_path):
    """Somebody puts an older collection.json back; the windows that come then are others."""
    store = made(tmp_path / "c", commits=1)
    older = (tmp_path / "c" / HEAD_NAME).read_text()
    with store.transaction() as change:
        change.append_windows("one", rows(10, 10))
    Collection(tmp_path / "c").space().refresh_index()
    (tmp_path / "c" / HEAD_NAME).write_text(older)
    with store.transaction() as change:
        change.append_windows("one", rows(500, 10))
    reader = Collection(tmp_path / "c").space()
    vectors = unit_float32(reader.vectors())
    scores, found = reader.search(vectors, 1)
    np.testing.assert_array_equal(found[:, 0], np.arange(20))
    np.testing.assert_allclose(scores[:, 0], 1, atol=2e-3)


def test_a_collection_of_the_first_version_opens_and_goes_on(tmp_path):
    store = made(tmp_path / "c")
    raw = json.loads((tmp_path / "c" / HEAD_NAME).read_text())
    del raw["generation"]
    (tmp_path / "c" / HEAD_NAME).write_text(json.dumps(raw))
    shutil.rmtree(tmp_path / "c" / "heads")
    (tmp_path / "c" / CHECKSUMS).unlink()
    assert (store.head().generation, store.head().lease) == (0, None)
    assert store.damaged_files(store.head()) == []
    with store.transaction() as change:
        change.append_windows("one", rows(30, 10))
    assert (store.head().generation, starts(store)) == (1, list(np.arange(40.0)))
    assert store.head().lease is not None


def test_a_copied_collection_without_its_heads_is_read(tmp_path):
    store = made(tmp_path / "c")
    shutil.rmtree(tmp_path / "c" / "heads")
    assert starts(store) == list(np.arange(30.0))
    with store.transaction() as change:
        change.set_root("/moved")
    assert store.head().root == "/moved"


def recorded(monkeypatch) -> list[tuple[str, str]]:
    """(call, path) of every fsync and rename from now on."""
    calls: list[tuple[str, str]] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(handle):
        calls.append(("sync", os.readlink(f"/proc/self/fd/{handle}")))
        real_sync(handle)

    def rename(source, target):
        calls.append(("rename", str(target)))
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", rename)
    return calls


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are read from /proc")
@pytest.mark.parametrize("clock", [0, 1, 4_000_000_000])
def test_data_then_names_then_the_copy_then_the_head(tmp_path, monkeypatch, clock):
    store = made(tmp_path / "c", commits=1)
    folder = tmp_path / "c"
    for base, _, names in os.walk(folder):
        for name in names:
            os.utime(Path(base, name), (clock or 1e9, clock or 1e9))  # a clock that was once wrong changes nothing
    before = {Path(base, name) for base, _, names in os.walk(folder) for name in names}
    calls = recorded(monkeypatch)
    with store.transaction() as change:
        change.add_space("two", SpaceHead("f" * 32, "standin", DIM, 1.0, 1.0, "mix"))
        change.append_windows("two", rows(0, 10))
        change.append_windows("one", rows(10, 10))
    monkeypatch.undo()
    synced = [path for call, path in calls if call == "sync"]
    new = {Path(base, name) for base, _, names in os.walk(folder) for name in names} - before
    tables = {str(path) for path in new if ".lance/" in str(path)}
    assert len(tables) >= 6
    assert tables <= set(synced)
    copy = folder / "heads" / f"{store.head().generation}.json"
    copied, counted = calls.index(("rename", str(copy))), calls.index(("rename", str(folder / HEAD_NAME)))
    last_file = max(calls.index(("sync", path)) for path in tables)
    names = [folder / "spaces" / ("f" * 32) / "windows.lance" / part for part in ("", "data", "_versions")]
    names += [folder / "spaces" / ("f" * 32), windows_table(store) / "data", windows_table(store) / "_versions"]
    places = [max(at for at, call in enumerate(calls) if call == ("sync", str(one))) for one in names]
    assert last_file < min(places)
    assert max(places) < copied
    assert ("sync", str(folder / "spaces")) in calls[:copied]
    assert ("sync", str(folder / CHECKSUMS)) in calls[:copied]
    assert ("sync", str(folder / "heads")) in calls[copied:counted]
    assert any(HEAD_NAME in path for call, path in calls[copied:counted] if call == "sync")
    assert calls[counted + 1] == ("sync", str(folder))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are read from /proc")
@pytest.mark.parametrize("commits", [0, 2])
def test_a_manifest_whose_name_a_dead_writer_used_is_synced_and_has_its_checksum(tmp_path, monkeypatch, commits):
    store = made(tmp_path / "c", commits)

    def die(*_):
        raise KeyboardInterrupt

    def write():
        with store.transaction() as change:
            change.append_windows("one", rows(100, 5))

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "write_copy", die)
        with pytest.raises(KeyboardInterrupt):
            write()
    if commits:
        # As after a power cut: the name is there, the bytes are not, and it is given again
        manifest(windows_table(store), versions(windows_table(store))[-1]).write_bytes(b"")
    calls = recorded(monkeypatch)
    with store.transaction() as change:
        change.append_windows("one", rows(200, 10))
    newest = manifest(windows_table(store), versions(windows_table(store))[-1])
    assert ("sync", str(newest)) in calls
    assert store.damaged_files(store.head()) == []
    assert starts(store) == [*map(float, range(10 * commits)), *map(float, range(200, 210))]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are read from /proc")
def test_a_new_collection_and_its_parents_are_synced(tmp_path, monkeypatch):
    calls = recorded(monkeypatch)
    Store.create(tmp_path / "new" / "deep" / "c", tmp_path)
    synced = {path for call, path in calls if call == "sync"}
    assert {str(tmp_path), str(tmp_path / "new"), str(tmp_path / "new" / "deep")} <= synced
    assert str(tmp_path / "new" / "deep" / "c") in synced


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are read from /proc")
def test_write_atomically_holds_no_lock_after_a_failed_deletion(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        with pytest.raises(OSError, match="Input/output error"):
            write_atomically(tmp_path / "file", b"new")
    still_open = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    assert not any(str(tmp_path) in os.readlink(one) for one in still_open if one.is_symlink())


def test_write_atomically_leaves_the_old_file_where_it_fails(tmp_path, monkeypatch):
    file = tmp_path / "f"
    write_atomically(file, b"old")

    def fails(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def lance_files(store: Store) -> list[Path]:
    return sorted(store.tables.files_of(store.head()))


def test_every_file_of_a_version_has_a_checksum(tmp_path):
    store = made(tmp_path / "c")
    with store.transaction() as change:
        change.remove_recordings([7])
        change.append_recordings(pa.table({"id": [9], "path": ["z.wav"], "duration": [1.0], "status": ["ok"]}))
        change.append_windows("one", rows(50, 4).set_column(0, "recording", pa.array(np.full(4, 9))))
    known = read_checksums(tmp_path / "c")
    names = {path.relative_to(tmp_path / "c").as_posix() for path in lance_files(store)}
    assert {Path(name).suffix for name in names} == {".manifest", ".lance"}
    assert names <= set(known)
    Collection(tmp_path / "c").compact()
    assert set(read_checksums(tmp_path / "c")) == {
        path.relative_to(tmp_path / "c").as_posix() for path in lance_files(store)
    }


@pytest.mark.parametrize("place", [0.1, 0.33, 0.6])
@pytest.mark.parametrize("suffix", [".lance", ".manifest"])
def test_check_names_the_file_in_which_a_bit_flipped(tmp_path, suffix, place):
    store = made(tmp_path / "c")
    file = [path for path in lance_files(store) if path.suffix == suffix and "windows" in str(path)][-1]
    data = bytearray(file.read_bytes())
    data[int(len(data) * place)] ^= 4
    file.write_bytes(data)
    assert store.damaged_files(store.head()) == [file.relative_to(tmp_path / "c").as_posix()]
    messages = [one.message for one in Collection(tmp_path / "c").check() if one.level == "error"]
    assert any(file.name in one and "restore" in one for one in messages)


def test_half_a_line_of_checksums_harms_nothing(tmp_path):
    store = made(tmp_path / "c")
    with open(tmp_path / "c" / CHECKSUMS, "ab") as file:
        file.write(b"0a1b2c3d 12")
    with store.transaction() as change:
        change.append_windows("one", rows(30, 10))
    assert store.damaged_files(store.head()) == []
    files = [path for path in windows_table(store).rglob("*") if path.is_file() and path.suffix != ".json"]
    assert len(files) > 10
    assert {path.relative_to(tmp_path / "c").as_posix() for path in files} <= set(read_checksums(tmp_path / "c"))


def test_check_says_when_the_head_is_not_as_it_was_written(tmp_path):
    store = made(tmp_path / "c")
    head = replace(store.head(), root="/somewhere")
    (tmp_path / "c" / HEAD_NAME).write_text(head.to_json())
    assert any("collection.json is not as it was written" in one.message for one in Collection(tmp_path / "c").check())


@pytest.mark.parametrize("kind", ["data", "_versions", "_deletions"])
@pytest.mark.parametrize("harm", ["cut", "empty", "noise", "gone"])
def test_a_damaged_table_is_one_line(tmp_path, kind, harm):
    store = made(tmp_path / "c")
    with store.transaction() as change:
        change.append_windows("one", rows(50, 4).set_column(0, "recording", pa.array(np.full(4, 9))))
    with store.transaction() as change:
        change.append_windows("one", rows(60, 4).set_column(0, "recording", pa.array([9, 8, 8, 8])))
    with store.transaction() as change:
        change.remove_windows("one", [8])
    head = store.head()
    chosen = [path for path in lance_files(store) if path.parent.name == kind and "windows" in str(path)]
    assert chosen
    for file in chosen:
        whole = file.read_bytes()
        if harm == "gone":
            file.unlink()
        else:
            noise = np.random.default_rng(0).bytes(len(whole))
            file.write_bytes({"cut": whole[:100], "empty": b"", "noise": noise}[harm])
    uses = [
        lambda: Collection(tmp_path / "c").space().vectors(),
        lambda: Collection(tmp_path / "c").search(vectors=np.ones(DIM)),
        lambda: Collection(tmp_path / "c").export(tmp_path / "x"),
        lambda: Collection(tmp_path / "c").compact(),
    ]
    for use in uses:
        with pytest.raises(MmascError) as caught:
            use()
        assert "\n" not in str(caught.value)
        assert "windows.lance" in str(caught.value)
        assert "restore" in str(caught.value)
    (finding,) = Collection(tmp_path / "c").check()
    assert finding.level == "error"
    assert chosen[0].name in finding.message
    assert read_head(tmp_path / "c" / HEAD_NAME) == head


def test_stray_files_block_nothing_and_stay(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / ".DS_Store").write_text("x")
    (folder / "Thumbs.db").write_text("x")
    store = made(folder)
    strays = [folder / "spaces" / ".DS_Store", folder / "spaces" / "desktop.ini", folder / "notes.txt"]
    strays += [windows_table(store) / "data" / ".DS_Store", windows_table(store) / "_versions" / "Thumbs.db"]
    for stray in strays:
        stray.write_text("x")
    shutil.copytree(folder / "spaces" / IDENTITY, folder / "spaces" / "my copy")
    shutil.copytree(folder / "spaces" / IDENTITY, folder / "spaces" / "backup")
    left = folder / "spaces" / ("a" * 32)
    left.mkdir()
    with store.transaction() as change:
        change.append_windows("one", rows(30, 10))
    Collection(folder).compact()
    assert not left.exists()
    assert all(stray.exists() for stray in strays)
    assert starts(store) == list(np.arange(40.0))
    assert (folder / "spaces" / "my copy" / "windows.lance").exists()
    assert (folder / "spaces" / "backup" / "windows.lance").exists()


def test_a_space_that_a_newer_head_knows_is_not_a_rest(tmp_path):
    """Somebody puts an older collection.json back: the space that came later must not be deleted."""
    store = made(tmp_path / "c")
    older = (tmp_path / "c" / HEAD_NAME).read_text()
    with store.transaction() as change:
        change.add_space("two", SpaceHead("e" * 32, "standin", DIM, 1.0, 1.0, "mix"))
        change.append_windows("two", rows(0, 5))
    (tmp_path / "c" / HEAD_NAME).write_text(older)
    with store.transaction() as change:
        change.set_root("/moved")
    assert (tmp_path / "c" / "spaces" / ("e" * 32) / "windows.lance").is_dir()


def test_tables_without_a_head_are_not_written_over(tmp_path):
    made(tmp_path / "c")
    (tmp_path / "c" / HEAD_NAME).unlink()
    with pytest.raises(MmascError, match=r"holds tables of a collection but no collection.json; restore it"):
        Store.create(tmp_path / "c", tmp_path)


def test_files_have_the_modes_that_the_umask_gives(tmp_path):
    before = os.umask(0o002)
    try:
        store = made(tmp_path / "c")
        Collection(tmp_path / "c").space().refresh_index()
        store.write_probes(IDENTITY, np.ones((2, DIM), np.float32))
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "c").rglob("*")}
    assert len(modes) > 20
    wrong = {str(path): oct(mode) for path, mode in modes.items() if mode != (0o775 if path.is_dir() else 0o664)}
    assert wrong == {}


ADDER = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
from tests.helpers.windows import rows
from mmasc.collection.store import Store
store = Store(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(6):
    with store.transaction() as change:
        change.append_windows("one", rows(int(sys.argv[3]) + 10 * number, 10))
"""


def test_two_writers_at_once_lose_and_double_nothing(tmp_path):
    store = made(tmp_path / "c")
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", ADDER, str(root), str(tmp_path / "c"), str(first)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for first in (1_000, 2_000)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:  # both wait here, so that they write at the same time
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    expected = [*range(30), *range(1_000, 1_060), *range(2_000, 2_060)]
    assert starts(store) == [float(one) for one in expected]


def test_a_writer_that_waits_says_for_what(tmp_path, monkeypatch, caplog):
    made(tmp_path / "c")
    monkeypatch.setattr(locks, "_SAID_AFTER_SECONDS", 0.01)
    monkeypatch.setattr(locks, "_LOCK_SECONDS", 0.02)
    refused = pytest.raises(MmascError, match="is locked by another process")
    with locks.locked(tmp_path / "c"), refused, Store(tmp_path / "c").transaction():
        pytest.fail("the lock of another was taken")
    (line,) = caplog.messages
    assert line.startswith("another process writes to")
    # The file of a lock whose process is gone is no lock
    assert (tmp_path / "c" / ".lock").exists()
    with Store(tmp_path / "c").transaction() as change:
        change.set_root("/moved")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become another user")
def test_another_user_reads_and_is_told_that_he_cannot_write():
    home = Path(tempfile.mkdtemp())
    try:
        home.chmod(0o755)
        store = made(home / "c")
        Collection(home / "c").search(vectors=np.ones(DIM), k=3)  # loads what root alone may load
        shutil.rmtree(next((home / "c" / "spaces" / IDENTITY).glob("index-*")))
        os.setegid(65_534)
        os.seteuid(65_534)
        try:
            collection = Collection(home / "c")
            assert collection.head.lease is not None
            assert len(collection.search(vectors=np.ones(DIM), k=3)) == 3
            assert len(collection.search(vectors=np.ones(DIM), k=4)) == 4
            (line,) = collection.remarks
            assert "is in memory alone" in line
            for change in (collection.compact, lambda: collection.remove(where="id = 7")):
                with pytest.raises(MmascError, match="cannot write to .*Permission denied.*unharmed"):
                    change()
        finally:
            os.seteuid(0)
            os.setegid(0)
        assert starts(store) == list(np.arange(30.0))
    finally:
        shutil.rmtree(home)


def test_an_interrupted_add_of_a_space_is_taken_back(tmp_path):
    store = made(tmp_path / "c")

    def ends_half_way(change):
        change.add_space("two", SpaceHead("odd-name", "standin", DIM, 1.0, 1.0, "mix"))
        change.append_windows("two", rows(0, 5))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), store.transaction() as change:
        ends_half_way(change)
    with store.transaction() as change:
        change.add_space("two", SpaceHead("odd-name", "standin", DIM, 1.0, 1.0, "mix"))
        change.append_windows("two", rows(5, 5))
    assert store.windows(store.head().spaces["two"]).column("start").to_pylist() == [5.0, 6.0, 7.0, 8.0, 9.0]
    assert isinstance(store.head(), Head)


@pytest.mark.parametrize("gone", [1, 12, 30])
def test_search_and_check_after_removing_some_or_all(tmp_path, registered, gone):
    sounds = tmp_path / "s"
    sounds.mkdir()
    generator = np.random.default_rng(0)
    for number in range(30):
        soundfile.write(sounds / f"{number:02}.wav", generator.uniform(-0.5, 0.5, 8_000), 8_000)
    mmasc.embed(sounds, tmp_path / "c", registered)
    collection = Collection(tmp_path / "c")
    collection.space().refresh_index()
    assert collection.remove([sounds / f"{number:02}.wav" for number in range(gone)]) == gone
    found = Collection(tmp_path / "c").search(text="ab", k=40)
    assert {Path(hit["path"]).name for hit in found} == {f"{number:02}.wav" for number in range(gone, 30)}
    assert [one.message for one in Collection(tmp_path / "c").check()] == []
