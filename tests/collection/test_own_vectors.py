"""Vectors that other programs made: rows checked, one transaction, a space of their own that everything works on."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.annotation import Annotation
from mmasc.collection.index import IndexPolicy
from mmasc.encoders.registry import load_encoder, spec_of
from mmasc.labelling.fit_moments import fit_moments
from mmasc.labelling.moments import Moments
from tests.helpers.collections import write
from tests.helpers.command import run

IDENTITY = "some net 2.4"


def made(count: int = 6, dim: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def grid(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of 3 s, one after the other."""
    return np.arange(count) * 3.0, np.arange(count) * 3.0 + 3


def started(tmp_path: Path, **options) -> tuple[Collection, np.ndarray]:
    """Six vectors of a recording of 17 s that has no file."""
    collection, vectors = Collection.create(tmp_path / "c", tmp_path / "s", **options), made()
    collection.add_vectors(vectors, "a.wav", *grid(6), "net", IDENTITY, durations={"a.wav": 17.0})
    return collection, vectors


def test_what_is_stored_is_what_was_given(tmp_path):
    collection, vectors = started(tmp_path)
    reader = collection.space("net")
    order = np.argsort(reader.start)
    assert np.array_equal(reader.vectors()[order], vectors)
    assert reader.start[order].tolist() == [0, 3, 6, 9, 12, 15]
    assert reader.end[order].tolist() == [3, 6, 9, 12, 15, 17]  # the last was filled up: it ends with the recording
    assert (reader.space.encoder, reader.space.window_seconds, reader.space.hop_seconds) == (
        f"vectors:{IDENTITY}",
        3,
        3,
    )
    assert collection.recordings.select(["path", "duration", "sample_rate"]).to_pylist() == [
        {"path": "a.wav", "duration": 17.0, "sample_rate": 0}
    ]
    assert [one.message for one in collection.check()] == []


