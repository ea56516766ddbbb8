"""Chunks of recorders: what they say, in files made after the formats' own descriptions; damage says nothing."""

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmasc.audio.clock_chunks import chunks_of_file
from tests.helpers.recorder_files import RATE, bext_body, chunk, info_list, recorder_file, wamd_items

GUANO = """GUANO|Version: 1.0
Make: BATLOGGER
Model: M2
Serial: 1001
Timestamp: 2019-01-21T22:14:29
Loc Position: 47.046829 -8.301089
Temperature Int: 30.5
Temperature Ext: 23
Note: a line with: colons
"""


def said(path):
    (one,) = chunks_of_file(path)
    return one


def test_guano(tmp_path):
    one = said(recorder_file(tmp_path / "a.wav", after=chunk(b"guan", GUANO.encode())))
    assert (one.source, str(one.wall.time), one.wall.offset) == ("guano", "2019-01-21 22:14:29", None)
    assert (one.recorder, one.serial, one.temperature) == ("BATLOGGER M2", "1001", 23.0)
    assert (one.latitude, one.longitude) == (47.046829, -8.301089)


@pytest.mark.parametrize(
    ("written", "time", "offset"),
    [
        ("2023-05-04T04:30:00+02:00", "2023-05-04 04:30:00", "+02:00"),
        ("2023-05-04T04:30:00.125Z", "2023-05-04 04:30:00.125000", "+00:00"),
        ("2023-05-04 04:30:00-05:00", "2023-05-04 04:30:00", "-05:00"),
    ],
)
def test_zones_of_guano(tmp_path, written, time, offset):
    body = f"GUANO|Version: 1.0\nTimestamp: {written}\nWA|Song Meter|Prefix: POND\nGain: 12 dB".encode()
    one = said(recorder_file(tmp_path / "a.wav", after=chunk(b"guan", body)))
    assert (str(one.wall.time), one.wall.offset_text, one.site, one.gain) == (time, offset, "POND", "12 dB")


WAMD = {
    0x01: "SM4", 0x02: "S4A01234", 0x03: "2.3.1", 0x04: "POND", 0x05: "2023-05-04 04:30:00+10:00", 0x10: b"\xff" * 5000,
    0x14: "WGS84,27.38880,S,152.88080,E", 0x15: "18.25C",
}  # fmt: skip


def test_wamd(tmp_path):
    one = said(recorder_file(tmp_path / "a.wav", after=chunk(b"wamd", wamd_items(WAMD))))
    assert (one.source, str(one.wall.time), one.wall.offset_text) == ("wamd", "2023-05-04 04:30:00", "+10:00")
    assert (one.site, one.recorder, one.serial, one.temperature) == (
        "POND",
        "Wildlife Acoustics SM4",
        "S4A01234",
        18.25,
    )
    assert (one.latitude, one.longitude) == (-27.3888, 152.8808)


def test_wamd_of_telephones_has_no_site(tmp_path):
    items = {
        0x01: "Echo Meter Touch",
        0x04: "my phone",
        0x05: "2015-06-10 09:54:54+0200",
        0x06: "WGS84,42.3,-76.4,(null)",
    }
    one = said(recorder_file(tmp_path / "a.wav", before=chunk(b"wamd", wamd_items(items))))
    assert (str(one.wall.time), one.wall.offset_text, one.site) == ("2015-06-10 09:54:54", "+02:00", None)
    assert (one.latitude, one.longitude) == (42.3, -76.4)


