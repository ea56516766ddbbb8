"""The map of sounds and words as a part of the page: every sound a dot in the colour of its group."""

from mmasc.demo.content import MapPoint, PageContent
from mmasc.demo.label_places import Placed, place_labels
from mmasc.pages.html import text

_MAP_WIDTH, _MAP_HEIGHT, _MAP_MARGIN = 1060, 620, 70
_NAMED_ON_MAP = 40  # sounds with their name next to the point; with more of them only the words are named


def map_part(content: PageContent) -> str:
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
    colours = {group: number for number, group in enumerate(content.groups)}
    labels = _places(content, placed, n_sounds > _NAMED_ON_MAP)
    at = {point.name: spot for point, spot in zip(content.points, placed, strict=True) if point.kind == "word"}
    ties = "".join(
        f'<line class="tie" x1="{spot.x:.1f}" y1="{spot.y:.1f}" x2="{at[point.tie].x:.1f}" y2="{at[point.tie].y:.1f}"/>'
        for point, spot in zip(content.points, placed, strict=True)
        if point.tie in at and n_sounds <= _NAMED_ON_MAP
    )
    marks = "".join(
        _mark(point, spot, label, colours.get(point.group), n_sounds > _NAMED_ON_MAP)
        for point, spot, label in zip(content.points, placed, labels, strict=True)
    )
    tied = "; a dashed line leads from a sound to the label it was given" if ties else ""
    return (
        '<p class="note">All vectors seen from their two widest directions (principal components). Sounds and words '
        "each form a cloud of their own in such a space, so each cloud was centred by itself first. The two axes hold "
        f"{content.explained:.0%} of the variance: near on the map is a hint, the cosines above are the measure.</p>"
        f'<div class="map"><div class="scroll" tabindex="0" role="region" aria-label="Map of sounds and words">'
        f'<svg viewBox="0 0 {_MAP_WIDTH} {_MAP_HEIGHT}" role="group" aria-label="Map of {n_sounds} sounds and '
        f'{len(content.points) - n_sounds} words">'
        f'<path class="cross" d="M0 {_MAP_HEIGHT / 2}H{_MAP_WIDTH}M{_MAP_WIDTH / 2} 0V{_MAP_HEIGHT}"/>{ties}{marks}'
        '</svg></div></div><ul class="key">'
        '<li class="sound"><svg viewBox="0 0 14 14"><circle cx="7" cy="7" r="5"/></svg>'
        "a sound; choose it to hear it</li>"
        '<li class="word"><svg viewBox="0 0 14 14"><path d="M7 1l6 6-6 6-6-6z"/></svg>'
        f"a label of the prompt file{tied}</li>{_legend(content)}</ul>"
        '<p class="chosen small" aria-live="polite"></p>'
    )


def _places(content: PageContent, placed: list[Placed], crowded: bool) -> list[tuple[float, float, str] | None]:
    """Where the names stand; where sounds are many, names of words keep clear of each other, not of the sounds."""
    chosen = [number for number, point in enumerate(content.points) if point.kind == "word" or not crowded]
    found = place_labels([placed[number] for number in chosen], _MAP_WIDTH, _MAP_HEIGHT)
    places = dict(zip(chosen, found, strict=True))
    return [places.get(number) for number in range(len(placed))]


def _legend(content: PageContent) -> str:
    """Groups with their colours."""
    return "".join(
        f'<li class="g{number}"><svg viewBox="0 0 14 14"><circle cx="7" cy="7" r="5"/></svg>{text(group)}</li>'
        for number, group in enumerate(content.groups)
    )


def _mark(
    point: MapPoint, spot: Placed, label: tuple[float, float, str] | None, colour: int | None, crowded: bool
) -> str:
    name, painted = "", "" if colour is None else f" g{colour}"
    if label is not None:
        x, y, anchor = label
        name = f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text(spot.text)}</text>'
    if point.kind == "word":
        shape = f'<path d="M{spot.x:.1f} {spot.y - 6:.1f}l6 6-6 6-6-6z"/>'
        return f'<g class="word"><title>{text(point.name)}</title>{shape}{name}</g>'
    # Of many sounds each is one small element: the script knows its name, and which one is nearest to a click
    if crowded and point.entry is not None:
        return f'<circle class="dot{painted}" data-entry="{point.entry}" cx="{spot.x:.1f}" cy="{spot.y:.1f}" r="4"/>'
    shape = f'<circle cx="{spot.x:.1f}" cy="{spot.y:.1f}" r="6"/>'
    entry = "" if point.entry is None else f' data-entry="{point.entry}"'
    if point.clip is None and not entry:
        return f'<g class="sound{painted}"><title>{text(point.name)}</title>{shape}{name}</g>'
    clip = "" if point.clip is None or entry else f' data-clip="{point.clip}"'
    return (
        f'<a class="sound{painted}" href="#labels"{clip}{entry} aria-label="Play {text(point.name)}">'
        f"<title>{text(point.name)}</title>{shape}{name}</a>"
    )
