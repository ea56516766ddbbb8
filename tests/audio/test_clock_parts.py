"""Wall clocks: which texts and numbers are times and offsets, and where that ends."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from mmasc.audio.clock_parts import (
    Wall,
    in_zone,
    offset_of,
    offset_text,
    wall_of,
    wall_of_iso,
    wall_of_unix,
    zone_of,
)
from mmasc.errors import MmascError

NOON = datetime(2024, 5, 1, 12)


@pytest.mark.parametrize(("year", "is_one"), [(1979, False), (1980, True), (2069, True), (2070, False)])
def test_years_that_a_recording_can_be_of(year, is_one):
    moment = datetime(year, 1, 1, 12)
    wanted = Wall(moment) if is_one else None
    assert wall_of([year, 1, 1, 12, 0, 0]) == wall_of_iso(f"{year}-01-01 12:00:00") == wanted
    unix = (moment - datetime(1970, 1, 1)).total_seconds()
    assert wall_of_unix(unix) == (Wall(moment, timedelta()) if is_one else None)


def test_what_is_no_time():
    for parts in ([2024, 13, 1, 0, 0, 0], [2024, 2, 30, 0, 0, 0], [2024, 1, 1, 24, 0, 0], [2024, 1, 1, 0, 0, 60]):
        assert wall_of(parts) is None
    assert wall_of([2024, 5, 1, 12, 0, 0], 1_000_000) is None
    assert wall_of([2024, 5, 1, 12, 0, 0], 999_999) == Wall(NOON.replace(microsecond=999_999))
    for text in ("", "noon", "2024-05-01T25:00:00"):
        assert wall_of_iso(text) is None
    assert wall_of_iso(" 2024-05-01T12:00:00\n") == Wall(NOON)
    for seconds in (float("nan"), float("inf"), 1e20, -1e20):
        assert wall_of_unix(seconds) is None


def test_offsets_reach_fourteen_hours_to_both_sides():
    for hours, is_one in ((14, True), (-14, True), (15, False), (-15, False)):
        offset = timedelta(hours=hours)
        wanted = Wall(NOON, offset) if is_one else None
        assert wall_of([2024, 5, 1, 12, 0, 0], 0, offset) == wanted
        assert wall_of_iso(f"2024-05-01T12:00:00{hours:+03d}:00") == wanted
        assert offset_of(f"{hours:+03d}:00") == (offset if is_one else None)
    assert offset_of("+14:01") is None


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("Z", 0), ("z", 0), ("UTC", 0), ("+00:00", 0), ("+2", 120), ("-5", -300), ("+0530", 330), ("-03:30", -210),
        ("+1:59", 119), ("+1:60", None), ("2", None), ("+", None), ("+123", 83),
        ("+1234", 754), ("+12345", None), ("+1:5", None), ("", None),
    ],
)  # fmt: skip
def test_offsets_as_texts(text, minutes):
    assert offset_of(text) == (None if minutes is None else timedelta(minutes=minutes))


@pytest.mark.parametrize("minutes", [-840, -210, -60, -1, 0, 1, 59, 60, 330, 840])
def test_an_offset_comes_back_from_its_text(minutes):
    text = offset_text(timedelta(minutes=minutes))
    assert len(text) == 6
    assert offset_of(text) == timedelta(minutes=minutes)
    assert Wall(NOON, timedelta(minutes=minutes)).offset_text == text
    assert Wall(NOON).offset_text is None


def test_clocks_are_compared_in_utc_where_both_say_it():
    east, west = Wall(NOON, timedelta(hours=2)), Wall(NOON, timedelta(hours=-3))
    assert east.seconds_from(west) == west.seconds_from(east) == 5 * 3_600
    assert east.seconds_from(Wall(NOON + timedelta(seconds=7))) == 7
    assert Wall(NOON).seconds_from(east) == 0


def test_zones_by_name_and_offset():
    assert zone_of("+05:30") == timezone(timedelta(hours=5, minutes=30))
    assert zone_of("UTC").utcoffset(None) == timedelta()
    assert zone_of("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    with pytest.raises(MmascError, match="'Europe/Nowhere' is not a time zone; give a name like"):
        zone_of("Europe/Nowhere")


def test_a_moment_in_another_zone():
    berlin = ZoneInfo("Europe/Berlin")
    assert in_zone(Wall(NOON), berlin) == Wall(NOON, timedelta(hours=2))
    assert in_zone(Wall(datetime(2024, 1, 1)), berlin) == Wall(datetime(2024, 1, 1), timedelta(hours=1))
    assert in_zone(Wall(NOON, timedelta(hours=-5)), berlin) == Wall(NOON + timedelta(hours=7), timedelta(hours=2))
