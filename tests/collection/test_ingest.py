"""Into a collection: nothing twice, nothing lost, nothing decoded that is there already."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection import row_writer as ingest_module
from mmasc.encoders.registry import ENCODERS
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.errors import MmascError
from tests.conftest import STANDIN_SPEC
from tests.helpers.killing import kill_in_mid_work

# A process that embeds with the stand-in encoder, committing often: two of them add at once
WORKER = """
import sys
from mmasc.encoders import ENCODERS
from tests.conftest import STANDIN_SPEC
ENCODERS["standin"] = STANDIN_SPEC
import mmasc
print("ready", flush=True)
report = mmasc.embed(sys.argv[1], sys.argv[2], "standin", commit_windows=20)
print(report.added, report.skipped, flush=True)
"""


def rows_of(folder: Path, to: Path) -> tuple[list[tuple], np.ndarray]:
    """Rows and vectors as exported, by path under the root."""
    collection = Collection(folder)
    assert [one.message for one in collection.check() if one.level == "error"] == []
    collection.export(to)
    table = pq.read_table(to / "windows.parquet").to_pylist()
    root = Path(collection.head.root)
    keys = [(str(Path(row["path"]).relative_to(root)), row["lane"], row["start"], row["end"]) for row in table]
    return keys, np.load(to / "vectors.npy")


def many_sounds(folder: Path, count: int) -> Path:
    folder.mkdir()
    generator = np.random.default_rng(0)
    for item in range(count):
        soundfile.write(folder / f"{item:04d}.wav", generator.uniform(-0.5, 0.5, 400 + 160 * (item % 90)), 8_000)
    return folder


def test_a_collection_goes_on_with_its_encoder_without_being_told(sounds, tmp_path, registered):
    """Also with its window, and in a space of another name; the default encoder is for new collections."""
    mmasc.embed(sounds, tmp_path / "c", registered, window_seconds=0.5)
    again = mmasc.embed(sounds, tmp_path / "c")
    assert (again.added, again.skipped) == (0, 5)
    mmasc.embed(sounds, tmp_path / "c", "classic", space="second")
    assert mmasc.embed(sounds, tmp_path / "c", space="second").skipped == 5
    assert {name: one.encoder for name, one in Collection(tmp_path / "c").head.spaces.items()} == {
        "standin": "standin",
        "second": "classic",
    }
    old = mmasc.embed(sounds, tmp_path / "old", "mini")
    assert (old.added, mmasc.embed(sounds, tmp_path / "old").skipped) == (5, 5)
    assert list(Collection(tmp_path / "old").head.spaces) == ["mini"]
    mmasc.embed(sounds, tmp_path / "named", "classic", space="birds")
    assert mmasc.embed(sounds, tmp_path / "named").skipped == 5
    assert list(Collection(tmp_path / "named").head.spaces) == ["birds"]
    mmasc.embed(sounds, tmp_path / "new")
    assert [one.encoder for one in Collection(tmp_path / "new").head.spaces.values()] == [DEFAULT_ENCODER]


def test_second_run_skips_before_decoding(sounds, tmp_path, registered, monkeypatch):
    first = mmasc.embed(sounds, tmp_path / "c", registered)
    assert (first.found, first.added, first.skipped, first.failed) == (5, 5, 0, [])

    def no_decoding(*_args, **_options):
        raise AssertionError("decoded although it was there")

    monkeypatch.setattr("mmasc.encoders.embedding.stream_audio", no_decoding)
    second = mmasc.embed(sounds, tmp_path / "c", registered)
    assert (second.added, second.skipped, second.windows) == (0, 5, 0)
    assert len(Collection(tmp_path / "c").recordings) == 5


def test_one_by_one_is_all_at_once(sounds, tmp_path, registered):
    mmasc.embed(sounds, tmp_path / "all", registered)
    for path in reversed(mmasc.find_audio(sounds)):
        mmasc.embed(path, tmp_path / "each", registered, root=sounds)
    one, other = rows_of(tmp_path / "all", tmp_path / "x"), rows_of(tmp_path / "each", tmp_path / "y")
    assert one[0] == other[0]
    np.testing.assert_allclose(one[1], other[1], atol=1e-6)


def test_a_changed_file_is_embedded_anew_and_the_old_windows_go(sounds, tmp_path, registered):
    mmasc.embed(sounds, tmp_path / "c", registered)
    soundfile.write(sounds / "pond" / "b.wav", np.full(24_000, 0.25), 8_000)
    report = mmasc.embed(sounds, tmp_path / "c", registered)
    assert (report.changed, report.added, report.skipped) == (1, 0, 4)
    keys, vectors = rows_of(tmp_path / "c", tmp_path / "x")
    of_b = [item for item, key in enumerate(keys) if key[0] == "pond/b.wav"]
    np.testing.assert_allclose(vectors[of_b][:, 0], 0.25, atol=1e-3)
    assert len(of_b) == 3


def test_bad_files_do_not_stop_the_run_unless_strict(sounds, tmp_path, registered):
    (sounds / "pond" / "bad.wav").write_text("no sound")
    (sounds / "pond" / "empty.wav").touch()
    report = mmasc.embed(sounds, tmp_path / "c", registered)
    assert report.added == 5
    assert sorted(Path(one.path).name for one in report.failed) == ["bad.wav", "empty.wav"]
    with pytest.raises(MmascError, match=r"bad\.wav.*--strict"):
        mmasc.embed(sounds, tmp_path / "strict", registered, strict=True)
    # What came before the bad file is kept
    assert Collection(tmp_path / "strict").recordings.column("path").to_pylist() == ["pond/a.wav", "pond/b.wav"]


def test_another_identity_is_refused_with_the_name_of_the_encoder(sounds, tmp_path, registered, standin):
    mmasc.embed(sounds, tmp_path / "c", registered)
    standin.identity = "f" * 32
    with pytest.raises(MmascError, match="belongs to encoder standin with identity standin0"):
        mmasc.embed(sounds, tmp_path / "c", standin)
    with pytest.raises(MmascError, match="--hop 1 --channels mix, now --hop 0.5"):
        mmasc.embed(sounds, tmp_path / "c", registered, hop_seconds=0.5)
    report = mmasc.embed(sounds, tmp_path / "c", standin, space="second")
    assert report.added == 5
    collection = Collection(tmp_path / "c")
    assert collection.spaces == ["standin", "second"]
    assert len(collection.recordings) == 5
    with pytest.raises(MmascError, match="to standin with identity ffffffff"):
        collection.search(text="a", space="standin", encoder=standin)


def test_metadata_and_folders_become_columns(sounds, tmp_path, registered):
    meta = tmp_path / "meta.csv"
    meta.write_text(
        "filename,species,count,size,code\na.wav,frog,3,big,007\nwood/e.ogg,owl,,small,012\ngone.wav,x,1,y,1\n"
    )
    report = mmasc.embed(sounds, tmp_path / "c", registered, metadata=meta, folders=["place"])
    assert report.remarks == [
        f"1 of 3 rows of {meta} names no file here",
        f"3 of the files given have no row in {meta}",
        "columns whose names mmasc cannot keep were renamed: size → meta_size",
    ]
    rows = {row["path"]: row for row in Collection(tmp_path / "c").recordings.to_pylist()}
    assert {path: row["place"] for path, row in rows.items()} == {path: path.split("/")[0] for path in rows}
    assert (rows["pond/a.wav"]["species"], rows["pond/a.wav"]["count"]) == ("frog", 3)
    assert (rows["wood/e.ogg"]["count"], rows["wood/e.ogg"]["code"]) == (None, "012")
    assert rows["wood/d.wav"]["species"] is None


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["wood/e.ogg"], "1 of 2 rows of {} names a recording that was not given this time; it stays as it is"),
        (
            ["wood/e.ogg", "wood/d.wav"],
            "2 of 3 rows of {} name recordings that were not given this time; they stay as they are",
        ),
    ],
)
def test_rows_of_recordings_that_are_not_given_are_counted(sounds, tmp_path, registered, others, said):
    mmasc.embed(sounds, tmp_path / "c", registered)
    meta = tmp_path / "meta.csv"
    meta.write_text("filename,species\na.wav,frog\n" + "".join(f"{name},owl\n" for name in others))
    given = next(sounds.rglob("a.wav"))
    report = mmasc.embed(given, tmp_path / "c", registered, metadata=meta)
    assert report.remarks == [said.format(meta)]
    rows = {Path(row["path"]).name: row["species"] for row in Collection(tmp_path / "c").recordings.to_pylist()}
    assert {name: species for name, species in rows.items() if species} == {"a.wav": "frog"}


def test_columns_of_any_name_are_stored_and_read_again(sounds, tmp_path, registered):
    """Lance writes a backtick in a name without a word, and cannot open the table from then on."""
    meta = tmp_path / "meta.csv"
    names = ["site.name", "a`b", "_rowid", "_RowAddr", 'quo"te', "it's", "a/b", "$x", "Käuz", "a\\b", "x" * 300]
    with open(meta, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["filename", *names], ["a.wav", *map(str, range(len(names)))]])
    kept = ["site_name", "a_b", "meta__rowid", "meta__RowAddr", *names[4:]]
    report = mmasc.embed(sounds, tmp_path / "c", registered, metadata=meta)
    assert report.remarks[-1].endswith(", ".join(f"{old} → {new}" for old, new in zip(names[:4], kept, strict=False)))
    for _ in range(2):
        collection = Collection(tmp_path / "c")
        row = next(row for row in collection.recordings.to_pylist() if row["path"].endswith("a.wav"))
        assert [row[name] for name in kept] == list(range(len(names)))
        assert len(collection.search(text="a", where='"quo""te" = 4 AND site_name = 0', k=1)) == 1
        # Columns that come later go another way
        collection.set_metadata({row["id"]: {f"{name} 2": "x" for name in kept}})


@pytest.mark.parametrize(
    "name",
    ["a`b", "site.name", "_rowid", "", "id", "path", "mmasc_digest", "start", "End", "lane", "vector", "rank", "score"],
)
def test_names_that_cannot_be_stored_are_refused(sounds, tmp_path, registered, name):
    mmasc.embed(sounds, tmp_path / "c", registered)
    collection = Collection(tmp_path / "c")
    before = collection.recordings
    with pytest.raises(MmascError, match=f"cannot be called {re.escape(repr(name))}; name it '"):
        collection.set_metadata({before.column("id")[0].as_py(): {name: "x"}})
    assert Collection(tmp_path / "c").recordings == before


def test_columns_that_are_called_like_parts_of_a_hit_cost_it_nothing(sounds, tmp_path, registered, monkeypatch):
    """Earlier versions stored such columns."""
    mmasc.embed(sounds, tmp_path / "c", registered)
    collection = Collection(tmp_path / "c")
    before = [(hit.path, hit.start, hit.end, hit.score) for hit in collection.search(text="a", k=50, windows=True)]
    one = collection.recordings.column("id")[0].as_py()
    with monkeypatch.context() as patch:
        patch.setattr("mmasc.collection.metadata._TAKEN", set())
        collection.set_metadata({one: {"start": "dawn", "score": 7, "lane": 3}})
    hits = Collection(tmp_path / "c").search(text="a", k=50, windows=True)
    assert [(hit["path"], hit["start"], hit["end"], hit["score"]) for hit in hits] == before
    assert {(hit.columns["start"], hit.columns["score"]) for hit in hits} == {("dawn", 7), (None, None)}
    (_, table) = collection.export(tmp_path / "out")
    assert {"start", "meta_start", "meta_lane"} <= set(pq.read_table(table).column_names)
    collection.set_metadata({one: {"start": "dusk"}})  # who has such a column goes on with it
    assert "dusk" in Collection(tmp_path / "c").recordings.column("start").to_pylist()


@pytest.mark.parametrize("how", ["table", "call", "merge"])
def test_a_column_of_whole_numbers_cuts_no_fraction_off(sounds, tmp_path, standin, how):
    meta = tmp_path / "meta.csv"
    meta.write_text("filename,degrees\na.wav,12\n")
    mmasc.embed(sounds, tmp_path / "c", standin, metadata=meta)
    collection = Collection(tmp_path / "c")
    before = collection.recordings
    meta.write_text("filename,degrees\nb.wav,12.5\n")
    if how == "merge":
        mmasc.embed(sounds / "pond/b.wav", tmp_path / "other", standin, metadata=meta, root=sounds)
    one = before.column("id")[0].as_py()
    calls = {
        "table": lambda: mmasc.embed(sounds, tmp_path / "c", standin, metadata=meta),
        "call": lambda: collection.set_metadata({one: {"degrees": 12.5}}),
        "merge": lambda: collection.merge(tmp_path / "other"),
    }
    with pytest.raises(MmascError, match=r"'degrees' holds whole numbers \(int64\) in this collection, not 12.5"):
        calls[how]()
    assert Collection(tmp_path / "c").recordings == before
    meta.write_text("filename,degrees\nb.wav,13.0\n")
    mmasc.embed(sounds, tmp_path / "c", standin, metadata=meta)
    found = {row["path"]: row["degrees"] for row in Collection(tmp_path / "c").recordings.to_pylist()}
    assert (found["pond/a.wav"], found["pond/b.wav"]) == (12, 13)


def test_metadata_reaches_recordings_that_are_there_already(sounds, tmp_path, registered):
    mmasc.embed(sounds, tmp_path / "c", registered)
    before = rows_of(tmp_path / "c", tmp_path / "x")
    meta = tmp_path / "meta.csv"
    meta.write_text("path;label\nwood/d.wav;thrush\n")
    assert mmasc.embed(sounds, tmp_path / "c", registered, metadata=meta).skipped == 5
    collection = Collection(tmp_path / "c")
    assert {row["path"]: row["label"] for row in collection.recordings.to_pylist()}["wood/d.wav"] == "thrush"
    hits = collection.search(text="a", where="label = 'thrush'", k=9)
    assert [Path(hit["path"]).name for hit in hits] == ["d.wav", "d.wav"]
    after = rows_of(tmp_path / "c", tmp_path / "y")
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])


@pytest.mark.parametrize("key", ["File", "FILENAME", "Path"])
def test_the_column_of_files_is_found_however_its_name_is_written(sounds, tmp_path, registered, key):
    meta = tmp_path / "meta.csv"
    meta.write_text(f"{key},label\nwood/d.wav,thrush\n")
    mmasc.embed(sounds, tmp_path / "c", registered, metadata=meta)
    rows = Collection(tmp_path / "c").recordings.to_pylist()
    assert {row["path"]: row["label"] for row in rows}["wood/d.wav"] == "thrush"
    assert key not in rows[0]


def test_a_name_that_is_not_utf8_is_named_once(sounds, tmp_path, registered):
    path = os.fsencode(sounds) + b"/lat\xe9.wav"
    with open(path, "wb") as file:
        file.write((sounds / "wood" / "d.wav").read_bytes())
    (failed,) = mmasc.embed(sounds, tmp_path / "c", registered).failed
    assert failed.reason == "the name is not valid UTF-8; rename it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na.wav,x\n", "needs a column that names the file .* it has: name, label"),
        ("", "empty"),
        ("path,label\na.wav,x,y\n", "line 2 has more values than columns"),
        ("path,label\n,x\n", "line 2 has nothing in column 'path'"),
    ],
)
def test_metadata_that_cannot_be_used_is_named(sounds, tmp_path, registered, text, message):
    meta = tmp_path / "meta.csv"
    meta.write_text(text)
    with pytest.raises(MmascError, match=message):
        mmasc.embed(sounds, tmp_path / "c", registered, metadata=meta)
    assert not (tmp_path / "c").exists()


def test_interrupt_keeps_what_is_done_and_the_next_run_goes_on(sounds, tmp_path, registered):
    def interrupt(report):
        if report.added == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mmasc.embed(sounds, tmp_path / "c", registered, progress=interrupt)
    assert len(Collection(tmp_path / "c").recordings) == 3
    rest = mmasc.embed(sounds, tmp_path / "c", registered)
    assert (rest.skipped, rest.added) == (3, 2)
    mmasc.embed(sounds, tmp_path / "whole", registered)
    one, other = rows_of(tmp_path / "c", tmp_path / "x"), rows_of(tmp_path / "whole", tmp_path / "y")
    assert one[0] == other[0]
    np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("step", ["append_recordings", "append_windows", "commit"])
def test_a_writer_that_dies_between_two_tables_changed_nothing(sounds, tmp_path, registered, monkeypatch, step):
    mmasc.embed(sounds / "wood", tmp_path / "c", registered, root=sounds)
    before = rows_of(tmp_path / "c", tmp_path / "x")
    real = getattr(ingest_module.Transaction, step)

    def dies(self, *arguments):
        if step != "commit":
            real(self, *arguments)
        elif self.head == self.store.head():
            return real(self)
        raise KeyboardInterrupt  # after the table was changed, before the head was

    with monkeypatch.context() as patch:
        patch.setattr(ingest_module.Transaction, step, dies)
        with pytest.raises(KeyboardInterrupt):
            mmasc.embed(sounds, tmp_path / "c", registered)
    between = rows_of(tmp_path / "c", tmp_path / "y")
    assert between[0] == before[0]
    report = mmasc.embed(sounds, tmp_path / "c", registered)
    assert (report.skipped, report.added) == (2, 3)
    mmasc.embed(sounds, tmp_path / "whole", registered)
    assert rows_of(tmp_path / "c", tmp_path / "z")[0] == rows_of(tmp_path / "whole", tmp_path / "w")[0]


def run_worker(sounds: Path, into: Path) -> subprocess.Popen:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(sounds), str(into)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )


def embed_alone(tick, sounds: Path, into: Path) -> None:
    """What is killed: it embeds with the stand-in encoder, commits often, and says how many files are in."""
    ENCODERS["standin"] = STANDIN_SPEC
    mmasc.embed(sounds, into, "standin", commit_windows=20, progress=lambda report: tick(report.added + report.skipped))


def test_killed_at_any_moment_it_goes_on(tmp_path, registered):
    sounds, into = many_sounds(tmp_path / "sounds", 250), tmp_path / "c"
    generator, kept = np.random.default_rng(0), 0
    for after in (60, 110, 160):
        delay = generator.uniform(0, 0.1)
        kill_in_mid_work(embed_alone, sounds, into, after=after, last=249, delay=delay)
        now = len(Collection(into).recordings)
        assert kept < now < 250, f"killed {delay:.4f} s after file {after}"
        # A commit comes after 20 windows at the latest, and every file has one at least
        assert now >= after - 20
        kept = now
    report = mmasc.embed(sounds, into, registered)
    assert (report.skipped, report.added) == (kept, 250 - kept)
    keys, vectors = rows_of(into, tmp_path / "x")
    mmasc.embed(sounds, tmp_path / "whole", registered)
    whole = rows_of(tmp_path / "whole", tmp_path / "y")
    assert keys == whole[0]
    np.testing.assert_array_equal(vectors, whole[1])


def test_two_processes_add_at_once(tmp_path):
    sounds, into = many_sounds(tmp_path / "sounds", 150), tmp_path / "c"
    workers = [run_worker(sounds, into) for _ in range(2)]
    for worker in workers:
        worker.communicate(timeout=120)
        assert worker.returncode == 0
    keys, _ = rows_of(into, tmp_path / "x")
    assert len(keys) == len(set(keys))
    assert len({key[0] for key in keys}) == 150


def test_texts_to_measure_an_index_are_made_when_it_is_approximate(registered, sounds, tmp_path, monkeypatch):
    from mmasc.collection.index import IndexPolicy
    from mmasc.collection.probes import PROBES
    from mmasc.collection.space import SpaceReader

    mmasc.embed(sounds, tmp_path / "c", encoder=registered)
    assert not list((tmp_path / "c").rglob(PROBES))  # 14 windows are searched one by one
    monkeypatch.setattr(IndexPolicy, "kind", lambda self, rows, dim: "ivf")
    monkeypatch.setattr(SpaceReader, "refresh_index", lambda self: None)
    mmasc.embed(sounds, tmp_path / "c", encoder=registered)
    (probes,) = (tmp_path / "c").rglob(PROBES)
    assert np.load(probes, allow_pickle=False).shape[1] == 4
    written = probes.stat().st_mtime_ns
    mmasc.embed(sounds, tmp_path / "c", encoder=registered)
    assert probes.stat().st_mtime_ns == written
