"""How well the vectors of held-out recordings find their texts."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from mmasc.features import MINI
from mmasc.networks.mini_network import MiniNetwork
from mmasc.training.alignment.augment import power_of
from mmasc.training.alignment.mel_cache import Sound
from mmasc.windows.cut import window_starts
from mmasc.windows.pooling import recording_vector


def embed_sounds(
    network: MiniNetwork, sounds: Sequence[Sound], device: torch.device, window_seconds: float = 5.0
) -> Float32[np.ndarray, "sound dim"]:
    """Vectors of whole recordings: windows cut as at inference, mean weighted by the time each adds."""
    network.eval()
    vectors = []
    window = round(window_seconds / MINI.frame_seconds)
    frames_a_second = round(1 / MINI.frame_seconds)
    with torch.inference_mode():
        for sound in sounds:
            power = torch.from_numpy(power_of(sound.decibels[0]))
            starts = window_starts(power.shape[1], window, window_seconds, frames_a_second)
            pieces = torch.stack([power[:, start : start + window] for start in starts])
            joint = network(pieces.to(device))[1].cpu().numpy()
            edges = np.array(starts, float)
            vectors.append(recording_vector(joint, edges, edges + pieces.shape[2]))
    return np.stack(vectors).astype(np.float32)


def ranking(scores: Float[np.ndarray, "item text"], right: Int[np.ndarray, " item"]) -> dict[str, float]:
    """Share of items whose right text is first and among ten, and the mean reciprocal rank; ties count against."""
    of_right = scores[np.arange(len(right)), right][:, None]
    ranks = (scores >= of_right).sum(1)
    return {
        "top1": float((ranks == 1).mean()),
        "top10": float((ranks <= 10).mean()),
        "mrr": float((1 / ranks).mean()),
    }
