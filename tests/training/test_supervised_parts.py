"""Parts of supervised training by their laws: cuts, losses, mixing, masks, scores of clips, drawing of batches."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmasc.devices import ProcessGroup
from mmasc.features import load_front_end
from mmasc.networks.body import Body
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.networks.spec import NetworkSpec
from mmasc.training.supervised import augment as augment_batch
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.fragments import (
    fragment_edges,
    longest_fragment,
    loudness_of,
    sounding_starts,
    trim_ends,
    window_edges,
)
from mmasc.training.supervised.hearing import finish, raw_features
from mmasc.training.supervised.losses import (
    class_weights_of,
    classification_loss,
    match_posteriors,
    match_vectors,
    smooth,
)
from mmasc.training.supervised.scoring import measure, score_clips

RATE = 16_000


class Linear(Body):
    """Mean over time, then one layer: what it says of fragments can be worked out."""

    head = "fc"
    minimum_frames = 3
    dim = 64

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(64, n_classes)

    def embedding(self, features):
        return features.mean(2).flatten(1) / 30


@pytest.fixture(autouse=True)
def linear(monkeypatch) -> None:
    spec = NetworkSpec("linear", "tests.training.test_supervised_parts:Linear", "panns-16k", 3, 64, RATE)
    monkeypatch.setitem(NETWORKS, "linear", spec)


def config_of(**options) -> SupervisedConfig:
    return SupervisedConfig("linear", "panns-16k", ("a", "b", "c"), "csv", "", "", **options)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(seed: int, seconds: float = 1.0, channels: int = 1) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal((channels, round(seconds * RATE)))
    return (0.1 * samples * np.linspace(0.1, 1, samples.shape[1])).astype(np.float32)


# Cuts


def test_fragments_of_the_paper():
    # 431 frames in 6: split points round(i x 431 / 6)
    assert fragment_edges(431, 6) == [(0, 72), (72, 144), (144, 216), (216, 287), (287, 359), (359, 431)]
    assert longest_fragment(431, 6) == 72


@pytest.mark.parametrize("n_frames", [7, 64, 431, 1001])
@pytest.mark.parametrize("n_fragments", [1, 3, 6, 7])
def test_fragments_hold_every_frame_once(n_frames, n_fragments):
    edges = fragment_edges(n_frames, n_fragments)
    assert [frame for start, end in edges for frame in range(start, end)] == list(range(n_frames))
    lengths = [end - start for start, end in edges]
    assert max(lengths) - min(lengths) <= 1


def test_more_fragments_than_frames_are_refused():
    with pytest.raises(ValueError, match=r"fragments must be in \[1, 5\]"):
        fragment_edges(5, 6)


@pytest.mark.parametrize(("length", "hop"), [(10, 5), (7, 3), (100, 10), (30, 30)])
def test_windows_hold_every_frame(length, hop):
    edges = window_edges(95, length, hop)
    assert {frame for start, end in edges for frame in range(start, end)} == set(range(95))
    assert all(end - start == min(length, 95) for start, end in edges)
    assert len(set(edges)) == len(edges)


def test_crops_overlap_sound():
    samples = np.zeros((1, RATE), np.float32)
    samples[:, 8_000:8_800] = noise(0)[:, :800]  # pieces 50 to 54
    loudness = loudness_of(samples, RATE)
    assert len(loudness) == 100
    assert sounding_starts(loudness, 20, 40.0).tolist() == list(range(31, 55))
    assert sounding_starts(loudness, 20, 0.0).tolist() == list(range(81))
    assert sounding_starts(loudness, 200, 40.0).tolist() == [0]
    brute = [start for start in range(81) if loudness[start : start + 20].max() >= loudness.max() - 40]
    assert sounding_starts(loudness, 20, 40.0).tolist() == brute
    assert trim_ends(samples, RATE, 40.0).shape == (1, 800)
    assert trim_ends(samples, RATE, 0.0) is samples
    assert trim_ends(np.zeros((2, 500), np.float32), RATE, 40.0).shape == (2, 500)


# Losses


def some_logits(n: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    logits = 3 * torch.randn(n, 4, generator=chance(seed))
    return logits, torch.rand(n, 4, generator=chance(seed + 1)).softmax(1)


def test_cross_entropy_is_torchs_on_soft_labels():
    logits, targets = some_logits()
    torch.testing.assert_close(classification_loss(logits, targets, "cross-entropy"), F.cross_entropy(logits, targets))
    weights = torch.tensor([0.5, 1.0, 2.0, 0.5])
    got = classification_loss(logits, targets, "cross-entropy", weights=weights)
    torch.testing.assert_close(got, F.cross_entropy(logits, targets, weight=weights))


def test_focal_loss_without_gamma_is_cross_entropy():
    logits, targets = some_logits()
    got = classification_loss(logits, targets, "focal", gamma=0.0)
    assert torch.equal(got, classification_loss(logits, targets, "cross-entropy"))
    hard = classification_loss(logits, targets, "focal", gamma=0.0, argmax=True)
    torch.testing.assert_close(hard, F.cross_entropy(logits, targets.argmax(1)))


def test_focal_loss_is_its_formula_and_has_a_slope_everywhere():
    logits, targets = some_logits()
    p = logits.softmax(1)
    wanted = -(targets * (1 - p) ** 1.5 * p.log()).sum(1).mean()
    torch.testing.assert_close(classification_loss(logits, targets, "focal", gamma=1.5), wanted)
    sure = torch.tensor([[200.0, 0, 0, 0]], requires_grad=True)
    classification_loss(sure, torch.eye(4)[:1], "focal", gamma=0.5).backward()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()


def test_binary_loss_is_torchs():
    logits, targets = some_logits()
    got = classification_loss(logits, targets, "bce")
    torch.testing.assert_close(got, F.binary_cross_entropy_with_logits(logits, targets))


def test_smoothing_keeps_sums_and_is_torchs():
    logits, _ = some_logits()
    labels = F.one_hot(torch.tensor([0, 1, 2, 3, 0, 1]), 4).float()
    smoothed = smooth(labels, 0.2, several=False)
    torch.testing.assert_close(smoothed.sum(1), torch.ones(6))
    torch.testing.assert_close(
        classification_loss(logits, smoothed, "cross-entropy"),
        F.cross_entropy(logits, labels.argmax(1), label_smoothing=0.2),
    )
    assert smooth(labels, 0.2, several=True).unique().tolist() == pytest.approx([0.1, 0.9])


def test_balanced_weights_give_every_class_as_much():
    targets = F.one_hot(torch.tensor([0] * 6 + [1] * 3 + [3]), 4).float()
    weights = class_weights_of(targets)
    given = (targets * weights).sum(0)
    torch.testing.assert_close(given[[0, 1, 3]], torch.full((3,), 10 / 3))
    assert weights[2] == weights.max()


def test_matching_is_nothing_at_the_teacher_itself():
    logits, _ = some_logits()
    for several in (False, True):
        assert float(match_posteriors(logits, logits, 3.0, several)) == pytest.approx(0, abs=1e-6)
        assert float(match_posteriors(logits, logits.flip(0), 3.0, several)) > 0.1
    teacher = logits.flip(0)
    p, q = (teacher / 3).softmax(1), (logits / 3).softmax(1)
    wanted = 9 * (p * (p.log() - q.log())).sum(1).mean()
    torch.testing.assert_close(match_posteriors(logits, teacher, 3.0), wanted)
    assert float(match_vectors(logits, 7 * logits)) == pytest.approx(0, abs=1e-6)
    assert float(match_vectors(logits, -logits)) == pytest.approx(2, abs=1e-6)


# Augmentation


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_mixing_with_one_or_nothing_returns_an_item(share):
    items, others = torch.rand(5, 1, 7, 8, generator=chance()), torch.rand(5, 1, 7, 8, generator=chance(1))
    shares = torch.full((5,), share)
    wanted = items if share else others
    assert torch.equal(augment_batch.mixup(items, others, shares), wanted)
    levels = augment_batch.level_of_power(items), augment_batch.level_of_power(others)
    for power in (False, True):
        assert torch.equal(augment_batch.mix_between_classes(items, others, shares, levels, power), wanted)
    nothing = torch.full((5,), torch.inf)
    assert torch.equal(augment_batch.lay_beneath(items, others, nothing, levels, True), items)


def test_noise_on_tags_is_normal_in_their_log_odds():
    tags = torch.rand(400, 50, generator=chance()) * 0.98 + 0.01
    assert augment_batch.jitter_tags(tags, 0.0, chance(1)) is tags
    noisy = augment_batch.jitter_tags(tags, 2.0, chance(1))
    moved = torch.log(noisy.double() / (1 - noisy.double())) - torch.log(tags.double() / (1 - tags.double()))
    assert float(moved.mean()) == pytest.approx(0, abs=0.05)
    assert float(moved.std()) == pytest.approx(2, abs=0.05)
    # what is certain stays within (0, 1)
    certain = augment_batch.jitter_tags(torch.tensor([[0.0, 1.0]]), 1.0, chance(2))
    assert 0 < float(certain[0, 0]) < 0.01
    assert 0.99 < float(certain[0, 1]) < 1


def test_labels_that_are_mixed_still_sum_to_one():
    one, other = (F.one_hot(torch.tensor(labels), 3).float() for labels in ([0, 1, 2], [1, 1, 0]))
    mixed = augment_batch.mixup(one, other, torch.tensor([0.3, 0.9, 0.5]))
    torch.testing.assert_close(mixed.sum(1), torch.ones(3))
    torch.testing.assert_close(mixed[0], torch.tensor([0.3, 0.7, 0]))


def test_between_class_learning_is_equation_2():
    items, others = (torch.from_numpy(np.stack([gain * noise(seed)])) for seed, gain in ((0, 1.0), (1, 0.1)))
    share = torch.tensor([0.3])
    levels = augment_batch.level_of_waveforms(items, RATE), augment_batch.level_of_waveforms(others, RATE)
    p = 1 / (1 + 10 ** ((levels[0] - levels[1]) / 20) * (1 - 0.3) / 0.3)
    wanted = (p * items + (1 - p) * others) / (p**2 + (1 - p) ** 2).sqrt()
    torch.testing.assert_close(augment_batch.mix_between_classes(items, others, share, levels, False), wanted)
    # Of two sounds that differ in level only, each is heard in proportion to its share.
    shares_heard = p / (1 - p) * 10 ** ((levels[0] - levels[1]) / 20)
    torch.testing.assert_close(shares_heard, torch.tensor([0.3 / 0.7]), rtol=1e-4, atol=0)


def test_a_sound_beneath_lies_that_far_beneath():
    items, others = torch.rand(3, 1, 50, 8, generator=chance()), 100 * torch.rand(3, 1, 50, 8, generator=chance(1))
    levels = augment_batch.level_of_power(items), augment_batch.level_of_power(others)
    decibels = torch.tensor([0.0, 6.0, 18.0])
    added = augment_batch.lay_beneath(items, others, decibels, levels, True) - items
    torch.testing.assert_close(levels[0] - augment_batch.level_of_power(added), decibels, atol=0.05, rtol=0)
    shares = augment_batch.share_above(np.array([0.0, 5.9, 6.1, 12.1, 18.0, np.inf]), 18.0)
    assert shares.tolist() == [0.5, 0.5, 0.65, 0.8, 0.8, 1.0]


def test_play_at_keeps_its_speed():
    waveforms = torch.arange(1000.0).reshape(1, 1, -1).repeat(3, 2, 1)
    played = augment_batch.play_at(waveforms, torch.tensor([1.0, 1.25, 0.8]), 700)
    assert torch.equal(played[0], waveforms[0, :, :700])
    torch.testing.assert_close(played[1, 0], 1.25 * torch.arange(700.0))
    torch.testing.assert_close(played[2, 1], 0.8 * torch.arange(700.0))


def test_filters_noise_lowpass_and_shift_keep_to_their_ranges():
    power = torch.ones(200, 1, 30, 64)
    decibels = 10 * augment_batch.filter_bands(power, 0.5, 5.0, chance()).log10()
    assert 4 < decibels.abs().max() <= 5.0001
    assert decibels.std(2).max() < 1e-5
    assert 0.35 < (decibels.abs().amax((1, 2, 3)) > 0).float().mean() < 0.65
    added = augment_batch.add_noise(power, 1.0, (20.0, 50.0), chance()) - power
    below = -10 * added.mean((1, 2, 3)).log10()
    assert 12 < below.min() < below.max() < 58
    assert torch.equal(augment_batch.add_noise(power, 0.0, (20.0, 50.0), chance()), power)
    cut = augment_batch.lowpass(power, 0.5, chance())
    assert cut[..., :32].min() == 1
    assert 0.35 < (cut[..., -1] == 0).all(2).float().mean() < 0.65
    ramp = torch.arange(64.0).expand(200, 1, 3, 64)
    moved = augment_batch.shift_bands(ramp, 3, chance()) - ramp
    assert moved[..., 5:-5].unique().tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert (moved[..., 5:-5].amax((1, 2, 3)) == moved[..., 5:-5].amin((1, 2, 3))).all()


def test_masks_are_as_narrow_as_said():
    hidden = augment_batch.stripes(500, 100, 1, 20, chance())
    widths = hidden.sum(1)
    assert widths.min() == 0
    assert widths.max() == 19
    assert 8 < widths.float().mean() < 11
    assert (hidden.diff(dim=1).sum(1) <= 2).all()
    power = torch.rand(20, 1, 30, 16, generator=chance())
    silent = augment_batch.mask_stripes(power, (1, 10), (1, 4), chance(3), silence=True)
    hidden_here = silent == 0
    assert 0 < hidden_here.float().mean() < 0.5
    assert torch.equal(silent[~hidden_here], power[~hidden_here])
    filled = augment_batch.mask_stripes(power, (1, 10), (1, 4), chance(3), silence=False)
    wanted = power.mean((1, 2, 3), keepdim=True).expand_as(power)
    assert torch.equal(filled[hidden_here], wanted[hidden_here])


# Front ends in two parts


@pytest.mark.parametrize("name", ["panns", "vggish", "sp4sc", "levelled", "scenes-128", "mfcc", "cqt", "gammatone"])
def test_power_and_logarithm_are_the_front_end(name):
    front_end = load_front_end(name)
    waveforms = torch.from_numpy(np.stack([noise(0, 2.0, 2), noise(1, 2.0, 2)]))
    torch.testing.assert_close(
        finish(front_end, raw_features(front_end, waveforms)), front_end(waveforms), rtol=1e-4, atol=2e-3
    )


def test_levelled_features_do_not_hear_loudness():
    front_end = load_front_end("levelled")
    waveforms = torch.from_numpy(noise(0, 2.0)[None])
    torch.testing.assert_close(front_end(0.01 * waveforms), front_end(waveforms), rtol=1e-4, atol=1e-3)
    silence = front_end(torch.zeros(1, 1, 32_000))
    torch.testing.assert_close(silence, torch.full_like(silence, -50.0))
    # The loudest twentieth of the frames is at 0 dB on average over bands.
    relative = 10 ** (front_end(waveforms) / 10) - 1e-5
    loudest = relative.mean(3).flatten().topk(round(0.05 * relative.shape[2])).values.mean()
    assert float(loudest) == pytest.approx(1, rel=1e-3)


# Scores of clips


def test_a_clip_scores_the_same_among_others():
    network = load_network("linear", n_classes=3)
    clips = [noise(seed, seconds) for seed, seconds in enumerate((1.0, 0.7, 2.3))]
    for options in (dict(), dict(fragments=3), dict(test_seconds=0.5), dict(test_speeds=(0.9, 1.1))):
        config = config_of(**options)
        together = score_clips(network, clips, config.hearing)
        for number, clip in enumerate(clips):
            assert np.array_equal(score_clips(network, [clip], config.hearing)[0], together[number])


def test_a_clip_heard_whole_is_the_network_itself():
    network = load_network("linear", n_classes=3)
    clip = noise(0)
    assert np.array_equal(score_clips(network, [clip], config_of().hearing)[0], network.scores(clip, RATE))


def test_fragments_are_averaged_as_posteriors():
    network = load_network("linear", n_classes=3)
    clip = noise(0, 1.7)
    features = network.front_end(torch.from_numpy(clip[None]))
    edges = fragment_edges(features.shape[2], 4)
    with torch.inference_mode():
        posteriors = [network.body(features[:, :, start:end]).softmax(1) for start, end in edges]
    wanted = torch.cat(posteriors).mean(0)
    got = torch.from_numpy(score_clips(network, [clip], config_of(fragments=4).hearing)[0])
    torch.testing.assert_close(got.exp(), wanted, rtol=1e-4, atol=1e-6)
    assert float(got.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_channels_are_averaged_after_fragments():
    """With as many fragments each, the mean over fragments and then channels is the mean over all of them."""
    network = load_network("linear", n_classes=3)
    clip = noise(0, 1.0, channels=2)
    got = score_clips(network, [clip], config_of(fragments=3, channels=("left", "right", "mix")).hearing)[0]
    each = [
        score_clips(network, [lane[None]], config_of(fragments=3).hearing)[0]
        for lane in (clip[0], clip[1], clip.mean(0))
    ]
    np.testing.assert_allclose(np.exp(got), np.mean(np.exp(each), axis=0), rtol=1e-4)
    of_each = score_clips(network, [clip], config_of(channels=("each",)).hearing)[0]
    of_both = score_clips(network, [clip], config_of(channels=("left", "right")).hearing)[0]
    assert np.array_equal(of_each, of_both)


def test_several_labels_are_averaged_as_sigmoids():
    network = load_network("linear", n_classes=3)
    clip = noise(0, 1.0, channels=2)
    got = score_clips(network, [clip], config_of(loss="bce", channels=("left", "right")).hearing)[0]
    each = [network.scores(clip[channel], RATE) for channel in (0, 1)]
    sigmoid = 1 / (1 + np.exp(-np.stack(each)))
    np.testing.assert_allclose(1 / (1 + np.exp(-got)), sigmoid.mean(0), rtol=1e-4)


def test_windows_of_silence_are_not_heard():
    network = load_network("linear", n_classes=3)
    clip = np.concatenate([noise(0), np.zeros((1, 4 * RATE), np.float32)], axis=1)
    options = dict(test_seconds=1.0, test_hop_seconds=1.0)
    heard = score_clips(network, [clip], config_of(quiet_decibels=30.0, **options).hearing)[0]
    alone = score_clips(network, [clip[:, : 2 * RATE]], config_of(quiet_decibels=30.0, **options).hearing)[0]
    every = score_clips(network, [clip], config_of(**options).hearing)[0]
    np.testing.assert_allclose(np.exp(heard), np.exp(alone), atol=0.02)
    assert np.abs(np.exp(heard) - np.exp(every)).max() > 0.05


def test_accuracy_and_loss_by_hand():
    logits = np.array([[2.0, 0.0], [0.0, 1.0]], np.float32)
    accuracy, loss = measure(logits, np.array([[1.0, 0.0], [1.0, 0.0]], np.float32), several=False)
    assert accuracy == 0.5
    assert loss == pytest.approx((np.log(1 + np.exp(-2)) + np.log(1 + np.exp(1))) / 2)
    accuracy, _ = measure(logits, np.array([[1.0, 1.0], [0.0, 1.0]], np.float32), several=True)
    assert accuracy == 0.75


# Batches


class Counted:
    """Twelve items of three classes, two fragments each; only what drawing looks at."""

    def __init__(self) -> None:
        self.parts = 2
        self.targets = np.eye(3, dtype=np.float32)[np.arange(12) % 3]

    def __len__(self) -> int:
        return 12


def test_an_epoch_draws_every_unit_once():
    from mmasc.training.supervised.batches import Batches

    config = config_of(batch=8, seed=3, mix="mixup", mix_partners="drawn", speeds=(0.9, 1.0, 1.1))
    batches = Batches.__new__(Batches)
    items = Counted()
    batches.__dict__.update(items=items, config=config, processes=ProcessGroup(), n_units=24, batch=8, steps_an_epoch=3)
    batches.__dict__.update(_targets=items.targets, _order=(-1, np.zeros(0, np.int64)))
    epochs = [[batches.draw(step) for step in range(start, start + 3)] for start in (0, 3)]
    for epoch in epochs:
        units = [
            (item, part)
            for draw, *_ in epoch
            for item, part in zip(draw.items.tolist(), draw.parts.tolist(), strict=True)
        ]
        assert sorted(units) == [(item, part) for item in range(12) for part in range(2)]
    first, second = (np.concatenate([draw.items for draw, *_ in epoch]) for epoch in epochs)
    assert (first != second).any()
    # Drawn again out of order, a step is the same: nothing but seed and step decides.
    again = batches.draw(1)
    for one, other in zip(again, epochs[0][1], strict=True):
        for name in ("items", "parts", "speeds", "places"):
            if hasattr(one, name):
                assert np.array_equal(getattr(one, name), getattr(other, name))
    partners = np.concatenate([draw[1].items for epoch in epochs for draw in epoch])
    own = np.concatenate([draw[0].items for epoch in epochs for draw in epoch])
    # One partner in three would be of the same class by chance; eight more draws leave next to none.
    assert (partners % 3 == own % 3).mean() < 0.05


def test_the_network_of_mini_is_its_encoders():
    """The encoder's trunk with the same numbers gives the same features."""
    from mmasc.networks.mini_config import MiniConfig
    from mmasc.networks.mini_network import MiniNetwork

    encoder = MiniNetwork(MiniConfig()).eval()
    network = load_network("mini-cnn")
    state = encoder.state_dict()
    names = {"fc1": "to_features"}
    own = {
        name: state[name.replace("fc1", names["fc1"])] if not name.startswith("fc2") else value
        for name, value in network.body.state_dict().items()
    }
    network.body.load_state_dict(own)
    assert sum(tensor.numel() for name, tensor in own.items() if not name.startswith("fc2")) == sum(
        tensor.numel() for name, tensor in state.items() if not name.startswith("to_joint")
    )
    waveforms = torch.from_numpy(noise(0, 3.0)[None])
    front_end = network.front_end
    power = front_end.power(waveforms)
    with torch.inference_mode():
        # Both norms are fresh, so that what comes in goes on as it is.
        wanted, _ = encoder.vectors(front_end.compress(power)[:, 0].transpose(1, 2))
        torch.testing.assert_close(network.embedding(waveforms), wanted, rtol=1e-4, atol=1e-4)
        levelled = encoder.levelled(power[:, 0].transpose(1, 2))
        ours = (front_end(waveforms)[:, 0].transpose(1, 2) + 20) / 15
    torch.testing.assert_close(levelled, ours, rtol=1e-4, atol=1e-4)
