"""Tags beside the sound, and the tagger that gives them: recorded answers, laws of the attention, bad input."""

import math

import numpy as np
import pytest
import scipy.signal
import torch
from torch import nn

from mmasc.errors import MmascError
from mmasc.features import load_front_end
from mmasc.features.log_mel import mel_matrix
from mmasc.networks.classes import FREESOUND_TAGS
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.networks.tag_conditioned import TaggedNetwork, head_softmax, tag_vector
from mmasc.networks.tag_presets import TAG_PRESETS, tag_preset
from mmasc.networks.tagger import multitask_loss, pseudo_label_loss, pseudo_labels, tag_probabilities
from tests.helpers.rule_files import answers, assert_near, features_by_rule, recorded_keys, write_rule_file
from tests.helpers.signals import stereo
from tests.parity.rule_weights import waveform

SOUNDS = ("noise", "chirp", "clicks")


def sound(kind: str) -> torch.Tensor:
    return torch.from_numpy(waveform(kind, 44_100, 3).astype(np.float32) / 32_768)


def tags_by_rule() -> torch.Tensor:
    return (features_by_rule("tags", (1, 80)) + 1) / 2


@pytest.fixture(scope="module")
def tagger_file(tmp_path_factory) -> str:
    """The released class with weights by rule, as a released file holds it: its layers twice."""
    path = tmp_path_factory.mktemp("tagger") / "tagger.safetensors"
    names = recorded_keys()["networks"]["akiyama_resnet34"]["keys"]
    twice = {f"base_model.{name}": torch.zeros(1) for name in names if not name.startswith("last_")}
    return write_rule_file(path, "akiyama_resnet34", twice)


@pytest.fixture(scope="module")
def tagger(tagger_file):
    """With the features that the answers were recorded with: zeros before the first and behind the last frame."""
    return load_network(f"tagging:{tagger_file}", features="tagging")


@pytest.fixture(scope="module")
def reflecting(tagger_file, tagger):
    """The same weights with the features that librosa 0.6.3 gives, which is the one that the authors name."""
    network = load_network(f"tagging:{tagger_file}")
    assert network.features == "tagging-reflect"
    return network


def decibels_of_librosa(samples: np.ndarray) -> np.ndarray:
    """`power_to_db(melspectrogram(...))` with the defaults of librosa 0.6.3 `[mel frame]`."""
    padded = np.pad(samples.astype(np.float64), 1280, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2560)[::347]
    power = np.abs(np.fft.rfft(frames * scipy.signal.get_window("hann", 2560))) ** 2
    decibels = 10 * np.log10(np.maximum(power @ mel_matrix(44_100, 2560, 128, 20.0, 22_050.0).T, 1e-10)).T
    return np.maximum(decibels, decibels.max() - 80)


def standard(decibels: np.ndarray) -> np.ndarray:
    return (decibels - decibels.mean()) / (decibels.std() + 1e-7)


@pytest.fixture(scope="module")
def combined(tmp_path_factory):
    path = tmp_path_factory.mktemp("combined") / "combined.safetensors"
    return load_network(f"rawwave-tags:{write_rule_file(path, 'jung_combined_676k')}")


# ------------------------------------------------------------------------------------------ the tagger


@pytest.mark.parametrize("kind", SOUNDS)
def test_the_taggers_recorded_answers(tagger, kind):
    with torch.inference_mode():
        curated, noisy = tagger.body.both(tagger.front_end(sound(kind)[None, None]))
    assert_near(curated[0], answers()[f"akiyama/{kind}/curated"], 2e-5)
    assert_near(noisy[0], answers()[f"akiyama/{kind}/noisy"], 2e-5)
    assert_near(tagger.scores(sound(kind), 44_100), answers()[f"akiyama/{kind}/curated"], 2e-5)


@pytest.mark.parametrize("kind", SOUNDS)
def test_the_taggers_features_are_those_recorded(kind):
    recorded = recorded_keys()["akiyama_features"][kind]
    front_end = load_front_end("tagging")
    features = front_end(sound(kind)[None, None])[0, 0].T
    assert list(features.shape) == recorded["shape"]
    np.testing.assert_allclose(features[::8, ::16], answers()[f"akiyama/features/{kind}/slice"], rtol=1e-4, atol=2e-3)
    decibels = features * recorded["db_std"] + recorded["db_mean"]
    assert float(decibels.max() - decibels.min()) == pytest.approx(recorded["db_max_minus_min"], abs=1e-3)
    assert float(features.mean()) == pytest.approx(0, abs=1e-5)
    assert float(features.square().mean()) == pytest.approx(1, rel=1e-5)
    power = front_end.power(sound(kind)[None, None])
    torch.testing.assert_close(front_end.compress(power)[0, 0].T, features)


