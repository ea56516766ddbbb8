"""Conditions in SQL: read whole or refused in one line, and the same rows as SQLite finds."""

import shlex
import sqlite3
from datetime import date, datetime

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmasc.collection.condition_texts import _WORDS as WORDS
from mmasc.collection.condition_texts import quoted_name, quoted_value, where_option
from mmasc.collection.filters import passing_recordings
from mmasc.errors import MmascError

TABLE = pa.table(
    {
        "id": pa.array(range(8), pa.int64()),
        "path": ["a.wav", "b.wav", "it's.wav", "Käuz.flac", "a%b_c.wav", "x;y.wav", "back\\slash", "e.wav"],
        "duration": [0.5, 1.0, 2.5, 10.0, 0.0, 3.25, 60.0, 7.0],
        "channels": pa.array([1, 2, 1, 1, 4, 2, 1, 1], pa.int32()),
        "level": pa.array([1, None, 3, -4, 5, None, 0, 2], pa.int64()),
        "recorded by": ["ann", None, "bob", "ann", "", None, "Ann", "o'neil"],
        "site.name": ["pond", "wood", None, "pond", "wood", "wood", None, "x"],
        'quo"te': pa.array([None, 1.5, 2.0, None, -1.0, 0.0, 1e9, 3.0], pa.float64()),
        "end": ["x"] * 4 + [None] * 4,
        "recorded": ["2024-05-31T06:30:00", "2024-06-01T22:00:00+02:00", None, "2023-01-01"] + ["2024-05-31"] * 4,
        "nothing": pa.array([None] * 8, pa.string()),
    }
)


RECORDED = ["2024-05-31T06:30:00", "2024-06-02T22:00:59.5", None, "2023-01-01T00:00:00", "2024-05-31T04:00:00"]
CLOCKS = pa.table(
    {
        "id": pa.array(range(5), pa.int64()),
        "path": list("abcde"),
        "recorded_at": pa.array([one and datetime.fromisoformat(one) for one in RECORDED], pa.timestamp("us")),
    }
)


