"""Activity: counts and recorded hours against a second way of counting, what is grey, and the command."""

import csv
import io
import json
import re
from collections import Counter
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import mmasc
from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from mmasc.label_files.rows import LabelRow
from mmasc.studies.activity import Activity, Detection, activity
from mmasc.studies.activity_plot import plot_activity
from mmasc.studies.detections import annotated, of_rows
from tests.helpers.collections import write
from tests.helpers.command import run


class Opened(Collection):
    """A collection whose recordings are given."""

    def __init__(self, begins, durations):
        ids = pa.array(range(len(begins)), pa.int64())
        times = pa.array(begins, pa.timestamp("us"))
        self.__dict__["recordings"] = pa.table({"id": ids, "duration": durations, "recorded_at": times})


moments = st.datetimes(datetime(2024, 2, 28, 20), datetime(2024, 3, 2)).map(lambda time: time.replace(microsecond=0))
recordings = st.lists(st.tuples(moments, st.integers(1, 30_000)), min_size=1, max_size=5)


@settings(deadline=None)
@given(recordings=recordings, bin_minutes=st.sampled_from([15, 60, 120, 1440]), data=st.data())
def test_counts_and_hours_are_those_of_counting_second_by_second(recordings, bin_minutes, data):
    begins, durations = zip(*recordings, strict=True)
    heard = st.integers(0, len(begins) - 1).flatmap(
        lambda one: st.tuples(st.just(one), st.integers(0, durations[one] - 1), st.sampled_from("ab"))
    )
    detections = [Detection(one, at, at + 1, label) for one, at, label in data.draw(st.lists(heard, max_size=8))]
    found = activity(Opened(begins, durations), detections, bin_minutes=bin_minutes)

    def place(time):
        return (time.date() - found.first_day).days, (time.hour * 60 + time.minute) // bin_minutes

    counted = Counter((one.label, *place(begins[one.recording] + timedelta(seconds=one.start))) for one in detections)
    assert {
        (label, *place): int(found.counts[(number, *place)])
        for number, label in enumerate(found.labels)
        for place in np.argwhere(found.counts[number]).tolist()
        for place in [tuple(place)]
    } == counted
    seconds = np.zeros_like(found.recorded)
    for begin, duration in recordings:
        for second in range(duration):
            seconds[place(begin + timedelta(seconds=second))] += 1
    np.testing.assert_allclose(found.recorded * 3600, seconds, atol=1e-3)
    assert (np.isnan(found.rates) == (found.recorded == 0)).all()
    assert sum(row["detections"] for row in found.rows("hour")) == len(detections)
    assert sum(row["detections"] for row in found.rows("both")) == len(detections)


def small():
    begins = [datetime(2024, 4, 30, 23, 30), datetime(2024, 5, 2, 4, 0)]
    rows = [(0, 0.0, 5.0, "owl"), (0, 1_900.0, 1_901.0, "owl"), (1, 60.0, 61.0, "owl"), (1, 1_800.0, 1_801.0, "wren")]
    return activity(Opened(begins, [3_600, 1_800]), rows, labels=["fox"])


def test_what_begins_at_the_end_and_over_midnight():
    found = small()
    assert found.labels == ("fox", "owl", "wren")
    assert found.days == [date(2024, 4, 30), date(2024, 5, 1), date(2024, 5, 2)]
    assert [tuple(place) for place in np.argwhere(found.counts[1]).tolist()] == [(0, 23), (1, 0), (2, 4)]
    # that at the very end of its recording belongs to its hour
    assert found.counts[2, 2, 4] == 1
    assert found.recorded[0, 23] == found.recorded[1, 0] == found.recorded[2, 4] == 0.5
    assert found.rows("day")[3:6] == [
        {"label": "owl", "day": "2024-04-30", "detections": 1, "recorded_hours": 0.5, "per_hour": 2.0},
        {"label": "owl", "day": "2024-05-01", "detections": 1, "recorded_hours": 0.5, "per_hour": 2.0},
        {"label": "owl", "day": "2024-05-02", "detections": 1, "recorded_hours": 0.5, "per_hour": 2.0},
    ]
    assert [row["time"] for row in found.rows()[:3]] == ["00:00", "04:00", "23:00"]


def test_faults():
    with pytest.raises(ValueError, match="bin_minutes must divide"):
        activity(Opened([datetime(2024, 1, 1)], [1]), [], bin_minutes=7)


def grey_share(path):
    with Image.open(path) as picture:
        return (np.asarray(picture.convert("RGB")) == (0xDC, 0xDC, 0xDC)).all(axis=2).mean()


def test_the_figure_is_grey_where_nothing_was_recorded_and_the_same_every_time(tmp_path):
    one, other = plot_activity(small(), tmp_path / "a.png"), plot_activity(small(), tmp_path / "b.png")
    assert one.read_bytes() == other.read_bytes()
    assert grey_share(one) > 0.2
    always = Activity(("x",), date(2024, 1, 1), 60, np.ones((1, 2, 24), int), np.ones((2, 24)), 0, (1, 0))
    assert grey_share(plot_activity(always, one)) < 0.01


