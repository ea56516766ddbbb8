"""Events of annotations, and the state after them: later events replace earlier ones, undone events are ignored."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from mmasc.collection.annotation import Annotation, new_id, now
from mmasc.printing import counted

OPS = ("set", "remove", "rename", "undo", "redo")


@dataclass(frozen=True)
class Event:
    """One change of the annotations.

    Attributes:
        id: 32 hexadecimal digits; an event that is read twice counts once.
        op: "set", "remove", "rename", "undo" or "redo".
        at: When, ISO 8601 in UTC.
        annotations: What "set" adds, or puts in place of those with the same ids.
        paths: Paths of their recordings under the root at that time, for people who read the file.
        ids: Annotations that "remove" and "rename" are about ("rename" without any: all with the label), events that
            "undo" undoes, or undos that "redo" takes back.
        old, new: Labels of "rename".
    """

    id: str
    op: str
    at: str
    annotations: tuple[Annotation, ...] = ()
    paths: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    old: str = ""
    new: str = ""

    @classmethod
    def make(cls, op: str, **rest: object) -> "Event":
        """A new one, of now."""
        return cls(new_id(), op, now(), **rest)  # type: ignore[arg-type]

    def touches(self, ids: Collection[str] | None) -> bool:
        """Whether one of these annotations is among what it sets, removes or renames; None: all are."""
        return ids is None or any(one.id in ids for one in self.annotations) or any(one in ids for one in self.ids)

    def described(self) -> str:
        """What it did, in a few words."""
        if self.op == "set":
            labels = sorted({one.label for one in self.annotations})
            of = f" of {labels[0]}" if len(labels) == 1 else f" of {len(labels)} labels"
            return f"{counted(len(self.annotations), 'annotation')}{of} added"
        if self.op == "remove":
            return f"{counted(len(self.ids), 'annotation')} removed"
        return f"{self.old} renamed to {self.new}" if self.op == "rename" else self.op


class History:
    """All events in their order, and what follows from them.

    Args:
        events: Oldest first; one whose id came before is left out.
    Attributes:
        events: Those that were read.
        undone: Ids of the events that do not count.
        state: What counts: annotations by id, in the order in which they were set first.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = list({one.id: one for one in events}.values())
        self.undone = _undone(self.events)
        self.state: dict[str, Annotation] = {}
        for event in self.events:
            if event.id not in self.undone:
                self._apply(event)

    def counting(self, ops: Collection[str]) -> list[Event]:
        """Events of these kinds that count, the newest first."""
        return [one for one in reversed(self.events) if one.op in ops and one.id not in self.undone]

    def _apply(self, event: Event) -> None:
        if event.op == "set":
            self.state.update((one.id, one) for one in event.annotations)
        elif event.op == "remove":
            for name in event.ids:
                self.state.pop(name, None)
        elif event.op == "rename":
            for name in event.ids or tuple(self.state):
                one = self.state.get(name)
                if one is not None and one.label == event.old:
                    self.state[name] = relabelled(one, event.new)


def relabelled(one: Annotation, label: str) -> Annotation:
    """The same annotation with another label."""
    return replace(one, label=label)


def _undone(events: Sequence[Event]) -> set[str]:
    """Ids of events that do not count. From the newest back: an undo that was itself taken back undoes nothing."""
    undone: set[str] = set()
    for event in reversed(events):
        if event.op in ("undo", "redo") and event.id not in undone:
            undone.update(event.ids)
    return undone