def test_again_adds_nothing_and_another_vector_needs_a_word(tmp_path):
    collection, vectors = started(tmp_path)
    again = collection.add_vectors(vectors, "a.wav", *grid(6), "net")
    assert (again.added, again.known, again.recordings, again.identity) == (0, 6, 0, IDENTITY)
    other = vectors.copy()
    other[2] += 1
    with pytest.raises(mmasc.MmascError, match=r"row 2: another vector of a.wav at 6 s is there already; replace=True"):
        collection.add_vectors(other, "a.wav", *grid(6), "net")
    report = collection.add_vectors(other, "a.wav", *grid(6), "net", replace=True)
    assert (report.added, report.replaced, report.known) == (0, 1, 5)
    reader = collection.space("net")
    assert np.array_equal(reader.vectors()[np.argsort(reader.start)], other)
    assert [one.message for one in collection.check()] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vectors": np.where(np.arange(6)[:, None] == 3, np.nan, made())}, r"vectors\[3\] holds NaN or infinity"),
        ({"vectors": made() * np.float64(1e39)}, r"vectors\[0\] holds NaN or infinity \(and 5 more rows\)"),
        ({"vectors": made() * (np.arange(6) != 4)[:, None]}, r"vectors\[4\] is zero and has no direction"),
        ({"ends": np.array([3, 6, 6, 12, 15, 18])}, r"starts\[2\] is 6 s, its end 6 s"),
        ({"starts": np.array([-1.0, 3, 6, 9, 12, 15])}, r"starts\[0\] is -1 s; times begin at 0"),
        ({"starts": np.array([0.0, 3, 6, 9, 12, np.inf])}, r"starts\[5\] is inf, not a time"),
        ({"starts": np.array([0.0, 3, 3, 9, 12, 15])}, r"row 2 is of a.wav at 3 s, as row 1 is; leave one out"),
        ({"starts": np.array([0, 3, 6, 9, 12, 17]), "ends": np.arange(6) * 9 + 9}, r"starts\[5\] is 17 s, but"),
        ({"recordings": "b.wav"}, r"b.wav is not a recording of the collection, and .* is not a file.*durations"),
        ({"vectors": made(dim=7)}, r"have 8 numbers, got 7"),
        ({"identity": "another net"}, r"belongs to encoder vectors:some net 2.4.*not to vectors:another net"),
        ({"space": "mine"}, r"space 'mine' of .* is new: name what made its vectors"),
        ({"space": "mine", "identity": IDENTITY}, r"vectors of 'some net 2.4' in space 'net'; use that"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used_are_named_and_nothing_is_stored(tmp_path, change, said):
    collection, vectors = started(tmp_path)
    before = (tmp_path / "c" / "collection.json").read_bytes()
    starts, ends = grid(6)
    given = {"vectors": vectors, "recordings": "a.wav", "starts": starts, "ends": ends, "space": "net", **change}
    with pytest.raises(mmasc.MmascError, match=said) as caught:
        collection.add_vectors(**given)
    assert "\n" not in str(caught.value)
    head = json.loads((tmp_path / "c" / "collection.json").read_bytes())
    assert head["spaces"] == json.loads(before)["spaces"]


def test_shapes_that_do_not_fit(tmp_path):
    collection, vectors = started(tmp_path)
    for change, said in [
        ({"vectors": vectors[0]}, "vectors must be numbers"),
        ({"starts": np.zeros(5)}, "starts must be 6 numbers"),
        ({"recordings": ["a.wav"] * 5}, "6 rows, 5 recordings"),
        ({"recordings": ["a.wav"] * 5 + [3]}, r"recordings\[5\] must be a path"),
        ({"identity": "two\nlines"}, "identity must be one line"),
        ({"probes": np.ones((2, 3))}, "probes must have 8 numbers"),
    ]:
        starts, ends = grid(6)
        given = {"vectors": vectors, "recordings": "a.wav", "starts": starts, "ends": ends, "space": "net", **change}
        with pytest.raises(ValueError, match=said):
            collection.add_vectors(**given)


def test_asked_by_vector_and_by_what_is_stored_and_never_by_words_or_sound(tmp_path):
    collection, vectors = started(tmp_path)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    hits = collection.search(vectors=vectors[3], windows=True, k=6)
    scores = unit @ unit[3]
    assert [hit.start for hit in hits] == (np.argsort(-scores) * 3.0).tolist()
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(scores)[::-1], atol=1e-6)
    against = collection.search(vectors=vectors[3], not_vectors=vectors[[0, 1]], windows=True, k=6)
    wanted = unit @ (unit[3] - unit[:2].mean(axis=0))
    np.testing.assert_allclose([hit.score for hit in against], np.sort(wanted)[::-1], atol=1e-6)
    stored = collection.search(like=("a.wav", 9, 12), windows=True, k=6)
    assert [(hit.start, hit.score) for hit in stored] == [(hit.start, hit.score) for hit in hits]
    assert stored[0].duplicate
    assert collection.search(like=hits[0], windows=True)[0].start == 9
    assert collection.search(like="a.wav", not_like=[hits[0], ("a.wav", 0, 3)], windows=True)[0].start not in (0, 9)
    write(tmp_path / "q.wav", 0.5)
    for asked in ({"text": "frog"}, {"audio": tmp_path / "q.wav"}):
        with pytest.raises(mmasc.MmascError, match="no space of .* understands"):
            collection.search(**asked)
        with pytest.raises(mmasc.MmascError, match="no encoder here makes more of them: ask with vectors") as caught:
            collection.search(**asked, space="net")
        assert "\n" not in str(caught.value)
    for wrong in (("a.wav", 3, 3), 5, [("a.wav", 3)]):
        with pytest.raises(ValueError, match="like must"):
            collection.search(like=wrong)
    with pytest.raises(mmasc.MmascError, match=r"no\.wav: no recording"):
        collection.search(like="no.wav")


def test_stored_moments_are_asked_on_the_command_line(tmp_path, capsys):
    started(tmp_path)
    asked = ("search", tmp_path / "c", "--like", "a.wav@9-12", "--not-like", "a.wav@0-3", "--windows", "-k", "1")
    status, out, err = run(*asked, "--format", "raven", capsys=capsys)
    assert (status, out.splitlines()[1].split("\t")[9]) == (0, "a.wav 9-12 s - a.wav 0-3 s"), err
    for wrong, said in (("a.wav@9-3", "end after it starts"), ("a.wav@1.2.3-4", "PATH@START-END")):
        status, _, err = run("search", tmp_path / "c", "--like", wrong, capsys=capsys)
        assert (status, said in err) == (2, True)


