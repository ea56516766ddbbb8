"""The machine: random sequences of commands on a small collection, each answer held against the model.

Every rule is one command, perhaps with a fault at one of its writes. After a fault the collection must be as before,
as after, or (embed, which commits in steps) with some files whole as after and the others whole as before.
"""

import csv
import os
import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

import mmasc
from mmasc.collection import Collection
from mmasc.collection import space as space_module
from mmasc.collection import store as store_module
from mmasc.errors import MmascError
from tests.life import observed
from tests.life.disk import PATHS, Files, edits_of
from tests.life.faults import Disk, Killed
from tests.life.model import Model, Row
from tests.life.sounds import SPACES, recording_vector

# In memory where there is such a folder: what a commit syncs is not this test's question
_BASE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
COLUMNS = ("label", "level", "recorded by")
CONDITIONS: dict[str, tuple[tuple[str, ...], Callable[[Row], Any]]] = {
    "label = 'frog'": (("label",), lambda row: row["label"] == "frog"),
    "label IS NULL": (("label",), lambda row: row["label"] is None),
    '"recorded by" IS NOT NULL': (("recorded by",), lambda row: row["recorded by"] is not None),
    "level > 1 OR label = 'owl'": (
        ("level", "label"),
        lambda row: (row["level"] or 0) > 1 or row["label"] == "owl",
    ),
    "start >= 0.04 AND path LIKE 'p/%'": ((), lambda row: row["start"] >= 0.04 and row["path"].startswith("p/")),
    "duration > 0.12": ((), lambda row: row["duration"] > 0.12),
    "duration > 100": ((), lambda row: False),
}
VALUES = {"label": ("frog", "owl", "it's"), "level": (1, 2, 3), "recorded by": ("ann", "bo")}

collections = st.sampled_from(("a", "a", "a", "b"))
spaces = st.sampled_from(tuple(SPACES))
parts = st.sampled_from(("", "", "", "p", "q", *PATHS))
faults = st.one_of(
    st.just(("", 0)),
    st.tuples(st.sampled_from(("killed", "killed", "torn", "full", "once")), st.integers(1, 40)),
)
tables = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from((*PATHS, "p/never.wav")),
        st.fixed_dictionaries({name: st.one_of(st.none(), st.sampled_from(VALUES[name])) for name in COLUMNS}),
        max_size=4,
    ),
)