@pytest.mark.parametrize(
    ("comment", "time", "offset", "gain", "celsius"),
    [
        (
            "Recorded at 04:30:00 04/05/2023 (UTC+1) by AudioMoth 24F3190361DA5D2E at medium gain while battery "
            "was 4.2V and temperature was 21.3C.",
            "2023-05-04 04:30:00", "+01:00", "medium", 21.3,
        ),
        (
            "Recorded at 10:06:19 06/12/2020 (UTC) by AudioMoth 24F3190361DA5D2E at low-medium gain setting "
            "while battery state was less than 2.5V and temperature was -3.5C. Amplitude threshold was 0.5%.",
            "2020-12-06 10:06:19", "+00:00", "low-medium", -3.5,
        ),
        (
            "Recorded at 21:00:05 01/06/2018 by AudioMoth 24F3190361DA5D2E at gain setting 2 while "
            "battery state was > 5.0V",
            "2018-06-01 21:00:05", "+00:00", "2", None,
        ),
        (
            "Recorded at 21:00:05.250 01/06/2023 (UTC+5:30) during deployment EEC909D42565A5F0 at high gain while "
            "battery was 4.2V and temperature was 7.0C.",
            "2023-06-01 21:00:05.250000", "+05:30", "high", 7.0,
        ),
    ],
)  # fmt: skip
def test_comments_of_audiomoths(tmp_path, comment, time, offset, gain, celsius):
    one = said(recorder_file(tmp_path / "a.wav", before=chunk(b"LIST", info_list(comment))))
    assert (one.source, str(one.wall.time), one.wall.offset_text) == ("audiomoth", time, offset)
    assert (one.gain, one.temperature, one.recorder) == (gain, celsius, "AudioMoth")
    assert one.serial == ("24F3190361DA5D2E" if "by AudioMoth" in comment else None)


def test_bext(tmp_path):
    body = bext_body("2023-05-04", "04:30:00", 0)
    one = said(recorder_file(tmp_path / "a.wav", before=chunk(b"bext", body)))
    assert (one.source, str(one.wall.time), one.recorder) == ("bext", "2023-05-04 04:30:00", "ZOOM F6")
    # a time code next to the time says the fraction of the second, a free one nothing
    near, free = 16_200 * RATE + RATE // 2, 3_600 * RATE
    for samples, time in [(near, "2023-05-04 04:30:00.500000"), (free, "2023-05-04 04:30:00")]:
        body = bext_body("2023-05-04", "04-30-00", samples)
        assert str(said(recorder_file(tmp_path / "a.wav", before=chunk(b"bext", body))).wall.time) == time


def test_a_time_code_beyond_midnight_is_none(tmp_path):
    last = 86_399 * RATE + RATE // 2
    for samples, time in [(last, "2023-05-04 23:59:59.500000"), (86_400 * RATE + 1, "2023-05-04 23:59:59")]:
        body = bext_body("2023-05-04", "23:59:59", samples)
        assert str(said(recorder_file(tmp_path / "a.wav", before=chunk(b"bext", body))).wall.time) == time


def test_a_comment_without_zeros_behind_it_is_read_to_its_end(tmp_path):
    comment = (
        "Recorded at 19:17:30 28/04/2021 (UTC) by AudioMoth 24F3190361DA5D2E at medium gain setting while battery "
        "state was 4.2V and temperature was 15.3C."
    )
    items = [chunk(b"ICMT", comment[:-1].encode()), chunk(b"IART", b"AudioMoth"), chunk(b"INAM", b"even")]
    for order in ((0, 1, 2), (1, 0, 2), (1, 2, 0), (2, 1, 0)):
        body = b"INFO" + b"".join(items[place] for place in order)
        assert said(recorder_file(tmp_path / "a.wav", before=chunk(b"LIST", body))).temperature == 15.3


@pytest.mark.parametrize(
    "body",
    [
        bext_body("2023-05-04", "04:30:00", originator="REAPER"),
        bext_body("2023-05-04", "04:30:00", originator="Pro Tools"),
        bext_body("2023-13-04", "04:30:00"),
        bext_body("", ""),
        b"short",
    ],
)
def test_times_of_exports_and_of_nothing_are_not_taken(tmp_path, body):
    assert chunks_of_file(recorder_file(tmp_path / "a.wav", before=chunk(b"bext", body))) == []


