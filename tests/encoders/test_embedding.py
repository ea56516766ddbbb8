"""Files to vectors: order, threads, block sizes and neighbours change nothing."""

import numpy as np
import pytest
import soundfile
import torch

from mmasc.audio import find_audio, load_audio
from mmasc.encoders.embedding import embed_file, embed_files
from mmasc.errors import MmascError
from mmasc.windows.cut import window_starts


def test_windows_are_those_of_the_whole_waveform(sounds, standin):
    paths = find_audio(sounds)
    assert len(paths) == 5
    for path in paths:
        found = embed_file(path, standin, hop_seconds=0.3)
        waveform, rate = load_audio(path, standin.spec.sample_rate)
        starts = window_starts(waveform.shape[1], standin.window_samples, 0.3, rate)
        expected = [standin.embed(waveform[:, start : start + standin.window_samples])[0] for start in starts]
        np.testing.assert_allclose(found.vectors, np.stack(expected), atol=1e-6)
        np.testing.assert_allclose(found.starts, np.array(starts) / rate)
        assert found.ends[-1] == pytest.approx(found.duration)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_order_and_vectors_do_not_depend_on_threads(sounds, standin, threads):
    paths = find_audio(sounds)
    for path, result in zip(paths, embed_files(paths, standin, threads=threads), strict=True):
        assert result.path == path
        np.testing.assert_array_equal(result.vectors, embed_file(path, standin).vectors)


def test_many_windows_at_once_give_the_same(sounds, standin, monkeypatch):
    paths = find_audio(sounds)
    alone = [result.vectors for result in embed_files(paths, standin)]
    monkeypatch.setattr(type(standin), "windows_at_once", 7)
    together = list(embed_files(paths, standin))
    assert [result.path for result in together] == paths
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other.vectors, atol=1e-6)


def test_bad_files_come_back_as_failed_in_their_place(sounds, standin):
    (sounds / "pond" / "bad.wav").write_text("no sound")
    paths = find_audio(sounds)
    states = {result.path.name: result.status.state for result in embed_files(paths, standin, threads=2)}
    assert states.pop("bad.wav") == "failed"
    assert set(states.values()) == {"ok"}
    with pytest.raises(MmascError, match="bad.wav"):
        embed_file(sounds / "pond" / "bad.wav", standin)


def test_a_caller_that_stops_early_stops_the_decoders(sounds, standin):
    import threading

    results = embed_files(find_audio(sounds), standin, threads=2)
    next(results)
    results.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("mmasc-ahead")]


def test_an_error_of_the_callers_list_reaches_the_caller(sounds, standin):
    def paths():
        yield sounds / "pond" / "a.wav"
        raise RuntimeError("the list broke off")

    with pytest.raises(RuntimeError, match="the list broke off"):
        list(embed_files(paths(), standin, threads=2))


def test_recording_vector_weighs_windows_by_the_time_they_add(tmp_path, standin):
    # 2.5 s: windows 0-1, 1-2 and 1.5-2.5; the last one adds half a second
    levels = np.repeat([0.1, 0.2, 0.3, 0.4, 0.5], 4_000).astype(np.float32)
    soundfile.write(tmp_path / "steps.wav", levels, 8_000, subtype="FLOAT")
    found = embed_file(tmp_path / "steps.wav", standin)
    means = np.array([0.15, 0.35, 0.45])
    np.testing.assert_allclose(found.vectors[:, 0], means, atol=1e-5)
    assert found.vector[0] == pytest.approx((means * [1, 1, 0.5]).sum() / 2.5, abs=1e-5)


def test_each_channel_is_a_lane(tmp_path, standin):
    stereo = np.stack([np.full(12_000, 0.2), np.full(12_000, -0.4)], axis=1)
    soundfile.write(tmp_path / "stereo.wav", stereo, 8_000, subtype="FLOAT")
    found = embed_file(tmp_path / "stereo.wav", standin, channels="each")
    assert found.lanes.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(found.vectors[:, 0], [0.2, 0.2, -0.4, -0.4], atol=1e-4)
    assert found.vector[0] == pytest.approx(-0.1, abs=1e-4)


def test_hop_must_leave_nothing_out(sounds, standin):
    with pytest.raises(MmascError, match="at most the window of 1 s, got 1.5"):
        embed_file(sounds / "pond" / "b.wav", standin, hop_seconds=1.5)


def test_embed_refuses_what_is_no_waveform(standin):
    with pytest.raises(ValueError, match="8000 Hz, got 16000 Hz"):
        standin.embed(torch.zeros(1, 8_000), sample_rate=16_000)
    with pytest.raises(ValueError, match="NaN"):
        standin.embed(torch.full((1, 8_000), float("nan")))
    with pytest.raises(ValueError, match="cut them first"):
        standin.embed(torch.zeros(1, 8_001))
    with pytest.raises(MmascError, match="holds audio and text, no image"):
        standin.embed_image([])
    assert standin.embed(torch.zeros(0, 8_000)).shape == (0, 4)


def test_many_rows_of_few_samples_are_the_other_way_round(standin):
    with pytest.raises(ValueError, match=r"got \[65, 32\], which looks like \[time, channel\]"):
        standin.embed(np.zeros((65, 32), np.float32))
    assert standin.embed(np.full((65, 33), 0.1, np.float32)).shape == (65, 4)
    assert standin.embed(np.full((64, 32), 0.1, np.float32)).shape == (64, 4)
