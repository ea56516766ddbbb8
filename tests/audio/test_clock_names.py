"""Names of recorders: right or refused, never guessed."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmasc.audio.clock_names import _dates, _is_time, clock_of_name, numbers_are_times, with_trust_in_numbers
from mmasc.audio.clock_patterns import read_pattern

T = "2023-05-04 04:30:00"

# name, start, offset, site, serial
READ = [
    # AudioMoth, HydroMoth
    ("20230504_043000.WAV", T, None, "", ""),
    ("20230504_043000T.WAV", T, None, "", ""),
    ("20230504_043000_SYNC.WAV", T, None, "", ""),
    ("24F3190361DA5D2E_20230504_043000.WAV", T, None, "", "24F3190361DA5D2E"),
    ("NORTH_RIDGE_20230504_043000.WAV", T, None, "NORTH_RIDGE", ""),
    ("5CB0B7F4.WAV", "2019-04-12 16:08:20", "+00:00", "", ""),
    ("POND_5CB0B7F4.WAV", "2019-04-12 16:08:20", "+00:00", "POND", ""),
    ("20230504_043000_UTC+2.WAV", T, "+02:00", "", ""),
    ("20230504_043000+0100.WAV", T, "+01:00", "", ""),
    # Wildlife Acoustics: SM2, SM3, SM4, Mini, Echo Meter
    ("SITE_20230504_043000.wav", T, None, "SITE", ""),
    ("SITE_0+1_20230504_043000_000.wav", T, None, "SITE", ""),
    ("SM304290__0__20230504_043000.wav", T, None, "SM304290", ""),
    ("POND_1_20230504_043000.wav", T, None, "POND_1", ""),
    ("S4A01234_20230504_043000.wav", T, None, "S4A01234", ""),
    ("SMM01234_20230504_043000.wav", T, None, "SMM01234", ""),
    ("ARIZONA-1_20230504$043000.wac", T, None, "ARIZONA-1", ""),
    ("ARIZONA-1_20230504$043000$250.wav", "2023-05-04 04:30:00.250000", None, "ARIZONA-1", ""),
    ("EPTFUS_20230504_043000.wav", T, None, "EPTFUS", ""),
    # Frontier Labs BAR-LT
    ("20230504T043000+1000_REC.flac", T, "+10:00", "", ""),
    ("20230504T043000+1000_REC_-27.3888+152.8808.flac", T, "+10:00", "", ""),
    (
        "S20230504T043000.123+1000_E20230504T053000.456+1000_-27.3888+152.8808.wav",
        "2023-05-04 04:30:00.123000", "+10:00", "", "",
    ),
    # Titley Anabat, Swift, Chorus; Cornell SWIFT; Raven-like
    ("2023-05-04 04-30-00.wav", T, None, "", ""),
    ("2023-05-04_04-30-00.zc", T, None, "", ""),
    ("S1234_20230504_043000Z.wav", T, "+00:00", "S1234", ""),
    ("S1234_20230504_043000-0400.wav", T, "-04:00", "S1234", ""),
    ("NOPP6_EST_20230504_043000.aif", T, None, "NOPP6_EST", ""),
    # under water: SoundTrap, PAMGuard, icListen, AMAR, Triton
    ("5678.230504043000.wav", T, None, "", "5678"),
    ("671379494.230504043000Z.wav", T, "+00:00", "", "671379494"),
    ("PAM_20230504_043000_123.wav", "2023-05-04 04:30:00.123000", None, "", ""),
    ("PAM_230504_043000_123.wav", "2023-05-04 04:30:00.123000", None, "", ""),
    ("icListenHF_1234_20230504T043000.000Z.wav", T, "+00:00", "icListenHF_1234", ""),
    ("AMAR123.1.20230504T043000Z.wav", T, "+00:00", "AMAR123.1.", ""),
    ("CINMS18B_d03_230504_043000.d100.x.wav", T, None, "", ""),
    # BirdNET-Pi and what it cuts out
    ("2023-05-04-birdnet-04:30:00.wav", T, None, "", ""),
    ("2023-05-04-birdnet-RTSP_1-04:30:00.wav", T, None, "", ""),
    ("Eurasian_Blackbird-85-2023-05-04-birdnet-04:30:00.mp3", T, None, "", ""),
    # batcorder, Audiomoth after expansion
    ("20230504-043000-001.wav", T, None, "", ""),
    ("20230504_043000_000.WAV", T, None, "", ""),
    # handheld recorders with dates in names: Zoom
    ("230504-043000.WAV", T, None, "", ""),
    ("230504-043000_Tr1.WAV", T, None, "", ""),
    # Sony, telephones, messengers
    ("2023-05-04_04-30-00.mp3", T, None, "", ""),
    ("20230504 043000.m4a", T, None, "", ""),
    ("Recording 2023-05-04 at 04.30.00.m4a", T, None, "", ""),
    ("Recording 2023-05-04 at 4.30.00 PM.m4a", "2023-05-04 16:30:00", None, "", ""),
    ("Recording 2023-05-04 at 12.30.00\u202fAM.m4a", "2023-05-04 00:30:00", None, "", ""),
    ("Voice 230504_043000.m4a", T, None, "", ""),
    ("AUDIO-2023-05-04-04-30-00.m4a", T, None, "", ""),
    ("WhatsApp Audio 2023-05-04 at 04.30.00.ogg", T, None, "", ""),
    ("REC_20230504_043000.wav", T, None, "", ""),
    # ISO 8601 and numbers of seconds
    ("2023-05-04T04:30:00Z.flac", T, "+00:00", "", ""),
    ("2023-05-04T04-30-00+02:00.flac", T, "+02:00", "", ""),
    ("20230504T043000-05.wav", T, "-05:00", "", ""),
    ("20230504043000.wav", T, None, "", ""),
    ("2023_05_04_04_30_00.wav", T, None, "", ""),
    ("1683174600.wav", T, "+00:00", "", ""),
    ("1683174600123.wav", "2023-05-04 04:30:00.123000", "+00:00", "", ""),
]  # fmt: skip

# name, what is said, a pattern that is offered
REFUSED = [
    ("01022023_043000.wav", "several ways", "%d%m%Y_%H%M%S"),
    ("25122023_043000.wav", "several ways", "%d%m%Y_%H%M%S"),
    ("010203_040506.wav", "several ways", "%y%m%d_%H%M%S"),
    ("230504_043000.wav", "several ways", "%y%m%d_%H%M%S"),
    ("290224_043000.wav", "several ways", "%d%m%y_%H%M%S"),  # of these years only 2024 has that day
    ("SITE_230504_043000_x.wav", "several ways", "*%y%m%d_%H%M%S*"),
    ("20230504_0430.wav", "a time or a number", "%Y%m%d_%H%M"),
    ("230504_0430.mp3", "", "%y%m%d_%H%M"),  # Sony
    ("20230504_043000_20230504_053000.wav", "two times", "%Y%m%d_%H%M%S*"),
    ("20230101_SITE_20230504_043000.wav", "two dates", "*%Y%m%d_%H%M%S"),
    ("20230101_20230504_043000.wav", "two dates", "*%Y%m%d_%H%M%S"),
    ("1905040430.wav", "a date", "%y%m%d%H%M"),
]
NOTHING = [
    "ZOOM0001.WAV", "ZOOM0001_LR.WAV", "230504_0061.WAV", "230504_9999.wav", "DR0000_0001.wav", "DS230001.WMA",
    "XC123456 - Common Blackbird - Turdus merula.mp3", "1-100032-A-0.wav", "New Recording 12.m4a", "M00001.wav",
    "10160435.wav", "rain.wav", "DEADBEEF.wav", "5cb0b7f4.wav", "20230504.wav", "20231304_043000.wav",
    "PTT-20230504-WA0001.opus",
    "20230504_253000.wav", "20230504_4300.wav", "0001.wav",
    "9999999999.wav", "Track 01.flac", "", ".wav", "20240230_120000.wav",
    "3232.wav", "12345678901234.wav", "Recording 2023-05-04 at 13.30.00 PM.m4a",
]  # fmt: skip


@pytest.mark.parametrize(("name", "time", "offset", "site", "serial"), READ, ids=[row[0] for row in READ])
def test_names_of_recorders(name, time, offset, site, serial):
    found = clock_of_name(name)
    assert found.wall is not None, found
    assert (str(found.wall.time), found.wall.offset_text) == (time, offset)
    assert (found.site, found.serial) == (site, serial)


@pytest.mark.parametrize(("name", "why", "pattern"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_can_be_read_in_several_ways_is_refused_with_a_pattern_that_reads_it(name, why, pattern):
    found = clock_of_name(name)
    assert found.wall is None
    assert why in found.why
    assert pattern in found.patterns
    stem = name.rpartition(".")[0]
    for one in found.patterns:
        assert read_pattern(one).read(stem) is not None, one


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_made_of_numbers_that_are_no_time(name):
    assert clock_of_name(name).wall is None


@pytest.mark.parametrize(
    ("name", "why"),
    [("230504_0061.WAV", "it has a date and no time of day"), ("20230504.wav", "it has a date and no time of day"),
     ("3-150363-A-5.ogg", ""), ("rain.wav", "")],
)  # fmt: skip
def test_dates_without_a_time_are_said(name, why):
    assert clock_of_name(name).why == why


def test_hashes_and_ids_of_neighbours_show_that_numbers_are_no_times():
    assert numbers_are_times(["5CB0B7F4.WAV", "5CB0B800.WAV", "rain.wav", "1683174600.wav"])
    assert not numbers_are_times(["5CB0B7F4.WAV", "A0B0B800.WAV"])
    assert not numbers_are_times(["1683174600.wav", "9683174600.wav"])
    found = clock_of_name("5CB0B7F4.WAV")
    assert with_trust_in_numbers(found, True) == found
    assert with_trust_in_numbers(found, False).wall is None
    other = clock_of_name("20230504_043000.WAV")
    assert with_trust_in_numbers(other, False) == other


@given(st.text(max_size=60) | st.text("0123456789_-.T $", max_size=40))
def test_any_name_has_an_answer(name):
    found = clock_of_name(name)
    assert found.wall is None or not found.why
    for pattern in found.patterns:
        read_pattern(pattern)


@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2069, 12, 31)),
    st.sampled_from(["%Y%m%d_%H%M%S", "%Y-%m-%d %H.%M.%S", "S1_%Y%m%d$%H%M%S"]),
)
def test_what_is_written_is_read(time, form):
    time = time.replace(microsecond=0)
    assert clock_of_name(f"{time.strftime(form)}.wav").wall.time == time


@pytest.mark.parametrize(
    "digits",
    ["230504", "040523", "050423", "310423", "231331", "991231", "311299", "000000", "20230504", "04052023", "05042023",
     "31122023", "12312023", "19791231", "19800101", "31121979", "01011980", "20691231", "20700101", "2023050"],
)  # fmt: skip
def test_digits_are_the_dates_that_they_can_be(digits):
    forms = {6: ["%y%m%d", "%d%m%y", "%m%d%y"], 8: ["%Y%m%d", "%d%m%Y", "%m%d%Y"]}.get(len(digits), [])
    wanted = []
    for form in forms:
        century = digits if len(digits) == 8 else None
        try:
            moment = datetime.strptime(digits, form)
        except ValueError:
            continue
        year = moment.year if century else 2000 + moment.year % 100
        if year <= 2069 and (century is None or year >= 1980):
            wanted.append(form)
    assert _dates(digits) == wanted


@pytest.mark.parametrize(
    ("digits", "is_one"),
    [("0000", True), ("2359", True), ("2400", False), ("2360", False), ("235959", True), ("235960", False)],
)
def test_digits_are_a_time_of_day(digits, is_one):
    assert _is_time(digits) == is_one
