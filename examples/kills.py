"""Kill `mmasc embed` at random moments, start it again, and count what is lost and what is double.

    python examples/kills.py --kills 100 --files 400

The sounds are noise made by rule. Every round starts the command, waits a random time, sends SIGKILL, and looks into
the collection: what an earlier look has seen must still be there, to the last window. When a collection is complete
it is compared, vector by vector, with one that was never disturbed, and a new one is begun.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from mmasc.collection import Collection

# Commits after every eighth window, so that kills meet commits as often as decoding and embedding
COMMAND = "import sys, mmasc; mmasc.embed(sys.argv[1], sys.argv[2], commit_windows=8)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        sounds, undisturbed = Path(folder) / "sounds", Path(folder) / "undisturbed"
        make_sounds(sounds, options.files)
        start_to_end = run(sounds, undisturbed)
        expected = windows_of(undisturbed)
        print(f"undisturbed: {len(expected)} windows of {options.files} files in {start_to_end:.1f} s")
        lost = double = kills = rounds = 0
        target, seen = Path(folder) / "killed", {}
        while kills < options.kills:
            # The first seconds only load libraries: most kills fall after them
            if kill_after(sounds, target, generator.uniform(0.3, 1.0) * start_to_end):
                kills += 1
            now = windows_of(target)
            lost += sum(key not in now or not np.array_equal(now[key], vector) for key, vector in seen.items())
            double += doubles(target)
            seen = now
            if len(now) == len(expected):
                lost += sum(not np.array_equal(now[key], vector) for key, vector in expected.items())
                rounds += 1
                shutil.rmtree(target)
                seen = {}
            print(f"kill {kills}: {len(now)} windows, {lost} lost, {double} double", flush=True)
        run(sounds, target)
        now = windows_of(target)
        lost += sum(key not in now or not np.array_equal(now[key], vector) for key, vector in expected.items())
        double += doubles(target) + len(now) - len(expected)
    print(f"{kills} kills, {rounds + 1} collections completed: {lost} windows lost, {double} windows double")
    sys.exit(1 if lost or double else 0)


def make_sounds(folder: Path, count: int) -> None:
    """Noises of 1 to 7 seconds, coloured and modulated by their number."""
    folder.mkdir()
    for item in range(count):
        generator = np.random.default_rng(item)
        noise = generator.normal(size=16_000 + 8_000 * (item % 13))
        tilt = np.cumsum(noise) * 0.02 if item % 2 else noise * 0.1
        soundfile.write(folder / f"{item:04d}.flac", np.clip(tilt, -0.9, 0.9), 16_000)


def run(sounds: Path, target: Path) -> float:
    """Embed without disturbance; seconds that it took."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", COMMAND, str(sounds), str(target)], check=True)
    return time.perf_counter() - begun


def kill_after(sounds: Path, target: Path, seconds: float) -> bool:
    """Start, wait, kill; whether it was still running."""
    process = subprocess.Popen([sys.executable, "-c", COMMAND, str(sounds), str(target)])
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def windows_of(target: Path) -> dict[tuple, np.ndarray]:
    """Vectors by (path, lane, start), of what counts in a collection."""
    if not (target / "collection.json").exists():
        return {}
    collection = Collection(target)
    if not collection.spaces:
        return {}
    reader = collection.space()
    paths = dict(zip(*[collection.recordings.column(name).to_pylist() for name in ("id", "path")], strict=True))
    keys = [paths[int(one)] for one in reader.recording]
    return dict(zip(zip(keys, reader.lane.tolist(), reader.start.tolist(), strict=True), reader.vectors(), strict=True))


def doubles(target: Path) -> int:
    """Windows that are there more than once."""
    if not (target / "collection.json").exists() or not Collection(target).spaces:
        return 0
    return len(Collection(target).space()) - len(windows_of(target))


if __name__ == "__main__":
    main()