def passing(where: str) -> list[int]:
    return passing_recordings(where, TABLE).tolist()


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("\"recorded by\" = 'ann'", [0, 3]),
        ("`recorded by` = 'ann'", [0, 3]),
        ('"recorded by" IS NOT NULL', [0, 2, 3, 4, 6, 7]),
        ("\"recorded by\" ILIKE 'ANN'", [0, 3, 6]),
        ("site.name = 'pond'", [0, 3]),
        ("site.\"name\" = 'pond'", [0, 3]),
        ("SITE.Name = 'pond'", [0, 3]),
        ("\"site.name\" IN ('pond', 'x')", [0, 3, 7]),
        ('"quo""te" > 1.5 AND level < 2.5', [6, 7]),
        ("end = 'x'", [0, 1, 2, 3]),
        ("PATH LIKE 'a%'", [0, 4]),
        ("path LIKE 'a\\%b\\_c%'", [4]),
        ("path LIKE 'a\\%b\\_c%' ESCAPE '\\'", [4]),
        ("path LIKE '%.wav' ESCAPE '\\' AND level = 5", [4]),
        ("path = 'it''s.wav'", [2]),
        ("path = 'x;y.wav'", [5]),
        ("path = 'back\\slash'", [6]),
        ("lower(path) LIKE 'k_uz%'", [3]),
        ("level = 1.0 OR level * 2 = -8", [0, 3]),
        ("level IN (1, 2.0, NULL)", [0, 7]),
        ("level NOT IN (1, NULL)", []),
        ("level NOT BETWEEN 0 AND 3", [3, 4]),
        ("NOT level = 1", [2, 3, 4, 6, 7]),
        ("level IS DISTINCT FROM 1", [1, 2, 3, 4, 5, 6, 7]),
        ("(level > 0) IS NOT TRUE", [1, 3, 5, 6]),
        ("CASE WHEN channels > 1 THEN level IS NULL ELSE duration > 5 END", [1, 3, 5, 6, 7]),
        ("CASE WHEN level > 2 THEN 'big' WHEN channels = 1 THEN 'one' ELSE path END = 'one'", [0, 3, 6, 7]),
        ("CASE WHEN level > 2 THEN 1 WHEN channels = 1 THEN 2.5 ELSE channels END > 1.5", [0, 1, 3, 5, 6, 7]),
        ("CASE WHEN level > 2 THEN 1 WHEN channels = 1 THEN 2 WHEN duration > 3 THEN 0.5 END = 0.5", [5]),
        ("channels::double / 2 > 1", [4]),
        ("CAST(level AS text) = '5'", [4]),
        ("recorded >= '2024-06' AND recorded < '2025'", [1]),
        ("CAST(recorded AS timestamp) > '2024-05-31T01:00:00'", [0, 1]),
        ("hour(recorded) = 20 OR extract(minute FROM recorded) = 30", [0, 1]),
        ("date_part('year', recorded) = 2023", [3]),
        ("strftime('%m', recorded) = '06' OR to_char(recorded, '%Y') = '2023'", [1, 3]),
        ("try_cast(path AS timestamp) IS NULL AND try_cast(path AS integer) IS NULL AND level = 0", [6]),
        ("regexp_like(path, '^[ab]\\.wav$') OR path ~* '^E'", [0, 1, 7]),
        ("contains(path, '.flac') OR starts_with(path, 'x') OR ends_with(path, 'slash')", [3, 5, 6]),
        ("substr(path, 2, 4) = '.wav' AND left(path, 1) || right(path, 1) = 'ev'", [7]),
        ("coalesce(level, -1) = -1 AND nullif(channels, 2) IS NULL", [1, 5]),
        ("round(duration) = 3 AND abs(-duration) > 0 AND floor(duration) < ceil(duration)", [2, 5]),
        ("channels % 2 = 0 AND mod(channels, 4) = 0", [4]),
        ("replace(path, '.wav', '') = 'e'", [7]),
        ("nothing = 'x' OR nothing IS NULL", list(range(8))),
        ("NULL", []),
        ("1 = 1", list(range(8))),
        ("-duration <= -60", [6]),
    ],
)
def test_what_conditions_mean(where, ids):
    assert passing(where) == ids


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("hour(recorded_at) between 4 and 7", [0, 4]),
        ("hour(recorded_at) not between 4 and 7", [1, 3]),
        ("minute(recorded_at) = 30 or second(recorded_at) = 59", [0, 1]),
        ("month(recorded_at) = 5 and year(recorded_at) = 2024 and day(recorded_at) = 31", [0, 4]),
        ("weekday(recorded_at) = 7", [1, 3]),
        ("weekday(recorded_at) in (1, 5)", [0, 4]),
        ("date(recorded_at) = '2024-05-31'", [0, 4]),
        ("date(recorded_at) = date '2024-05-31'", [0, 4]),
        ("recorded_at >= '2024-05-31'", [0, 1, 4]),
        ("recorded_at > '2024-05-31 04:00'", [0, 1]),
        ("recorded_at between '2023-01-01' and '2024-05-31T04:00:00'", [3, 4]),
        ("recorded_at is null", [2]),
        ("extract(hour from recorded_at) = 22", [1]),
    ],
)
def test_conditions_on_clocks(where, ids):
    assert passing_recordings(where, CLOCKS).tolist() == ids


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("recorded_at >= 'yesterday'", "'yesterday' is not a time like 2024-05-31T06:30:00"),
        ("recorded_at >= 2024", "cannot take recorded_at at character 1 .time. with 2024 .number."),
        ("hour(path) = 4", "'a' is not a time"),
        ("hour(4) = 4", "HOUR at character 1 takes a time, not a number"),
        ("hours(recorded_at) = 4", "unknown function hours at character 1; did you mean hour"),
        (
            "hour(clock) = 4",
            "there is no column 'clock' .*; clocks of recordings are read with: mmasc collection clock;",
        ),
        ("date(recorded_at)", "is a time, not a condition"),
    ],
)
def test_conditions_on_clocks_that_are_refused(where, said):
    with pytest.raises(MmascError, match=said) as caught:
        passing_recordings(where, CLOCKS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("1=1; and path like '0%'", "a semicolon at character 4"),
        ("1=1;", "a semicolon at character 4"),
        ("1=1 -- and path = 'x'", "a comment .* at character 5"),
        ("1=1 /* and */ and level = 1", "a comment"),
        ("1=1 level = 1", "unexpected 'level' at character 5, behind the condition"),
        ("level = 1)", "unexpected '\\)' at character 10"),
        ("(level = 1", "expected \\) at the end"),
        ("'x' = 'y", "the quote ' at character 7 is not closed"),
        ("level = (SELECT 1)", "a statement \\(SELECT\\) at character 10"),
        ("EXISTS (SELECT 1)", "a statement"),
        ("DROP TABLE recordings", "a statement"),
        ("levl = 1", "there is no column 'levl' \\(character 1\\); did you mean level"),
        ('path = "a.wav"', "there is no column 'a.wav' .*single quotes"),
        ("repeat(path, 1000000000) = 'x'", "unknown function repeat at character 1"),
        ("lowr(path) = 'x'", "unknown function lowr .*did you mean lower"),
        ("path = 3", "cannot take path .*text.*3 .*number"),
        ("level = '3'", "cannot take level .*number.*text"),
        ("path IN (1, 2)", "cannot take"),
        ("path", "path at character 1 is a text, not a condition"),
        ("level AND path = 'x'", "level at character 1 is a number"),
        ("level / 0 = 1", "cannot be worked out \\(divide by zero"),
        ("level + 9223372036854775807 > 0", "cannot be worked out \\(overflow"),
        ("level = 1e999", "too large"),
        ("level = 1 = 2", "a second comparison"),
        ("level BETWEEN 1", "expected AND at the end"),
        ("level NOT = 1", "expected BETWEEN or IN or LIKE or ILIKE"),
        ("level IN ()", "expected a value"),
        ("path LIKE path", "pattern .* must be a text in single quotes"),
        ("path LIKE 'a' ESCAPE '!'", "ESCAPE must be"),
        (
            "CASE WHEN level > 2 THEN 1 WHEN channels = 1 THEN 'x' ELSE 2 END = 1",
            r"CASE at character 1 cannot take 1 \(number\) with 'x' \(text\) with 2 \(number\)",
        ),
        ("regexp_like(path, '(a{1000}){1000}')", "cannot be worked out"),
        ("regexp_like(path, '(')", "cannot be worked out"),
        ("replace(path, 'a', 'aaaa') = 'x'", "must not be longer"),
        ("CAST(path AS timestamp) IS NULL", "is not a time"),
        ("lower(level) = 'x'", "takes a text, not a number"),
        ("lower() = 'x'", "takes 1 to 1 values, got 0"),
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("start > 1", "there is no column 'start'"),
        ("level = $1", "unexpected '\\$' at character 9"),
        ("level = ?", "unexpected"),
        ("level = 1 \x00", "unexpected '.x00'"),
        ("path = '" + "x" * 100_001 + "'", "a text of more than 100,000 characters"),
        ("level = 1 " + " " * 1_000_000, "more than 1,000,000"),
        ("(" * 5_000 + "level = 1" + ")" * 5_000, "nested (deeper|too deep)"),
        ("NOT " * 5_000 + "level = 1", "nested (deeper|too deep)"),
        ("- " * 5_000 + "level = 1", "nested (deeper|too deep)"),
        ("level" + " + 1" * 5_000 + " = 1", "nested (deeper|too deep)"),
        ("abs(" * 5_000 + "level" + ")" * 5_000 + " = 1", "nested (deeper|too deep)"),
        ("CASE WHEN " * 5_000, "nested (deeper|too deep)"),
        ("concat(" + ", ".join(["path"] * 101) + ") = 'x'", "more than 100 arguments"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(where, said):
    with pytest.raises(MmascError, match=f"cannot read the condition .*{said}.*; columns: path, duration") as caught:
        passing(where)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 3_000


@pytest.mark.parametrize(("length", "shown"), [(200, 200), (201, 199)])
def test_a_long_condition_is_shown_by_its_beginning(length, shown):
    where = "level = " + "x" * (length - 8)
    with pytest.raises(MmascError) as caught:
        passing(where)
    beginning = f"{where[:shown]}{'' if shown == length else '…'}"
    assert str(caught.value).startswith(f"cannot read the condition {beginning!r}: ")


def test_long_conditions_are_worked_out():
    assert passing(" AND ".join(f"level <> {number}" for number in range(1, 4_001))) == [3, 6]
    assert passing(" OR ".join(["level = 1", *(f"level = {number}" for number in range(10, 4_000))])) == [0]
    assert passing(f"level IN ({', '.join(map(str, range(3, 5_000)))})") == [2, 4]
    assert passing("path IN ('e.wav'" + "".join(f", '{number}'" for number in range(5_000)) + ")") == [7]
    assert passing("coalesce(nothing, '" + "x" * 100_000 + "') <> path") == list(range(8))


def test_rows_are_the_same_whatever_the_slices(monkeypatch):
    expected = passing("concat(path, 'x') LIKE '%.wav_' AND level IS NOT NULL")
    monkeypatch.setattr("mmasc.collection.condition_values._BYTES_AT_ONCE", 1)
    monkeypatch.setattr("mmasc.collection.condition_values._ROWS_AT_ONCE", 16)
    long = pa.concat_tables([TABLE] * 9).set_column(0, "id", pa.array(range(72), pa.int64()))
    found = passing_recordings("concat(path, 'x') LIKE '%.wav_' AND level IS NOT NULL", long).tolist()
    assert found == [8 * turn + one for turn in range(9) for one in expected]


def test_a_condition_must_be_a_text():
    with pytest.raises(MmascError, match="a condition must be a text .*got bytes"):
        passing(b"level = 1")


# ------------------------------------------------------------------------------------------ against SQLite

NUMBERS = st.sampled_from(["a", "b", "c", "-1", "0", "1", "2", "3", "2.5", "NULL", "-c"])
TEXTS = st.sampled_from(["t", "u", "'x'", "'y'", "'xy'", "''", "'it''s'", "NULL"])


def _numbers(children):
    pair = st.tuples(children, st.sampled_from(["+", "-", "*"]), children)
    return pair.map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})") | st.tuples(children, children).map(
        lambda parts: f"coalesce({parts[0]}, {parts[1]})"
    )


