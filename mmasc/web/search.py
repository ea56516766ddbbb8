"""`POST /api/search`: words, uploads and moments, with weights, for and against → hits as the page shows them."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from jaxtyping import Float, Int

from mmasc.collection import Collection
from mmasc.collection.clock import clock_at
from mmasc.collection.moments import Moment, Wanted, find_moments
from mmasc.collection.query import Query
from mmasc.collection.space import SpaceReader
from mmasc.collection.stored_moments import windows_within
from mmasc.encoders.words import remarks_on_words
from mmasc.errors import MmascError
from mmasc.web.allowed import allowed_windows, passing_beforehand, takes_long
from mmasc.web.bodies import MomentPart, Search, TextPart, UploadPart
from mmasc.web.faults import Refused
from mmasc.web.state import Session
from mmasc.web.uploads import Uploads
from mmasc.windows.units import unit_float32

_BARS = 40
_AT_ONCE = 65_536  # windows whose vectors are read together
_SAME_COSINE = 1 - 1e-5  # equal to the rounding of float32: the same window of the same sound


@dataclass
class Asked:
    """A question as a direction in a space.

    Attributes:
        target: Scores are inner products with it, float32 `[dim]`.
        own: Unit vectors of the windows that were asked with, `[item dim]`: hits that are these are duplicates.
        by_words: Whether words are in it.
        by_sound: Whether sounds are in it.
        remarks: What users may want to know.
    """

    target: Float[np.ndarray, " dim"]
    own: Float[np.ndarray, "item dim"]
    by_words: bool
    by_sound: bool
    remarks: list[str] = field(default_factory=list)


def search_router(session: Session, uploads: Uploads) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.post("/api/search")
    def search(asked: Search) -> Response:
        began = time.perf_counter()
        if takes_long(asked.filters, asked.where):
            reader = session.call(lambda _: session.reader(_space_for(session, asked, uploads)))
            passed = passing_beforehand(session, reader, asked.filters, asked.where)
            found = session.call(lambda _: _search(session, uploads, asked, (reader, passed)))
        else:  # one turn in the worker's queue instead of two

            def work(_: Collection) -> dict[str, Any]:
                return _search(session, uploads, asked, (session.reader(_space_for(session, asked, uploads)), None))

            found = session.call(work)
        answer = {**found, "ms": round(1_000 * (time.perf_counter() - began), 1)}
        return JSONResponse(answer)  # written at once: to check first what is ours costs more than the search

    return router


def _search(
    session: Session, uploads: Uploads, asked: Search, found: tuple[SpaceReader, np.ndarray | None]
) -> dict[str, Any]:
    """Hits of a space, of which some windows passed already."""
    reader, passed = found
    question = question_of(session, uploads, reader, asked)
    least, most = asked.score or (None, None)
    if most is not None:
        below = _scores(reader, question.target) <= most
        passed = below if passed is None else passed & below
    allowed = allowed_windows(session, reader, asked.filters, passed)
    wanted = Wanted(asked.k, asked.windows, asked.spread, None, question.by_words, question.by_sound)
    moments = find_moments(reader, question.target, wanted, allowed)
    if least is not None:
        moments = [moment for moment in moments if moment.score >= least]
    remarks = question.remarks
    if not moments:
        filtered = allowed is not None or least is not None
        remarks = [*remarks, "nothing passes the filters" if filtered else "nothing found"]
    sample, distribution = distribution_of(session, reader, question.target)
    hits = hits_of(session, reader, moments, sample)
    _mark_duplicates(reader, moments, question, hits)
    return {"hits": hits, "space": reader.name, "remarks": remarks, "distribution": distribution}


def _scores(reader: SpaceReader, target: np.ndarray) -> Float[np.ndarray, " window"]:
    """Scores of all windows, whose vectors are read a piece at a time."""
    found = np.zeros(len(reader), np.float32)
    for first in range(0, len(reader), _AT_ONCE):
        some = np.arange(first, min(first + _AT_ONCE, len(reader)))
        found[some] = unit_float32(reader.vectors(some)) @ target
    return found


def _space_for(session: Session, asked: Search, uploads: Uploads) -> str | None:
    """The space that is asked for, or the oldest that understands the question."""
    if asked.space is not None or session.space is not None:
        return asked.space or session.space
    files = [uploads.get(part.upload).questions for part in [*asked.uploads, *asked.not_uploads]]
    texts = tuple(part.text for part in asked.texts + asked.not_texts)
    # Films by their pictures, where a space reads them, else by their sound
    ways = [
        Query(
            texts=texts,
            sounds=tuple(sound for one in files for sound in one[place].sounds),
            images=tuple(image for one in files for image in one[place].images),
        )
        for place in (0, -1)
    ]
    spaces = [space.encoder for space in session.collection.head.spaces.values()]
    query = next((one for one in ways if any(one.fits(encoder) for encoder in spaces)), ways[-1])
    return session.collection.space_for(query)


def question_of(session: Session, uploads: Uploads, reader: SpaceReader, asked: Search) -> Asked:
    """What a request asks, as a direction: the weighted mean of what is wanted less that of what is not.

    Raises:
        Refused: If nothing is asked, or it cancels out.
        MmascError: If the space does not understand it, or an upload cannot be read.
    """
    remarks: list[str] = []
    good, own = _side(session, uploads, reader, (asked.texts, asked.uploads, asked.moments), remarks)
    bad, _ = _side(session, uploads, reader, (asked.not_texts, asked.not_uploads, asked.not_moments), remarks)
    if good is None:
        raise Refused(422, "nothing to look for; give words, a sound, a picture or a moment")
    target = good if bad is None else good - bad
    if not target.any():
        raise Refused(422, "the parts for and against cancel out; use others")
    words = bool(asked.texts or asked.not_texts)
    return Asked(target.astype(np.float32), own, words, bool(len(own)), remarks)


def _side(
    session: Session,
    uploads: Uploads,
    reader: SpaceReader,
    parts: tuple[Sequence[TextPart], Sequence[UploadPart], Sequence[MomentPart]],
    remarks: list[str],
) -> tuple[np.ndarray | None, np.ndarray]:
    """Weighted mean of unit vectors, None where nothing is asked; and the windows that were asked with."""
    texts, files, moments = parts
    vectors: list[np.ndarray] = []
    weights = [one.weight for one in texts] + [one.weight for one in files] + [one.weight for one in moments]
    own = [np.zeros((0, reader.space.dim), np.float32)]
    if any(not part.text.strip() for part in texts):
        raise Refused(422, "the query is empty; write some words")
    if texts:
        words = tuple(part.text for part in texts)
        encoder = session.text_side(reader)
        if encoder is None:
            raise Refused(422, f"the space {reader.name!r} does not understand text; ask it with a sound")
        remarks += remarks_on_words(encoder, words)
        vectors += list(encoder.embed_text(list(words)))
    for part in files:
        vector, windows = uploads.vectors(part.upload, session, reader)
        vectors.append(vector)
        own.append(windows)
    for moment in moments:
        windows = reader.vectors(windows_of_moment(session, reader, moment))
        vectors.append(unit_float32(windows).mean(axis=0))
        own.append(windows)
    if not vectors:
        return None, own[0]
    units = unit_float32(np.stack(vectors))
    return np.average(units, axis=0, weights=weights), unit_float32(np.concatenate(own))


def windows_of_moment(session: Session, reader: SpaceReader, moment: MomentPart) -> Int[np.ndarray, " item"]:
    """Windows that share half or more of the shorter of the two with a moment; else the nearest one.

    Raises:
        Refused: If the recording is gone, or has no windows in this space.
    """
    recording = int(session.view.ids[session.view.row(moment.recording)])
    windows = windows_within(reader, recording, moment.start, moment.end)
    if not len(windows):
        raise Refused(404, f"the recording has no windows in the space {reader.name!r}")
    return windows


def distribution_of(session: Session, reader: SpaceReader, target: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Sorted scores of windows spread evenly over the space, and how many lie in each of 40 bars."""
    scores = session.sample(reader) @ target
    scores = np.sort(scores[np.isfinite(scores)])
    if not len(scores):
        return scores, {"edges": [], "counts": []}
    edges = np.histogram_bin_edges(scores[[0, -1]], _BARS)
    places = np.searchsorted(scores, edges)
    places[-1] = len(scores)  # the last bar holds its upper edge
    return scores, {"edges": edges.round(5).tolist(), "counts": np.diff(places).tolist()}


