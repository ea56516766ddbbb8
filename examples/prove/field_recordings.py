"""Long field recordings with known events, made from real sounds: the data of field_trial.py."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from mmasc import load_audio

RATE = 32_000
# Label of an event → labels of the data sets that are it
EVENTS = {
    "chainsaw": ["chainsaw"],
    "clock ticking": ["clock ticking"],
    "crying baby": ["crying baby"],
    "dog barking": ["dog barking"],
    "fire crackling": ["fire crackling"],
    "helicopter": ["helicopter"],
    "person sneezing": ["person sneezing"],
    "rooster": ["rooster"],
    "sea waves": ["sea waves"],
    "bird singing": ["bird singing", "birds singing"],
    "car horn honking": ["car horn honking"],
    "church bells ringing": ["church bells ringing", "church bell ringing"],
    "cow mooing": ["cow mooing"],
    "crickets chirping": ["crickets chirping"],
    "horse neighing": ["horse neighing"],
    "sheep bleating": ["sheep bleating"],
    "thunder": ["thunder"],
}
HEARD_BY_STRICT = list(EVENTS)[9:]  # not of ESC-10; mini has heard all of them
BACKGROUNDS = {
    "wind": ["wind blowing", "wind in the trees", "howling wind"],
    "rain": ["light rain", "rain falling", "rain on leaves"],
    "room": [],
}
# Minutes of the recordings of one side, and their backgrounds
SIDE = [("wind", 20), ("rain", 25), ("room", 30), ("wind", 30)]
_LOUDNESS_DB = {"wind": -42.0, "rain": -38.0, "room": -52.0}  # of the background, below full scale
_SNR_DB = (3.0, 18.0)  # of an event over the background, evenly drawn
_BOUT_SECONDS = (2.0, 15.0)
_GAP_SECONDS = 4.0  # least, between events


@dataclass(frozen=True)
class Sounds:
    """Clips by label, and the clips of backgrounds; each a path."""

    events: dict[str, list[Path]]
    backgrounds: dict[str, list[Path]]


def read_sounds(data: Path) -> Sounds:
    """The clips of esc10, ambient and sounds below a folder, each with meta.csv."""
    by_label: dict[str, list[Path]] = {}
    for name in ("esc10", "ambient", "sounds"):
        with (data / name / "meta.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                place = data / name / ("audio" if name == "esc10" else "") / row["filename"]
                by_label.setdefault(row["label"], []).append(place)
    gathered = {
        kind: {label: sorted(one for name in names for one in by_label.get(name, [])) for label, names in of.items()}
        for kind, of in (("events", EVENTS), ("backgrounds", BACKGROUNDS))
    }
    return Sounds(**gathered)


def make_recordings(sounds: Sounds, folder: Path, seed: int, scale: float = 1.0) -> list[dict[str, object]]:
    """Write learn/*.flac and test/*.flac; no clip is on both sides. Returns the events as rows of a label file."""
    generator = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    shares = {
        label: np.array_split(generator.permutation(np.array(clips, object)), 2)
        for label, clips in sounds.events.items()
    }
    for side, name in enumerate(("learn", "test")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        queue = _events(shares, side, generator)
        parts = np.array_split(np.array(queue, object), len(SIDE))
        for number, (background, minutes) in enumerate(SIDE):
            path = folder / name / f"{number}_{background}.flac"
            rows += _write(path, background, minutes * scale * 60, list(parts[number]), sounds, generator)
    return rows


def _events(shares: dict[str, list[np.ndarray]], side: int, generator: np.random.Generator) -> list[tuple[str, Path]]:
    """Some events of each label, 8 at most, each clip once, in random order."""
    queue = [(label, clip) for label, halves in shares.items() for clip in halves[side][:8]]
    return [queue[place] for place in generator.permutation(len(queue))]


def _write(
    path: Path, background: str, seconds: float, events: list, sounds: Sounds, generator: np.random.Generator
) -> list[dict[str, object]]:
    bed = _background(background, int(seconds * RATE), sounds, generator)
    bouts = [(label, _bout(clip, generator)) for label, clip in events]
    while sum(len(bout) / RATE + _GAP_SECONDS for _, bout in bouts) > 0.8 * seconds:
        bouts.pop()
    free = seconds - sum(len(bout) / RATE + _GAP_SECONDS for _, bout in bouts) - _GAP_SECONDS
    waits = np.diff(np.sort(np.append(generator.uniform(0, free, len(bouts)), 0.0)))
    at, rows = _GAP_SECONDS, []
    for (label, bout), wait in zip(bouts, waits, strict=True):
        at += wait
        first = int(at * RATE)
        here = bed[first : first + len(bout)]
        level = _rms(here) * 10 ** (generator.uniform(*_SNR_DB) / 20)
        here += bout[: len(here)] * (level / max(_rms(bout), 1e-9))
        rows.append(
            {
                "path": f"{path.parent.name}/{path.name}",
                "start": first / RATE,
                "end": (first + len(here)) / RATE,
                "label": label,
            }
        )
        at += len(bout) / RATE + _GAP_SECONDS
    soundfile.write(path, np.clip(bed, -1, 1), RATE, subtype="PCM_16")
    return rows


def _bout(clip: Path, generator: np.random.Generator) -> np.ndarray:
    """A sound without the silence around it, repeated with short pauses to a few seconds."""
    samples = np.asarray(load_audio(clip, RATE)[0], np.float32).reshape(-1)
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() * 10 ** (-35 / 20))
    samples = samples[loud[0] : loud[-1] + 1]
    samples = samples[: int(_BOUT_SECONDS[1] * RATE)]
    wanted = generator.uniform(*_BOUT_SECONDS)
    parts = [samples]
    while (sum(map(len, parts)) + len(samples)) / RATE <= wanted:
        parts += [np.zeros(int(generator.uniform(0.1, 0.6) * RATE), np.float32), samples]
    return np.concatenate(parts)


def _background(name: str, n: int, sounds: Sounds, generator: np.random.Generator) -> np.ndarray:
    """Real wind or rain joined with fades, or the hum of a room; its level wanders by a few decibels."""
    bed = np.zeros(n, np.float32)
    if name == "room":
        times = np.arange(n, dtype=np.float64) / RATE
        for number, harmonic in enumerate((50, 100, 150, 200)):
            bed += (0.5**number * np.sin(2 * np.pi * harmonic * times + generator.uniform(0, 6))).astype(np.float32)
        white = generator.standard_normal(n).astype(np.float32)
        bed += 3 * _smoothed(white) + 0.2 * white
    else:
        clips = [np.asarray(load_audio(clip, RATE)[0], np.float32).reshape(-1) for clip in sounds.backgrounds[name]]
        clips = [clip / _rms(clip) for clip in clips]
        fade, at = 2 * RATE, 0
        while at < n:
            clip = clips[generator.integers(len(clips))].copy()
            clip = np.tile(clip, 3) if len(clip) < 6 * RATE else clip
            ramp = np.sqrt(np.linspace(0, 1, fade, dtype=np.float32))
            clip[:fade] *= ramp
            clip[-fade:] *= ramp[::-1]
            own = clip[: n - at]
            bed[at : at + len(own)] += own
            at += len(clip) - fade
    bed *= 10 ** (_LOUDNESS_DB[name] / 20) / _rms(bed)
    points = generator.uniform(-3, 3, max(2, n // (20 * RATE)))
    gain = np.interp(np.arange(0, n, 800), np.linspace(0, n, len(points)), points)
    return bed * np.repeat(10 ** (gain / 20), 800)[:n].astype(np.float32)


def _smoothed(white: np.ndarray) -> np.ndarray:
    summed = np.cumsum(white, dtype=np.float64)
    return ((summed - np.concatenate([np.zeros(40), summed[:-40]])) / 40).astype(np.float32)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))) or 1e-9)
