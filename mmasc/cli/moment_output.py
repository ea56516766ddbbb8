"""How good a head of several labels is, printed for people and for other programs."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mmasc.cli.output import echo, print_object, print_rows, print_table
from mmasc.printing import counted

if TYPE_CHECKING:
    from mmasc.labelling.moment_report import MomentReport


def print_moments(report: "MomentReport", output_format: str) -> None:
    """Print a report: an object, a row for each label, or lines and a table."""
    if output_format in ("json", "jsonl"):
        value = {name: getattr(report, name) for name in report.__dataclass_fields__ if name != "fitted"}
        print_object(value | {"heard": asdict(report.heard)}, output_format)
    elif output_format == "csv":
        print_rows([{"label": name, **numbers} for name, numbers in report.per_label.items()], "csv")
    else:
        _print_lines(report)


def _print_lines(report: "MomentReport") -> None:
    background = f", {report.background} of them of no label" if report.background else ""
    recordings = counted(report.recordings, "recording")
    echo(
        f"{report.head} on {counted(report.annotations, 'annotation')}: {counted(report.windows, 'window')} of "
        f"{recordings}{background}"
    )
    echo(f"{counted(len(report.classes), 'label')}, space {report.space} ({report.encoder} {report.identity[:8]})")
    if report.words:
        all_of_them = len(report.words) == len(report.classes)
        some = "all labels" if all_of_them else f"{len(report.words)} of {counted(len(report.classes), 'label')}"
        echo(f"begun with the words of {some} (--no-words: from examples alone)")
    if report.macro_f1 is None:
        echo("accuracy unknown: no label occurs in two recordings, so there is nothing left to test on")
    else:
        interval = ""
        if report.interval is not None:
            interval = (
                f" (95 % interval {report.interval[0]:.3f} to {report.interval[1]:.3f}, over {report.interval_over})"
            )
        echo(f"macro F1 {report.macro_f1:.3f}{interval}")
        echo(f"mean average precision {report.mean_average_precision:.3f}; {report.folds} folds of whole recordings")
        if report.heard.sentence:
            echo(f"note: {report.heard.sentence}")
    echo("")
    print_table([_row(name, numbers) for name, numbers in report.per_label.items()], _COLUMNS)
    if report.out is not None:
        echo(f"\nsaved → {report.out}")


_COLUMNS = ["label", "at", "precision", "recall", "f1", "95 %", "ap", "windows", "absent", "files"]


def _row(label: str, numbers: dict[str, Any]) -> dict[str, Any]:
    low, high = numbers["f1_low"], numbers["f1_high"]
    return {
        "label": label,
        "at": numbers["threshold"],
        "precision": numbers["precision"],
        "recall": numbers["recall"],
        "f1": numbers["f1"],
        "95 %": "" if low is None else f"{low:.2f}-{high:.2f}",
        "ap": numbers["average_precision"],
        "windows": numbers["windows"],
        "absent": numbers["absent"],
        "files": numbers["recordings"],
    }