def _texts(children):
    return st.tuples(children, children).map(lambda parts: f"({parts[0]} || {parts[1]})") | children.map(
        lambda one: f"lower({one})"
    )


numbers = st.recursive(NUMBERS, _numbers, max_leaves=4)
texts = st.recursive(TEXTS, _texts, max_leaves=3)
comparisons = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">=", "=="])


def _leaf(values):
    return (
        st.tuples(values, comparisons, values).map(" ".join)
        | st.tuples(values, st.sampled_from(["IS NULL", "IS NOT NULL"])).map(" ".join)
        | st.tuples(values, st.sampled_from(["IN", "NOT IN"]), st.lists(values, min_size=1, max_size=3)).map(
            lambda parts: f"{parts[0]} {parts[1]} ({', '.join(parts[2])})"
        )
        | st.tuples(values, st.sampled_from(["BETWEEN", "NOT BETWEEN"]), values, values).map(
            lambda parts: f"{parts[0]} {parts[1]} {parts[2]} AND {parts[3]}"
        )
    )


likes = st.tuples(texts, st.sampled_from(["LIKE", "NOT LIKE"]), st.text("xy%_", max_size=3)).map(
    lambda parts: f"{parts[0]} {parts[1]} '{parts[2]}'"
)


def _logic(children):
    chain = st.lists(children, min_size=2, max_size=4)
    return (
        chain.map(" AND ".join)
        | chain.map(" OR ".join)
        | st.tuples(children, children).map(lambda parts: f"{parts[0]} AND {parts[1]} OR NOT {parts[0]}")
        | children.map(lambda one: f"NOT ({one})")
        | children.map(lambda one: f"({one})")
        | st.tuples(children, children, children).map(
            lambda parts: f"CASE WHEN {parts[0]} THEN ({parts[1]}) ELSE ({parts[2]}) END"
        )
    )


