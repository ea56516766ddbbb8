"""`mmasc head`: classifiers on the vectors of a collection, fitted to labels of your own."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.options import device_option, format_option, quiet_option, strict_option
from mmasc.cli.output import echo, print_object, print_rows, print_table, remark, shorten
from mmasc.cli.progress import progress_line
from mmasc.heads.registry import HEADS

if TYPE_CHECKING:
    from mmasc.labelling.apply import HeadAnswer
    from mmasc.labelling.head_report import HeadReport

_MANY = "--shots"
_NAMES_WIDTH = 200


class _FitCommand(click.Command):
    """`--shots 1 2 4 8`: the option takes all numbers that follow it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        joined: list[str] = []
        for word in args:
            if joined[-2:-1] == [_MANY] and _is_list(joined[-1]) and word.isdigit():
                joined[-1] += f",{word}"
            else:
                joined.append(word)
        return super().parse_args(ctx, joined)


def _is_list(word: str) -> bool:
    return all(part.isdigit() for part in word.split(","))


def _numbers(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, ...]:
    if value is None:
        return ()
    parts = value.replace(",", " ").split()
    if not parts or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"give numbers of recordings per class, as in 1 2 4 8, not {value!r}")
    return tuple(int(part) for part in parts)


@click.group()
def head() -> None:
    """Fit classifiers to labels of your own, test them, apply them."""


@head.command(cls=_FitCommand)
@click.argument("collection")
@click.option(
    "--label", required=True, metavar="COLUMN", help="Column with the labels; recordings without a label are left out."
)
@click.option(
    "--head",
    type=click.Choice(list(HEADS)),
    default="boosting",
    show_default=True,
    help="; ".join(f"{spec.name}: {spec.description}" for spec in HEADS.values()) + ".",
)
@click.option(
    "--groups", metavar="COLUMN", help="Column; recordings with the same value are never on both sides of a fold."
)
@click.option("--folds-column", metavar="COLUMN", help="Column with official folds; default: stratified folds.")
@click.option(
    "--folds", type=click.IntRange(min=2), default=None, metavar="N", help="Number of stratified folds.  [default: 5]"
)
@click.option("--space", metavar="NAME", help="Space of the collection; default: the oldest.")
@click.option("--where", metavar="SQL", help="Condition on columns: \"place = 'pond'\".")
@click.option(
    _MANY,
    callback=_numbers,
    metavar="N...",
    help="Learning curve: accuracy with N labelled recordings per class, as in --shots 1 2 4 8.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Number of random draws for each point of the curve.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Random seed of the folds, the draws and the interval."
)
@click.option("--out", metavar="FILE", help="File for the head, fitted to all recordings, for `mmasc head apply`.")
@quiet_option
@format_option()
def fit(collection: str, label: str, folds: int | None, quiet: bool, output_format: str, **options: Any) -> None:
    """Fit a head to the labels of a collection and measure it on recordings that it was not fitted to.

    Every recording is tested once, in a stratified or an official fold; the interval is a 95 % bootstrap over
    recordings, or over whole groups. The head that is saved is fitted to all recordings.
    """
    if folds is not None and options["folds_column"] is not None:
        raise click.UsageError("--folds-column has its own number of folds: leave out --folds")
    from mmasc.labelling.fit import fit_head

    with progress_line("fitting", quiet=quiet) as line:

        def show(done: int, total: int) -> None:
            line.set_total(total)
            line.update(done)

        report = fit_head(collection, label, folds=folds or 5, progress=show, **options)
    if report.unlabelled:
        remark(f"{report.unlabelled} recordings without a label in {label!r} were left out", quiet)
    if report.without_vectors:
        remark(f"{report.without_vectors} recordings without windows in space {report.space!r} were left out", quiet)
    if report.not_tested:
        names = shorten(", ".join(report.not_tested), _NAMES_WIDTH)
        remark(f"used for fitting but not tested, because they have too few recordings: {names}", quiet)
    if output_format in ("json", "jsonl"):
        print_object(_object(report), output_format)
    elif output_format == "csv":
        print_rows(_class_rows(report), "csv")
    else:
        _print_report(report)


@head.command()
@click.argument("head_file", metavar="HEAD")
@click.argument("paths", nargs=-1, required=True, metavar="COLLECTION|PATH...")
@click.option("--top", type=click.IntRange(min=1), default=None, metavar="K", help="Number of best labels to show.")
@click.option(
    "--space", metavar="NAME", help="Space of the collection; default: the one whose encoder the head was fitted with."
)
@click.option("--where", metavar="SQL", help="Condition on columns of the collection.")
@strict_option
@device_option
@quiet_option
@format_option()
@click.pass_context
def apply(
    ctx: click.Context,
    head_file: str,
    paths: tuple[str, ...],
    top: int | None,
    quiet: bool,
    output_format: str,
    **options: Any,
) -> None:
    """Label recordings with a fitted head: those of a collection, or files, folders and patterns.

    HEAD is a file written by `mmasc head fit --out`. Files are embedded with the encoder that the head was fitted with;
    a collection must hold vectors of that encoder.
    """
    from mmasc.heads.fitted import FittedHead
    from mmasc.labelling.apply import apply_head
    from mmasc.labelling.recordings import is_collection

    where = options["where"]
    if (options["space"] is not None or where is not None) and not any(is_collection(path) for path in paths):
        raise click.UsageError("--space and --where are for a collection; these paths are recordings")
    fitted = FittedHead.load(head_file)
    failed: list[str] = []
    answers = apply_head(fitted, list(paths), top, **options)
    seen = _print_answers(_readable(answers, failed, quiet), fitted.stamp.classes, top, output_format)
    if not seen and not failed:
        remark(
            "no recording meets the condition of --where"
            if where
            else "no recording in the collection has such vectors",
            quiet,
        )
    if failed:
        remark(f"{len(failed)} of {seen + len(failed)} files could not be read:")
        for reason in failed:
            remark(f"  {reason}")
        if not seen:
            ctx.exit(1)


