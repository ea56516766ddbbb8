"""Encoders whose rules changed: what was stored by the earlier ones is searched, judged and continued by these."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

import mmasc
from mmasc.collection import Collection
from mmasc.encoders.earlier import EARLIER_RULES
from mmasc.encoders.identity import backend_identity, identity_digest
from mmasc.encoders.registry import ENCODERS, load_encoder, spec_of
from mmasc.errors import MmascError
from tests.conftest import STANDIN_SPEC, StandIn


class Padded(StandIn):
    """A stand-in whose identity says how it fills short windows, as real encoders' do."""

    def __init__(self, spec, path=None, device="cpu"):
        super().__init__(spec, path, device)
        self.identity = identity_digest(spec, {}, {})


BEFORE = replace(STANDIN_SPEC, target="tests.encoders.test_earlier:Padded", padding="zeros")
NOW = replace(BEFORE, padding="edges")


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A collection and a head of the earlier rules, and an encoder that follows others now."""
    for name, level in [("a/x", 0.5), ("a/y", 0.4), ("b/x", -0.5), ("b/y", -0.4)]:
        path = tmp_path / "sounds" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(4_000, level), 8_000)
    monkeypatch.setitem(ENCODERS, "standin", BEFORE)
    mmasc.embed(tmp_path / "sounds", tmp_path / "c", "standin", folders=("label",))
    mmasc.fit_head(tmp_path / "c", "label", head="prototypes", folds=2, out=tmp_path / "head.safetensors")
    monkeypatch.setitem(ENCODERS, "standin", NOW)
    monkeypatch.setitem(EARLIER_RULES, "standin", ({"padding": "repeat"}, {"padding": "zeros"}))
    return tmp_path


def test_an_identity_finds_its_rules(old):
    now, before = load_encoder("standin"), load_encoder("standin", identity=identity_digest(BEFORE, {}, {}))
    assert (now.spec.padding, before.spec.padding) == ("edges", "zeros")
    onnx = backend_identity(before.identity, "onnx")
    assert load_encoder("standin", identity=onnx).identity == before.identity
    assert load_encoder("standin", identity="0" * 32).identity == now.identity
    sound = torch.full((1, 3_000), 0.5)
    assert before._fill(sound).sum() == 1_500
    assert now._fill(sound).sum() == 4_000


def test_old_vectors_are_searched_by_their_rules_and_new_ones_join_them(old):
    hits = Collection(old / "c").search(audio=old / "sounds" / "a" / "x.wav", k=1)
    assert hits[0]["score"] == pytest.approx(1, abs=1e-6)
    soundfile.write(old / "sounds" / "a" / "z.wav", np.full(4_000, 0.45), 8_000)
    report = mmasc.embed(old / "sounds", old / "c", "standin")
    assert report.failed == []
    reader = Collection(old / "c").space()
    # Half a window of sound: its mean is half of its level where the rest is zeros
    assert sorted(np.round(reader.vectors()[:, 0], 3)) == [-0.25, -0.2, 0.2, 0.225, 0.25]
    other = mmasc.embed(old / "sounds", old / "d", "standin")
    assert other.failed == []
    assert 0.5 in np.round(Collection(old / "d").space().vectors()[:, 0], 3)


def test_old_heads_hear_by_their_rules(old):
    answers = mmasc.apply_head(old / "head.safetensors", old / "sounds" / "b" / "x.wav")
    assert [one.labels for one in answers] == [("b",)]


def test_unknown_rules_are_still_refused(old, monkeypatch):
    monkeypatch.setitem(EARLIER_RULES, "standin", ())
    with pytest.raises(MmascError, match="belongs to encoder standin with identity"):
        Collection(old / "c").search(audio=old / "sounds" / "a" / "x.wav")
    with pytest.raises(MmascError, match="belongs to encoder standin with identity"):
        mmasc.embed(old / "sounds", old / "c", "standin")


def test_every_earlier_rule_is_of_an_encoder_and_another_than_now():
    assert EARLIER_RULES
    for name, rules in EARLIER_RULES.items():
        spec = spec_of(name)
        assert spec is not None
        assert rules, name
        assert all(replace(spec, **changes) != spec for changes in rules)


def test_a_tagger_of_an_official_file_is_found_with_both_front_ends(tmp_path, monkeypatch):
    """The file does not say which features it reads; here a small one stands for it."""
    from mmasc.labelling.network_head import NetworkHead
    from mmasc.networks.load import load_network
    from mmasc.networks.registry import NETWORKS
    from tests.helpers.small_network import FILTERS

    tagger = replace(NETWORKS["tagging"], target=FILTERS.target, arguments={"n_mels": 128}, n_classes=3, classes=())
    monkeypatch.setitem(NETWORKS, "tagging", tagger)
    torch.save(load_network("tagging").body.state_dict(), tmp_path / "tagger.pt")
    name = f"tagging:{tmp_path / 'tagger.pt'}"
    now = load_encoder(name)
    assert now.network.features == "tagging-reflect"
    monkeypatch.setitem(NETWORKS, "tagging", replace(tagger, **EARLIER_RULES["tagging"][0]))
    old_identity = load_encoder(name).identity
    monkeypatch.setitem(NETWORKS, "tagging", tagger)
    again = load_encoder(name, identity=old_identity)
    assert (again.identity, again.network.features) == (old_identity, "tagging")
    assert now.identity != old_identity
    soundfile.write(tmp_path / "x.wav", np.random.default_rng(0).normal(0, 0.1, 44_100), 44_100)
    mmasc.embed(tmp_path / "x.wav", tmp_path / "c", again)
    collection = Collection(tmp_path / "c")
    head = NetworkHead(name)
    head.on_space(collection.space(), str(tmp_path / "c"))
    assert head.network.identity == old_identity
