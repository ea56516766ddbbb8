"""PANNs: official names, counts and answers; what every length, band and file must hold."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mmasc.errors import MmascError
from mmasc.networks.load import load_network
from mmasc.networks.panns import Cnn6, Cnn14, pool_over_time
from mmasc.networks.registry import NETWORKS, network_class
from mmasc.networks.wavegram import WavegramLogmelCnn14
from mmasc.storage.tensors import save_tensors
from tests.parity.rule_weights import crc, waveform
from tests.parity.rule_weights_b import rule_array

PARITY = Path(__file__).parents[1] / "parity"
RECORDED = json.loads((PARITY / "panns_keys.json").read_text(encoding="utf-8"))
NAMES = {
    "cnn6-audioset": "Cnn6",
    "cnn10": "Cnn10",
    "cnn14": "Cnn14",
    "wavegram-logmel-cnn14": "Wavegram_Logmel_Cnn14",
}
FRONT_END = ("spectrogram_extractor.", "logmel_extractor.")
# The two large networks share most names: what one of them drew serves the other.
drawn = cache(rule_array)


def released_state(model: str) -> dict[str, torch.Tensor]:
    """Weights by rule under all official names; the frozen front end is there, as in released files."""
    keys = RECORDED["models"][model]["keys"]
    arrays = {name: drawn(name, tuple(shape)) for name, shape in keys.items()}
    return {
        name: torch.zeros(keys[name]) if array is None else torch.from_numpy(array).reshape(keys[name])
        for name, array in arrays.items()
    }


def empty_body(name: str) -> nn.Module:
    """A network's definition without numbers."""
    spec = NETWORKS[name]
    with torch.device("meta"):
        return network_class(spec)(spec.n_classes, **spec.arguments)


@pytest.mark.parametrize(("name", "model"), NAMES.items())
def test_names_and_shapes_are_official(name, model):
    recorded = RECORDED["models"][model]
    own = {name: list(one.shape) for name, one in empty_body(name).state_dict().items()}
    assert own == {name: shape for name, shape in recorded["keys"].items() if not name.startswith(FRONT_END)}
    assert sum(one.numel() for one in empty_body(name).parameters()) == recorded["trainable_parameters"]


@pytest.mark.parametrize(
    ("name", "parameters", "numbers"),
    [("cnn6", 4_572_234, 4_574_287), ("cnn6-256", 4_572_618, 4_575_055), ("cnn14-16k", 80_753_615, 80_769_884)],
)
def test_counts(name, parameters, numbers):
    body = empty_body(name)
    assert sum(one.numel() for one in body.parameters()) == parameters
    assert sum(one.numel() for one in body.state_dict().values()) == numbers
    assert body.dim == NETWORKS[name].dim


@pytest.mark.parametrize(("name", "model"), NAMES.items())
def test_official_answers(name, model, tmp_path):
    torch.save({"epoch": 1, "model": released_state(model)}, tmp_path / "weights.pth")
    network = load_network(f"{name}:{tmp_path / 'weights.pth'}")
    with np.load(PARITY / "panns_expected.npz") as expected:
        for kind, about in RECORDED["inputs"].items():
            samples = waveform(kind.split("_")[0], 32_000, about["samples"] / 32_000)
            assert f"{crc(samples):08x}" == about["pcm16_crc32"]
            sound = samples / np.float32(32_768)
            with torch.inference_mode():
                prepared = network.prepare(sound, 32_000)[None]
                embedding = network.embedding(prepared)
                np.testing.assert_allclose(embedding[0], expected[f"{model}/{kind}/embedding"], atol=1e-4)
                logits = network.body.classify(embedding)[0]
                np.testing.assert_allclose(logits, expected[f"{model}/{kind}/logits"], atol=1e-4)
                if name.startswith("wavegram"):
                    picture = network.body.wavegram(prepared).mean((0, 2, 3))
                    wanted = expected[f"{model}/{kind}/wavegram_mean_per_channel"]
                    np.testing.assert_allclose(picture, wanted, atol=1e-5)
        # The shortest one again from end to end
        np.testing.assert_allclose(network.scores(sound, 32_000), expected[f"{model}/{kind}/logits"], atol=1e-4)


def with_statistics(body: nn.Module) -> nn.Module:
    """Batch norms with statistics that are not 0 and 1, and in evaluation mode."""
    torch.manual_seed(1)
    for module in body.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return body.eval()


class NarrowWavegram(WavegramLogmelCnn14):
    """The wavegram's two branches before a thin rest."""

    widths = (64, 128, 4, 4, 4, 4)


@pytest.fixture(scope="module")
def narrow():
    torch.manual_seed(0)
    return with_statistics(NarrowWavegram(3))


