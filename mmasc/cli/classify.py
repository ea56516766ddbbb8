"""`mmasc classify`: labels and timelines of recordings from prompts, in formats for people and for other programs."""

from typing import Any

import click

from mmasc.cli.answer_options import answer_options, check_source, check_thresholds, taken_executor
from mmasc.cli.numbers import NumberRange
from mmasc.cli.output import remark
from mmasc.cli.progress import shown_progress
from mmasc.encoders.spec import DEFAULT_ENCODER


@click.command(short_help="Label recordings with a file of prompts, without training.")
@click.argument("paths", metavar="COLLECTION|PATH...", nargs=-1, required=True)
@click.option(
    "--prompts",
    default=None,
    metavar="NAME|FILE",
    help="Prompt file, one of `mmasc prompts list` or a YAML file of your own; default: the words that the encoder "
    "was trained with.",
)
@click.option(
    "--encoder",
    default=None,
    show_default=f"{DEFAULT_ENCODER}; for a collection that of its space",
    metavar="NAME",
    help="Encoder, one of `mmasc models list`; NAME:PATH for weights of your own.",
)
@click.option(
    "--backend",
    type=click.Choice(["eager", "onnx"]),
    default=None,
    show_default="eager",
    help="Runtime of the encoder; onnx is faster on CPUs and makes a space of its own (extra: onnx).",
)
@click.option(
    "--minimum-cosine",
    type=NumberRange(-1, 1),
    default=None,
    metavar="COSINE",
    help="Minimum cosine of sound and label; below it the answer is 'none of these', even if a probability is high.",
)
@click.option(
    "--multi-label",
    is_flag=True,
    help="Allow several labels at once: each one whose probability reaches --threshold (default 0.5).",
)
@click.option(
    "--temperature",
    type=NumberRange(0, min_open=True),
    default=None,
    metavar="T",
    help="Temperature of the softmax.",
)
@click.option(
    "--centre-on",
    default=None,
    metavar="COLLECTION|PATH",
    help="Unlabelled sounds (20 windows or more, of all kinds); each label's mean cosine to them is subtracted.",
)
@click.option(
    "--match-on",
    default=None,
    metavar="COLLECTION|PATH",
    help="Unlabelled sounds over whose windows all labels are made equally probable on average; excludes --centre-on.",
)
@click.option(
    "--background",
    default=None,
    metavar="own|COLLECTION|PATH",
    help="Unlabelled sounds that mostly hold none of the labels: a label must stand out from its usual cosine there. "
    "own, with --timeline: each recording is its own (20 windows or more). Excludes the two above.",
)
@click.option(
    "--calibration",
    type=click.Path(),
    default=None,
    metavar="FILE",
    help="File of `mmasc prompts calibrate`: shifts, temperature, thresholds per label, minimum cosine.",
)
@answer_options
@click.pass_context
def classify(
    ctx: click.Context,
    paths: tuple[str, ...],
    output_format: str,
    to: str | None,
    together: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Label recordings with a file of prompts. PATH is a file, a folder, a pattern or @LIST.

    Without --prompts the labels are the words that the encoder was trained with (base has 428 of them). The label of
    a recording is the one whose prompts are nearest to the recording's mean vector; --timeline labels
    every window. The recordings of a collection are labelled from their stored vectors, without their files. The
    formats audacity (label track) and raven (selection table) are timelines with one file per recording, or with
    --together one for all. With --channels each or mid-side, scores are means over the channels. Files that cannot be
    read are listed at the end and do not stop the run.
    """
    from mmasc.cli.words import prompts_or_words, tell_words

    _check_calibration(options)
    if options["background"] == "own" and not options["timeline"]:
        raise click.UsageError("--background own is about timelines: add --timeline")
    check_thresholds(options, options["calibration"] is not None or options["multi_label"])
    given = options["prompts"]
    about: dict[str, Any] = {"encoder": options["encoder"], "prompts": given}
    sources = {"centre_on": "centred_on", "match_on": "matched_on", "background": "background"}
    for option, key in {**sources, "calibration": "calibration"}.items():
        if options[option] is not None:
            about[key] = options[option]
    # Before anything else is loaded, so that a fault in the file is reported immediately
    options["prompts"] = None if given is None else prompts_or_words(given, "")
    from mmasc.audio import find_audio
    from mmasc.cli.answers import Chosen, Output, has_clocks, no_answers, recordings_of, show_answers
    from mmasc.labelling.classify import classify as classify_recordings
    from mmasc.labelling.classify import encoder_of
    from mmasc.labelling.sources import collection_or_sounds

    collection, sounds = collection_or_sounds(paths)
    check_source(options, collection is not None)
    executor = taken_executor(options)
    if given is None:
        name = encoder_of(collection, options["space"], options["encoder"], options["calibration"])
        options["prompts"] = prompts_or_words(None, name)
        about["prompts"] = options["prompts"].name
    files = find_audio(sounds) if collection is None else recordings_of(collection)
    more = {"about": about, "with_cosines": True, "group_of": options["prompts"].group_of}
    more["with_clock"] = has_clocks(collection)
    output = Output.of(Chosen(output_format, to, together, quiet), options, files, **more)
    with shown_progress("labelling", quiet), executor:
        results = classify_recordings(list(files) if collection is None else collection, **options)
        about["encoder"] = results.encoder
        if given is None:
            tell_words(options["prompts"], name, quiet)
        _remark_on_words(results.encoder, options["prompts"], quiet)
        read = show_answers(results, files, output)
    for line in results.remarks:
        remark(line, quiet)
    if not read:
        no_answers(ctx, collection is not None, options["where"], quiet)


def _remark_on_words(encoder: str, prompts: Any, quiet: bool) -> None:
    """Say which words of prompts an encoder does not know, where it has a list of them."""
    from mmasc.encoders.registry import load_text_encoder
    from mmasc.encoders.words import remarks_on_words

    side = load_text_encoder(encoder)
    if side is not None:
        texts = [text for expanded in prompts.expand().values() for text in expanded]
        for line in remarks_on_words(side, texts):
            remark(line, quiet)


def _check_calibration(options: dict[str, Any]) -> None:
    """Refuse options that contradict each other."""
    if sum(options[name] is not None for name in ("centre_on", "match_on", "background")) > 1:
        raise click.UsageError("--centre-on, --match-on and --background exclude each other: give one of them")
    if options["calibration"] is None:
        return
    names = ("threshold", "minimum_cosine", "temperature", "centre_on", "match_on", "background")
    said = [name for name in names if options[name] is not None] + ["multi_label"] * options["multi_label"]
    if said:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in said)
        raise click.UsageError(f"--calibration already contains these values: leave out {given}")
