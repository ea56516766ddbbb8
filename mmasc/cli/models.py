"""`mmasc models`: encoders and networks, their weights, what they are, and the check that they are deterministic."""

import sys
from dataclasses import asdict
from typing import Any

import click

from mmasc.cli.models_export import export
from mmasc.cli.models_fetch import fetch
from mmasc.cli.options import device_option, format_option, quiet_option
from mmasc.cli.output import echo, print_object, print_rows, remark
from mmasc.encoders.spec import EncoderSpec
from mmasc.printing import counted
from mmasc.progress import counting


@click.group()
def models() -> None:
    """List encoders and networks, fetch weights, check that an encoder is deterministic."""


models.add_command(fetch)
models.add_command(export)


@models.command("list")
@click.option(
    "--kind",
    type=click.Choice(["encoder", "network", "adapter", "plug-in"]),
    help="Kind to list: encoders, networks, adapters to other packages, installed plug-ins; default: all.",
)
@format_option()
def list_models(kind: str | None, output_format: str) -> None:
    """List every encoder, supervised network, adapter and installed plug-in; nothing is loaded."""
    from mmasc.encoders.registry import ENCODERS, network_spec
    from mmasc.networks.registry import NETWORKS

    rows = []
    networks = [spec for spec in map(network_spec, NETWORKS) if spec is not None]
    for what, spec in [("encoder", spec) for spec in ENCODERS.values()] + [("network", spec) for spec in networks]:
        if kind not in (None, what):
            continue
        state, non_commercial = _weights_state(spec)
        rows.append(
            {
                "name": spec.name,
                "kind": what,
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
    rows += [row for row in _rows_of_others() if kind in (None, row["kind"])]
    if output_format != "table":
        print_rows(rows, output_format)
        return
    for row in rows:
        # Details of a licence are for the machine-readable formats and `models info`
        row["licence"] = "NON-COMMERCIAL" if row["non_commercial"] else str(row["licence"]).partition(" (")[0]
    print_rows(rows, output_format, ["name", "kind", "dim", "window_seconds", "state", "licence", "description"])


def _rows_of_others() -> list[dict[str, Any]]:
    """Adapters and installed plug-ins: what they give is known once they are loaded."""
    from mmasc.encoders.adapters import ADAPTERS
    from mmasc.encoders.plugin_files import installed_plugins

    about = [(f"{one.name}:{one.takes}", "adapter", one.description) for one in ADAPTERS.values()]
    about += [
        (name, "plug-in", f"{point.value} of {point.dist.name if point.dist else 'a package'}")
        for name, point in sorted(installed_plugins().items())
    ]
    unknown: dict[str, Any] = dict.fromkeys(("dim", "sample_rate", "window_seconds"))
    rest = {"modalities": [], "weights": "your own", "state": "your own", "licence": "", "non_commercial": False}
    return [
        {"name": name, "kind": kind, **unknown, **rest, "description": description} for name, kind, description in about
    ]


@models.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def trust(file: str) -> None:
    """Trust a Python file with an encoder of your own (FILE.py:Class), as it is now: it may run and do anything.

    A file that changes is asked about again. On a terminal mmasc asks by itself; the variable MMASC_TRUST names files
    that are always trusted, also after they have changed.
    """
    from pathlib import Path

    from mmasc.encoders.trust import trust as remember

    digest, changed = remember(Path(file))
    echo(f"trusted: {file} (sha256 {digest[:12]}…)")
    if changed:
        remark("it has changed: if the same sound gives other vectors now, change the version in its spec, too")


@models.command()
@click.argument("name")
@format_option()
def info(name: str, output_format: str) -> None:
    """Describe an encoder or a supervised network: identity of its space, sizes, licence.

    A network without a path is described with untrained weights and has no identity.
    """
    from mmasc.encoders.registry import load_encoder
    from mmasc.networks.registry import NETWORKS

    if name.partition(":")[0] in NETWORKS:
        _network_info(name, output_format)
        return
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
            "trained_on": _trained_on(name, encoder.spec, output_format),
            **_words(name, encoder.spec, output_format),
        },
        output_format,
    )


