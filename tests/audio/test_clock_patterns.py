"""Patterns of users: what they read, what is refused in one line; zones."""

import contextlib
import string
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmasc.audio.clock_parts import Wall, in_zone, offset_of, offset_text, wall_of_iso, zone_of
from mmasc.audio.clock_patterns import read_pattern
from mmasc.errors import MmascError


@pytest.mark.parametrize(
    ("pattern", "stem", "folders", "time", "parts"),
    [
        ("%d%m%Y_%H%M%S", "01022023_043000", (), "2023-02-01 04:30:00", {}),
        ("%m%d%Y_%H%M%S", "01022023_043000", (), "2023-01-02 04:30:00", {}),
        ("%y%m%d_%H%M", "230504_0430", (), "2023-05-04 04:30:00", {}),
        ("{site}_%Y%m%d_%H%M%S", "NORTH_POND_20230504_043000", (), "2023-05-04 04:30:00", {"site": "NORTH_POND"}),
        (
            "{site}/*/%H%M%S-%d.%m.%y*",
            "043000-4.5.23 take 2",
            ("x", "pond", "card"),
            "2023-05-04 04:30:00",
            {"site": "pond"},
        ),
        ("%Y-%m-%d/{recorder}-%H.%M", "A1-4.30", ("2023-05-04",), "2023-05-04 04:30:00", {"recorder": "A1"}),
        ("%d %b %Y %I.%M %p", "4 May 2023 4.30 PM", (), "2023-05-04 16:30:00", {}),
        ("%Y%j%H%M%S", "2023124043000", (), "2023-05-04 04:30:00", {}),
        ("*_%s", "x_1683174600", (), "2023-05-04 04:30:00", {}),
        ("%Y%m%dT%H%M%S.%f", "20230504T043000.25", (), "2023-05-04 04:30:00.250000", {}),
        ("100%%**{{x}}%Y%m%d%H", "100%*{x}2023050404", (), "2023-05-04 04:00:00", {}),
    ],
)
def test_what_patterns_read(pattern, stem, folders, time, parts):
    wall, found = read_pattern(pattern).read(stem, folders)
    assert (str(wall.time), found) == (time, parts)


def test_patterns_without_a_time_read_their_parts_alone():
    assert read_pattern("{site}/*").read("rain", ("pond",)) == (None, {"site": "pond"})


@pytest.mark.parametrize("stem", ["010220231_043000", "31022023_043000", "x01022023_043000", "01022023_253000", ""])
def test_names_that_do_not_fit(stem):
    assert read_pattern("%d%m%Y_%H%M%S").read(stem) is None


def test_too_few_folders_do_not_fit():
    assert read_pattern("{site}/%Y%m%d%H").read("2023050404") is None


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "1 to 300 characters"), ("x" * 301, "1 to 300"), ("%Y%m%d", "lacks an hour"), ("%H%M%S", "lacks a date"),
        ("%Y%m%d_%I", "lacks an hour"), ("%Y%q", "there is no %q"),
        ("{place}_%Y%m%d%H", "there is no {place}; there are"),
        ("%Y%Y%m%d%H", "%Y occurs twice"), ("{site}{site}", "site occurs twice"), ("*", "it reads nothing"),
        ("{site", "stands alone"), ("%Y%m%d%H}", "stands alone"), ("*" + "x*" * 9 + "%s", "more than 8"),
        ("%Y%m%d%H%", "there is no %"),
    ],
)  # fmt: skip
def test_patterns_that_cannot_be_read(pattern, said):
    with pytest.raises(MmascError) as caught:
        read_pattern(pattern)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2068, 12, 31)),
    st.sampled_from("_- .T"),
    st.text(string.ascii_letters, max_size=5),
)
def test_patterns_read_what_strftime_writes(time, between, front):
    for form in ("%Y%m%d{}%H%M%S%f", "%y%j{}%H%M%S.%f", "%d.%m.%Y{}%I%M%S%p%f"):
        form = form.format(between)
        wall, _ = read_pattern(f"*{form}").read(front + time.strftime(form))
        assert wall == Wall(time)


@given(st.text("%YmdHMS*{}site/_0-", max_size=30), st.text("0123456789_-", max_size=20))
def test_any_pattern_reads_or_is_refused(pattern, stem):
    with contextlib.suppress(MmascError):
        read_pattern(pattern).read(stem)


def test_zones():
    summer, winter = (wall_of_iso(text) for text in ("2023-07-01T12:00:00Z", "2023-01-01T12:00:00Z"))
    berlin = zone_of("Europe/Berlin")
    assert [(str(one.time), one.offset_text) for one in (in_zone(summer, berlin), in_zone(winter, berlin))] == [
        ("2023-07-01 14:00:00", "+02:00"), ("2023-01-01 13:00:00", "+01:00"),
    ]  # fmt: skip
    # a clock that does not say its offset is of the zone already
    assert in_zone(wall_of_iso("2023-07-01T12:00:00"), berlin) == wall_of_iso("2023-07-01T12:00:00+02:00")
    assert in_zone(summer, zone_of("-03:30")).offset_text == "-03:30"
    assert summer.seconds_from(in_zone(summer, berlin)) == 0
    assert summer.seconds_from(wall_of_iso("2023-07-01T12:00:10")) == 10


@pytest.mark.parametrize("name", ["", "Europe/Berlim", "../../etc/passwd", "+25:00", "CESTX", "02:00"])
def test_zones_that_are_none(name):
    with pytest.raises(MmascError, match="is not a time zone; give a name like Europe/Berlin"):
        zone_of(name)


@given(st.integers(-14 * 60, 14 * 60))
def test_offsets_are_read_as_they_are_written(minutes):
    text = offset_text(offset_of(f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60}:{abs(minutes) % 60:02d}"))
    assert offset_of(text).total_seconds() == 60 * minutes
