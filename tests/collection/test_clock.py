"""Clocks in the table of recordings: set when embedding and afterwards, never over what users keep there."""

import json
from datetime import datetime

import pyarrow as pa
import pytest

import mmasc
from mmasc.audio.clock import ClockRules
from mmasc.collection import Collection
from mmasc.collection.clock import (
    CLOCK_TYPES,
    begin_column,
    begin_of,
    begins,
    clock_at,
    columns_of_users,
    note_of,
    noted,
)
from mmasc.collection.stamps import CLOCK_NOTE
from mmasc.errors import MmascError
from tests.helpers.collections import table_of, write
from tests.helpers.command import run
from tests.helpers.recorder_files import chunk, info_list, recorder_file, wamd_items

COMMENT = (
    "Recorded at 02:30:00 04/05/2023 (UTC) by AudioMoth 24F3190361DA5D2E at medium gain while temperature was 7.5C."
)
MORNING = datetime(2023, 5, 4, 4, 30)


@pytest.fixture
def field(tmp_path):
    """A Song Meter's file with metadata, an AudioMoth's with a comment, one with a name alone, one with nothing."""
    items = {
        1: "SM4",
        2: "S4A01234",
        4: "POND",
        5: "2023-05-04 04:30:00+02:00",
        0x14: "WGS84,47.5,N,8.25,E",
        0x15: "9.5C",
    }
    folder = tmp_path / "field"
    recorder_file(folder / "POND_20230504_043000.wav", after=chunk(b"wamd", wamd_items(items)), seconds=3)
    recorder_file(folder / "20230504_023000.WAV", before=chunk(b"LIST", info_list(COMMENT)), level=0.5)
    write(folder / "WOOD_20230505_213000.wav", 0.1)
    write(folder / "rain.wav", -0.25)
    return folder


def times(folder):
    return {path: (row.get("recorded_at"), row.get("utc_offset")) for path, row in table_of(folder).items()}


def test_embedding_reads_clocks(field, tmp_path, registered):
    report = mmasc.embed(field, tmp_path / "c", registered)
    assert report.remarks == []
    assert times(tmp_path / "c") == {
        "POND_20230504_043000.wav": (MORNING, "+02:00"),
        "20230504_023000.WAV": (datetime(2023, 5, 4, 2, 30), "+00:00"),
        "WOOD_20230505_213000.wav": (datetime(2023, 5, 5, 21, 30), None),
        "rain.wav": (None, None),
    }
    row = table_of(tmp_path / "c")["POND_20230504_043000.wav"]
    assert (row["site"], row["recorder"], row["serial"]) == ("POND", "Wildlife Acoustics SM4", "S4A01234")
    assert (row["temperature"], row["latitude"], row["longitude"], row["gain"]) == (9.5, 47.5, 8.25, None)
    schema = Collection(tmp_path / "c").recordings.schema
    assert {name: schema.field(name).type for name in CLOCK_TYPES} == CLOCK_TYPES
    assert CLOCK_NOTE not in Collection(tmp_path / "c").metadata_columns


def test_no_column_is_made_where_nothing_is_known(tmp_path, registered):
    write(tmp_path / "s" / "rain.wav", 0.25)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    assert Collection(tmp_path / "c").metadata_columns == []


def test_clocks_can_be_left_out_and_read_later(field, tmp_path, registered):
    mmasc.embed(field, tmp_path / "c", registered, clock=False)
    assert Collection(tmp_path / "c").metadata_columns == []
    collection = Collection(tmp_path / "c")
    plan = collection.read_clocks(dry_run=True)
    assert collection.metadata_columns == []
    report = collection.read_clocks()
    assert plan == report
    assert (report.sources, report.without, report.changed) == ({"wamd": 1, "audiomoth": 1, "name": 1}, 1, 3)
    mmasc.embed(field, tmp_path / "d", registered)
    own = [*CLOCK_TYPES, CLOCK_NOTE]
    one, other = table_of(tmp_path / "c"), table_of(tmp_path / "d")
    assert {path: [row[name] for name in own] for path, row in one.items()} == {
        path: [row[name] for name in own] for path, row in other.items()
    }
    assert collection.read_clocks().changed == 0