@pytest.mark.parametrize("kind", SOUNDS)
def test_reflected_features_are_those_of_librosa(kind):
    samples = sound(kind).numpy()
    front_end = load_front_end("tagging-reflect")
    got = front_end(sound(kind)[None, None])[0, 0].T.numpy()
    assert_near(got, standard(decibels_of_librosa(samples)), 1e-4)
    zeros = load_front_end("tagging")(sound(kind)[None, None])[0, 0].T.numpy()
    assert np.abs(zeros[:, 8:-8] - got[:, 8:-8]).mean() < np.abs(zeros - got)[:, [0, 1, -2, -1]].mean()
    power = front_end.power(sound(kind)[None, None])
    torch.testing.assert_close(front_end.compress(power)[0, 0].T, torch.from_numpy(got))


@pytest.mark.parametrize("level", [1.0, 1e-4])
@pytest.mark.parametrize("n_frames", [8, 64])
def test_silence_beside_a_clip_is_80_decibels_down_and_standardised_with_it(level, n_frames):
    samples = level * sound("clicks").numpy()
    decibels = decibels_of_librosa(samples)
    floor = max(decibels.max() - 80, -100)
    wanted = standard(np.pad(decibels, ((0, 0), (n_frames, n_frames)), constant_values=floor))
    got = load_front_end("tagging-reflect").edged(torch.from_numpy(samples)[None, None], n_frames)[0, 0].T.numpy()
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=2e-4)


@pytest.mark.parametrize("kind", SOUNDS)
def test_tags_are_those_of_the_authors_test(reflecting, kind):
    decibels = decibels_of_librosa(sound(kind).numpy())
    floor = max(decibels.max() - 80, -100)
    passes = []
    for n_frames in (8, 64):
        features = standard(np.pad(decibels, ((0, 0), (n_frames, n_frames)), constant_values=floor))
        with torch.inference_mode():
            passes.append(reflecting.body(torch.from_numpy(features.T.astype(np.float32))[None, None]).sigmoid()[0])
    assert_near(tag_probabilities(reflecting, sound(kind), 44_100), torch.stack(passes).mean(0).numpy(), 1e-4)
    with torch.inference_mode():
        logits = reflecting.body(torch.from_numpy(standard(decibels).T.astype(np.float32))[None, None])[0]
    assert_near(reflecting.scores(sound(kind), 44_100), logits.numpy(), 1e-4)


@pytest.mark.parametrize("name", ["tagging", "tagging-reflect"])
def test_silence_has_no_tag_features(name):
    front_end = load_front_end(name)
    assert not front_end(torch.zeros(1, 1, 44_100)).any()
    assert not front_end.edged(torch.zeros(1, 1, 44_100), 8).any()


@pytest.mark.parametrize("name", ["tagging", "tagging-reflect"])
def test_features_do_not_know_the_level(name):
    front_end = load_front_end(name)
    loud = front_end(sound("noise")[None, None])
    torch.testing.assert_close(front_end(sound("noise")[None, None] * 0.25), loud, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("noisy_head", "parameters"), [(False, 22_935_312), (True, 24_592_224)])
def test_the_taggers_counts(noisy_head, parameters):
    network = load_network("tagging", arguments={"noisy_head": noisy_head})
    assert network.parameter_counts()[0] == parameters
    assert len(set(network.classes)) == 80 == len(FREESOUND_TAGS)
    if not noisy_head:
        with pytest.raises(ValueError, match="no head for noisy labels"):
            network.body.noisy(torch.zeros(1, 1, 40, 128))