def hits_of(
    session: Session, reader: SpaceReader, moments: Sequence[Moment], sample: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """Moments as the page shows them. For the worker's thread."""
    view, marks, hits = session.view, session.marks(), []
    several_lanes = reader.several_lanes
    shares = _shares_below(sample, moments)
    for rank, (moment, below) in enumerate(zip(moments, shares, strict=True), 1):
        recording = int(reader.recording[moment.best])
        known = view.shown(view.rows[recording])
        clock = clock_at(known.begin, moment.start)
        hits.append(
            {
                "rank": rank,
                "recording": str(recording),
                "position": moment.best,
                "name": known.name,
                "path_shown": known.path_shown,
                "start": moment.start,
                "end": moment.end,
                "best_start": float(reader.start[moment.best]),
                "best_end": float(reader.end[moment.best]),
                "duration": known.duration,
                "score": moment.score if math.isfinite(moment.score) else None,
                "percentile": below,
                "duplicate": False,
                **({"lane": int(reader.lane[moment.best])} if several_lanes else {}),
                "clock": clock or None,
                "site": known.site,
                "metadata": known.metadata,
                "annotations": [
                    {
                        "id": one.id,
                        "recording": str(recording),
                        "start": one.start,
                        "end": one.end,
                        "label": one.label,
                        "verdict": one.verdict,
                        "by": one.by,
                    }
                    for one in marks.get(recording, ())
                    if one.start < moment.end and (one.end > moment.start or one.start == one.end >= moment.start)
                ],
            }
        )
    return hits


def _shares_below(sample: np.ndarray | None, moments: Sequence[Moment]) -> list[float] | list[None]:
    """What share of a sorted sample of scores lies below that of each moment, in percent."""
    if sample is None or not len(sample):
        return [None] * len(moments)
    places = np.searchsorted(sample, [moment.score for moment in moments])
    return (100 * places / len(sample)).round(2).tolist()


def _mark_duplicates(
    reader: SpaceReader, moments: Sequence[Moment], question: Asked, hits: Sequence[dict[str, Any]]
) -> None:
    """Say of hits which ones are what was asked with."""
    if not len(question.own) or not moments:
        return
    best = unit_float32(reader.vectors(np.array([moment.best for moment in moments])))
    same = (best @ question.own.T).max(axis=1) >= _SAME_COSINE
    for hit, one in zip(hits, same.tolist(), strict=True):
        hit["duplicate"] = one


def check_words(session: Session, space: str | None, texts: Sequence[str]) -> list[str]:
    """What is to be said of words that an encoder does not know. For the worker's thread."""
    try:
        encoder = session.text_side(session.reader(space))
    except MmascError as error:
        return [session.hidden(str(error))]
    return [] if encoder is None else remarks_on_words(encoder, texts)
