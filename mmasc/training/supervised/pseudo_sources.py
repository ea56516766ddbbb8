"""Taggers whose sharpened mean teaches noisy clips: by the rules of now, or by those by which a run was begun.

A run keeps one digest of all of them. Where the rules of a tagger have changed since then, those that gave the digest
are found again, so that the run goes on with the labels that it began with (`mmasc.encoders.earlier`).
"""

import hashlib
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from mmasc.storage.texts import parse_json
from mmasc.training.supervised.tag_sources import load_source, source_identities


def identities_of(names: Sequence[str], device: str = "cpu", kept: Sequence[str] = ()) -> tuple[str, ...]:
    """Identities of sources, by rules that gave one of some digests, else by those of now.

    Args:
        names: Lines of the sources.
        device: Where they run.
        kept: Digests of the sources together (`digest_of_identities`), as runs have kept them.
    Raises:
        MmascError: If one does not exist.
    """
    now = tuple(load_source(name, device).identity for name in names)
    if not kept or digest_of_identities(now) in kept:
        return now
    ways = product(*(source_identities(name, device) for name in names))
    return next((way for way in ways if digest_of_identities(way) in kept), now)


def digest_of_identities(identities: Sequence[str]) -> str:
    """One digest of the identities of several sources; empty for none."""
    return hashlib.sha256(" ".join(identities).encode()).hexdigest()[:32] if identities else ""


def kept_digests(out: Path) -> list[str]:
    """Digests of the sources of a run that was begun in a folder, or of its folds; damaged configurations have none.

    What is wrong with them is said where the run is claimed.
    """
    found = []
    for path in [out / "config.json", *sorted(out.glob("fold-*/config.json"))]:
        try:
            about = parse_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found += [about["pseudo_identity"]] if isinstance(about, dict) and about.get("pseudo_identity") else []
    return found
