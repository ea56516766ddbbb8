"""`mmasc sweep`: published tables over any data (networks that read tags, many features), or a grid of values."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from mmasc.cli.output import echo, print_rows, print_table, remark
from mmasc.cli.progress import shown_progress
from mmasc.cli.train_network import Several
from mmasc.cli.train_network import network as train_network
from mmasc.printing import counted

# Options of training that a sweep replaces by its own or does not have
_OWN = ("tags", "seed", "preset", "weights", "new_head", "pause_at")
# Options that only the grid of tags has
_OF_TAGS = ("grid", "heads", "layers", "features")
_OF_TABLES = ("heads", "layers")


@click.command()
@click.argument("network")
@click.option(
    "--tags", metavar="SOURCE", help="Source of the tags for a grid: tagging:RUN, prompts:NAME@ENCODER or cnn14:FILE."
)
@click.option(
    "--front-ends",
    type=Several(str),
    metavar="NAME,...",
    help="Features to compare: their names, ivf:RUN, NAME=FEATURES, or table1 for the six of Liu et al. 2021.",
)
@click.option(
    "--grid",
    multiple=True,
    metavar="KEY=V1,V2,...|TABLE,...",
    help="Values to try of a training option or an argument of the network, as in dropout=0,0.2,0.5; several times for "
    "several keys. With --tags: tables to train: baseline, table2 to table5, or cells such as "
    "table5/heads=4/layers=3.  [default: table5]",
)
@click.option("--heads", type=Several(int), default=None, metavar="N,...", help="Rows to train; default: all.")
@click.option(
    "--layers",
    type=Several(str),
    default=None,
    metavar="N,...",
    help="Columns to train, as in 0,3 or 3+4; default: all.",
)
@click.option(
    "--seeds",
    type=Several(int),
    default=(0,),
    metavar="N,...",
    help="Random seeds; everything is trained once per seed.  [default: 0]",
)
def sweep(network: str, output_format: str, quiet: bool, **options: Any) -> None:
    """Train and test a whole table next to the published one, or every combination of some values.

    With --grid KEY=V1,V2: the network is trained with each value (with each combination, for several keys). For every
    test fold the best is chosen on validation clips (--validation, by default 0.2 of the training clips) and tested;
    the others are never tested.

    With --tags: a grid of networks that read tags (NETWORK: rawwave-tags ...). Each cell shows our accuracy in
    percent and, in brackets, the published one on DCASE 2019 task 1a.

    With --front-ends: one network (NETWORK: eight-conv ...) on each of several features, tested on groups that it
    was trained on (--seen-share, --seen-by) and on others, in percent with 95 % intervals and the number of clips; the
    published pair is for seen and unseen cities of DCASE 2019 task 1a.

    Started again with the same options, a sweep that was stopped continues. Other options are those of `mmasc train
    NETWORK`.
    """
    from mmasc.evaluation.value_sweep import is_assignment

    given = {name: value for name, value in options.items() if value is not None and not (name == "grid" and not value)}
    texts = given.get("grid", ())
    if texts and all(is_assignment(text) for text in texts) and "front_ends" not in given:
        strange = [name for name in _OF_TABLES if name in given]
        if strange:
            raise click.UsageError(f"--{strange[0]} is for published tables: leave it out with --grid KEY=V1,V2")
        _values(network, output_format, quiet, given)
        return
    if ("tags" in given) == ("front_ends" in given):
        raise click.UsageError(
            "give --grid KEY=V1,V2 for values, --tags SOURCE for a grid of tags, or --front-ends NAME,... for features"
        )
    if texts:
        given["grid"] = tuple(name.strip() for text in texts for name in text.split(",") if name.strip())
    if "front_ends" in given:
        strange = [name for name in _OF_TAGS if name in given]
        if strange:
            raise click.UsageError(f"--{strange[0]} is for a grid of tags: leave it out when you use --front-ends")
        _features(network, output_format, quiet, given)
    else:
        _tags(network, output_format, quiet, given)


def _features(network: str, output_format: str, quiet: bool, given: dict[str, Any]) -> None:
    """One network on several features."""
    from mmasc.evaluation.feature_sweep import sweep_features
    from mmasc.evaluation.feature_table import rows_object, table_of

    rows = _with_progress(sweep_features, network, quiet, given | {"features": given.pop("front_ends")})
    if output_format != "table":
        print_rows(rows_object(rows), output_format)
        return
    table = table_of(rows)
    print_table(table, list(table[0]))
    echo("\npercent [95 % interval over groups] (clips)")
    for line in dict.fromkeys(row.published_on for row in rows if row.published_on):
        echo(f"published: {line}")


def _values(network: str, output_format: str, quiet: bool, given: dict[str, Any]) -> None:
    """One network with every combination of some values."""
    from dataclasses import asdict

    from mmasc.evaluation.value_sweep import sweep_values

    rows = _with_progress(sweep_values, network, quiet, {name: one for name, one in given.items() if one != ""})
    if output_format != "table":
        flat = [asdict(row) for row in rows]
        print_rows([row.pop("values") | row for row in flat], output_format)
        return
    table = [
        {name: str(value) for name, value in row.values.items()}
        | {"fold": row.fold, f"validation {row.figure}": row.validation, "validation loss": row.validation_loss}
        | {"chosen": "yes" if row.chosen else "", "test accuracy": row.test_accuracy}
        for row in rows
    ]
    print_table(table, list(table[0]))
    clips = sum(row.n_test for row in rows)
    pooled = sum(row.test_accuracy * row.n_test for row in rows if row.test_accuracy is not None) / max(clips, 1)
    echo(
        f"\ntest accuracy of what was chosen {pooled:.3f}, over {counted(clips, 'clip')}; test folds had no part in "
        "the choice"
    )


def _with_progress(run: Callable[..., Any], network: str, quiet: bool, given: Mapping[str, Any]) -> Any:
    try:
        with shown_progress("sweeping", quiet):
            return run(network, remark=lambda text: remark(text, quiet), **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _tags(network: str, output_format: str, quiet: bool, given: Mapping[str, Any]) -> None:
    """A grid of networks that read tags."""
    from dataclasses import asdict

    from mmasc.evaluation.tag_sweep import gains_of, sweep_tags, tables_of

    cells = _with_progress(sweep_tags, network, quiet, given)
    if output_format != "table":
        print_rows([asdict(cell) for cell in cells], output_format)
        return
    for table, rows in tables_of(cells).items():
        echo(f"{table}: accuracy in percent, ours [published]")
        print_table(rows, list(dict.fromkeys(key for row in rows for key in row)))
        echo("")
    gains = gains_of(cells)
    if gains:
        echo("points above the baseline on the same clips and seeds")
        print_table(gains, list(gains[0]))


sweep.params += [option for option in train_network.params if option.name not in _OWN]
