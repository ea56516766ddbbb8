"""Films made by rule, whose sound tells what can be seen: for users without films, and to measure what was learned.

A figure moves up and down on a dark ground while it sounds:

| seen | heard |
| --- | --- |
| colour: red, yellow, green, blue | timbre: sine, odd partials, all partials, noise a third of an octave wide |
| shape: circle, square, triangle, cross | beat: steady, 4, 8 or 16 pulses a second |
| height of its centre, 25 to 75 % from the ground | pitch of the same moment, 250 to 1,000 Hz on a logarithmic scale |
| radius, 12 to 22 % of the picture | level, -24 to -8 dB of full scale |

Everything that is seen can be heard within a fraction of a second, so the frame that belongs to a window of sound is
known except for the movement inside it. Sixteen classes (colour and shape); height, its course and radius vary freely.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8

from mmasc.errors import MmascError
from mmasc.storage.files import make_folders, write_atomically

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (225, 60, 50),
    "yellow": (240, 205, 60),
    "green": (70, 180, 90),
    "blue": (70, 110, 225),
}
# Pulses a second; 0 is steady
SHAPES = {"circle": 0.0, "square": 4.0, "triangle": 8.0, "cross": 16.0}
_GROUND = (24, 24, 30)
_LOWEST_HZ, _HIGHEST_HZ = 250.0, 1000.0
_LOWEST, _HIGHEST = 0.25, 0.75
_SMALLEST, _LARGEST = 0.12, 0.22
_SOFTEST_DB, _LOUDEST_DB = -24.0, -8.0
# Points a side that a pixel's colour is the mean of
_POINTS = 4
_NOISE_PARTIALS = 40


@dataclass(frozen=True)
class Scene:
    """A film by rule.

    Attributes:
        colour: A name of `COLOURS`.
        shape: A name of `SHAPES`.
        radius: As a share of the picture.
        swing_seconds: Period of the movement.
        swing: How far up and down it goes, as a share of the picture.
        middle: Height that it swings around, as a share of the picture from below.
        phase: Phase of the movement at the beginning, in radians; also seeds the noise of blue figures.
    """

    colour: str
    shape: str
    radius: float
    swing_seconds: float
    swing: float
    middle: float
    phase: float

    @property
    def label(self) -> str:
        """Its class: "red circle"."""
        return f"{self.colour} {self.shape}"

    def height(self, seconds: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Height of the centre at these moments, as a share of the picture from below."""
        return self.middle + self.swing * np.sin(2 * np.pi * seconds / self.swing_seconds + self.phase)

    def frame(self, seconds: float, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """What is to be seen at a moment."""
        points = (np.arange(size * _POINTS) + 0.5) / (size * _POINTS)
        x = (points - 0.5)[None, :] / self.radius
        y = (1 - points - self.height(np.array([seconds]))[0])[:, None] / self.radius
        inside = _inside(self.shape, x, y).astype(np.float64)
        share = inside.reshape(size, _POINTS, size, _POINTS).mean(axis=(1, 3))[:, :, None]
        colour, ground = np.array(COLOURS[self.colour], float), np.array(_GROUND, float)
        return np.round(ground + share * (colour - ground)).astype(np.uint8)

    def waveform(self, seconds: float, sample_rate: int) -> Float32[np.ndarray, " time"]:
        """What is to be heard from the beginning on, in [-1, 1]."""
        times = np.arange(round(seconds * sample_rate)) / sample_rate
        octaves = np.log2(_HIGHEST_HZ / _LOWEST_HZ) * (self.height(times) - _LOWEST) / (_HIGHEST - _LOWEST)
        hertz = _LOWEST_HZ * 2**octaves
        sound = _timbre(self.colour, hertz, sample_rate, round(self.phase * 1e6))
        beat = SHAPES[self.shape]
        if beat:
            sound = sound * np.clip(0.5 + 1.5 * np.sin(2 * np.pi * beat * times), 0, 1)
        loud = (self.radius - _SMALLEST) / (_LARGEST - _SMALLEST)
        return (sound * 10 ** ((_SOFTEST_DB + loud * (_LOUDEST_DB - _SOFTEST_DB)) / 20)).astype(np.float32)


def draw_scene(number: int, seed: int = 0) -> Scene:
    """The scene of a number: the classes in turns, everything else by chance of seed and number."""
    generator = np.random.default_rng([seed, number])
    swing = float(generator.uniform(0, 0.1))
    names = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    colour, shape = names[number % len(names)]
    return Scene(
        colour,
        shape,
        radius=float(generator.uniform(_SMALLEST, _LARGEST)),
        swing_seconds=float(generator.uniform(3, 8)),
        swing=swing,
        middle=float(generator.uniform(_LOWEST + swing, _HIGHEST - swing)),
        phase=float(generator.uniform(0, 2 * np.pi)),
    )


def write_scenes(
    to: str | Path,
    n: int = 2_000,
    seed: int = 0,
    seconds: float = 2.0,
    size: int = 64,
    frames_per_second: int = 8,
    sample_rate: int = 16_000,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write films of scenes and the table of them; what is there already is kept, so it can be stopped and go on.

    Films are lossless (FFV1 and FLAC in Matroska), so that what is measured on them is not the codec.

    Args:
        to: Folder; gets `film-00000.mkv` ... and `meta.csv` (id, video, label, colour, shape, radius, seed, seconds,
            size), which names only the films asked for last.
        n: Films, in turns of the sixteen classes.
        seed: Random seed of what is left to chance.
        seconds: Length of a film.
        size: Height and width in pixels.
        frames_per_second: Frames per second of the film.
        sample_rate: Sample rate of the sound, in Hz.
        progress: Called with the number done and the total.
    Returns:
        The table.
    Raises:
        MmascError: If PyAV is missing, or the folder holds other films.
        ValueError: If an argument is out of range.
    """
    if n < 1 or not seconds > 0 or size < 8 or frames_per_second < 1 or sample_rate < 8_000:
        raise ValueError(
            "n >= 1, seconds > 0, size >= 8, frames_per_second >= 1 and sample_rate >= 8000 must hold, got "
            f"{n}, {seconds}, {size}, {frames_per_second}, {sample_rate}"
        )
    folder = Path(to)
    make_folders(folder)
    scenes = [draw_scene(number, seed) for number in range(n)]
    lines = ["id,video,label,colour,shape,radius,seed,seconds,size"] + [
        f"film-{number:05d},film-{number:05d}.mkv,{scene.label},{scene.colour},{scene.shape},{scene.radius:.4f},{seed},"
        f"{seconds:g},{size}"
        for number, scene in enumerate(scenes)
    ]
    table = folder / "meta.csv"
    known = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    if known[: len(lines)] != lines[: len(known)]:
        raise MmascError(f"{folder} holds films of another seed, length or size; choose another folder")
    write_atomically(table, "".join(f"{line}\n" for line in lines).encode())
    for number, scene in enumerate(scenes):
        film = folder / f"film-{number:05d}.mkv"
        if not film.is_file():
            write_atomically(film, film_bytes(scene, seconds, size, frames_per_second, sample_rate))
        if progress is not None:
            progress(number + 1, n)
    return table


def film_bytes(scene: Scene, seconds: float, size: int, frames_per_second: int, sample_rate: int) -> bytes:
    """A scene as a lossless Matroska film."""
    try:
        import av
    except ImportError as error:
        raise MmascError("films need PyAV: pip install 'mmasc[video]'") from error
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        picture = container.add_stream("ffv1", rate=frames_per_second)
        picture.width = picture.height = size
        picture.pix_fmt = "bgr0"
        picture.time_base = Fraction(1, frames_per_second)
        sound = container.add_stream("flac", rate=sample_rate, layout="mono")
        for number in range(round(seconds * frames_per_second)):
            frame = av.VideoFrame.from_ndarray(scene.frame(number / frames_per_second, size), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, frames_per_second)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        samples = np.round(scene.waveform(seconds, sample_rate) * 32767).astype(np.int16)
        sound_frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        sound_frame.sample_rate, sound_frame.pts = sample_rate, 0
        container.mux(sound.encode(sound_frame))
        container.mux(sound.encode(None))
    return file.getvalue()


def _inside(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points lie in a figure of radius 1 around 0; all four have about the same area."""
    if shape == "circle":
        return x**2 + y**2 < 0.8
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) < 0.8
    if shape == "triangle":
        return (y > -0.75) & (np.abs(x) < (1 - y) * 0.62)
    thin = np.minimum(np.abs(x), np.abs(y)) < 0.36
    return thin & (np.maximum(np.abs(x), np.abs(y)) < 1)


def _timbre(colour: str, hertz: Float[np.ndarray, " time"], sample_rate: int, seed: int) -> Float[np.ndarray, " time"]:
    """A sound of this pitch with a root mean square of about 0.5."""
    angle = 2 * np.pi * np.cumsum(hertz) / sample_rate
    if colour == "red":
        return np.sin(angle) * 0.7
    if colour == "blue":
        generator = np.random.default_rng(seed)
        third = 2.0 ** generator.uniform(-1 / 6, 1 / 6, _NOISE_PARTIALS)
        phases = generator.uniform(0, 2 * np.pi, _NOISE_PARTIALS)
        noise = np.zeros_like(angle)
        for factor, phase in zip(third, phases, strict=True):
            noise += np.sin(factor * angle + phase)
        return noise * (0.7 / np.sqrt(_NOISE_PARTIALS))
    step = 2 if colour == "yellow" else 1
    highest = 0.45 * sample_rate
    sound = np.zeros_like(angle)
    for k in range(1, 32, step):
        sound += np.sin(k * angle) * (k * hertz < highest) / k
    return sound * 0.45
