"""Annotations → pairs of them in which two annotators say contrary things of one moment."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from mmasc.collection.annotation import Annotation

# Two annotations are about one moment if they share this much of the shorter one
_SHARED = 0.5


def contradictions(annotations: Iterable[Annotation]) -> list[tuple[Annotation, Annotation]]:
    """Pairs in which one annotator says that a label is present and another that it is absent.

    Args:
        annotations: Annotations of any recordings; those of one recording and label sorted by start.
    """
    groups: dict[tuple[int, str], list[Annotation]] = defaultdict(list)
    for one in annotations:
        groups[one.recording, one.label].append(one)
    return [pair for group in groups.values() for pair in _contrary(group)]


def _contrary(group: Sequence[Annotation]) -> Iterator[tuple[Annotation, Annotation]]:
    """Pairs of contrary verdicts among annotations of one recording and label, sorted by start."""
    for place, one in enumerate(group):
        for other in group[place + 1 :]:
            if other.start > one.end:
                break
            contrary = {one.verdict, other.verdict} == {"present", "absent"}
            if contrary and one.annotator != other.annotator and _share(one, other):
                yield one, other


def _share(one: Annotation, other: Annotation) -> bool:
    """Whether two annotations, the earlier first, share half or more of the shorter one's time."""
    shorter = min(one.end - one.start, other.end - other.start)
    return min(one.end, other.end) - other.start >= _SHARED * shorter
