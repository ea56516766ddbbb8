"""The release's postprocessor of VGGish embeddings: principal components, then 8 bits, as AudioSet's own features.

Source: tensorflow/models, research/audioset/vggish/vggish_postprocess.py; values are cut off, not rounded, to 8 bits
there, while the PyTorch port rounds.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8

from mmasc.errors import MmascError
from mmasc.storage.arrays import read_arrays

# Components are clipped to this range before they become bytes
LARGEST = 2.0
_MOST_BYTES = 4_000_000  # thirty times what the file holds
_NAMES = ("pca_eigen_vectors", "pca_means")


@dataclass(frozen=True)
class VggishPostprocessor:
    """Principal components of VGGish embeddings.

    Attributes:
        eigen_vectors: One component per row.
        means: Means of the embeddings.
    """

    eigen_vectors: Float32[np.ndarray, "128 128"]
    means: Float32[np.ndarray, " 128"]

    def components(self, embeddings: Float[np.ndarray, "patch 128"]) -> Float32[np.ndarray, "patch 128"]:
        """Principal components, clipped to -2 .. 2."""
        rotated = (embeddings - self.means) @ self.eigen_vectors.T
        return np.clip(rotated, -LARGEST, LARGEST).astype(np.float32)

    def quantise(self, embeddings: Float[np.ndarray, "patch 128"]) -> UInt8[np.ndarray, "patch 128"]:
        """Principal components as bytes: 0 is -2 and below, 255 is 2 and above."""
        return ((self.components(embeddings) + LARGEST) * (255 / (2 * LARGEST))).astype(np.uint8)


def read_postprocessor(path: str | Path) -> VggishPostprocessor:
    """The released constants: vggish_pca_params.npz, or the PyTorch port's file of the same two arrays.

    Raises:
        MmascError: If the file is missing, damaged, or holds anything else.
    """
    path = Path(path)
    if path.suffix == ".npz":
        if not path.is_file():
            raise MmascError(f"{path} does not exist; name the release's vggish_pca_params.npz")
        try:
            arrays = read_arrays(path, _MOST_BYTES)
        except (OSError, ValueError) as error:
            raise MmascError(f"{path} cannot be read as arrays ({error}); fetch vggish_pca_params.npz again") from error
    else:
        from mmasc.networks.load import read_state

        arrays = {name: tensor.numpy() for name, tensor in read_state(path)[0].items()}
    missing = [name for name in _NAMES if name not in arrays]
    if missing or arrays[_NAMES[0]].shape != (128, 128) or arrays[_NAMES[1]].size != 128:
        raise MmascError(f"{path} does not hold {_NAMES[0]} [128, 128] and {_NAMES[1]} [128]; name vggish_pca_params")
    return VggishPostprocessor(arrays[_NAMES[0]].astype(np.float32), arrays[_NAMES[1]].astype(np.float32).ravel())