def test_positions_that_are_none(tmp_path):
    for text in ["", "0.0 0.0", "91 10", "10 181", "nan nan", "x y", "1e400 2"]:
        body = f"Timestamp: 2023-05-04T04:30:00\nLoc Position: {text}".encode()
        one = said(recorder_file(tmp_path / "a.wav", after=chunk(b"guan", body)))
        assert (one.latitude, one.longitude) == (None, None)


def test_long_files_and_missing_padding(tmp_path):
    samples = struct.pack("<4sI", b"data", 0xFFFFFFFF) + b"\0" * 2_000
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, 2_000, 1_000, 0))
    whole = b"WAVE" + ds64 + samples + chunk(b"guan", GUANO.encode())
    path = tmp_path / "a.wav"
    path.write_bytes(b"RF64" + b"\xff" * 4 + whole)
    assert said(path).serial == "1001"
    odd = chunk(b"note", b"odd", pad=False)
    assert said(recorder_file(path, before=odd + chunk(b"guan", GUANO.encode()))).serial == "1001"


def guano(tmp_path, *lines: str):
    return said(recorder_file(tmp_path / "a.wav", after=chunk(b"guan", "\n".join(("Model: M", *lines)).encode())))


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("90 180", (90, 180)), ("-90 -180", (-90, -180)), ("90.1 0", None), ("0 180.1", None), ("-90.1 0", None),
        ("0 5", (0, 5)), ("5 0", (5, 0)), ("5, S, 6, W", (-5, -6)), ("-5 S -6 W", (-5, -6)), ("5 N 6 E", (5, 6)),
        ("S 5 6", None), ("5", None), ("5 x", None), ("5 6 7", (5, 6)), ("N E N E 5 6", (5, 6)),
        ("N E N E N 5 6", None),
    ],
)  # fmt: skip
def test_positions(tmp_path, text, degrees):
    one = guano(tmp_path, f"Loc Position: {text}")
    assert (one.latitude, one.longitude) == (degrees or (None, None))


@pytest.mark.parametrize(
    ("lines", "celsius"),
    [
        (["Temperature Int: 30.5"], 30.5),
        (["Temperature Int: 30.5", "Temperature Ext: 91"], 30.5),
        (["Temperature Ext: 90"], 90),
        (["Temperature Ext: -90"], -90),
        (["Temperature Ext: -90.5"], None),
        (["Temperature Int: 90.5"], None),
        (["Temperature Ext: warm", "Temperature Int: 5"], 5),
        (["Temperature Ext: nan"], None),
        (["Temperature Ext: 1" + "0" * 38 + ".5"], None),
        (["Temperature Ext: " + "0" * 39 + "75"], 7),  # forty characters are read
    ],
)
def test_temperatures(tmp_path, lines, celsius):
    assert guano(tmp_path, *lines).temperature == celsius


def test_names_of_guano(tmp_path):
    assert guano(tmp_path, "Make: m", "WA|Site: a", "Prefix: b").recorder == "M"  # the make is in the model
    assert guano(tmp_path, "Make: X", "WA|Site: a", "Prefix: b").recorder == "X M"
    assert guano(tmp_path, "WA|Site: a", "Prefix: b").site == "a"
    assert guano(tmp_path, "Serial: 1", "Serial: 2", "Sensor|GAIN: 3").serial == "1"  # what comes first holds
    assert guano(tmp_path, "Sensor|GAIN: 3", "Empty:").gain == "3"
    assert guano(tmp_path, "Serial: " + "x" * 101).serial == "x" * 100


def test_a_file_whose_chunks_say_nothing_says_nothing(tmp_path):
    for body in (b"Note: a", b"", b"no colon", b"Timestamp: never"):
        assert chunks_of_file(recorder_file(tmp_path / "a.wav", after=chunk(b"guan", body))) == []


