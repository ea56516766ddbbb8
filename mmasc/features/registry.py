"""The registry of front ends, which turn waveforms into the features that networks read.

Every front end takes `[batch channel time]` in [-1, 1] at its own rate. Those of spectrograms treat audio channels by
themselves and put one (or, with deltas, several) feature channels in their place:
`[batch (channel feature) frame band]`.
"""

from dataclasses import asdict, replace
from importlib import import_module
from typing import Any

from mmasc.features.base import FrontEnd, FrontEndSpec
from mmasc.features.log_mel_config import MINI, PANNS, VGGISH, YAMNET, LogMelConfig

# SP4SC and the urban scene study: 46.4 ms frames of 44.1 kHz (Barberteguy 2023; valeoai/SP4ASC)
SP4SC = LogMelConfig(44_100, 2048, 2048, 1024, 256, 0.0, 22_050.0)
# ResNet-18 with dilations: 46 ms frames every 23 ms; 10 s are 435 frames (Kumar et al.)
DILATED = LogMelConfig(22_050, 1014, 1014, 507, 64, 0.0, 11_025.0)
# The transfer study: amplitude in 46.4 ms frames, one logarithm (Zhou et al.; after Han et al. 2017)
SCENES = LogMelConfig(44_100, 2048, 2048, 1024, 128, 0.0, 22_050.0, power=1, floor=1e-5)
# Features compared on one footing: 16 kHz, 40 ms frames every 20 ms, 64 bands (Liu et al. 2021 name the rate only)
COMPARED = LogMelConfig(16_000, 1024, 640, 320, 64, 50.0, 8_000.0)


def _log_mel(name: str, config: LogMelConfig, description: str) -> FrontEndSpec:
    target = "mmasc.features.base:LogMelFrontEnd"
    return FrontEndSpec(
        name,
        config.sample_rate,
        target,
        {"config": config},
        description,
        kind="mmasc.features.front_ends:LogMelFrontEnd",
    )


