"""What is usual for a tagger: mean and deviation of each class's logit over sounds of all kinds, without labels.

Kept next to the tagger's weights (`FILE.usual.safetensors`, `RUN/usual.safetensors`); for taggers with published
weights it comes with mmasc. `mmasc models centre` measures it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmasc.encoders.adapters.onnx_models import OnnxLogits
from mmasc.encoders.embedding import embed_files
from mmasc.encoders.network import NetworkLogits
from mmasc.errors import MmascError
from mmasc.printing import counted
from mmasc.storage.tensors import load_tensors, save_tensors

# Fewer windows say little about 500 classes
MINIMUM_WINDOWS = 100
# Probabilities beyond 1e-13 are rounding, not evidence
_LARGEST_LOGIT = 30.0
_KIND = "mmasc-usual"


@dataclass(frozen=True)
class Usual:
    """What is usual for each class, in the order of `classes`.

    Attributes:
        classes: Names.
        mean: Mean logit `[class]`.
        deviation: Standard deviation of the logit `[class]`, above 0.
        windows: How many windows were heard.
        source: Which sounds, in words.
    """

    classes: tuple[str, ...]
    mean: Float[Tensor, " class"]
    deviation: Float[Tensor, " class"]
    windows: int = 0
    source: str = ""

    def excess(self, logits: Float[Tensor, "batch class"]) -> Float[Tensor, "batch class"]:
        """How many deviations each class is above its mean; 0 where it is below."""
        bounded = logits.clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)
        return ((bounded - self.mean.to(logits)) / self.deviation.to(logits)).clamp_min(0)

    def tensors(self) -> dict[str, Tensor]:
        """What shapes a vector, by name."""
        return {"usual.mean": self.mean, "usual.deviation": self.deviation}


def measure_usual(
    encoder: NetworkLogits | OnnxLogits,
    paths: Iterable[Path],
    source: str = "",
    progress: Callable[[int], None] | None = None,
) -> Usual:
    """Hear sounds and keep mean and deviation of every class's logit over windows; silent windows are left out.

    Args:
        encoder: The tagger's logits, in windows as the space will have them.
        paths: Sounds of all kinds; files that cannot be read are left out.
        source: What to write down about them.
        progress: Called with the number of files done.
    Raises:
        MmascError: If there are fewer than 100 windows with sound, or a class is never heard differently.
    """
    classes, window_seconds = tuple(encoder.network.classes), encoder.spec.window_seconds
    total = squares = np.zeros(len(classes))
    count = 0
    for done, file in enumerate(embed_files(list(paths), encoder), 1):
        if file.status.state != "failed":
            heard = np.clip(file.vectors[file.heard].astype(np.float64), -_LARGEST_LOGIT, _LARGEST_LOGIT)
            total, squares, count = total + heard.sum(0), squares + (heard**2).sum(0), count + len(heard)
        if progress is not None:
            progress(done)
    if count < MINIMUM_WINDOWS:
        raise MmascError(
            f"{counted(count, 'window')} of {window_seconds:g} s with sound {'is' if count == 1 else 'are'} too few "
            "to know what is usual; give at least "
            f"{MINIMUM_WINDOWS}, of all kinds of sound"
        )
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    if not (deviation > 0).all():
        silent = classes[int(np.argmin(deviation))]
        raise MmascError(f"the class {silent!r} has the same logit in all {count} windows; give other sounds")
    as_tensor = torch.from_numpy(np.stack([mean, deviation]).astype(np.float32))
    return Usual(classes, as_tensor[0], as_tensor[1], count, source)


def save_usual(path: Path, usual: Usual) -> None:
    """Write it as safetensors."""
    about = {"kind": _KIND, "classes": list(usual.classes), "windows": usual.windows, "source": usual.source}
    save_tensors(path, usual.tensors(), about)


def read_usual(tagger: str, weights: Path, classes: Sequence[str]) -> Usual:
    """What is usual for a tagger, measured before.

    Args:
        tagger: As `load_network` takes it, for the message; its name is that of a file in the package.
        weights: Its weights: a file or a run.
        classes: Its classes, which must be those that were measured.
    Raises:
        MmascError: If nobody measured it, or the file is damaged or of other classes.
    """
    path = usual_path(weights)
    if not path.is_file():
        path = Path(str(files("mmasc.encoders") / "weights" / f"usual_{tagger.partition(':')[0]}.safetensors"))
    again = f"run `mmasc models centre {tagger} --on SOUNDS` with sounds of all kinds; they need no labels"
    if not path.is_file():
        raise MmascError(f"nobody has measured what is usual for {tagger}: {again}")
    tensors, about = load_tensors(path)
    if about.get("kind") != _KIND or not {"usual.mean", "usual.deviation"} <= set(tensors):
        raise MmascError(f"{path} does not say what is usual for a tagger; {again}")
    mean, deviation = tensors["usual.mean"].float(), tensors["usual.deviation"].float()
    if about.get("classes") != list(classes) or not mean.shape == deviation.shape == (len(classes),):
        raise MmascError(f"{path} is for other classes than those of {tagger}; {again}")
    if not (torch.isfinite(mean).all() and torch.isfinite(deviation).all() and (deviation > 0).all()):
        raise MmascError(f"{path} holds numbers that no tagger gives; {again}")
    windows, source = about.get("windows"), about.get("source")
    return Usual(
        tuple(classes),
        mean,
        deviation,
        windows if isinstance(windows, int) else 0,
        source if isinstance(source, str) else "",
    )


def usual_path(weights: Path) -> Path:
    """Where `mmasc models centre` keeps it: in a run, or next to a file of weights."""
    return weights / "usual.safetensors" if weights.is_dir() else weights.with_name(f"{weights.name}.usual.safetensors")
