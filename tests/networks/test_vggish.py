"""VGGish: released names and answers, the rule of patches, heads whose answers can be worked out, bytes of AudioSet."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from mmasc.errors import MmascError
from mmasc.features import load_front_end
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS, network_class
from mmasc.networks.vggish import FIGURE_2B, PATCH_SECONDS, Vggish, VggishDnn, VggishRnn, cut_patches
from mmasc.networks.vggish_postprocessor import VggishPostprocessor, read_postprocessor
from tests.helpers.rule_files import answers, assert_near, features_by_rule, recorded_keys, write_rule_file
from tests.parity.rule_weights import waveform

# A trunk that is as deep as the release and thin, so that tests are quick
THIN = [4, 0, 4, 0, 4, 4, 0, 4, 4, 0]


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> str:
    return write_rule_file(tmp_path_factory.mktemp("vggish") / "vggish.safetensors", "vggish")


def small(cls, n_classes: int, **arguments):
    torch.manual_seed(7)
    return cls(n_classes, layers=THIN, **arguments).eval()


def test_names_and_counts_are_official():
    keys = recorded_keys()["networks"]["vggish"]["keys"]
    with torch.device("meta"):
        bodies = {
            name: network_class(NETWORKS[name])() for name in ("vggish", "vggish-dnn", "vggish-rnn", "vgg-figure2b")
        }
    assert {name: list(one.shape) for name, one in bodies["vggish"].state_dict().items()} == keys
    counts = {name: sum(one.numel() for one in body.parameters()) for name, body in bodies.items()}
    head = 129 * 100 + 101 * 10
    recurrent = 3 * 128 * (128 + 128) + 2 * 3 * 128 + 129 * 10
    assert counts == {
        "vggish": 72_141_184,
        "vggish-dnn": 72_141_184 + head,
        "vggish-rnn": 72_141_184 + recurrent,
        "vgg-figure2b": 54_045_504,
    }
    assert {name: body.dim for name, body in bodies.items()} == {name: NETWORKS[name].dim for name in bodies}
    convolutions = [one for one in bodies["vgg-figure2b"].features if isinstance(one, nn.Conv2d)]
    assert len(convolutions) == len([width for width in FIGURE_2B if width]) == 17


def test_released_answers(released):
    network = load_network(f"vggish:{released}")
    patches = features_by_rule("vggish", (2, 1, 96, 64), 3.0)
    with torch.inference_mode():
        assert_near(network.body(patches), answers()["vggish/embedding"])
        network.body.final_relu = False
        assert_near(network.body.embedding(patches), answers()["vggish/before_last_relu"])


@pytest.mark.parametrize(("kind", "seconds"), [("noise", 2), ("chirp", 1), ("clicks", 3)])
def test_released_features_and_patches(kind, seconds):
    about = recorded_keys()["vggish_features"][kind]
    samples = torch.from_numpy(waveform(kind, 16_000, float(seconds)) / np.float32(32_768))
    features = load_front_end("vggish")(samples[None, None])
    assert features.shape[2] == about["frames"]
    patches = cut_patches(features)[0].numpy()
    assert list(patches.shape) == about["patches"]
    recorded = answers()[f"vggish/features/{kind}/slice"]
    steps = (patches.shape[1] // recorded.shape[1], patches.shape[2] // recorded.shape[2])
    np.testing.assert_allclose(patches[:, :: steps[0], :: steps[1]], recorded, atol=2e-3)
    bands = answers()[f"vggish/features/{kind}/mean_per_band"]
    np.testing.assert_allclose(patches.mean((0, 1)), bands, atol=2e-3)


def test_mel_triangles_are_released():
    matrix = load_front_end("vggish").log_mel.filters()
    assert matrix.shape == (64, 257)
    np.testing.assert_allclose(matrix.sum(1), answers()["vggish/mel_matrix_column_sums"], atol=1e-5)


def test_frames_are_those_of_windows_inside():
    front_end = load_front_end("vggish")
    assert front_end.minimum_samples == 400
    for n_samples in (400, 559, 560, 15_600, 16_000):
        noise = torch.randn(1, 1, n_samples)
        assert front_end(noise).shape[2] == front_end.power(noise).shape[2] == front_end.n_frames(n_samples)
    # The last frame of a waveform of two windows, by hand
    samples = torch.randn(560, dtype=torch.float64)
    window = torch.hann_window(400, periodic=True, dtype=torch.float64)
    magnitude = torch.fft.rfft(samples[160:] * window, 512).abs()
    by_hand = torch.log(magnitude @ torch.from_numpy(front_end.log_mel.filters()).double().T + 0.01)
    torch.testing.assert_close(front_end(samples.float()[None, None])[0, 0, 1].double(), by_hand, atol=1e-4, rtol=1e-4)


def test_what_does_not_fill_a_patch_is_dropped_or_moved_back():
    features = torch.arange(250.0)[None, None, :, None].expand(1, 1, 250, 64)
    assert cut_patches(features)[0, :, 0, 0].tolist() == [0, 96]
    assert cut_patches(features, "back")[0, :, 0, 0].tolist() == [0, 96, 154]
    assert cut_patches(features, "back")[0, 2, -1, 0] == 249
    assert torch.equal(cut_patches(features[:, :, :192], "back"), cut_patches(features[:, :, :192]))
    with pytest.raises(ValueError, match=r"at least 96 frames \(0\.96 s\), got 95"):
        cut_patches(features[:, :, :95])
    # The last 48 of 240 frames are heard only where they are moved back.
    torch.manual_seed(0)
    longer = torch.randn(1, 1, 240, 64)
    changed = torch.cat([longer[:, :, :192], torch.zeros(1, 1, 48, 64)], 2)
    dropping, moving = small(Vggish, 128), small(Vggish, 128, last="back")
    assert torch.equal(dropping(longer), dropping(changed))
    assert not torch.equal(moving(longer), moving(changed))


def test_shortest_recording():
    network = load_network("vggish-dnn", arguments={"layers": THIN})
    # 96 frames of 400 samples, 160 apart
    assert network.minimum_samples == 95 * 160 + 400
    assert network.scores(np.zeros(15_600), 16_000).shape == (10,)
    with pytest.raises(ValueError, match=r"vggish-dnn takes at least 0\.975 s, got 0\.960 s"):
        network.scores(np.zeros(round(PATCH_SECONDS * 16_000)), 16_000)


def test_embedding_is_the_mean_over_patches():
    body, features = small(Vggish, 128), torch.randn(2, 1, 300, 64)
    with torch.inference_mode():
        by_hand = torch.stack([body(features[:, :, start : start + 96]) for start in (0, 96, 192)])
        torch.testing.assert_close(body(features), by_hand.mean(0))
        torch.testing.assert_close(body.patch_embeddings(features), by_hand.transpose(0, 1))
    assert (body(features) >= 0).all()
    assert (small(Vggish, 128, final_relu=False)(features) < 0).any()


def test_dnn_head_is_the_mean_of_probabilities():
    body, features = small(VggishDnn, 3), torch.randn(2, 1, 3 * 96, 64)
    with torch.inference_mode():
        body.dnn[2].weight.mul_(30)
        patches = [body(features[:, :, start : start + 96]) for start in (0, 96, 192)]
        mean = torch.stack([logits.double().sigmoid() for logits in patches]).mean(0)
        torch.testing.assert_close(body(features).double(), torch.logit(mean), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(body.patch_logits(features)[:, 1], patches[1])
        one = features[:, :, :96]
        torch.testing.assert_close(body.classify(body.embedding(one)), body(one))
        # Probabilities that round to 0 and 1 keep their order.
        body.dnn[2].weight.mul_(1e4)
        assert body(features).isfinite().all()


def test_rnn_head_is_the_last_state():
    body, features = small(VggishRnn, 3), torch.randn(1, 1, 2 * 96, 64)
    state = torch.zeros(1, 128)
    with torch.inference_mode():
        cell = nn.GRUCell(128, 128)
        cell.load_state_dict({name.removesuffix("_l0"): one for name, one in body.rnn.state_dict().items()})
        for embedding in body.patch_embeddings(features)[0]:
            state = cell(embedding[None], state)
        torch.testing.assert_close(body.embedding(features), state, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(body(features), body.fc(state), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cls", [Vggish, VggishDnn, VggishRnn])
def test_one_by_one_is_the_batch(cls):
    body, features = small(cls, 128), torch.randn(3, 1, 200, 64)
    with torch.inference_mode():
        torch.testing.assert_close(body(features), torch.cat([body(one[None]) for one in features]))


def test_heads_take_the_released_trunk(released, tmp_path):
    torch.manual_seed(0)
    body = VggishDnn(4).eval()
    head = body.dnn[2].weight.clone()
    body.load_trunk(released)
    patches = features_by_rule("vggish", (2, 1, 96, 64), 3.0)
    with torch.inference_mode():
        assert_near(body.patch_embeddings(patches)[:, 0], answers()["vggish/embedding"])
    assert torch.equal(body.dnn[2].weight, head)
    with pytest.raises(MmascError, match="vggish.safetensors does not hold the trunk of VGGish: features.0.weight"):
        small(VggishDnn, 4).load_trunk(released)
    with pytest.raises(MmascError, match="'dnn.2.weight' is missing"):
        load_network(f"vggish-dnn:{released}")


def test_wrong_arguments_and_files(tmp_path):
    with pytest.raises(ValueError, match="n_classes must be 128 .* take vggish-dnn or vggish-rnn"):
        load_network("vggish", n_classes=10)
    with pytest.raises(ValueError, match=r"last must be one of \['back', 'drop'\], got 'keep'"):
        small(Vggish, 128, last="keep")
    with pytest.raises(ValueError, match="n_classes must be at least 1, got 0"):
        small(VggishRnn, 0)
    with pytest.raises(ValueError, match="layers must begin with a width"):
        Vggish(layers=[0, 64])
    path = tmp_path / "thin.pth"
    torch.save(small(Vggish, 128).state_dict(), path)
    with pytest.raises(MmascError, match=r"thin.pth does not hold vgg-figure2b: .*missing .*") as caught:
        load_network(f"vgg-figure2b:{path}")
    assert "\n" not in str(caught.value)
    path.write_bytes(b"not weights")
    with pytest.raises(MmascError, match="thin.pth cannot be read as weights"):
        load_network(f"vggish:{path}")


def test_bytes_of_audioset(tmp_path):
    generator = np.random.default_rng(0)
    rotation = np.linalg.qr(generator.normal(size=(128, 128)))[0].astype(np.float32)
    means = generator.normal(size=(128, 1)).astype(np.float32)
    np.savez(tmp_path / "vggish_pca_params.npz", pca_eigen_vectors=rotation, pca_means=means)
    torch.save(
        {"pca_eigen_vectors": torch.from_numpy(rotation), "pca_means": torch.from_numpy(means)}, tmp_path / "pca.pth"
    )
    postprocessor = read_postprocessor(tmp_path / "vggish_pca_params.npz")
    assert isinstance(postprocessor, VggishPostprocessor)
    # Embeddings whose components are known
    wanted = np.zeros((1, 128), np.float32)
    wanted[0, :7] = -9.0, -2.0, -1.0, 0.0, 1.0, 2.0, 9.0
    embeddings = wanted @ rotation + means.T
    np.testing.assert_allclose(postprocessor.components(embeddings), np.clip(wanted, -2, 2), atol=1e-5)
    stored = postprocessor.quantise(embeddings - 1e-4 * rotation[3])
    # 0 is (0 + 2) * 63.75 = 127.5, a little below it 127, never rounded up
    assert stored[0, 3] == 127
    assert stored[0, [0, 6]].tolist() == [0, 255]
    assert abs(int(stored[0, 2]) - 63) <= 1
    again = read_postprocessor(tmp_path / "pca.pth")
    np.testing.assert_array_equal(again.quantise(embeddings), postprocessor.quantise(embeddings))
    np.savez(tmp_path / "other.npz", means=means)
    with pytest.raises(MmascError, match="other.npz does not hold pca_eigen_vectors"):
        read_postprocessor(tmp_path / "other.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(MmascError, match="broken.npz cannot be read as arrays"):
        read_postprocessor(tmp_path / "broken.npz")
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "pickled.npy").rename(tmp_path / "pickled.npz")
    with pytest.raises(MmascError, match="pickled.npz"):
        read_postprocessor(tmp_path / "pickled.npz")
    with pytest.raises(MmascError, match="none.npz does not exist"):
        read_postprocessor(tmp_path / "none.npz")


def test_layers_are_json():
    network = load_network("vggish-rnn", n_classes=2, arguments=json.loads(json.dumps({"layers": THIN})))
    assert network.n_classes == 2