FRONT_ENDS: dict[str, FrontEndSpec] = {
    spec.name: spec
    for spec in [
        _log_mel("panns", PANNS, "64 log-mel bands at 32 kHz, 10 ms (PANNs)"),
        _log_mel(
            "panns-16k",
            replace(PANNS, sample_rate=16_000, n_fft=512, win_length=512, hop_length=160, f_max=8_000.0),
            "64 log-mel bands at 16 kHz, 10 ms (PANNs' 16 kHz networks)",
        ),
        FrontEndSpec(
            "vggish",
            16_000,
            "mmasc.features.vggish:VggishFrontEnd",
            {"config": VGGISH},
            "64 log-mel bands at 16 kHz, 10 ms (VGGish)",
            kind="mmasc.features.vggish:VggishFrontEnd",
        ),
        FrontEndSpec(
            "yamnet",
            16_000,
            "mmasc.features.yamnet:YamnetFrontEnd",
            {"config": YAMNET},
            "64 log-mel bands at 16 kHz, 10 ms, in whole patches of 0.96 s (YAMNet)",
            kind="mmasc.features.yamnet:YamnetFrontEnd",
        ),
        _log_mel("sp4sc", SP4SC, "256 log-mel bands at 44.1 kHz, 23.2 ms (SP4SC)"),
        FrontEndSpec(
            "levelled",
            32_000,
            "mmasc.features.levelled:LevelledFrontEnd",
            {"config": replace(MINI, floor=1e-5)},
            "64 log-mel bands at 32 kHz, 20 ms, relative to the recording's own level (as `mini` hears)",
            kind="mmasc.features.levelled:LevelledFrontEnd",
        ),
        _log_mel("dilated", DILATED, "64 log-mel bands at 22.05 kHz, 23 ms (dilated ResNet-18)"),
        _log_mel("scenes-128", SCENES, "128 log-mel bands of amplitude at 44.1 kHz, 23.2 ms (transfer study)"),
        _log_mel("log-mel", COMPARED, "64 log-mel bands at 16 kHz, 20 ms: the footing of the features below"),
        FrontEndSpec(
            "log-mel-delta",
            16_000,
            "mmasc.features.deltas:DeltaFrontEnd",
            {"config": COMPARED, "order": 1},
            "log-mel with deltas as a second channel, without padding",
            kind="mmasc.features.deltas:DeltaFrontEnd",
        ),
        FrontEndSpec(
            "log-mel-delta2",
            16_000,
            "mmasc.features.deltas:DeltaFrontEnd",
            {"config": COMPARED, "order": 2},
            "log-mel with deltas and deltas of deltas as further channels, without padding",
            kind="mmasc.features.deltas:DeltaFrontEnd",
        ),
        FrontEndSpec(
            "mfcc",
            16_000,
            "mmasc.features.cepstrum:MfccFrontEnd",
            {"config": replace(COMPARED, n_mels=128), "n_coefficients": 64},
            "64 cepstral coefficients of 128 mel bands",
            kind="mmasc.features.cepstrum:MfccFrontEnd",
        ),
        FrontEndSpec(
            "cqt",
            16_000,
            "mmasc.features.cqt:ConstantQFrontEnd",
            {"sample_rate": 16_000, "hop_length": 320, "n_bands": 64, "bands_per_octave": 8, "f_min": 30.0},
            "64 bands of constant Q, eight to the octave from 30 Hz on",
            kind="mmasc.features.cqt:ConstantQFrontEnd",
        ),
        FrontEndSpec(
            "gammatone",
            16_000,
            "mmasc.features.gammatone:GammatoneFrontEnd",
            {"config": replace(COMPARED, f_max=7_000.0)},
            "64 gammatone bands, centres from 50 Hz to 7 kHz",
            kind="mmasc.features.gammatone:GammatoneFrontEnd",
        ),
        FrontEndSpec(
            "raw-32k",
            32_000,
            "mmasc.features.waveform:RawWaveform",
            {"sample_rate": 32_000},
            "samples at 32 kHz (Wavegram-Logmel-CNN14)",
            kind="mmasc.features.waveform:RawWaveform",
        ),
        FrontEndSpec(
            "raw-48k",
            48_000,
            "mmasc.features.waveform:RawWaveform",
            {"sample_rate": 48_000, "pre_emphasis": 0.97, "scale": 32_000.0},
            "samples at 48 kHz after pre-emphasis (raw-waveform scene networks; read in stereo)",
            kind="mmasc.features.waveform:RawWaveform",
        ),
        FrontEndSpec(
            "tagging",
            44_100,
            "mmasc.features.tagging:TaggingFrontEnd",
            {},
            "128 log-mel bands at 44.1 kHz, 7.9 ms, standardised by clip (Akiyama's tagger as 0.1.0 had it)",
            kind="mmasc.features.tagging:TaggingFrontEnd",
        ),
        FrontEndSpec(
            "tagging-reflect",
            44_100,
            "mmasc.features.tagging:TaggingFrontEnd",
            {"centre": "reflect"},
            "128 log-mel bands at 44.1 kHz, 7.9 ms, standardised by clip, ends reflected (Akiyama's tagger)",
            kind="mmasc.features.tagging:TaggingFrontEnd",
        ),
    ]
}


# "ivf:RUN" is imagined by a run; what imagines stands on a higher floor and is named by a string
_IMAGINED = "ivf:"
_IMAGINING = "mmasc.ivf.front_end:IvfFrontEnd"


def load_front_end(name: str) -> FrontEnd:
    """The front end of a name; "ivf:RUN" is what a run of `mmasc train ivf` imagines.

    Raises:
        ValueError: If there is none; the names are listed.
        MmascError: If the run cannot be used.
    """
    if name.startswith(_IMAGINED):
        return class_of(_IMAGINING)(name.removeprefix(_IMAGINED))
    if name not in FRONT_ENDS:
        raise ValueError(
            f"features {name!r} are unknown; they must be one of {[*sorted(FRONT_ENDS), _IMAGINED + 'RUN']}"
        )
    spec = FRONT_ENDS[name]
    return class_of(spec.target)(**spec.arguments)


def class_of(target: str) -> Any:
    """The class that "module:Class" names, imported now."""
    module, _, cls = target.partition(":")
    return getattr(import_module(module), cls)


def front_end_constants(name: str) -> dict[str, Any]:
    """All numbers that shape the features of a name, of JSON types: they are part of a space's identity."""
    if name.startswith(_IMAGINED):
        return class_of(_IMAGINING)(name.removeprefix(_IMAGINED)).constants()
    spec = FRONT_ENDS[name]
    numbers = {key: asdict(one) if isinstance(one, LogMelConfig) else one for key, one in spec.arguments.items()}
    return {"target": spec.kind, "sample_rate": spec.sample_rate, **numbers}
