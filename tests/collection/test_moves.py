"""What people said of a sound stays with the sound, whatever its file is called now."""

import os
import shutil
from itertools import permutations
from pathlib import Path

import pytest

import mmasc
from mmasc.collection import Collection, intake, looks
from mmasc.collection.annotations import Annotation
from mmasc.collection.moves import REPLACED
from mmasc.storage.contents import digest_of
from tests.helpers.collections import levels, table_of, write

LEVELS = {"a/x.wav": 0.25, "b/x.wav": -0.25, "b/y.wav": 0.5}
LABELS = {0.25: "frog", -0.25: "owl", 0.5: "rain"}


@pytest.fixture
def noted(labelled, registered, second) -> Path:
    """Three labelled sounds in two spaces, each with an annotation that says its level."""
    mmasc.embed(labelled / "s", labelled / "c", second, space="second")
    collection = Collection(labelled / "c")
    for path, level in LEVELS.items():
        one = collection.annotations.recording_id(labelled / "s" / path)
        collection.annotations.add(Annotation(recording=one, start=0.0, end=1.0, label=str(level)))
    return labelled


def arranged(folder: Path, names: dict[str, str]) -> None:
    """Rename files under a folder, all at once."""
    for old in names:
        os.rename(folder / old, folder / f"{old}.on its way")
    for old, new in names.items():
        os.rename(folder / f"{old}.on its way", folder / new)


def said(folder: Path) -> dict[str, tuple[str | None, list[str]]]:
    """Label and annotations by path."""
    collection = Collection(folder / "c")
    notes: dict[str, list[str]] = {}
    for one in collection.annotations.all():
        notes.setdefault(collection.annotations.stored_path(one), []).append(one.label)
    return {path: (row["label"], notes.get(path, [])) for path, row in table_of(folder / "c").items()}


def of_levels(found: dict[str, float]) -> dict[str, tuple[str, list[str]]]:
    """What was said of sounds of these levels."""
    return {path: (LABELS[level], [str(level)]) for path, level in found.items()}


@pytest.mark.parametrize("last", ["b/y.wav", "b/new.wav"])
def test_however_names_are_exchanged_labels_follow_the_sounds(noted, registered, monkeypatch, last):
    monkeypatch.setattr("mmasc.encoders.embedding.stream_audio", lambda *_: pytest.fail("decoded"))
    names, now = [*list(LEVELS)[:2], last], dict(LEVELS)
    for order in permutations(names):
        moved = dict(zip(sorted(now), order, strict=True))
        arranged(noted / "s", moved)
        now = {moved[path]: level for path, level in now.items()}
        report = mmasc.embed(noted / "s", noted / "c", registered)
        assert (report.moved, report.changed, report.added) == (sum(a != b for a, b in moved.items()), 0, 0)
        assert report.remarks == []
        assert said(noted) == of_levels(now)
        for space in ("standin", "second"):
            assert levels(noted / "c", space) == {path: [level] for path, level in now.items()}


@pytest.mark.parametrize("seconds", [1.0, 2.0])  # as large as the others, and larger
def test_a_new_sound_under_the_old_name_of_a_renamed_one_has_no_labels(noted, registered, seconds):
    arranged(noted / "s", {"a/x.wav": "a/z.wav"})
    write(noted / "s/a/x.wav", 0.125, seconds)
    report = mmasc.embed(noted / "s", noted / "c", registered)
    assert (report.moved, report.added, report.changed, report.skipped) == (1, 1, 0, 2)
    assert said(noted) == {
        **of_levels({"a/z.wav": 0.25, "b/x.wav": -0.25, "b/y.wav": 0.5}), "a/x.wav": (None, []),
    }  # fmt: skip
    assert levels(noted / "c", "second") == {"a/z.wav": [0.25], "b/x.wav": [-0.25], "b/y.wav": [0.5]}