def test_with_other_features_edge_frames_are_repeated(tagger):
    features = tagger.front_end(sound("clicks")[None, None])
    with torch.inference_mode():
        repeated = [
            torch.cat(
                [features[:, :, :1].expand(-1, -1, n, -1), features, features[:, :, -1:].expand(-1, -1, n, -1)], 2
            )
            for n in (8, 64)
        ]
        wanted = torch.stack([tagger.body(one).sigmoid() for one in repeated]).mean(0)[0]
    got = tag_probabilities(tagger, sound("clicks"), 44_100)
    np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-5, atol=1e-6)
    plain = tag_probabilities(tagger, sound("clicks"), 44_100, (0,))
    np.testing.assert_allclose(
        plain, torch.from_numpy(tagger.scores(sound("clicks"), 44_100)).sigmoid().numpy(), rtol=1e-5, atol=1e-7
    )
    with pytest.raises(ValueError, match="paddings must hold"):
        tag_probabilities(tagger, sound("clicks"), 44_100, (-1,))


def test_both_heads_learn_from_their_own_clips():
    generator = torch.Generator().manual_seed(0)
    curated, noisy = torch.randn(3, 4, generator=generator), torch.randn(5, 4, generator=generator)
    labels = torch.rand(3, 4, generator=generator).round(), torch.rand(5, 4, generator=generator).round()

    def cross_entropy(probabilities, targets):
        return -(targets * probabilities.log() + (1 - targets) * (1 - probabilities).log()).mean()

    once = cross_entropy(curated.sigmoid(), labels[0])
    torch.testing.assert_close(
        multitask_loss(curated, labels[0], noisy, labels[1]), once + cross_entropy(noisy.sigmoid(), labels[1])
    )
    twice = multitask_loss(curated, labels[0], noisy, labels[1], "authors")
    torch.testing.assert_close(twice, once + cross_entropy(noisy.sigmoid().sigmoid(), labels[1]))
    with pytest.raises(ValueError, match="rule must be one of"):
        multitask_loss(curated, labels[0], noisy, labels[1], "double")


def test_pseudo_labels_are_sharper_than_the_mean():
    predictions = np.array([[[0.8, 0.2], [0.4, 0.4]], [[0.4, 0.4], [0.2, 0.2]]])
    np.testing.assert_allclose(pseudo_labels(predictions), [[0.8, 0.2], [0.5, 0.5]])
    np.testing.assert_allclose(pseudo_labels(predictions, 1.0), [[2 / 3, 1 / 3], [0.5, 0.5]])
    with pytest.raises(ValueError, match="positive probability"):
        pseudo_labels(np.zeros((1, 2, 3)))
    logits = torch.zeros(1, 2)
    assert float(pseudo_label_loss(logits, torch.tensor([[0.8, 0.2]]))) == pytest.approx(20 * 0.09)


# ------------------------------------------------------------------------------------------ networks with tags


def test_the_recorded_answers_of_the_combined_network(combined):
    assert recorded_keys()["networks"]["jung_combined_676k"]["heads"] == combined.body.heads
    assert combined.parameter_counts()[0] == 676_170
    with torch.inference_mode():
        assert_near(combined.body.attention(tags_by_rule())[0], answers()["jung/combined/attention"])
        assert_near(combined.embedding(stereo()[None], tags_by_rule())[0], answers()["jung/combined/code"], 2e-5)
    scores = combined.scores(stereo(), 48_000, tags=tags_by_rule()[0])
    assert_near(scores, answers()["jung/combined/logits"], 2e-5)


@pytest.mark.parametrize("heads", [1, 2, 4, 8, 16, 32])
def test_every_head_sums_to_one(heads):
    weights = head_softmax(torch.randn(3, 128), heads)
    torch.testing.assert_close(weights.unflatten(1, (heads, -1)).sum(2), torch.ones(3, heads))
    torch.testing.assert_close(weights.sum(1), torch.full((3,), float(heads)))
    torch.testing.assert_close(head_softmax(torch.full((3, 128), 0.7), heads), torch.full((3, 128), heads / 128))


def small(**arguments) -> TaggedNetwork:
    torch.manual_seed(1)
    defaults = {"heads": 0, "attention_layers": 0, "join": "none", "shared": False, "n_tags": 6}
    return TaggedNetwork(3, "sp4sc", **{**defaults, **arguments}).eval()


def test_equal_scores_divide_the_map_by_filters_over_heads():
    network = small(heads=4)
    with torch.no_grad():
        for parameter in network.tag[0][0].parameters():
            parameter.zero_()
    features, tags = torch.randn(2, 1, 40, 256), torch.rand(2, 6)
    wanted = network.trunk.from_map(network.trunk.feature_map(features) * 4 / 128)
    torch.testing.assert_close(network.embedding(features, tags), wanted)


