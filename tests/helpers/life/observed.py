"""What a collection answers, read through its public face, held against the model."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mmasc.collection import Collection
from tests.helpers.life.model import Model, Recording, Row
from tests.helpers.life.sounds import SPACES, Window

TOLERANCE = 1e-6


def read(collection: Collection) -> dict[str, tuple[dict, dict[str, tuple[Window, ...]]]]:
    """By path: the recording's row, and its windows by space in the order of their starts."""
    table = collection.recordings.to_pylist()
    assert len({row["path"] for row in table}) == len(table) == len({row["id"] for row in table}), "double recordings"
    windows: dict[int, dict[str, list]] = {row["id"]: {} for row in table}
    for name in collection.spaces:
        reader = collection.space(name)
        vectors = reader.vectors()
        assert vectors.shape == (len(reader), SPACES[name].dim)
        assert not reader.lane.any()
        assert set(reader.recording.tolist()) <= set(windows), "windows of no recording"
        for item in np.lexsort((reader.start, reader.recording)):
            window = (float(reader.start[item]), float(reader.end[item]), vectors[item].tobytes())
            windows[int(reader.recording[item])].setdefault(name, []).append(window)
    return {row["path"]: (row, {name: tuple(made) for name, made in windows[row["id"]].items()}) for row in table}


def assert_whole(row: dict, windows: Mapping[str, tuple], wanted: Recording) -> None:
    """A row and its windows are those of one recording of the model, but for its own columns."""
    sound = wanted.sound
    assert (row["duration"], row["status"]) == (sound.duration, sound.state)
    assert (row["sample_rate"], row["channels"]) == (1_000, 1)
    assert wanted.id in (None, row["id"]), "another id"
    assert windows == {name: wanted.windows(name) for name in wanted.spaces}


def own(row: Mapping[str, Any], columns: frozenset[str]) -> dict[str, Any]:
    """The columns of a row that people gave, without empty ones."""
    return {name: row[name] for name in columns if row.get(name) is not None}


def notes_of(collection: Collection) -> dict[str, dict[str, tuple[float, float, str]]]:
    """Annotations by path and id."""
    notes: dict[str, dict] = {}
    for one in collection.annotations.all():
        notes.setdefault(collection.annotations.stored_path(one), {})[one.id] = (one.start, one.end, one.label)
    return notes


def assert_same(collection: Collection, model: Model, notes: bool = True) -> Model:
    """Recordings, windows, vectors and annotations are the model's; it comes back with the ids that it did not know.

    Args:
        notes: Whether annotations are those of the model: they are always as they are now.
    """
    seen = read(collection)
    if notes:
        assert notes_of(collection) == {path: one.notes for path, one in model.recordings.items() if one.notes}
    assert set(seen) == set(model.recordings)
    assert tuple(collection.spaces) == model.spaces
    assert collection.head.root == model.root
    recordings = {}
    for path, wanted in model.recordings.items():
        row, windows = seen[path]
        assert_whole(row, windows, wanted)
        assert own(row, model.columns) == dict(wanted.columns)
        recordings[path] = replace(wanted, id=row["id"])
    used = {name for one in model.recordings.values() for name in one.columns}
    assert used <= set(collection.metadata_columns) <= model.columns
    return replace(model, recordings=recordings)


def between(collection: Collection, *steps: Model) -> Model:
    """The state of a collection whose embed did not end: every recording as in one of its steps, each one whole."""
    before, after = steps[0], steps[-1]
    seen = read(collection)
    assert tuple(collection.spaces) in (before.spaces, after.spaces)
    recordings, notes = {}, notes_of(collection)
    for path, (row, windows) in seen.items():
        candidates = [model.recordings[path] for model in steps if path in model.recordings]
        assert candidates, f"{path}: in no step"
        recording = next((one for one in candidates if _fits(row, windows, one)), None)
        assert recording is not None, f"{path}: not whole as in any step"
        assert notes.get(path, {}) == recording.notes, f"{path}: other annotations"
        columns = own(row, after.columns)
        choices: dict[str, list] = {name: [one.columns.get(name) for one in candidates] for name in after.columns}
        assert all(columns.get(name) in allowed for name, allowed in choices.items()), f"{path}: columns {columns}"
        recordings[path] = replace(recording, columns=columns, id=row["id"])
    ids = {one.id for one in recordings.values()}
    for path in set.intersection(*(set(model.recordings) for model in steps)):
        assert path in recordings, f"{path}: lost"
    for path, one in before.recordings.items():
        assert one.id in ids, f"{path}: lost with its id {one.id}"
    return replace(after, recordings=recordings, spaces=tuple(collection.spaces))


