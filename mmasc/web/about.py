"""What the server has: `/api/health`, the cookie, the collection, the words to ask with, and loading again."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.types as kinds
from fastapi import APIRouter, Query, Response

from mmasc.collection import Collection
from mmasc.encoders.default_prompts import words_of
from mmasc.encoders.registry import spec_of
from mmasc.encoders.words import learned_words
from mmasc.errors import MmascError
from mmasc.heads.fitted import FittedHead
from mmasc.printing import plain
from mmasc.version import __version__
from mmasc.web.bodies import WordsCheck
from mmasc.web.keys import Keys
from mmasc.web.search import check_words
from mmasc.web.state import HEADS_FOLDER, Session

_MOST_VALUES = 50
_MOST_WORDS = 30
_BUNDLED = ("base", "mini")  # their learned words can be completed


def about_router(session: Session, keys: Keys) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/health")
    def health() -> dict[str, Any]:
        return _health(session)

    @router.post("/api/session", status_code=204)
    def give_cookie() -> Response:
        if session.state == "ready" and session.has_changed():
            session.reload()  # a page that is loaded again shows what is new
        return Response(status_code=204, headers={"set-cookie": keys.set_cookie()})

    @router.post("/api/reload")
    def reload() -> dict[str, Any]:
        session.reload()
        return _health(session)

    @router.get("/api/collection")
    def collection() -> dict[str, Any]:
        return session.call(lambda opened: _collection(session, opened))

    @router.get("/api/words")
    def words(space: str | None = None, prefix: Annotated[str, Query(max_length=100)] = "") -> dict[str, Any]:
        return session.call(lambda opened: {"words": _words(opened, space or session.space, prefix)})

    @router.post("/api/words")
    def check(asked: WordsCheck) -> dict[str, Any]:
        return {"remarks": session.call(lambda _: check_words(session, asked.space, asked.texts))}

    return router


def _health(session: Session) -> dict[str, Any]:
    """Never waits for the worker."""
    known = session.state == "ready"
    spaces = session.view.head.spaces if known else {}
    came, went = session.came_and_went() if known else (0, 0)
    first = next((spaces[name] for name in spaces if session.space in (None, name)), None)
    return {
        "state": session.state,
        "error": session.error or None,
        "version": __version__,
        "name": session.name,
        "recordings": len(session.view.ids) if known else 0,
        "windows": first.windows if first is not None else 0,
        "annotations": session.annotations if known else 0,
        "new_recordings": came,
        "gone_recordings": went,
        "read_only": session.read_only,
        "read_only_because": session.hidden(session.only_read_because) or None,
        "by": session.by,
    }


def _collection(session: Session, collection: Collection) -> dict[str, Any]:
    view, begins = session.view, session.view.begins[~np.isnat(session.view.begins)]
    spaces = [
        {
            "name": name,
            "encoder": space.encoder,
            "windows": space.windows,
            "window_seconds": space.window_seconds,
            "hop_seconds": space.hop_seconds,
            "modalities": list(_modalities(space.encoder)),
        }
        for name, space in view.head.spaces.items()
    ]
    sites = view.table.column("site").to_pylist() if "site" in view.table.column_names else []
    return {
        "name": session.name,
        "recordings": len(view.ids),
        "hours": float(view.durations.sum()) / 3600,
        "spaces": spaces,
        "space": session.space,
        "columns": [_column(view.table, name) for name in view.own],
        "labels": label_counts(session),
        "heads": heads_of(session.folder),
        "words": {name: _groups(space.encoder) for name, space in view.head.spaces.items()},
        "sites": sorted({str(site) for site in sites if site is not None}),
        "clock": bool(len(begins)),
        "first": str(begins.min()).replace("T", " ")[:19] if len(begins) else None,
        "last": str(begins.max()).replace("T", " ")[:19] if len(begins) else None,
        "by": session.by,
        "read_only": session.read_only,
    }


def _modalities(encoder: str) -> tuple[str, ...]:
    spec = spec_of(encoder)
    return ("audio",) if spec is None else tuple(spec.modalities)


def _column(table: Any, name: str) -> dict[str, Any]:
    kind = table.schema.field(name).type
    numeric = kinds.is_integer(kind) or kinds.is_floating(kind)
    type_name = "number" if numeric else "time" if kinds.is_timestamp(kind) or kinds.is_date(kind) else "text"
    values = None
    if type_name == "text":
        found = sorted({str(value) for value in table.column(name).unique().to_pylist() if value is not None})
        values = found if len(found) <= _MOST_VALUES else None
    return {"name": name, "type": type_name, "values": values}


def label_counts(session: Session) -> list[dict[str, Any]]:
    """Labels of the annotations, and how many say each verdict; for the worker's thread."""
    counts: dict[str, dict[str, int]] = {}
    for marks in session.marks().values():
        for one in marks:
            verdicts = counts.setdefault(one.label, {"present": 0, "absent": 0, "unsure": 0})
            verdicts[one.verdict] += 1
    return [{"label": label, **counts[label]} for label in sorted(counts)]


def heads_of(folder: Path) -> list[dict[str, Any]]:
    """The heads that the page kept in a collection; what is damaged is not among them."""
    found = []
    for path in sorted((folder / HEADS_FOLDER).glob("*.head")):
        try:
            stamp = FittedHead.load(path).stamp
        except (MmascError, OSError):
            continue
        from datetime import UTC, datetime

        at = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found.append({"name": path.stem, "labels": list(stamp.classes), "fitted_at": at, "space": stamp.space})
    return found


def _groups(encoder: str) -> list[dict[str, Any]]:
    """Words to ask with, by group; none where the encoder comes without a list."""
    try:
        prompts = words_of(encoder)
    except MmascError:
        return []
    groups = prompts.groups or {"": tuple(map(str, prompts.labels))}
    return [{"group": group, "words": [str(label) for label in labels]} for group, labels in groups.items()]


def _words(collection: Collection, space: str | None, prefix: str) -> list[dict[str, Any]]:
    """Words that begin so: first those of the prompt file, then those that the text side learned."""
    if not collection.head.spaces:
        return []
    encoder = collection.space(space).space.encoder
    begin = prefix.strip().lower()
    found = {word: one["group"] for one in _groups(encoder) for word in one["words"] if _begins(word.lower(), begin)}
    if begin and encoder.partition(":")[0] in _BUNDLED:
        found |= {word: "" for word in learned_words() if word.startswith(begin) and word not in found}
    best = sorted(found, key=lambda word: not word.lower().startswith(begin))[:_MOST_WORDS]
    return [{"word": word, "group": plain(found[word])} for word in best]


def _begins(word: str, begin: str) -> bool:
    return any(part.startswith(begin) for part in (word, *word.split())) if begin else True
