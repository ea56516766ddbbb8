"""`mmasc collection map`: the windows of a space as points, as a table or as a picture."""

import click

from mmasc.cli.options import quiet_option
from mmasc.cli.output import remark
from mmasc.cli.progress import shown_progress
from mmasc.errors import show_path
from mmasc.printing import counted


@click.command("map")
@click.argument("folder", metavar="COLLECTION")
@click.option("--to", required=True, metavar="FILE", help="FILE.csv for a table, FILE.png for a picture.")
@click.option("--space", metavar="NAME", help="Space to draw; default: the oldest.")
@click.option("--where", metavar="SQL", help="Condition on columns: only these windows of the map are shown.")
@click.option(
    "--colour", metavar="COLUMN", help='Column of your own to colour by, or "label" for annotations of moments.'
)
@quiet_option
def draw_map(folder: str, to: str, space: str | None, where: str | None, colour: str | None, quiet: bool) -> None:
    """Write where every window of a space lies on a map of two principal axes.

    The map is rough: two dimensions cannot keep all neighbours. It is the one that `mmasc serve` shows.
    """
    from mmasc.collection import Collection
    from mmasc.studies.window_map import check_target, map_windows

    check_target(to)
    with shown_progress("drawing the map", quiet):
        found = map_windows(Collection(folder), space, where, colour)
        found.write(to)
    remark(f"{counted(len(found.places), 'window')} of space {found.space} → {show_path(to)}", quiet)
