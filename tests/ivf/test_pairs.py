"""Sounds with pictures: films of known colour and tone come back as the right pair; bad files are outlived."""

import csv
import io
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from mmasc.errors import MmascError
from mmasc.ivf.decoding import PairConfig, decode_source
from mmasc.ivf.pairs import prepare_pairs
from mmasc.ivf.pictures import read_film, read_photograph
from mmasc.ivf.scenes import COLOURS, SHAPES, draw_scene, film_bytes, write_scenes
from mmasc.ivf.sources import Source, read_sources, split_sources

av = pytest.importorskip("av", reason="the extra video is not installed")

RATE = 16_000
# A colour and a tone for each half second
PARTS = [((200, 40, 40), 500), ((40, 200, 40), 1000), ((40, 40, 200), 2000), ((200, 200, 40), 4000)]


def film(
    path, codec="ffv1", sound="flac", pixels="bgr0", times=None, parts=PARTS, offset=0.0, seconds=0.5, with_sound=True
):
    """A film with one colour and one tone for each part; `times` of frames in seconds, default ten a second."""
    length = seconds * len(parts)
    times = np.arange(round(length * 10)) / 10 if times is None else times
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=10)
        picture.width = picture.height = 32
        picture.pix_fmt = pixels
        picture.codec_context.time_base = Fraction(1, 1000)
        if with_sound:
            stream = container.add_stream(sound, rate=RATE, layout="mono")
        for time in times:
            colour = parts[min(int(time / seconds), len(parts) - 1)][0]
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), colour, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round((time + offset) * 1000), Fraction(1, 1000)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if with_sound:
            clock = np.arange(round(length * RATE)) / RATE
            hertz = np.array([parts[min(int(t / seconds), len(parts) - 1)][1] for t in clock])
            samples = (10_000 * np.sin(2 * np.pi * hertz * clock)).astype(np.int16)
            heard = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, round(offset * RATE), Fraction(1, RATE)
            container.mux(stream.encode(heard))
            container.mux(stream.encode(None))
    return path


