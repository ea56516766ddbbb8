"""Damage sounds and films of every kind at random and read them: each is ok, truncated, or failed in one line.

    python examples/prove/fuzz_sounds.py --runs 1500 --seed 1

Every input is read in a process of its own pool with 20 s and 1 GB at most; tracebacks, hangs, crashes and messages of
more than one line are counted and printed with the seed that makes them again. Exit status 1 if there are any.
`samples(folder)` makes the whole files, `damage(content, generator)` the damaged ones.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

SECONDS, MEMORY = 20, 1 << 30
NATIVE = {
    "wav": {"subtype": "PCM_16"}, "24.wav": {"subtype": "PCM_24"}, "float.wav": {"subtype": "FLOAT"},
    "ulaw.wav": {"subtype": "ULAW"}, "adpcm.wav": {"subtype": "IMA_ADPCM"}, "rifx.wav": {"endian": "BIG"},
    "wavex.wav": {"format": "WAVEX"}, "rf64": {"format": "RF64"}, "w64": {"format": "W64"}, "aiff": {},
    "aifc": {"format": "AIFF", "subtype": "FLOAT"}, "caf": {}, "alac.caf": {"subtype": "ALAC_16"}, "au": {}, "flac": {},
    "ogg": {"format": "OGG", "subtype": "VORBIS"}, "opus": {"format": "OGG", "subtype": "OPUS"}, "mp3": {}, "voc": {},
}  # fmt: skip
CODED = {
    "m4a": ("ipod", "aac"), "mp4": ("mp4", "aac"), "mov": ("mov", "pcm_s16le"), "mkv": ("matroska", "flac"),
    "webm": ("webm", "libopus"), "aac": ("adts", "aac"), "ac3": ("ac3", "ac3"), "avi": ("avi", "mp3"),
    "ts": ("mpegts", "aac"), "wv": ("wv", "wavpack"), "tta": ("tta", "tta"), "wma": ("asf", "wmav2"),
    "flv": ("flv", "aac"),
}  # fmt: skip
JOINED = ("ogg", "flac", "mp3", "wav", "rf64", "w64", "aiff", "caf", "au")
NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def samples(folder: Path) -> dict[str, Path]:
    """A small whole file of every kind that is read: name -> path."""
    files = {}
    generator = np.random.default_rng(0)
    for name, options in NATIVE.items():
        rate = 48_000 if name == "opus" else 16_000
        files[name] = folder / f"sound.{name}"
        soundfile.write(files[name], 0.1 * generator.standard_normal((rate // 3, 2)), rate, **options)
    for one in JOINED:
        files[f"joined.{one}"] = folder / f"joined.{one}"
        files[f"joined.{one}"].write_bytes(files[one].read_bytes() * 2)
    for name, (container, codec) in CODED.items():
        try:
            files[name] = _encode(folder / f"coded.{name}", container, codec, name in ("mp4", "avi", "mkv"))
        except ImportError:
            break
        except (OSError, ValueError) as error:  # this build of FFmpeg has no such encoder
            print(f"no sample of {name}: {error}", file=sys.stderr)
    return files


def _encode(path: Path, container: str, codec: str, film: bool) -> Path:
    import av

    rate = 48_000 if codec == "libopus" else 44_100
    with av.open(str(path), "w", format=container) as file:
        pictures = file.add_stream("mpeg4", rate=10) if film else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        # Without a rate of bits wmav2 refuses to begin
        stream = file.add_stream(codec, rate=rate, layout="stereo", bit_rate=96_000)
        sound = 0.1 * np.random.default_rng(0).standard_normal((2, rate // 3)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
        frame.rate, frame.pts = rate, 0
        context = stream.codec_context
        converter = av.AudioResampler(context.format, "stereo", rate, context.frame_size or 1024)
        for part in [*converter.resample(frame), *converter.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
        if pictures is not None:
            for _ in range(4):
                file.mux(pictures.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), "rgb24")))
            file.mux(pictures.encode(None))
    return path


def damage(content: bytes, generator: np.random.Generator) -> bytes:
    """One to four changes: flipped bits, a cut, bytes put in, taken out or moved, a number in the place of another."""
    changed = bytearray(content)
    for _ in range(int(generator.integers(1, 5))):
        if len(changed) < 16:
            break
        # Half of the damage goes where headers are
        reach = len(changed) if generator.random() < 0.5 else min(len(changed), 256)
        place, kind = int(generator.integers(reach - 8)), int(generator.integers(7))
        count = int(generator.integers(1, 64))
        if kind == 0:
            changed[place] ^= 1 << int(generator.integers(8))
        elif kind == 1:
            del changed[max(place, 8) :]
        elif kind == 2:
            changed[place:place] = generator.bytes(count)
        elif kind == 3:
            del changed[place : place + count]
        elif kind == 4:
            other = int(generator.integers(len(changed)))
            piece = bytes(changed[other : other + count])
            changed[place : place + len(piece)] = piece
        elif kind == 5:
            changed[place : place + count] = bytes(count)
        else:
            size, number = int(generator.choice([2, 4, 8])), NUMBERS[int(generator.integers(len(NUMBERS)))]
            order = "little" if generator.random() < 0.5 else "big"
            changed[place : place + size] = (number & (1 << 8 * size) - 1).to_bytes(size, order)
    return bytes(changed)


def read_one(path: str) -> str:
    """What becomes of a file: "ok", "truncated", "failed", or what is wrong with the way in which it failed."""
    from mmasc.audio import stream_audio
    from mmasc.errors import MmascError

    try:
        with stream_audio(path, 16_000) as stream:
            for block in stream:
                if not np.isfinite(block).all():
                    return "wrong: samples that are not numbers"
            status = stream.status
        if (status.state != "ok" and not status.reason) or "\n" in status.reason:
            return f"wrong: {status}"
        return status.state
    except MmascError as error:
        return "failed" if path in str(error) and "\n" not in str(error) else f"wrong: {error!r}"
    except Exception as error:
        import traceback

        return f"wrong: {error!r} {traceback.format_exc(limit=-3)}"


def _worker(tasks: "multiprocessing.Queue", answers: "multiprocessing.Queue", memory: int) -> None:
    from mmasc.audio import open_audio  # noqa: F401 - what is imported later would count as memory of a file

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + memory, held + memory))
    while (task := tasks.get()) is not None:
        answers.put((task, read_one(task)))


class Reader:
    """A process that reads files; started again after a file that crashed it or took too long."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def read(self, path: Path) -> str:
        """What `read_one` says, or "wrong: ..." for a crash or a file that takes too long."""
        from queue import Empty

        self._tasks.put(str(path))
        for _ in range(SECONDS * 10):
            try:
                return self._answers.get(timeout=0.1)[1]
            except Empty:
                if not self._process.is_alive():
                    code = self._process.exitcode
                    self._start()
                    return f"wrong: the process ended with {code}"
        self._process.kill()
        self._start()
        return f"wrong: no answer within {SECONDS} s"

    def close(self) -> None:
        """End the process."""
        self._tasks.put(None)
        self._process.join(5)

    def _start(self) -> None:
        self._tasks, self._answers = self._context.Queue(), self._context.Queue()
        self._process = self._context.Process(target=_worker, args=(self._tasks, self._answers, MEMORY), daemon=True)
        self._process.start()
        self._tasks.put(__file__)  # reads no sound, but waits until everything is imported
        self._answers.get(timeout=120)


def main() -> int:
    """Read damaged files and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_500, help="damaged files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the files that went wrong")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = list(samples(folder).items())
        reader = Reader()
        for run in range(options.runs):
            kind, path = files[run % len(files)]
            content = damage(path.read_bytes(), np.random.default_rng([options.seed, run]))
            target = folder / f"damaged{path.suffix}"
            target.write_bytes(content)
            answer = reader.read(target)
            if answer.startswith("wrong"):
                wrong += 1
                print(f"run {run} ({kind}): {answer}", flush=True)
                if options.keep is not None:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{run}.{kind}").write_bytes(content)
            counts[answer.partition(":")[0]] += 1
            target.unlink()
        reader.close()
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
