"""Answers as lines, rows and objects: where a recording has a clock, its events have one too."""

from datetime import datetime

import pytest

from mmasc.audio import AudioStatus
from mmasc.cli.classify_formats import csv_columns, csv_rows, joined_labels, result_object, timeline_lines
from mmasc.labelling.timelines import Classification
from mmasc.windows.timeline import Event


def answer(recorded_at: datetime | None) -> Classification:
    status = AudioStatus("ok", "", None, 4000.0)
    events = [Event(0.0, 2.5, "wren", 0.5), Event(3600.0, 3601.0, "owl", 0.75)]
    return Classification(
        "/a.wav", "owl", 0.75, {"owl": 0.75}, {}, ("owl",), status, 4000.0, 8_000, events, recorded_at=recorded_at
    )


def test_events_have_the_clock_of_their_recording():
    known = answer(datetime(2024, 5, 1, 23, 30, 7))
    clocks = ["2024-05-01 23:30:07", "2024-05-02 00:30:07"]
    assert [line.split("  ")[-1] for line in timeline_lines(known)][1:3] == clocks
    assert [row["clock"] for row in csv_rows(known, True)] == clocks
    assert csv_columns(["owl"], True, True)[-1] == "clock"
    assert [event["clock"] for event in result_object(known, True)["events"]] == clocks
    header, *rows = joined_labels([known], "raven").splitlines()
    assert header.endswith("\tClock")
    assert [row.split("\t")[-1] for row in rows] == clocks


@pytest.mark.parametrize("timeline", [True, False])
def test_nothing_is_said_where_the_clock_is_not_known(timeline):
    unknown = answer(None)
    assert all("clock" not in row for row in csv_rows(unknown, timeline))
    assert "clock" not in csv_columns(["owl"], timeline)
    assert all("clock" not in event for event in result_object(unknown, True)["events"])
    assert not any(line.endswith(" ") for line in timeline_lines(unknown))
    assert "Clock" not in joined_labels([unknown], "raven")
