"""Clusters: kinds are found without labels, numbered by size, named by words; the same answer every time."""

import csv
import json

import numpy as np
import pyarrow as pa
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.studies.clusters import NOISE, Clusters, dense_regions, find_clusters, reduce
from tests.helpers.command import run

WORDS = {"up": ["abcd"], "down": ["bbbb"], "flat": ["bbbccc"]}


@pytest.fixture
def kinds(tmp_path, registered):
    """Twelve sounds above zero, ten around it, and eight below."""
    generator = np.random.default_rng(0)
    (tmp_path / "s").mkdir()

    def write(name, level, spread):
        samples = level + spread * generator.uniform(-1, 1, 12_000)
        soundfile.write(tmp_path / "s" / f"{name}.wav", samples, 8_000)

    for number in range(12):
        write(f"up_{number:02d}", 0.5, 0.02 + 0.001 * number)
    for number in range(8):
        write(f"down_{number}", -0.5, 0.02 + 0.001 * number)
    for number in range(10):
        write(f"wide_{number}", 0.0, 0.8 + 0.002 * number)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    return tmp_path


def names(found: Clusters, number: int) -> list[str]:
    paths = found.items.column("path").to_pylist()
    return [
        path.rpartition("/")[2].partition("_")[0]
        for path, label in zip(paths, found.labels, strict=True)
        if label == number
    ]


def test_kinds_are_found_and_named(kinds, standin):
    found = find_clusters(Collection(kinds / "c"), minimum_size=4, prompts=WORDS)
    assert [cluster.size for cluster in found.clusters] == [12, 10, 8]
    assert [set(names(found, number)) for number in (1, 2, 3)] == [{"up"}, {"wide"}, {"down"}]
    assert found.noise == 0
    assert [cluster.words[0][0] for cluster in found.clusters] == ["up", "flat", "down"]
    # A second way: cosines of the cluster's mean direction and the texts, and the member nearest to it
    vectors, _, items = Collection(kinds / "c").vectors()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = unit[found.labels == 1].mean(axis=0)
    text = standin.embed_text(["abcd"])[0]
    cosine = mean @ text / np.linalg.norm(mean) / np.linalg.norm(text)
    assert found.clusters[0].words[0][1] == pytest.approx(float(cosine), abs=1e-5)
    nearest = np.where(found.labels == 1, unit @ mean, -1).argmax()
    assert found.clusters[0].central == items.column("path")[int(nearest)].as_py()


def test_the_same_collection_gives_the_same_clusters(kinds):
    first, again = (find_clusters(Collection(kinds / "c"), minimum_size=4, prompts=WORDS) for _ in range(2))
    assert first.clusters == again.clusters
    np.testing.assert_array_equal(first.labels, again.labels)


def test_windows_are_clustered_by_themselves(kinds):
    found = find_clusters(Collection(kinds / "c"), windows=True, minimum_size=4, prompts=WORDS)
    assert len(found.labels) == 2 * 30
    assert found.clusters[0].start in (0.0, 0.5)
    of_file = found.by_recording()
    assert len(of_file) == 30
    assert len({number for path, number in of_file.items() if "up_" in path}) == 1


def test_what_lies_between_dense_regions_is_in_none():
    generator = np.random.default_rng(0)
    dense = np.concatenate([centre + generator.normal(0, 0.1, (30, 2)) for centre in ([0, 0], [5, 0], [0, 5])])
    labels = dense_regions(np.concatenate([dense, [[30, -30], [9, 9], [-6, 3]]]), 10)
    assert [len(set(labels[start : start + 30])) for start in (0, 30, 60)] == [1, 1, 1]
    assert len(set(labels[:90])) == 3
    assert labels[90:].tolist() == [NOISE] * 3
    table = pa.table({"path": ["a", "a", "a", "b", "b"]})
    found = Clusters([], np.array([NOISE, 2, 2, NOISE, 1]), table, "", 2)
    assert found.by_recording() == {"a": 2, "b": 1}


def test_components_are_those_of_a_singular_value_decomposition():
    points = np.random.default_rng(0).normal(size=(40, 6)) * [5, 4, 3, 1, 1, 1]
    left, sizes, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(reduce(points, 2)), np.abs((left * sizes)[:, :2]), atol=1e-9)
    assert reduce(points, 0) is points
    assert reduce(points, 6) is points


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimum_size": 20}, "30 recordings are too few for clusters of 20"),
        ({"where": "path = 'up_00.wav'"}, "1 recording is too few"),
        ({"space": "none"}, "no space 'none'"),
    ],
)
def test_what_cannot_be_clustered_is_said(kinds, options, message):
    with pytest.raises(MmascError, match=message):
        find_clusters(Collection(kinds / "c"), prompts=WORDS, **options)
    with pytest.raises(ValueError, match="minimum_size must be 2 or more"):
        find_clusters(Collection(kinds / "c"), minimum_size=1)


def test_a_space_without_text_has_clusters_without_words(kinds, monkeypatch):
    from dataclasses import replace

    from mmasc.encoders.registry import ENCODERS

    monkeypatch.setitem(ENCODERS, "standin", replace(ENCODERS["standin"], modalities=("audio",)))
    found = find_clusters(Collection(kinds / "c"), minimum_size=4)
    assert [(cluster.size, cluster.words) for cluster in found.clusters] == [(12, ()), (10, ()), (8, ())]
    with pytest.raises(MmascError, match="holds no text: leave out --prompts"):
        find_clusters(Collection(kinds / "c"), minimum_size=4, prompts=WORDS)


def test_the_command_writes_columns_for_the_collection(kinds, capsys, monkeypatch):
    command = ("collection", "cluster", kinds / "c", "--minimum-size", "4")
    status, out, err = run(*command, "--format", "json", "--to", kinds / "c.csv", capsys=capsys)
    rows = json.loads(out)
    assert status == 0
    assert [(row["cluster"], row["size"], len(row["words"])) for row in rows] == [(1, 12, 3), (2, 10, 3), (3, 8, 3)]
    assert "30 recordings, 3 clusters, 0 in none; words: demo" in err
    with (kinds / "c.csv").open() as file:
        written = {row["path"]: row["cluster"] for row in csv.DictReader(file)}
    assert (written["up_00.wav"], written["wide_0.wav"], written["down_3.wav"]) == ("1", "2", "3")
    status, _, _ = run(
        "embed",
        kinds / "s",
        "--into",
        kinds / "c",
        "--encoder",
        "standin",
        "--metadata",
        kinds / "c.csv",
        capsys=capsys,
    )
    assert status == 0
    collection = Collection(kinds / "c")
    assert {"cluster", "cluster_words"} <= set(collection.metadata_columns)
    assert len(collection.search("ab", k=100, where="cluster = 3", per_recording=True)) == 8
    _, out, _ = run(*command, capsys=capsys)
    assert out.splitlines()[0].split() == ["cluster", "size", "words", "cosine", "central"]
    assert all(len(line) <= 120 for line in out.splitlines())
    _, out, _ = run(*command, "--format", "csv", "--windows", capsys=capsys)
    assert out.splitlines()[0] == "cluster,size,words,cosines,central,start,end"
