"""`mmasc demo`: all steps in one command, with a page at the end."""

import click

from mmasc.cli.options import device_option, encoder_option, quiet_option
from mmasc.encoders.spec import DEFAULT_ENCODER


@click.command()
@click.argument("sounds", required=False, type=click.Path(exists=True))
@click.option(
    "--into",
    default="mmasc-demo",
    show_default=True,
    metavar="FOLDER",
    help="Folder for everything that the demo writes.",
)
@click.option(
    "--prompts",
    default=None,
    metavar="NAME|FILE",
    help="Prompt file with the labels; default: demo for the synthesised sounds, for SOUNDS the words that the encoder "
    "was trained with.",
)
@click.option(
    "--ask", "questions", multiple=True, metavar="TEXT", help="Text to search for; may be given several times."
)
@click.option(
    "--show",
    "shown",
    type=click.IntRange(1, 100),
    default=48,
    show_default=True,
    metavar="N",
    help="Number of sounds whose previews are inside the page; it lists all and plays the others from their files.",
)
@encoder_option
@device_option
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A report to read, or its numbers as one JSON object.",
)
@quiet_option
def demo(
    sounds: str | None,
    into: str,
    prompts: str | None,
    questions: tuple[str, ...],
    shown: int,
    encoder: str | None,
    device: str,
    output_format: str,
    quiet: bool,
) -> None:
    """Embed, search and classify SOUNDS (a folder or a file) and write a page about it.

    Without SOUNDS, mmasc synthesises some sounds itself. Nothing is downloaded. A second run reuses what the first one
    wrote into the folder.
    """
    from mmasc.cli.output import echo, print_object
    from mmasc.cli.progress import shown_progress
    from mmasc.demo.run import run_demo

    for text in questions:
        if not text.strip():
            raise click.BadParameter("a question must not be empty", param_hint="--ask")
    table = output_format == "table"

    def tell(line: str) -> None:
        if table and not quiet:
            echo(line)

    with shown_progress("at work", quiet):
        result = run_demo(sounds, into, prompts, encoder or DEFAULT_ENCODER, questions, shown, device, tell)
    if table and quiet:
        echo(str(result.page))
    if not table:
        summary = {
            "page": str(result.page),
            "page_bytes": result.page_bytes,
            "collection": str(result.collection),
            "sounds": str(result.sounds),
            "encoder": result.encoder.spec.name,
            "identity": result.encoder.identity,
            "recordings": len(result.labelled),
            "seconds": result.seconds,
            "added": result.report.added,
            "skipped": result.report.skipped,
            "failed": [{"path": bad.path, "reason": bad.reason} for bad in result.report.failed],
            "known": result.known,
            "right": result.right,
            "prompts": result.prompts.name,
            "labels": {one.path: one.label for one in result.labelled},
            "texts": {asked.question: [hit["path"] for hit in asked.hits] for asked in result.texts},
            "by_sound": {asked.question: [hit["path"] for hit in asked.hits] for asked in result.by_sound},
        }
        print_object(summary, "json")