def _fits(row: dict, windows: Mapping[str, tuple], wanted: Recording) -> bool:
    try:
        assert_whole(row, windows, wanted)
    except AssertionError:
        return False
    return True


def assert_info(collection: Collection, model: Model) -> None:
    """`info` counts what the model holds."""
    info = collection.info()
    recordings = model.recordings.values()
    assert info["root"] == model.root
    assert info["recordings"] == len(recordings)
    assert abs(info["hours"] * 3_600 - sum(one.sound.duration for one in recordings)) < 1e-9
    assert info["truncated"] == sum(one.sound.state == "truncated" for one in recordings)
    assert {name: space["windows"] for name, space in info["spaces"].items()} == {
        name: len(model.rows(name)) for name in model.spaces
    }


def assert_checked(collection: Collection, missing: set[str]) -> None:
    """`check` finds no error, and names files that are gone."""
    findings = collection.check()
    errors = [one.message for one in findings if one.level == "error"]
    assert errors == [], errors
    said = [one.message for one in findings if re.match(r"\d+ recordings? ", one.message)]
    assert any(message.startswith(f"{len(missing)} ") for message in said) or not missing, said


def assert_exported(collection: Collection, model: Model, to: Path) -> None:
    """An export holds the model's rows, in the order of path and start."""
    for name in model.spaces:
        rows = model.rows(name)
        collection.export(to, name)
        vectors = np.load(to / "vectors.npy")
        assert vectors.tobytes() == b"".join(row.vector.tobytes() for row in rows)
        table = pq.read_table(to / "windows.parquet").to_pylist()
        assert [row["path"] for row in table] == [f"{model.root}/{row.path}" for row in rows]
        assert [(row["start"], row["end"]) for row in table] == [(row.start, row.end) for row in rows]
        assert [own(row, model.columns) for row in table] == [dict(row.recording.columns) for row in rows]


def assert_hits(hits: list[dict], model: Model, scored: list[tuple[float, Row]], k: int, per_recording: bool) -> None:
    """Hits are the best of brute force: scores, order, columns; windows with equal scores may stand in any order."""
    score_of = {(f"{model.root}/{row.path}", row.start): (score, row) for score, row in scored}
    if per_recording:
        best: dict[str, tuple[float, Row]] = {}
        for score, row in scored:
            best.setdefault(row.path, (score, row))
        scored = list(best.values())
        assert len({hit["path"] for hit in hits}) == len(hits), "a recording twice"
    wanted = scored[:k]
    assert [hit["rank"] for hit in hits] == list(range(1, len(wanted) + 1)), f"{len(hits)} hits, {len(wanted)} wanted"
    np.testing.assert_allclose([hit["score"] for hit in hits], [score for score, _ in wanted], rtol=0, atol=TOLERANCE)
    seen = set()
    for hit in hits:
        key = (hit["path"], hit["start"]) if not per_recording else hit["path"]
        score, row = score_of[hit["path"], hit["start"]]
        assert abs(hit["score"] - score) <= TOLERANCE
        assert hit["end"] == row.end
        assert own(hit, model.columns) == dict(row.recording.columns)
        seen.add(key)
    assert len(seen) == len(hits), "a window twice"
    for score, row in scored:
        if score > wanted[-1][0] + TOLERANCE:
            path = f"{model.root}/{row.path}"
            assert (path if per_recording else (path, row.start)) in seen


def target_of(vectors: list[np.ndarray]) -> np.ndarray:
    """The mean unit vector of what is asked for."""
    return np.mean([np.asarray(one, np.float64) / np.linalg.norm(one) for one in vectors], axis=0)
