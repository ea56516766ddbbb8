"""Answers of `mmasc classify` and `head apply` for one recording: objects, rows, lines for people, label files."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mmasc.label_files.formats import rows_text
from mmasc.label_files.rows import LabelRow
from mmasc.printing import printable
from mmasc.remote.addresses import absolute

if TYPE_CHECKING:
    from mmasc.labelling.timelines import Classification
    from mmasc.windows.timeline import Event

_DECIMALS = 6  # of seconds in label files: a microsecond
RANKED_COLUMNS = ("path", "rank", "label", "group", "score", "cosine")


def result_object(result: "Classification", timeline: bool) -> dict[str, Any]:
    """The machine-readable object of a recording; keys may be added, never renamed."""
    value: dict[str, Any] = {
        "path": result.path,
        "label": _text(result.label),
        "score": result.score,
        "scores": result.scores,
        **({"cosines": result.cosines} if result.cosines else {}),
        "labels": [str(label) for label in result.labels],
        "status": result.status.state,
        "reason": result.status.reason,
        "duration": result.duration,
        "silent_seconds": result.status.silent_seconds,
        **({} if result.unlike is None else {"unlike": result.unlike}),
    }
    if timeline:
        value["events"] = [_event(result, event) for event in result.events]
        value["seconds"] = result.seconds
        value["windows"] = result.windows
        if result.unlike_seconds is not None:
            value["unlike_seconds"] = result.unlike_seconds
    return value


def summary_row(result: "Classification", top: int | None) -> dict[str, Any]:
    """A row of the table: the labels that apply, and the next ones with their probabilities."""
    ranked = sorted(result.scores.items(), key=lambda item: -item[1])[: top or 3]
    rest = [f"{label} {score:.2f}" for label, score in ranked if label not in result.labels]
    return {
        "path": result.path,
        "label": f"{_label_text(result)} *" if result.unlike else _label_text(result),
        "score": result.score,
        "cosine": result.cosines[ranked[0][0]] if result.cosines else None,
        "next": ", ".join(rest),
    }


def csv_columns(labels: list[str], timeline: bool, with_clock: bool = False) -> list[str]:
    """Columns of `csv_rows`; those of events end with the clock where recordings may have one."""
    if timeline:
        return ["path", "start", "end", "label", "score", *["clock"] * with_clock]
    return ["path", "label", "score", *(f"score_{label}" for label in labels)]


def csv_rows(result: "Classification", timeline: bool) -> Iterator[dict[str, Any]]:
    """Rows for spreadsheets and R: one per recording with a column for every label, or one per event."""
    if timeline:
        for event in result.events:
            yield {"path": result.path} | _event(result, event)
        return
    row: dict[str, Any] = {"path": result.path, "label": _text(result.label), "score": result.score}
    yield row | {f"score_{label}": score for label, score in result.scores.items()}


def ranked_rows(result: "Classification", group_of: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Rows of the best labels of a recording, one per label, best first; `RANKED_COLUMNS` names the columns."""
    for rank, (label, score) in enumerate(sorted(result.scores.items(), key=lambda item: -item[1]), 1):
        yield {
            "path": result.path,
            "rank": rank,
            "label": label,
            "group": group_of.get(label, ""),
            "score": score,
            "cosine": result.cosines[label],
        }


def timeline_lines(result: "Classification") -> Iterator[str]:
    """Lines for people: the events of a recording and the seconds per label."""
    yield f"{printable(result.path)}  {clock(result.duration)}  {_label_text(result)} {result.score:.2f}"
    width = max((len(event.label) for event in result.events), default=0)
    for event in result.events:
        row = f"  {clock(event.start):>10}  {clock(event.end):>10}  {event.label:<{width}}  {event.score:.2f}"
        yield f"{row}  {_clock_at(result, event.start)}".rstrip()
    heard = sorted((item for item in result.seconds.items() if item[1] > 0), key=lambda item: -item[1])
    yield "  seconds: " + (", ".join(f"{label} {seconds:.1f}" for label, seconds in heard) or "none of these")
    if result.unlike_seconds:
        yield f"  unlike what it learned from: {result.unlike_seconds:.1f} s"
    yield ""


def _event(result: "Classification", event: "Event") -> dict[str, Any]:
    """An event as an object; with the clock at its start where that is known, as hits have it."""
    began = _clock_at(result, event.start)
    # Not `asdict`, which copies deeply: there may be a hundred thousand events
    return vars(event) | ({"clock": began} if began else {})


def _clock_at(result: "Classification", seconds: float) -> str:
    """What the clock showed so many seconds into a recording; empty where it is not known."""
    if result.recorded_at is None:
        return ""
    from mmasc.collection.clock import clock_at

    return clock_at(result.recorded_at, seconds)


def clock(seconds: float) -> str:
    """Minutes and seconds to a tenth, with hours if needed: 0:07.5, 12:00.0, 1:02:03.4."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    whole = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{whole}:{rest // 10:02d}.{rest % 10}"


def audacity_labels(result: "Classification") -> str:
    """A label track of Audacity: start, end (seconds) and label, separated by tabs, no header."""
    return rows_text(_label_rows(result, False), "audacity", _DECIMALS)


def raven_table(result: "Classification") -> str:
    """A selection table of Raven: tabs, a header, and a row for each event over the whole band of the file.

    Begin Path is the path; characters that do not fit into a line (see `fits_a_line`) are replaced by spaces.
    """
    return rows_text(_label_rows(result, True), "raven", _DECIMALS)


def joined_labels(results: Iterable["Classification"], output_format: str) -> str:
    """One label file for all recordings: a selection table, or a label track whose fourth value is the recording."""
    rows = [row for result in results for row in _label_rows(result, output_format == "raven")]
    return rows_text(rows, output_format, _DECIMALS, paths=True)


def _label_rows(result: "Classification", banded: bool) -> list[LabelRow]:
    """The events of a recording under its absolute path, over the whole band of the file where a format wants one."""
    path = absolute(result.path)
    low, high = (0.0, result.sample_rate / 2) if banded else (None, None)
    return [
        LabelRow(
            path,
            event.start,
            event.end,
            event.label,
            event.score,
            low_hz=low,
            high_hz=high,
            channel=1,
            clock=_clock_at(result, event.start),
        )
        for event in result.events
    ]


def _text(label: Any) -> str | None:
    """A label of any Python type as text."""
    return None if label is None else str(label)


def _label_text(result: "Classification") -> str | None:
    """The labels that apply, as text."""
    return ", ".join(map(str, result.labels)) or _text(result.label)
