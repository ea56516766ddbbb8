"""`mmasc sweep`: a grid of networks that read tags, in the form of the published tables."""

from typing import Any

import click

from mmasc.cli.output import print_rows, print_table, remark
from mmasc.cli.progress import progress_line
from mmasc.cli.train_network import Several
from mmasc.cli.train_network import network as train_network

# Options of training that a sweep has in a form of its own, or does without
_OWN = ("tags", "seed", "preset", "weights", "new_head", "pause_at")


@click.command()
@click.argument("network")
@click.option("--tags", required=True, metavar="SOURCE", help="tagging:RUN, prompts:NAME@ENCODER or cnn14:FILE.")
@click.option(
    "--grid",
    type=Several(str),
    default=("table5",),
    metavar="TABLE,...",
    help="baseline, table2, table3, table4, table5, or cells such as table5/heads=4/layers=3.  [default: table5]",
)
@click.option("--heads", type=Several(int), default=(), metavar="N,...", help="Only these rows.")
@click.option("--layers", type=Several(str), default=(), metavar="N,...", help="Only these columns, as in 0,3 or 3+4.")
@click.option("--seeds", type=Several(int), default=(0,), metavar="N,...", help="Each trains every cell.  [default: 0]")
def sweep(network: str, output_format: str, quiet: bool, **options: Any) -> None:
    """Train and test a grid of networks that read tags (NETWORK: rawwave-tags ...), and print the paper's tables.

    In each cell stands our accuracy, and in brackets the published one, of DCASE 2019 task 1a, in percent. Started
    again with the same options, a sweep that was stopped goes on where it was. Other options are those of
    `mmasc train NETWORK`.
    """
    from dataclasses import asdict

    from mmasc.training.tag_sweep import gains_of, sweep_tags, tables_of

    given = {name: value for name, value in options.items() if value is not None}
    try:
        with progress_line("sweep", quiet=quiet) as line:

            def show(step: int, steps: int, said: str) -> None:
                line.set_total(steps)
                line.update(step, said)

            cells = sweep_tags(network, remark=lambda text: remark(text, quiet), progress=show, **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if output_format != "table":
        print_rows([asdict(cell) for cell in cells], output_format)
        return
    for table, rows in tables_of(cells).items():
        click.echo(f"{table}: accuracy in percent, ours [published]")
        print_table(rows, list(dict.fromkeys(key for row in rows for key in row)))
        click.echo("")
    gains = gains_of(cells)
    if gains:
        click.echo("points above the baseline on the same clips and seeds")
        print_table(gains, list(gains[0]))


sweep.params += [option for option in train_network.params if option.name not in _OWN]
