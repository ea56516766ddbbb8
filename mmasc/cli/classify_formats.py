"""The output of `mmasc classify` for one recording in every format: objects, rows, lines for people, label files."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmasc.printing import printable

if TYPE_CHECKING:
    from mmasc.labelling.classify import Classification

# Characters that end a field or a line in such tables
_SEPARATORS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
RANKED_COLUMNS = ("path", "rank", "label", "group", "score", "cosine")
_RAVEN_COLUMNS = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Begin File",
    "Begin Path",
    "Annotation",
    "Score",
)


def result_object(result: "Classification", timeline: bool) -> dict[str, Any]:
    """The machine-readable object of a recording; keys may be added, never renamed."""
    value: dict[str, Any] = {
        "path": result.path,
        "label": result.label,
        "score": result.score,
        "scores": result.scores,
        "cosines": result.cosines,
        "labels": list(result.labels),
        "status": result.status.state,
        "reason": result.status.reason,
        "duration": result.duration,
        "silent_seconds": result.status.silent_seconds,
    }
    if timeline:
        value["events"] = [asdict(event) for event in result.events]
        value["seconds"] = result.seconds
        value["windows"] = result.windows
    return value


def summary_row(result: "Classification", top: int | None) -> dict[str, Any]:
    """A row of the table: the labels that apply, and the next ones with their probabilities."""
    ranked = sorted(result.scores.items(), key=lambda item: -item[1])[: top or 3]
    rest = [f"{label} {score:.2f}" for label, score in ranked if label not in result.labels]
    return {
        "path": result.path,
        "label": ", ".join(result.labels) or result.label,
        "score": result.score,
        "cosine": result.cosines[ranked[0][0]],
        "next": ", ".join(rest),
    }


def csv_columns(labels: list[str], timeline: bool) -> list[str]:
    """Columns of `csv_rows`."""
    if timeline:
        return ["path", "start", "end", "label", "score"]
    return ["path", "label", "score", *(f"score_{label}" for label in labels)]


def csv_rows(result: "Classification", timeline: bool) -> Iterator[dict[str, Any]]:
    """Rows for spreadsheets and R: one per recording with a column for every label, or one per event."""
    if timeline:
        for event in result.events:
            yield {"path": result.path} | asdict(event)
        return
    row: dict[str, Any] = {"path": result.path, "label": result.label, "score": result.score}
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
    said = ", ".join(result.labels) or result.label
    yield f"{printable(result.path)}  {clock(result.duration)}  {said} {result.score:.2f}"
    width = max((len(event.label) for event in result.events), default=0)
    for event in result.events:
        yield f"  {clock(event.start):>10}  {clock(event.end):>10}  {event.label:<{width}}  {event.score:.2f}"
    heard = sorted((item for item in result.seconds.items() if item[1] > 0), key=lambda item: -item[1])
    yield "  seconds: " + (", ".join(f"{label} {seconds:.1f}" for label, seconds in heard) or "none of these")
    yield ""


def clock(seconds: float) -> str:
    """Minutes and seconds to a tenth, with hours if needed: 0:07.5, 12:00.0, 1:02:03.4."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    whole = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{whole}:{rest // 10:02d}.{rest % 10}"


def audacity_labels(result: "Classification") -> str:
    """A label track of Audacity: start, end (seconds) and label, separated by tabs, no header."""
    return "".join(f"{event.start:.6f}\t{event.end:.6f}\t{_cell(event.label)}\n" for event in result.events)


def raven_table(result: "Classification") -> str:
    """A selection table of Raven: tabs, a header, and a row for each event over the whole band of the file.

    Begin Path is the path; characters that do not fit into a line (see `fits_a_line`) are replaced by spaces.
    """
    path = Path(result.path)
    lines = ["\t".join(_RAVEN_COLUMNS)]
    for number, event in enumerate(result.events, 1):
        fields = [
            str(number),
            "Spectrogram 1",
            "1",
            f"{event.start:.6f}",
            f"{event.end:.6f}",
            "0.0",
            f"{result.sample_rate / 2:.1f}",
            _cell(path.name),
            _cell(str(path.absolute())),
            _cell(event.label),
            f"{event.score:.4f}",
        ]
        lines.append("\t".join(fields))
    return "\n".join(lines) + "\n"


def fits_a_line(text: str) -> bool:
    """Whether a text can stand in a table that has tabs between its fields and no quotes."""
    return _cell(text) == text


def _cell(text: str) -> str:
    return _SEPARATORS.sub(" ", text)
