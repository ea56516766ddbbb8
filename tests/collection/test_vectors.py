"""Vectors and labels for scikit-learn: rows belong together, labels keep their types, vectors are those of heads."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score

import mmasc
from mmasc.audio import find_audio
from mmasc.labelling.recordings import Selection, labelled_recordings


@pytest.fixture
def collection(sounds, tmp_path, standin) -> mmasc.Collection:
    meta = tmp_path / "meta.csv"
    meta.write_text("path,kind,level,loud\npond/a.wav,frog,1,0.5\npond/c.flac,frog,2,\nwood/d.wav,owl,1,1.5\n")
    mmasc.embed(sounds, tmp_path / "c", standin, metadata=meta, folders=["place"], hop_seconds=0.4, channels="each")
    return mmasc.Collection(tmp_path / "c")


def test_rows_are_the_vectors_of_their_files(collection, standin):
    vectors, labels, recordings = collection.vectors()
    assert (vectors.dtype, vectors.shape, labels) == (np.float32, (5, 4), None)
    paths = recordings["path"].to_pylist()
    assert paths == sorted(paths)
    for path, vector in zip(paths, vectors, strict=True):
        expected = mmasc.embed_file(path, standin, 0.4, "each").vector
        np.testing.assert_allclose(vector, expected, atol=1e-6)
    assert recordings["place"].to_pylist() == [Path(path).parent.name for path in paths]


@pytest.mark.parametrize(
    ("label", "values"), [("kind", ["frog", "frog", "owl"]), ("level", [1, 2, 1]), ("loud", [0.5, 1.5])]
)
def test_labels_keep_their_types_and_recordings_without_one_are_left_out(collection, label, values):
    vectors, labels, recordings = collection.vectors(label)
    assert labels.tolist() == values == recordings[label].to_pylist()
    assert labels.dtype.kind == {"kind": "U", "level": "i", "loud": "f"}[label]
    assert len(vectors) == len(recordings) == len(values)


def test_vectors_are_those_that_heads_learn_from(collection):
    vectors, labels, recordings = collection.vectors("kind", where="duration > 0.5 or start < 0.1")
    heads = labelled_recordings(collection, Selection("kind", where="duration > 0.5 or start < 0.1"))
    np.testing.assert_array_equal(vectors, heads.vectors.astype(np.float32))
    assert [heads.classes[code] for code in heads.codes] == labels.tolist()
    assert [collection.path_of(path) for path in heads.paths] == recordings["path"].to_pylist()


def test_windows_are_those_of_the_export(collection, tmp_path):
    vectors, labels, windows = collection.vectors(windows=True)
    assert labels is None
    collection.export(tmp_path / "x")
    np.testing.assert_array_equal(vectors, np.load(tmp_path / "x" / "vectors.npy"))
    import pyarrow.parquet as pq

    exported = pq.read_table(tmp_path / "x" / "windows.parquet")
    assert windows.select(exported.column_names).to_pylist() == exported.to_pylist()
    some, labels, windows = collection.vectors("level", where="lane = 1 and start > 1", windows=True)
    assert set(windows["lane"].to_pylist()) == {1}
    assert min(windows["start"].to_pylist()) > 1
    assert labels.tolist() == [2] * len(some)


def test_what_is_not_there_is_said_and_nothing_passes_quietly(collection):
    with pytest.raises(mmasc.MmascError, match="has no column 'nolabel'; it has: "):
        collection.vectors("nolabel")
    with pytest.raises(mmasc.MmascError, match="has no space 'x'"):
        collection.vectors(space="x")
    for windows in (False, True):
        vectors, labels, recordings = collection.vectors("level", where="duration > 999", windows=windows)
        assert (vectors.shape, vectors.dtype, len(labels), len(recordings)) == ((0, 4), np.float32, 0, 0)


def test_damaged_vectors_are_refused(collection, monkeypatch):
    reader = collection.space()
    read = type(reader).vectors
    monkeypatch.setattr(type(reader), "vectors", lambda self, positions=None: read(self, positions) * np.nan)
    for windows in (False, True):
        with pytest.raises(mmasc.MmascError, match="holds NaN"):
            collection.vectors(windows=windows)


def test_scikit_learn_takes_them(tmp_path, standin):
    generator = np.random.default_rng(0)
    for place in "abc":
        for kind, level in (("quiet", 0.1), ("loud", 0.8)):
            (tmp_path / "s" / place / kind).mkdir(parents=True)
            for take in range(3):
                samples = generator.uniform(-level, level, 8_000)
                soundfile.write(tmp_path / "s" / place / kind / f"{take}.wav", samples, 8_000)
    mmasc.embed(tmp_path / "s", tmp_path / "c", standin, folders=["place", "kind"])
    vectors, labels, recordings = mmasc.Collection(tmp_path / "c").vectors("kind")
    scores = cross_val_score(
        LogisticRegression(C=1e3), vectors, labels, groups=recordings["place"].to_numpy(), cv=GroupKFold(3)
    )
    assert scores.tolist() == [1.0, 1.0, 1.0]


# -------------------------------------------------------------------------------------------------------- to_frame


def test_a_frame_has_a_row_for_each_recording_and_keeps_whole_numbers(collection, sounds):
    pandas = pytest.importorskip("pandas")
    frame = collection.to_frame()
    assert sorted(frame["path"]) == [str(path) for path in find_audio(sounds)]
    assert frame["id"].tolist() == collection.recordings["id"].to_pylist()
    assert frame["level"].dtype == pandas.Int64Dtype()
    levels = dict(zip(frame["path"].map(lambda path: Path(path).name), frame["level"], strict=True))
    assert (levels["a.wav"], levels["c.flac"], levels["b.wav"]) == (1, 2, pandas.NA)
    assert {"duration", "sample_rate", "channels", "status", "reason", "kind", "loud", "place"} < set(frame.columns)


def test_a_frame_of_windows_stands_in_the_order_of_their_vectors(collection):
    pytest.importorskip("pandas")
    frame, (_, _, windows) = collection.to_frame(windows=True), collection.vectors(windows=True)
    assert list(frame.columns) == windows.column_names
    for name in ("path", "start", "end", "lane", "place"):
        assert frame[name].tolist() == windows[name].to_pylist()


def test_hits_and_frames_name_recordings_alike(collection, standin):
    pandas = pytest.importorskip("pandas")
    hits = pandas.DataFrame(collection.search(text="ab", encoder=standin, k=4))
    joined = hits.merge(collection.to_frame(), on="path", suffixes=("", "_of_recording"))
    assert len(joined) == len(hits)


def test_without_pandas_a_line_says_what_to_install(collection, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(mmasc.MmascError, match=r"^pandas is not installed; .*pip install 'mmasc\[pandas\]'$"):
        collection.to_frame()
    with pytest.raises(ValueError, match="give windows=True"):
        collection.to_frame(space="standin")


def test_a_reader_can_hold_its_vectors(collection):
    plain, held = collection.space(), mmasc.Collection(collection.store.folder).space()
    assert not held.hold(4 * len(held) * held.space.dim - 1)
    assert held.held is None
    assert held.hold(4 * len(held) * held.space.dim)
    some = np.array([2, 0])
    assert np.array_equal(held.vectors(some), plain.vectors(some))
    everything = held.vectors()
    assert np.array_equal(everything, plain.vectors())
    everything[:] = 0  # a copy
    assert np.array_equal(held.vectors(), plain.vectors())
    for one in np.unique(plain.recording).tolist():
        assert plain.of_recording(one).tolist() == np.flatnonzero(plain.recording == one).tolist()
    assert len(plain.of_recording(5)) == 0
