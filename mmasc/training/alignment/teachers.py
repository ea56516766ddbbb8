"""Teachers: encoders whose vectors of the same crops are learned.

A teacher's vectors of the crops of one row are kept by the teacher's identity and the content of the crops, so a run
that is begun again, or another run with the same sounds, hears nothing twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Float32

from mmasc.audio import resample
from mmasc.encoders.base import Encoder
from mmasc.encoders.mini_text import TextSide
from mmasc.encoders.names import Names
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.features import MINI
from mmasc.training.alignment.crops import Crops
from mmasc.training.alignment.kept import keep, kept

_AT_ONCE = 16


@dataclass(frozen=True)
class Teacher:
    """An encoder that teaches.

    Attributes:
        name: As it was asked for.
        encoder: It.
        text: Its vectors stand next to texts of the run's own text side: what is learned from it becomes a part of
            the vector.
        half: It hears in bfloat16 (its front end in float32): faster, a cosine of 0.998 and more to float32.
    """

    name: str
    encoder: Encoder = field(repr=False)
    text: bool = False
    half: bool = False

    @property
    def key(self) -> str:
        """Name of its space, and of how it hears."""
        return self.encoder.identity[:16] + ("-half" if self.half else "")

    @property
    def dim(self) -> int:
        """Numbers of its vectors."""
        return self.encoder.spec.dim

    def centre_of_texts(self) -> Float32[np.ndarray, " dim"]:
        """What it takes from every text's vector."""
        assert isinstance(self.encoder, Names)
        return self.encoder.common

    def hear(self, crops: Float32[np.ndarray, "crop time"]) -> Float16[np.ndarray, "crop dim"]:
        """Unit vectors of crops at the front end's rate; zeros where the teacher has nothing to say."""
        played = resample(crops, MINI.sample_rate, self.encoder.spec.sample_rate)
        shortest = round(self.encoder.spec.minimum_seconds * self.encoder.spec.sample_rate)
        played = np.pad(played, ((0, 0), (0, max(0, shortest - played.shape[1]))))
        # Several crops go through at once: other bits than one by one, the same from run to run
        vectors = np.concatenate([self._vectors(played[i : i + _AT_ONCE]) for i in range(0, len(played), _AT_ONCE)])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0).astype(np.float16)

    def _vectors(self, played: Float32[np.ndarray, "crop time"]) -> Float32[np.ndarray, "crop dim"]:
        device = self.encoder.device.type
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=self.half):
            return self.encoder._audio(torch.from_numpy(played).to(self.encoder.device)).float().cpu().numpy()


def load_teachers(names: Sequence[str], text_side: TextSide, device: str = "cpu", half: bool = False) -> list[Teacher]:
    """Encoders by name.

    Args:
        names: As `load_encoder` takes them.
        text_side: Text side of the run.
        device: Device on which they run.
        half: See `Teacher`.
    Raises:
        MmascError: If one is unknown, its weights are not at hand, it does not hear, two are the same space, or
            several have texts.
    """
    teachers: list[Teacher] = []
    for name in names:
        try:
            encoder = load_encoder(name, device)
        except MmascError as error:
            raise MmascError(f"the teacher {name} cannot be loaded: {error}") from error
        if "audio" not in encoder.spec.modalities:
            raise MmascError(f"{name} cannot be a teacher: it does not embed sound; name another encoder")
        beside = isinstance(encoder, Names) and encoder.text_side.name == text_side.name
        teachers.append(Teacher(name, encoder, beside, half))
    keys = [teacher.key for teacher in teachers]
    if len(set(keys)) < len(keys):
        raise MmascError(f"two teachers are the same space: {', '.join(names)}; name each once")
    if sum(teacher.text for teacher in teachers) > 1:
        raise MmascError(f"at most one teacher may have names to be asked by, got {', '.join(names)}")
    _share_networks(teachers)
    return teachers


def targets_of(teacher: Teacher, crops: Crops | str, each: int, folder: Path) -> Float16[np.ndarray, "crop dim"] | None:
    """A teacher's vectors of the crops of a row: those that are kept, else heard and kept.

    Args:
        teacher: The teacher.
        crops: The crops, or their digest alone.
        each: How many they are.
        folder: Where vectors are kept.
    Returns:
        None where only the digest is given and nothing is kept that is whole.
    """
    digest = crops if isinstance(crops, str) else crops.digest
    place = folder / "targets" / teacher.key / digest[:2] / digest
    found = kept(place, {"vectors": (each, teacher.dim)})
    if found is not None:
        return found[0]["vectors"].astype(np.float16)
    if isinstance(crops, str):
        return None
    vectors = teacher.hear(crops.samples)
    keep(place, {"vectors": vectors}, {"kind": "mmasc-targets", "teacher": teacher.key})
    return vectors


def _share_networks(teachers: Sequence[Teacher]) -> None:
    """Two teachers over one and the same body of patches hear a crop once."""
    bodies: dict[str, Any] = {}
    for teacher in teachers:
        # Where a space is made of names, the network is the tagger's
        network = getattr(getattr(teacher.encoder, "tagger", teacher.encoder), "network", None)
        body = getattr(network, "body", None)
        if network is None or body is None or not hasattr(body, "patch_embeddings"):
            continue
        state = b"".join(tensor.cpu().numpy().tobytes() for tensor in body.state_dict().values())
        known = bodies.setdefault(f"{type(body).__name__}{hash(state)}", body)
        if known is body:
            body.patch_embeddings = _Last(body.patch_embeddings)
        else:
            network.body = known


class _Last:
    """A function of a tensor that remembers its last answer."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.last: tuple[torch.Tensor, torch.Tensor] | None = None

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        if self.last is None or not torch.equal(features, self.last[0]):
            self.last = features.clone(), self.function(features)
        return self.last[1]