def test_two_spaces_never_mix(tmp_path, registered):
    write(tmp_path / "s" / "a.wav", 0.25, 2.0)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    collection = Collection(tmp_path / "c")
    report = collection.add_vectors(made(2), "a.wav", [0, 1], [1, 2], "net", IDENTITY)
    assert (report.recordings, collection.spaces) == (0, ["standin", "net"])
    assert collection.search("a", k=1)[0].score != collection.search(vectors=made(1), k=1)[0].score
    assert collection.search(vectors=made(1), k=1)[0].score == pytest.approx(1)  # by its width it asks its own space
    with pytest.raises(mmasc.MmascError, match="holds vectors of encoder standin: give vectors of your own another"):
        collection.add_vectors(made(2, 4), "a.wav", [0, 1], [1, 2], "standin", IDENTITY)
    with pytest.raises(mmasc.MmascError, match="belongs to encoder vectors:some net 2.4"):
        collection.add(tmp_path / "s", registered, space="net")
    with pytest.raises(mmasc.MmascError, match="made by another program"):
        collection.add(tmp_path / "s", space="net")
    third = Collection.create(tmp_path / "e", tmp_path / "s")
    third.add_vectors(made(2), "a.wav", [0, 1], [1, 2], "net", IDENTITY)
    assert third.add(tmp_path / "s", registered).windows == 2
    write(tmp_path / "s" / "b.wav", 0.5)
    assert third.add(tmp_path / "s").windows == 1  # into the space that has an encoder
    assert mmasc.embed(tmp_path / "s", tmp_path / "c").windows == 1
    assert spec_of(f"vectors:{IDENTITY}").modalities == ()
    with pytest.raises(mmasc.MmascError, match="made by another program"):
        load_encoder(f"vectors:{IDENTITY}")


def test_sound_that_comes_after_its_vectors_fills_in_what_is_known(tmp_path, registered):
    collection = Collection.create(tmp_path / "c", tmp_path / "s")
    collection.add_vectors(made(2), ["a.wav", "b.wav"], [0, 0], [3, 1], "net", IDENTITY, durations=[4.0, 1.0])
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 32_000)
    (tmp_path / "s").mkdir()
    soundfile.write(tmp_path / "s" / "a.wav", noise, 8_000)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    collection.refresh()
    rows = {row["path"]: row for row in collection.recordings.to_pylist()}
    assert (rows["a.wav"]["sample_rate"], rows["a.wav"]["size"] > 0, rows["b.wav"]["size"]) == (8_000, True, -1)
    assert [len(collection.space(name)) for name in ("net", "standin")] == [2, 4]
    assert [one for one in collection.check() if one.level == "error"] == []
    # What never had a file is not "missing"
    write(tmp_path / "s" / "c.wav", 0.5)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    (tmp_path / "s" / "c.wav").unlink()
    collection.refresh()
    assert collection.remove(missing=True) == 1
    # Other content under the path: what was made of the old one goes, and the report says how new ones come
    write(tmp_path / "s" / "a.wav", -0.25, 3.0)
    report = mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    assert any("bring vectors of 'some net 2.4' with Collection.add_vectors" in line for line in report.remarks)


def test_the_length_of_a_file_is_read_where_nobody_says_it(tmp_path):
    write(tmp_path / "s" / "a.wav", 0.25, 2.5)
    collection = Collection.create(tmp_path / "c", tmp_path / "s")
    report = collection.add_vectors(made(1), tmp_path / "s" / "a.wav", [0], [3], "net", IDENTITY)
    assert (report.cut, collection.recordings.column("duration").to_pylist()) == (1, [2.5])


def test_merge_remove_compact_export_index(tmp_path):
    collection, vectors = started(tmp_path)
    other = Collection.create(tmp_path / "d", tmp_path / "s")
    other.add_vectors(made(2, seed=1), ["a.wav", "b.wav"], [0, 0.5], [5, 4], "net", IDENTITY, durations=[17.0, 5.0])
    third = Collection.create(tmp_path / "e", tmp_path / "s")
    third.add_vectors(made(1, seed=2), "b.wav", [0], [3], "net", "another", durations={"b.wav": 5.0})
    result = collection.merge(tmp_path / "d")
    assert (result["recordings"], result["windows"], result["already_there"]) == (1, 1, 1)
    with pytest.raises(mmasc.MmascError, match="belongs to encoder vectors:some net 2.4"):
        collection.merge(tmp_path / "e")
    assert collection.merge(tmp_path / "d")["windows"] == 0
    collection.compact()
    assert [row["windows"] for row in collection.index()] == [7]
    assert [one.message for one in collection.check()] == []
    written = collection.export(tmp_path / "out", "net")
    assert np.array_equal(np.load(written[0])[:6], vectors)
    assert collection.remove(["a.wav"]) == 1
    assert len(collection.space("net")) == 1