def test_a_zone_is_that_of_the_place(field, tmp_path, registered):
    mmasc.embed(field, tmp_path / "c", registered, timezone="Europe/Berlin")
    assert times(tmp_path / "c")["20230504_023000.WAV"] == (MORNING, "+02:00")
    assert times(tmp_path / "c")["WOOD_20230505_213000.wav"] == (datetime(2023, 5, 5, 21, 30), "+02:00")
    # a clock that is the same keeps the offset that is known
    Collection(tmp_path / "c").read_clocks()
    assert times(tmp_path / "c")["WOOD_20230505_213000.wav"] == (datetime(2023, 5, 5, 21, 30), "+02:00")
    assert times(tmp_path / "c")["20230504_023000.WAV"] == (datetime(2023, 5, 4, 2, 30), "+00:00")
    Collection(tmp_path / "c").read_clocks(timezone="UTC")
    assert times(tmp_path / "c")["POND_20230504_043000.wav"] == (datetime(2023, 5, 4, 2, 30), "+00:00")


def test_a_column_of_the_users_own_is_never_written(field, tmp_path, registered):
    table = tmp_path / "m.csv"
    table.write_text("path,site,gain\nPOND_20230504_043000.wav,lake,3\nrain.wav,roof,4\n")
    mmasc.embed(field, tmp_path / "c", registered, metadata=table)
    rows = table_of(tmp_path / "c")
    assert {row["site"] for row in rows.values()} == {"lake", "roof", None}
    assert {row["gain"] for row in rows.values()} == {3, 4, None}
    report = Collection(tmp_path / "c").read_clocks("{site}_*")
    assert report.kept == ["gain", "site"]
    after = table_of(tmp_path / "c")
    assert {path: (row["site"], row["gain"]) for path, row in rows.items()} == {
        path: (row["site"], row["gain"]) for path, row in after.items()
    }
    # also of recordings that come later, without a table
    recorder_file(field / "HILL_20230506_043000.wav", level=0.3)
    mmasc.embed(field, tmp_path / "c", registered)
    assert table_of(tmp_path / "c")["HILL_20230506_043000.wav"]["site"] is None
    assert table_of(tmp_path / "c")["HILL_20230506_043000.wav"]["recorded_at"] == datetime(2023, 5, 6, 4, 30)


def test_what_users_say_later_wins(field, tmp_path, registered):
    mmasc.embed(field, tmp_path / "c", registered)
    table = tmp_path / "m.csv"
    table.write_text("path,site,recorded_at\nWOOD_20230505_213000.wav,7,2020-01-02 03:04\n")
    mmasc.embed(field, tmp_path / "c", registered, metadata=table)
    wood = table_of(tmp_path / "c")["WOOD_20230505_213000.wav"]
    assert (wood["site"], wood["recorded_at"]) == ("7", datetime(2020, 1, 2, 3, 4))
    Collection(tmp_path / "c").read_clocks()
    assert table_of(tmp_path / "c")["WOOD_20230505_213000.wav"] == wood
    table.write_text("path,recorded_at\nWOOD_20230505_213000.wav,noon\n")
    with pytest.raises(MmascError, match="column 'recorded_at': 'noon' is not a time"):
        mmasc.embed(field, tmp_path / "c", registered, metadata=table)


def test_times_of_users_are_clocks_too(tmp_path, registered):
    write(tmp_path / "s" / "a.wav", 0.25, 3)
    (tmp_path / "m.csv").write_text("path,recorded_at\na.wav,2023-05-04T23:59:59\n")
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered, metadata=tmp_path / "m.csv")
    hits = Collection(tmp_path / "c").search(text="ab", k=3, where="hour(clock) = 0", windows=True)
    assert sorted(hit.clock for hit in hits) == ["2023-05-05 00:00:00", "2023-05-05 00:00:01"]