@pytest.mark.parametrize("more", [0, 319, 320, 321, 500, 635, 636, 639])
def test_wavegram_takes_every_length(narrow, more):
    n_samples = 19_200 + more
    waveforms = 0.1 * torch.randn(1, 1, n_samples, generator=torch.Generator().manual_seed(more))
    with torch.inference_mode():
        picture = narrow.wavegram(waveforms)
        log_mel = narrow.log_mel(waveforms[:, 0]).transpose(1, 2)[:, None]
        official = (1 + n_samples // 320) // 2
        assert picture.shape[2] == ((n_samples - 1) // 5 + 1) // 64 // 2
        assert official - picture.shape[2] == (1 if 320 <= n_samples % 640 <= 635 else 0)
        # What is dropped is at the end of the log-mel branch, so cutting that branch by hand gives the same.
        first = narrow.conv_block(1)(narrow.normalised(log_mel))[:, :, : picture.shape[2]]
        by_hand = narrow.fc_audioset(narrow.deeper(torch.cat([first, picture], 1)))
        torch.testing.assert_close(narrow(waveforms), by_hand)


def test_shortest_recordings(narrow):
    with torch.inference_mode():
        assert narrow(torch.zeros(1, 1, narrow.minimum_frames)).shape == (1, 3)
        with pytest.raises(RuntimeError, match="[Oo]utput size is too small"):
            narrow(torch.zeros(1, 1, narrow.minimum_frames - 1))
    network = load_network("cnn6")
    assert network.minimum_samples == 15 * 320
    assert network.scores(np.zeros(4800), 32_000).shape == (10,)
    with pytest.raises(ValueError, match=r"cnn6 takes at least 0\.150 s, got 0\.149"):
        network.scores(np.zeros(4768), 32_000)


def test_one_by_one_is_the_batch(narrow):
    cnn6 = with_statistics(Cnn6(4))
    features, waveforms = torch.randn(3, 1, 40, 64), torch.randn(3, 1, 16_000)
    with torch.inference_mode():
        for body, batch in ((cnn6, features), (narrow, waveforms)):
            torch.testing.assert_close(body(batch), torch.cat([body(one[None]) for one in batch]), atol=1e-4, rtol=1e-4)


def test_pooling_is_maximum_plus_mean():
    maps = torch.tensor([[[[1.0, 3.0], [5.0, 5.0], [0.0, 0.0]]]])
    torch.testing.assert_close(pool_over_time(maps), torch.tensor([[5.0 + 7.0 / 3.0]]))


def test_dropout_and_chance_are_for_training_only():
    body = with_statistics(Cnn6(4))
    features = torch.randn(2, 1, 32, 64)
    torch.testing.assert_close(body(features), body(features), rtol=0, atol=0)
    assert not torch.equal(body.train()(features), body(features))


def test_augment_is_called_after_the_first_norm():
    class Wipe(nn.Module):
        def forward(self, features):
            self.seen = features
            return torch.zeros_like(features) if self.training else features

    body = with_statistics(Cnn6(4))
    features = 20 * torch.randn(2, 1, 32, 64) - 40
    plain = body(features)
    body.augment = Wipe().eval()
    torch.testing.assert_close(body(features), plain, rtol=0, atol=0)
    wanted = (features - body.bn0.running_mean) / (body.bn0.running_var + body.bn0.eps).sqrt()
    torch.testing.assert_close(body.augment.seen, wanted * body.bn0.weight + body.bn0.bias)
    body.augment.train()
    wiped = body(features)
    torch.testing.assert_close(wiped[0], wiped[1])
    assert set(body.state_dict()) == set(Cnn6(4).state_dict())


def test_features_can_be_interchanged(tmp_path):
    network = load_network("cnn6", features="sp4sc", classes=["a", "b"])
    assert network.sample_rate == 44_100
    assert len(network.body.bn0.weight) == 256
    assert network.parameter_counts()[0] == 4_572_618 - 8 * 513
    path = tmp_path / "last.safetensors"
    about = {"network": "cnn6", "classes": ["a", "b"], "features": "sp4sc", "arguments": {}}
    save_tensors(path, network.body.state_dict(), about)
    again, sound = load_network(f"cnn6:{tmp_path}"), np.sin(np.arange(44_100) / 7)
    assert again.classes == ("a", "b")
    np.testing.assert_array_equal(again.scores(sound, 44_100), network.scores(sound, 44_100))
    with pytest.raises(MmascError, match="holds cnn6, not cnn10; say cnn6:"):
        load_network(f"cnn10:{path}")


def refused(name: str, path: Path) -> str:
    """The one line that says what is wrong with a file."""
    with pytest.raises(MmascError) as caught:
        load_network(f"{name}:{path}")
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_wrong_files_are_named_in_one_line(tmp_path):
    state = released_state("Cnn6")
    torch.save({"model": state}, tmp_path / "cnn6.pth")
    assert "missing (conv_block1.bn2" in refused("cnn10", tmp_path / "cnn6.pth")
    assert "of another shape (bn0.weight" in refused("cnn6-256", tmp_path / "cnn6.pth")
    torch.save(Cnn6(10, 64).state_dict() | {"strange": torch.zeros(1)}, tmp_path / "more.pth")
    assert "1 names unknown (strange)" in refused("cnn6", tmp_path / "more.pth")
    torch.save({"conv_block1.conv1.weight": torch.zeros(1)}, tmp_path / "part.pth")
    assert "'fc_audioset.weight' is missing" in refused("cnn6", tmp_path / "part.pth")
    assert "does not exist" in refused("cnn6", tmp_path / "none.pth")


def test_weights_for_another_rate_are_refused(tmp_path):
    # The networks for 32 and 16 kHz have the same weights; only the frozen front end tells which one a file is.
    state = released_state("Cnn6")
    state["spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(257, 1, 512)
    torch.save({"model": state}, tmp_path / "16k.pth")
    assert "1 names unknown (spectrogram_extractor.stft.conv_real.weight)" in refused(
        "cnn6-audioset", tmp_path / "16k.pth"
    )
    assert "logmel_extractor.melW" in network_class(NETWORKS["cnn14-16k"]).own_state(state)
    assert "logmel_extractor.melW" not in Cnn14.own_state(state)


class Code:
    """Would write a file if it were unpickled."""

    def __reduce__(self):
        return open, ("written by a pickle", "w")


def test_files_with_code_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"fc_audioset.weight": Code()}}, tmp_path / "code.pth")
    assert "files that hold more than tensors are refused" in refused("cnn6", tmp_path / "code.pth")
    assert not (tmp_path / "written by a pickle").exists()


def test_too_few_bands_are_refused():
    with pytest.raises(ValueError, match="n_mels must be at least 32, got 16"):
        Cnn14(10, 16)
