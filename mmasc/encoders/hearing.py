"""How an encoder hears recordings: slowed down or sped up (time expansion), and which band of their frequencies.

Bats call above what encoders hear: a recording played at a tenth of its speed brings 20 to 160 kHz down to 2 to 16 kHz,
and a window of five seconds then holds half a second of the recording. Both are part of a space's identity and of the
encoder's name, which is what collections store: `mini+speed=0.1+band=15000-120000`. Loads no torch.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace

from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError

SPEEDS = (0.001, 1000.0)
# Rates that recordings are resampled to, in Hz
_RATES_HZ = (1_000, 768_000)
_LONGEST_SECONDS = 60  # of a window, as the encoder hears it
_END = re.compile(r"\+(speed|band)=([^+:/\\]*)$")
_BAND = re.compile(r"([0-9.]*)-([0-9.]*)")


@dataclass(frozen=True)
class Hearing:
    """What is done to a recording before an encoder hears it.

    Attributes:
        speed: Times as fast as it was recorded; 0.1 is time expansion by ten.
        low_hz, high_hz: Band of the recording that is kept, in Hz as recorded; 0 and infinity for no limit.
    """

    speed: float = 1.0
    low_hz: float = 0.0
    high_hz: float = math.inf

    def __post_init__(self) -> None:
        if not SPEEDS[0] <= self.speed <= SPEEDS[1]:
            raise MmascError(f"speed must be {SPEEDS[0]:g} to {SPEEDS[1]:g} times, got {self.speed:g}")
        if not 0 <= self.low_hz < self.high_hz:
            raise MmascError(f"band must be LOW-HIGH in Hz with LOW below HIGH, got {self.low_hz:g}-{self.high_hz:g}")

    @classmethod
    def of(cls, speed: str | float | None = None, band: str | None = None) -> "Hearing":
        """From what users write: `0.1` and `15000-120000` (`15000-` and `-120000` have one limit).

        Raises:
            MmascError: If one of them cannot be read, or makes no sense.
        """
        try:
            factor = 1.0 if speed is None else float(speed)
        except ValueError:
            raise MmascError(f"speed must be a number such as 0.1, got {speed!r}") from None
        if band is None:
            return cls(factor)
        found = _BAND.fullmatch(band)
        try:
            if found is None or found[0] == "-":
                raise ValueError
            return cls(factor, float(found[1] or 0), float(found[2] or math.inf))
        except ValueError:
            raise MmascError(f"band must be LOW-HIGH in Hz such as 15000-120000, got {band!r}") from None

    @property
    def is_plain(self) -> bool:
        """Whether recordings are heard as they are."""
        return self == Hearing()

    @property
    def has_band(self) -> bool:
        """Whether there is a band."""
        return self.low_hz > 0 or self.high_hz < math.inf

    @property
    def suffix(self) -> str:
        """What it adds to the name of an encoder; empty where recordings are heard as they are."""
        speed = f"+speed={self.speed!r}" if self.speed != 1 else ""
        high = "" if self.high_hz == math.inf else _number(self.high_hz)
        return speed + (f"+band={_number(self.low_hz) if self.low_hz else ''}-{high}" if self.has_band else "")

    def identity(self, identity: str) -> str:
        """Identity of a space whose recordings are heard so; the encoder's own where they are heard as they are.

        Args:
            identity: Identity of the encoder.
        """
        if self.is_plain:
            return identity
        text = json.dumps([identity, "speed", self.speed, "band", self.low_hz, min(self.high_hz, 1e12)])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def spec(self, spec: EncoderSpec) -> EncoderSpec:
        """Specification in seconds and Hz of the recording: an encoder that hears it slowed down ten times takes ten
        times its rate, and windows of a tenth of their seconds, with as many samples as before.

        Args:
            spec: Specification of the encoder.
        Raises:
            MmascError: If recordings would have to have a rate that nothing has, or the band is above it.
        """
        if self.is_plain:
            return spec
        rate = round(spec.sample_rate / self.speed)
        if not _RATES_HZ[0] <= rate <= _RATES_HZ[1]:
            raise MmascError(
                f"{spec.name} at {self.speed:g} times the speed would need recordings at {rate:,} Hz; "
                f"{_RATES_HZ[0]:,} to {_RATES_HZ[1]:,} Hz are possible: choose another speed"
            )
        if self.low_hz >= rate / 2:
            raise MmascError(
                f"{spec.name} hears up to {rate / 2:g} Hz"
                + (f" at {self.speed:g} times the speed" if self.speed != 1 else "")
                + f", the band begins at {self.low_hz:g} Hz: choose a lower speed or band"
            )
        seconds = {
            name: round(getattr(spec, name) * spec.sample_rate) / rate
            for name in ("window_seconds", "minimum_seconds", "hop_seconds")
        }
        return replace(spec, name=spec.name + self.suffix, sample_rate=rate, **seconds)

    def own_window(self, spec: EncoderSpec, seconds: float) -> float:
        """A window of so many seconds of the recording, in seconds that the encoder hears, whole samples of it.

        Args:
            spec: Specification of the encoder.
            seconds: Seconds of the recording.
        """
        if self.is_plain:
            return seconds
        heard = seconds * round(spec.sample_rate / self.speed) / spec.sample_rate
        return round(heard * spec.sample_rate) / spec.sample_rate


def split_hearing(name: str) -> tuple[str, Hearing]:
    """Name of an encoder without what it says about hearing, and that.

    Args:
        name: As `load_encoder` takes it.
    Raises:
        MmascError: If something is said twice, or cannot be read.
    """
    said: dict[str, str] = {}
    while found := _END.search(name):
        if found[1] in said:
            raise MmascError(f"{name!r} gives {found[1]} twice; leave one out")
        said[found[1]], name = found[2], name[: found.start()]
    return name, Hearing.of(said.get("speed"), said.get("band"))


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(value)


@dataclass(frozen=True)
class AskedWindow:
    """The window that users ask for, in seconds of the recording.

    Attributes:
        seconds: None for the encoder's own.
        hearing: How the recording is heard.
    """

    seconds: float | None = None
    hearing: Hearing = Hearing()

    def of(self, spec: EncoderSpec) -> EncoderSpec:
        """The specification with this window, in seconds that the encoder hears.

        Args:
            spec: Specification of the encoder, with its own window.
        Raises:
            MmascError: If the window is shorter than the encoder can hear, or longer than a minute.
        """
        if self.seconds is None:
            return spec
        seconds = self.hearing.own_window(spec, float(self.seconds))
        if not spec.minimum_seconds <= seconds <= _LONGEST_SECONDS:
            least, most = (edge * self.hearing.speed for edge in (spec.minimum_seconds, _LONGEST_SECONDS))
            raise MmascError(f"window of {spec.name} must be {least:g} to {most:g} seconds, got {self.seconds:g}")
        return replace(spec, window_seconds=seconds)
