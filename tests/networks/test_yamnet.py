"""YAMNet: recorded answers of real weights where they are at hand; laws of patches and of the Keras file otherwise."""

import csv

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.features import load_front_end
from mmasc.features.log_mel import hz_to_mel
from mmasc.features.log_mel_config import YAMNET
from mmasc.networks.audioset import AUDIOSET_NAMES, YAMNET_NAMES
from mmasc.networks.load import build, load_network
from mmasc.networks.registry import NETWORKS
from mmasc.networks.yamnet import EPSILON, Yamnet

# Kinds of AudioSet that mean a class of ESC-10
ESC10 = {
    "chainsaw": ["Chainsaw"],
    "clock_tick": ["Tick", "Tick-tock", "Clock"],
    "crackling_fire": ["Crackle", "Fire"],
    "crying_baby": ["Baby cry, infant cry", "Crying, sobbing"],
    "dog": ["Dog", "Bark"],
    "helicopter": ["Helicopter"],
    "rain": ["Rain", "Raindrop", "Rain on surface"],
    "rooster": ["Crowing, cock-a-doodle-doo", "Chicken, rooster"],
    "sea_waves": ["Waves, surf", "Ocean"],
    "sneezing": ["Sneeze"],
}


@pytest.fixture(scope="module")
def trained() -> Yamnet:
    """Weights and norms of a seed, none of them neutral."""
    body = build(NETWORKS["yamnet"], n_classes=5, seed=3).body
    generator = torch.Generator().manual_seed(0)
    for norm in body.norms:
        norm.bias.data = torch.randn(norm.bias.shape, generator=generator) * 0.1
        norm.running_mean = torch.randn(norm.running_mean.shape, generator=generator) * 0.1
        norm.running_var = torch.rand(norm.running_var.shape, generator=generator) + 0.5
    return body.eval()


@pytest.fixture(scope="module")
def features() -> torch.Tensor:
    return torch.randn(2, 1, 240, 64, generator=torch.Generator().manual_seed(1))


def folded(body: Yamnet) -> dict[str, torch.Tensor]:
    """The norms inside the convolutions, worked out here."""
    state = {"classifier.weight": body.classifier.weight.data, "classifier.bias": body.classifier.bias.data}
    for number, (conv, norm) in enumerate(zip(body.convs, body.norms, strict=True)):
        gain = norm.weight.data.double() / (norm.running_var.double() + EPSILON).sqrt()
        state[f"convs.{number}.weight"] = (conv.weight.data * gain[:, None, None, None]).float()
        state[f"convs.{number}.bias"] = (norm.bias.data - norm.running_mean * gain).float()
    return state


def as_keras(body: Yamnet) -> dict[str, np.ndarray]:
    """The names and axes of Keras, as the official code names its layers."""
    arrays = {
        "logits/logits/kernel:0": body.classifier.weight.data.T.numpy(),
        "logits/logits/bias:0": body.classifier.bias.data.numpy(),
    }
    names = ["layer1/conv"]
    for layer in range(2, 15):
        names += [f"layer{layer}/depthwise_conv", f"layer{layer}/pointwise_conv"]
    for name, conv, norm in zip(names, body.convs, body.norms, strict=True):
        depthwise = name.endswith("depthwise_conv")
        axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        kernel = "depthwise_kernel" if depthwise else "kernel"
        arrays[f"{name}/{name}/{kernel}:0"] = conv.weight.data.permute(axes).contiguous().numpy()
        arrays[f"{name}/bn/{name}/bn/beta:0"] = norm.bias.data.numpy()
        arrays[f"{name}/bn/{name}/bn/moving_mean:0"] = norm.running_mean.numpy()
        arrays[f"{name}/bn/{name}/bn/moving_variance:0"] = norm.running_var.numpy()
    return arrays


def write_keras(path, arrays) -> str:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, one in arrays.items():
            file[name] = one
    return f"yamnet:{path}"


def test_counts_are_those_of_keras():
    """3,751,369 numbers in Keras's summary, whose norms have no gain and no counter of batches."""
    body = Yamnet()
    counted = [one.numel() for name, one in body.state_dict().items() if not name.endswith("num_batches_tracked")]
    gains = sum(norm.weight.numel() for norm in body.norms)
    assert sum(counted) - gains == 3_751_369


def test_a_folded_file_answers_as_the_norms_do(trained, features, tmp_path):
    save_file(folded(trained), tmp_path / "folded.safetensors")
    read = load_network(f"yamnet:{tmp_path / 'folded.safetensors'}").body
    with torch.inference_mode():
        np.testing.assert_allclose(read(features), trained(features), atol=2e-5)


def test_a_keras_file_answers_as_the_network_that_it_was_made_of(trained, features, tmp_path):
    name = write_keras(tmp_path / "yamnet.h5", as_keras(trained))
    with torch.inference_mode():
        assert torch.equal(load_network(name).body(features), trained(features))
    assert load_encoder(name).spec.dim == 1024


