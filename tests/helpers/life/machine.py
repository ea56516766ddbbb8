"""The machine: random sequences of commands on a small collection, each answer held against the model.

Every rule is one command, perhaps with a fault at one of its writes. After a fault the collection must be as before,
as after, or (embed, which commits in steps) with some files whole as after and the others whole as before.
"""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import mmasc
from mmasc.collection import Collection
from mmasc.collection import transaction as transaction_module
from mmasc.collection.annotations import Annotation
from tests.helpers.life.disk import PATHS, edits_of
from tests.helpers.life.driver import CONDITIONS, NO_FAULT, Driver, filled, refused
from tests.helpers.life.faults import Disk
from tests.helpers.life.model import Model, Row
from tests.helpers.life.sounds import SPACES, recording_vector

VALUES: dict[str, tuple] = {"label": ("frog", "owl", "it's"), "level": (1, 2, 3), "recorded by": ("ann", "bo")}

collections = st.sampled_from(("a", "a", "a", "b"))
spaces = st.sampled_from(tuple(SPACES))
parts = st.sampled_from(("", "", "", "p", "q", *PATHS))
kinds = st.sampled_from(("killed", "killed", "torn", "full", "once"))
faults = st.one_of(
    st.just(NO_FAULT),
    st.tuples(kinds, st.integers(1, 45), st.just("")),
    # Rare writes are met as often as frequent ones
    st.tuples(kinds, st.integers(1, 6), st.sampled_from(("lance", "replace", "faiss", "unlink"))),
)
rows = st.fixed_dictionaries({name: st.sampled_from((None, *values)) for name, values in VALUES.items()})
tables = st.one_of(st.none(), st.dictionaries(st.sampled_from((*PATHS, "p/never.wav")), rows, max_size=4))


def may(name: str, *needed: str) -> Callable:
    """Whether a rule can be taken: the collections that it needs are there, and it is not left out."""
    return precondition(lambda machine: set(needed) <= set(machine.models) and name not in machine.left_out)


