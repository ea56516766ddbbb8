"""The parts of the page as HTML. Everything that is other people's text goes through `text`, once."""

from collections.abc import Iterable

from mmasc.demo.content import Clip, HitView, PageContent, Verdict
from mmasc.pages.html import data_uri, text

_PLAY = (
    '<svg viewBox="0 0 16 16" aria-hidden="true" class="go"><path d="M4 2.2v11.6L13.4 8z"/></svg>'
    '<svg viewBox="0 0 16 16" aria-hidden="true" class="pause"><path d="M3.5 2h3v12h-3zM9.5 2h3v12h-3z"/></svg>'
)
_OPEN_TABLE = 16  # sounds up to which the table of all scores is open at first


def picture_rule(number: int, clip: Clip) -> str:
    """One rule a picture, so that its bytes are in the page once however often it is shown."""
    return f'.c{number}{{background-image:url("{data_uri(clip.picture, clip.picture_type)}")}}'


def _seconds(value: float) -> str:
    minutes, seconds = divmod(round(value, 1), 60)
    return f"{int(minutes)}:{seconds:04.1f}" if minutes else f"{seconds:.1f} s"


def _score(value: float) -> str:
    """Two decimals, a true minus, and no minus before zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _hertz(value: float) -> str:
    return f"{value / 1000:g} kHz" if value >= 1000 else f"{value:g} Hz"


def _picture(
    content: PageContent, number: int | None, axes: bool = False, part: tuple[float, float] | None = None
) -> str:
    """A spectrogram with a button that plays its clip; `part` (from, to in seconds of the file) is where a hit is."""
    if number is None:
        return ""
    clip = content.clips[number]
    said = f"Spectrogram of {clip.name}, {_seconds(clip.seconds)}, {_hertz(clip.low_hz)} to {_hertz(clip.high_hz)}"
    axis = (
        f'<span class="axis top">{_hertz(clip.high_hz)}</span><span class="axis bottom">{_seconds(clip.seconds)}</span>'
    )
    marked, begin = "", 0.0
    if part is not None:
        begin, end = (min(max(edge - clip.start, 0.0), clip.seconds) for edge in part)
        if end - begin < 0.99 * clip.seconds:
            left, width = 100 * begin / clip.seconds, 100 * (end - begin) / clip.seconds
            marked = f'<span class="part" style="left:{left:.1f}%;width:{width:.1f}%"></span>'
    return (
        f'<div class="picture" data-clip="{number}">'
        f'<span class="spectrum c{number}" role="img" aria-label="{text(said)}"></span>{marked}'
        f'<span class="head"></span><button type="button" class="play" data-clip="{number}" '
        f'data-from="{begin:.2f}" aria-pressed="false" aria-label="Play {text(clip.name)}">{_PLAY}</button>'
        f"{axis if axes else ''}</div>"
    )


def _bar(label: str, value: float, shown: str, rest: bool = False) -> str:
    width = min(max(value, 0.0), 1.0)
    return (
        f'<div class="bar{" rest" if rest else ""}"><b>{text(label)}</b><span>{shown}</span>'
        f'<i style="--v:{width:.3f}"></i></div>'
    )


def _hits(content: PageContent, hits: Iterable[HitView]) -> str:
    tiles = []
    for hit in hits:
        when = f"{_seconds(hit.start)} to {_seconds(hit.end)}"
        name = f'<a href="#card-{hit.card}">{text(hit.name)}</a>' if hit.card is not None else text(hit.name)
        tiles.append(
            f'<li class="tile">{_picture(content, hit.clip, part=(hit.start, hit.end))}<span class="name">{name}</span>'
            f"{_bar(when, hit.score, _score(hit.score))}</li>"
        )
    return f'<ol class="hits">{"".join(tiles)}</ol>' if tiles else '<p class="small">No hits.</p>'


def words_part(content: PageContent) -> str:
    if not content.texts:
        return ""
    rows = "\n".join(
        f'<div class="question"><h3>“{text(question.asked)}”</h3>{_hits(content, question.hits)}</div>'
        for question in content.texts
    )
    return (
        '<p class="note">Every text became a vector in the same space as the sounds. The bar is the cosine between '
        "the two: 1 is the same direction, 0 is nothing in common. Between words and sounds it stays well below 1, so "
        f"compare the hits of one question with each other.</p>\n{rows}"
    )


def sound_part(content: PageContent) -> str:
    if not content.sounds:
        return ""
    rows = "\n".join(
        f'<div class="question"><div><h3>{text(question.asked)}</h3>{_picture(content, question.clip)}</div>'
        f"{_hits(content, question.hits)}</div>"
        for question in content.sounds
    )
    return f'<p class="note">A sound is a question too: what else sounds like it?</p>\n{rows}'


def labels_part(content: PageContent) -> str:
    known = [verdict for verdict in content.verdicts if verdict.truth is not None]
    right = sum(verdict.label == verdict.truth for verdict in known)
    said = f" {right} of {len(known)} are labelled right." if known else ""
    cards = "\n".join(_card(content, number, verdict) for number, verdict in enumerate(content.verdicts))
    return (
        f'<p class="note">Labels come from words alone: each sound gets the label of the prompt file '
        f"<code>{text(content.prompt_name)}</code> whose phrases are nearest. The bars are probabilities among these "
        f"labels and no others.{said}</p>\n"
        f'<ul class="cards">{cards}</ul>\n{_table(content)}'
        f"{prompt_details(content)}"
    )


def prompt_details(content: PageContent) -> str:
    """The labels of the prompt file with their phrases, folded up."""
    prompts = "".join(f"<li><b>{text(label)}</b>: {text(phrases)}</li>" for label, phrases in content.prompt_lines)
    return f'<details><summary>The prompt file</summary><ul class="plain">{prompts}</ul></details>'


def _card(content: PageContent, number: int, verdict: Verdict) -> str:
    best = sorted(verdict.scores, key=lambda label: -verdict.scores[label])[:3]
    bars = "".join(
        _bar(label, verdict.scores[label], f"{verdict.scores[label]:.0%}", rest=place > 0)
        for place, label in enumerate(best)
    )
    judged = ""
    if verdict.truth is not None:
        right = verdict.truth == verdict.label
        judged = (
            f'<p class="given"><span class="right">✓ right</span>: {text(verdict.label)}</p>'
            if right
            else f'<p class="given"><span class="wrong">✗ not right</span>: this is {text(verdict.truth)}</p>'
        )
    player = "" if verdict.clip is None else _player(content, verdict.clip)
    return (
        f'<li class="card" id="card-{number}">{_picture(content, verdict.clip, axes=True)}'
        f'<p class="name">{text(verdict.name)}</p>{player}{judged}{bars}</li>'
    )


def _player(content: PageContent, number: int, seen: bool = True) -> str:
    clip = content.clips[number]
    return (
        f'<audio {"controls" if seen else "hidden"} preload="none" data-clip="{number}" '
        f'aria-label="{text(clip.name)}" src="{data_uri(clip.audio, clip.audio_type)}"></audio>'
    )


def spare_players(content: PageContent) -> str:
    """Players for the clips that no card has; the round buttons start them."""
    with_card = {verdict.clip for verdict in content.verdicts}
    return "\n".join(
        _player(content, number, seen=False) for number in range(len(content.clips)) if number not in with_card
    )


def _table(content: PageContent) -> str:
    if not content.verdicts:
        return ""
    labels = list(content.verdicts[0].cosines)
    top = max(max(verdict.cosines.values()) for verdict in content.verdicts)
    head = "".join(f'<th scope="col"><span>{text(label)}</span></th>' for label in labels)
    rows = []
    for verdict in content.verdicts:
        cells = "".join(
            f"<td{' class=best' if label == verdict.label else ''} "
            f'style="background:rgba(var(--shade),{0.7 * max(verdict.cosines[label] / max(top, 0.01), 0.0):.2f})">'
            f"{_score(verdict.cosines[label])}</td>"
            for label in labels
        )
        rows.append(f'<tr><th scope="row">{text(verdict.name)}</th>{cells}</tr>')
    opened = " open" if len(content.verdicts) <= _OPEN_TABLE else ""
    return (
        f"<details{opened}><summary>All cosines, sound by label</summary>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Cosines"><table>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def unread_part(content: PageContent) -> str:
    if not content.unread:
        return ""
    rows = "".join(f"<li><code>{text(name)}</code>: {text(reason)}</li>" for name, reason in content.unread)
    return f'<p class="note">These files gave no sound; the rest went on without them.</p><ul class="plain">{rows}</ul>'


def notes_part(content: PageContent) -> str:
    return (
        f'<ul class="plain">{"".join(f"<li>{text(note)}</li>" for note in content.notes)}</ul>' if content.notes else ""
    )
