"""What the demo found, as the content of a page: previews, questions, labels, map, notes."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from mmasc.demo.clips import Wanted, make_clips
from mmasc.demo.content import Entry, HitView, MapPoint, PageContent, Question, Verdict
from mmasc.demo.page import render_page
from mmasc.demo.pictures import map_positions
from mmasc.demo.result import Asked, DemoResult, Labelled
from mmasc.printing import counted
from mmasc.storage.files import make_folders, write_atomically

_WORDS_ON_MAP = 40  # with more labels than this, those that most sounds were given
_COLOURS = 16  # that page.css has for groups
_LABELS_IN_LIST = 3
PREVIEW_SECONDS = 8.0  # of a recording; a hit behind that gets a preview of its own


def write_page(result: DemoResult) -> None:
    """Write the page to `result.page`."""
    make_folders(result.page.parent)
    write_atomically(result.page, render_page(page_content(result)).encode())


def page_content(result: DemoResult) -> PageContent:
    """Everything the page says, as plain values; the previews are decoded here."""
    shown = result.labelled[: result.shown]
    desk = _Desk(shown, cards=result.made)
    texts = [(asked, [desk.clip_of_hit(hit) for hit in asked.hits]) for asked in result.texts]
    sounds = [(asked, [desk.clip_of_hit(hit) for hit in asked.hits]) for asked in result.by_sound]
    asking = [desk.clip_of_question(asked) for asked in result.by_sound]
    clips, failed = make_clips(desk.wanted)
    place: dict[int | None, int | None] = {None: None}
    place.update(
        {number: sum(clip is not None for clip in clips[:number]) for number, clip in enumerate(clips) if clip}
    )

    def question(asked: Asked, numbers: Sequence[int], own: int | None = None) -> Question:
        hits = [_hit(hit, place.get(number), desk) for hit, number in zip(asked.hits, numbers, strict=True)]
        return Question(asked.question, hits, place.get(own))

    points, explained = _map(result, place)
    unread = [(bad.path, bad.reason) for bad in result.report.failed] + failed
    return PageContent(
        title=_title(result),
        lead=_lead(result),
        facts=_facts(result),
        clips=[clip for clip in clips if clip is not None],
        texts=[question(asked, numbers) for asked, numbers in texts],
        sounds=[question(asked, numbers, own) for (asked, numbers), own in zip(sounds, asking, strict=True)],
        verdicts=[
            Verdict(one.path, place.get(number), one.label, one.scores, one.cosines, one.truth)
            for number, one in enumerate(shown)
            if result.made
        ],
        prompt_name=result.prompts.name,
        prompt_lines=[(label, ", ".join(phrases)) for label, phrases in result.prompts.labels.items()],
        points=points,
        explained=explained,
        entries=() if result.made else _entries(result, place),
        groups=_groups(result),
        unread=unread,
        notes=_notes(result),
    )


class _Desk:
    """Collects the previews that the page needs, each once: first those of the sounds that are shown."""

    def __init__(self, shown: Sequence[Labelled], cards: bool) -> None:
        self.wanted = [Wanted(one.file, one.path, 0.0, min(PREVIEW_SECONDS, one.duration)) for one in shown]
        self.cards = {str(one.file): number for number, one in enumerate(shown)}
        self._links = cards
        self._more: dict[tuple[str, float], int] = {}

    def clip_of_hit(self, hit: dict[str, Any]) -> int:
        """The number of the preview that holds a hit."""
        path, start, end = hit["path"], hit["start"], hit["end"]
        if path in self.cards and end <= PREVIEW_SECONDS:
            return self.cards[path]
        if (path, start) not in self._more:
            self._more[path, start] = len(self.wanted)
            self.wanted.append(Wanted(Path(path), hit["name"], start, min(end - start, PREVIEW_SECONDS)))
        return self._more[path, start]

    def card(self, path: str) -> int | None:
        """The number of the card of a sound, where the page has cards."""
        return self.cards.get(path) if self._links else None

    def clip_of_question(self, asked: Asked) -> int:
        """The number of the preview of a sound that asks."""
        assert asked.path is not None
        for number, part in enumerate(self.wanted):
            if part.path == asked.path and part.start == 0:
                return number
        self.wanted.append(Wanted(asked.path, asked.question, 0.0, PREVIEW_SECONDS))
        return len(self.wanted) - 1


def _hit(hit: dict[str, Any], clip: int | None, desk: _Desk) -> HitView:
    return HitView(hit["name"], hit["start"], hit["end"], hit["score"], clip, desk.card(hit["path"]))


def _map(result: DemoResult, place: dict[int | None, int | None]) -> tuple[list[MapPoint], float]:
    """Every sound and every label on two axes; nothing where there are too few for a picture to say something."""
    if len(result.labelled) < 3 or len(result.word_vectors) < 2:
        return [], 0.0
    sounds, words, explained = map_positions(np.stack([one.vector for one in result.labelled]), result.word_vectors)
    group_of = _group_of(result)
    points = [
        MapPoint(
            one.path,
            float(x),
            float(y),
            "sound",
            place.get(number) if number < result.shown else None,
            one.label,
            group_of.get(one.label, ""),
            None if result.made else number,
        )
        for number, (one, (x, y)) in enumerate(zip(result.labelled, sounds, strict=True))
    ]
    frequent = Counter(one.label for one in result.labelled).most_common(_WORDS_ON_MAP)
    wanted = {label for label, _ in frequent} if len(words) > _WORDS_ON_MAP else set(result.prompts.labels)
    points += [
        MapPoint(label, float(x), float(y), "word", group=group_of.get(label, ""))
        for label, (x, y) in zip(result.prompts.labels, words, strict=True)
        if label in wanted
    ]
    return points, explained


def _group_of(result: DemoResult) -> dict[str, str]:
    """Label to the group that gives its colour: that of the prompt file, or the label itself where they are few."""
    if result.prompts.groups or len(result.prompts.labels) > _COLOURS:
        return result.prompts.group_of
    return {label: label for label in result.prompts.labels}


def _groups(result: DemoResult) -> list[str]:
    """Groups in which there are sounds, the largest first."""
    group_of = _group_of(result)
    counts = Counter(group for one in result.labelled if (group := group_of.get(one.label, "")))
    return [group for group, _ in counts.most_common()]


def _entries(result: DemoResult, place: dict[int | None, int | None]) -> list[Entry]:
    """All sounds for the list; those without a preview inside the page with the address of their file."""
    group_of = _group_of(result)
    entries = []
    for number, one in enumerate(result.labelled):
        clip = place.get(number) if number < result.shown else None
        best = sorted(one.cosines, key=lambda label: -one.cosines[label])[:_LABELS_IN_LIST]
        labels = [(label, one.scores[label], one.cosines[label]) for label in best]
        source = "" if clip is not None else _address(one.file, result.page)
        entries.append(Entry(one.path, one.duration, labels, group_of.get(one.label, ""), clip, source))
    return entries


def _address(file: Path, page: Path) -> str:
    """Where a file lies, as an address seen from the page: both may be moved together."""
    try:
        relative = os.path.relpath(file, page.parent)
    except ValueError:  # another drive of Windows
        return file.absolute().as_uri()
    return quote(os.fsencode(relative.replace(os.sep, "/")))


def _title(result: DemoResult) -> str:
    count = len(result.labelled)
    return f"What mmasc hears in {counted(count, 'sound')}"


def _lead(result: DemoResult) -> str:
    where = "Sounds that mmasc made by rule" if result.made else f"The sounds in {result.sounds}"
    return (
        f"{where} became vectors in a space that sounds share with words. On this page they are searched in words and "
        "by sound, labelled, and drawn on a map."
    )


def _facts(result: DemoResult) -> list[tuple[str, str]]:
    spec, report = result.encoder.spec, result.report
    minutes, seconds = divmod(round(result.seconds), 60)
    hours, minutes = divmod(minutes, 60)
    length = f"{hours} h {minutes:02d} min" if hours else f"{minutes}:{seconds:02d}"
    facts = [
        (f"{len(result.labelled):,}", "sounds"),
        (length, "long together"),
        (spec.name, "encoder"),
        (f"{spec.dim}", f"numbers for every {spec.window_seconds:g} s"),
    ]
    if result.known:
        facts.append((f"{result.right} of {result.known}", "labelled right"))
    if report.failed:
        facts.append((f"{len(report.failed)}", "not read"))
    return facts


def _notes(result: DemoResult) -> list[str]:
    name = result.encoder.spec.name
    notes = []
    if result.made:
        notes.append(
            "These sounds are caricatures made by formulas, tuned so that mini can tell them apart; base learned from "
            "other takes of them. "
            "How many are labelled right shows that the parts work together; it does not measure the encoder. The "
            "questions in words were chosen, and some of their answers are wrong."
        )
    if name.startswith("mini"):
        notes.append(
            f"{name} is small and was trained on less than a thousand recordings of everyday sounds: no speech, no "
            "music. On things that it never heard it is near chance."
        )
    if name.startswith("base"):
        notes.append(
            f"{name} is small and learned from some thousand recordings: sounds, instruments, games, voices. On things "
            "that it never heard it is often wrong."
        )
    notes += [
        "Probabilities compare the labels of the prompt file with each other. A sound that is none of them still gets "
        "one; its low cosine tells.",
        "Words are understood as a bag: “no dog” is much the same as “dog”."
        if name.startswith(("base", "mini"))
        else "A text is understood as well as the encoder's text side allows.",
    ]
    if not result.made and result.seconds > len(result.labelled) * PREVIEW_SECONDS:
        notes.append(
            f"Previews hold the first {PREVIEW_SECONDS:g} s of a recording, or the window of a hit; labels and vectors "
            "were computed from the whole."
        )
    return notes