class Life(Driver):
    """Commands and questions as rules."""

    # Commands

    @rule(
        which=collections, edits=edits_of, part=parts, space=spaces, table=tables, folders=st.booleans(),
        one_by_one=st.booleans(), limit=st.sampled_from((2, 256)), fault=faults,
    )  # fmt: skip
    def embed(self, which, edits, part, space, table, folders, one_by_one, limit, fault):
        for kind, path, *more in edits:
            if kind not in self.left_out and not ("change" in self.left_out and path in self.files.sounds):
                self.files.edit(kind, path, *more)
        if not self.files.under(part):
            self.files.edit("write", part if part in PATHS else f"{part or 'p'}/a.wav", "", 150)
        found = self.files.under(part)
        own = {path: dict(table.get(path, {})) for path in found} if table else {}
        if folders:
            own = {path: {"place": path[0], **own.get(path, {})} for path in found}
        before = self.models.get(which, Model(str(self.files.root)))
        prepared = before.prepared(found, self.files.sounds, own)
        after = prepared.embedded(found, self.files.sounds, space, own)
        options: dict[str, Any] = {"commit_windows": 1} if one_by_one else {}
        metadata = self._table(table)
        transaction_module._FRAGMENTS_BEFORE_COMPACTION = limit

        def action() -> None:
            report = mmasc.embed(
                self.files.root / part, self.base / which, self.encoders[space], metadata=metadata, threads=0,
                folders=["place"] if folders else [], hop_seconds=SPACES[space].hop / 1_000, root=self.files.root,
                **options,
            )  # fmt: skip
            assert report.found == report.done == len(found)
            failed = {path for path in found if self.files.sounds[path].state == "failed"}
            assert {Path(one.path) for one in report.failed} == {self.files.root / path for path in failed}

        self.run("embed", which, action, before, prepared, after, fault=fault)

    @may("remove", "a")
    @rule(kind=st.sampled_from(("path", "folder", "where", "missing")), item=st.integers(0, 50), fault=faults)
    def remove(self, kind, item, fault):
        before = self.models["a"]
        recordings, options = before.recordings, {}
        if kind == "path":
            path = PATHS[item % len(PATHS)]
            options, gone = {"paths": [self.files.root / path if item % 2 else path]}, {path} & set(recordings)
        elif kind == "folder":
            folder = "pq"[item % 2]
            options, gone = {"paths": [folder]}, {path for path in recordings if path[0] == folder}
        elif kind == "missing":
            options, gone = {"missing": True}, before.missing(self.files.sounds)
        else:
            where = [text for text in CONDITIONS if "start" not in text][item % (len(CONDITIONS) - 1)]
            needed, passes = CONDITIONS[where]
            if not before.has(needed):
                return
            options = {"where": where}
            gone = {path for path, one in recordings.items() if passes(Row(path, one, 0, 0, np.zeros(0)))}
        if kind in self.left_out:
            return
        opened = Collection(self.base / "a")
        if "paths" in options and not gone:
            assert "no recording" in refused(lambda: opened.remove(**options))
        elif kind == "missing" and gone and gone == set(recordings):
            # Perhaps the disk is only not there now
            assert "nothing was removed" in refused(lambda: opened.remove(**options))
        else:

            def action() -> None:
                assert opened.remove(**options) == len(gone)

            self.run("remove", "a", action, before, before.without(gone), fault=fault)

    @may("compact", "a")
    @rule(which=collections, fault=faults)
    def compact(self, which, fault):
        before = self.models.get(which)
        if before is not None:
            self.run("compact", which, lambda: Collection(self.base / which).compact(), before, before, fault=fault)

    @may("merge", "a", "b")
    @rule(fault=faults)
    def merge(self, fault):
        before, other = self.models["a"], self.models["b"]
        after = before.merged(other)

        def action() -> None:
            result = Collection(self.base / "a").merge(self.base / "b")
            assert result["recordings"] == len(after.recordings) - len(before.recordings)
            assert result["windows"] == sum(len(after.rows(name)) - len(before.rows(name)) for name in after.spaces)

        self.run("merge", "a", action, before, after, fault=fault, between=before.with_notes_of(other))

    @may("move-root", "a")
    @rule(fault=faults)
    def move_root(self, fault):
        root = self.base / f"s{int(self.files.root.name[1:]) + 1}"
        self.files.move(root)
        for which, before in self.models.copy().items():
            after = before.under(str(root))

            def action(which: str = which, before: Model = before) -> None:
                lost = Collection(self.base / which).move_root(root)
                assert lost == len(before.missing(self.files.sounds))

            self.run("move-root", which, action, before, after, fault=fault)
            if self.models[which].root != str(root):
                self.run("move-root", which, action, before, after, fault=NO_FAULT)

    @may("set metadata", "a")
    @rule(row=rows, items=st.sets(st.integers(0, 4), min_size=1), fault=faults)
    def set_metadata(self, row, items, fault):
        before = self.models["a"]
        paths = [path for item, path in enumerate(sorted(before.recordings)) if item in items]
        columns = {before.recordings[path].id: filled(row) for path in paths}
        if columns and filled(row):
            after = before.labelled(dict.fromkeys(paths, row))
            opened = Collection(self.base / "a")
            self.run("set metadata", "a", lambda: opened.set_metadata(columns), before, after, fault=fault)

    @may("annotate", "a")
    @rule(which=collections, item=st.integers(0, 20), label=st.sampled_from(("frog", "owl")), fault=faults)
    def annotate(self, which, item, label, fault):
        before = self.models.get(which)
        if before is None or not before.recordings:
            return
        path = sorted(before.recordings)[item % len(before.recordings)]
        one = before.recordings[path]
        name = f"{self.counts['annotate'] + 1:032x}"
        note = Annotation(id=name, recording=one.id, start=0.0, end=one.sound.duration, label=label)
        after = before.noted(path, name, (0.0, one.sound.duration, label))
        opened = Collection(self.base / which)
        self.run("annotate", which, lambda: opened.annotations.add([note]), before, after, fault=fault)

    @may("erase", "a")
    @rule(item=st.integers(0, 20), undo=st.booleans(), fault=faults)
    def erase(self, item, undo, fault):
        """Remove an annotation; and perhaps undo that, as if it had never happened."""
        before = self.models["a"]
        notes = [(path, name) for path, one in sorted(before.recordings.items()) for name in sorted(one.notes)]
        if not notes:
            return
        path, name = notes[item % len(notes)]
        after = before.noted(path, name, None)
        opened = Collection(self.base / "a")
        self.run("erase", "a", lambda: opened.annotations.remove([name]), before, after, fault=fault)
        if undo and name not in self.models["a"].recordings[path].notes:

            def action() -> None:
                assert opened.annotations.undo() == ["1 annotation removed"]

            self.run("undo", "a", action, self.models["a"], before, fault=fault)

    # Questions

    @may("search", "a")
    @rule(
        text=st.text("abc", min_size=1, max_size=4), sound=st.sampled_from((None, *PATHS)),
        where=st.sampled_from((None, *CONDITIONS)), k=st.sampled_from((1, 2, 5, 1_000)), per=st.booleans(),
        old=st.booleans(),
    )  # fmt: skip
    def search(self, text, sound, where, k, per, old):
        opened, model = self.old if old and self.old is not None else (Collection(self.base / "a"), self.models["a"])
        for space in model.spaces:
            targets, query = [self.encoders[space]._text([text])[0]], {"text": text}
            readable = sound in self.files.sounds and self.files.sounds[sound].state != "failed"
            # A sound that is asked with is cut without overlap, whatever the space
            if readable and SPACES[space].hop == SPACES[space].window:
                query["audio"] = self.files.root / sound
                targets.append(recording_vector(self.files.sounds[sound], space))
            self.ask(opened, model, space, targets, where, k, per, **query)

    @may("old reader", "a")
    @rule()
    def open_reader(self):
        self.old = (Collection(self.base / "a"), self.models["a"])

    @may("read-only", "a")
    @rule()
    def read_only(self):
        """On a read-only disk every question is answered, and a change is refused."""
        with Disk(self.base / "a", "read-only", 1).watched():
            self.compare("a")
            opened = Collection(self.base / "a")
            refused(opened.compact)
            refused(lambda: opened.remove(where="duration > 0"))
        self.counts["read-only"] += 1

    def _table(self, table: Mapping[str, Mapping[str, Any]] | None) -> Path | None:
        """A CSV; a missing value is an empty cell or NA. One row more keeps numbers numbers."""
        if not table:
            return None
        path = self.base / "table.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["filename", *VALUES])
            writer.writerow(["q/nowhere.wav", "frog", 1, "ann"])
            for number, (name, row) in enumerate(table.items()):
                empty = ("", "NA")[number % 2]
                writer.writerow([name, *[empty if row[column] is None else row[column] for column in VALUES]])
        return path