def pitch(samples):
    """Loudest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * RATE / len(samples)


def prepared(tmp_path, sources, **options):
    return prepare_pairs(
        sources, PairConfig(size=16, window_seconds=0.2, frames_per_second=20, **options), tmp_path / "c"
    )


@pytest.mark.parametrize(("name", "codec", "sound", "pixels"), [
    ("a.mkv", "ffv1", "flac", "bgr0"), ("a.mp4", "mpeg4", "aac", "yuv420p"), ("a.webm", "libvpx", "libopus", "yuv420p"),
])  # fmt: skip
def test_films_come_back_as_the_right_pairs(tmp_path, name, codec, sound, pixels):
    path = film(tmp_path / name, codec, sound, pixels)
    pairs = prepared(tmp_path, read_sources(tmp_path))
    assert len(pairs) == 1, pairs.faults
    chance, seen = np.random.default_rng(0), set()
    for _ in range(60):
        pair = pairs.draw(0, chance)
        assert pair.start_seconds - 1e-6 <= pair.frame_seconds <= pair.start_seconds + 0.2 + 1e-6
        part = int((pair.frame_seconds + 0.05) / 0.5)  # containers round times to within a frame
        seen.add(part)
        assert np.abs(pair.frame.astype(int) - PARTS[part][0]).mean() < 12, (part, pair)
        middle = pair.start_seconds + 0.1
        # within one frame of a border the window holds two tones
        if abs(middle / 0.5 - round(middle / 0.5)) * 0.5 > 0.13:
            assert abs(pitch(pair.window) - PARTS[int(middle / 0.5)][1]) < 60
    assert seen == {0, 1, 2, 3}
    assert path.exists()


def test_times_count_from_where_the_sound_begins(tmp_path):
    film(tmp_path / "late.mkv", offset=3.0)
    _, times, fault = read_film(tmp_path / "late.mkv", 16, 20)
    assert fault == ""
    np.testing.assert_allclose(times, np.arange(20) / 10, atol=2e-3)


def test_a_variable_frame_rate_goes_by_its_times(tmp_path):
    film(tmp_path / "odd.mkv", times=[0.0, 0.05, 0.11, 0.7, 0.75, 1.62, 1.9])
    frames, times, _ = read_film(tmp_path / "odd.mkv", 8, 1000)
    np.testing.assert_allclose(times, [0.0, 0.05, 0.11, 0.7, 0.75, 1.62, 1.9], atol=2e-3)
    assert [tuple(frame[4, 4]) for frame in frames] == [PARTS[part][0] for part in (0, 0, 0, 1, 1, 3, 3)]
    _, fewer, _ = read_film(tmp_path / "odd.mkv", 8, 4)
    np.testing.assert_allclose(fewer, [0.0, 0.7, 1.62, 1.9], atol=2e-3)


def test_scenes_come_back_sample_by_sample(tmp_path):
    write_scenes(tmp_path / "films", n=5, seed=3, size=32)
    pairs = prepare_pairs(
        read_sources(tmp_path / "films"), PairConfig(size=32, frames_per_second=8), tmp_path / "cache"
    )
    chance = np.random.default_rng(0)
    for number in range(5):
        scene, pair = draw_scene(number, 3), pairs.draw(number, chance)
        first = round(pair.start_seconds * RATE)
        expected = scene.waveform(2.0, RATE)[first : first + len(pair.window)]
        np.testing.assert_allclose(pair.window, expected, atol=1e-4)
        difference = pair.frame.astype(int) - scene.frame(round(pair.frame_seconds * 8) / 8, 32)
        assert np.abs(difference).max() <= 1
        assert pairs.sources[number].label == scene.label


def test_scenes_follow_their_rule():
    scenes = [draw_scene(number) for number in range(16)]
    assert {scene.label for scene in scenes} == {f"{colour} {shape}" for colour in COLOURS for shape in SHAPES}
    scene = scenes[0]  # a steady sine
    waveform = scene.waveform(2.0, RATE)
    for second in (0.3, 1.0, 1.7):
        octaves = 2 * (scene.height(np.array([second]))[0] - 0.25) / 0.5
        middle = waveform[round((second - 0.05) * RATE) : round((second + 0.05) * RATE)]
        assert abs(pitch(middle) - 250 * 2**octaves) < 12
    frame = scene.frame(1.0, 64)
    rows = np.flatnonzero((frame[:, :, 0] > 120).any(axis=1))
    assert abs((63 - rows.mean()) / 63 - scene.height(np.array([1.0]))[0]) < 0.02


def test_the_same_seed_draws_the_same_pairs(tmp_path):
    write_scenes(tmp_path / "films", n=3, size=16)
    pairs = prepared(tmp_path, read_sources(tmp_path / "films"))
    again = prepared(tmp_path, read_sources(tmp_path / "films"))  # from the cache
    for number in range(3):
        one, other = (drawn.draw(number, np.random.default_rng([7, number])) for drawn in (pairs, again))
        assert one.start_seconds == other.start_seconds
        assert np.array_equal(one.window, other.window)
        assert np.array_equal(one.frame, other.frame)


def write_table(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_pair(folder, name, seconds=1.0, colour=(10, 200, 30), mode="RGB"):
    import soundfile
    from PIL import Image

    soundfile.write(folder / f"{name}.wav", 0.1 * np.ones(round(seconds * 8000)), 8000)
    Image.new(mode, (40, 20), colour).save(folder / f"{name}.png")
    return {"audio": f"{name}.wav", "image": f"{name}.png", "label": name, "credit": name[0]}


def test_sounds_with_photographs(tmp_path):
    rows = [write_pair(tmp_path, "a1"), write_pair(tmp_path, "b1", 0.1), write_pair(tmp_path, "b2", 2.0)]
    sources = read_sources(write_table(tmp_path / "pairs.csv", rows), "credit")
    assert [source.group for source in sources] == ["a", "b", "b"]
    pairs = prepared(tmp_path, sources)
    assert len(pairs.faults) == 1
    assert "b1.wav: 0.10 s of sound are less than a window of 0.2 s; filled with silence" in pairs.faults[0]
    assert pairs.draw(0, np.random.default_rng(0)).frame[8, 8].tolist() == [10, 200, 30]
    short = pairs.draw(1, np.random.default_rng(0)).window
    assert len(short) == 3200
    assert np.all(short[1700:] == 0)
    assert np.all(short[200:1500] > 0.05)


def test_what_is_transparent_is_white(tmp_path):
    write_pair(tmp_path, "c", colour=(10, 20, 30, 0), mode="RGBA")
    assert read_photograph(tmp_path / "c.png", 8).min() == 255


def test_groups_never_cross_a_split():
    sources = [Source(str(number), Path(str(number)), None, "", str(number % 7)) for number in range(40)]
    for seed in range(10):
        learned, held = split_sources(sources, 0.3, seed)
        assert sorted(learned + held) == list(range(40))
        assert not {sources[n].group for n in learned} & {sources[n].group for n in held}
        assert held
    assert split_sources(sources, 0.0) == (list(range(40)), [])
    # a single group is learned from
    assert split_sources(sources[:1], 0.5) == ([0], [])


def bad_films(folder):
    """Films that cannot be used, by what must be said of them."""
    folder.mkdir(exist_ok=True)
    film(folder / "silent.mkv", with_sound=False)
    (folder / "torn.mkv").write_bytes(film(folder / "whole.mkv").read_bytes()[:300])
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4000))
    (folder / "empty.webm").write_bytes(b"")
    with av.open(str(folder / "blind.mkv"), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono")
        heard = av.AudioFrame.from_ndarray(np.ones((1, RATE), np.int16), format="s16", layout="mono")
        heard.sample_rate, heard.pts = RATE, 0
        container.mux(stream.encode(heard))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_films_are_named_and_left_out(tmp_path, workers):
    bad_films(tmp_path / "films")
    pairs = prepare_pairs(read_sources(tmp_path / "films"), PairConfig(size=16), tmp_path / "cache", workers)
    assert [source.name for source in pairs.sources] == ["whole.mkv"]
    assert len(pairs.faults) == 5
    for name, said in [
        ("silent.mkv", "no sound"), ("torn.mkv", ""), ("noise.mp4", ""), ("empty.webm", ""),
        ("blind.mkv", "no pictures"),
    ]:  # fmt: skip
        lines = [fault for fault in pairs.faults if name in fault]
        assert len(lines) == 1, (name, pairs.faults)
        assert said in lines[0]
        assert "\n" not in lines[0]


def test_nothing_that_can_be_used_is_an_error(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    with pytest.raises(MmascError, match=r"none of the 1 pair can be used; the first fault: .*a\.mp4"):
        prepared(tmp_path, read_sources(tmp_path))
    with pytest.raises(MmascError, match=r"holds no films .*; pairs are a folder of films, or a CSV table"):
        read_sources(tmp_path / "c")
    with pytest.raises(MmascError, match="has columns sound, picture; pairs are"):
        read_sources(write_table(tmp_path / "t.csv", [{"sound": "a", "picture": "b"}]))
    with pytest.raises(MmascError, match="t.csv line 2: names neither a video nor a sound with a picture"):
        read_sources(write_table(tmp_path / "t.csv", [{"audio": "a", "image": ""}]))


def test_a_film_of_one_frame_is_a_photograph(tmp_path):
    film(tmp_path / "one.mkv", times=[0.0])
    pairs = prepared(tmp_path, read_sources(tmp_path))
    assert pairs.faults == [f"{tmp_path / 'one.mkv'}: has one frame only; taken as a photograph"]
    starts = {pairs.draw(0, np.random.default_rng(seed)).start_seconds for seed in range(20)}
    assert max(starts) > 1.0


def test_a_file_that_kills_its_worker_is_outlived(tmp_path, monkeypatch):
    write_scenes(tmp_path / "films", n=3, size=16)
    monkeypatch.setattr("mmasc.ivf.decoding.decode_source", deadly)
    pairs = prepare_pairs(read_sources(tmp_path / "films"), PairConfig(size=16), tmp_path / "cache", workers=1)
    assert [source.name for source in pairs.sources] == ["film-00000", "film-00002"]
    assert pairs.faults == [f"{tmp_path / 'films' / 'film-00001.mkv'}: decoding it ends the process; left out"]


def deadly(source, config, cache):
    if "00001" in source.name:
        os._exit(9)
    return decode_source(source, config, cache)


def test_workers_end_with_the_process_that_is_killed(tmp_path):
    code = (
        "import os, sys, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from mmasc.cores import end_with_parent\n"
        "pool = ProcessPoolExecutor(1, get_context('spawn'), end_with_parent)\n"
        "print(pool.submit(os.getpid).result(), flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert is_running(worker)
    parent.kill()
    assert parent.wait() == -signal.SIGKILL
    parent.stdout.close()
    until = time.monotonic() + 20
    while is_running(worker):
        assert time.monotonic() < until, "the worker goes on"
        time.sleep(0.05)


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    # an orphan that has ended may wait for whoever adopted it
    return not (stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_sources_that_do_not_fit_in_memory_give_the_same_pairs(tmp_path, monkeypatch):
    write_scenes(tmp_path / "films", n=2, size=16)
    write_pair(tmp_path / "films", "a")
    rows = [
        {"video": "film-00000.mkv", "audio": "", "image": ""},
        {"video": "", "audio": "a.wav", "image": "a.png"},
    ]
    write_table(tmp_path / "films" / "pairs.csv", rows)
    held = prepared(tmp_path, read_sources(tmp_path / "films"))
    assert [held.middle(source).source for source in range(2)] == [0, 1]
    monkeypatch.setattr("mmasc.ivf.pairs._MOST_BYTES", 0)
    read = prepared(tmp_path, read_sources(tmp_path / "films"))
    for source in range(2):
        ways = [lambda pairs, n=source, seed=seed: pairs.draw(n, np.random.default_rng(seed)) for seed in range(5)]
        for way in [*ways, lambda pairs, n=source: pairs.middle(n)]:
            one, other = way(held), way(read)
            assert (one.start_seconds, one.frame_seconds) == (other.start_seconds, other.frame_seconds)
            assert np.array_equal(one.window, other.window)
            assert np.array_equal(one.frame, other.frame)
        assert np.array_equal(held.frames(source), read.frames(source))
    assert (len(held._held), len(read._held)) == (2, 0)


def test_frames_beyond_the_most_are_said(tmp_path):
    film(tmp_path / "long.mkv")
    frames, times, fault = read_film(tmp_path / "long.mkv", 8, 1000, most=15)
    assert (len(frames), len(times)) == (15, 15)
    assert "long.mkv: only its first 15 frames (1 s) are used; cut it into shorter films" in fault
    assert read_film(tmp_path / "long.mkv", 8, 1000, most=20)[2] == ""


def test_a_cut_film_is_said_and_used(tmp_path):
    whole = film(tmp_path / "a.mp4", "mpeg4", "aac", "yuv420p", parts=PARTS * 4).read_bytes()
    with av.open(io.BytesIO(whole)) as container:
        assert container.duration > 7e6
    # the index lies at the end of an mp4: cut before it there is nothing, so what is torn is the middle
    half = len(whole) // 2
    (tmp_path / "a.mp4").write_bytes(whole[:half] + bytes(len(whole) - half))
    (tmp_path / "b.mkv").write_bytes(film(tmp_path / "b.mkv", parts=PARTS * 4).read_bytes()[:40_000])
    film(tmp_path / "good.mkv")
    pairs = prepared(tmp_path, read_sources(tmp_path))
    assert "good.mkv" in [source.name for source in pairs.sources]
    for name in ("a.mp4", "b.mkv"):
        assert [fault for fault in pairs.faults if name in fault], pairs.faults


def test_pictures_of_too_many_pixels_are_refused(tmp_path, monkeypatch):
    film(tmp_path / "a.mkv")
    write_pair(tmp_path, "a")
    for module in ("mmasc.ivf.pictures", "mmasc.storage.pictures"):
        monkeypatch.setattr(f"{module}.MOST_PIXELS", 799)
    with pytest.raises(MmascError, match=r"a.mkv: 32 x 32 pixels are too many; make it smaller"):
        read_film(tmp_path / "a.mkv", 8, 4)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 500)  # warns from here on, refuses from twice as many on
    with pytest.raises(MmascError, match=r"a.png: 40 x 20 pixels are too many; make it smaller"):
        read_photograph(tmp_path / "a.png", 8)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 300)
    with pytest.raises(MmascError, match=r"a.png: cannot be read as a picture \(.*exceeds limit"):
        read_photograph(tmp_path / "a.png", 8)


def test_a_damaged_cache_is_made_again(tmp_path):
    write_scenes(tmp_path / "films", n=1, size=16)
    pairs = prepared(tmp_path, read_sources(tmp_path / "films"))
    before = pairs.middle(0)
    (file,) = (tmp_path / "c").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    after = prepared(tmp_path, read_sources(tmp_path / "films")).middle(0)
    assert np.array_equal(before.window, after.window)
    assert np.array_equal(before.frame, after.frame)


def test_scenes_go_on_where_they_stopped(tmp_path):
    write_scenes(tmp_path, n=2, size=16)
    stamps = [(tmp_path / f"film-{n:05d}.mkv").stat().st_mtime_ns for n in range(2)]
    write_scenes(tmp_path, n=3, size=16)
    assert [(tmp_path / f"film-{n:05d}.mkv").stat().st_mtime_ns for n in range(2)] == stamps
    assert len(read_sources(tmp_path)) == 3
    with pytest.raises(MmascError, match="holds films of another seed, length or size; choose another folder"):
        write_scenes(tmp_path, n=3, seed=1, size=16)
    assert len(read_sources(tmp_path)) == 3


def test_a_film_is_the_same_every_time():
    scene = draw_scene(6)
    first, second = (film_bytes(scene, 0.5, 16, 8, RATE) for _ in range(2))
    frames = []
    for film_file in (first, second):
        with av.open(io.BytesIO(film_file)) as container:
            frames.append([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert np.array_equal(frames[0], frames[1])
    assert torch.equal(torch.from_numpy(scene.waveform(0.5, RATE)), torch.from_numpy(scene.waveform(0.5, RATE)))
