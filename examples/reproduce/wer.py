"""Word error rate of a recogniser that works offline, on real spoken words; with and without tags, and by a timeline.

    pip install 'mmasc[asr]' pocketsphinx
    pip download --no-deps --no-binary pocketsphinx pocketsphinx && tar xzf pocketsphinx-*.tar.gz
    python examples/reproduce/wer.py pocketsphinx-*/test/data/librivox

PocketSphinx carries its English model in its wheel. Its source archive carries the words: five sentences of "Sense and
Sensibility", read for LibriVox (public domain), with what was read. A folder of yours works as well: sounds, and a file
`transcription` with a line for each, "text (name of the file without its ending)".

The recogniser says tags of its own (<sil> for silence, [NOISE] ...), the transcripts have <s> and </s>: the third
paper's question is what such tokens do to the rate. Then every recording is put between sounds without words, and the
recogniser hears all of it, or only what `mmasc`'s timeline calls speech.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from mmasc.errors import MmascError
from mmasc.evaluation.wer import recognise, word_errors
from mmasc.labelling.classify import classify
from mmasc.synth import synthesise
from mmasc.windows.timeline import Event

RATE = 16_000
AROUND = ("rain", "crickets", "church_bells")
AROUND_SECONDS = 3.0
SPEECH = {
    "speech": ["person speaking", "woman reading a text aloud"],
    "no speech": ["rain falling", "crickets chirping", "church bells ringing"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="sounds and a file named transcription")
    options = parser.parse_args()
    try:
        spoken = read_words(options.folder)
        recogniser = PocketSphinx()
        sounds = {
            name: soundfile.read(options.folder / f"{name}.wav", dtype="float32", always_2d=True) for name in spoken
        }
        plain = {name: (samples.mean(axis=1), rate) for name, (samples, rate) in sounds.items()}
        heard = {name: recognise(recogniser, *sound, RATE) for name, sound in plain.items()}
        for name in spoken:
            print(f"{name}\n  said   {spoken[name]}\n  heard  {heard[name]}")
        report("alone, tags are words", spoken, heard, annotations=True)
        report("alone, without tags", spoken, heard, annotations=False)
        among = {name: between_sounds(*sound, number) for number, (name, sound) in enumerate(plain.items())}
        report(
            "among sounds, all of it",
            spoken,
            {name: recognise(recogniser, samples, RATE, RATE) for name, samples in among.items()},
        )
        report(
            "among sounds, by timeline",
            spoken,
            {
                name: recognise(recogniser, samples, RATE, RATE, timeline(samples), margin_seconds=0.5)
                for name, samples in among.items()
            },
        )
    except (MmascError, OSError) as error:
        sys.exit(f"wer: {error}")


class PocketSphinx:
    """PocketSphinx as `mmasc.evaluation.wer` takes a recogniser: waveform and rate in, text with its tags out."""

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise MmascError("pocketsphinx is not installed: pip install pocketsphinx") from error
        self._decoder = Decoder(samprate=RATE, loglevel="FATAL")

    def __call__(self, waveform: np.ndarray, sample_rate: int) -> str:
        assert sample_rate == RATE
        samples = (np.clip(waveform, -1, 1) * 32_767).astype("<i2")
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), full_utt=True)
        self._decoder.end_utt()
        # Second pronunciations are the same word: "a(2)"
        return " ".join(re.sub(r"\(\d+\)$", "", segment.word) for segment in self._decoder.seg())


def read_words(folder: Path) -> dict[str, str]:
    """Name → what was said, in the order of the file `transcription`."""
    path = folder / "transcription"
    if not path.is_file():
        raise MmascError(f"{path} does not exist; its lines are: text (name of the file without its extension)")
    lines = [re.fullmatch(r"(.*)\((\S+)\)\s*", line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {match[2]: " ".join(match[1].split()) for match in lines if match}


def between_sounds(samples: np.ndarray, rate: int, number: int) -> np.ndarray:
    """The words between other sounds, each as loud as the words."""
    assert rate == RATE
    sides = []
    for place in (number, number + 1):
        sound = synthesise(AROUND[place % len(AROUND)], RATE, AROUND_SECONDS, seed=number)
        sides.append(sound * np.sqrt(np.mean(samples**2) / np.mean(sound**2)))
    return np.concatenate([sides[0], samples, sides[1]]).astype(np.float32)


def timeline(samples: np.ndarray) -> list[Event]:
    """What is when, by the encoder in the package and two labels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.wav"
        soundfile.write(path, np.clip(samples, -1, 1), RATE)
        (found,) = classify(path, SPEECH, timeline=True, hop_seconds=0.5, window_seconds=2.0)
    return found.events


def report(what: str, spoken: dict[str, str], heard: dict[str, str], annotations: bool = False) -> None:
    """A line with the rate over all recordings."""
    found = word_errors(list(spoken.values()), [heard[name] for name in spoken], annotations)
    print(
        f"{what:26}  rate {found.rate:.3f}: {found.substitutions} other, {found.deletions} lost, "
        f"{found.insertions} added of {found.words} words",
        flush=True,
    )


if __name__ == "__main__":
    main()
