"""The content of the page as plain values: names, numbers, and bytes of sounds and pictures. No HTML."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Clip:
    """Something to hear and see.

    Attributes:
        name: Shown, as the user knows it.
        start, seconds: The part of the recording that is heard, in seconds.
        audio, audio_type: An encoded preview and its media type.
        picture, picture_type: An encoded spectrogram, low notes at the bottom, and its media type.
        low_hz, high_hz: Bottom and top of the picture.
    """

    name: str
    start: float
    seconds: float
    audio: bytes
    audio_type: str
    picture: bytes
    picture_type: str
    low_hz: float
    high_hz: float


@dataclass(frozen=True)
class HitView:
    """A hit: what, from when to when in seconds, how near (cosine), the number of its clip, and of its verdict if the
    page shows that sound's card."""

    name: str
    start: float
    end: float
    score: float
    clip: int | None
    card: int | None = None


@dataclass(frozen=True)
class Question:
    """A text or a sound (then `clip` is it) that was asked, and the hits in order."""

    asked: str
    hits: Sequence[HitView]
    clip: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What the prompt file makes of one sound.

    Attributes:
        scores: Label → probability; cosines: label → cosine. Both in the order of the prompt file.
        truth: The right label where it is known.
    """

    name: str
    clip: int | None
    label: str
    scores: dict[str, float]
    cosines: dict[str, float]
    truth: str | None = None


@dataclass(frozen=True)
class Entry:
    """A sound in the list of all sounds.

    Attributes:
        name: Shown, as the user knows it.
        seconds: Duration in seconds.
        labels: The best labels, best first: label, probability, cosine.
        group: The group of the best label; "" for none.
        clip: The number of its preview inside the page, else None.
        source: Where the file lies, as an address seen from the page; "" where it is not needed.
    """

    name: str
    seconds: float
    labels: Sequence[tuple[str, float, float]]
    group: str = ""
    clip: int | None = None
    source: str = ""


@dataclass(frozen=True)
class MapPoint:
    """A sound or a word on the map; `tie` is the name of the word that a sound was given, `group` gives its colour,
    `entry` is its number in the list of all sounds."""

    name: str
    x: float
    y: float
    kind: str
    clip: int | None = None
    tie: str | None = None
    group: str = ""
    entry: int | None = None


@dataclass(frozen=True)
class PageContent:
    """All that the page says.

    Attributes:
        title, lead: Title and lead of the page, plain text.
        facts: (number or word, what it is).
        clips: Clips to hear and see; the others point into this list.
        texts, sounds: Questions asked in words and with a sound.
        verdicts: Verdicts of the sounds that are shown; prompt_name and prompt_lines say from what.
        points: Points of the map; explained is the share of the variance that the two axes hold.
        entries: All sounds, to search, sort and filter; where there are any, they stand in the place of the verdicts.
        groups: Groups of labels that have a colour, in order.
        unread: (file, reason).
        notes: Sentences for the end.
    """

    title: str
    lead: str
    facts: Sequence[tuple[str, str]]
    clips: Sequence[Clip]
    texts: Sequence[Question]
    sounds: Sequence[Question]
    verdicts: Sequence[Verdict]
    prompt_name: str
    prompt_lines: Sequence[tuple[str, str]]
    points: Sequence[MapPoint] = ()
    explained: float = 0.0
    entries: Sequence[Entry] = ()
    groups: Sequence[str] = ()
    unread: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