def _readable(answers: "Iterator[HeadAnswer]", failed: list[str], quiet: bool) -> "Iterator[HeadAnswer]":
    """Answers for readable recordings; the reasons why others could not be read go to `failed`."""
    with progress_line("labelling", quiet=quiet or sys.stdout.isatty()) as line:
        for done, answer in enumerate(answers, 1):
            line.update(done, f"{len(failed)} bad files" if failed else "")
            if answer.status.state == "failed":
                failed.append(answer.status.reason)
                continue
            if answer.status.state == "truncated":
                remark(f"truncated: {answer.status.reason}", quiet)
            elif answer.status.reason:
                remark(f"remark: {answer.status.reason}", quiet)
            yield answer


def _print_answers(answers: "Iterator[HeadAnswer]", classes: Sequence[str], top: int | None, output_format: str) -> int:
    """Print answers, JSON lines as they arrive, and return their number."""
    seen = 0
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape")  # file names that are not UTF-8

    def counted() -> "Iterator[HeadAnswer]":
        nonlocal seen
        for answer in answers:
            seen += 1
            yield answer

    if output_format in ("json", "jsonl"):
        print_rows((_answer_object(answer) for answer in counted()), output_format)
    elif output_format == "csv":
        columns = ["path", "label", "score", *(f"score_{name}" for name in classes)]
        rows = ({**_summary(answer), **{f"score_{k}": v for k, v in answer.scores.items()}} for answer in counted())
        print_rows(rows, "csv", columns)
    else:
        rows_of_table = []
        for answer in counted():
            ranked = sorted(answer.scores.items(), key=lambda item: -item[1])[: top or 3]
            others = ", ".join(f"{name} {score:.2f}" for name, score in ranked if name != answer.label)
            rows_of_table.append({**_summary(answer), "next": others})
        if rows_of_table:
            print_table(rows_of_table, ["path", "label", "score", "next"])
    return seen


def _answer_object(answer: "HeadAnswer") -> dict[str, Any]:
    """The machine-readable object of a recording: keys may be added, never renamed."""
    scores = {str(label): score for label, score in answer.scores.items()}
    rest = {"scores": scores, "status": answer.status.state, "duration": answer.duration}
    return _summary(answer) | rest


def _summary(answer: "HeadAnswer") -> dict[str, Any]:
    label = None if answer.label is None else str(answer.label)  # as text, whatever its type is in Python
    return {"path": answer.path, "label": label, "score": answer.score}


def _object(report: "HeadReport") -> dict[str, Any]:
    """The machine-readable object of a fit: keys may be added, never renamed."""
    hidden = ("fitted", "shots")
    value = {name: getattr(report, name) for name in report.__dataclass_fields__ if name not in hidden}
    return value | {"shots": [asdict(point) for point in report.shots], "heard": asdict(report.heard)}


def _class_rows(report: "HeadReport") -> list[dict[str, Any]]:
    return [{"label": name, **numbers} for name, numbers in report.per_class.items()]


def _print_report(report: "HeadReport") -> None:
    echo(
        f"{report.head} on {report.label}: {report.recordings} recordings, {len(report.classes)} classes, "
        f"space {report.space} ({report.encoder} {report.identity[:8]})"
    )
    if report.accuracy is None or report.interval is None:
        echo(
            "accuracy unknown: no recording is left to test on, and those used for fitting cannot show "
            "how good the head is"
        )
    else:
        _print_tested(report)
    if report.out is not None:
        echo(f"\nsaved → {report.out}")


def _print_tested(report: "HeadReport") -> None:
    assert report.interval is not None
    low, high = report.interval
    echo(
        f"accuracy {report.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f}, over {report.interval_over}); "
        f"the largest class alone {report.largest_class:.3f}"
    )
    if report.heard.sentence:
        echo(f"note: {report.heard.sentence}")
    folds = ", ".join(f"{name}: {value:.3f}" for name, value in zip(report.fold_names, report.folds, strict=True))
    echo(f"folds {folds}")
    echo(
        f"balanced accuracy {report.balanced_accuracy:.3f}, macro F1 {report.macro_f1:.3f}, "
        f"log loss {report.log_loss:.3f}, calibration error {report.calibration_error:.3f}"
    )
    echo("")
    print_table(_class_rows(report), ["label", "precision", "recall", "f1", "recordings"])
    echo("")
    numbers = [str(number) for number in range(1, len(report.classes) + 1)]
    rows = [
        {"true": f"{number} {name}", **dict(zip(numbers, counts, strict=True))}
        for number, name, counts in zip(numbers, report.classes, report.confusion, strict=True)
    ]
    echo("confusion: rows true, columns predicted")
    print_table(rows, ["true", *numbers])
    if report.shots:
        echo("")
        points = [
            {"shots": one.shots, "accuracy": one.accuracy, "sd": one.standard_deviation, "draws": len(one.accuracies)}
            for one in report.shots
        ]
        echo("learning curve: shots are recordings per class")
        print_table(points, ["shots", "accuracy", "sd", "draws"])
