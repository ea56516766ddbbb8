"""Waveforms decoded once: what is kept is what `load_audio` gives, whoever asks, however the cache was treated."""

import errno
import multiprocessing
import os
import shutil

import numpy as np
import pytest
import soundfile

from mmasc.audio import load_audio
from mmasc.datasets import WaveformCache
from mmasc.errors import MmascError


@pytest.fixture
def paths(sounds):
    return sorted(path for path in sounds.rglob("*") if path.is_file())


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(("rate", "channels"), [(8_000, "mix"), (6_000, "each"), (11_025, "left")])
def test_waveforms_are_those_of_load_audio(paths, tmp_path, in_memory, rate, channels):
    waveforms = WaveformCache(None if in_memory else tmp_path / "kept", rate, channels).load(paths)
    assert len(waveforms) == len(paths) == waveforms.n_decoded
    for path, waveform in zip(paths, waveforms, strict=True):
        assert waveform.dtype == np.float32
        np.testing.assert_array_equal(waveform, load_audio(path, rate, channels)[0].numpy())
        assert not waveform.flags.writeable


def test_a_part_of_the_waveforms_is_a_list_of_them(paths, tmp_path):
    waveforms = WaveformCache(tmp_path / "deep" / "kept", 8_000).load(paths)
    for one, other in zip(waveforms[1:4], paths[1:4], strict=True):
        np.testing.assert_array_equal(one, load_audio(other, 8_000)[0].numpy())
    assert [len(waveforms[part]) for part in (slice(None), slice(-2, None), slice(9, 12))] == [5, 2, 0]


def test_everything_is_decoded_once(paths, tmp_path):
    told = []
    cache = WaveformCache(tmp_path / "kept", 8_000)
    assert cache.load(paths, progress=lambda done, total: told.append((done, total))).n_decoded == 5
    assert told == [(number, 5) for number in range(1, 6)]
    assert cache.load(paths).n_decoded == 0
    moved = shutil.copy(paths[0], tmp_path / "moved.bin")
    assert cache.load([moved, paths[0]]).n_decoded == 0
    assert WaveformCache(tmp_path / "kept", 4_000).load(paths).n_decoded == 5
    assert WaveformCache(tmp_path / "kept", 8_000, "left").load(paths).n_decoded == 5


def test_equal_contents_are_decoded_once(paths, tmp_path):
    for cache in (WaveformCache(None, 8_000), WaveformCache(tmp_path / "kept", 8_000)):
        waveforms = cache.load([paths[0]] * 8)
        assert waveforms.n_decoded == 1
        np.testing.assert_array_equal(waveforms[0], waveforms[7])


def test_a_changed_recording_is_not_mistaken_for_the_old(paths, tmp_path):
    cache = WaveformCache(tmp_path / "kept", 8_000)
    before = np.array(cache.load(paths[:1])[0])
    soundfile.write(paths[0], before[0] * 0.5, 8_000, subtype="FLOAT")
    waveforms = cache.load(paths[:1])
    assert waveforms.n_decoded == 1
    np.testing.assert_allclose(waveforms[0], before * 0.5, atol=1e-7)


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "text"])
def test_a_damaged_file_is_made_again(paths, tmp_path, how):
    told = []
    cache = WaveformCache(tmp_path / "kept", 8_000, remark=told.append)
    wanted = [np.array(waveform) for waveform in cache.load(paths)]
    victim = sorted((tmp_path / "kept").rglob("*.npy"))[2]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"cut": content[:-100], "empty": b"", "flipped": bytes(content), "text": b"no array" * 99}[how]
    victim.write_bytes(changed)
    assert not told
    again = cache.load(paths)
    assert again.n_decoded == 1
    assert len(told) == 1
    assert str(victim) in told[0]
    assert "decoded again" in told[0]
    for one, other in zip(again, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_broken_recordings_are_named_or_noted(paths, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no sound")
    gone = tmp_path / "gone.wav"
    cache = WaveformCache(tmp_path / "kept", 8_000)
    for bad in (broken, gone):
        with pytest.raises(MmascError, match=bad.name) as caught:
            cache.load([*paths, bad])
        assert "\n" not in str(caught.value)
    waveforms = cache.load([paths[0], broken, gone, paths[1]], broken="skip")
    assert sorted(waveforms.broken) == [1, 2]
    assert waveforms[3].shape == (1, 8_000)
    with pytest.raises(MmascError, match=r"broken.wav"):
        waveforms[1]


def test_a_cut_recording_is_used_and_told(paths, tmp_path):
    whole = paths[2].read_bytes()
    cut = tmp_path / "cut.wav"
    soundfile.write(cut, np.full(8_000, 0.25), 8_000)
    cut.write_bytes(cut.read_bytes()[:-4_000])
    told = []
    assert WaveformCache(None, 8_000, remark=told.append).load([cut])[0].shape == (1, 6_000)
    assert "cut.wav: only 0.750 s could be read" in told[0]
    assert whole == paths[2].read_bytes()


def test_a_full_disk_is_one_line_and_the_cache_stays_good(paths, tmp_path, monkeypatch):
    cache = WaveformCache(tmp_path / "kept", 8_000)
    cache.load(paths[:2])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(MmascError, match=f"{tmp_path / 'kept'}: no space left for the waveform cache") as caught:
            cache.load(paths)
    assert "\n" not in str(caught.value)
    kept = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert len(kept) == 2
    assert cache.load(paths).n_decoded == 3


def test_a_waveform_is_whole_on_the_disk_before_it_gets_its_name(paths, tmp_path, monkeypatch):
    cache, sync, replace, synced = WaveformCache(tmp_path / "kept", 8_000), os.fsync, os.replace, []

    def noted(number):
        synced.extend(one.read_bytes() for one in (tmp_path / "kept").rglob("*.tmp"))
        sync(number)

    def renamed(one, other):
        assert len(synced) == 1
        replace(one, other)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", renamed)
    cache.load(paths[:1])
    (file,) = (path for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert synced == [file.read_bytes()]


def test_a_folder_that_cannot_be_made_is_named(paths, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(MmascError, match=r"file is a file, not a folder; name another place"):
        WaveformCache(tmp_path / "file", 8_000).load(paths)


def _load(folder, paths, barrier, answers) -> None:
    barrier.wait(timeout=90)
    waveforms = WaveformCache(folder, 12_345).load(paths)
    answers.put([float(np.abs(waveform).sum()) for waveform in waveforms])


def test_two_processes_at_once(paths, tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    worker = context.Process(target=_load, args=(tmp_path / "kept", paths, barrier, answers))
    worker.start()
    _load(tmp_path / "kept", paths, barrier, answers)
    one, other = answers.get(timeout=90), answers.get(timeout=90)
    worker.join()
    assert one == other == [float(np.abs(load_audio(path, 12_345)[0].numpy()).sum()) for path in paths]
    assert len([path for path in (tmp_path / "kept").rglob("*") if path.is_file()]) == 5


def test_arguments_are_checked(tmp_path):
    with pytest.raises(ValueError, match="sample_rate must be positive"):
        WaveformCache(None, 0)
    with pytest.raises(ValueError, match="channels must be one of"):
        WaveformCache(None, 8_000, "top")
    with pytest.raises(ValueError, match="broken must be"):
        WaveformCache(None, 8_000).load([], broken="maybe")