def test_labels_and_heads(tmp_path):
    """Two kinds that differ in one direction, in twelve recordings."""
    collection = Collection.create(tmp_path / "c", tmp_path / "s")
    generator = np.random.default_rng(0)
    kinds = np.arange(48) % 2
    vectors = generator.normal(size=(48, 8)) + 6 * np.where(kinds[:, None] == 1, np.eye(8)[0], -np.eye(8)[0])
    names = [f"{number // 4}.wav" for number in range(48)]
    starts = np.arange(48) % 4 * 3.0
    collection.add_vectors(vectors, names, starts, starts + 3, "net", IDENTITY, durations=np.full(48, 12.0))
    rows = collection.recordings.select(["path", "id"]).to_pylist()
    ids = {row["path"]: row["id"] for row in rows}
    collection.annotations.add(
        Annotation(recording=ids[name], start=start, end=start + 3, label="frog" if kind else "owl")
        for name, start, kind in zip(names, starts.tolist(), kinds, strict=True)
    )
    report = fit_moments(collection, Moments(), folds=3, out=tmp_path / "kind.head")
    assert report.mean_average_precision == 1
    answers = list(mmasc.apply_head(tmp_path / "kind.head", tmp_path / "c"))
    assert len(answers) == 12
    write(tmp_path / "q.wav", 0.5)
    with pytest.raises(mmasc.MmascError, match="made by another program"):
        list(mmasc.apply_head(tmp_path / "kind.head", tmp_path / "q.wav"))


def test_a_call_that_dies_stores_nothing(tmp_path, monkeypatch):
    collection, _ = started(tmp_path)
    from mmasc.collection import vector_intake

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(vector_intake, "_append", dies)
    with pytest.raises(KeyboardInterrupt):
        collection.add_vectors(made(3, seed=1), "b.wav", *grid(3), "net", durations={"b.wav": 9.0})
    monkeypatch.undo()
    collection.refresh()
    assert (collection.recordings.column("path").to_pylist(), len(collection.space("net"))) == (["a.wav"], 6)
    assert [one.message for one in collection.check()] == []
    report = collection.add_vectors(made(3, seed=1), "b.wav", *grid(3), "net", durations={"b.wav": 9.0})
    assert (report.added, report.recordings) == (3, 1)


def test_recall_of_an_approximate_index_holds_for_rows_that_it_has_not_seen(tmp_path):
    """The recall that is told, against brute force: for windows, and for probes of another kind."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(60, 16))
    vectors = (centres[generator.integers(60, size=6_000)] + 0.4 * generator.normal(size=(6_000, 16))).astype(
        np.float32
    )
    probes = centres[:40] + 1.0
    policy = IndexPolicy(flat_numbers=1_000, recall=0.9)
    collection = Collection.create(tmp_path / "c", tmp_path / "s", policy=policy)
    starts, ends = grid(6_000)
    collection.add_vectors(vectors, "a.wav", starts, ends, "net", IDENTITY, {"a.wav": ends[-1]}, probes=probes)
    (row,) = collection.index()
    assert (row["kind"], row["windows"]) == ("ivf", 6_000)
    assert 0.9 <= row["recall"] <= 1
    reader = collection.space("net")
    unit = reader.vectors() / np.linalg.norm(reader.vectors(), axis=1, keepdims=True)
    held_out = (centres[generator.integers(60, size=200)] + 0.4 * generator.normal(size=(200, 16))).astype(np.float32)
    for queries in (held_out, probes.astype(np.float32)):
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        wanted = np.argsort(-queries @ unit.T, axis=1)[:, :10]
        _, found = reader.search(queries, 10)
        recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.tolist(), wanted.tolist(), strict=True)])
        assert recall > 0.85


def test_a_removed_recording_that_comes_back_with_its_vectors_has_its_labels_again(tmp_path):
    collection = Collection.create(tmp_path / "c", root=tmp_path)
    collection.add_vectors(made(6), "a.wav", *grid(6), "net", IDENTITY, durations={"a.wav": 17.0})
    recording = collection.annotations.recording_id("a.wav")
    collection.annotations.add([mmasc.Annotation(recording=recording, start=0, end=1, label="knock")])
    collection.remove("a.wav")
    assert collection.annotations.all() == []
    collection.add_vectors(made(6), "a.wav", *grid(6), "net", durations={"a.wav": 17.0})
    assert [one.label for one in collection.annotations.all()] == ["knock"]