# ------------------------------------------------------------------------------------------ with a collection


@pytest.fixture
def heard(tmp_path, registered):
    """Two recordings with clocks and one without, annotated by two."""
    for name in ("POND_20240501_040000.wav", "POND_20240502_203000.wav", "rain.wav"):
        write(tmp_path / "s" / name, 0.25, seconds=3)
    mmasc.embed(tmp_path / "s", tmp_path / "c", registered)
    collection = Collection(tmp_path / "c")
    morning, evening, rain = (
        collection.annotations.recording_id(name)
        for name in ("POND_20240501_040000.wav", "POND_20240502_203000.wav", "rain.wav")
    )
    collection.annotations.add(
        [
            Annotation(id="", recording=morning, start=0.0, end=1.0, label="wren", by="ann"),
            Annotation(id="", recording=morning, start=2.0, end=3.0, label="wren", by="ann"),
            Annotation(id="", recording=evening, start=0.0, end=1.0, label="owl", by="bob"),
            Annotation(id="", recording=evening, start=1.0, end=2.0, label="wren", verdict="absent", by="bob"),
            Annotation(id="", recording=rain, start=0.0, end=1.0, label="wren", by="ann"),
        ]
    )
    return tmp_path


def test_annotations_and_rows_of_files_are_detections(heard):
    collection = Collection(heard / "c")
    rows, by = annotated(collection)
    assert (len(rows), by) == (4, ["ann", "bob"])
    assert [one.label for one in annotated(collection, ["owl"])[0]] == ["owl"]
    assert [one.label for one in annotated(collection, verdict="absent", by="bob")[0]] == ["wren"]
    lines = [
        LabelRow("POND_20240501_040000.wav", 0, 1, "wren", 0.9),
        LabelRow("s/POND_20240502_203000.wav", 0, 1, "wren", 0.2),
        LabelRow("POND_20240502_203000.wav", 0, 1, "wren"),
        LabelRow("POND_20240502_203000.wav", 0, 1, "wren", verdict="absent"),
        LabelRow("elsewhere.wav", 0, 1, "wren"),
    ]
    found, strange = of_rows(collection, lines, heard / "x.csv", threshold=0.5)
    assert (len(found), strange) == (2, 1)
    assert of_rows(collection, lines, heard / "x.csv", ["owl"]) == ([], 0)


def test_the_command(heard, capsys):
    status, out, err = run("collection", "activity", heard / "c", "--label", "wren", capsys=capsys)
    assert status == 0
    assert out.splitlines()[0].split() == ["label", "time", "detections", "recorded_hours", "per_hour"]
    assert out.splitlines()[1].split()[:3] == ["wren", "04:00", "2"]
    assert out.splitlines()[-1] == "2 detections in 0.00 recorded hours, 2024-05-01 to 2024-05-02"
    assert "1 of 3 recordings has no clock; 1 detection in them is not counted" in err
    _, out, err = run(
        "collection", "activity", heard / "c", "--rows", "both", "--format", "json", "--to", heard / "a.png", "--bin",
        "30min", capsys=capsys,
    )  # fmt: skip
    assert [(row["label"], row["day"], row["time"], row["detections"]) for row in json.loads(out)] == [
        ("owl", "2024-05-01", "04:00", 0), ("owl", "2024-05-02", "20:30", 1),
        ("wren", "2024-05-01", "04:00", 2), ("wren", "2024-05-02", "20:30", 0),
    ]  # fmt: skip
    assert "labels of 2 annotators are counted together (ann, bob)" in err
    assert (heard / "a.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_counts_files_of_labels(heard, capsys):
    table = heard / "x.csv"
    table.write_text(
        "path,start,end,label,score\nPOND_20240501_040000.wav,0,1,wren,0.9\nPOND_20240501_040000.wav,1,2,wren,0.1\n"
        "lost.wav,0,1,wren,0.9\n"
    )
    command = ("collection", "activity", heard / "c", "--events", table, "--threshold", "0.5", "--format", "csv")
    _, out, err = run(*command, "--where", "site = 'POND' and day(recorded_at) = 1", capsys=capsys)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["time"], row["detections"]) for row in rows] == [("04:00", "1")]
    assert "1 row of" in err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--label", "x", "--bin", "7min"], 2, "does not divide a day"),
        (["--label", "x", "--to", "a.pdf"], 2, "--to draws PNG"),
        (["--label", "x", "--threshold", "0.5"], 2, "--threshold is for --head and for scores of --events"),
        (["--verdict", "unsure"], 1, "has no such annotations"),
        (["--label", "x", "--where", "path = 'rain.wav'"], 1, "none of the 1 recording .* has a clock"),
        (["--label", "x", "--where", "path = 'y'"], 1, "has no recordings that meet the condition"),
    ],
)
def test_faults_of_the_command(heard, words, status, said, capsys):
    got, _, err = run("collection", "activity", heard / "c", *words, capsys=capsys)
    assert got == status
    assert "Traceback" not in err
    assert re.search(said, err)
