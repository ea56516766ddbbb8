"""A collection is asked, moved, merged, mended: laws, and brute force as the second way."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import mmasc
from mmasc.collection import Collection
from mmasc.collection.head import SpaceHead
from mmasc.collection.index import IndexPolicy, VectorIndex
from mmasc.collection.schema import vector_column, windows_schema
from mmasc.collection.store import Store
from mmasc.errors import MmascError
from mmasc.windows.units import unit_float32

FEW_ROWS_POLICY = IndexPolicy(flat_numbers=1, memory_bytes=1 << 40)


@pytest.fixture
def filled(sounds, tmp_path, registered) -> Path:
    meta = tmp_path / "meta.csv"
    meta.write_text("path,label,level\npond/a.wav,frog,1\npond/c.flac,frog,2\nwood/d.wav,owl,3\nwood/e.ogg,it's,4\n")
    mmasc.embed(sounds, tmp_path / "c", registered, metadata=meta, folders=["place"], hop_seconds=0.5)
    return tmp_path / "c"


def by_hand(collection: Collection, target: np.ndarray, allowed=None) -> list[tuple[str, float, float]]:
    """(path, start, score) of all windows, best first, by brute force over the export."""
    reader = collection.space()
    paths = dict(zip(*[collection.recordings.column(name).to_pylist() for name in ("id", "path")], strict=True))
    scores = unit_float32(reader.vectors()) @ target
    rows = [
        (paths[int(reader.recording[item])], float(reader.start[item]), float(scores[item]))
        for item in range(len(reader))
        if allowed is None or allowed(paths[int(reader.recording[item])], float(reader.start[item]))
    ]
    return sorted(rows, key=lambda row: -row[2])


def short(collection: Collection, hits: list[dict]) -> list[tuple[str, float, float]]:
    return [(str(Path(hit["path"]).relative_to(collection.head.root)), hit["start"], hit["score"]) for hit in hits]


def assert_same_hits(found, expected):
    assert len(found) == len(expected)
    np.testing.assert_allclose([row[2] for row in found], [row[2] for row in expected], atol=1e-5)
    # Windows with the same score may stand in any order
    assert {row[:2] for row in found if row[2] > expected[-1][2] + 1e-5} == {
        row[:2] for row in expected if row[2] > expected[-1][2] + 1e-5
    }


def test_search_by_text_is_brute_force(filled, standin):
    collection = Collection(filled)
    target = unit_float32(standin.embed_text(["aab"]))[0]
    hits = collection.search(text="aab", k=7, windows=True)
    assert [hit["rank"] for hit in hits] == list(range(1, 8))
    assert_same_hits(short(collection, hits), by_hand(collection, target)[:7])
    assert collection.search(text="aab", k=7, windows=True) == hits


@pytest.mark.parametrize("windows", [False, True])
def test_search_by_sound_marks_the_query_itself(filled, sounds, windows):
    shutil.copy(sounds / "wood" / "d.wav", sounds / "copy.wav")
    collection = Collection(filled)
    hits = collection.search(audio=sounds / "copy.wav", k=30, windows=windows)
    same = {Path(hit["path"]).name for hit in hits if hit["duplicate"]}
    assert same == {"d.wav"}
    assert {hit["duplicate"] for hit in hits if Path(hit["path"]).name == "e.ogg"} == {False}


def test_several_for_and_against(filled, standin, sounds):
    collection = Collection(filled)
    sound = mmasc.embed_file(sounds / "wood" / "e.ogg", standin).vector
    wanted = unit_float32(np.stack([standin.embed_text(["aab"])[0], sound])).mean(axis=0)
    target = wanted - unit_float32(standin.embed_text(["d"]))[0]
    hits = collection.search(text="aab", audio=sounds / "wood" / "e.ogg", not_text="d", k=12, windows=True)
    assert_same_hits(short(collection, hits), by_hand(collection, target)[:12])


def test_weights_belong_to_texts_then_sounds_then_vectors(filled, standin, sounds):
    collection = Collection(filled)
    given = np.array([[0.5, 0.1, 0.2, 0.3]], np.float32)[:, : standin.spec.dim]
    given = np.resize(given, (1, standin.spec.dim))
    sound = mmasc.embed_file(sounds / "wood" / "e.ogg", standin).vector
    asked = unit_float32(np.stack([*standin.embed_text(["aab", "c"]), sound, given[0]]))
    against = unit_float32(standin.embed_text(["d", "b"]))
    target = (2 * asked[0] + 0.5 * asked[1] + 3 * asked[2] + asked[3]) / 6.5 - (against[0] + 4 * against[1]) / 5
    question = {"text": ["aab", "c"], "audio": sounds / "wood" / "e.ogg", "vectors": given, "not_text": ["d", "b"]}
    hits = collection.search(**question, k=12, windows=True, weights=[2, 0.5, 3, 1], not_weights=(1, 4))
    assert_same_hits(short(collection, hits), by_hand(collection, target.astype(np.float32))[:12])
    for wrong in ([1, 2], [1, 2, 3, 0], [1, 2, 3, float("nan")], [1, 2, 3, -1]):
        with pytest.raises(ValueError, match="weights must be"):
            collection.search(**question, weights=wrong)


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        ("label = 'frog'", lambda path, start: path in ("pond/a.wav", "pond/c.flac")),
        ("label = 'it''s' AND start >= 1 AND end <= 4", lambda path, start: path == "wood/e.ogg" and 1 <= start <= 3),
        ("start < 0.25", lambda path, start: start < 0.25),
        ("place LIKE 'p%' OR level > 3", lambda path, start: path.startswith("pond") or path == "wood/e.ogg"),
        ("label IS NULL", lambda path, start: path == "pond/b.wav"),
        ("duration > 100", lambda path, start: False),
    ],
)
@pytest.mark.parametrize("policy", [None, FEW_ROWS_POLICY])
def test_filter_inside_is_filter_after(filled, standin, where, allowed, policy):
    collection = Collection(filled, policy=policy)
    target = unit_float32(standin.embed_text(["abcd"]))[0]
    hits = collection.search(text="abcd", where=where, k=5, windows=True)
    assert_same_hits(short(collection, hits), by_hand(collection, target, allowed)[:5])


@pytest.mark.parametrize("where", ["nolabel = 1", "label = = 'x'", "start <", "label = 'frog' and nolabel > start"])
def test_a_condition_that_cannot_be_read_lists_the_columns(filled, where):
    with pytest.raises(MmascError, match=r"cannot read the condition.*columns: path, .*label.*start, end, lane"):
        Collection(filled).search(text="a", where=where)


def test_best_window_of_every_recording(filled, standin):
    collection = Collection(filled)
    hits = short(collection, collection.search(text="abca", k=4, per_recording=True, windows=True))
    best: dict[str, tuple] = {}
    for row in by_hand(collection, unit_float32(standin.embed_text(["abca"]))[0]):
        best.setdefault(row[0], row)
    assert_same_hits(hits, list(best.values())[:4])


def test_what_cannot_be_asked_is_said(filled, sounds):
    collection = Collection(filled)
    with pytest.raises(MmascError, match="the query is empty"):
        collection.search(text="  ")
    with pytest.raises(MmascError, match="nothing to look for"):
        collection.search()
    with pytest.raises(
        MmascError, match="understands image; it has: standin; add one with: mmasc embed .* --encoder audioclip$"
    ):
        collection.search(image=np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(MmascError, match="have 4 numbers, got 3"):
        collection.search(vectors=np.ones(3))
    with pytest.raises(MmascError, match="no space 'other'; it has: standin"):
        collection.search(text="a", space="other")
    assert len(collection.search(vectors=np.ones(4), k=1_000, windows=True)) == len(collection.space())


def test_info_and_export_agree_with_what_was_embedded(filled, sounds, standin, tmp_path):
    collection = Collection(filled)
    info = collection.info()
    assert info["recordings"] == 5
    assert info["spaces"]["standin"]["identity"] == standin.identity
    collection.export(tmp_path / "x")
    collection.export(tmp_path / "x", file_format="csv")
    import csv

    import pyarrow.parquet as pq

    rows, vectors = (
        pq.read_table(tmp_path / "x" / "windows.parquet").to_pylist(),
        np.load(tmp_path / "x" / "vectors.npy"),
    )
    assert len(rows) == len(vectors) == info["spaces"]["standin"]["windows"]
    assert vectors.dtype == np.float32
    expected = np.concatenate([mmasc.embed_file(path, standin, 0.5).vectors for path in mmasc.find_audio(sounds)])
    np.testing.assert_array_equal(vectors, expected)
    with open(tmp_path / "x" / "windows.csv", newline="") as file:
        from_csv = list(csv.DictReader(file))
    np.testing.assert_array_equal(
        np.array([[row[f"v{item}"] for item in range(4)] for row in from_csv], np.float32), vectors
    )
    assert [row["path"] for row in from_csv] == [row["path"] for row in rows]


def test_remove_takes_windows_with_it_and_add_brings_them_back(filled, sounds, registered):
    collection = Collection(filled)
    before = len(collection.space())
    # Of a path and a condition, what meets both
    assert collection.remove([sounds / "pond"], where="label = 'nothing'") == 0
    assert collection.remove([sounds / "wood"], where="label = 'frog'") == 0
    assert collection.remove([sounds / "pond"], where="label = 'frog'") == 2
    assert collection.remove([sounds / "wood"]) == 2
    assert collection.recordings.column("path").to_pylist() == ["pond/b.wav"]
    assert [one.message for one in collection.check()] == []
    assert {Path(hit["path"]).name for hit in collection.search(text="a", k=99)} == {"b.wav"}
    with pytest.raises(MmascError, match=r"no recording of .* lies there; its root is"):
        collection.remove(["nowhere.wav"])
    mmasc.embed(sounds, filled, registered, hop_seconds=0.5)
    collection.refresh()
    assert len(collection.space()) == before
    assert [one.message for one in collection.check()] == []


def test_index_follows_what_is_added_and_removed(filled, sounds, standin, registered):
    generator = np.random.default_rng(0)
    import soundfile

    Collection(filled).space().refresh_index()
    soundfile.write(sounds / "late.wav", generator.uniform(-1, 1, 8_000), 8_000)
    mmasc.embed(sounds / "late.wav", filled, registered, hop_seconds=0.5)
    collection = Collection(filled)
    collection.remove([sounds / "pond" / "b.wav"])
    reader = collection.space()
    queries = unit_float32(generator.normal(size=(8, 4)).astype(np.float32))
    scores, found = reader.search(queries, len(reader))
    np.testing.assert_array_equal(np.sort(found, axis=1), np.broadcast_to(np.arange(len(reader)), found.shape))
    exact = np.sort(queries @ unit_float32(reader.vectors()).T, axis=1)[:, ::-1]
    np.testing.assert_allclose(scores, exact, atol=2e-3)


def test_move_root_keeps_vectors_and_finds_files(filled, sounds, tmp_path):
    collection = Collection(filled)
    moved = sounds.rename(tmp_path / "elsewhere")
    assert any("5 recordings are not under" in one.message for one in collection.check())
    assert collection.move_root(moved) == 0
    assert collection.check() == []
    assert all(Path(hit["path"]).exists() for hit in collection.search(text="a", k=20))
    with pytest.raises(MmascError, match="is not a folder"):
        collection.move_root(tmp_path / "nothing")


def test_merge_is_embedding_both(sounds, tmp_path, registered, standin):
    mmasc.embed(sounds / "pond", tmp_path / "one", registered)
    mmasc.embed(
        [sounds / "wood", sounds / "pond" / "a.wav"], tmp_path / "two", registered, folders=["place"], root=sounds
    )
    collection = Collection(tmp_path / "one")
    # The one that both have gets the column that only the other knows
    wanted = {"recordings": 2, "windows": 8, "already_there": 1, "values": 1, "values_that_differ": 0}
    wanted |= {"annotations": 0, "annotations_that_differ": 0}
    assert collection.merge(tmp_path / "two") == {**wanted, "other_content": 0}
    assert collection.merge(tmp_path / "two")["windows"] == 0
    assert [one.message for one in collection.check()] == []
    paths = {collection.path_of(path) for path in collection.recordings.column("path").to_pylist()}
    assert paths == {str(path) for path in mmasc.find_audio(sounds)}
    standin.identity = "e" * 32
    mmasc.embed(sounds, tmp_path / "three", standin)
    with pytest.raises(MmascError, match="cannot be merged"):
        collection.merge(tmp_path / "three")
    with pytest.raises(MmascError, match="with itself"):
        collection.merge(tmp_path / "one")


def test_compact_changes_no_answer(filled, sounds, registered):
    mmasc.embed(sounds / "pond", filled, registered, hop_seconds=0.5)
    collection = Collection(filled)
    shutil.copy(sounds / "wood" / "d.wav", sounds / "late.wav")
    mmasc.embed(sounds / "late.wav", filled, registered, hop_seconds=0.5)
    collection.refresh()
    collection.remove(where="label = 'owl'")
    before = collection.search(text="abc", k=9)
    rows = collection.space().row_ids
    fragments = collection.store.dataset(collection.head.spaces["standin"]).get_fragments()
    assert len(fragments) > 1
    collection.compact()
    assert collection.search(text="abc", k=9) == before
    np.testing.assert_array_equal(np.sort(collection.space().row_ids), np.sort(rows))
    assert collection.check() == []
    (fragment,) = collection.store.dataset(collection.head.spaces["standin"]).get_fragments()
    assert fragment.deletion_file() is None


def test_check_finds_what_is_broken(filled):
    store = Store(filled)
    reader = Collection(filled).space()
    double = windows_schema(4).empty_table().schema
    with store.transaction() as change:
        table = store.dataset(reader.space).to_table().slice(0, 1)
        change.append_windows("standin", table)
        orphan = table.set_column(0, "recording", [[5]]).cast(double)
        change.append_windows("standin", orphan)
        broken = table.set_column(4, "vector", vector_column(np.full((1, 4), np.nan))).cast(double)
        change.append_windows("standin", broken)
    messages = " ".join(one.message for one in Collection(filled).check() if one.level == "error")
    assert "1 window belongs to no recording" in messages
    assert "2 windows are there twice" in messages
    assert "1 vector holds NaN" in messages


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(format=99), "made by a newer mmasc"),
        (lambda raw: raw.pop("spaces"), "is not a head of a collection"),
        (lambda raw: raw["spaces"]["standin"].update(version=999), "damaged or incomplete"),
        (lambda raw: raw["spaces"]["standin"].update(identity="../../secret"), "'../../secret' is not a plain name"),
        (lambda raw: raw["spaces"]["standin"].update(identity="/etc"), "'/etc' is not a plain name"),
        (lambda raw: raw["spaces"]["standin"].update(dim=10**12), "dim must be 1 to 1,000,000, got 1000000000000"),
        (lambda raw: raw["spaces"]["standin"].update(dim="4"), "is not a head of a collection .dim is '4'"),
        (lambda raw: raw["spaces"]["standin"].update(dim=2), "does not hold vectors of 2 numbers as the head says"),
        (lambda raw: raw["spaces"]["standin"].update(window_seconds=float("nan")), "seconds must be above 0, got nan"),
        (
            lambda raw: raw["spaces"]["standin"].update(hop_seconds=10**400),
            "seconds must be above 0, got 1.0 and 10{39}.;",
        ),
        (lambda raw: raw["spaces"]["standin"].update(encoder=["x"]), "encoder is "),
        (lambda raw: raw.update(root=5), "root is '5'"),
    ],
)
def test_a_head_that_cannot_be_right_is_refused(filled, change, message):
    head = filled / "collection.json"
    raw = json.loads(head.read_text())
    change(raw)
    head.write_text(json.dumps(raw))
    with pytest.raises(MmascError, match=message):
        Collection(filled).space()


def test_a_head_that_never_ends_is_refused(filled):
    (filled / "collection.json").write_text("[" * 200_000)
    with pytest.raises(MmascError, match="is damaged .*; restore it from a backup"):
        Collection(filled)


def test_a_folder_with_other_things_is_not_written_into(tmp_path, sounds, registered):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").touch()
    with pytest.raises(MmascError, match="holds other things and no collection"):
        mmasc.embed(sounds, tmp_path / "photos", registered)
    with pytest.raises(MmascError, match="is a file; give a folder"):
        mmasc.embed(sounds, tmp_path / "photos" / "one.jpg", registered)
    with pytest.raises(MmascError, match="holds no collection"):
        Collection(tmp_path / "photos")


def test_damaged_index_is_built_anew(filled, monkeypatch):
    before = Collection(filled).search(text="abc", k=8)
    assert len(before) == 8
    files = list(filled.glob("spaces/*/index-*/vectors.faiss"))
    assert len(files) == 1
    whole = files[0].read_bytes()
    builds = counted_builds(monkeypatch)
    assert Collection(filled).search(text="abc", k=8) == before
    assert builds == []  # the saved one is read
    files[0].write_bytes(b"broken")
    assert Collection(filled).search(text="abc", k=8) == before
    assert len(builds) == 1
    (again,) = filled.glob("spaces/*/index-*/vectors.faiss")
    assert again.read_bytes() == whole
    assert Collection(filled).search(text="abc", k=8) == before
    assert len(builds) == 1  # and the new one was saved


def counted_builds(monkeypatch) -> list[int]:
    """Rows of every index that is built from now on."""
    builds: list[int] = []
    real = VectorIndex.build.__func__

    def build(cls, scan, rows, *others, **named):
        builds.append(rows)
        return real(cls, scan, rows, *others, **named)

    monkeypatch.setattr(VectorIndex, "build", classmethod(build))
    return builds


def test_embed_saves_the_index_that_readers_use(filled, monkeypatch):
    assert len(list(filled.glob("spaces/*/index.json"))) == 1
    builds = counted_builds(monkeypatch)
    assert Collection(filled).search(text="abc", k=1)
    assert builds == []


@pytest.mark.parametrize("fault", [PermissionError(13, "Permission denied"), OSError(28, "No space left on device")])
def test_an_index_that_cannot_be_saved_is_said_once_and_answers_stay(filled, monkeypatch, fault):
    before = Collection(filled).search(text="abc", k=9)
    for header in filled.glob("spaces/*/index.json"):
        header.unlink()

    def fails(*arguments, **named):
        raise fault

    monkeypatch.setattr(VectorIndex, "save", fails)
    collection = Collection(filled)
    assert collection.search(text="abc", k=9) == before
    assert collection.search(text="abc", k=9) == before
    assert collection.check() == []
    (line,) = collection.remarks
    assert "is in memory alone" in line
    assert fault.strerror in line


def test_the_command_line_says_what_a_search_remarks(filled, monkeypatch):
    from click.testing import CliRunner

    from mmasc.cli import cli

    for header in filled.glob("spaces/*/index.json"):
        header.unlink()
    monkeypatch.setattr(
        VectorIndex, "save", lambda *a, **n: (_ for _ in ()).throw(OSError(30, "Read-only file system"))
    )
    for words in (["search", str(filled), "abc", "-k", "2"], ["collection", "check", str(filled)]):
        done = CliRunner().invoke(cli, words, standalone_mode=False)
        assert [
            line for line in done.stderr.splitlines() if "Read-only file system" in line
        ] == done.stderr.splitlines()
        assert len(done.stderr.splitlines()) == 1


def test_filter_holds_while_the_index_lags_behind(filled, sounds, standin, registered):
    """New windows are in the store and not in the index yet: the filter counts for both."""
    policy = IndexPolicy()
    Collection(filled, policy=policy).space().refresh_index()
    store = Store(filled)
    head = store.head()
    table = store.dataset(head.spaces["standin"]).to_table().slice(0, 2)
    with store.transaction() as change:
        change.append_windows("standin", table)
    collection = Collection(filled)
    reader = collection.space()
    target = unit_float32(standin.embed_text(["abcd"]))
    exact = (target @ unit_float32(reader.vectors()).T)[0]
    generator = np.random.default_rng(1)
    for _ in range(5):
        allowed = generator.random(len(reader)) < 0.5
        assert 0 < allowed.sum() < len(reader)
        scores, found = reader.search(target, len(reader), allowed)
        assert set(found[0].tolist()) == set(np.flatnonzero(allowed).tolist())
        np.testing.assert_allclose(scores[0], np.sort(exact[allowed])[::-1], atol=2e-3)
    assert not reader.refresh_index().whole


def test_an_index_that_lists_too_few_is_helped_by_exact_search(tmp_path):
    """5,000 rows, few lists probed: three allowed rows are found whatever list they lie in."""
    store, generator = Store.create(tmp_path / "c", tmp_path), np.random.default_rng(0)
    centres = generator.normal(size=(200, 8))
    vectors = (centres[np.arange(5_000) % 200] + 0.05 * generator.normal(size=(5_000, 8))).astype(np.float32)
    starts = np.arange(5_000.0)
    columns = [np.full(5_000, 1), np.zeros(5_000, np.int16), starts, starts + 1, vector_column(vectors)]
    with store.transaction() as change:
        change.add_space("one", SpaceHead("a" * 32, "standin", 8, 1.0, 1.0, "mix"))
        change.append_windows("one", pa.table(columns, schema=windows_schema(8)))
    reader = Collection(tmp_path / "c", policy=FEW_ROWS_POLICY).space()
    query = unit_float32(vectors[:1])
    allowed = np.zeros(5_000, bool)
    allowed[[4_999, 777, 1_234]] = True
    for wanted in (allowed, None):
        k = 3 if wanted is allowed else 5_000
        scores, found = reader.search(query, k, wanted)
        inside = np.flatnonzero(allowed) if wanted is allowed else np.arange(5_000)
        assert set(found[0].tolist()) == set(inside.tolist())
        np.testing.assert_allclose(scores[0], np.sort((query @ unit_float32(vectors[inside]).T)[0])[::-1], atol=1e-5)


def test_half_an_export_is_not_taken_for_one(filled, tmp_path, monkeypatch):
    collection = Collection(filled)
    collection.export(tmp_path / "x")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()}
    collection.remove(where="label = 'frog'")

    def fails(self, positions=None):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(collection.space()), "vectors", fails)
    for file_format in ("npy", "csv"):
        with pytest.raises(OSError, match="No space left"):
            collection.export(tmp_path / "x", file_format=file_format)
    assert {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()} == whole


@pytest.mark.parametrize("hop", [float("nan"), float("inf"), 0, -1, 1.5, 1e-9])
def test_a_hop_that_is_none_ends_before_anything_is_written(tmp_path, standin, sounds, hop):
    mmasc.embed(sounds, into=tmp_path / "c", encoder=standin)
    before = (tmp_path / "c/collection.json").read_bytes()
    other = type(standin)(standin.spec)
    other.identity = "other000" * 4
    for into in ("c", "new"):
        with pytest.raises(MmascError, match=r"^hop must be (above 0|at least one sample of standin)"):
            mmasc.embed(sounds, into=tmp_path / into, encoder=other, space="other", hop_seconds=hop)
    assert (tmp_path / "c/collection.json").read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_no_head_is_written_that_nobody_could_read(tmp_path, standin, sounds):
    mmasc.embed(sounds, into=tmp_path / "c", encoder=standin)
    store = Store(tmp_path / "c")
    space = store.head().spaces["standin"]
    with (
        pytest.raises(MmascError, match="seconds must be above 0.*; nothing was written"),
        store.transaction() as change,
    ):
        change.add_space("other", replace(space, identity="f" * 32, hop_seconds=float("nan")))
    assert list(Collection.open(tmp_path / "c").spaces) == ["standin"]
    assert Collection.open(tmp_path / "c").check() == []
