"""The HEAR module: HEAR's own validator, and the same vectors worked out in a second way."""

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from mmasc.errors import MmascError
from mmasc.integrations import hear
from mmasc.integrations.hear import HearModel, get_scene_embeddings, get_timestamp_embeddings, load_model

RATE = 16_000


def noise(seconds: float, n_sounds: int = 3, rate: int = RATE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(n_sounds, round(seconds * rate), generator=generator) * 2 - 1


def at(encoder) -> None:
    """The stand-in at a rate of HEAR: nothing is resampled, and vectors can be worked out to the bit."""
    encoder.spec = replace(encoder.spec, sample_rate=RATE)


def test_hears_own_validator_passes():
    if find_spec("hearvalidator") is None:
        pytest.skip("the extra hear is not installed")
    # In a process of its own: TensorFlow, which the validator loads, does not get on with all that tests load
    command = [sys.executable, "-m", "hearvalidator.validate", "mmasc.integrations.hear", "-m", "mini", "-d", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("Looks good!\n"), done.stderr
    assert "Received embedding of shape: torch.Size([8, 128])" in done.stdout


def test_what_the_validator_asks_holds_without_it(registered):
    """Its list of checks: attributes, shapes, types, a row per sound, stamps at regular intervals, at most 50 ms."""
    model = hear.load_model(registered, device="cpu")
    assert isinstance(model, torch.nn.Module)
    assert model.sample_rate == 16_000  # HEAR has no 8,000 Hz
    assert type(model.scene_embedding_size) is type(model.timestamp_embedding_size) is int
    vectors, stamps = get_timestamp_embeddings(noise(2.0, 16), model)
    assert vectors.dtype == torch.float32
    assert vectors.shape == (16, 41, model.timestamp_embedding_size)
    assert stamps.shape == (16, 41)
    assert (stamps.diff() - 50.0).abs().max() < 1e-3
    scenes = get_scene_embeddings(noise(3.74, 8), model)
    assert scenes.dtype == torch.float32
    assert scenes.shape == (8, model.scene_embedding_size)


def test_scenes_are_the_vectors_of_recordings(standin):
    audio = noise(2.3)
    scenes = get_scene_embeddings(audio, HearModel(standin))
    alone = [standin.embed_audio(one, RATE).vector for one in audio.numpy()]
    np.testing.assert_array_equal(scenes.numpy(), np.array(alone, np.float32))


def test_a_time_stamp_hears_what_lies_around_it(standin):
    at(standin)
    audio, model = noise(1.5), HearModel(standin, hop_seconds=0.25, stamp_seconds=0.5)
    vectors, stamps = get_timestamp_embeddings(audio, model)
    assert stamps[0].tolist() == [0, 250, 500, 750, 1000, 1250, 1500]
    samples = audio.numpy()
    zeros = np.zeros((3, RATE // 4), np.float32)
    np.testing.assert_array_equal(vectors[:, 0].numpy(), standin.embed(np.hstack([zeros, samples[:, : RATE // 4]])))
    np.testing.assert_array_equal(vectors[:, 2].numpy(), standin.embed(samples[:, RATE // 4 : 3 * RATE // 4]))
    np.testing.assert_array_equal(vectors[:, 6].numpy(), standin.embed(np.hstack([samples[:, -RATE // 4 :], zeros])))


def test_stamps_do_not_drift(standin):
    at(standin)
    model = HearModel(standin, hop_seconds=0.033, stamp_seconds=0.01)
    click = torch.zeros(1, 20 * RATE)
    click[0, round(0.033 * 500 * RATE)] = 1.0  # in the middle of stamp 500
    vectors, stamps = get_timestamp_embeddings(click, model)
    assert vectors[0, :, 2].argmax() == 500
    assert stamps[0, 500] == pytest.approx(16_500)
    assert stamps.shape == (1, 607)


@pytest.mark.parametrize("wrong", [{"hop_seconds": 0.0}, {"hop_seconds": -1.0}, {"stamp_seconds": -0.5}])
def test_steps_and_lengths_are_above_zero(standin, wrong):
    with pytest.raises(ValueError, match="hop_seconds and stamp_seconds must be above 0"):
        get_timestamp_embeddings(noise(0.2), HearModel(standin, **wrong))


def test_an_encoder_without_ears_is_refused(standin, registered, monkeypatch):
    monkeypatch.setattr(type(standin), "supports", lambda self, kind: kind == "text")
    with pytest.raises(MmascError, match="standin does not embed sound; choose another encoder"):
        load_model(registered, device="cpu")


def test_sounds_do_not_depend_on_their_neighbours(standin):
    audio, model = noise(1.0), HearModel(standin)
    together, alone = get_timestamp_embeddings(audio, model)[0], get_timestamp_embeddings(audio[1:2], model)[0]
    assert torch.equal(together[1], alone[0])


@pytest.mark.parametrize(("rate", "asked"), [(8_000, 16_000), (32_000, 44_100), (48_000, 48_000), (320_000, 48_000)])
def test_the_rate_is_one_of_hears(standin, rate, asked):
    standin.spec = replace(standin.spec, sample_rate=rate)
    assert HearModel(standin).sample_rate == asked


def test_the_path_is_a_name(registered):
    assert load_model(device="cpu").encoder.spec.name == "base"
    assert load_model(registered, device="cpu").encoder.spec.name == registered
    with pytest.raises(MmascError, match="unknown encoder 'model.pt'"):
        load_model("model.pt")
