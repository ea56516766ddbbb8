"""One HTML page that holds everything it shows: pictures and sound inside, no request to anywhere.

In: plain numbers, names and bytes (the records below). Out: the text of the page. Names of files are other people's
text, so every name is escaped, and the page's own policy forbids any script but ours.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from string import Template

from mmasc import __version__
from mmasc.web.mapping import Placed, place_labels

_PLAY = (
    '<svg viewBox="0 0 16 16" aria-hidden="true" class="go"><path d="M4 2.2v11.6L13.4 8z"/></svg>'
    '<svg viewBox="0 0 16 16" aria-hidden="true" class="pause"><path d="M3.5 2h3v12h-3zM9.5 2h3v12h-3z"/></svg>'
)
_MAP_WIDTH, _MAP_HEIGHT, _MAP_MARGIN = 1060, 620, 70
_NAMED_ON_MAP = 40  # sounds with their name beside the point; with more of them only the words are named
_OPEN_TABLE = 16  # sounds up to which the table of all scores is open at first


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
    """A hit: what, from when to when in seconds, how near (cosine), and the number of its clip."""

    name: str
    start: float
    end: float
    score: float
    clip: int | None


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
class MapPoint:
    """A sound or a word on the map; `tie` is the name of the word that a sound was given."""

    name: str
    x: float
    y: float
    kind: str
    clip: int | None = None
    tie: str | None = None


@dataclass(frozen=True)
class PageContent:
    """All that the page says.

    Attributes:
        title, lead: Of the page, plain text.
        facts: (number or word, what it is).
        clips: To hear and see; the others point into this list.
        texts, sounds: Questions asked in words and with a sound.
        verdicts: Of the sounds that are shown; prompt_name and prompt_lines say from what.
        points: Of the map; explained is the share of the variance that the two axes hold.
        left_out: Sounds in the collection that the page does not show.
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
    left_out: int = 0
    unread: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def render_page(content: PageContent) -> str:
    """The page as HTML text, to be written as UTF-8.

    Args:
        content: Plain text throughout; it is escaped here, once.
    """
    folder = files("mmasc.web")
    style, script = (folder.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    parts = [
        ("words", "Ask in words", _words(content)),
        ("sound", "Ask with a sound", _by_sound(content)),
        ("labels", "Labels", _labels(content)),
        ("map", "Map", _map(content)),
        ("unread", "Not read", _unread(content)),
        ("notes", "To keep in mind", _notes(content)),
    ]
    parts = [part for part in parts if part[2]]
    return Template(folder.joinpath("page.html").read_text("utf-8")).substitute(
        policy=_policy(f"\n{script}\n"),
        version=__version__,
        title=_text(content.title),
        style=style,
        pictures="\n".join(_picture_rule(number, clip) for number, clip in enumerate(content.clips)),
        lead=_text(content.lead),
        facts="\n".join(f"<div><dt>{_text(what)}</dt><dd>{_text(value)}</dd></div>" for value, what in content.facts),
        contents="".join(f'<a href="#{key}">{heading}</a>' for key, heading, _ in parts),
        sections="\n".join(
            f'<section id="{key}" aria-labelledby="h-{key}"><h2 id="h-{key}">{heading}</h2>\n{body}\n</section>'
            for key, heading, body in parts
        ),
        footer=f"Made by mmasc {__version__} on this machine. The page holds its own sounds and pictures and loads "
        "nothing from elsewhere. Keys: Tab to move, Enter to play, Escape to stop.",
        script=script,
    )


def _text(value: str) -> str:
    """Other people's text, safe between tags and inside quotes; bytes of file names that are no UTF-8 become marks."""
    return escape(value.encode("utf-8", "replace").decode("utf-8"), quote=True)


def _policy(script: str) -> str:
    """Nothing from outside, no script but this very one (by its digest), whatever a file is called."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _picture_rule(number: int, clip: Clip) -> str:
    """One rule a picture, so that its bytes are in the page once however often it is shown."""
    return f'.c{number}{{background-image:url("{_data_uri(clip.picture, clip.picture_type)}")}}'


def _seconds(value: float) -> str:
    minutes, seconds = divmod(round(value, 1), 60)
    return f"{int(minutes)}:{seconds:04.1f}" if minutes else f"{seconds:.1f} s"


def _hertz(value: float) -> str:
    return f"{value / 1000:g} kHz" if value >= 1000 else f"{value:g} Hz"


def _picture(content: PageContent, number: int | None, axes: bool = False) -> str:
    """A spectrogram with a button that plays its clip."""
    if number is None:
        return ""
    clip = content.clips[number]
    said = f"Spectrogram of {clip.name}, {_seconds(clip.seconds)}, {_hertz(clip.low_hz)} to {_hertz(clip.high_hz)}"
    axis = (
        f'<span class="axis top">{_hertz(clip.high_hz)}</span><span class="axis bottom">{_seconds(clip.seconds)}</span>'
    )
    return (
        f'<div class="picture" data-clip="{number}">'
        f'<span class="spectrum c{number}" role="img" aria-label="{_text(said)}"></span><span class="head"></span>'
        f'<button type="button" class="play" data-clip="{number}" aria-pressed="false" '
        f'aria-label="Play {_text(clip.name)}">{_PLAY}</button>{axis if axes else ""}</div>'
    )


def _bar(label: str, value: float, shown: str, rest: bool = False) -> str:
    width = min(max(value, 0.0), 1.0)
    return (
        f'<div class="bar{" rest" if rest else ""}"><b>{_text(label)}</b><span>{shown}</span>'
        f'<i style="--v:{width:.3f}"></i></div>'
    )


def _hits(content: PageContent, hits: Iterable[HitView]) -> str:
    tiles = []
    for hit in hits:
        when = f"{_seconds(hit.start)} to {_seconds(hit.end)}"
        linked = hit.clip is not None and any(verdict.clip == hit.clip for verdict in content.verdicts)
        name = f'<a href="#card-{hit.clip}">{_text(hit.name)}</a>' if linked else _text(hit.name)
        tiles.append(
            f'<li class="tile">{_picture(content, hit.clip)}<span class="name">{name}</span>'
            f"{_bar(when, hit.score, f'{hit.score:.2f}')}</li>"
        )
    return f'<ol class="hits">{"".join(tiles)}</ol>' if tiles else '<p class="small">No hits.</p>'


def _words(content: PageContent) -> str:
    if not content.texts:
        return ""
    rows = "\n".join(
        f'<div class="question"><h3>“{_text(question.asked)}”</h3>{_hits(content, question.hits)}</div>'
        for question in content.texts
    )
    return (
        '<p class="note">Every text became a vector in the same space as the sounds. The bar is the cosine between '
        f"the two: 1 is the same direction, 0 is nothing in common.</p>\n{rows}"
    )


def _by_sound(content: PageContent) -> str:
    if not content.sounds:
        return ""
    rows = "\n".join(
        f'<div class="question"><div><h3>{_text(question.asked)}</h3>{_picture(content, question.clip)}</div>'
        f"{_hits(content, question.hits)}</div>"
        for question in content.sounds
    )
    return f'<p class="note">A sound is a question too: what else sounds like it?</p>\n{rows}'


def _labels(content: PageContent) -> str:
    known = [verdict for verdict in content.verdicts if verdict.truth is not None]
    right = sum(verdict.label == verdict.truth for verdict in known)
    said = f" {right} of {len(known)} are labelled right." if known else ""
    more = f" The page shows the first {len(content.verdicts)}; {content.left_out} more are in the collection."
    cards = "\n".join(_card(content, verdict) for verdict in content.verdicts)
    prompts = "".join(f"<li><b>{_text(label)}</b>: {_text(phrases)}</li>" for label, phrases in content.prompt_lines)
    return (
        f'<p class="note">Labels come from words alone: each sound gets the label of the prompt file '
        f"<code>{_text(content.prompt_name)}</code> whose phrases are nearest. The bars are probabilities among these "
        f"labels and no others.{said}{more if content.left_out else ''}</p>\n"
        f'<ul class="cards">{cards}</ul>\n{_table(content)}'
        f'<details><summary>The prompt file</summary><ul class="plain">{prompts}</ul></details>'
    )


def _card(content: PageContent, verdict: Verdict) -> str:
    best = sorted(verdict.scores, key=lambda label: -verdict.scores[label])[:3]
    bars = "".join(
        _bar(label, verdict.scores[label], f"{verdict.scores[label]:.0%}", rest=place > 0)
        for place, label in enumerate(best)
    )
    judged = ""
    if verdict.truth is not None:
        right = verdict.truth == verdict.label
        judged = '<span class="right">✓ right</span>' if right else '<span class="wrong">✗ not right</span>'
        judged = f'<p class="given">{judged}: {_text(verdict.label)}</p>'
    player = ""
    if verdict.clip is not None:
        clip = content.clips[verdict.clip]
        player = (
            f'<audio controls preload="none" data-clip="{verdict.clip}" aria-label="{_text(verdict.name)}" '
            f'src="{_data_uri(clip.audio, clip.audio_type)}"></audio>'
        )
    return (
        f'<li class="card" id="card-{verdict.clip}">{_picture(content, verdict.clip, axes=True)}'
        f'<p class="name">{_text(verdict.name)}</p>{player}{judged}{bars}</li>'
    )


def _table(content: PageContent) -> str:
    if not content.verdicts:
        return ""
    labels = list(content.verdicts[0].cosines)
    head = "".join(f'<th scope="col"><span>{_text(label)}</span></th>' for label in labels)
    rows = []
    for verdict in content.verdicts:
        cells = "".join(
            f"<td{' class=best' if label == verdict.label else ''} "
            f'style="background:rgba(var(--shade),{0.75 * max(verdict.cosines[label], 0.0):.2f})">'
            f"{verdict.cosines[label]:.2f}</td>"
            for label in labels
        )
        rows.append(f'<tr><th scope="row">{_text(verdict.name)}</th>{cells}</tr>')
    opened = " open" if len(content.verdicts) <= _OPEN_TABLE else ""
    return (
        f"<details{opened}><summary>All cosines, sound by label</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Cosines"><table><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _map(content: PageContent) -> str:
    if not content.points:
        return ""
    spread_x = max(abs(point.x) for point in content.points) or 1.0
    spread_y = max(abs(point.y) for point in content.points) or 1.0
    n_sounds = sum(point.kind == "sound" for point in content.points)
    placed = []
    for point in content.points:
        x = _MAP_WIDTH / 2 + point.x / spread_x * (_MAP_WIDTH / 2 - _MAP_MARGIN)
        y = _MAP_HEIGHT / 2 - point.y / spread_y * (_MAP_HEIGHT / 2 - _MAP_MARGIN / 2)
        named = point.kind == "word" or n_sounds <= _NAMED_ON_MAP
        short = point.name if len(point.name) <= 28 else point.name[:27] + "…"
        placed.append(Placed(x, y, short if named else "", point.kind == "word"))
    labels = place_labels(placed, _MAP_WIDTH, _MAP_HEIGHT)
    at = {point.name: spot for point, spot in zip(content.points, placed, strict=True) if point.kind == "word"}
    ties = "".join(
        f'<line class="tie" x1="{spot.x:.1f}" y1="{spot.y:.1f}" x2="{at[point.tie].x:.1f}" y2="{at[point.tie].y:.1f}"/>'
        for point, spot in zip(content.points, placed, strict=True)
        if point.tie in at and n_sounds <= _NAMED_ON_MAP
    )
    marks = "".join(
        _mark(point, spot, label) for point, spot, label in zip(content.points, placed, labels, strict=True)
    )
    tied = "; a dashed line leads from a sound to the label it was given" if ties else ""
    return (
        '<p class="note">All vectors seen from their two widest directions (principal components). Sounds and words each '
        "form a cloud of their own in such a space, so each cloud was centred by itself first. The two axes hold "
        f"{content.explained:.0%} of the variance: near on the map is a hint, the cosines above are the measure.</p>"
        f'<div class="map"><div class="scroll" tabindex="0" role="region" aria-label="Map of sounds and words">'
        f'<svg viewBox="0 0 {_MAP_WIDTH} {_MAP_HEIGHT}" role="group" aria-label="Map of {n_sounds} sounds and '
        f'{len(content.points) - n_sounds} words">'
        f'<path class="cross" d="M0 {_MAP_HEIGHT / 2}H{_MAP_WIDTH}M{_MAP_WIDTH / 2} 0V{_MAP_HEIGHT}"/>{ties}{marks}'
        '</svg></div></div><ul class="key">'
        '<li class="sound"><svg viewBox="0 0 14 14"><circle cx="7" cy="7" r="5"/></svg>a sound; choose it to hear it</li>'
        f'<li class="word"><svg viewBox="0 0 14 14"><path d="M7 1l6 6-6 6-6-6z"/></svg>a label of the prompt file{tied}</li></ul>'
    )


def _mark(point: MapPoint, spot: Placed, label: tuple[float, float, str] | None) -> str:
    text = ""
    if label is not None:
        x, y, anchor = label
        text = f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_text(spot.text)}</text>'
    if point.kind == "word":
        shape = f'<path d="M{spot.x:.1f} {spot.y - 6:.1f}l6 6-6 6-6-6z"/>'
        return f'<g class="word"><title>{_text(point.name)}</title>{shape}{text}</g>'
    shape = f'<circle cx="{spot.x:.1f}" cy="{spot.y:.1f}" r="6"/>'
    if point.clip is None:
        return f'<g class="sound"><title>{_text(point.name)}</title>{shape}{text}</g>'
    return (
        f'<a class="sound" href="#card-{point.clip}" data-clip="{point.clip}" aria-label="Play {_text(point.name)}">'
        f"<title>{_text(point.name)}</title>{shape}{text}</a>"
    )


def _unread(content: PageContent) -> str:
    if not content.unread:
        return ""
    rows = "".join(f"<li><code>{_text(name)}</code>: {_text(reason)}</li>" for name, reason in content.unread)
    return f'<p class="note">These files gave no sound; the rest went on without them.</p><ul class="plain">{rows}</ul>'


def _notes(content: PageContent) -> str:
    return (
        f'<ul class="plain">{"".join(f"<li>{_text(note)}</li>" for note in content.notes)}</ul>'
        if content.notes
        else ""
    )
