"""Render phrases of every General MIDI instrument by rule, with a soundfont: sounds with sure labels.

    apt-get install fluidsynth fluid-soundfont-gm
    python examples/make_base/render_instruments.py --labels examples/make_base/programs.csv \
        --soundfont FluidR3_GM.sf2 --package fluid-soundfont-gm --licence MIT --phrases 5 --out RENDERED

programs.csv has `program` (1 to 128, or a drum pattern) and `label`. A melody and, where an instrument can, chords;
key, scale, rhythm, velocity and range come from the seed. Written are RENDERED/audio/*.ogg and RENDERED/meta.csv
(filename, label, package, licence). --timidity CONFIG renders the same phrases by patches (freepats).
"""

import argparse
import csv
import struct
import subprocess
from pathlib import Path

import numpy as np
import soundfile

RATE = 32_000
SLOT_SECONDS = 5.0
TICKS = 480  # a quarter note, half a second
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
LOW = {*range(33, 41), 44, 48, 59, 68, 71, 58}  # bass instruments, timpani, tuba, bassoon, trombone
HIGH = {9, 10, 11, 14, 73, 74, 75, 79, 80, 113}
SINGLE = {*range(57, 62), *range(65, 81), 110, 111, 112, *range(41, 45)}  # one note at a time
DRUMS = {
    "rock": ((36, "x...x...x...x..."), (38, "....x.......x..."), (42, "x.x.x.x.x.x.x.x.")),
    "funk": ((36, "x..x..x...x..x.."), (38, "....x..x.x..x..x"), (42, "xxxxxxxxxxxxxxxx")),
    "jazz": ((51, "x..xx..xx..xx..x"), (44, "....x.......x..."), (38, ".......x.....x..")),
    "march": ((38, "x.xxx.xxx.xxxxxx"), (36, "x...x...x...x...")),
    "fill": (
        (50, "xxx............."),
        (48, "...xxx.........."),
        (45, "......xxx......."),
        (41, ".........xxxx..."),
        (49, "..............x."),
    ),
    "disco": ((36, "x...x...x...x..."), (46, "..x...x...x...x."), (38, "....x.......x...")),
    "latin": ((62, "x..x..x.x..x..x."), (64, "..x..x.x..x..x.x"), (56, "x...x...x...x...")),
    "bossa": ((75, "x..x..x...x..x.."), (63, "..x.x..x.x..x..x")),
    "roll": ((38, "xxxxxxxxxxxxxxxx"),),
    "hats": ((42, "x.xxx.xxx.xxx.xx"), (46, "..............x.")),
    "cow": ((56, "x.x.x.xxx.x.x.xx"),),
    "tamb": ((54, "x.xxx.xxx.xxx.xx"),),
}
Note = tuple[int, int, int, int, int]  # start and length in ticks, channel, key, velocity


def melody(program: int, chance: np.random.Generator) -> list[Note]:
    """Notes of one slot, 4.6 s long."""
    centre = 43 if program in LOW else 79 if program in HIGH else 62
    root, scale = centre + int(chance.integers(-6, 7)), SCALES[chance.integers(len(SCALES))]
    loud = int(chance.integers(60, 120))
    unit = int(chance.choice([120, 240, 240, 480]))
    end, at, degree, notes = int(4.3 * 2 * TICKS), 0, int(chance.integers(0, 5)), []
    chords = program not in SINGLE and chance.random() < 0.45
    while at < end:
        length = unit * int(chance.choice([1, 1, 2, 2, 4]))
        degree = int(np.clip(degree + chance.integers(-3, 4), -5, 10))
        if chance.random() > 0.12:
            steps = (0, 2, 4) if chords else (0,)
            for step in steps:
                octave, place = divmod(degree + step, len(scale))
                key = int(np.clip(root + 12 * octave + scale[place], 24, 103))
                held = min(length, end - at)
                notes.append(
                    (at, max(60, int(held * chance.uniform(0.6, 1.0))), 0, key, loud + int(chance.integers(-12, 8)))
                )
        at += length
    return notes


