"""`mmasc head`: classifiers on the vectors of a collection, fitted to labels of your own."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.head_apply import apply
from mmasc.cli.lists import ListCommand
from mmasc.cli.numbers import NumberRange
from mmasc.cli.options import format_option, quiet_option
from mmasc.cli.output import echo, left_out, print_object, print_rows, print_table, remark, shorten
from mmasc.cli.progress import shown_progress
from mmasc.cli.targets import ResultPath
from mmasc.heads.registry import HEADS
from mmasc.printing import counted

if TYPE_CHECKING:
    from mmasc.labelling.head_report import HeadReport
    from mmasc.labelling.moments import Moments

_NAMES_WIDTH = 200


def _numbers(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    parts = [part for value in values for part in value.replace(",", " ").split()]
    if any(not part.isdigit() or int(part) < 1 for part in parts) or len(parts) < len(values):
        raise click.BadParameter(f"give numbers of recordings per class, as in 1 2 4 8, not {' '.join(values)!r}")
    return tuple(int(part) for part in parts)


@click.group()
def head() -> None:
    """Fit classifiers to labels of your own, test them, apply them."""


head.add_command(apply)


@head.command(cls=ListCommand)
@click.argument("collection")
@click.option("--label", metavar="COLUMN", help="Column with the labels; recordings without a label are left out.")
@click.option(
    "--annotations", is_flag=True, help="Learn from windows that carry annotations (`mmasc label`) instead of --label."
)
@click.option(
    "--labels", multiple=True, metavar="LABEL...", help="Annotations: labels to learn; default: all that are present."
)
@click.option(
    "--overlap",
    type=NumberRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    metavar="SHARE",
    help="Annotations: minimum overlap, as a share of the shorter of window and annotation.",
)
@click.option("--by", metavar="WHO", help="Annotations: those of this annotator; default: those of people.")
@click.option("--single", is_flag=True, help="Annotations: one label per window; default: several at once.")
@click.option(
    "--background",
    type=click.Choice(["moments", "recordings"]),
    is_flag=False,
    flag_value="moments",
    default=None,
    help="Recordings without a label (recordings) are 'none of these'; with --annotations the windows of recordings "
    "without any (recordings), or those between annotations (moments: everything was annotated there).",
)
@click.option(
    "--words/--no-words",
    default=None,
    help="Annotations, head logistic: begin with what the words of the labels say, where the encoder knows them "
    "(the default), or learn from examples alone.",
)
@click.option(
    "--head",
    type=click.Choice(list(HEADS)),
    default=None,
    show_default="boosting; for annotations logistic",
    help="; ".join(f"{spec.name}: {spec.description}" for spec in HEADS.values()) + ".",
)
@click.option(
    "--groups", metavar="COLUMN", help="Column; recordings with the same value are never on both sides of a fold."
)
@click.option("--folds-column", metavar="COLUMN", help="Column with official folds; default: stratified folds.")
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=None,
    metavar="N",
    help="Number of stratified folds.  [default: 5]",
)
@click.option("--space", metavar="NAME", help="Space of the collection; default: the oldest.")
@click.option("--where", metavar="SQL", help="Condition on columns: \"place = 'pond'\".")
@click.option(
    "--shots",
    multiple=True,
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
@click.option(
    "--out",
    type=ResultPath(),
    metavar="FILE",
    help="File for the head, fitted to all recordings, for `mmasc head apply`.",
)
@quiet_option
@format_option()
def fit(
    collection: str,
    label: str | None,
    annotations: bool,
    folds: int | None,
    quiet: bool,
    output_format: str,
    **options: Any,
) -> None:
    """Fit a head to the labels of a collection and measure it on recordings that it was not fitted to.

    Every recording is tested once, in a stratified or an official fold; the interval is a 95 % bootstrap over
    recordings, or over whole groups. The head that is saved is fitted to all recordings. With --annotations windows are
    learnt from, recordings are kept whole in folds, and every label has a threshold of its own.
    """
    if (label is None) != annotations:
        raise click.UsageError("give the labels: --label COLUMN, or --annotations")
    if folds is not None and options["folds_column"] is not None:
        raise click.UsageError("--folds-column has its own number of folds: leave out --folds")
    from mmasc.labelling.fit import fit_head

    moments = _moments(options, annotations)
    options["head"] = options["head"] or ("logistic" if annotations else "boosting")
    wanted: Any = label if moments is None else moments
    if moments is not None and not options.pop("single"):
        _fit_several(collection, moments, folds or 5, options, quiet, output_format)
        return
    options.pop("single", None)
    with shown_progress("reading vectors", quiet):
        report = fit_head(collection, wanted, folds=folds, **options)
    if report.unlabelled:
        remark(left_out(report.unlabelled, f"without a label in {label!r}"), quiet)
    if report.without_vectors:
        remark(left_out(report.without_vectors, f"without windows in space {report.space!r}"), quiet)
    _remark_left_out(report.left_out, quiet)
    if report.not_tested and report.unit == "windows":
        names = shorten(", ".join(report.not_tested), _NAMES_WIDTH)
        remark(
            f"used for fitting but not tested, because each lies in one of the {report.interval_over}: {names}", quiet
        )
    elif report.not_tested:
        names = shorten(", ".join(report.not_tested), _NAMES_WIDTH)
        remark(f"used for fitting but not tested, because they have too few recordings: {names}", quiet)
    if output_format in ("json", "jsonl"):
        print_object(_object(report), output_format)
    elif output_format == "csv":
        print_rows(_class_rows(report), "csv")
    else:
        _print_report(report)


def _moments(options: dict[str, Any], annotations: bool) -> "Moments | None":
    """What is learnt of annotations, taken out of the options; None without.

    Raises:
        click.UsageError: If options of annotations come without, or others with them.
    """
    of_moments = ("labels", "overlap", "by", "background", "words")
    own = {name: options.pop(name) for name in of_moments}
    if not annotations:
        if own["background"] is not None:
            if own["background"] != "recordings":
                raise click.UsageError("with --label the background is recordings: --background recordings")
            options["background"] = True
        given = [name for name in ("labels", "by") if own[name]] + ["single"] * options["single"]
        given += ["words"] * (own["words"] is not None)
        if given:
            raise click.UsageError(f"--{given[0]} is about annotations: add --annotations")
        return None
    if options["folds_column"] is not None:
        raise click.UsageError("--folds-column is for --label: annotated recordings are kept whole in folds")
    from mmasc.labelling.moments import Moments

    words = own.pop("words")
    if words and (options["single"] or options["head"] not in (None, "logistic")):
        raise click.UsageError("--words is for --head logistic of several labels: leave it out, or --single and --head")
    own["words"] = words is not False
    labels = [part.strip() for value in own.pop("labels") for part in value.split(",")]
    rest = {name: options.pop(name) for name in ("groups", "space", "where")}
    return Moments(tuple(label for label in labels if label) or None, **own, **rest)


def _fit_several(
    collection: str, moments: "Moments", folds: int, options: dict[str, Any], quiet: bool, output_format: str
) -> None:
    """Fit a head of several labels, and print how good it is."""
    if options["shots"]:
        raise click.UsageError("--shots needs one label per window: add --single, or leave it out")
    from mmasc.cli.moment_output import print_moments
    from mmasc.labelling.fit_moments import fit_moments

    with shown_progress("reading vectors", quiet):
        chosen = {name: options[name] for name in ("head", "out", "seed")}
        report = fit_moments(collection, moments, folds=folds, **chosen)
    _remark_left_out(report.left_out, quiet)
    for line in report.remarks:
        remark(line, quiet)
    if report.not_tested:
        names = shorten(", ".join(report.not_tested), _NAMES_WIDTH)
        remark(
            f"used for fitting but not tested, because each lies in one of the {report.interval_over}; its threshold "
            f"is 0.5: {names}",
            quiet,
        )
    print_moments(report, output_format)


def _remark_left_out(left_out: dict[str, int], quiet: bool) -> None:
    for reason, number in left_out.items():
        remark(f"{counted(number, 'window was', 'windows were')} left out: {reason}", quiet)


def _object(report: "HeadReport") -> dict[str, Any]:
    """The machine-readable object of a fit: keys may be added, never renamed."""
    hidden = ("fitted", "shots")
    value = {name: getattr(report, name) for name in report.__dataclass_fields__ if name not in hidden}
    return value | {"shots": [asdict(point) for point in report.shots], "heard": asdict(report.heard)}


def _class_rows(report: "HeadReport") -> list[dict[str, Any]]:
    return [{"label": name, **numbers} for name, numbers in report.per_class.items()]


def _print_report(report: "HeadReport") -> None:
    echo(
        f"{report.head} on {report.label}: {report.recordings} {report.unit}, "
        f"{counted(len(report.classes), 'class', 'classes')}, "
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
