"""`mmasc models export`: encoders and networks as ONNX files."""

from dataclasses import asdict

import click

from mmasc.cli.numbers import NumberRange
from mmasc.cli.options import format_option
from mmasc.cli.output import echo, print_object


@click.command()
@click.argument("name")
@click.option("--to", required=True, type=click.Path(), metavar="FILE.onnx", help="File to write.")
@click.option(
    "--seconds",
    type=NumberRange(min=0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="Length of the recordings that the file will read.  [default: any; of networks their own]",
)
@click.option(
    "--without-front-end", is_flag=True, help="A network alone: the file reads features, batch norms are merged."
)
@format_option()
def export(name: str, to: str, seconds: float | None, without_front_end: bool, output_format: str) -> None:
    """Write an encoder or a network as ONNX, from waveform to vector and class scores (extra: onnx).

    NAME is base, mini or one of their kind, classic, names:TAGGER of a network, or a network; NAME:PATH has the
    weights of a file or a run. The file is checked against what it was made from; FILE.yaml next to it makes it the
    encoder onnx:FILE.onnx, and its metadata say rate, window, classes, identity and licence to programs that know
    nothing of mmasc.
    """
    try:
        if without_front_end:
            _export_network(name, to, seconds, output_format)
            return
        from mmasc.encoders.export import export_encoder

        found = export_encoder(name, to, seconds)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if output_format != "table":
        print_object(asdict(found), output_format)
        return
    length = "any length" if found.samples is None else f"{found.samples / found.sample_rate:g} s"
    outputs = ", ".join(f"{what} {count}" for what, count in found.outputs.items())
    size = f"{found.bytes / 1e6:.1f} MB"
    echo(f"{name} → {found.path}: {size}, waveforms of {length} at {found.sample_rate} Hz → {outputs}")
    tried = ", ".join(f"{seconds:g}" for seconds in found.tried)
    echo(f"differs by at most {found.largest_difference:.1e}, on recordings of {tried} s; encoder: onnx:{found.path}")


def _export_network(name: str, to: str, seconds: float | None, output_format: str) -> None:
    from mmasc.networks.export import export_network
    from mmasc.networks.load import load_network

    network = load_network(name)
    found = export_network(network, to, seconds)
    if output_format != "table":
        print_object(asdict(found), output_format)
        return
    reads = f"{' x '.join(['batch', *map(str, found.input_shape)])} ({network.features}, {found.seconds:g} s)"
    echo(f"{name} → {found.path}: {found.bytes / 1e6:.1f} MB, {found.merged_parameters:,} numbers, reads {reads}")
    echo(
        f"differs by at most {found.largest_difference:.1e} from the network, logits up to {found.largest_logit:.3g}, "
        f"on {found.tried} inputs"
    )