def test_attention_commutes_with_the_order_of_frames():
    weights = head_softmax(torch.randn(2, 128), 8)[..., None]
    map, order = torch.randn(2, 128, 18), torch.randperm(18)
    assert torch.equal((map * weights)[:, :, order], map[:, :, order] * weights)
    body = load_network("rawwave-tags").body
    torch.testing.assert_close(body.trunk.from_map(map[:, :, order] * weights), body.trunk.from_map(map * weights))


def test_the_three_ways_of_joining():
    features, tags = torch.randn(2, 1, 40, 256), torch.rand(2, 6)
    plain = small()
    code = plain.trunk.from_map(plain.trunk.feature_map(features))
    assert torch.equal(plain.embedding(features, tags), code)
    assert plain.out.in_features == 128

    joined = small(join="code")
    assert joined.out.in_features == 128 + 6
    assert torch.equal(joined.embedding(features, tags)[:, 128:], tags)

    merged = small(join="merge")
    code = merged.trunk.from_map(merged.trunk.feature_map(features))
    torch.testing.assert_close(merged.embedding(features, tags), merged.merge(torch.cat([code, tags], 1)))
    assert merged.merge.in_features == 128 + 6
    assert merged.merge.out_features == 128

    deeper = small(join="merge", join_layers=2)
    assert [layer[0].in_features for layer in deeper.join] == [6, 128]
    assert deeper.merge.in_features == 128 + 128


def test_shared_layers_are_the_same_and_separate_ones_are_not():
    shared = small(heads=2, attention_layers=1, join="merge", shared=True)
    separate = small(heads=2, attention_layers=1, join="merge", join_layers=2)
    features, tags = torch.randn(2, 1, 40, 256), torch.rand(2, 6)
    for network, beside in ((shared, shared.tag(tags)), (separate, separate.join(tags))):
        map = network.trunk.feature_map(features) * network.attention(tags)[:, :, None, None]
        wanted = network.merge(torch.cat([network.trunk.from_map(map), beside], 1))
        torch.testing.assert_close(network.embedding(features, tags), wanted)
    assert "join" not in shared._modules


@pytest.mark.parametrize("name", TAG_PRESETS)
def test_every_cell_of_the_tables_can_be_made(name):
    arguments = {"trunk_arguments": {"widths": (128,)}, **tag_preset(name).arguments}
    body = load_network("rawwave-tags", arguments=arguments).body
    with torch.inference_mode():
        assert body(torch.randn(2, 2, 100), torch.rand(2, 80)).shape == (2, 10)
    layers = [module for module in body.modules() if isinstance(module, nn.LeakyReLU)]
    wanted = tag_preset(name).arguments
    assert len(layers) == wanted["attention_layers"] + wanted["join_layers"] + (wanted["heads"] > 0)


def test_the_tables_are_whole():
    counted = {
        table: sum(name.startswith(table) for name in TAG_PRESETS) for table in ("table2", "table3", "table4", "table5")
    }
    assert counted == {"table2": 7, "table3": 20, "table4": 8, "table5": 20}
    best = max(TAG_PRESETS.values(), key=lambda preset: preset.published)
    assert (best.name, best.published) == ("table5/heads=4/layers=3", 76.75)
    own = NETWORKS["rawwave-tags"].arguments
    assert {key: own[key] for key in ("heads", "attention_layers", "join", "shared")} == {
        key: best.arguments[key] for key in ("heads", "attention_layers", "join", "shared")
    }
    with pytest.raises(MmascError, match="there is no cell 'table7'; there are 56, such as baseline, table2/codecat"):
        tag_preset("table7")


@pytest.mark.parametrize(
    ("name", "rate"),
    [("cnn6-tags", 32_000), ("sp4sc-tags", 44_100), ("rawwave-2019-tags", 48_000), ("mini-cnn-tags", 32_000)],
)
def test_any_trunk_reads_tags(name, rate):
    network = load_network(name)
    assert (network.sample_rate, network.body.dim) == (rate, network.spec.dim)
    tags = np.linspace(0, 1, 80)
    scores = network.scores(stereo(), 48_000, tags=tags)
    assert scores.shape == (10,)
    assert np.abs(scores - network.scores(stereo(), 48_000, tags=tags[::-1])).max() > 1e-6


