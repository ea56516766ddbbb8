"""`mmasc head apply`: labels and timelines of recordings from a head, or from the last layer of a trained network."""

from typing import Any

import click

from mmasc.cli.answer_options import answer_options, check_source, check_thresholds, taken_executor
from mmasc.cli.output import remark
from mmasc.cli.progress import shown_progress


@click.command()
@click.argument("head_file", metavar="HEAD|RUN")
@click.argument("paths", nargs=-1, required=True, metavar="COLLECTION|PATH...")
@click.option(
    "--background", type=click.Choice(["own"]), default=None,
    help="own, with --timeline: a label must stand out from what is usual in its own recording (20 windows or more).",
)  # fmt: skip
@click.option(
    "--one", "one_at_a_time", is_flag=True,
    help="Only one of several labels at a time, the farthest above its threshold: for sounds that rarely overlap.",
)  # fmt: skip
@answer_options
@click.pass_context
def apply(
    ctx: click.Context,
    head_file: str,
    paths: tuple[str, ...],
    output_format: str,
    to: str | None,
    together: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Label recordings with a fitted head or a trained network: those of a collection, or files and folders.

    HEAD is a file written by `mmasc head fit --out`. Files are embedded with the encoder that the head was fitted with;
    a collection must hold vectors of that encoder. RUN is a run of `mmasc train NETWORK` (NETWORK:FILE for weights
    alone), whose own last layer labels every window. Formats and timelines are those of `mmasc classify`.
    """
    from mmasc.audio import find_audio
    from mmasc.cli.answers import Chosen, Output, has_clocks, no_answers, recordings_of, show_answers
    from mmasc.labelling.apply import apply_head
    from mmasc.labelling.network_head import is_network
    from mmasc.labelling.sources import collection_or_sounds

    collection, sounds = collection_or_sounds(paths)
    check_source(options, collection is not None)
    executor = taken_executor(options)
    check_thresholds(options, has_own=True)
    cut = [name for name in ("hop_seconds", "window_seconds", "channels") if options[name] is not None]
    if cut and not is_network(head_file):
        raise click.UsageError("a head hears recordings as it was fitted: leave out --hop, --window and --channels")
    if options["background"] is not None and (not options["timeline"] or is_network(head_file)):
        raise click.UsageError("--background own is about timelines of heads: add --timeline")
    if options["one_at_a_time"] and is_network(head_file):
        raise click.UsageError("--one is for heads, this is a network")
    files = find_audio(sounds) if collection is None else recordings_of(collection)
    output = Output.of(Chosen(output_format, to, together, quiet), options, files, with_clock=has_clocks(collection))
    with shown_progress("labelling", quiet), executor:
        results = apply_head(head_file, list(files) if collection is None else collection, **options)
        read = show_answers(results, files, output)
    for line in results.remarks:
        remark(line, quiet)
    if not read:
        no_answers(ctx, collection is not None, options["where"], quiet)
