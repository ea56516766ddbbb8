import io

import numpy as np
import pytest
from PIL import Image

from mmasc.web.colours import COLOURS, colour_table
from mmasc.web.pictures import PictureSize, coloured, spectrum_of, top_of
from tests.helpers.web import ids

RATE = 16_000


def tone(hertz: float, seconds: float, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize(("low", "high"), [(0.0, 8_000.0), (1_000.0, 3_000.0)])
@pytest.mark.parametrize("height", [64, 300])
def test_a_tone_lies_at_its_frequency_and_has_its_level(low, high, height):
    shown = PictureSize(100, height, low, high)
    levels, *band = spectrum_of(tone(2_000, 2.0), RATE, (0.0, 2.0), shown)
    assert (levels.shape, band) == ((height, 100), [low, high])
    row = levels[:, 10:-10].mean(axis=1).argmax()
    hertz = high - (row + 0.5) * (high - low) / height
    assert abs(hertz - 2_000) <= max((high - low) / height, RATE / 512)
    assert levels[:, 10:-10].max() == pytest.approx(20 * np.log10(0.5), abs=2.5)  # between two lines of the transform


def test_what_sounds_when_lies_where():
    samples = np.concatenate([np.zeros(RATE, np.float32), tone(1_000, 1.0), np.zeros(2 * RATE, np.float32)])
    loud = spectrum_of(samples, RATE, (0.0, 4.0), PictureSize(80, 40))[0].max(axis=0) > -30
    assert np.flatnonzero(loud).min() in (19, 20, 21)
    assert np.flatnonzero(loud).max() in (38, 39, 40)
    part = spectrum_of(samples, RATE, (1.5, 2.5), PictureSize(80, 40))[0].max(axis=0) > -30
    assert abs(part.sum() - 40) <= 2
    assert part[:38].all()


def test_long_and_very_short_stretches():
    for seconds in (0.001, 0.01, 60.0):
        levels, _, _ = spectrum_of(tone(1_000, seconds), RATE, (0.0, seconds), PictureSize(300, 100))
        assert levels.shape == (100, 300)
        assert np.isfinite(levels).all()


def test_silence_is_dark_and_the_loudest_is_bright():
    shown = PictureSize(20, 20, colours="grey")
    silent = np.full((20, 20), -120.0)
    assert coloured(silent, top_of(silent), shown).max() == 0
    levels = np.full((20, 20), -100.0)
    levels[3, 4] = -20.0
    colours = coloured(levels, -20.0, shown)
    assert colours[3, 4].tolist() == [255, 255, 255]
    assert colours.sum() == 3 * 255
    half = coloured(np.full((1, 1), -50.0), -20.0, shown)
    assert half.tolist() == [[[128, 128, 128]]]


@pytest.mark.parametrize("name", ["magma", "viridis"])
def test_colours_are_those_of_matplotlib(name):
    from matplotlib import colormaps

    wanted = np.array(colormaps[name](np.arange(256))[:, :3]) * 255
    assert np.abs(colour_table(name) - wanted).max() <= 3
    assert colour_table("grey").tolist() == [[level] * 3 for level in range(256)]
    assert COLOURS == ("magma", "viridis", "grey")


def test_pictures_over_http(server):
    url = f"/api/recordings/{ids(server)[0]}/picture"
    answer = server.client.get(url, params={"width": 120, "height": 50, "start": 1, "end": 3, "range": 70})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert (float(answer.headers["x-low-hz"]), float(answer.headers["x-high-hz"])) == (0, 4_000)
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (120, 50)
    again = server.client.get(url, params={"width": 120, "height": 50, "start": 1, "end": 3, "range": 70})
    assert again.content == answer.content
    narrow = server.client.get(url, params={"low": 500, "high": 1_500, "colours": "viridis", "top": -10})
    assert [float(narrow.headers[f"x-{name}"]) for name in ("low-hz", "high-hz", "top-db")] == [500, 1_500, -10]
    free = server.client.get(url, params={"low": 500, "high": 1_500, "colours": "viridis"})
    assert narrow.headers["x-own-top-db"] == free.headers["x-own-top-db"] == free.headers["x-top-db"]
    assert free.content != narrow.content


def test_bad_pictures_are_refused(server):
    url = f"/api/recordings/{ids(server)[0]}/picture"
    for bad in (
        {"width": 100_000},
        {"height": 0},
        {"colours": "jet"},
        {"low": 3_000, "high": 2_000},
        {"low": 5_000},
        {"range": "nan"},
        {"start": 100},
    ):
        answer = server.client.get(url, params=bad)
        assert answer.status_code == 422, bad
        assert answer.json().keys() == {"error"}
