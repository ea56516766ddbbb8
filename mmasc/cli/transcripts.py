"""`mmasc evaluate transcripts`: word and character error rates of transcripts that a recogniser made."""

from dataclasses import asdict

import click

from mmasc.cli.options import format_option, quiet_option
from mmasc.cli.output import echo, print_object, print_rows, print_table, remark
from mmasc.printing import counted
from mmasc.storage.texts import listed

_LISTED = 3


@click.command()
@click.argument("reference", type=click.Path())
@click.argument("guess", type=click.Path())
@click.option(
    "--normalise/--as-written",
    default=True,
    show_default=True,
    help="Compare in lower case and without punctuation, or exactly as written.",
)
@quiet_option
@format_option()
def transcripts(reference: str, guess: str, normalise: bool, quiet: bool, output_format: str) -> None:
    """Word and character error rates of recognised transcripts (GUESS) against reference transcripts (REFERENCE).

    Both are a table with the columns recording and text (CSV or TSV), a text file with a line for each recording
    (which may end with its name in brackets), or a folder with a .txt file for each. Rates are those of the corpus,
    with 95 % intervals over recordings. Where there are tokens such as <unk> or [laughter], rates are given with and
    without them. Needs the extra asr.
    """
    from mmasc.evaluation.transcripts import compare_transcripts

    found = compare_transcripts(reference, guess, normalise)
    for names, what in (
        (found.missing, f"without a transcript in {guess}, so that each of their words is a deletion"),
        (found.unused, f"of {guess} are not in {reference} and count nowhere"),
    ):
        if names:
            more = " ..." if len(names) > _LISTED else ""
            remark(f"recordings {what}: {len(names)} ({listed(names[:_LISTED])}{more})", quiet)
    if output_format in ("json", "jsonl"):
        print_object(asdict(found), output_format)
        return
    rows = [asdict(one) for one in found.rates]
    if output_format != "table":
        print_rows(rows, output_format)
        return
    echo(counted(found.recordings, "recording"))
    several = len({row["annotations"] for row in rows}) > 1
    for row in rows:
        tokens = ("with" if row["annotations"] else "without") + " tokens"
        row["unit"] = f"{row['unit']}s, {tokens}" if several else f"{row['unit']}s"
    print_table(rows, [name for name in rows[0] if name != "annotations"])
