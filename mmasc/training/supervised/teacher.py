"""Teachers: what a trained network says of the clips (its logits), or an encoder (its vectors), computed once.

Paper: Hinton et al. 2015, "Distilling the knowledge in a neural network".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from mmasc.devices import Session
from mmasc.encoders.base import Encoder
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.training.supervised.config import Hearing, SupervisedConfig
from mmasc.training.supervised.hearing import load_clips
from mmasc.training.supervised.losses import match_posteriors, match_vectors
from mmasc.training.supervised.scoring import score_clips
from mmasc.windows.cut import window_starts
from mmasc.windows.pooling import recording_vector


@dataclass(frozen=True)
class TeacherTargets:
    """What a teacher says.

    Attributes:
        kind: "logits", in the order of the run's classes, or "vectors".
        rows: One for every clip to learn from.
    """

    kind: str
    rows: Float32[Tensor, "clip number"]

    def loss(
        self,
        logits: Float32[Tensor, "batch class"],
        vectors: Float32[Tensor, "batch number"] | None,
        clips: tuple[Int64[np.ndarray, " batch"], Int64[np.ndarray, " batch"]],
        share: Float32[Tensor, " batch"],
        config: SupervisedConfig,
    ) -> Float32[Tensor, ""]:
        """How far the student is from the teacher; what the teacher says of mixed items is mixed as labels are.

        Args:
            logits: Logits of the student.
            vectors: Vectors of the student's projection, for vectors.
            clips: Clips of items and partners.
            share: Share of the items.
            config: Configuration of the run.
        """
        first, second = (self.rows[torch.from_numpy(which).to(self.rows.device)] for which in clips)
        weight = share[:, None]
        if self.kind == "vectors":
            assert vectors is not None
            first, second = (torch.nn.functional.normalize(rows, dim=1) for rows in (first, second))
            return match_vectors(vectors, weight * first + (1 - weight) * second)
        temperature, several = config.teacher_temperature, config.loss == "bce"
        if several:
            mean = weight * (first / temperature).sigmoid() + (1 - weight) * (second / temperature).sigmoid()
            wanted = torch.logit(mean, eps=1e-7)
        else:
            mean = weight * (first / temperature).softmax(1) + (1 - weight) * (second / temperature).softmax(1)
            wanted = mean.clamp_min(1e-12).log()
        return match_posteriors(logits, wanted * temperature, temperature, several)


def ask_teacher(config: SupervisedConfig, paths: Sequence[Path], session: Session) -> TeacherTargets:
    """What the teacher of a run says of whole clips.

    Raises:
        MmascError: If there is no such teacher, or a network does not know the classes (those it lacks are named).
    """
    base, _, path = config.teacher.partition(":")
    if base in NETWORKS and path:
        return TeacherTargets("logits", _ask_network(config, paths, session))
    vectors = clip_vectors(load_encoder(config.teacher, device=session.device), paths, session.cache, session.progress)
    return TeacherTargets("vectors", torch.from_numpy(vectors).to(session.device))


def _ask_network(config: SupervisedConfig, paths: Sequence[Path], session: Session) -> Float32[Tensor, "clip class"]:
    teacher = load_network(config.teacher, device=session.device)
    if teacher.body.n_tags:
        raise MmascError(
            f"teacher {config.teacher} reads tags in addition to the sound: take one that hears sound alone"
        )
    lacking = [name for name in config.classes if name not in teacher.classes]
    if lacking:
        known = ", ".join(teacher.classes) or "not said in its file"
        raise MmascError(f"teacher {config.teacher} does not know {', '.join(lacking)}; its classes are {known}")
    as_heard = Hearing(teacher.features, loss=config.loss)
    clips = load_clips(paths, teacher, as_heard, session.cache)
    logits = score_clips(teacher, clips, as_heard, [str(path) for path in paths], session.progress)
    columns = [teacher.classes.index(name) for name in config.classes]
    return torch.from_numpy(np.ascontiguousarray(logits[:, columns])).to(session.device)


def clip_vectors(
    encoder: Encoder,
    paths: Sequence[Path],
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Float32[np.ndarray, "clip dim"]:
    """Vectors of whole clips: the mean of their windows, weighted by the time that each adds.

    Args:
        encoder: Loaded.
        paths: Recordings; several channels are averaged.
        cache: Folder of decoded waveforms; None keeps them in memory.
        progress: Called with the number done and the total.
    """
    from mmasc.datasets import WaveformCache

    rate, window = encoder.spec.sample_rate, encoder.window_samples
    rows = []
    clips = WaveformCache(Path(cache) if cache is not None else None, rate, "mix").load(paths)
    for number, clip in enumerate(clips):
        samples = np.array(clip[0], np.float32)
        starts = window_starts(len(samples), window, encoder.spec.window_seconds, rate)
        pieces = np.stack([samples[start : start + window] for start in starts])
        edges = np.array(starts, float)
        rows.append(recording_vector(encoder.embed(pieces, rate), edges, edges + pieces.shape[1]))
        if progress is not None:
            progress(number + 1, len(paths))
    return np.stack(rows).astype(np.float32)