def drums(pattern: str, chance: np.random.Generator) -> list[Note]:
    """A pattern of two beats and their repetitions."""
    unit, loud, notes = int(chance.integers(95, 150)), int(chance.integers(70, 120)), []
    n = int(4.3 * 2 * TICKS // unit)
    for key, marks in DRUMS[pattern]:
        notes += [
            (i * unit, unit // 2, 9, key, loud + int(chance.integers(-15, 8))) for i in range(n) if marks[i % 16] == "x"
        ]
    return notes


def midi(slots: list[tuple[int | str, list[Note]]]) -> bytes:
    """A MIDI file of one track with a slot after the other."""
    events: list[tuple[int, int, bytes]] = []
    for number, (program, notes) in enumerate(slots):
        start = number * round(SLOT_SECONDS * 2 * TICKS)
        if isinstance(program, int):
            events.append((start, 0, bytes([0xC0, program - 1])))
        for at, length, channel, key, velocity in notes:
            events.append((start + at + 10, 2, bytes([0x90 | channel, key, int(np.clip(velocity, 1, 127))])))
            events.append((start + at + 10 + length, 1, bytes([0x80 | channel, key, 0])))
    track, last = bytearray(), 0
    for at, _, message in sorted(events):
        track += _variable(at - last) + message
        last = at
    track += _variable(TICKS) + b"\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _variable(number: int) -> bytes:
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(0x80 | (number & 0x7F))
    return bytes(reversed(out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, metavar="CSV")
    parser.add_argument("--soundfont", type=Path, metavar="SF2")
    parser.add_argument("--timidity", type=Path, metavar="CONFIG")
    parser.add_argument("--package", required=True)
    parser.add_argument("--licence", required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--phrases", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with options.labels.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    slots: list[tuple[int | str, list[Note]]] = []
    labels = []
    for row in rows:
        for phrase in range(options.phrases):
            chance = np.random.default_rng([options.seed, len(slots), phrase])
            program: int | str = int(row["program"]) if row["program"].isdigit() else row["program"]
            notes = melody(program, chance) if isinstance(program, int) else drums(program, chance)
            slots.append((program, notes))
            labels.append((row["program"], row["label"], phrase))
    (options.out / "audio").mkdir(parents=True, exist_ok=True)
    score, sound = options.out / "score.mid", options.out / "score.wav"
    score.write_bytes(midi(slots))
    if options.timidity is None:
        command = ["fluidsynth", "-ni", "-q", "-R", "1", "-C", "0", "-g", "0.6", "-r", str(RATE), "-F", str(sound)]
        command += [str(options.soundfont), str(score)]
    else:
        command = ["timidity", "-c", str(options.timidity), "-s", str(RATE), "-Ow", "-o", str(sound), str(score)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    samples, _ = soundfile.read(sound, dtype="float32")
    mono = samples.mean(1) if samples.ndim == 2 else samples
    written = []
    for number, (program, label, phrase) in enumerate(labels):
        start = round(number * SLOT_SECONDS * RATE)
        piece = mono[start : start + round(4.6 * RATE)]
        if len(piece) < RATE or np.abs(piece).max() < 1e-3:
            continue  # the patches have no such instrument
        name = f"audio/{program}-{phrase}.ogg"
        soundfile.write(options.out / name, piece / max(1.0, np.abs(piece).max()), RATE, format="OGG", subtype="VORBIS")
        written.append({"filename": name, "label": label, "package": options.package, "licence": options.licence})
    with (options.out / "meta.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(written[0]))
        writer.writeheader()
        writer.writerows(written)
    score.unlink()
    sound.unlink()
    print(f"{len(written)} phrases of {len({row['label'] for row in written})} instruments in {options.out}")


if __name__ == "__main__":
    main()