conditions = st.recursive(_leaf(numbers) | _leaf(texts) | likes, _logic, max_leaves=6)
cells = st.tuples(
    *[st.none() | st.integers(-3, 4)] * 2,
    st.none() | st.sampled_from([-1.5, 0.0, 1.0, 2.5]),
    *[st.none() | st.sampled_from(["", "x", "xy", "y", "it's", "yx"])] * 2,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(condition=conditions, rows=st.lists(cells, max_size=8))
def test_the_same_rows_as_sqlite(condition, rows):
    with sqlite3.connect(":memory:") as other:
        other.execute("PRAGMA case_sensitive_like = ON")
        other.execute("CREATE TABLE r (id INTEGER, a INTEGER, b INTEGER, c REAL, t TEXT, u TEXT)")
        other.executemany("INSERT INTO r VALUES (?, ?, ?, ?, ?, ?)", [(i, *row) for i, row in enumerate(rows)])
        expected = [one for (one,) in other.execute(f"SELECT id FROM r WHERE {condition} ORDER BY id")]
    other.close()
    types = [pa.int64(), pa.int64(), pa.float64(), pa.string(), pa.string()]
    columns = {name: pa.array([row[i] for row in rows], types[i]) for i, name in enumerate("abctu")}
    table = pa.table({"id": pa.array(range(len(rows)), pa.int64()), **columns})
    assert passing_recordings(condition, table).tolist() == expected


PARTS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}
part_tests = st.tuples(
    st.sampled_from([*PARTS, "weekday"]), comparisons, st.integers(-1, 60) | st.sampled_from([2023, 2024])
)
time_tests = st.tuples(
    st.sampled_from(["p", "date(p)"]), comparisons, st.dates(date(2023, 12, 28), date(2024, 3, 2)).map(str)
)