def _words(name: str, spec: EncoderSpec, output_format: str) -> dict[str, Any]:
    """The labels that weights of this name learned, by group; nothing where there is no list of them."""
    if ":" in name or not spec.words:
        return {}
    from mmasc.encoders.default_prompts import words_of

    prompts = words_of(name)
    groups = {group: [str(label) for label in labels] for group, labels in prompts.groups.items()}
    if output_format in ("json", "jsonl"):
        return {"words": groups}
    sizes = ", ".join(f"{group} {len(labels)}" for group, labels in groups.items())
    return {"words": f"{counted(len(prompts.labels), 'label')}: {sizes} (mmasc prompts list {spec.words})"}


def _trained_on(name: str, spec: EncoderSpec, output_format: str) -> Any:
    """Data sets that weights learned from; None where it is not known."""
    own_word = spec.target.startswith("mmasc.encoders.plugged")  # what a plug-in says is about its own weights
    known = None if ":" in name and not own_word else spec.trained_on
    if output_format in ("json", "jsonl"):
        return None if known is None else [asdict(one) for one in known]
    return "not known" if known is None else "; ".join(one.line for one in known) or "nothing: it has no network"


@models.command()
@click.argument("tagger")
@click.option(
    "--on",
    "sounds",
    required=True,
    multiple=True,
    metavar="COLLECTION|PATH",
    help="Sounds of all kinds, without labels: recordings, folders or a collection.",
)
@click.option(
    "--to", type=click.Path(), metavar="FILE", help="File to write.  [default: in the run, or next to the weights]"
)
@quiet_option
@format_option()
def centre(tagger: str, sounds: tuple[str, ...], to: str | None, quiet: bool, output_format: str) -> None:
    """Measure what is usual for a tagger, so that names:TAGGER can be searched in words.

    TAGGER is a network with published weights (yamnet), NETWORK:FILE, or a run of `mmasc train tagging`.
    """
    from mmasc.cli.progress import shown_progress
    from mmasc.labelling.centring import centre_tagger

    with shown_progress("loading", quiet), counting("listening", "recordings") as show:
        path, usual = centre_tagger(tagger, sounds, to, show)
    about = {"path": str(path), "classes": len(usual.classes), "windows": usual.windows, "source": usual.source}
    if output_format != "table":
        print_object(about, output_format)
        return
    echo(f"{counted(len(usual.classes), 'class', 'classes')}, {usual.windows:,} windows with sound → {path}")


def _network_info(name: str, output_format: str) -> None:
    from mmasc.encoders.registry import load_encoder
    from mmasc.networks.load import load_network

    network = load_network(name)
    parameters, state_numbers = network.parameter_counts()
    print_object(
        {
            "name": name,
            "identity": load_encoder(name).identity if ":" in name else None,
            "dim": network.spec.dim,
            "sample_rate": network.sample_rate,
            "window_seconds": network.spec.seconds,
            "modalities": ["audio"],
            "parameters": parameters,
            "state_numbers": state_numbers,
            "licence": network.spec.licence,
            "weights": "your own" if ":" in name else "fresh",
            "channels": network.spec.channels,
            "features": network.features,
            "shortest_seconds": network.minimum_samples / network.sample_rate,
            "n_classes": network.n_classes,
            "classes": list(network.classes),
            "source": network.spec.source,
            "description": network.spec.description,
        },
        output_format,
    )


@models.command()
@click.argument("name")
@device_option
@format_option()
def check(name: str, device: str, output_format: str) -> None:
    """Check that an encoder gives the same vectors for any batch, order and process; exit status 1 if not."""
    from mmasc.encoders.determinism import check_encoder

    results = []
    for result in check_encoder(name, device):
        results.append(result)
        if output_format == "table":
            echo(f"{'ok  ' if result.holds else 'FAIL'}  {result.name}: {result.found}")
    if output_format != "table":
        print_rows([asdict(result) for result in results], output_format)
    sys.exit(0 if all(result.holds for result in results) else 1)


def _weights_state(spec: EncoderSpec) -> tuple[str, bool]:
    """State of the weights ("bundled", "present", "absent", "your own") and whether commercial use is forbidden."""
    from mmasc.weights.store import is_present
    from mmasc.weights.table import WEIGHTS

    non_commercial = spec.non_commercial
    if spec.weights not in WEIGHTS:
        return "bundled" if spec.weights == "bundled" else "your own", non_commercial
    state = "present" if is_present(spec.weights) else "absent"
    return state, non_commercial or WEIGHTS[spec.weights].non_commercial
