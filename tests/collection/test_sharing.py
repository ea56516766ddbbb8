"""Several users write to one collection: what one of them writes never stops the others."""

import os
import re
import shutil
import stat
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from mmasc import Annotation, Collection, MmascError
from mmasc.collection import sharing
from mmasc.collection.journal import why_not_labelled
from mmasc.collection.sharing import shared
from mmasc.collection.store import Store
from tests.helpers.users import ALICE, BOB, LAB, As, root_only
from tests.helpers.windows import DIM, IDENTITY, made, rows

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")


@pytest.fixture
def place():
    """A folder in which LAB may write, and that others may enter."""
    base = Path(tempfile.mkdtemp())
    base.chmod(0o755)
    folder = base / "lab"
    folder.mkdir()
    os.chown(folder, 0, LAB)
    folder.chmod(0o2775)
    yield folder
    shutil.rmtree(base)


def written_by_all(folder: Path, start: int) -> None:
    """Every kind of change: windows, labels, their undoing, an index, a compaction."""
    with Store(folder).transaction() as change:
        change.append_windows("one", rows(start, 5))
    collection = Collection(folder)
    collection.annotations.add([Annotation(recording=7, start=0, end=1, label="rain", by="one")])
    collection.annotations.undo()
    assert collection.annotations.redo()
    collection.space().refresh_index()
    collection.store.write_probes(IDENTITY, np.ones((2, DIM), np.float32))
    collection.compact()
    assert collection.remarks == []


@root_only
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_members_of_a_group_write_in_turns_whatever_their_umask(place, umask):
    with As(ALICE, 0o002):
        made(place / "c")
    for turn, user in enumerate((ALICE, BOB, ALICE, BOB)):
        with As(user, umask):
            written_by_all(place / "c", 100 * (turn + 1))
    modes = {path: path.stat() for path in (place / "c").rglob("*")}
    assert {one.st_uid for one in modes.values()} == {ALICE, BOB}
    wanted = {True: 0o775, False: 0o664}
    wrong = {str(path): oct(one.st_mode) for path, one in modes.items() if one.st_mode & 0o777 != wanted[path.is_dir()]}
    assert wrong == {}
    assert len(Collection(place / "c").annotations.all()) == 4


@root_only
def test_who_may_not_write_is_told_who_can_change_it(place):
    with As(ALICE, 0o022):
        made(place / "c")
        Collection(place / "c").annotations.add([Annotation(recording=7, start=0, end=1, label="rain", by="one")])
    with As(BOB, 0o022):
        collection = Collection(place / "c")
        wanted = r"c/annotations(/.lock)?: Permission denied;.*chmod -R g\+rwX .*/c; what was stored before is unharmed"
        assert re.search(wanted, why_not_labelled(place / "c"))
        with pytest.raises(MmascError, match=wanted):
            collection.annotations.undo()
    with As(ALICE, 0o022):
        assert why_not_labelled(place / "c") == ""


def test_one_who_forbade_himself_is_told_how_to_allow_it(tmp_path, monkeypatch):
    store = made(tmp_path / "a b")

    def refuses(*_):
        raise PermissionError(13, "Permission denied", str(tmp_path / "a b" / "collection.json"))

    monkeypatch.setattr("mmasc.collection.store.write_probes", refuses)
    with pytest.raises(MmascError, match=r"a b/collection.json: Permission denied; .* chmod -R u\+rwX '.*a b'; what"):
        store.write_probes(IDENTITY, np.ones((2, DIM), np.float32))


@posix
@pytest.mark.parametrize(
    ("mode", "umask", "file"),
    [(0o775, 0o022, 0o664), (0o755, 0o077, 0o644), (0o700, 0o022, 0o644), (0o777, 0o022, 0o664), (0o750, 0o077, 0o640)],
)
def test_new_files_have_the_rights_of_their_folder_and_nobody_else_writes(tmp_path, mode, umask, file):
    (tmp_path / "c").mkdir()
    (tmp_path / "c").chmod(mode)
    before = os.umask(umask)
    try:
        with shared(tmp_path / "c"):
            (tmp_path / "c" / "one").touch()
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "c" / "one").stat().st_mode) == file


@root_only
def test_files_of_another_group_get_no_more_than_the_umask_gives(tmp_path):
    (tmp_path / "c").mkdir()
    os.chown(tmp_path / "c", 0, LAB)
    (tmp_path / "c").chmod(0o775)  # no setgid bit: new files get the group of the process
    before = os.umask(0o022)
    try:
        with shared(tmp_path / "c"):
            (tmp_path / "c" / "one").touch()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "c" / "one").stat().st_mode) == 0o644


@posix
def test_the_umask_comes_back_when_blocks_of_several_threads_overlap(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c").chmod(0o775)
    before = os.umask(0o022)
    inside, leave = threading.Event(), threading.Event()

    def other():
        with shared(tmp_path / "c"):
            inside.set()
            leave.wait(60)
            (tmp_path / "c" / "late").touch()

    try:
        thread = threading.Thread(target=other)
        with shared(tmp_path / "c"):
            thread.start()
            assert inside.wait(60)
        leave.set()
        thread.join(60)
        assert sharing._umask.users == 0
        assert os.umask(0o022) == 0o022
    finally:
        leave.set()
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "c" / "late").stat().st_mode) == 0o664
