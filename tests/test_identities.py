"""Identities of spaces as they were recorded: stored vectors, heads and tags hang on them, wherever classes live.

tests/data/identities.json is rewritten by `python -m tests.test_identities`: that is right only where a change of the
mathematics is meant.
"""

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from mmasc.encoders.earlier import EARLIER_RULES
from mmasc.encoders.identity import backend_identity, identity_digest
from mmasc.encoders.mini_weights import MiniWeights
from mmasc.encoders.registry import ENCODERS, load_encoder
from mmasc.features.registry import FRONT_ENDS, front_end_constants
from mmasc.ivf.imagination import Imagination, ImaginationConfig, save_imagination
from mmasc.ivf.transformation import TransformationConfig
from mmasc.ivf.vqvae import VqVaeConfig
from mmasc.networks.registry import NETWORKS
from mmasc.storage.tensors import save_tensors
from mmasc.training.supervised.tag_sources import load_source
from tests.helpers.small_network import FILTERS

RECORDED = Path(__file__).parent / "data" / "identities.json"
BUNDLED = ("base", "base-features", "base-strict", "mini", "mini-features", "mini-strict", "classic")
TAGS = "name: tags\ndescription: two tags\ntemplates: ['{}']\nlabels:\n  bird: [a bird]\n  engine: [an engine]\n"
IMAGINATION = ImaginationConfig(
    vqvae=VqVaeConfig(8, 1, hidden=4, residual_hidden=4, residual_blocks=1, codes=4, dim=4),
    transformation=TransformationConfig(kind="convolution", width=8, heads=2),
)


def filled(module: torch.nn.Module) -> torch.nn.Module:
    """Weights by rule: eighths, the same bits everywhere."""
    for number, tensor in enumerate(module.state_dict().values()):
        values = (torch.arange(tensor.numel()) * 7 + number * 3) % 17 + 1
        tensor.copy_((values / 8 if tensor.is_floating_point() else values).reshape(tensor.shape))
    return module


def write_network(path: Path, name: str, features: str | None = None) -> None:
    from mmasc.networks.load import load_network

    network = load_network(name, classes=("a", "b", "c"), features=features)
    about = {"network": name, "classes": ["a", "b", "c"], "features": network.features, "arguments": {}}
    save_tensors(path, filled(network.body).state_dict(), about)


def identities(folder: Path) -> dict[str, str]:
    """Of all kinds of spaces, by name; `folder` must be the working directory."""
    found = {}
    for name in BUNDLED:
        window = 3.0
        found[name] = load_encoder(name).identity
        found[f"{name}, window {window:g}"] = load_encoder(name, window_seconds=window).identity
    for name in ("base", "base-features"):
        first = replace(ENCODERS[name], weights="bundled, first")
        for spec in (first, replace(first, window_seconds=3.0)):
            window = "" if spec == first else f", window {spec.window_seconds:g}"
            output = "Mini" if name == "base" else "MiniFeatures"
            found[f"{name}, first{window}"] = MiniWeights(spec).identity(output)
    found["mini by onnx"] = backend_identity(found["mini"], "onnx")
    for name, spec in ENCODERS.items():
        found[f"policy of {name}"] = identity_digest(spec, {}, {})
        for number, changes in enumerate(EARLIER_RULES.get(name, ()), 1):
            found[f"policy of {name}, earlier {number}"] = identity_digest(replace(spec, **changes), {}, {})
    small_tagger = replace(
        NETWORKS["tagging"], target="tests.helpers.small_network:Filters", arguments={"n_mels": 128}, n_classes=3
    )
    with patch.dict(NETWORKS, {"filters": FILTERS, "tagging": small_tagger}):
        write_network(folder / "filters.safetensors", "filters")
        write_network(folder / "tagging.safetensors", "tagging", "tagging")  # as runs of 0.1.0 say
        write_network(folder / "reflecting.safetensors", "tagging")
        (folder / "tags.yaml").write_text(TAGS)
        save_imagination(folder / "films" / "ivf" / "last.safetensors", filled(Imagination(IMAGINATION)), {})
        networks = ("filters:filters", "tagging:tagging", "tagging:reflecting", "tagging-scores:tagging")
        for name in (*networks, "ivf:films"):
            path = name if name.startswith("ivf") else f"{name}.safetensors"
            found[name] = load_encoder(path).identity
        for name in ("filters:filters.safetensors", "tagging:tagging.safetensors", "prompts:tags.yaml@mini"):
            found[f"tags of {name}"] = load_source(name).identity
    return found


def constants(folder: Path) -> dict[str, dict]:
    """Of all front ends, by name, and of one that imagines."""
    (folder / "films" / "ivf").mkdir(parents=True, exist_ok=True)
    save_imagination(folder / "films" / "ivf" / "last.safetensors", filled(Imagination(IMAGINATION)), {})
    return {name: json.loads(json.dumps(front_end_constants(name))) for name in [*FRONT_ENDS, "ivf:films"]}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films" / "ivf").mkdir(parents=True)
    return tmp_path


def test_identities_are_those_recorded(folder):
    wanted = json.loads(RECORDED.read_text("utf-8"))["identities"]
    found = identities(folder)
    assert {name: found.get(name) for name in wanted} == wanted


def test_constants_of_front_ends_are_those_recorded(folder):
    wanted = json.loads(RECORDED.read_text("utf-8"))["constants"]
    found = constants(folder)
    assert {name: found.get(name) for name in wanted} == wanted


def test_no_identity_hangs_on_where_a_class_lives(folder):
    from mmasc.encoders.mini import Mini, MiniFeatures

    plain = load_encoder("mini")
    renamed = type("Renamed", (Mini,), {})(ENCODERS["mini"])
    assert renamed.identity == plain.identity
    assert type("Other", (MiniFeatures,), {})(ENCODERS["mini-features"]).identity != plain.identity
    moved = {name: replace(spec, target="elsewhere:Moved") for name, spec in FRONT_ENDS.items()}
    before = constants(folder)
    with patch.dict(FRONT_ENDS, moved):
        assert constants(folder) == before


def test_the_rule_makes_the_same_bits_everywhere():
    found = filled(torch.nn.Linear(3, 2)).weight.detach().numpy()
    assert found.tolist() == [[0.125, 1.0, 1.875], [0.625, 1.5, 0.25]]


if __name__ == "__main__":
    import contextlib
    import tempfile

    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        (Path(name) / "films" / "ivf").mkdir(parents=True)
        recorded = {"constants": constants(Path(name)), "identities": identities(Path(name))}
    RECORDED.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", "utf-8")
