"""Weights of a wider network that answers as a narrower one does: what a longer training begins from.

    python examples/make_base/widen.py RUN/last.safetensors --channels 48 80 160 320 --out wide.safetensors

Channels are copied, and what reads them shares its weights among the copies, in parts drawn at random so that copies
learn differently from then on. Only rounding is changed of the answers.

Paper: Chen et al. 2016, "Net2Net: accelerating learning via knowledge transfer", section 3.
"""

import argparse
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.torch import save

from mmasc.encoders.mini_weights import bundled_weights
from mmasc.networks.mini_config import MiniConfig

NORM = ("weight", "bias", "running_mean", "running_var")


def copies(n_old: int, n_new: int, chance: np.random.Generator) -> np.ndarray:
    """Which old channel each new one copies: every one once, then others drawn without repetition where it can be."""
    more = [chance.permutation(n_old) for _ in range(-(-(n_new - n_old) // n_old))]
    return np.concatenate([np.arange(n_old), *more])[:n_new]


def parts(of: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """What part of an old channel's weight each copy takes; the parts of one channel sum to 1."""
    drawn = chance.uniform(0.3, 0.7, len(of))
    return drawn / np.bincount(of, drawn)[of]


def widen(tensors: dict[str, np.ndarray], channels: tuple[int, ...], seed: int = 0) -> dict[str, np.ndarray]:
    """The tensors of a network of `MiniNetwork`'s kind with more channels.

    Args:
        tensors: By name, as the weights of an encoder hold them.
        channels: Channels of the first convolution and of each block; each at least as many as there are.
        seed: Of what is drawn.
    Raises:
        ValueError: If there are fewer channels than before.
    """
    chance, out = np.random.default_rng(seed), dict(tensors)
    of, part = np.zeros(1, int), np.ones(1)
    layers = [("conv0", "bn_conv0", channels[0])]
    layers += [
        (f"blocks.{n}.conv{k}", f"blocks.{n}.bn{k}", width) for n, width in enumerate(channels[1:]) for k in (1, 2)
    ]
    for convolution, norm, width in layers:
        kernel = tensors[f"network.{convolution}.weight"]
        if width < len(kernel):
            raise ValueError(f"{convolution} has {len(kernel)} channels already, more than {width}")
        read = kernel[:, of] * part[None, :, None, None]
        of = copies(len(kernel), width, chance)
        part = parts(of, chance)
        out[f"network.{convolution}.weight"] = read[of]
        out.update({f"network.{norm}.{name}": tensors[f"network.{norm}.{name}"][of] for name in NORM})
    # Means of all channels, then their maxima
    linear = tensors["network.to_features.weight"]
    halves = np.split(linear, 2, axis=1)
    out["network.to_features.weight"] = np.concatenate([half[:, of] * part for half in halves], 1)
    return out


def main() -> None:
    import json

    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="an encoder of the package, or a file of weights")
    parser.add_argument("--channels", type=int, nargs=len(MiniConfig.channels), required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with safe_open(bundled_weights(options.weights) or options.weights, "np") as file:
        about = json.loads(file.metadata()["config"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    floats = {name: one.astype(np.float32) if one.dtype == np.float16 else one for name, one in tensors.items()}
    wide = widen(floats, tuple(options.channels))
    about["network"]["channels"] = list(options.channels)
    kept = {name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in wide.items()}
    options.out.write_bytes(save(kept, {"config": json.dumps(about, sort_keys=True)}))
    print(f"{options.out}: {sum(one.size for one in wide.values()):,} numbers")


if __name__ == "__main__":
    main()
