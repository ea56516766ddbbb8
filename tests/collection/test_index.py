"""The index: equal to brute force where it says so, measured where it does not."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from mmasc.collection import index as index_module
from mmasc.collection import index_files
from mmasc.collection.index import IndexPolicy, VectorIndex
from mmasc.windows.units import unit_float32

DIM = 16


def clustered(rows: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(40, DIM))
    return (centres[generator.integers(0, 40, rows)] + 0.3 * generator.normal(size=(rows, DIM))).astype(np.float32)


def scan_of(vectors: np.ndarray, batch: int = 700):
    def scan():
        for first in range(0, len(vectors), batch):
            some = vectors[first : first + batch]
            yield np.arange(first, first + len(some)) * 3 + 5, some

    return scan


def brute_force(queries: np.ndarray, vectors: np.ndarray, k: int, allowed: np.ndarray | None = None):
    scores = queries @ unit_float32(vectors).T
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def recall(found: np.ndarray, expected: np.ndarray) -> float:
    return float(
        np.mean([len(np.intersect1d(one, other)) / len(other) for one, other in zip(found, expected, strict=True)])
    )


def test_small_index_is_brute_force():
    vectors, queries = clustered(2_000), unit_float32(clustered(30, seed=1))
    built = VectorIndex.build(scan_of(vectors), len(vectors), DIM)
    assert built.kind == "flat"
    scores, found = built.search(queries, 10)
    # fp16 may swap near ties: scores agree to its rounding, and the sets all but for those
    expected = brute_force(queries, vectors, 10)
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ unit_float32(vectors).T, expected, 1), atol=1e-3)
    assert recall(found, expected) > 0.99
    np.testing.assert_array_equal(built.row_ids, np.arange(len(vectors)) * 3 + 5)


def test_filter_in_a_small_index_is_filter_after_exact_search():
    vectors, queries = clustered(2_000), unit_float32(clustered(30, seed=1))
    allowed = np.random.default_rng(2).random(len(vectors)) < 0.01
    built = VectorIndex.build(scan_of(vectors), len(vectors), DIM)
    _, found = built.search(queries, 5, allowed)
    np.testing.assert_array_equal(found, brute_force(queries, vectors, 5, allowed))


@pytest.mark.parametrize(
    ("policy", "kind"),
    [
        (IndexPolicy(flat_numbers=1_000, memory_bytes=1 << 40), "ivf"),
        (IndexPolicy(flat_numbers=1_000, memory_bytes=1_000), "rabitq"),
    ],
)
def test_large_index_reaches_the_recall_that_it_measured(policy, kind):
    vectors = clustered(6_000)
    probes = clustered(50, seed=4) + 2.0
    built = VectorIndex.build(scan_of(vectors), len(vectors), DIM, policy, probes)
    assert built.kind == kind
    measured = built.curve[str(built.nprobe)]
    assert set(measured) == {"windows", "texts"}
    if kind == "ivf":
        assert min(measured.values()) >= policy.recall
    queries = unit_float32(clustered(200, seed=5))
    _, found = built.search(queries, 10)
    assert recall(found, brute_force(queries, vectors, 10)) >= 0.9


def test_measured_recall_grows_with_the_lists_probed():
    vectors = clustered(6_000)
    built = VectorIndex.build(scan_of(vectors), len(vectors), DIM, IndexPolicy(flat_numbers=1, memory_bytes=1 << 40))
    curve = [built.curve[nprobe]["windows"] for nprobe in sorted(built.curve, key=int)]
    assert curve == sorted(curve)


def test_policy_of_the_design():
    policy = IndexPolicy(memory_bytes=8 << 30)
    assert policy.kind(500_000, 512) == "ivf"
    assert policy.kind(480_000, 512) == "flat"
    assert policy.kind(20_000_000, 512) == "rabitq"


@pytest.mark.parametrize("policy", [IndexPolicy(), IndexPolicy(flat_numbers=1, memory_bytes=1)])
def test_saved_index_answers_as_before(tmp_path, policy):
    vectors, queries = clustered(3_000), unit_float32(clustered(10, seed=1))
    built = VectorIndex.build(scan_of(vectors), len(vectors), DIM, policy)
    built.save(tmp_path, version=7)
    again = VectorIndex.load(tmp_path)
    assert again is not None
    assert (again.kind, again.nprobe, again.curve) == (built.kind, built.nprobe, built.curve)
    for one, other in zip(built.search(queries, 5), again.search(queries, 5), strict=True):
        np.testing.assert_array_equal(one, other)
    built.save(tmp_path, version=8)
    assert len(list(tmp_path.glob("index-*"))) == 1


def test_a_file_that_is_not_as_it_was_written_is_not_read(tmp_path):
    vectors = clustered(100)
    VectorIndex.build(scan_of(vectors), len(vectors), DIM).save(tmp_path, version=1)
    file = next(tmp_path.glob("index-*/vectors.faiss"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert VectorIndex.load(tmp_path) is None
    (tmp_path / "index.json").write_text('{"format": 1, "folder": "../elsewhere"}')
    assert VectorIndex.load(tmp_path) is None


def test_positions_that_no_row_has_are_not_found():
    vectors = clustered(300)
    built = VectorIndex.build(scan_of(vectors), len(vectors), DIM, IndexPolicy())
    longer = VectorIndex(built.kind, built.index, built.row_ids[:200], built.nprobe, built.curve, built.policy)
    _, found = longer.search(unit_float32(vectors[:250]), 5)
    _, whole = built.search(unit_float32(vectors[:250]), 5)
    assert (whole >= 200).any()
    np.testing.assert_array_equal(found, np.where(whole < 200, whole, -1))


def test_an_older_index_never_replaces_a_newer_one(tmp_path):
    old, new = (VectorIndex.build(scan_of(clustered(rows)), rows, DIM) for rows in (50, 80))
    assert new.save(tmp_path, version=5)
    assert not old.save(tmp_path, version=4, outdated=True)
    assert len(VectorIndex.load(tmp_path)) == 80
    assert old.save(tmp_path, version=4)  # windows of an older version count again: somebody put a backup back
    assert len(VectorIndex.load(tmp_path)) == 50


def test_rests_of_killed_savers_go_and_what_others_left_stays(tmp_path):
    built = VectorIndex.build(scan_of(clustered(50)), 50, DIM)
    for name in ("index-0a1b2c3d", "index-copy of mine", "index-notes.txt"):
        (tmp_path / name).mkdir()
    assert built.save(tmp_path, version=1)
    empty = [path.name for path in tmp_path.glob("index-*") if not any(path.iterdir())]
    assert sorted(empty) == ["index-copy of mine", "index-notes.txt"]


def test_an_index_replaced_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    first, second = (VectorIndex.build(scan_of(clustered(rows)), rows, DIM) for rows in (50, 80))
    first.save(tmp_path, version=1)
    real = index_files.read_header
    headers = [real(tmp_path)]
    second.save(tmp_path, version=2)
    monkeypatch.setattr(index_files, "read_header", lambda folder: headers.pop() if headers else real(folder))
    assert len(VectorIndex.load(tmp_path)) == 80
    assert headers == []


def test_a_full_disk_leaves_the_old_index(tmp_path, monkeypatch):
    first, second = (VectorIndex.build(scan_of(clustered(rows)), rows, DIM) for rows in (50, 80))
    first.save(tmp_path, version=1)

    def fails(index, path):
        Path(path).write_bytes(b"half")
        raise RuntimeError("Error in void faiss::FileIOWriter: write error")

    monkeypatch.setattr(index_module.import_faiss(), "write_index", fails)
    with pytest.raises(OSError, match="is the disk full"):
        second.save(tmp_path, version=2)
    assert len(VectorIndex.load(tmp_path)) == 50
    assert len(list(tmp_path.glob("index-*"))) == 1


def test_a_length_beyond_the_file_takes_no_memory(tmp_path):
    """The checksum is right and the content is not: somebody made it so."""
    built = VectorIndex.build(scan_of(clustered(100)), 100, DIM)
    built.save(tmp_path, version=1)
    header = json.loads((tmp_path / "index.json").read_text())
    file = tmp_path / header["folder"] / "vectors.faiss"
    whole, refused = file.read_bytes(), 0
    for place in range(0, len(whole) - 8 - 100 * DIM * 2, 4):
        data = bytearray(whole)
        data[place : place + 8] = (1 << 38).to_bytes(8, "little")
        file.write_bytes(data)
        header["files"]["vectors.faiss"]["crc32"] = zlib.crc32(data)
        (tmp_path / "index.json").write_text(json.dumps(header))
        refused += VectorIndex.load(tmp_path) is None
    assert refused > 3


def test_a_recall_that_is_asked_for_is_reached(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(4_000, DIM)).astype(np.float32)
    low, high = (
        VectorIndex.build(
            scan_of(vectors), 4_000, DIM, IndexPolicy(flat_numbers=1, memory_bytes=1 << 40, recall=recall)
        )
        for recall in (0.3, 0.99)
    )
    assert low.nprobe < high.nprobe
    assert min(high.curve[str(high.nprobe)].values()) >= 0.99


def test_missing_faiss_names_both_extras(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(index_module.MmascError, match=r"mmasc\[cpu\].*mmasc\[gpu\]"):
        index_module.import_faiss()


def test_unit_leaves_zero_alone():
    np.testing.assert_array_equal(
        unit_float32(np.array([[0.0, 0.0], [3.0, 4.0]])), np.array([[0, 0], [0.6, 0.8]], np.float32)
    )


@pytest.mark.parametrize(
    "damage",
    [
        {"nprobe": -0.5},
        {"nprobe": 0},
        {"nprobe": float("inf")},
        {"nprobe": None},
        {"curve": []},
        {"curve": {"1": 0.5}},
        {"curve": {"1": {"windows": "much"}}},
        {"policy": {"k_factor_text": 0}},
        {"policy": {"k_factor_audio": "x"}},
        {"policy": {"factor": 1}},
    ],
)
def test_a_header_that_cannot_be_is_no_index(damage):
    vectors = clustered(600)
    built = VectorIndex.build(scan_of(vectors), len(vectors), DIM, IndexPolicy(flat_numbers=1, memory_bytes=1))
    assert VectorIndex.of_files(built.index, built.row_ids, built.about) is not None
    assert VectorIndex.of_files(built.index, built.row_ids, built.about | damage) is None