def test_changed_content_gets_its_own_clock(field, tmp_path, registered):
    mmasc.embed(field, tmp_path / "c", registered)
    recorder_file(field / "POND_20230504_043000.wav", level=0.75, seconds=2)
    assert mmasc.embed(field, tmp_path / "c", registered).changed == 1
    row = table_of(tmp_path / "c")["POND_20230504_043000.wav"]
    assert (row["recorded_at"], row["utc_offset"], row["temperature"], row["site"]) == (MORNING, None, None, "POND")


def test_names_that_can_be_read_in_several_ways_are_said_with_what_to_give(tmp_path, registered):
    write(tmp_path / "s" / "01022023_043000.wav", 0.25)
    report = mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    (line,) = report.remarks
    assert "1 recording got no clock: 01022023_043000.wav" in line
    assert '--clock "%d%m%Y_%H%M%S" or --clock "%m%d%Y_%H%M%S"' in line
    report = Collection(tmp_path / "c").read_clocks("%d%m%Y_%H%M%S")
    assert (report.remarks, report.sources) == ([], {"pattern": 1})
    assert times(tmp_path / "c")["01022023_043000.wav"][0] == datetime(2023, 2, 1, 4, 30)
    # of several without a clock the first that a pattern would help is named
    for name in ("00 rain.wav", "02022023_043000.wav"):
        write(tmp_path / "s" / name, 0.5)
    (line,) = mmasc.embed(tmp_path / "s", tmp_path / "other", registered).remarks
    assert "2 recordings got no clock: 01022023_043000.wav" in line
    # what a pattern told stays where nothing is known without it
    assert Collection(tmp_path / "c").read_clocks().changed == 0


def test_differences_between_name_and_recorder_are_said(tmp_path, registered):
    recorder_file(tmp_path / "s" / "20230504_023200.WAV", before=chunk(b"LIST", info_list(COMMENT)))
    report = mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    assert "1 recording has another time in the name" in report.remarks[0]
    assert "20230504_023200.WAV by 0:02:00 h" in report.remarks[0]
    assert times(tmp_path / "c")["20230504_023200.WAV"][0] == datetime(2023, 5, 4, 2, 30)


def test_faults_are_said_before_anything_is_stored(field, tmp_path, registered):
    for options in ({"clock": "%q"}, {"timezone": "Mars"}):
        with pytest.raises(MmascError, match="pattern|time zone"):
            mmasc.embed(field, tmp_path / "c", registered, **options)
    assert not (tmp_path / "c").exists()


def test_merging_takes_clocks_over_as_clocks(field, tmp_path, registered):
    mmasc.embed(field, tmp_path / "a", registered, clock=False)
    mmasc.embed(field, tmp_path / "b", registered)
    Collection(tmp_path / "a").merge(tmp_path / "b")
    Collection(tmp_path / "a").read_clocks(timezone="UTC")
    assert times(tmp_path / "a")["POND_20230504_043000.wav"] == (datetime(2023, 5, 4, 2, 30), "+00:00")


def test_hits_have_the_clock_of_their_window(field, tmp_path, registered, standin):
    mmasc.embed(field, tmp_path / "c", registered)
    collection = Collection(tmp_path / "c")
    hits = collection.search(text="ab", k=20, windows=True)
    known = {(hit.path.rpartition("/")[2], hit.start): hit.clock for hit in hits}
    assert known["POND_20230504_043000.wav", 2.0] == "2023-05-04 04:30:02"
    assert known["rain.wav", 0.0] is None
    assert json.loads(json.dumps(hits)) == [dict(hit) for hit in hits]
    assert ["clock" in hit for hit in hits] == [hit.clock is not None for hit in hits]
    for where, found in [
        ("hour(clock) = 4 and second(clock) = 1", [1.0]),
        ("clock >= '2023-05-04 04:30:01' and clock < '2023-05-05'", [1.0, 2.0]),
        ("clock is null", [0.0]),
        ("hour(recorded_at) between 4 and 7", [0.0, 1.0, 2.0]),
    ]:
        assert sorted(hit.start for hit in collection.search(text="ab", k=20, where=where, windows=True)) == found


