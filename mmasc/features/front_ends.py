"""The registry of front ends: what turns waveforms into what networks read, by name.

Every front end takes `[batch channel time]` in [-1, 1] at its own rate. Those of spectrograms treat audio channels by
themselves and put one (or, with deltas, several) feature channels in their place:
`[batch (channel feature) frame band]`.
"""

from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from typing import Any

from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.features.log_mel import MINI, PANNS, VGGISH, LogMel, LogMelConfig

# SP4SC and the urban scene study: 46.4 ms frames of 44.1 kHz (Barberteguy 2023; valeoai/SP4ASC)
SP4SC = LogMelConfig(44_100, 2048, 2048, 1024, 256, 0.0, 22_050.0)
# ResNet-18 with dilations: 46 ms frames every 23 ms; 10 s are 435 frames (Kumar et al.)
DILATED = LogMelConfig(22_050, 1014, 1014, 507, 64, 0.0, 11_025.0)
# The transfer study: amplitude in 46.4 ms frames, one logarithm (Zhou et al.; after Han et al. 2017)
SCENES = LogMelConfig(44_100, 2048, 2048, 1024, 128, 0.0, 22_050.0, power=1, floor=1e-5)
# Features compared on one footing: 16 kHz, 40 ms frames every 20 ms, 64 bands (Liu et al. 2021 name the rate only)
COMPARED = LogMelConfig(16_000, 1024, 640, 320, 64, 50.0, 8_000.0)


@dataclass(frozen=True)
class FrontEndSpec:
    """A front end as the registry knows it.

    Attributes:
        name: What `load_front_end` takes.
        sample_rate: In Hz.
        target: "module:Class" of a `FrontEnd`, imported when it is loaded.
        arguments: What the class is made with, by name.
        description: One line.
        kind: What identities of spaces call the class. It never changes, wherever the class moves: it is the target
            of version 0.1.0, or any other name for a class that came later.
    """

    name: str
    sample_rate: int
    target: str
    arguments: dict[str, Any]
    description: str = ""
    kind: str = field(kw_only=True)


class FrontEnd(nn.Module):
    """Waveforms to what a network reads, in float32 outside autocast; constants stay out of the state dict.

    Attributes:
        sample_rate: In Hz.
        n_bands: Length of the last axis; 1 for waveforms.
        n_features: Feature channels for each audio channel.
        minimum_samples: Shortest waveform that gives a frame.
        has_power: Whether its features are `compress(power(waveforms))`: augmentation acts in between.
    """

    sample_rate: int
    n_bands: int
    n_features: int = 1
    minimum_samples: int = 1
    has_power: bool = False

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch *feature"]:
        """Features, `[batch (channel feature) frame band]`; `[batch channel time]` where the network reads waveforms.

        Raises:
            ValueError: If the waveforms are shorter than `minimum_samples`.
        """
        raise NotImplementedError

    def n_frames(self, n_samples: int) -> int:
        """Frames (samples for waveforms) that come out of a waveform of this length."""
        raise NotImplementedError

    def power(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame band"]:
        """Power in bands; sounds that do not know each other add in it."""
        raise NotImplementedError

    def compress(self, power: Float[Tensor, "batch channel frame band"]) -> Float32[Tensor, "batch *feature"]:
        """Features from power."""
        raise NotImplementedError


class LogMelFrontEnd(FrontEnd):
    """`LogMel` as a front end.

    Args:
        config: What is computed.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        self.log_mel = LogMel(config)
        self.sample_rate, self.n_bands = config.sample_rate, config.n_mels
        shortest = config.n_fft if config.centre is None else config.n_fft // 2 + 1
        self.minimum_samples = max(shortest, (config.frame_mean - 1) * config.hop_length + 1)
        self.has_power = True

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Log-mel spectrograms, one for each channel."""
        batch = len(waveforms)
        return self.log_mel(waveforms.flatten(0, 1)).unflatten(0, (batch, -1)).transpose(2, 3)

    def power(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Mel power, one for each channel; of a front end of magnitudes their squares."""
        mel = self.log_mel.mel(waveforms.flatten(0, 1)).unflatten(0, (len(waveforms), -1)).transpose(2, 3)
        return mel if self.log_mel.config.power == 2 else mel.square()

    def compress(self, power: Float[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Log-mel spectrograms of mel power."""
        return self.log_mel.compress(power if self.log_mel.config.power == 2 else power.sqrt())

    def n_frames(self, n_samples: int) -> int:
        """1 + samples // hop where frames are centred."""
        config = self.log_mel.config
        inside = n_samples if config.centre is not None else n_samples - config.n_fft
        return (1 + inside // config.hop_length) // config.frame_mean


def _log_mel(name: str, config: LogMelConfig, description: str) -> FrontEndSpec:
    target = "mmasc.features.front_ends:LogMelFrontEnd"
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
            "128 log-mel bands at 44.1 kHz, 7.9 ms, standardised by clip (Akiyama's tagger)",
            kind="mmasc.features.tagging:TaggingFrontEnd",
        ),
    ]
}


_IMAGINED = "ivf:"


def load_front_end(name: str) -> FrontEnd:
    """The front end of a name; "ivf:RUN" is what a run of `mmasc train ivf` imagines.

    Raises:
        ValueError: If there is none; the names are listed.
        MmascError: If the run cannot be used.
    """
    if name.startswith(_IMAGINED):
        from mmasc.ivf.front_end import IvfFrontEnd

        return IvfFrontEnd(name.removeprefix(_IMAGINED))
    if name not in FRONT_ENDS:
        raise ValueError(f"features must be one of {[*sorted(FRONT_ENDS), _IMAGINED + 'RUN']}, got {name!r}")
    spec = FRONT_ENDS[name]
    module, _, cls = spec.target.partition(":")
    return getattr(import_module(module), cls)(**spec.arguments)


def front_end_constants(name: str) -> dict[str, Any]:
    """All numbers that shape the features of a name, of JSON types: they are part of a space's identity."""
    if name.startswith(_IMAGINED):
        from mmasc.ivf.front_end import IvfFrontEnd

        return IvfFrontEnd(name.removeprefix(_IMAGINED)).constants()
    spec = FRONT_ENDS[name]
    numbers = {key: asdict(one) if isinstance(one, LogMelConfig) else one for key, one in spec.arguments.items()}
    return {"target": spec.kind, "sample_rate": spec.sample_rate, **numbers}
