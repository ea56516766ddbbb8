"""`collection check`: looks for faults in a collection."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow.compute as pc

from mmasc.audio.quality import CANCELLED, CUT
from mmasc.collection.annotations import Annotations
from mmasc.collection.check_space import SpaceFault, check_space
from mmasc.collection.coverage import NAMED, Counted, uncovered
from mmasc.collection.derived import wrong_columns
from mmasc.collection.head import HEAD_NAME, read_copies
from mmasc.collection.known import some
from mmasc.collection.leases import copy_path
from mmasc.collection.path_digests import PathDigests
from mmasc.collection.removal import places_gone
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.written_since import written_warning
from mmasc.errors import MmascError
from mmasc.printing import counted
from mmasc.progress import current, one_by_one
from mmasc.storage.texts import listed

AT_ONCE = 65_536


@dataclass(frozen=True)
class Finding:
    """Something that does not hold, and where.

    Attributes:
        level: "error" for what makes answers wrong, "warning" for what users may want to know.
        message: One line.
    """

    level: Literal["error", "warning"]
    message: str


def check(collection: Snapshot, at_once: int = AT_ONCE) -> list[Finding]:
    """See `Collection.check`. Rows are read some at a time: `at_once` recordings, or about so many windows."""
    findings = _check_files(collection)
    if findings:
        return findings  # what damaged tables hold says nothing
    findings += _check_recordings(collection, at_once)
    findings += [Finding(level, line) for level, line in Annotations(collection).faults()]
    wrong = {name: wrong_columns(collection.store, collection.head.spaces[name]) for name in collection.spaces}
    if not any(wrong.values()):
        findings += [Finding("warning", line) for line in uncovered(collection, at_once)]
    for name in one_by_one("space", collection.spaces):
        if wrong[name]:
            message = f"{listed(wrong[name])} of its windows differ from its table, which is what counts"
            found: list[SpaceFault] = [
                ("error", f"{message}; what else is there was not looked at: mmasc collection compact")
            ]
        else:
            found = check_space(collection.space(name), collection, at_once)
        findings += [Finding(level, f"space {name!r}: {message}") for level, message in found]
    return findings


def _check_recordings(collection: Snapshot, at_once: int) -> list[Finding]:
    """Doubles, files that are gone or were written again, and recordings that end too early."""
    store, head, findings = collection.store, collection.head, list[Finding]()
    digests = PathDigests(table.column("path") for table in store.recording_batches(head, ["path"], at_once))
    rows = np.concatenate([np.zeros(0, np.int64), *digests.doubles()])
    paths = store.take_recordings(head, rows, ["path"]).column("path").to_pylist()
    double = len(paths) - len(set(paths))
    if double:
        findings.append(Finding("error", f"{double} paths occur twice in the table of recordings"))
    ids = [table.column("id").to_numpy() for table in store.recording_batches(head, ["id"], at_once)]
    double = sum(map(len, ids)) - len(np.unique(np.concatenate(ids)))
    if double:
        has = counted(double, "recording has", "recordings have")
        findings.append(Finding("error", f"{has} the same id as another one"))
    missing, truncated, cancelled = Counted(), Counted(), Counted()
    try:
        for table, absent in places_gone(store, head, at_once):
            missing.add(table.column("path"), absent)
    except MmascError as error:
        missing = Counted()
        findings.append(Finding("warning", f"it is not known whether all recordings are there: {error}"))
    for table in store.recording_batches(head, ["path", "status", "reason"], at_once):
        less = pc.not_equal(table.column("status"), "ok").to_numpy()
        reasons = table.column("reason").fill_null("")
        in_mix = pc.match_substring(reasons, CANCELLED).to_numpy() & less
        cut = pc.match_substring(reasons, CUT).to_numpy()
        truncated.add(table.column("path"), less & (cut | ~in_mix))
        cancelled.add(table.column("path"), in_mix)
    if missing.count:
        message = f"{counted(missing.count, 'recording is', 'recordings are')} not under {head.root} ({missing})"
        helps = "if they were moved: mmasc collection move-root; if they are gone: mmasc collection remove --missing"
        findings.append(Finding("warning", f"{message}; {helps}"))
    findings += [Finding("warning", line) for line in written_warning(collection, at_once)]
    if truncated.count:
        early = counted(
            truncated.count, "recording ends before its header says", "recordings end before their headers say"
        )
        findings.append(Finding("warning", f"{early} ({truncated})"))
    if cancelled.count:
        lost = counted(
            cancelled.count,
            "recording is lost in the mix of its channels",
            "recordings are lost in the mix of their channels",
        )
        findings.append(Finding("warning", f"{lost} ({cancelled}); embed with --channels left, or each"))
    return findings


def _check_files(collection: Snapshot) -> list[Finding]:
    """Files of the tables that are not as they were written, and a head that is not as its copy says."""
    store, findings = collection.store, []
    with current().phase("comparing files with their checksums"):
        damaged = store.damaged_files(collection.head)
    if damaged:
        bad = counted(
            len(damaged), "file is gone or not as it was written", "files are gone or not as they were written"
        )
        message = f"{bad} ({some(damaged, NAMED)}); restore {store.location} from a backup"
        findings.append(Finding("error", message))
    copies = [one for one in read_copies(store.folder) if one.generation == collection.head.generation]
    if copies and copies[0] != collection.head:
        copy = copy_path(store.folder, collection.head.generation)
        findings.append(Finding("error", f"{HEAD_NAME} is not as it was written; copy {copy} to it"))
    return findings
