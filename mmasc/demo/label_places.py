"""Where the names stand on a map, so that they cover neither points nor each other."""

from collections.abc import Sequence
from dataclasses import dataclass

_LETTER = 7.2  # width of a letter of 13 px text, on the generous side
_LINE = 15.0  # height of a line
_POINT = 8.0  # radius of a point with some air


@dataclass(frozen=True)
class Placed:
    """A point at (x, y) in pixels and the text that wants to stand next to it; `first` is placed before the others."""

    x: float
    y: float
    text: str
    first: bool = False


def place_labels(points: Sequence[Placed], width: float, height: float) -> list[tuple[float, float, str] | None]:
    """Baseline and anchor of every text: (x, y, "start" | "middle" | "end"), or None where there is no room or no text.

    Greedy, in the order of `points` with `first` ones before the others: right, left, below or above of its point,
    then the same farther out; the first place that covers no point and no earlier text, inside `width` by `height`.
    """
    taken = [(point.x - _POINT, point.y - _POINT, point.x + _POINT, point.y + _POINT) for point in points]
    result: list[tuple[float, float, str] | None] = [None] * len(points)
    for item in sorted(range(len(points)), key=lambda item: not points[item].first):
        point = points[item]
        if not point.text:
            continue
        others = taken[:item] + taken[item + 1 :]
        for x, y, anchor, box in _candidates(point):
            inside = box[0] >= 2 and box[1] >= 2 and box[2] <= width - 2 and box[3] <= height - 2
            if inside and not any(_overlap(box, other) for other in others):
                result[item] = (x, y, anchor)
                taken.append(box)
                break
    return result


def _candidates(point: Placed) -> list[tuple[float, float, str, tuple[float, float, float, float]]]:
    width, found = _LETTER * len(point.text), []
    for away in (0.0, 12.0):
        for dx, dy, anchor in (
            (11 + away, 4, "start"),
            (-11 - away, 4, "end"),
            (0, 22 + away, "middle"),
            (0, -12 - away, "middle"),
            (9, 16 + away, "start"),
            (9, -9 - away, "start"),
            (-9, 16 + away, "end"),
            (-9, -9 - away, "end"),
        ):
            x, y = point.x + dx, point.y + dy
            left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            found.append((x, y, anchor, (left, y - _LINE + 4, left + width, y + 4)))
    return found


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
