"""Specifications of all encoders of mmasc by name; a new encoder is one file and one line here."""

from dataclasses import replace

from mmasc.encoders.spec import EncoderSpec
from mmasc.encoders.training_data import (
    AUDIOCLIP,
    BASE,
    BASE_STRICT,
    CLAP,
    CLAP_GENERAL,
    CLAP_MUSIC_SPEECH,
    MINI,
    MINI_STRICT,
)

# What all three have in common; `replace` says where they differ
_MINI = EncoderSpec(
    "mini",
    "mmasc.encoders.mini:Mini",
    sample_rate=32_000,
    window_seconds=5.12,  # 256 frames of 20 ms; the five-second clips of ESC are one window although they are 5.001 s
    dim=128,
    modalities=("audio", "text"),
    padding="minimum",
    minimum_seconds=1.3,
    licence="Apache-2.0 (see the model card for the recordings it heard)",
    description="bundled sound-text encoder, small: everyday sounds it was trained on, no speech, no music",
    text_target="mmasc.encoders.mini_weights:MiniText",
    trained_on=MINI,
    words="mini-words",
)

_BASE = replace(
    _MINI,
    name="base",
    dim=256,
    description="bundled sound-text encoder: everyday sounds, music, voices, machines",
    trained_on=BASE,
    words="base-words",
)

_AUDIOCLIP = EncoderSpec(
    "audioclip",
    "mmasc.encoders.audioclip:AudioClip",
    sample_rate=44_100,
    window_seconds=5.0,
    dim=1024,
    modalities=("audio", "text", "image"),
    licence="MIT",
    weights="audioclip-full",
    padding="edges",
    amplitude="16-bit range",
    description="AudioCLIP: sounds, texts and pictures in one space; everyday sounds of AudioSet",
    trained_on=AUDIOCLIP,
)

_CLAP = EncoderSpec(
    "clap",
    "mmasc.encoders.clap:Clap",
    sample_rate=48_000,
    window_seconds=10.0,
    dim=512,
    modalities=("audio", "text"),
    padding="repeat",
    licence="Apache-2.0",
    weights="clap-htsat-unfused",
    description="LAION CLAP, small: open words for everyday sounds, music, speech",
    trained_on=CLAP,
)

ENCODERS: dict[str, EncoderSpec] = {
    spec.name: spec
    for spec in [
        _BASE,
        replace(
            _BASE,
            name="base-features",
            target="mmasc.encoders.mini:MiniFeatures",
            dim=512,
            modalities=("audio",),
            text_target="",
            description="the layer before base's last: for heads and search by sound, no text",
            words="",
        ),
        replace(
            _BASE,
            name="base-strict",
            description="base trained without ESC-10, to measure zero-shot classification honestly",
            trained_on=BASE_STRICT,
            words="base-strict-words",
        ),
        _MINI,
        replace(
            _MINI,
            name="mini-features",
            target="mmasc.encoders.mini:MiniFeatures",
            dim=512,
            modalities=("audio",),
            text_target="",
            description="the layer before mini's last: better for heads and search by sound, no text",
            words="",
        ),
        replace(
            _MINI,
            name="mini-strict",
            description="mini trained without ESC-10, to measure zero-shot classification honestly",
            trained_on=MINI_STRICT,
            words="mini-strict-words",
        ),
        _AUDIOCLIP,
        replace(
            _AUDIOCLIP,
            name="audioclip-partial",
            weights="audioclip-partial",
            description="AudioCLIP with unchanged CLIP RN50 towers: vectors fit those of plain CLIP RN50",
        ),
        _CLAP,
        replace(
            _CLAP,
            name="clap-fused",
            weights="clap-htsat-fused",
            description="LAION CLAP, small, trained with feature fusion; windows are heard whole",
        ),
        replace(
            _CLAP,
            name="clap-general",
            weights="larger-clap-general",
            description="LAION CLAP, larger: the best of them for general sound",
            trained_on=CLAP_GENERAL,
        ),
        replace(
            _CLAP,
            name="clap-music-speech",
            weights="larger-clap-music-and-speech",
            description="LAION CLAP, larger, for music and speech",
            trained_on=CLAP_MUSIC_SPEECH,
        ),
        EncoderSpec(
            "classic",
            "mmasc.encoders.classic:Classic",
            sample_rate=44_100,
            window_seconds=10.0,
            dim=26,
            padding="minimum",
            minimum_seconds=0.1,
            description="26 numbers without a network (MFCC, zero crossings): what the others have to beat",
            trained_on=(),
        ),
        EncoderSpec(
            "ivf",
            "mmasc.encoders.ivf:Ivf",
            sample_rate=16_000,
            window_seconds=0.96,
            dim=128,
            weights="your own",
            description="imagined visual features of a run of mmasc train ivf (ivf:RUN)",
        ),
        EncoderSpec(
            "names",
            "mmasc.encoders.names:Names",
            sample_rate=16_000,
            window_seconds=5.12,  # as `mini`
            dim=256,
            modalities=("audio", "text"),
            padding="minimum",
            weights="your own",
            description="a tagger searched in words by the names of its classes (names:yamnet, names:RUN)",
        ),
        EncoderSpec(
            "tagging-scores",
            "mmasc.encoders.tagger:TaggingScores",
            sample_rate=44_100,
            window_seconds=10.0,
            dim=80,
            padding="minimum",
            weights="your own",
            description="probabilities of the tags of a tagger (tagging-scores:RUN); tagging:RUN is its embedding",
        ),
    ]
}
