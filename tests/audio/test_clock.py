"""Which of pattern, chunks and name counts, and what is said where they differ."""

import pytest

from mmasc.audio.clock import Clock, ClockReader, ClockRules, read_clock
from tests.helpers.recorder_files import bext_body, chunk, info_list, recorder_file, wamd_items

COMMENT = (
    "Recorded at 03:30:00 04/05/2023 (UTC) by AudioMoth 24F3190361DA5D2E at medium gain while temperature was 7.5C."
)


@pytest.fixture
def moth(tmp_path):
    """An AudioMoth whose clock ran in UTC, in a folder named by the site."""
    return recorder_file(tmp_path / "pond" / "20230504_033000.WAV", before=chunk(b"LIST", info_list(COMMENT)))


def shown(clock):
    return None if clock.wall is None else (str(clock.wall.time), clock.wall.offset_text, clock.source)


def test_the_recorder_counts_before_the_name(moth):
    clock = read_clock(moth)
    assert shown(clock) == ("2023-05-04 03:30:00", "+00:00", "audiomoth")
    assert (clock.serial, clock.gain, clock.temperature, clock.apart) == ("24F3190361DA5D2E", "medium", 7.5, 0)


def test_a_file_that_says_nothing(tmp_path):
    assert read_clock(recorder_file(tmp_path / "noise.wav")) == Clock()
    assert (Clock().wall, Clock().source, Clock().apart, Clock().misfit) == (None, "", 0, False)
    (tmp_path / "gone.wav").unlink(missing_ok=True)
    assert read_clock(tmp_path / "gone.wav") == Clock()
    assert read_clock(tmp_path / "gone.wav", ClockRules.of("%Y%m%d_%H%M%S")).misfit


def test_a_zone_turns_clocks_that_say_theirs_and_is_that_of_others(moth, tmp_path):
    rules = ClockRules.of(timezone="Europe/Berlin")
    assert shown(read_clock(moth, rules)) == ("2023-05-04 05:30:00", "+02:00", "audiomoth")
    assert shown(read_clock(tmp_path / "20230504_043000.wav", rules)) == ("2023-05-04 04:30:00", "+02:00", "name")


def test_a_pattern_counts_before_all(moth):
    clock = read_clock(moth, ClockRules.of("{site}/%Y%d%m_%H%M%S"))
    assert shown(clock) == ("2023-04-05 03:30:00", None, "pattern")
    assert (clock.site, clock.apart, clock.misfit) == ("pond", 29 * 86_400, False)


def test_where_a_pattern_does_not_fit_the_others_count(moth):
    clock = read_clock(moth, ClockRules.of("x_%Y%m%d%H"))
    assert shown(clock) == ("2023-05-04 03:30:00", "+00:00", "audiomoth")
    assert clock.misfit


def test_a_pattern_of_the_site_alone_leaves_the_time_to_the_others(moth):
    clock = read_clock(moth, ClockRules.of("{site}/*"))
    assert shown(clock) == ("2023-05-04 03:30:00", "+00:00", "audiomoth")
    assert clock.site == "pond"


def test_names_count_before_bext_and_differences_are_said(tmp_path):
    exported = chunk(b"bext", bext_body("2024-01-01", "12:00:00", originator="unknown"))
    clock = read_clock(recorder_file(tmp_path / "20230504_043000.wav", before=exported))
    assert shown(clock) == ("2023-05-04 04:30:00", None, "name")
    assert clock.apart > 86_400
    assert shown(read_clock(recorder_file(tmp_path / "a.wav", before=exported))) == (
        "2024-01-01 12:00:00",
        None,
        "bext",
    )


def test_a_few_seconds_are_no_difference(tmp_path):
    for name, apart in [("POND_20230504_043003.wav", 0.0), ("POND_20230504_043020.wav", 20.0)]:
        items = {0x05: "2023-05-04 04:30:00+10:00", 0x04: "LAKE"}
        clock = read_clock(recorder_file(tmp_path / name, after=chunk(b"wamd", wamd_items(items))))
        assert (clock.apart, clock.site) == (apart, "LAKE")


def test_a_file_that_is_gone_has_its_name(tmp_path):
    assert shown(read_clock(tmp_path / "5678.230504043000.wav")) == ("2023-05-04 04:30:00", None, "name")
    assert read_clock(tmp_path / "5678.230504043000.wav").serial == "5678"


def test_numbers_count_only_where_all_of_them_can_be_times(tmp_path):
    names = ["5CB0B7F4.WAV", "A0B1C2D3.WAV"]
    assert ClockReader(ClockRules(), names[:1]).read(tmp_path / names[0]).wall is not None
    assert ClockReader(ClockRules(), names).read(tmp_path / names[0]).wall is None
