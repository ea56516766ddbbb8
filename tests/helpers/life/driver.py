"""How the machine runs one command, perhaps with a fault, and what it asks a collection after it."""

import os
import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hypothesis.stateful import RuleBasedStateMachine

from mmasc.collection import Collection
from mmasc.collection import index_upkeep as upkeep_module
from mmasc.collection import journal as journal_module
from mmasc.collection import transaction as transaction_module
from mmasc.encoders import embedding as embedding_module
from mmasc.errors import MmascError
from tests.helpers.life import observed
from tests.helpers.life.disk import Files
from tests.helpers.life.faults import Disk, Killed
from tests.helpers.life.model import Model, Row
from tests.helpers.life.sounds import SPACES

# In memory where there is such a folder: what a commit syncs is not this test's question
_BASE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# By SQL: the columns that it needs, and the same in Python
CONDITIONS: dict[str, tuple[tuple[str, ...], Callable[[Row], Any]]] = {
    "label = 'frog'": (("label",), lambda row: row["label"] == "frog"),
    "label IS NULL": (("label",), lambda row: row["label"] is None),
    '"recorded by" IS NOT NULL': (("recorded by",), lambda row: row["recorded by"] is not None),
    "level > 1 OR label = 'it''s'": (("level", "label"), lambda row: (row["level"] or 0) > 1 or row["label"] == "it's"),
    "start >= 0.04 AND path LIKE 'p/%'": ((), lambda row: row["start"] >= 0.04 and row["path"].startswith("p/")),
    "duration > 0.12": ((), lambda row: row["duration"] > 0.12),
    "duration > 100": ((), lambda row: False),
}
Fault = tuple[str, int, str]  # kind, at and of, see `Disk`
NO_FAULT: Fault = ("", 0, "")


class Driver(RuleBasedStateMachine):
    """Two collections, a and b, over one folder of sounds, and their models.

    Attributes:
        counts: What all runs so far have met.
        left_out: Edits, commands and faults that this machine does not make.
    """

    counts: ClassVar[Counter] = Counter()
    left_out: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="life-", dir=_BASE))
        self.files = Files(self.base / "s0")
        self.models: dict[str, Model] = {}
        self.encoders = {name: space.encoder() for name, space in SPACES.items()}
        self.old: tuple[Collection, Model] | None = None
        self.random = random.Random(0)
        self.limits = (
            upkeep_module.GONE_SHARE, upkeep_module._FRESH_SHARE, transaction_module._FRAGMENTS_BEFORE_COMPACTION,
            journal_module.FOLD_BYTES, embedding_module.KEEP_SECONDS,
        )  # fmt: skip
        journal_module.FOLD_BYTES = 600
        # Every window of a recording that is not whole yet is kept by itself
        embedding_module.KEEP_SECONDS = 0.0
        # A small collection's index would be built again after every change; a large one's goes on beside the store
        upkeep_module.GONE_SHARE, upkeep_module._FRESH_SHARE = 0.7, 3.0
        self.counts["lives"] += 1

    def teardown(self) -> None:
        (
            upkeep_module.GONE_SHARE, upkeep_module._FRESH_SHARE, transaction_module._FRAGMENTS_BEFORE_COMPACTION,
            journal_module.FOLD_BYTES, embedding_module.KEEP_SECONDS,
        ) = self.limits  # fmt: skip
        shutil.rmtree(self.base)

    def run(
        self, name: str, which: str, action: Callable[[], object], *steps: Model, fault: Fault,
        between: Model | None = None,
    ) -> None:  # fmt: skip
        """Run a command on a collection, then ask it everything.

        Args:
            name: Of the command.
            which: "a" or "b".
            action: The command.
            steps: The models before, after each of its steps that is more than one recording, and after it.
            fault: What happens to it, and at which of its writes; see `Disk`.
            between: The model after a fault in a command whose annotations count before the rest.
        """
        kind, at, of = NO_FAULT if fault[0] in self.left_out else fault
        self.counts[name] += 1
        disk = Disk(self.base / which, kind, at, of)
        settled: Model | None = steps[-1]
        try:
            with disk.watched() if kind else nullcontext():
                action()
        except (Killed, MmascError, OSError) as error:
            if not disk.reached or isinstance(error, Killed) != (kind in ("killed", "torn")):
                raise
            traceback.clear_frames(error.__traceback__)  # what a dead process holds open is closed
            self.counts[f"{name}: {kind}"] += 1
            self.counts[f"{kind} at {disk.struck}"] += 1
            settled = self._settled(which, steps, between)
        if settled is not None:
            self.models[which] = settled
            self.compare(which)
        if self.old is not None:
            self._compare_old()

    def compare(self, which: str) -> None:
        """Every answer of a collection against its model."""
        opened, model = Collection(self.base / which), self.models[which]
        model = self.models[which] = observed.assert_same(opened, model)
        observed.assert_info(opened, model)
        self.counts["comparisons"] += 1
        for space in model.spaces:
            target = np.array([self.random.uniform(-1, 1) for _ in range(SPACES[space].dim)], np.float32)
            where = self.random.choice((None, None, *CONDITIONS))
            k, per = self.random.choice((1, 3, 1_000)), self.random.random() < 0.3
            self.ask(opened, model, space, [target], where, k, per, vectors=target)
        if self.random.random() < 0.3:
            moved = model.root != str(self.files.root)
            observed.assert_checked(opened, set(model.recordings) if moved else model.missing(self.files.sounds))
        if self.random.random() < 0.3:
            observed.assert_exported(opened, model, self.base / "export")

    def ask(self, opened: Collection, model: Model, space: str, targets: list[np.ndarray], where: str | None, k: int,
            per: bool, **query: Any) -> None:  # fmt: skip
        """One search against brute force.

        Args:
            targets: The vectors that the query amounts to.
            query: The query as `Collection.search` takes it.
        """
        needed, passes = CONDITIONS[where] if where else ((), lambda row: True)
        if not model.has(needed):
            where, passes = None, lambda row: True
        self.counts["searches"] += 1
        encoder = None if "vectors" in query else self.encoders[space]
        hits = opened.search(**query, k=k, where=where, space=space, per_recording=per, windows=True, encoder=encoder)
        scored = model.scores(space, observed.target_of(targets), passes)
        observed.assert_hits(hits, model, scored, k, per)

    def _settled(self, which: str, steps: tuple[Model, ...], between: Model | None) -> Model | None:
        """The model that a collection follows after a command that did not end; None where it was never made."""
        if not (self.base / which / "collection.json").exists():
            assert which not in self.models, "the collection is gone"
            return None
        opened = Collection(self.base / which)
        if len(steps) > 2:
            return observed.between(opened, *steps)
        for step in (steps[-1], between):
            with suppress(AssertionError):
                if step is not None:
                    return observed.assert_same(opened, step)
        return observed.assert_same(opened, steps[0])

    def _compare_old(self) -> None:
        """Who opened the collection before it changed goes on with what there was then."""
        assert self.old is not None
        opened, model = self.old
        self.old = (opened, observed.assert_same(opened, model, notes=False))
        self.counts["old readers"] += 1
        for space in model.spaces:
            target = np.ones(SPACES[space].dim, np.float32)
            self.ask(opened, model, space, [target], None, 3, False, vectors=target)


def refused(action: Callable[[], object]) -> str:
    """The message with which a command is refused."""
    try:
        action()
    except (MmascError, OSError) as error:
        return str(error)
    raise AssertionError("the command was not refused")


def filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without its empty cells."""
    return {name: value for name, value in row.items() if value is not None}
