"""What version 0.1.0 left on disk opens, answers as it did then, and goes on; see tests/data/make_old_files.py."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from mmasc import Collection, apply_head, classify, embed, load_encoder
from mmasc.cli import cli
from mmasc.datasets import WaveformCache
from mmasc.errors import MmascError
from mmasc.heads.calibration_file import Calibration
from mmasc.networks.load import load_network
from mmasc.storage.tensors import load_tensors
from mmasc.training.supervised.kept_tags import ClipTags
from mmasc.training.supervised.tag_sources import load_source
from tests.data.make_old_files import RUNS, go_on, small_registries

STORED = Path(__file__).parent / "data" / "0.1.0"
ANSWERS = json.loads((STORED / "answers.json").read_text("utf-8"))


@pytest.fixture
def old(tmp_path, monkeypatch) -> Path:
    """A copy, where the files name the folder that they lie in."""
    folder = tmp_path / "old"
    shutil.copytree(STORED, folder)
    for path in folder.rglob("*.json"):
        path.write_text(path.read_text("utf-8").replace("{here}", folder.as_posix()), "utf-8")
    monkeypatch.chdir(folder)
    return folder


def test_files_that_were_only_copied_are_as_they_were(old):
    """Version 0.1.0 kept no digests: what is alike is told by vectors, which other processors round otherwise."""
    before = {name: Collection(old / "collection").space(name).vectors() for name in ("classic", "mini")}
    report = embed(old / "sounds", old / "collection", "classic")
    assert (report.changed, report.skipped, report.remarks) == (0, 6, [])
    for name, vectors in before.items():
        np.testing.assert_array_equal(Collection(old / "collection").space(name).vectors(), vectors)
    # Another sound is another
    sound = (old / "sounds" / "noise-2.wav").read_bytes()
    (old / "sounds" / "hum-1.wav").write_bytes(sound[:-2] + b"\1\1")
    assert embed(old / "sounds", old / "collection", "classic").changed == 1


def names_and_scores(hits) -> tuple[list[str], list[float]]:
    return [Path(hit["path"]).name for hit in hits], [hit["score"] for hit in hits]


@pytest.mark.parametrize("space", ["classic", "mini-features", "mini"])
def test_a_collection_opens_and_is_searched(old, space):
    collection = Collection(old / "collection")
    asked = {"text": "whistling"} if space == "mini" else {"audio": old / "sounds" / "whistle-0.wav"}
    names, scores = names_and_scores(collection.search(**asked, space=space, k=6))
    wanted_names, wanted_scores = zip(*ANSWERS["search"][space], strict=True)
    assert names == list(wanted_names)
    np.testing.assert_allclose(scores, wanted_scores, atol=1e-3)


def test_a_collection_keeps_its_columns_and_takes_more(old):
    collection = Collection(old / "collection")
    assert sorted(collection.recordings.column("site").to_pylist()) == ANSWERS["sites"]
    hits = collection.search(audio=old / "sounds" / "whistle-0.wav", space="classic", where="site = 'pond'", k=6)
    assert len(hits) == 3
    shutil.copy(old / "sounds" / "hum-1.wav", old / "sounds" / "hum-7.wav")
    embed(old / "sounds" / "hum-7.wav", old / "collection", "classic")
    hits = Collection(old / "collection").search(audio=old / "sounds" / "hum-7.wav", space="classic", k=2)
    assert {Path(hit["path"]).name for hit in hits} == {"hum-1.wav", "hum-7.wav"}


def test_a_head_is_applied(old):
    said = apply_head(old / "labels.head", old / "collection")
    assert [[Path(one.path).name, one.label] for one in said] == ANSWERS["head"]


def test_files_are_heard_by_the_encoder_of_a_calibration(old, tmp_path):
    options = {"calibration": old / "calibration.json", "prompts": old / "prompts.yaml"}
    found, named = (list(classify(old / "sounds", **options, **more)) for more in ({}, {"encoder": "mini"}))
    assert [one.label for one in found] == [one.label for one in named]
    assert [one.score for one in found] == [one.score for one in named]
    command = ["classify", old / "sounds", "--calibration", old / "calibration.json", "--prompts", old / "prompts.yaml"]
    assert CliRunner().invoke(cli, [str(one) for one in command]).exit_code == 0
    unknown = tmp_path / "unknown.json"
    unknown.write_text((old / "calibration.json").read_text().replace('"mini"', '"minj"'))
    with pytest.raises(MmascError, match="unknown.json belongs to encoder 'minj'"):
        classify(old / "sounds", prompts=old / "prompts.yaml", calibration=unknown)


def test_a_calibration_answers(old):
    encoder = load_encoder("mini")
    classifier = Calibration.load(old / "calibration.json").classifier(encoder, old / "prompts.yaml")
    samples = [np.sin(hz * np.arange(48_000) / 5_000, dtype=np.float32) for hz in (1, 3)]
    vectors = np.stack([encoder.embed(one[None])[0] for one in samples])
    np.testing.assert_allclose(classifier.predict_proba(vectors), ANSWERS["calibration"], atol=1e-3)


def test_a_decoded_cache_is_found(old):
    waveforms = WaveformCache(old / "cache", 8_000).load([old / "sounds" / "whistle-0.wav"])
    assert waveforms.n_decoded == 0
    assert np.abs(np.array(waveforms[0])).sum() == pytest.approx(ANSWERS["cache"], rel=1e-6)


def test_kept_tags_are_those_of_their_source(old):
    kept = ClipTags.load(old / "stopped" / "tags" / "tags.safetensors")
    source = load_source("prompts:tags.yaml@mini")
    assert kept.identity == source.identity
    assert kept.vocabulary == source.vocabulary == ("bird", "engine")


@pytest.fixture
def ended(old) -> Path:
    """The stopped runs at their end."""
    with small_registries():
        go_on(old, old / "stopped")
    return old


def test_stopped_runs_go_on_to_the_weights_of_then(ended):
    apart = {}
    for name, run in RUNS.items():
        wanted, _ = load_tensors(STORED / "reached" / f"{name}.safetensors")
        found, _ = load_tensors(ended / "stopped" / run / "last.safetensors")
        assert found.keys() == wanted.keys(), name
        # A step is 1e-4 to 1e-2 wide; other processors add in another order, which large statistics show most
        apart[name] = max(_apart(found[key].double(), wanted[key].double()) for key in wanted)
        half = load_tensors(STORED / "stopped" / run / "training.safetensors")[0]
        assert not all(any(np.array_equal(one, other) for other in half.values()) for one in wanted.values()), name
    assert {name: distance for name, distance in apart.items() if not distance < 2e-5} == {}


def _apart(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference, in units of the values where these are above 1."""
    return float(((found - wanted).abs() / wanted.abs().clamp_min(1)).max())


def test_ended_runs_load(ended):
    waveform = np.sin(np.arange(32_000, dtype=np.float32))
    with small_registries():
        for network in ("supervised", "tags"):
            kind = "filters" if network == "supervised" else "filters-tags"
            assert load_network(f"{kind}:{ended / 'stopped' / network}").classes == ("hum", "noise", "whistle")
        encoder = load_encoder("ivf:stopped/ivf")
        vector = encoder.embed(waveform[None, : encoder.window_samples])
        assert np.isfinite(vector).all()
        assert vector.shape == (1, 8)
