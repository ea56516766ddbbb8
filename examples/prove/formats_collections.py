"""What collections keep besides their tables, and spaces of encoders with a file."""

import contextlib
import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import storms
from formats_models import names_of_file
from one_format import Format
from storms import mmasc as command

from mmasc.collection import Collection, columns
from mmasc.collection.annotation import Annotation
from mmasc.collection.index import IndexPolicy
from mmasc.collection.ingest import embed

# Every full segment is one of lists; the rest is searched exactly
_SEGMENTS = IndexPolicy(flat_numbers=0, memory_bytes=1 << 40, segment_rows=12)


def _copy(shared: Path, folder: Path) -> Path:
    return Path(shutil.copytree(shared / "c", folder / "sample"))


def _check(path: Path) -> None:
    with contextlib.suppress(SystemExit):  # its status says that there are faults, and its answer which
        command("collection", "check", path, "--format", "json")


# Segments of an index


def _with_segments(shared: Path, folder: Path) -> Path:
    path = _copy(shared, folder)
    for name in Collection(path, policy=_SEGMENTS).spaces:
        for header in path.glob("spaces/*/index.json"):
            header.unlink()
        reader = Collection(path, policy=_SEGMENTS).space(name)
        reader.search(reader.vectors()[:1], 3)
    if not list(path.glob("spaces/*/segments/segment-*/segment.json")):
        raise SystemExit("no segment of an index was written")
    return path


def _search_segments(shared: Path, path: Path) -> None:
    collection = Collection(path, policy=_SEGMENTS)
    for name in collection.spaces:
        reader = collection.space(name)
        asked = np.eye(4, reader.space.dim, dtype=np.float32)
        scores, places = reader.search(asked, 3)
        # Damage may cost hits, never invent them; those that are there are scored by the vectors themselves
        assert scores.shape == places.shape
        assert (places < len(reader)).all()
    _check(path)


def _seal_segments(path: Path) -> None:
    """Sizes and checksums as the damaged files have them, as somebody with bad intentions writes them."""
    for header in path.glob("spaces/*/segments/segment-*/segment.json"):
        try:
            about = json.loads(header.read_text())
            for name in about["files"]:
                content = (header.parent / name).read_bytes()
                about["files"][name] = {"size": len(content), "crc32": zlib.crc32(content)}
            header.write_text(json.dumps(about))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the header itself was damaged


# Columns of windows as maps of files, which large spaces have


def _map_columns() -> None:
    assert columns.read_columns.__defaults__ in ((columns.MAPPED_WINDOWS,), (1,))
    columns.read_columns.__defaults__ = (1,)


def _with_columns(shared: Path, folder: Path) -> Path:
    _map_columns()
    path = _copy(shared, folder)
    _look(path)
    if len(list(path.glob("spaces/*/columns.json"))) != 2:
        raise SystemExit("no columns of windows were written")
    return path


def _look(path: Path) -> None:
    command("search", path, "low hum", "--format", "json")
    command("search", path, "low hum", "--where", "duration > 1.5", "--format", "json")
    for name in Collection(path).spaces:
        len(Collection(path).space(name))


def _look_and_change(shared: Path, path: Path) -> None:
    _map_columns()
    _look(path)
    _check(path)
    command("collection", "remove", path, shared / "sounds" / "low")
    _look(path)
    command("collection", "compact", path)
    _look(path)


# Labels with frequencies, channels, scores, notes


def label(path: Path) -> None:
    """Labels with every field, for whatever has a collection."""
    notes = Collection(path).annotations
    ids = Collection(path).recordings["id"].to_pylist()
    common = {"start": 0.25, "end": 0.75}
    notes.add(
        [
            *[
                Annotation(
                    recording=one,
                    label="frog, green",
                    low_hz=50.0 * n,
                    high_hz=4_000.0 + n,
                    channel=1 + n % 2,
                    **common,
                )
                for n, one in enumerate(ids[:4])
            ],
            Annotation(recording=ids[4], label="ü", by="ann", note="a\nb", verdict="absent", **common),
            Annotation(recording=ids[5], label="whole", start=0.0, end=1.0),
        ]
    )
    notes.undo()
    notes.add([Annotation(recording=ids[5], label="rain", low_hz=200.0, **common)])


def _annotated(shared: Path, folder: Path) -> Path:
    path = _copy(shared, folder)
    storms.annotate(path, ["low", "high"], 6, 600)
    label(path)
    return path


def _seal_journal(path: Path) -> None:
    """Lines with the checksums of what they hold, as somebody with bad intentions writes them."""
    journal = path / "annotations" / "journal.jsonl"
    if journal.is_file():  # else the damage was that it is gone
        lines = journal.read_bytes().split(b"\n")
        sealed = [line[:10] + b"%08x" % zlib.crc32(line[18:]) + line[18:] if len(line) > 18 else line for line in lines]
        journal.write_bytes(b"\n".join(sealed))


def _use_labels(shared: Path, path: Path) -> None:
    for format in ("json", "raven", "audacity", "csv"):
        command(
            "label", "export", path, "--format", format, *(["--to", path.parent / format] if format != "json" else [])
        )
    command("label", "list", path, "--format", "json")
    _check(path)


# Spaces of `base` and of `names:FILE`


def _with_names(shared: Path, folder: Path) -> Path:
    path = folder / "sample"
    for encoder in ("base", names_of_file(shared)):
        embed(shared / "sounds", path, encoder)
    return path


def _ask_names(shared: Path, path: Path) -> None:
    spaces = list(Collection(path).spaces)
    for space in spaces:
        command("search", path, "low hum", "--space", space, "--format", "json")
    command("collection", "info", path, "--format", "json")
    _check(path)
    command("classify", path, "--prompts", shared / "prompts.yaml", "--format", "json", "-q", "--space", spaces[0])


_OF_SEGMENTS = ("spaces/*/segments/*/*",)
FORMATS = [
    Format("segments", _with_segments, _search_segments, parts=_OF_SEGMENTS),
    Format("segments-sealed", _with_segments, _search_segments, parts=_OF_SEGMENTS, seal=_seal_segments),
    Format("columns", _with_columns, _look_and_change, parts=("spaces/*/columns.json", "spaces/*/columns-*/*")),
    Format("label-fields", _annotated, _use_labels, parts=("annotations/*.*",), seal=_seal_journal),
    Format("space-names", _with_names, _ask_names, parts=("collection.json",)),
]