def _in_sqlite(one):
    """SQLite keeps times as texts, has no functions for their parts, and counts weekdays from Sunday, 0."""
    name, comparison, value = one
    if name in PARTS:
        return f"CAST(strftime('{PARTS[name]}', p) AS INTEGER) {comparison} {value}"
    if name == "weekday":
        return f"(CAST(strftime('%w', p) AS INTEGER) + 6) % 7 + 1 {comparison} {value}"
    return f"{'p' if name == 'p' else 'datetime(date(p))'} {comparison} '{value} 00:00:00'"


@settings(max_examples=100, deadline=None)
@given(
    tests=st.lists(part_tests | time_tests, min_size=1, max_size=3),
    joined=st.sampled_from([" AND ", " OR "]),
    times=st.lists(st.none() | st.datetimes(datetime(2023, 12, 28), datetime(2024, 3, 2)), max_size=8),
)
def test_the_same_times_as_sqlite(tests, joined, times):
    times = [None if time is None else time.replace(microsecond=0) for time in times]
    with sqlite3.connect(":memory:") as other:
        other.execute("CREATE TABLE r (id INTEGER, p TEXT)")
        other.executemany("INSERT INTO r VALUES (?, ?)", [(i, time and str(time)) for i, time in enumerate(times)])
        condition = joined.join(map(_in_sqlite, tests))
        expected = [one for (one,) in other.execute(f"SELECT id FROM r WHERE {condition} ORDER BY id")]
    other.close()
    table = pa.table({"id": pa.array(range(len(times)), pa.int64()), "p": pa.array(times, pa.timestamp("us"))})
    ours = joined.join(
        f"{name}(p) {comparison} {value}" if name in (*PARTS, "weekday") else f"{name} {comparison} '{value}'"
        for name, comparison, value in tests
    )
    assert passing_recordings(ours, table).tolist() == expected


@given(st.text(min_size=1, max_size=8) | st.sampled_from([*WORDS, "End", "plain"]), st.text(max_size=8))
def test_names_and_values_in_quotes_are_read_as_they_were(name, value):
    table = pa.table({"id": pa.array([0, 1], pa.int64()), "path": ["a", "b"], name: [value, None]})
    condition = f"{quoted_name(name)} = {quoted_value(value)}"
    assert passing_recordings(condition, table).tolist() == [0]
    if condition.isprintable():
        assert shlex.split(where_option(condition)) == ["--where", condition]
    assert len(where_option(condition).splitlines()) == 1


@pytest.mark.parametrize("number", [2**62 + 1, -(2**62) - 1, 2**63 - 1, -(2**63)])
def test_whole_numbers_of_64_bits_are_compared_to_the_last_one(number):
    other = number - 1 if number > 0 else number + 1
    table = pa.table(
        {"id": pa.array([0, 1], pa.int64()), "path": ["a", "b"], "n": pa.array([other, number], pa.int64())}
    )
    assert passing_recordings(f"n = {number}", table).tolist() == [1]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("n = 9007199254740993.0", [1]),  # read as the nearest float64, 2^53, as by every program
        ("n = 9007199254740992.0", [1]),
        ("n > 0.5", [0, 1, 2]),
        ("n >= 1e0", [0, 1, 2]),
        ("n < 1.5", [0, 3]),
        ("n between -1.5 and 1.5", [0]),
        ("n / 1e9 > 9e6", [1, 2]),
        ("n * 0.5 = x", [0]),
        ("n > x", [0, 1, 2]),
        ("cast(n as double) > 1e15", [1, 2]),
        ("try_cast(n as double) < 0.5", [3]),
        ("n in (1.0, 2.5)", [0]),
        ("n > 1e300", []),
        ("n <> 1.0", [1, 2, 3]),
    ],
)
def test_whole_numbers_of_any_size_stand_next_to_numbers_with_a_point(where, ids):
    numbers = pa.array([1, 2**53, 2**53 + 1, -(2**62)], pa.int64())
    table = pa.table({"id": pa.array(range(4), pa.int64()), "path": list("abcd"), "n": numbers, "x": [0.5] * 4})
    assert passing_recordings(where, table).tolist() == ids