def test_items_of_wamd_are_read_up_to_what_is_cut_or_too_long(tmp_path):
    def of(items, cut=0):
        body = wamd_items(items)
        return chunks_of_file(recorder_file(tmp_path / "a.wav", after=chunk(b"wamd", body[: len(body) - cut])))

    assert of({0x01: "M", 0x02: "s" * 1024})[0].serial == "s" * 100
    assert of({0x01: "M", 0x02: "s" * 1025})[0].serial is None
    assert of({0x01: "M", 0x02: "\0 s\r\n"})[0].serial == "s"
    assert of({0x01: "M", 0x15: "-7.5C"})[0].temperature == -7.5
    assert of({0x01: "M", 0x15: "cold"})[0].temperature is None
    assert of({0x01: "M", 0x14: "WGS84,1,N,2,W", 0x06: "WGS84,3,4"})[0].longitude == -2
    assert of({0x01: "M", 0x06: "WGS84,3,4"})[0].longitude == 4
    assert of({0x01: "Wildlife Acoustics SM4"})[0].recorder == "Wildlife Acoustics SM4"
    assert of({0x02: "s"})[0].recorder is None
    assert of({0x03: "1.0"}) == of({}) == []
    assert [one.recorder for one in of({0x01: "M", 0x02: "s"}, cut=2)] == ["Wildlife Acoustics M"]


def test_who_wrote_a_comment_and_what_else_it_says(tmp_path):
    def of(comment):
        return chunks_of_file(recorder_file(tmp_path / "a.wav", before=chunk(b"LIST", info_list(comment))))

    begun = "Recorded at 04:30:00 04/05/2023 (UTC)"
    (one,) = of(f"{begun} by HydroMoth 24F3190361DA5D2E at low gain and temperature was -90.0C.")
    assert (one.recorder, one.serial, one.gain, one.temperature) == ("HydroMoth", "24F3190361DA5D2E", "low", -90)
    (one,) = of(f"{begun} by AudioMoth 24F3 at no gain and temperature was 100C.")
    assert (one.recorder, one.serial, one.gain, one.temperature) == ("AudioMoth", None, None, None)
    assert of("Recorded long ago") == []
    for body in (b"INFX" + chunk(b"ICMT", begun.encode()), b"INFO", b"INFO" + chunk(b"INAM", b"odd"), b"INF"):
        assert chunks_of_file(recorder_file(tmp_path / "a.wav", before=chunk(b"LIST", body))) == []
    wrong = "Recorded at 04:30:00 04/13/2023 (UTC) by AudioMoth 24F3190361DA5D2E at low gain"
    assert said(recorder_file(tmp_path / "a.wav", before=chunk(b"LIST", info_list(wrong)))).wall is None
    # Of a comment 4,096 bytes are read
    for blanks, celsius in ((4096 - len(begun) - 21, 5.0), (4096 - len(begun) - 19, None)):
        long = f"{begun}{' ' * blanks}temperature was 5.0C."
        body = b"INFO" + chunk(b"ICMT", long.encode())
        assert said(recorder_file(tmp_path / "a.wav", before=chunk(b"LIST", body))).temperature == celsius


def test_time_codes_of_bext_that_are_near_enough(tmp_path):
    for apart, time in ((1.5, "04:30:01.500000"), (2.0, "04:30:00"), (-1.5, "04:29:58.500000"), (-2.0, "04:30:00")):
        body = bext_body("2023-05-04", "04:30:00", round((16_200 + apart) * RATE))
        found = said(recorder_file(tmp_path / "a.wav", before=chunk(b"bext", body)))
        assert str(found.wall.time) == f"2023-05-04 {time}"
    # Without a form nobody knows the rate
    whole = chunk(b"bext", bext_body("2023-05-04", "04:30:00", 16_200 * RATE + 100)[:346])
    (tmp_path / "b.wav").write_bytes(b"RIFF\xff\xff\xff\x0fWAVE" + whole + chunk(b"fmt ", b"short"))
    assert str(said(tmp_path / "b.wav").wall.time) == "2023-05-04 04:30:00"
    cut = bext_body("2023-05-04", "04:30:00")[:345]
    assert chunks_of_file(recorder_file(tmp_path / "a.wav", before=chunk(b"bext", cut))) == []
    for description, count in (("made with ffmpeg", 0), ("x" * 40 + " ffmpeg", 1), ("x" * 34 + "ffmpeg", 0)):
        body = bext_body("2023-05-04", "04:30:00", description=description)
        assert len(chunks_of_file(recorder_file(tmp_path / "a.wav", before=chunk(b"bext", body)))) == count


