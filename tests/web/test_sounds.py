import io

import numpy as np
import soundfile
import soxr

from mmasc.web import sounds
from tests.helpers.web import RATE, SECONDS, ids, level_of


def heard(content: bytes) -> tuple[np.ndarray, int]:
    return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)


def test_a_stretch_is_what_the_recording_holds_there(server, monkeypatch):
    monkeypatch.setattr(sounds, "writes_mp3", lambda: False)
    recording = ids(server)[0]
    path = server.folder.parent / "sounds" / server.client.get(f"/api/recordings/{recording}").json()["path_shown"]
    answer = server.client.get(f"/api/recordings/{recording}/audio", params={"start": 1.25, "end": 2.5})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    samples, rate = heard(answer.content)
    wanted, _ = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    np.testing.assert_allclose(samples, wanted[round(1.25 * RATE) : round(2.5 * RATE)], atol=1 / 32768)


def test_mp3_sounds_like_the_recording(server):
    if not sounds.writes_mp3():
        return
    answer = server.client.get(f"/api/recordings/{ids(server)[0]}/audio")
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["cache-control"] == "private, max-age=3600"
    samples, rate = heard(answer.content)
    assert (rate, abs(len(samples) / rate - SECONDS) < 0.2) == (RATE, True)
    assert len(answer.content) < SECONDS * 9_000


def test_ranges(server):
    url = f"/api/recordings/{ids(server)[1]}/audio"
    whole = server.client.get(url).content
    part = server.client.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert server.client.get(url, headers={"Range": "bytes=-50"}).content == whole[-50:]
    assert server.client.get(url, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


def test_stretches_outside_and_files_that_are_gone(server):
    recording = ids(server)[0]
    url = f"/api/recordings/{recording}/audio"
    assert server.client.get(url, params={"start": SECONDS}).status_code == 422
    assert server.client.get(url, params={"start": 2, "end": 1}).status_code == 422
    for bad in ("-1", "nan", "inf", "x"):
        assert server.client.get(url, params={"start": bad}).status_code == 422
    assert sounds.stretch(5.0, None, 10_000.0) == (5.0, 605.0)
    shown = server.client.get(f"/api/recordings/{recording}").json()["path_shown"]
    (server.folder.parent / "sounds" / shown).unlink()
    for kind in ("audio", "picture", "overview"):
        answer = server.client.get(f"/api/recordings/{recording}/{kind}")
        assert answer.status_code == 404
        assert "move-root" in answer.json()["error"]
        assert str(server.folder.parent) not in answer.text


def test_other_rates_and_channels_are_brought_to_what_browsers_play(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * 96_000, 3)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 96_000, "FLOAT")
    sounds.write_sound(tmp_path / "a.wav", 0.5, 2.0, tmp_path / "b.wav", mp3=False)
    written, rate = soundfile.read(tmp_path / "b.wav", dtype="float32")
    wanted = soxr.resample(samples[48_000:192_000].mean(axis=1), 96_000, 48_000)
    assert (rate, len(written)) == (48_000, 72_000)
    np.testing.assert_allclose(written, wanted, atol=1e-3)


def test_samples_of_any_type_become_float():
    assert sounds.as_float(np.array([-32768, 16384], np.int16)).tolist() == [-1.0, 0.5]
    assert sounds.as_float(np.array([-(2**31), 2**30], np.int32)).tolist() == [-1.0, 0.5]
    assert sounds.as_float(np.array([np.nan, 2.0, -0.25])).tolist() == [0.0, 1.0, -0.25]


def test_the_stand_in_has_its_levels(server):
    samples, _ = soundfile.read(server.folder.parent / "sounds" / "wood" / "night_0.wav")
    np.testing.assert_allclose(
        samples.reshape(SECONDS, RATE).mean(axis=1), [level_of(0, second) for second in range(SECONDS)], atol=1e-3
    )