class Life(RuleBasedStateMachine):
    """Two collections over one folder of sounds; `counts` says what the runs so far have met."""

    counts: Counter = Counter()
    left_out: frozenset[str] = frozenset()  # edits, commands and faults that this machine does not make

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="life-", dir=_BASE))
        self.files = Files(self.base / "s0")
        self.models: dict[str, Model] = {}
        self.encoders = {name: space.encoder() for name, space in SPACES.items()}
        self.old: tuple[Collection, Model] | None = None
        self.random = random.Random(0)  # noqa: S311
        self.limit = store_module._FRAGMENTS_BEFORE_COMPACTION
        # An index goes on for long beside a store that has moved away from it
        self.shares = space_module._GONE_SHARE, space_module._FRESH_SHARE
        space_module._GONE_SHARE, space_module._FRESH_SHARE = 0.7, 3.0
        self.counts["sequences"] += 1

    def teardown(self) -> None:
        store_module._FRAGMENTS_BEFORE_COMPACTION = self.limit
        space_module._GONE_SHARE, space_module._FRESH_SHARE = self.shares
        shutil.rmtree(self.base)

    # Commands that write

    @rule(
        which=collections, edits=edits_of, part=parts, space=spaces, table=tables, folders=st.booleans(),
        one_by_one=st.booleans(), limit=st.sampled_from((2, 256)), fault=faults,
    )  # fmt: skip
    def embed(self, which, edits, part, space, table, folders, one_by_one, limit, fault):
        for edit in edits:
            if edit[0] not in self.left_out and not (edit[1] in self.files.sounds and "change" in self.left_out):
                self.files.edit(*edit)
        if not self.files.under(part):
            self.files.edit("write", part if part in PATHS else f"{part or 'p'}/a.wav", "", 150)
        found = self.files.under(part)
        own = {path: dict(table.get(path, {})) for path in found} if table is not None else {}
        if folders:
            own = {path: {"place": path[0], **own.get(path, {})} for path in found}
        if "table" in self.left_out:
            table = None
            own = {}
            folders = False
        before = self.models.get(which)
        after = (before or Model(str(self.files.root))).embedded(found, self.files.sounds, space, own)
        options: dict[str, Any] = {"folders": ["place"] if folders else [], "metadata": self._table(table)}
        if one_by_one:
            options["commit_windows"] = 1
        store_module._FRAGMENTS_BEFORE_COMPACTION = limit

        def action() -> None:
            report = mmasc.embed(
                self.files.root / part, self.base / which, self.encoders[space],
                hop_seconds=SPACES[space].hop / 1_000, root=self.files.root, threads=0, **options,
            )  # fmt: skip
            assert report.found == report.done == len(found)
            failed = {path for path in found if self.files.sounds[path].state == "failed"}
            assert {Path(one.path) for one in report.failed} == {self.files.root / path for path in failed}

        self._run("embed", which, action, before, after, fault, in_steps=True)

    @precondition(lambda self: "a" in self.models)
    @rule(kind=st.sampled_from(("path", "folder", "where", "missing")), item=st.integers(0, 50), fault=faults)
    def remove(self, kind, item, fault):
        before = self.models["a"]
        paths, options, gone = [], {}, set()
        if kind == "path":
            path = PATHS[item % len(PATHS)]
            paths, gone = [self.files.root / path if item % 2 else path], {path}
        elif kind == "folder":
            paths, gone = ["pq"[item % 2]], {path for path in before.recordings if path[0] == "pq"[item % 2]}
        elif kind == "missing":
            if kind in self.left_out:
                return
            options, gone = {"missing": True}, before.missing(self.files.sounds)
        else:
            where = [text for text in CONDITIONS if "start" not in text][item % (len(CONDITIONS) - 1)]
            needed, passes = CONDITIONS[where]
            if not self._has_columns(before, needed):
                return
            options = {"where": where}
            gone = {path for path, one in before.recordings.items() if passes(Row(path, one, 0, 0, np.zeros(0)))}
        gone &= set(before.recordings)

        def action() -> None:
            opened = Collection(self.base / "a")
            if paths and not gone:
                try:
                    opened.remove(paths)
                except MmascError as error:
                    assert "no recording" in str(error)
                    return
                raise AssertionError("a path without a recording was not refused")
            assert opened.remove(paths, **options) == len(gone)

        self._run("remove", "a", action, before, before.without(gone), fault)

    @precondition(lambda self: "a" in self.models)
    @rule(fault=faults)
    def compact(self, fault):
        before = self.models["a"]
        self._run("compact", "a", lambda: Collection(self.base / "a").compact(), before, before, fault)

    @precondition(lambda self: {"a", "b"} <= set(self.models))
    @rule(fault=faults)
    def merge(self, fault):
        before, other = self.models["a"], self.models["b"]
        after = before.merged(other)

        def action() -> None:
            result = Collection(self.base / "a").merge(self.base / "b")
            assert result["recordings"] == len(after.recordings) - len(before.recordings)
            assert result["windows"] == sum(len(after.rows(name)) - len(before.rows(name)) for name in after.spaces)

        self._run("merge", "a", action, before, after, fault)

    @precondition(lambda self: "a" in self.models)
    @rule(fault=faults)
    def move_root(self, fault):
        if "move_root" in self.left_out:
            return
        root = self.base / f"s{int(self.files.root.name[1:]) + 1}"
        self.files.move(root)
        for which, before in self.models.copy().items():
            after = Model(str(root), before.recordings, before.spaces, before.columns)

            def action(which=which, before=before) -> None:
                lost = Collection(self.base / which).move_root(root)
                assert lost == len(before.missing(self.files.sounds))

            self._run("move_root", which, action, before, after, fault)
            if self.models[which].root != str(root):
                self._run("move_root", which, action, before, after, ("", 0))

    @precondition(lambda self: "a" in self.models)
    @rule(table=tables, fault=faults)
    def set_metadata(self, table, fault):
        before = self.models["a"]
        own = {path: row for path, row in (table or {}).items() if path in before.recordings}
        if not own:
            return
        after = before.labelled(own)
        columns = {before.recordings[path].id: {**dict(before.recordings[path].columns),
                   **{k: v for k, v in row.items() if v is not None}} for path, row in own.items()}  # fmt: skip
        columns = {one: row for one, row in columns.items() if row}
        self._run("set_metadata", "a", lambda: Collection(self.base / "a").set_metadata(columns), before, after, fault)

    # Questions

    @precondition(lambda self: self._asked() is not None)
    @rule(text=st.text("abc", min_size=1, max_size=4), sound=st.sampled_from((None, *PATHS)),
          where=st.sampled_from((None, *CONDITIONS)), k=st.sampled_from((1, 2, 5, 1_000)), per=st.booleans(),
          old=st.booleans())  # fmt: skip
    def search(self, text, sound, where, k, per, old):
        opened, model = self.old if old and self.old is not None else (Collection(self.base / "a"), self.models["a"])
        for space in model.spaces:
            vectors = [self.encoders[space]._text([text])[0]]
            options: dict[str, Any] = {"text": text}
            if sound in self.files.sounds and self.files.sounds[sound].state != "failed":
                # A sound is cut without overlap, whatever the space
                options["audio"] = self.files.root / sound
                if SPACES[space].hop == SPACES[space].window:
                    vectors.append(recording_vector(self.files.sounds[sound], space))
                else:
                    del options["audio"]
            self._ask(opened, model, space, observed.target_of(vectors), where, k, per, options)

    @precondition(lambda self: "a" in self.models)
    @rule()
    def open_reader(self):
        if "open_reader" in self.left_out:
            return
        self.old = (Collection(self.base / "a"), self.models["a"])

    @precondition(lambda self: "a" in self.models)
    @rule()
    def read_only(self):
        """On a read-only disk every question is answered, and a change is refused."""
        if "read-only" in self.left_out:
            return
        with Disk(self.base / "a", "read-only", 1).watched():
            self._compare("a")
            opened = Collection(self.base / "a")
            for change in (opened.compact, lambda: opened.remove(where="duration > 0")):
                try:
                    change()
                except (MmascError, OSError):
                    continue
                raise AssertionError("a change on a read-only disk did not fail")
        self._compare("a")

    # How a command is run and what is asked after it

    def _run(self, name: str, which: str, action: Callable[[], None], before: Model | None, after: Model,
             fault: tuple[str, int], in_steps: bool = False) -> None:  # fmt: skip
        if name in self.left_out:
            return
        if fault[0] in self.left_out:
            fault = ("", 0)
        self.counts[name] += 1
        disk = Disk(self.base / which, *fault)
        try:
            if fault[0]:
                with disk.watched():
                    action()
            else:
                action()
        except (Killed, MmascError, OSError) as error:
            if not disk.reached or (isinstance(error, Killed) != (fault[0] in ("killed", "torn"))):
                raise
            traceback.clear_frames(error.__traceback__)
            self.counts[f"{name}: {fault[0]}"] += 1
            self.counts[f"{fault[0]} at {disk.names[fault[1] - 1]}"] += 1
            settled = self._settled(which, before, after, in_steps)
        else:
            settled = after
        if settled is not None:
            self.models[which] = settled
            self._compare(which)
        if self.old is not None:
            self._compare_old()

    def _settled(self, which: str, before: Model | None, after: Model, in_steps: bool) -> Model | None:
        """The model that a collection follows after a command that did not end."""
        if not (self.base / which / "collection.json").exists():
            assert before is None, "the collection is gone"
            return None
        opened = Collection(self.base / which)
        before = before or Model(after.root)
        if in_steps:
            return observed.between(opened, before, after)
        for model in (before, after):
            with suppress(AssertionError):
                return observed.assert_same(opened, model)
        return observed.assert_same(opened, before)

    def _compare(self, which: str) -> None:
        """Every answer of a collection against its model."""
        opened, model = Collection(self.base / which), self.models[which]
        model = self.models[which] = observed.assert_same(opened, model)
        observed.assert_info(opened, model)
        self.counts["comparisons"] += 1
        for space in model.spaces:
            k, per = self.random.choice((1, 3, 1_000)), self.random.random() < 0.3
            where = self.random.choice((None, None, *CONDITIONS))
            target = np.array([self.random.uniform(-1, 1) for _ in range(SPACES[space].dim)], np.float32)
            self._ask(opened, model, space, observed.target_of([target]), where, k, per, {"vectors": target})
        observed.assert_checked(opened, model.missing(self.files.sounds))
        observed.assert_exported(opened, model, self.base / "export")

    def _compare_old(self) -> None:
        """Who opened the collection before it changed goes on with what there was then."""
        opened, model = self.old
        self.old = (opened, observed.assert_same(opened, model))
        self.counts["old readers"] += 1
        for space in model.spaces:
            target = np.ones(SPACES[space].dim, np.float32)
            self._ask(opened, model, space, observed.target_of([target]), None, 3, False, {"vectors": target})

    def _ask(self, opened: Collection, model: Model, space: str, target: np.ndarray, where: str | None, k: int,
             per: bool, options: Mapping[str, Any]) -> None:  # fmt: skip
        needed, passes = CONDITIONS[where] if where else ((), lambda row: True)
        if not self._has_columns(model, needed):
            where, passes = None, lambda row: True
        self.counts["searches"] += 1
        encoder = None if "vectors" in options else self.encoders[space]
        hits = opened.search(**options, k=k, where=where, space=space, per_recording=per, encoder=encoder)
        observed.assert_hits(hits, model, model.scores(space, target, passes), k, per)

    @staticmethod
    def _has_columns(model: Model, names: tuple[str, ...]) -> bool:
        used = {name for one in model.recordings.values() for name in one.columns}
        return set(names) <= used

    def _asked(self) -> Model | None:
        return self.models.get("a")

    def _table(self, table: Mapping[str, Mapping[str, Any]] | None) -> Path | None:
        """A CSV beside the sounds; a missing value is an empty cell or NA. One row more keeps numbers numbers."""
        if not table:
            return None
        path = self.base / "table.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["filename", *COLUMNS])
            writer.writerow(["q/nowhere.wav", "frog", 1, "ann"])
            for number, (name, row) in enumerate(table.items()):
                empty = ("", "NA")[number % 2]
                writer.writerow([name, *[empty if row[column] is None else row[column] for column in COLUMNS]])
        return path
