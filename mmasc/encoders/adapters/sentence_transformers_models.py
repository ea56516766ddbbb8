"""`sentence-transformers:FOLDER`: models of the package sentence-transformers (5.4 and later) that understand sound.

Vectors are those of the package's own `encode`, one input at a time.

Paper: Reimers and Gurevych 2019, "Sentence-BERT".
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.devices import resolve_device
from mmasc.encoders.adapters.adapter import AdapterEncoder, as_array, package_errors, without_chatter
from mmasc.encoders.adapters.files import file_digests, find_folder, licence_of
from mmasc.encoders.hearing import AskedWindow
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.storage.texts import parse_json

_NAME = "sentence-transformers"
_DIGESTED = ("*.safetensors", "*.bin", "*.json", "*.txt", "*.model")
# Written by the package about itself; a model card holds no numbers
_NOT_DIGESTED = ("config_sentence_transformers.json", "README.md")
_SECONDS = 10.0
_OLDEST = (5, 4)


class SentenceTransformersEncoder(AdapterEncoder):
    """A model of the package sentence-transformers.

    Args:
        name: "sentence-transformers:FOLDER" or "sentence-transformers:REPO@REVISION".
        device: Device on which it runs.
        window: The window that users ask for.
    Raises:
        MmascError: If the package or the folder is not here, the model understands no sound, or it wants to run code of
            its own.
    """

    def __init__(self, name: str, device: str = "cpu", window: AskedWindow | None = None) -> None:
        self.device = resolve_device(device)
        self.folder = find_folder(_NAME, name.partition(":")[2])
        package = _package()
        _refuse_code(self.folder)
        fix = "copy the folder again, or choose another"
        with package_errors(f"{self.folder} cannot be loaded by {_NAME}", fix), without_chatter():
            self.model = package.SentenceTransformer(
                str(self.folder),
                device=str(self.device),
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"dtype": torch.float32},
            ).eval()
        has = [one for one in ("audio", "text", "image") if self.model.supports(one)]
        if "audio" not in has:
            raise MmascError(
                f"{self.folder} understands {' and '.join(has) or 'nothing'}, but not sound; choose another model"
            )
        self.rate, self.longest_seconds = _hears(self.model, self.folder)
        dim = self._encoded({"array": np.zeros(self.rate // 2, np.float32), "sampling_rate": self.rate}).shape[-1]
        spec = EncoderSpec(
            _NAME,
            "mmasc.encoders.adapters.sentence_transformers_models:SentenceTransformersEncoder",
            sample_rate=self.rate,
            window_seconds=self.longest_seconds or _SECONDS,
            dim=int(dim),
            modalities=tuple(has),
            licence=licence_of(self.folder),
            weights="your own",
            padding="minimum",
            minimum_seconds=0.1,
            description="a model of the package sentence-transformers",
        )
        self.logit_scale = 1.0 if "text" in has else None
        digests = file_digests(self.folder, _DIGESTED)
        files = {file: digest for file, digest in digests.items() if not file.endswith(_NOT_DIGESTED)}
        self.settle(spec, window or AskedWindow(), {"package": _NAME, "files": files})

    def _encoded(self, one: Any) -> Float32[np.ndarray, " dim"]:
        with package_errors(f"{self.folder} cannot embed this", "choose another window, or another model"):
            found = self.model.encode([one], batch_size=1, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(found, np.float32)[0]

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        windows = waveforms.cpu().numpy()
        vectors = np.stack([self._encoded({"array": one, "sampling_rate": self.rate}) for one in windows])
        return torch.from_numpy(as_array(vectors, self.spec.dim, str(self.folder)))

    def _one_text(self, text: str) -> Float32[np.ndarray, " dim"]:
        return self._encoded(text)

    def _image(self, images: list[Any]) -> Float32[np.ndarray, "image dim"]:
        from PIL import Image

        pictures = [one if hasattr(one, "convert") else Image.fromarray(one) for one in images]
        return as_array(np.stack([self._encoded(one) for one in pictures]), self.spec.dim, str(self.folder))


def _package() -> Any:
    try:
        import sentence_transformers
    except ImportError as error:
        raise MmascError(
            f"{error.name} is not installed; models of {_NAME} need it: pip install 'mmasc[sentence-transformers]'"
        ) from error
    version = tuple(int(part) for part in sentence_transformers.__version__.split(".")[:2])
    if version < _OLDEST:
        raise MmascError(
            f"{_NAME} {sentence_transformers.__version__} does not support sound; update it to 5.4 or later"
        )
    return sentence_transformers


def _refuse_code(folder: Path) -> None:
    """Modules of the package alone are loaded: a folder may name any class of any installed package."""
    path = folder / "modules.json"
    try:
        modules = parse_json(path.read_text("utf-8")) if path.is_file() else []
        types = [str(one["type"]) for one in modules]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MmascError(f"{path} cannot be read ({error}); copy the folder again") from error
    foreign = [one for one in types if not one.startswith("sentence_transformers.")]
    if foreign:
        raise MmascError(f"{folder} wants to run code of its own ({foreign[0]}), which mmasc does not; choose another")


def _hears(model: Any, folder: Path) -> tuple[int, float | None]:
    """Rate in Hz, and the longest window in seconds: of more an extractor takes a part, some of them at random."""
    processor = getattr(model, "processor", None)
    extractor = getattr(processor, "feature_extractor", processor)
    rate = getattr(extractor, "sampling_rate", None)
    if not isinstance(rate, int) or rate <= 0:
        raise MmascError(f"{folder} does not give its sample rate; choose another model")
    samples = getattr(extractor, "nb_max_samples", None) or getattr(extractor, "n_samples", None)
    return rate, samples / rate if samples else None