def test_clock_at():
    assert clock_at(datetime(2024, 5, 1, 4), 800.4) == "2024-05-01 04:13:20"
    assert clock_at(datetime(2023, 12, 31, 23, 59, 59, 900_000), 0.1) == "2024-01-01 00:00:00"
    assert clock_at(None, 3.0) == ""


def test_notes_tell_what_is_ours():
    ours = {"recorded_at": MORNING, "site": "POND", "temperature": 9.5}
    assert noted(note_of(ours)) == ours
    for damaged in (
        None,
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"3",
        b'{"recorded_at": 3}',
        b'{"recorded_at": "x"}',
        b"[" * 99_999,
    ):
        assert noted(damaged) == {}
    rows = {"site": ["POND", "lake", None], "serial": ["1", None, None], "gain": pa.array([1, None, None], pa.int64())}
    notes = [note_of({"site": "POND", "serial": "1"})] * 3
    assert columns_of_users(pa.table({**rows, CLOCK_NOTE: notes})) == {"site", "gain"}
    assert begins(pa.table(rows)) == [None] * 3


@pytest.mark.parametrize(
    "column",
    [
        pa.array([MORNING, None], pa.timestamp("us")), pa.array(["2023-05-04 04:30", "noon"]),
        pa.array(["2023-05-04T04:30:00+02:00", None]), pa.array([None, None], pa.timestamp("us")), pa.array([1, 2]),
    ],
)  # fmt: skip
def test_begins_one_by_one_and_all_are_the_same(column):
    table = pa.table({"recorded_at": column})
    assert [begin_of(table, row) for row in range(2)] == begins(table) == begin_column(table).to_pylist()
    assert begins(table) in ([MORNING, None], [None, None])
    assert begin_of(table.rename_columns(["other"]), 0) is None


def test_rules_without_anything():
    assert ClockRules.of() == ClockRules()


# ------------------------------------------------------------------------------------------ the command


def test_the_command(field, tmp_path, registered, capsys):
    mmasc.embed(field, tmp_path / "c", registered, clock=False)
    status, out, err = run("collection", "clock", tmp_path / "c", "--dry-run", capsys=capsys)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "3 of 4 recordings have a clock: 1 from wamd metadata, 1 from AudioMoth comments, 1 from names",
        "1 do not say how far it is from UTC; --timezone ZONE says it",
        '1 have none, as rain.wav; where names tell it: --clock "{site}_%Y%m%d_%H%M%S" or the like',
        "3 recordings would be changed",
    ]
    status, out, _ = run(
        "collection", "clock", tmp_path / "c", "--timezone", "+02:00", "--format", "json", capsys=capsys
    )
    said = json.loads(out)
    assert (said["recordings"], said["wamd"], said["without"], said["offsets"], said["changed"]) == (4, 1, 1, 3, 3)
    status, _, err = run("collection", "clock", tmp_path / "c", "--clock", "%q", capsys=capsys)
    assert (status, err.count("\n")) == (1, 1)
    status, _, err = run("embed", field, "--into", tmp_path / "d", "--no-clock", "--clock", "%s", capsys=capsys)
    assert status == 2


def test_the_table_of_a_search_shows_clocks(field, tmp_path, registered, capsys):
    mmasc.embed(field, tmp_path / "c", registered)
    _, out, _ = run("search", tmp_path / "c", "ab", "-k", "1", "--where", "site = 'POND' and start = 2", capsys=capsys)
    assert out.splitlines()[0].split()[:6] == ["rank", "path", "start", "end", "score", "clock"]
    assert "2023-05-04 04:30:02" in out
    _, out, _ = run("search", tmp_path / "c", "ab", "-k", "1", "--where", "path = 'rain.wav'", capsys=capsys)
    assert "clock" not in out
