"""Files to vectors: decode in threads ahead of the network, cut while streaming, embed, keep the order.

Memory does not grow with the length of a recording (only its vectors are kept) nor with the number of recordings.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from mmasc.audio import AudioStatus, stream_audio
from mmasc.audio.memory import MemorySound, Sound, as_source, is_one
from mmasc.encoders.ahead import parts_ahead
from mmasc.encoders.file_vectors import FileVectors, Keeper, Place, WindowEncoder
from mmasc.encoders.identity import require_loaded
from mmasc.encoders.pending import Done, Follower, Part, Pending, path_of
from mmasc.errors import MmascError
from mmasc.remote.copies import held, with_copies_ahead
from mmasc.windows.cut import WindowStream

__all__ = ["FileVectors", "Keeper", "Place", "WindowEncoder", "embed_file", "embed_files"]

BLOCK_SECONDS = 30.0  # of audio that travels at once from a decoder to the network
# Sound of a long file that is embedded twice at most, where somebody keeps the parts
KEEP_SECONDS = 600.0


def embed_file(
    path: Sound | MemorySound, encoder: WindowEncoder, hop_seconds: float | None = None, channels: str = "mix"
) -> FileVectors:
    """Vectors of one file's windows.

    Args:
        path: Sound, or a video with sound: a file, its bytes, or an open binary file.
        encoder: Encoder from `load_encoder`.
        hop_seconds: Seconds from one window's start to the next; default: the encoder's own.
        channels: "mix", "left", "right", "each" or "mid-side".
    Returns:
        Vectors of its windows, float32 `[item dim]`, with their starts and ends in seconds.
    Raises:
        MmascError: If the file cannot be read.
    """
    result = next(embed_files([path], encoder, hop_seconds, channels, threads=0))
    if result.status.state == "failed":
        raise MmascError(result.status.reason)
    return result


def checked_hop(encoder: WindowEncoder, hop_seconds: float | None) -> float:
    """Seconds from one window's start to the next; None: the encoder's own.

    Raises:
        MmascError: If it is not above 0 and at most the window, or less than a sample.
    """
    hop = encoder.spec.hop if hop_seconds is None else float(hop_seconds)
    window, sample = encoder.spec.window_seconds, 1 / encoder.spec.sample_rate
    if not 0 < hop <= window:
        raise MmascError(f"hop must be above 0 and at most the window of {window:g} s, got {hop:g}")
    if hop < sample:
        raise MmascError(f"hop must be at least one sample of {encoder.spec.name} ({sample:g} s), got {hop:g}")
    return hop


def embed_files(
    paths: Iterable[Sound | MemorySound],
    encoder: WindowEncoder,
    hop_seconds: float | None = None,
    channels: str = "mix",
    threads: int = 1,
    digest: Callable[[Path], bytes] | None = None,
    keeper: Keeper | None = None,
    heard: Callable[[Path, float], None] | None = None,
) -> Iterator[FileVectors]:
    """Vectors of many files' windows, in the order of `paths`; a file that cannot be read comes back as failed.

    Args:
        paths: Files, as `find_audio` lists them, or what else `open_audio` takes.
        encoder: Encoder from `load_encoder`.
        hop_seconds: Seconds from one window's start to the next; default: the encoder's own.
        channels: "mix", "left", "right", "each" or "mid-side".
        threads: Number of threads that decode ahead of the network; 0 decodes in the caller's thread.
        digest: Called with each file once it is decoded, where it was decoded, while its bytes are still in memory.
        keeper: Asked for windows of an earlier run, which are decoded but not embedded again, and given those of files
            that take long: no more than `KEEP_SECONDS` of sound (or what the network takes at once) are not kept.
        heard: Called with a file on its way and the seconds of it that are embedded.
    """
    require_loaded(encoder)
    hop = checked_hop(encoder, hop_seconds)
    files = (as_source(path) for path in ([paths] if is_one(paths) else paths))
    parts_of = partial(_decode_file, encoder=encoder, hop=hop, channels=channels, digest=digest)
    waiting: deque[Pending] = deque()
    windows: list[tuple[Pending, int, np.ndarray]] = []
    at_once = encoder.windows_at_once
    # What goes through the network at once is lost as well, and lanes come one after the other in a block
    follow = Follower(encoder.spec.sample_rate, KEEP_SECONDS - at_once * hop - BLOCK_SECONDS, keeper, heard)
    for part in parts_ahead(with_copies_ahead(files), parts_of, threads):
        if not waiting or waiting[-1].source is not part.source:
            waiting.append(follow.begin(part.source))
        file = waiting[-1]
        for lane, start, end, samples in part.windows:
            item = file.add(lane, start, end)
            if item not in file.vectors:
                windows.append((file, item, samples))
        if part.done is not None:
            file.done = part.done
        while len(windows) >= at_once:
            windows = _embed_windows(windows, encoder, at_once)
            follow.look(waiting)
        if file.begun:
            follow.look(waiting)
        while waiting and waiting[0].complete:
            yield waiting.popleft().result(encoder)
    while windows:
        windows = _embed_windows(windows, encoder, at_once)
        follow.look(waiting)
    while waiting:
        yield waiting.popleft().result(encoder)


def _embed_windows(
    windows: list[tuple[Pending, int, np.ndarray]], encoder: WindowEncoder, at_once: int
) -> list[tuple[Pending, int, np.ndarray]]:
    """Embed the windows that are as long as the first one, at most `at_once`; return the others."""
    if at_once == 1:
        file, item, samples = windows[0]
        file.vectors[item] = encoder.embed(torch.from_numpy(samples[None]))[0]
        return windows[1:]
    length = len(windows[0][2])
    alike = [item for item, window in enumerate(windows) if len(window[2]) == length][:at_once]
    chosen = [windows[item] for item in alike]
    vectors = encoder.embed(torch.from_numpy(np.stack([samples for _, _, samples in chosen])))
    for (file, item, _), vector in zip(chosen, vectors, strict=True):
        file.vectors[item] = vector
    left = set(range(len(windows))).difference(alike)
    return [windows[item] for item in sorted(left)]


def _decode_file(
    path: Path | MemorySound,
    encoder: WindowEncoder,
    hop: float,
    channels: str,
    digest: Callable[[Path], bytes] | None,
) -> Iterator[Part]:
    rate, count = encoder.spec.sample_rate, 0
    cutters: list[WindowStream] = []
    try:
        # The copy of a remote recording stays until its digest is known
        copy = held(path) if isinstance(path, Path) else contextlib.nullcontext()
        with copy, stream_audio(path, rate, channels, block_seconds=BLOCK_SECONDS) as stream:
            for block in stream:
                if not cutters:
                    cutters = [WindowStream(encoder.window_samples, hop, rate) for _ in block]
                windows = [(lane, *one) for lane, cutter in enumerate(cutters) for one in cutter.push(block[lane])]
                count += len(windows)
                yield Part(path, windows)
            content = digest(path) if digest is not None and isinstance(path, Path) else None
    except (MmascError, OSError) as error:
        yield Part(path, [], Done(AudioStatus("failed", str(error), None, 0.0)))
        return
    last = [(lane, *window) for lane, cutter in enumerate(cutters) for window in cutter.finish()]
    status = stream.status
    if not count + len(last):
        status = AudioStatus("failed", f"{path_of(path)}: holds no sound", status.declared_seconds, 0.0)
    lanes = range(stream.n_lanes)
    silence = [np.array([[0.0, np.inf]]) if stream.is_silent else stream.silence(lane) for lane in lanes]
    done = Done(status, stream.native_rate, stream.native_channels, status.decoded_seconds, content, silence)
    yield Part(path, last, done)
