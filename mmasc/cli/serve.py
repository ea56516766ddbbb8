"""`mmasc serve`: a page on this machine over one collection, or several."""

import os
import sys

import click

_STOPPED = 130  # exit status after Ctrl-C


@click.command()
@click.argument("collections", nargs=-1, required=True, metavar="COLLECTION...")
@click.option("--port", type=click.IntRange(0, 65_535), default=8617, show_default=True, help="Port on 127.0.0.1.")
@click.option("--space", metavar="NAME", help="Space to search; default: the oldest that understands the query.")
@click.option("--by", metavar="NAME", help="Name under which you label; default: unnamed.")
@click.option("--read-only", is_flag=True, help="Write nothing: no labels, heads or recordings.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
def serve(
    collections: tuple[str, ...], port: int, space: str | None, by: str | None, read_only: bool, open_browser: bool
) -> None:
    """Search, hear, see and label COLLECTION in the browser, on this machine only; several are shown one at a time.

    Prints the address of the page with a secret token, so that only your browser gets in. Ctrl-C ends the server;
    every label is on the disk as soon as the page shows it. Needs: pip install 'mmasc[web]'.
    """
    from mmasc.cli.output import echo
    from mmasc.web.serve import serve as run

    try:
        run(collections, port, space, by, read_only, open_browser, echo)
    except KeyboardInterrupt:
        # At once, without waiting for threads: everything that was answered is on the disk
        echo("stopped; every label is kept", err=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_STOPPED)
