"""`mmasc models`: which encoders there are, their weights, what one is, and proof that it is deterministic here."""

import sys
from dataclasses import asdict

import click

from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import print_object, print_rows, remark
from mmasc.encoders.spec import EncoderSpec


@click.group()
def models() -> None:
    """List encoders, fetch their weights, show one, prove that it is deterministic here."""


@models.command("list")
@format_option()
def list_models(output_format: str) -> None:
    """Every encoder of the registry; nothing is loaded."""
    from mmasc.encoders import SPECS

    rows = []
    for spec in SPECS.values():
        state, non_commercial = _weights_state(spec)
        rows.append(
            {
                "name": spec.name,
                "dim": spec.dim,
                "sample_rate": spec.sample_rate,
                "window_seconds": spec.window_seconds,
                "modalities": list(spec.modalities),
                "weights": spec.weights,
                "state": state,
                "licence": spec.licence,
                "non_commercial": non_commercial,
                "description": spec.description,
            }
        )
    if output_format != "table":
        print_rows(rows, output_format)
        return
    for row in rows:
        # The small print is for the machine-readable formats and `models info`
        row["licence"] = "NON-COMMERCIAL" if row["non_commercial"] else str(row["licence"]).partition(" (")[0]
    print_rows(rows, output_format, ["name", "dim", "window_seconds", "modalities", "state", "licence", "description"])


@models.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--from",
    "from_file",
    type=click.Path(exists=True),
    metavar="FILE|FOLDER",
    help="Take the files from here instead of the network.",
)
@quiet_option
@format_option()
def fetch(names: tuple[str, ...], from_file: str | None, quiet: bool, output_format: str) -> None:
    """Fetch the weights of encoders (or weights by their own name) and verify them.

    What broke off goes on where it broke. Files go to the folder MMASC_HOME, else to the platform's cache folder;
    nothing else in mmasc fetches anything.
    """
    from mmasc import weights
    from mmasc.cli.progress import ProgressLine, progress_line
    from mmasc.encoders import SPECS

    rows = []
    for name in dict.fromkeys(SPECS[name].weights if name in SPECS else name for name in names):
        if name == "bundled":
            remark(f"{', '.join(names)} comes with mmasc: nothing to fetch", quiet)
            continue
        known = weights.weight_file(name)
        terms = f"{known.licence}{', NON-COMMERCIAL USE ONLY' if known.non_commercial else ''}"
        for remote in known.files:
            size = "size unknown" if remote.size is None else f"{remote.size / 1e6:.1f} MB"
            remark(f"{name}: {from_file or remote.address} ({size}), {terms}", quiet)
        with progress_line(f"{name}, MB", quiet=quiet) as line:

            def show(filename: str, done: int, total: int | None, line: ProgressLine = line) -> None:
                line.set_total((total or 0) // 1_000_000)
                line.update(done // 1_000_000, filename)

            stored = weights.fetch(name, from_file, show)
        for file in stored:
            if file.new and not file.published:
                remark(f"nobody published the digest of {file.path.name}; trusted on first use: {file.sha256}", quiet)
            rows.append(
                {
                    "weights": name,
                    "path": str(file.path),
                    "bytes": file.size,
                    "sha256": file.sha256,
                    "digest": "published" if file.published else "first use",
                    "new": file.new,
                }
            )
    if rows:
        print_rows(rows, output_format, ["weights", "path", "bytes", "digest"] if output_format == "table" else None)


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


def _weights_state(spec: EncoderSpec) -> tuple[str, bool]:
    """Where an encoder's weights are ("bundled", "present", "absent", "your own"), and whether selling is forbidden."""
    from mmasc.weights import WEIGHTS, is_present

    non_commercial = "non-commercial" in spec.licence.lower()
    if spec.weights not in WEIGHTS:
        return "bundled" if spec.weights == "bundled" else "your own", non_commercial
    state = "present" if is_present(spec.weights) else "absent"
    return state, non_commercial or WEIGHTS[spec.weights].non_commercial
