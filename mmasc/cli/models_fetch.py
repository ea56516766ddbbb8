"""`mmasc models fetch`: weights and models of the hub, brought to this machine."""

from typing import Any

import click

from mmasc.cli.options import format_option, quiet_option
from mmasc.cli.output import print_rows, remark
from mmasc.progress import counting


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--from",
    "from_file",
    type=click.Path(exists=True),
    metavar="FILE|FOLDER",
    help="File or folder to take the weights from, instead of downloading them.",
)
@quiet_option
@format_option()
def fetch(names: tuple[str, ...], from_file: str | None, quiet: bool, output_format: str) -> None:
    """Fetch the weights of encoders (or weights by their own name) and verify them.

    An interrupted download continues where it stopped. Files go to the folder MMASC_HOME, otherwise to the cache folder
    of the platform; no other command of mmasc downloads anything.
    """
    from mmasc.encoders.adapters import ADAPTERS
    from mmasc.encoders.registry import ENCODERS

    asked = list(dict.fromkeys(ENCODERS[name].weights if name in ENCODERS else name for name in names))
    models_of_hub = [name for name in asked if name.partition(":")[0] in ADAPTERS]
    known = [name for name in asked if name not in models_of_hub and name != "bundled"]
    # What can be refused is refused before anything is said or fetched
    _check_fetch(known, models_of_hub, from_file)
    if "bundled" in asked:
        remark(f"{', '.join(names)} comes with mmasc: nothing to fetch", quiet)
    rows = [row for name in known for row in _fetch_weights(name, from_file, quiet)]
    rows += [_fetch_model(name, quiet) for name in models_of_hub]
    if rows:
        print_rows(rows, output_format, ["weights", "path", "bytes", "digest"] if output_format == "table" else None)


def _check_fetch(known: list[str], models_of_hub: list[str], from_file: str | None) -> None:
    """Refuse names that nobody knows, and files that are not those of the weights."""
    from pathlib import Path

    from mmasc.encoders.adapters.files import hub_folder
    from mmasc.weights.download import local_sources
    from mmasc.weights.table import weight_file

    for name in models_of_hub:
        hub_folder(name.partition(":")[2])
        if from_file is not None:
            raise click.UsageError(
                f"--from is for weights that mmasc knows; a folder of a model is used as it is: {name}"
            )
    for weight in map(weight_file, known):
        if from_file is not None:
            local_sources(weight, Path(from_file))


def _fetch_weights(name: str, from_file: str | None, quiet: bool) -> list[dict[str, Any]]:
    """Weights that mmasc knows; a row for each of their files."""
    from mmasc.cli.progress import shown_progress
    from mmasc.weights.download import fetch as fetch_files
    from mmasc.weights.table import weight_file

    known = weight_file(name)
    terms = f"{known.licence}{', NON-COMMERCIAL USE ONLY' if known.non_commercial else ''}"
    about = []
    for remote in known.files:
        size = "size unknown" if remote.size is None else f"{remote.size / 1e6:.1f} MB"
        place = remote.address if from_file is None else f"{remote.filename} from {from_file}"
        about.append(f"{name}: {place} ({size}), {terms}")
    if from_file is None:  # before hours of downloading; a file of the user's may still turn out to be another
        remark("\n".join(about), quiet)
    with shown_progress(f"fetching {name}", quiet), counting(f"fetching {name}", "MB") as show:

        def tell(filename: str, done: int, total: int | None) -> None:
            show(done / 1e6, total and total / 1e6, filename)

        stored = fetch_files(name, from_file, tell)
    if from_file is not None:
        remark("\n".join(about), quiet)
    for file in stored:
        if file.new and not file.published:
            remark(f"no digest of {file.path.name} was published; trusted on first use: {file.sha256}", quiet)
    return [
        {
            "weights": name,
            "path": str(file.path),
            "bytes": file.size,
            "sha256": file.sha256,
            "digest": "published" if file.published else "first use",
            "new": file.new,
        }
        for file in stored
    ]


def _fetch_model(name: str, quiet: bool) -> dict[str, Any]:
    """A model of the hub for an adapter, into a folder of its own."""
    from mmasc.cli.progress import shown_progress
    from mmasc.encoders.adapters.files import fetch_from_hub, hub_folder, licence_of
    from mmasc.encoders.spec import forbids_commerce

    asked = name.partition(":")[2]
    remark(f"{name} → {hub_folder(asked)}", quiet)
    with shown_progress(f"fetching {name}", quiet):
        folder = fetch_from_hub(asked)
    licence = licence_of(folder)
    remark(f"licence: {licence}{', NON-COMMERCIAL USE ONLY' if forbids_commerce(licence) else ''}", quiet)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {"weights": name, "path": str(folder), "bytes": size, "sha256": None, "digest": "none", "new": True}
