"""What folders of the package transformers say of themselves: read without loading anything, or refused in a line."""

import json
import math

import pytest

from mmasc.encoders.adapters.transformers_files import describe
from mmasc.errors import MmascError

WAV2VEC2 = {"model_type": "wav2vec2", "hidden_size": 16}
CLAP = {"model_type": "clap", "projection_dim": 12, "text_config": {"hidden_size": 8}}
PE = {"model_type": "pe_audio", "text_config": {"hidden_size": 8}}


def folder(path, config, extractor):
    (path / "config.json").write_text(json.dumps(config))
    (path / "preprocessor_config.json").write_text(json.dumps(extractor))
    return str(path)


@pytest.mark.parametrize(
    ("config", "extractor", "said"),
    [
        (WAV2VEC2, {"sampling_rate": 8_000}, (8_000, 10.0, 16)),
        (WAV2VEC2, {"x": 1}, (16_000, 10.0, 16)),
        (CLAP, {"sampling_rate": 8_000, "max_length_s": 2}, (8_000, 2.0, 12)),
        (CLAP, {"sampling_rate": 8_000, "nb_max_samples": 4_000}, (8_000, 0.5, 12)),
        (PE, {"sampling_rate": 24_000}, (24_000, 10.0, 8)),
        ({"model_type": "audio-spectrogram-transformer"}, {"max_length": 100}, (16_000, 1.0, 768)),
    ],
)
def test_what_they_say(tmp_path, config, extractor, said):
    spec = describe(folder(tmp_path, config, extractor))
    assert (spec.sample_rate, spec.window_seconds, spec.dim) == said
    assert (spec.weights, spec.minimum_seconds) == ("your own", 0.1)


@pytest.mark.parametrize(
    ("config", "extractor"),
    [
        (WAV2VEC2 | {"hidden_size": None}, {"x": 1}),
        (WAV2VEC2 | {"hidden_size": "wide"}, {"x": 1}),
        (WAV2VEC2 | {"hidden_size": math.inf}, {"x": 1}),
        (WAV2VEC2 | {"hidden_size": 0}, {"x": 1}),
        (WAV2VEC2 | {"hidden_size": 10**30}, {"x": 1}),
        (WAV2VEC2, {"sampling_rate": math.inf}),
        (WAV2VEC2, {"sampling_rate": 1e308}),
        (WAV2VEC2, {"sampling_rate": 10**400}),
        (CLAP, {"nb_max_samples": "many"}),
        (CLAP, {"nb_max_samples": [1]}),
        (CLAP, {"max_length_s": 10**400}),
        (CLAP | {"projection_dim": {}}, {"x": 1}),
        (PE | {"text_config": [1]}, {"x": 1}),
        (PE | {"text_config": {"hidden_size": []}}, {"x": 1}),
    ],
)
def test_sizes_that_are_none_are_refused_in_a_line(tmp_path, config, extractor):
    with pytest.raises(MmascError, match="does not describe its input .*; copy the folder again") as found:
        describe(folder(tmp_path, config, extractor))
    assert str(tmp_path) in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("kind", [None, [], ["wav2vec2"], {"a": 1}, 7, "x" * 9_000])
def test_types_that_are_none(tmp_path, kind):
    with pytest.raises(MmascError, match="holds a model of type .* which gives no pooled vector") as found:
        describe(folder(tmp_path, {"model_type": kind}, {"x": 1}))
    assert len(str(found.value)) < 800


def test_an_extractor_within_a_processor(tmp_path):
    place = folder(tmp_path, WAV2VEC2, {})
    for inner, rate in (({"sampling_rate": 8_000}, 8_000), ([1], 16_000), (None, 16_000)):
        (tmp_path / "processor_config.json").write_text(json.dumps({"feature_extractor": inner, "x": 1}))
        assert describe(place).sample_rate == rate


@pytest.mark.parametrize(
    ("config", "extractor", "is_one"),
    [
        (WAV2VEC2, {"sampling_rate": 99}, False),
        (WAV2VEC2, {"sampling_rate": 100}, True),
        (WAV2VEC2, {"sampling_rate": 10_000_000}, True),
        (WAV2VEC2, {"sampling_rate": 10_000_001}, False),
        (WAV2VEC2 | {"hidden_size": 1}, {"x": 1}, True),
        (WAV2VEC2 | {"hidden_size": 1_000_000}, {"x": 1}, True),
        (WAV2VEC2 | {"hidden_size": 1_000_001}, {"x": 1}, False),
        (CLAP, {"max_length_s": 1_000_000}, True),
        (CLAP, {"max_length_s": 1_000_001}, False),
    ],
)
def test_the_largest_and_smallest_sizes(tmp_path, config, extractor, is_one):
    place = folder(tmp_path, config, extractor)
    if is_one:
        assert describe(place).dim >= 1
    else:
        with pytest.raises(MmascError, match="does not describe its input"):
            describe(place)


@pytest.mark.parametrize(
    ("config", "extractor", "rate", "seconds", "modalities"),
    [
        (CLAP, {"x": 1}, 48_000, 10.0, ("audio", "text")),
        (CLAP, {"sampling_rate": 0, "max_length_s": -1}, 48_000, 10.0, ("audio", "text")),
        (CLAP, {"nb_max_samples": 96_000, "max_length_s": 5}, 48_000, 2.0, ("audio", "text")),
        (PE, {"x": 1}, 48_000, 10.0, ("audio", "text")),
        (PE | {"model_type": "pe_audio_video"}, {"x": 1}, 48_000, 10.0, ("audio", "text", "image", "film")),
        ({"model_type": "audio-spectrogram-transformer"}, {"x": 1}, 16_000, 10.24, ("audio",)),
        (WAV2VEC2 | {"model_type": "sew"}, {"x": 1}, 16_000, 10.0, ("audio",)),
    ],
)
def test_what_is_taken_where_they_say_nothing(tmp_path, config, extractor, rate, seconds, modalities):
    spec = describe(folder(tmp_path, config, extractor))
    assert (spec.sample_rate, spec.window_seconds, spec.modalities) == (rate, pytest.approx(seconds), modalities)
    assert (spec.padding, spec.name) == ("minimum", "transformers")
    assert spec.target == "mmasc.encoders.adapters.transformers_models:TransformersEncoder"