def test_other_trunks_by_arguments():
    arguments = {"trunk": "eight-conv", "n_tags": 5, "heads": 8}
    network = load_network("cnn6-tags", n_classes=4, features="log-mel", arguments=arguments)
    assert network.scores(sound("noise"), 44_100, tags=[0.1, 0.2, 0.3, 0.4, 0.5]).shape == (4,)
    with pytest.raises(ValueError, match="trunk must be a network without tags, got 'cnn6-tags'"):
        TaggedNetwork(3, "cnn6-tags")
    with pytest.raises(ValueError, match="trunk must show its last map of filters, which vggish does not"):
        TaggedNetwork(3, "vggish")


def test_augmentation_reaches_the_trunk():
    class Silence(nn.Module):
        def forward(self, features):
            return torch.zeros_like(features)

    network, features, tags = small(), torch.randn(1, 1, 40, 256), torch.rand(1, 6)
    before = network(features, tags)
    names = set(network.state_dict())
    network.augment = Silence()
    assert (network(features, tags) - before).abs().max() > 1e-6
    assert torch.equal(network(features, tags), network(features + 5, tags))
    assert set(network.state_dict()) == names


def test_a_saved_network_comes_back(tmp_path):
    from mmasc.storage.tensors import save_tensors

    arguments = {**tag_preset("table4/heads=2/layers=3+4").arguments, "vocabulary": ["dog", "rain"], "n_tags": 2}
    network = load_network("sp4sc-tags", classes=("in", "out"), arguments=arguments)
    about = {"network": "sp4sc-tags", "classes": ["in", "out"], "features": "sp4sc", "arguments": arguments}
    save_tensors(tmp_path / "best.safetensors", network.body.state_dict(), about)
    again = load_network(f"sp4sc-tags:{tmp_path}")
    assert again.body.vocabulary == ("dog", "rain")
    wanted = network.scores(sound("noise"), 44_100, tags=[0.9, 0.1])
    assert (again.scores(sound("noise"), 44_100, tags={"rain": 0.1, "dog": 0.9}) == wanted).all()


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([0.1, 0.2], r"reads 3 tags, got \[2\]: take the tagger"),
        (
            {"dog": 1.0, "rain": 0.0, "cat": 0.2},
            r"another vocabulary: 1 of 3 are missing \(bell\), 1 are unknown \(cat\)",
        ),
        (None, "reads 3 tags in addition to the sound: give tags="),
    ],
)
def test_wrong_tags_are_named(tags, message):
    network = load_network("sp4sc-tags", arguments={"vocabulary": ("dog", "rain", "bell"), "n_tags": 3})
    with pytest.raises(MmascError, match=message):
        network.scores(sound("noise"), 44_100, tags=tags)
    with pytest.raises(ValueError, match="NaN or infinite"):
        tag_vector(network.body, [0.1, math.nan, 0.3])


def test_words_need_a_vocabulary_and_tags_a_network_that_reads_them():
    with pytest.raises(MmascError, match="the names of the 6 tags"):
        tag_vector(small(), {"dog": 1.0})
    with pytest.raises(MmascError, match="reads no tags"):
        load_network("sp4sc").scores(sound("noise"), 44_100, tags=[0.1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 5}, "heads must divide the 128 filters of sp4sc, got 5"),
        ({"join": "sum"}, "join must be one of"),
        ({"shared": True}, "shared layers need heads"),
        ({"join_layers": 2}, "join_layers need join 'merge'"),
        ({"attention_layers": 2}, "attention_layers need heads"),
        ({"n_tags": 0}, "n_tags must be at least 1"),
        ({"vocabulary": ("dog",)}, "vocabulary must name 6 tags, got 1"),
        ({"trunk": "resnet99"}, "trunk must be a network without tags"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TaggedNetwork(
            **{
                "n_classes": 3,
                "trunk": "sp4sc",
                "n_tags": 6,
                "heads": 0,
                "attention_layers": 0,
                "join": "none",
                "shared": False,
                **arguments,
            }
        )


def test_a_network_with_tags_is_no_encoder(tmp_path):
    from mmasc.encoders.registry import load_encoder

    torch.save(load_network("sp4sc-tags").body.state_dict(), tmp_path / "net.pt")
    with pytest.raises(MmascError, match="sp4sc-tags reads tags in addition to the sound, so it is not an encoder"):
        load_encoder(f"sp4sc-tags:{tmp_path / 'net.pt'}")
