"""Folders of models as packages save them: where they lie, what their licence is, and their digests. No torch."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmasc.errors import MmascError
from mmasc.storage.texts import parse_json
from mmasc.storage.yaml_texts import parse_yaml
from mmasc.weights.store import home

# The revision becomes the name of a folder: ".." is none
_REPO = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w[\w.-]*))?")
_MAIN = "main"
# What a folder of a model needs: weights that run no code, configurations, tables of tokens, the model card
WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.yaml", "README.md", "LICENSE*")


def find_folder(adapter: str, asked: str) -> Path:
    """The folder of a model on this machine; no network.

    Args:
        adapter: Name of the adapter, for messages.
        asked: A folder, or REPO@REVISION of the hub that `mmasc models fetch` brought, or that lies in the hub's own
            cache here.
    Raises:
        MmascError: If it is not here; the line says how to fetch it, and into which folder.
    """
    if not asked:
        raise MmascError(f"{adapter} needs a model: {adapter}:FOLDER, or {adapter}:REPO@REVISION")
    path = Path(asked).expanduser()
    if path.is_dir():
        return path
    found = _REPO.fullmatch(asked)
    if found is None or path.is_absolute():
        raise MmascError(f"{asked} is not a folder; name the folder of a model, or REPO@REVISION of the hub")
    own = hub_folder(asked)
    if own.is_dir():
        return own
    cached = _in_hub_cache(found["repo"], found["revision"] or _MAIN)
    if cached is not None:
        return cached
    raise MmascError(
        f"{asked} is not here: run `mmasc models fetch {adapter}:{asked}`, or copy the files of the model into {own}"
    )


def hub_folder(asked: str) -> Path:
    """Where `mmasc models fetch` puts a model of the hub.

    Args:
        asked: REPO or REPO@REVISION.
    Raises:
        MmascError: If it is something else.
    """
    found = _REPO.fullmatch(asked)
    if found is None:
        raise MmascError(f"{asked!r} is not REPO@REVISION of the hub, such as laion/clap-htsat-unfused@main")
    return home() / "hub" / found["repo"].replace("/", "--") / (found["revision"] or _MAIN)


def fetch_from_hub(asked: str) -> Path:
    """Download a model of the hub: weights in safetensors, configurations, tokens, model card; nothing that is code.

    Args:
        asked: REPO or REPO@REVISION.
    Returns:
        Its folder.
    Raises:
        MmascError: If it cannot be had.
    """
    from huggingface_hub import snapshot_download

    folder = hub_folder(asked)
    if folder.is_dir():
        return folder
    repo, _, revision = asked.partition("@")
    part = folder.with_name(f"{folder.name}.part")
    try:
        snapshot_download(repo, revision=revision or _MAIN, local_dir=part, allow_patterns=list(WANTED))
    except Exception as error:  # of the hub's client and of the network below it
        reason = " ".join(str(error).split())[:200]
        raise MmascError(f"{asked} cannot be fetched ({reason}); run the command again, it continues") from error
    if not any(part.rglob("*.safetensors")):
        raise MmascError(
            f"{asked} has no weights as safetensors, which hold no code; its other files are in {part}: convert the "
            "weights, or choose another revision"
        )
    part.rename(folder)
    return folder


def _in_hub_cache(repo: str, revision: str) -> Path | None:
    """A model in the cache of the hub's client, which other programs fill."""
    from huggingface_hub import try_to_load_from_cache

    for name in ("config.json", "modules.json", "open_clip_config.json"):
        place = try_to_load_from_cache(repo, name, revision=revision)
        if isinstance(place, str):
            return Path(place).parent
    return None


def read_config(folder: Path, name: str, what: str) -> dict[str, Any]:
    """A JSON object of a folder.

    Args:
        folder: Folder of a model.
        name: Name of the file in it.
        what: What the folder should be, for the message.
    Raises:
        MmascError: If it is missing or damaged.
    """
    path = folder / name
    try:
        value = parse_json(path.read_text("utf-8"))
    except FileNotFoundError:
        raise MmascError(f"{path} does not exist; name the folder of {what}") from None
    except (OSError, ValueError) as error:
        raise MmascError(f"{path} cannot be read ({error}); copy the folder again") from error
    if not isinstance(value, dict):
        raise MmascError(f"{path} does not hold a JSON object; copy the folder again")
    return value


def read_config_if_there(folder: Path, name: str) -> dict[str, Any]:
    """As `read_config`; empty where there is no such file."""
    return read_config(folder, name, "a model") if (folder / name).is_file() else {}


def licence_of(folder: Path) -> str:
    """The licence that the model card of a folder names; "not said" where it names none."""
    try:
        text = (folder / "README.md").read_text("utf-8")
        found = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
        about = parse_yaml(found[1]) if found else {}
    except (OSError, ValueError):
        return "not said"
    names = [about.get(key) for key in ("license", "license_name")] if isinstance(about, dict) else []
    said = [str(one) for one in names if one and one != "other"]
    return said[-1] if said else "not said"


def file_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the files of a folder whose names fit one of some patterns, by their paths in it."""
    found = {file for name in names for file in folder.rglob(name) if file.is_file()}
    digests = {}
    for file in sorted(found):
        with file.open("rb") as reading:
            digests[file.relative_to(folder).as_posix()] = hashlib.file_digest(reading, "sha256").hexdigest()
    return digests