def test_a_keras_file_that_lacks_something_is_refused_by_name(trained, tmp_path):
    arrays = as_keras(trained)
    del arrays["layer7/pointwise_conv/bn/layer7/pointwise_conv/bn/beta:0"]
    with pytest.raises(MmascError, match=r"short\.h5 does not hold yamnet.*norms\.12\.bias"):
        load_network(write_keras(tmp_path / "short.h5", arrays))


def test_padding_is_tensorflows(trained):
    """One convolution of stride 2 on an even length: the window of output k begins at input 2k."""
    patch = torch.randn(1, 1, 96, 64)
    conv = trained.convs[0]
    wide = F.pad(patch, (0, 1, 0, 1))
    by_hand = torch.stack(
        [(wide[0, 0, 2 * row : 2 * row + 3, 4:7] * conv.weight[:, 0]).sum((1, 2)) for row in range(48)], 1
    )
    torch.testing.assert_close(conv(wide)[0, :, :, 2], by_hand, atol=1e-5, rtol=1e-5)


def test_a_recording_is_the_mean_of_its_patches(trained, features):
    with torch.inference_mode():
        alone = [trained(features[:, :, first : first + 96]).sigmoid() for first in (0, 48, 96, 144)]
        mean = torch.stack(alone).mean(0)
        torch.testing.assert_close(trained(features).sigmoid(), mean, atol=1e-6, rtol=1e-4)
        vectors = [trained.embedding(features[:, :, first : first + 96]) for first in (0, 48, 96, 144)]
        torch.testing.assert_close(trained.embedding(features), torch.stack(vectors).mean(0), atol=1e-6, rtol=1e-5)
    with pytest.raises(ValueError, match="at least 96 frames"):
        trained(features[:, :, :95])


@pytest.mark.parametrize("samples", [1, 400, 15_599, 15_600, 15_601, 23_280, 23_281, 80_000])
def test_zeros_fill_up_whole_patches(samples):
    front_end = load_front_end("yamnet")
    waveform = torch.randn(1, 1, samples)
    features = front_end(waveform)
    patches = 1 + -(-max(0, samples - 15_600) // 7_680)
    assert features.shape == (1, 1, 96 + 48 * (patches - 1), 64)
    assert front_end.n_frames(samples) == features.shape[2]
    filled = F.pad(waveform, (0, 15_600 + 7_680 * (patches - 1) - samples))
    assert torch.equal(front_end(filled), features)


def test_bands_by_the_plain_formula():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal(15_600)
    frames = np.stack([samples[160 * number : 160 * number + 400] for number in range(96)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    magnitude = np.abs(np.fft.rfft(frames * window, 512))
    mel = hz_to_mel(np.arange(257) * 16_000 / 512, "htk")
    edges = np.linspace(*hz_to_mel(np.array([125.0, 7_500.0]), "htk"), 66)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weights = np.maximum(0, np.minimum((mel - lower) / (centre - lower), (upper - mel) / (upper - centre)))
    wanted = np.log(magnitude @ weights.T + 0.001)
    found = load_front_end("yamnet")(torch.from_numpy(samples.astype(np.float32))[None, None])[0, 0]
    np.testing.assert_allclose(found, wanted, atol=2e-4)
    assert YAMNET.floor == 0.001


def test_names(test_data):
    table = test_data / "checkpoints" / "yamnet" / "yamnet_class_map.csv"
    if not table.is_file():
        pytest.skip(f"{table} is not there")
    with table.open(newline="") as file:
        assert [row["display_name"] for row in csv.DictReader(file)] == list(YAMNET_NAMES)
    assert len(set(AUDIOSET_NAMES)) == 527
    assert [NETWORKS[name].classes[0] for name in ("cnn14", "cnn14-16k", "yamnet")] == ["Speech"] * 3


@pytest.fixture(scope="module")
def real(test_data):
    folder = test_data / "checkpoints" / "yamnet"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder, load_network(f"yamnet:{folder / 'yamnet_8bit_folded.safetensors'}")


def test_recorded_answers_of_real_weights(real):
    folder, network = real
    recorded = np.load(folder / "answers.npz")
    patches = torch.from_numpy(recorded["input"])
    with torch.inference_mode():
        np.testing.assert_allclose(network.body(patches), recorded["logits"], atol=1e-4)
        np.testing.assert_allclose(network.body.embedding(patches), recorded["embedding"], atol=1e-4)


def test_real_weights_know_a_fold_of_esc10(real, test_data):
    clips = sorted((test_data / "data" / "esc10").rglob("1-*.ogg"))
    if not clips:
        pytest.skip("ESC-10 is not there")
    columns = [[YAMNET_NAMES.index(name) for name in names] for names in ESC10.values()]
    right = 0
    for clip in clips[::2]:
        waveform, rate = soundfile.read(clip, dtype="float32")
        scores = real[1].scores(waveform, rate)
        label = list(ESC10)[int(np.argmax([scores[some].max() for some in columns]))]
        right += label == clip.stem.split("-")[-1]
    # Ten kinds by chance are .1; the names alone, nothing fitted
    assert right / len(clips[::2]) > 0.7