def test_chunks_are_read_in_the_order_of_what_they_are_for(tmp_path):
    found = chunks_of_file(recorder_file(tmp_path / "a.wav", before=ALL))
    assert [one.source for one in found] == ["guano", "wamd", "audiomoth", "bext"]


@pytest.mark.parametrize(
    ("kind", "form", "count"),
    [(b"RIFF", b"WAVE", 1), (b"BW64", b"WAVE", 1), (b"RIFX", b"WAVE", 0), (b"RIFF", b"AVI ", 0)],
)
def test_kinds_of_files(tmp_path, kind, form, count):
    (tmp_path / "a.wav").write_bytes(kind + b"\0" * 4 + form + chunk(b"guan", GUANO.encode()))
    assert len(chunks_of_file(tmp_path / "a.wav")) == count


@pytest.mark.parametrize(
    ("before", "count"),
    [
        (chunk(b"no\x1fe", b"even"), 0),
        (chunk(b"no\x7fe", b"even"), 0),
        (chunk(b"n o~", b"even"), 1),
        (chunk(b"note", b"odd"), 1),
        (chunk(b"ds64", b"short"), 1),
        (struct.pack("<4sI", b"note", 1 << 20), 0),  # it reaches beyond the file
    ],
)
def test_chunks_behind_others(tmp_path, before, count):
    assert (
        len(chunks_of_file(recorder_file(tmp_path / "a.wav", after=before + chunk(b"guan", GUANO.encode())))) == count
    )


def test_other_files_have_no_chunks(tmp_path):
    (tmp_path / "a.flac").write_bytes(b"fLaC" + b"\0" * 50)
    (tmp_path / "b.wav").write_bytes(b"")
    assert chunks_of_file(tmp_path / "a.flac") == chunks_of_file(tmp_path / "b.wav") == []


def test_texts_of_others_are_stored_on_one_line(tmp_path):
    body = b"Make: \x1b[31mred\x07\nModel: " + b"\xff\xfe" + b"x" * 10_000
    one = said(recorder_file(tmp_path / "a.wav", after=chunk(b"guan", body)))
    assert "\x1b" not in one.recorder
    assert len(one.recorder) <= 100
    one.recorder.encode()


ALL = (
    chunk(b"bext", bext_body("2023-05-04", "04:30:00"))
    + chunk(b"LIST", info_list("Recorded at 04:30:00 04/05/2023 (UTC) by AudioMoth 24F3190361DA5D2E at medium gain"))
    + chunk(b"guan", GUANO.encode())
    + chunk(b"wamd", wamd_items(WAMD))
)


@given(
    places=st.lists(st.tuples(st.integers(0, 9_000), st.binary(min_size=1, max_size=8)), max_size=4),
    cut=st.integers(0, 9_000),
)
def test_damage_says_less_and_raises_nothing(tmp_path_factory, places, cut):
    path = tmp_path_factory.getbasetemp() / f"damaged-{os.getpid()}.wav"
    whole = bytearray(recorder_file(path, before=ALL, seconds=0.05).read_bytes())
    for place, bytes_ in places:
        whole[place : place + len(bytes_)] = bytes_
    path.write_bytes(whole[: len(whole) - cut])
    for one in chunks_of_file(path):
        for text in (one.site, one.recorder, one.serial, one.gain):
            assert text is None or (len(text) <= 100 and text.isprintable())
