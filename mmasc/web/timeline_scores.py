"""Scores of a head, a prompt file or words for the windows of one recording."""

from typing import Any

import numpy as np

from mmasc.audio import AudioStatus
from mmasc.collection.space import SpaceReader
from mmasc.collection.vectors import means_of, stored_windows
from mmasc.encoders.words import remarks_on_words
from mmasc.errors import MmascError
from mmasc.heads.fitted import FittedHead
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.labelling.apply import HeadLabeller
from mmasc.labelling.classify import PromptLabeller
from mmasc.labelling.timelines import Heard, Labeller, Recording, Wanted, label_recordings
from mmasc.prompts.prompts import load_prompts
from mmasc.web.faults import Refused
from mmasc.web.heads import head_file
from mmasc.web.state import Session
from mmasc.windows.units import unit_float32

_MOST_STEPS = 4_000


def by_head(session: Session, name: str, space: str | None) -> tuple[Labeller, SpaceReader]:
    fitted = FittedHead.load(head_file(session, name))
    spaces = session.collection.head.spaces
    fitting = [one for one in spaces if spaces[one].identity == fitted.stamp.identity]
    reader = session.reader(space or (fitting[0] if fitting else None))
    fitted.check_space(reader.space.identity, reader.space.encoder, f"space {reader.name!r}")
    return HeadLabeller(fitted), reader


def by_prompts(session: Session, name: str, space: str | None) -> tuple[Labeller, SpaceReader]:
    reader = session.reader(space)
    encoder = session.text_side(reader)
    if encoder is None:
        raise Refused(422, f"the space {reader.name!r} does not understand text")
    return PromptLabeller(ZeroShotClassifier(encoder).fit(load_prompts(name))), reader


def _windows(session: Session, reader: SpaceReader, row: int) -> Any:
    """The windows of one recording.

    Raises:
        Refused: If it has none in this space.
    """
    found = list(stored_windows(reader, reader.recording == session.view.ids[row]))
    if not found:
        raise Refused(404, f"the recording has no windows in the space {reader.name!r}")
    return found[0]


def of_labeller(session: Session, reader: SpaceReader, row: int, labeller: Labeller) -> dict[str, Any]:
    some, duration = _windows(session, reader, row), float(session.view.durations[row])
    status = AudioStatus("ok", "", None, duration)
    starts, ends = reader.start[some.positions], reader.end[some.positions]
    heard = Heard(
        [Recording("", status, duration)],
        means_of(reader, some),
        some.vectors,
        starts,
        ends,
        some.heard,
        some.bounds,
    )
    answer = next(label_recordings(heard, labeller, Wanted(timeline=True)))
    scores = labeller.scores(some.vectors)[0]
    labels = list(labeller.names)
    return {
        "labels": labels,
        "events": [
            {"start": event.start, "end": event.end, "label": str(event.label), "score": event.score}
            for event in answer.events
        ],
        "curve": _curve(reader, starts, ends, dict(zip(labels, scores.T, strict=True))),
        "remarks": [],
    }


def of_text(session: Session, reader: SpaceReader, row: int, text: str) -> dict[str, Any]:
    """Cosines of words and windows: a curve without events, since no cosine by itself means yes."""
    encoder = session.text_side(reader)
    if encoder is None or not text.strip():
        raise Refused(422, "write some words; the space must understand text")
    some = _windows(session, reader, row)
    try:
        cosines = unit_float32(some.vectors) @ unit_float32(encoder.embed_text([text]))[0]
    except MmascError as error:
        raise Refused(422, str(error)) from error
    starts, ends = reader.start[some.positions], reader.end[some.positions]
    return {
        "labels": [text],
        "events": [],
        "curve": _curve(reader, starts, ends, {text: cosines}),
        "remarks": remarks_on_words(encoder, (text,)),
    }


def _curve(reader: SpaceReader, starts: np.ndarray, ends: np.ndarray, scores: dict[str, np.ndarray]) -> dict[str, Any]:
    """Scores at equal steps: at each, the mean over the windows that it lies in; null where there is none."""
    last = float(ends.max())
    step = max(min(reader.space.hop_seconds, reader.space.window_seconds), last / _MOST_STEPS)
    middles = (np.arange(max(int(np.ceil(last / step - 1e-9)), 1)) + 0.5) * step
    middles[-1] = min(middles[-1], last - 1e-9)
    inside = [np.flatnonzero((starts <= at) & (at < ends)) for at in middles]
    return {
        "step": step,
        "values": {
            label: [round(float(values[some].mean()), 5) if len(some) else None for some in inside]
            for label, values in scores.items()
        },
    }
