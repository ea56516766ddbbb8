"""`mmasc evaluate`: accuracy of trained networks on the clips that they were not trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmasc.cli.options import data_of_runs_option, decoded_cache_option, device_option, format_option, quiet_option
from mmasc.cli.output import echo, print_object, print_rows, print_table, remark
from mmasc.cli.progress import shown_progress
from mmasc.printing import counted

if TYPE_CHECKING:
    from mmasc.evaluation.pooling import Evaluation

TRANSCRIPTS = "transcripts"
_SHOWN = ("balanced_accuracy", "macro_f1", "micro_f1", "mean_average_precision", "lwlrap", "log_loss")


class Evaluate(click.Command):
    """`mmasc evaluate RUN...`, and `mmasc evaluate transcripts ...` where there is no folder of that name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == [TRANSCRIPTS] and not Path(TRANSCRIPTS).exists():
            from mmasc.cli.transcripts import transcripts

            return transcripts.make_context(f"{info_name} {TRANSCRIPTS}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=Evaluate)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path())
@data_of_runs_option
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="Column to report the accuracy by, in addition to city and device."
)
@decoded_cache_option
@click.option(
    "--svm",
    type=click.Choice(["validation", "test"]),
    is_flag=False,
    flag_value="validation",
    default=None,
    help="Test a support vector machine on each run's codes instead of its output. Its kernel is chosen on the "
    "validation clips (if there are none, on folds of the training clips), or on the test clips as in the papers, "
    "which is optimistic.",
)
@click.option(
    "--epochs",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="PNG file for one graph of all systems: accuracy by epoch, with the time of training every ten epochs. Runs "
    "record it if they were trained with --validation or --test-curve.",
)
@click.option("--figures/--no-figures", default=True, show_default=True, help="Draw figures into the run folders.")
@device_option
@quiet_option
@format_option()
def evaluate(
    runs: tuple[str, ...],
    svm: str | None,
    epochs: str | None,
    figures: bool,
    quiet: bool,
    output_format: str,
    **testing: Any,
) -> None:
    """Test trained networks on their test folds; folds and seeds of one system are pooled.

    RUN is a folder of `mmasc train NETWORK`, or one that contains such folders at any depth. Intervals are 95 %, over
    recordings. The test scores of a run are kept next to its weights, with figures (confusion.png, curve.png) and
    evaluation.json.

    `mmasc evaluate transcripts REFERENCE GUESS` measures the transcripts of a speech recogniser: word and character
    error rates.
    """
    from mmasc.evaluation.evaluate import evaluate as evaluate_runs
    from mmasc.evaluation.pooling import evaluation_object
    from mmasc.evaluation.run_figures import write_figures

    with shown_progress("testing", quiet):
        found = evaluate_runs(runs, remark=lambda text: remark(text, quiet), svm=svm or "", **testing)
    if epochs is not None:
        from mmasc.evaluation.epoch_figure import write_epoch_figure

        remark(f"→ {write_epoch_figure(runs, epochs)}", quiet)
    # The figures in the folders belong to the networks, not to the support vector machines
    if figures and not svm:
        shared = [one.folder for one in found]
        for number, one in enumerate(found, 1):
            suffix = f"-{number}-{one.network}" if shared.count(one.folder) > 1 else ""
            for path in write_figures(one, suffix):
                remark(f"→ {path}", quiet or path.parent != one.folder.resolve())
    for one in found:
        if one.missing:
            remark(f"{one.network}: missing: {', '.join(one.missing)}", quiet)
    if output_format == "csv":
        print_rows([_row(one) for one in found], "csv")
    elif output_format == "table":
        for number, one in enumerate(found):
            if number:
                echo("")
            _print(one)
    elif len(found) == 1:
        print_object(evaluation_object(found[0]), output_format)
    else:
        print_rows([evaluation_object(one) for one in found], output_format)


def _row(found: "Evaluation") -> dict[str, Any]:
    names = {"network": found.network, "features": found.features, "recipe": found.recipe, "dataset": found.dataset}
    low, high = found.metrics["accuracy"].interval or (None, None)
    values = {name: metric.value for name, metric in found.metrics.items()}
    return names | {"accuracy": values.pop("accuracy"), "low": low, "high": high} | values


def _print(found: "Evaluation") -> None:
    accuracy = found.metrics["accuracy"]
    interval = (
        ""
        if accuracy.interval is None
        else f" (95 % interval {accuracy.interval[0]:.3f} to {accuracy.interval[1]:.3f})"
    )
    echo(
        f"{found.network}, features {found.features}, recipe {found.recipe}, on {found.dataset}: "
        f"{counted(len(found.runs), 'run')}, {counted(len(found.fold_names), 'fold')} x "
        f"{counted(len(found.seeds), 'seed')}"
    )
    echo(f"accuracy {accuracy.value:.3f}{interval}, over {len(found.answers)} predictions")
    for one in found.learned:
        echo(f"note: {one.sentence}")
    folds = zip(found.fold_names, found.folds, strict=True)
    echo(f"folds {', '.join(f'{name}: {value:.3f}' for name, value in folds)}")
    if found.spread is not None:
        seeds = zip(found.seeds, found.seed_accuracies, strict=True)
        each = ", ".join(f"{seed}: {value:.3f}" for seed, value in seeds)
        echo(f"seeds {each}; standard deviation {found.spread:.3f}")
    shown = [name for name in _SHOWN if found.multi_label or name not in ("micro_f1",)]
    shown.append("calibration_error")
    rows: list[dict[str, Any]] = []
    for name in shown:
        metric = found.metrics[name]
        low, high = metric.interval or (None, None)
        rows.append({"metric": name.replace("_", " "), "value": metric.value, "low": low, "high": high})
    print_table(rows, ["metric", "value", "low", "high"])
    echo("")
    print_table(
        [{"label": name, **numbers} for name, numbers in found.per_class.items()],
        ["label", "precision", "recall", "f1", "average_precision", "items"],
    )
    for column, values in found.by.items():
        echo("")
        print_table(
            [{column: value, **numbers} for value, numbers in values.items()],
            [column, "accuracy", "interval", "log_loss", "items"],
        )
    if found.confusion is not None and len(found.classes) <= 25:
        echo("")
        numbers = [str(number) for number in range(1, len(found.classes) + 1)]
        rows = [
            {"true": f"{number} {name}", **dict(zip(numbers, counts, strict=True))}
            for number, name, counts in zip(numbers, found.classes, found.confusion, strict=True)
        ]
        print_table(rows, ["true", *numbers], title="confusion: rows true, columns predicted")
