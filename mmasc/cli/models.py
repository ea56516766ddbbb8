"""`mmasc models`: which encoders there are, what one is, and proof that it is deterministic here."""

import sys
from dataclasses import asdict

import click

from mmasc.cli.options import device_option, format_option
from mmasc.cli.output import print_object, print_rows


@click.group()
def models() -> None:
    """List encoders, show one, prove that it is deterministic here."""


@models.command("list")
@format_option()
def list_models(output_format: str) -> None:
    """Every encoder of the registry; nothing is loaded."""
    from mmasc.encoders import SPECS

    rows = [
        {
            "name": spec.name,
            "dim": spec.dim,
            "sample_rate": spec.sample_rate,
            "window_seconds": spec.window_seconds,
            "modalities": list(spec.modalities),
            "weights": spec.weights,
            "licence": spec.licence,
            "description": spec.description,
        }
        for spec in SPECS.values()
    ]
    columns = ["name", "dim", "sample_rate", "window_seconds", "modalities", "weights", "description"]
    print_rows(rows, output_format, columns if output_format == "table" else None)


@models.command()
@click.argument("name")
@format_option()
def info(name: str, output_format: str) -> None:
    """What an encoder is: identity of its space, sizes, licence."""
    from mmasc.encoders import load_encoder

    encoder = load_encoder(name)
    parameters, state_numbers = encoder.parameter_counts()
    spec = asdict(encoder.spec)
    known = {key: spec[key] for key in ("dim", "sample_rate", "window_seconds")}
    print_object(
        {
            "name": name,
            "identity": encoder.identity,
            **known,
            "modalities": list(encoder.spec.modalities),
            "parameters": parameters,
            "state_numbers": state_numbers,
            "licence": encoder.spec.licence,
            "weights": encoder.spec.weights,
            "padding": encoder.spec.padding,
            "amplitude": encoder.spec.amplitude,
            "logit_scale": encoder.logit_scale,
            "description": encoder.spec.description,
        },
        output_format,
    )


@models.command()
@click.argument("name")
@device_option
@format_option()
def check(name: str, device: str, output_format: str) -> None:
    """Prove that an encoder gives the same vectors for any batch, order and process; exit status 1 if not."""
    from mmasc.encoders.check import check_encoder

    results = []
    for result in check_encoder(name, device):
        results.append(result)
        if output_format == "table":
            click.echo(f"{'ok  ' if result.holds else 'FAIL'}  {result.name}: {result.found}")
    if output_format != "table":
        print_rows([asdict(result) for result in results], output_format)
    sys.exit(0 if all(result.holds for result in results) else 1)