@pytest.mark.parametrize("how", [shutil.copy, os.replace])
def test_labels_of_a_sound_that_was_replaced_wait_until_it_is_back(noted, registered, how):
    shutil.copy(noted / "s/a/x.wav", noted / "backup.wav")
    how(noted / "s/b/x.wav", noted / "s/a/x.wav")
    report = mmasc.embed(noted / "s", noted / "c", registered)
    moved = how is os.replace
    assert (report.moved, report.added, report.changed) == (moved, not moved, 0)
    kept = f"a/x.wav{REPLACED}"
    there = {kept: 0.25, ("a/x.wav" if moved else "b/x.wav"): -0.25, "b/y.wav": 0.5}
    assert said(noted) == of_levels(there) | ({} if moved else {"a/x.wav": (None, [])})
    assert report.remarks[0] == (
        "1 file holds the sound of another recording now (a/x.wav): what was said of the sound that lay there before "
        f"is kept as {kept}, and comes back with that sound"
    )
    assert report.missing == 1
    # Again there is nothing to do
    assert mmasc.embed(noted / "s", noted / "c", registered).skipped == report.found
    # The sound is back, under any name
    shutil.copy(noted / "backup.wav", noted / "s/again.wav")
    assert mmasc.embed(noted / "s", noted / "c", registered).moved == 1
    assert said(noted)["again.wav"] == ("frog", ["0.25"])
    assert kept not in said(noted)
    assert levels(noted / "c", "second")["again.wav"] == [0.25]


def test_one_of_two_exchanged_files_given_alone_harms_the_other_nothing(noted, registered):
    arranged(noted / "s", {"a/x.wav": "b/x.wav", "b/x.wav": "a/x.wav"})
    report = mmasc.embed(noted / "s/a/x.wav", noted / "c", registered)
    assert report.moved == 1
    assert said(noted) == of_levels({f"a/x.wav{REPLACED}": 0.25, "a/x.wav": -0.25, "b/y.wav": 0.5})
    assert mmasc.embed(noted / "s", noted / "c", registered).moved == 1
    assert said(noted) == of_levels({"a/x.wav": -0.25, "b/x.wav": 0.25, "b/y.wav": 0.5})


def test_a_recording_whose_sound_was_copied_stays_where_it_is(noted, registered):
    shutil.copy(noted / "s/a/x.wav", noted / "s/a/copy.wav")
    os.utime(noted / "s/a/x.wav", (1_700_000_000, 1_700_000_000))
    assert mmasc.embed(noted / "s/a/copy.wav", noted / "c", registered).added == 1
    assert said(noted) == of_levels(LEVELS) | {"a/copy.wav": (None, [])}


def test_a_table_speaks_of_the_names_that_files_have_now(noted, registered):
    arranged(noted / "s", {"a/x.wav": "b/x.wav", "b/x.wav": "a/x.wav"})
    report = mmasc.embed(noted / "s", noted / "c", registered, metadata=noted / "m.csv")
    assert report.remarks == [
        "2 files have the name that another recording had (a/x.wav, b/x.wav): what the table or the folders say of a "
        "name counts for the sound that has it now"
    ]
    assert said(noted) == {"a/x.wav": ("frog", ["-0.25"]), "b/x.wav": ("owl", ["0.25"]), "b/y.wav": ("rain", ["0.5"])}


def test_files_that_were_only_touched_are_read_once_each(noted, registered, monkeypatch):
    read: list[Path] = []
    monkeypatch.setattr(looks, "digest_of", lambda path: (read.append(path), digest_of(path))[1])
    for path in LEVELS:
        os.utime(noted / "s" / path, (1_700_000_000, 1_700_000_000))
    assert mmasc.embed(noted / "s", noted / "c", registered).skipped == 3
    assert sorted(read) == sorted(noted / "s" / path for path in LEVELS)


def test_who_is_second_to_see_an_exchange_finds_it_done(noted, registered, monkeypatch):
    arranged(noted / "s", {"a/x.wav": "b/x.wav", "b/x.wav": "a/x.wav"})
    find, reports = intake.find_moves, []

    def late(*arguments):
        moves = find(*arguments)
        if not reports:
            reports.append(None)
            reports[0] = mmasc.embed(noted / "s", noted / "c", registered)
        return moves

    monkeypatch.setattr(intake, "find_moves", late)
    report = mmasc.embed(noted / "s", noted / "c", registered)
    assert (reports[0].moved, report.moved, report.skipped) == (2, 0, 3)
    assert said(noted) == of_levels({"a/x.wav": -0.25, "b/x.wav": 0.25, "b/y.wav": 0.5})
