"""Channel policies by hand and by law."""

import numpy as np
import pytest

from mmasc.audio import CHANNELS, apply_channels, load_audio, stream_audio
from tests.helpers.recordings import sound, write


def test_channel_policies_by_hand():
    block = np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)
    assert apply_channels(block, "mix").tolist() == [[2, 4]]
    assert apply_channels(block, "left").tolist() == [[1, 2]]
    assert apply_channels(block, "right").tolist() == [[3, 6]]
    assert apply_channels(block, "each").tolist() == [[1, 2], [3, 6]]
    assert apply_channels(block, "mid-side").tolist() == [[2, 4], [-1, -2]]


def test_one_channel_by_every_policy():
    block = np.array([[1.0, 2.0]], np.float32)
    for policy in ("mix", "left", "right", "each"):
        assert apply_channels(block, policy).tolist() == [[1, 2]]
    assert apply_channels(block, "mid-side").tolist() == [[1, 2], [0, 0]]


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("policy", CHANNELS)
def test_channel_policies_of_many_channels(channels, policy):
    block = np.random.default_rng(0).standard_normal((channels, 100)).astype(np.float32)
    before = block.copy()
    lanes = apply_channels(block, policy)
    np.testing.assert_array_equal(block, before)
    assert lanes.dtype == np.float32
    if policy == "mix":
        np.testing.assert_allclose(lanes, block.mean(axis=0, keepdims=True), atol=1e-6)
    elif policy == "each":
        np.testing.assert_array_equal(lanes, block)
    elif policy == "mid-side":
        left, right = apply_channels(block, "left")[0], apply_channels(block, "right")[0]
        np.testing.assert_allclose(lanes[0] + lanes[1], left, atol=1e-6)
        np.testing.assert_allclose(lanes[0] - lanes[1], right, atol=1e-6)
    else:
        np.testing.assert_array_equal(lanes[0], block[0 if policy == "left" or channels == 1 else 1])
    # a lane does not depend on where a block begins
    parts = [apply_channels(part, policy) for part in np.split(block, [1, 37], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), lanes)


def test_unknown_policy_lists_the_known(tmp_path):
    path = write(tmp_path, "wav", {}, sound())
    for call in (
        lambda: apply_channels(np.zeros((1, 1), np.float32), "stereo"),
        lambda: stream_audio(path, 8_000, "stereo"),
        lambda: load_audio(path, channels="stereo"),
    ):
        with pytest.raises(ValueError, match="channels must be one of mix, left, right, each, mid-side, got 'stereo'"):
            call()


@pytest.mark.parametrize("policy", CHANNELS)
def test_stereo_never_doubles_the_length(tmp_path, policy):
    path = write(tmp_path, "wav", {}, sound(1.0, channels=8))
    waveform, rate = load_audio(path, 16_000, policy)
    assert waveform.shape == ({"each": 8, "mid-side": 2}.get(policy, 1), 16_000)
    assert rate == 16_000
