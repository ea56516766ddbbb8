"""What is usual for a tagger, measured on recordings or a collection, and kept where `names:TAGGER` looks for it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mmasc.audio import find_audio
from mmasc.collection import Collection
from mmasc.encoders.adapters.onnx_models import OnnxLogits
from mmasc.encoders.names import NAMES_SECONDS
from mmasc.encoders.network import NetworkLogits, weights_of
from mmasc.encoders.registry import network_spec
from mmasc.encoders.taggers import split_tagger
from mmasc.encoders.usual import Usual, measure_usual, save_usual, usual_path
from mmasc.errors import MmascError
from mmasc.labelling.sources import is_collection
from mmasc.printing import counted
from mmasc.remote.paths import as_path


def centre_tagger(
    tagger: str,
    sounds: Sequence[str | Path],
    to: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, Usual]:
    """Measure mean and deviation of a tagger's logits, and keep them.

    Args:
        tagger: "yamnet", "cnn14:FILE", a run of `mmasc train tagging`, or "onnx:FILE".
        sounds: Recordings, folders, patterns, collections: sounds of all kinds.
        to: File to write; default: where `names:TAGGER` looks for it.
        progress: Called with recordings done and recordings in all.
    Returns:
        The file, and what is in it.
    Raises:
        MmascError: If the tagger cannot be loaded, nothing is found, or there is too little sound.
    """
    name, file = split_tagger(tagger)
    known = network_spec(name)
    weights = Path(file).expanduser() if known is None else weights_of(name, file)
    place = usual_path(weights) if to is None else Path(to)
    if place.is_dir():
        raise MmascError(f"{place} is a folder; give the name of a file to write")
    encoder = (
        OnnxLogits(weights)
        if known is None
        else NetworkLogits(replace(known, window_seconds=NAMES_SECONDS), str(weights))
    )
    files = _files(sounds)

    def show(done: int) -> None:
        if progress is not None:
            progress(done, len(files))

    source = f"{counted(len(files), 'recording')} of {', '.join(Path(one).name for one in sounds)}"
    usual = measure_usual(encoder, files, source, show)
    save_usual(place, usual)
    return place, usual


def _files(sounds: Sequence[str | Path]) -> list[Path]:
    files: list[Path] = []
    for one in sounds:
        if is_collection(one):
            opened = Collection(one)
            paths = sorted(opened.recordings.column("path").to_pylist())
            files += [as_path(opened.path_of(path)) for path in paths]
        else:
            files += find_audio([one])
    return list(dict.fromkeys(files))
