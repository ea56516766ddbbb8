"""Spaces in the layouts of other tools, read back by these where they are installed."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmasc.collection import Collection
from mmasc.collection.annotation import Annotation
from mmasc.collection.ingest import embed
from mmasc.errors import MmascError
from mmasc.integrations.clip_retrieval import export_clip_retrieval
from tests.helpers.command import run


@pytest.fixture
def collection(tmp_path) -> Collection:
    """Seven vectors of two recordings without files."""
    made = Collection.create(tmp_path / "c", tmp_path / "s")
    vectors = np.random.default_rng(0).normal(size=(7, 8)).astype(np.float32)
    starts = np.array([0, 3, 6, 9, 0, 3, 6.0])
    names = ["wood/a.wav"] * 4 + ["b.wav"] * 3
    made.add_vectors(vectors, names, starts, starts + 3, "net", "some net", durations=[12.0] * 4 + [9.0] * 3)
    return made


def rows_of(collection) -> dict[tuple[str, float], np.ndarray]:
    reader = collection.space("net")
    paths = collection.recordings.column("path").to_pylist()
    names = [paths[collection.row_of[int(one)]] for one in reader.recording]
    return {(name, float(start)): row for name, start, row in zip(names, reader.start, reader.vectors(), strict=True)}


def test_folders_of_clip_retrieval(collection, tmp_path):
    written = export_clip_retrieval(collection, tmp_path / "out", rows_a_file=3)
    assert [str(path.relative_to(tmp_path / "out")) for path in written[:2]] == [
        "img_emb/img_emb_0.npy",
        "metadata/metadata_0.parquet",
    ]
    assert len(written) == 6
    vectors = np.concatenate([np.load(path) for path in sorted((tmp_path / "out" / "img_emb").iterdir())])
    tables = [pq.read_table(path).to_pylist() for path in sorted((tmp_path / "out" / "metadata").iterdir())]
    rows = [row for table in tables for row in table]
    assert (vectors.dtype, len(vectors), len(rows)) == (np.float32, 7, 7)
    known = rows_of(collection)
    for row, vector in zip(rows, vectors, strict=True):
        name = row["image_path"].removeprefix(f"{tmp_path / 's'}/")
        wanted = known[name, row["start"]]
        np.testing.assert_allclose(vector, wanted / np.linalg.norm(wanted), atol=1e-6)


def test_parts_of_another_export_are_not_mixed_in(collection, tmp_path):
    export_clip_retrieval(collection, tmp_path / "out", rows_a_file=3)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    with pytest.raises(MmascError, match=r"img_emb: has parts of another export \(img_emb_1.npy\)"):
        export_clip_retrieval(collection, tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")} == before
    export_clip_retrieval(collection, tmp_path / "out", rows_a_file=3)
    (tmp_path / "out" / "text_emb").mkdir()
    (tmp_path / "out" / "text_emb" / "text_emb_0.npy").write_bytes(b"")
    with pytest.raises(MmascError, match="text_emb"):
        export_clip_retrieval(collection, tmp_path / "out", rows_a_file=3)


def read_folder(folder):
    tables = [pq.read_table(path).to_pylist() for path in sorted((folder / "metadata").iterdir())]
    parts = {}
    for name in ("img_emb", "text_emb"):
        files = sorted((folder / name).iterdir()) if (folder / name).is_dir() else []
        parts[name] = np.concatenate([np.load(path) for path in files]) if files else None
    return [row for table in tables for row in table], parts["img_emb"], parts["text_emb"]


def test_texts_of_windows_have_vectors_where_the_space_reads_words(tmp_path, sounds, standin, registered):
    """Labels of moments first, then the text of the recording; the vectors are those of a search in these words."""
    (tmp_path / "m.csv").write_text("path,caption\npond/a.wav,a bad cab\nwood/d.wav,\n")
    embed(sounds, tmp_path / "c", standin, metadata=tmp_path / "m.csv")
    made = Collection(tmp_path / "c")
    known = {Path(made.path_of(path)).name: number for path, number in zip(*paths_and_ids(made), strict=True)}
    marks = [("c.flac", 0, 1, "bb", "present"), ("c.flac", 0, 2, "aa", "present"), ("d.wav", 0, 1, "dd", "absent")]
    made.annotations.add(
        Annotation(recording=known[name], start=start, end=end, label=label, verdict=verdict, by="ann")
        for name, start, end, label, verdict in marks
    )
    export_clip_retrieval(made, tmp_path / "out", rows_a_file=5)
    rows, images, texts = read_folder(tmp_path / "out")
    assert len(rows) == len(images) == len(texts) > 10
    said = {(Path(row["image_path"]).name, row["start"]): row["caption"] for row in rows}
    assert said["c.flac", 0.0] == "aa, bb"
    assert said["c.flac", 1.0] == "aa"
    assert {caption for (name, start), caption in said.items() if name == "c.flac" and start >= 2} == {""}
    assert said["a.wav", 0.0] == "a bad cab"
    assert {caption for (name, _), caption in said.items() if name in ("d.wav", "e.ogg")} == {""}
    for row, vector in zip(rows, texts, strict=True):
        if not row["caption"]:
            assert not vector.any()
            continue
        (wanted,) = standin.embed_text([row["caption"]])
        np.testing.assert_allclose(vector, wanted / np.linalg.norm(wanted), atol=1e-6)
        best = made.search(text=row["caption"], k=1, windows=True)[0]
        assert best.score == pytest.approx(float((images @ vector).max()), abs=1e-5)


def paths_and_ids(collection):
    return (collection.recordings.column(name).to_pylist() for name in ("path", "id"))


def test_captions_stand_alone_where_no_words_are_read(collection, tmp_path):
    _, numbers = paths_and_ids(collection)
    collection.annotations.add([Annotation(recording=numbers[0], start=0, end=3, label="frog", by="ann")])
    export_clip_retrieval(collection, tmp_path / "out")
    rows, _, texts = read_folder(tmp_path / "out")
    assert texts is None
    assert sorted(row["caption"] for row in rows) == [""] * 6 + ["frog"]


def test_autofaiss_reads_the_folder(collection, tmp_path):
    """Its reader of folders of arrays, which clip-retrieval builds indexes with."""
    embedding_reader = pytest.importorskip("embedding_reader", reason="the package embedding-reader is not installed")
    export_clip_retrieval(collection, tmp_path / "out", rows_a_file=3)
    folder = str(tmp_path / "out" / "img_emb")
    reader = embedding_reader.EmbeddingReader(folder, file_format="npy")
    assert (reader.count, reader.dimension) == (7, 8)


def test_to_hoplite_and_back(collection, tmp_path):
    pytest.importorskip("perch_hoplite.db.sqlite_usearch_impl", reason="the extra hoplite is not installed")
    from perch_hoplite.db import sqlite_usearch_impl

    from mmasc.integrations.hoplite import export_hoplite, import_hoplite

    export_hoplite(collection, tmp_path / "h")
    opened = sqlite_usearch_impl.SQLiteUSearchDB.create(db_path=str(tmp_path / "h"), readonly=True)
    assert (opened.count_embeddings(), opened.get_embedding_dim()) == (7, 8)
    assert opened.get_metadata("mmasc").encoder == "vectors:some net"
    query = rows_of(collection)["wood/a.wav", 6.0]
    best = opened.search(query, 1, approximate=False).search_results[0]
    window = opened.get_window(best.window_id)
    assert list(window.offsets) == [6.0, 9.0]
    other = Collection.create(tmp_path / "d", tmp_path / "s")
    lengths = {"wood/a.wav": 12.0, "b.wav": 9.0}
    report = import_hoplite(other, tmp_path / "h", "net", "some net", lengths)
    assert (report.added, report.recordings) == (7, 2)
    back, known = rows_of(other), rows_of(collection)
    assert back.keys() == known.keys()
    for key, row in known.items():
        np.testing.assert_allclose(back[key], row, rtol=2**-10)  # float16
    assert other.space("net").space.identity == collection.space("net").space.identity
    with pytest.raises(MmascError, match="holds other things"):
        export_hoplite(collection, tmp_path / "h")
    with pytest.raises(MmascError, match="holds no hoplite database"):
        import_hoplite(other, tmp_path / "s", "net", "some net")


def test_by_command(collection, tmp_path, capsys):
    out = tmp_path / "out"
    status, said, _ = run(
        "collection", "export", tmp_path / "c", "--to", out, "--format", "clip-retrieval", capsys=capsys
    )
    assert (status, said.count("img_emb"), said.count("metadata_")) == (0, 1 + 1, 1)


def test_without_the_package_the_extra_is_named(collection, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "perch_hoplite.db", None)
    monkeypatch.setitem(__import__("sys").modules, "ml_collections", None)
    command = ("collection", "export", tmp_path / "c", "--to", tmp_path / "h", "--format", "hoplite")
    status, _, said = run(*command, capsys=capsys)
    assert (status, "pip install 'mmasc[hoplite]'" in said) == (1, True)
