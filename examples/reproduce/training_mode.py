"""What becomes of vectors where batch norm stays in training mode and each batch holds one class.

    python examples/reproduce/training_mode.py ESC-10 --network sp4sc:sp4sc_ce_mixup.safetensors --to examples/results

Barberteguy 2023 embeds recordings with AudioCLIP class folder by class folder, in batches of 50, and its notebook never
calls `eval()`: batch norm then divides each batch by its own statistics, and takes out what the batch has in common,
which there is the class. AudioCLIP's weights are not here; the same is done to three networks whose weights are. Only
batch norms are in training mode, dropout stays off and stored statistics are not touched.

Rows: evaluation mode; training mode in batches of one class; training mode in mixed batches of the same size. Two other
suspects have rows of their own: samples that are 32,768 times what the network was trained on, and the words of the
prompts. Zero-shot uses no label; logistic regression learns from three folds and is tested on the fourth, on vectors
that were made in the same way.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmasc.datasets import WaveformCache, read_dataset
from mmasc.encoders.mini import Mini
from mmasc.encoders.mini_weights import PEAK_FLOOR, MiniWeights
from mmasc.encoders.registry import ENCODERS, load_encoder
from mmasc.features.log_mel import LogMel
from mmasc.features.log_mel_config import MINI
from mmasc.heads.registry import make_head
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.metrics.figures import class_colours, save_figure
from mmasc.metrics.functions import bootstrap_interval
from mmasc.networks.load import load_network
from mmasc.networks.mini_network import MiniNetwork
from mmasc.prompts.prompts import Prompts, load_prompts
from mmasc.storage.files import write_atomically
from mmasc.windows.units import unit_float32

SECONDS = 5.0
FULL_SCALE = 32_768.0
NAME = "training_mode"


@dataclass(frozen=True)
class System:
    """A network with its batch norms, and the encoder whose words it shares, where it has any."""

    name: str
    rate: int
    body: nn.Module
    vectors: Callable[[torch.Tensor], torch.Tensor]
    encoder: Mini | None = None


@dataclass(frozen=True)
class Clips:
    """Recordings `[clip time]` by rate, with labels and folds."""

    paths: list[Path]
    labels: np.ndarray
    folds: np.ndarray
    cache: str | None

    def samples(self, rate: int) -> torch.Tensor:
        """Mono samples of five seconds; shorter recordings end with zeros."""
        n = round(SECONDS * rate)
        waveforms = WaveformCache(Path(self.cache) if self.cache else None, rate, "mix").load(self.paths)
        rows = [np.pad(one[0][:n], (0, max(0, n - one.shape[1]))) for one in waveforms]
        return torch.from_numpy(np.stack(rows).astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder of ESC-10 (or ESC-50)")
    parser.add_argument("--network", help="NETWORK:FILE with batch norms and released weights; default: none")
    parser.add_argument("--batch", type=int, default=40, help="clips per batch (default: 40)")
    parser.add_argument("--to", type=Path, required=True, help="folder of the table, the numbers and the figure")
    parser.add_argument("--cache", help="folder of decoded waveforms")
    options = parser.parse_args()
    table = read_dataset("esc10", options.data)
    labels = np.array([clip.labels[0] for clip in table.clips])
    clips = Clips(table.paths, labels, np.array(table.column("fold")), options.cache)
    systems = [mini_system("mini"), mini_system("mini-strict")]
    systems += [network_system(options.network)] if options.network else []
    rows, pictures = [], {}
    for system in systems:
        samples = clips.samples(system.rate)
        for mode, vectors in vectors_of(system, samples, labels, options.batch):
            pictures[system.name, mode] = vectors
            rows.append(measured(system, mode, vectors, clips))
            print(rows[-1], flush=True)
    options.to.mkdir(parents=True, exist_ok=True)
    said = {"clips": len(labels), "batch": options.batch, "rows": rows}
    write_atomically(options.to / f"{NAME}.json", (json.dumps(said, indent=1) + "\n").encode())
    write_atomically(options.to / f"{NAME}.md", table_text(rows, len(labels), options.batch).encode())
    draw([system.name for system in systems], pictures, labels, options.to / f"{NAME}.png")


def mini_system(name: str) -> System:
    """`mini` with its batch norms, which the encoder has folded away."""
    weights = MiniWeights(ENCODERS[name], None)
    network = MiniNetwork(weights.config)
    state = {key.removeprefix("network."): torch.from_numpy(one.copy()) for key, one in weights.network.items()}
    network.load_state_dict({key: one.float() if one.is_floating_point() else one for key, one in state.items()})
    front_end, encoder = LogMel(MINI), load_encoder(name)

    def vectors(samples: torch.Tensor) -> torch.Tensor:
        peak = samples.abs().amax(1, keepdim=True).clamp_min(PEAK_FLOOR)
        return network.vectors(network.levelled(front_end.mel(samples / peak)))[1]

    system = System(name, MINI.sample_rate, network.eval(), vectors, encoder)
    check_evaluation_mode(system, encoder)
    return system


def check_evaluation_mode(system: System, encoder: Mini) -> None:
    """In evaluation mode these are the encoder's own vectors, or the comparison means nothing."""
    noise = torch.randn(2, round(SECONDS * system.rate), generator=torch.Generator().manual_seed(0)) / 10
    with torch.inference_mode():
        ours = system.vectors(noise).numpy()
    np.testing.assert_allclose(ours, encoder.embed(noise), atol=1e-4)


def network_system(name: str) -> System:
    """A supervised network of a file; its vector is the layer before last."""
    network = load_network(name).requires_grad_(False)
    norms = [one for one in network.body.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        raise SystemExit(f"{name} has no batch norm: there is nothing to show")
    return System(
        name.partition(":")[0], network.sample_rate, network.body, lambda samples: network.embedding(samples[:, None])
    )


def vectors_of(
    system: System, samples: torch.Tensor, labels: np.ndarray, batch: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Ways of making vectors, and what they give."""
    by_class = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    sorted_batches = [part for own in by_class for part in parts_of(own, batch)]
    mixed = parts_of(np.random.default_rng(0).permutation(len(labels)), batch)
    yield "evaluation", embed(system, samples, sorted_batches, training=False)
    yield "training, one class in a batch", embed(system, samples, sorted_batches, training=True)
    yield "training, mixed batches", embed(system, samples, mixed, training=True)
    loud = samples * FULL_SCALE
    yield "evaluation, samples x 32768", embed(system, loud, sorted_batches, training=False)
    yield "training, one class in a batch, samples x 32768", embed(system, loud, sorted_batches, training=True)


def parts_of(positions: np.ndarray, batch: int) -> list[np.ndarray]:
    """Batches as even as can be: of a single clip batch norm would leave nothing."""
    return np.array_split(positions, -(-len(positions) // batch))


def embed(system: System, samples: torch.Tensor, batches: Sequence[np.ndarray], training: bool) -> np.ndarray:
    """Vectors in the order of the samples; stored statistics stay as they are."""
    norms = [one for one in system.body.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    momenta = [one.momentum for one in norms]
    found: dict[int, np.ndarray] = {}
    for norm in norms:
        norm.train(training)
        norm.momentum = 0.0
    try:
        with torch.inference_mode():
            for positions in batches:
                vectors = system.vectors(samples[torch.from_numpy(positions)]).numpy()
                found |= dict(zip(positions.tolist(), vectors, strict=True))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.eval()
            norm.momentum = momentum
    return np.stack([found[position] for position in range(len(samples))])


def measured(system: System, mode: str, vectors: np.ndarray, clips: Clips) -> dict[str, Any]:
    """How good the vectors are, and how much of their variance lies between classes."""
    row: dict[str, Any] = {"system": system.name, "mode": mode, "between": between_share(vectors, clips.labels)}
    if system.encoder is not None:
        sentences = load_prompts("esc10")
        names = {label: (label.replace("_", " "),) for label in sentences.labels}
        for column, prompts in (("sentences", sentences), ("names", Prompts("names", "", ("{}",), names))):
            said = ZeroShotClassifier(system.encoder).fit(prompts).predict(vectors)
            row[column] = accuracy(said == clips.labels)
    said = np.empty(len(vectors), object)
    for fold in np.unique(clips.folds):
        held = clips.folds == fold
        said[held] = make_head("logistic").fit(vectors[~held], clips.labels[~held]).predict(vectors[held])
    row["logistic"] = accuracy(said == clips.labels)
    return row


def accuracy(right: np.ndarray) -> list[float]:
    """Share that is right, and its 95 % interval over clips."""
    low, high = bootstrap_interval(lambda items: float(right[items].mean()), len(right))
    return [float(right.mean()), low, high]


def between_share(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Variance of class means over that of all unit vectors: 1 where a class is one point, 0 where they are alike."""
    unit = unit_float32(vectors).astype(np.float64)
    centre = unit.mean(0)
    means = {name: unit[labels == name].mean(0) for name in np.unique(labels)}
    between = np.mean([((means[name] - centre) ** 2).sum() for name in labels])
    return float(between / ((unit - centre) ** 2).sum(1).mean())


def table_text(rows: Sequence[dict[str, Any]], n_clips: int, batch: int) -> str:
    """The page of the results."""
    lines = [
        "# Batch norm in training mode",
        "",
        f"{n_clips} clips of ESC-10, batches of up to {batch}. Accuracies with 95 % intervals over clips; *between* is "
        "the share of the variance of unit vectors that lies between classes. `mini` learned from these clips, "
        "`mini-strict` and SP4SC (ten urban scenes) did not.",
        "",
        "| network | batch norm, batches, level | zero-shot, sentences | zero-shot, names alone | logistic, by folds "
        "| between |",
        "| --- | --- | --- | --- | --- | ---: |",
    ]
    for row in rows:
        cells = [shown(row.get(name)) for name in ("sentences", "names", "logistic")]
        lines.append(f"| {row['system']} | {row['mode']} | {' | '.join(cells)} | {row['between']:.3f} |")
    lines += ["", f"![vectors on their two principal components]({NAME}.png)", ""]
    return "\n".join(lines)


def shown(figure: list[float] | None) -> str:
    """An accuracy with its interval."""
    return "-" if figure is None else f"{figure[0]:.3f} ({figure[1]:.3f} to {figure[2]:.3f})"


def draw(names: Sequence[str], pictures: dict[tuple[str, str], np.ndarray], labels: np.ndarray, path: Path) -> None:
    """Vectors on their two principal components, evaluation mode above, training mode in batches of one class below."""
    from matplotlib.figure import Figure
    from sklearn.decomposition import PCA

    figure = Figure(figsize=(3.2 * len(names) + 1.6, 6.4), layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False)
    classes = np.unique(labels)
    for row, mode in enumerate(("evaluation", "training, one class in a batch")):
        for column, name in enumerate(names):
            ax = axes[row, column]
            points = PCA(2, random_state=0).fit_transform(unit_float32(pictures[name, mode]))
            for label, colour in zip(classes, class_colours(len(classes)), strict=True):
                own = points[labels == label]
                ax.plot(own[:, 0], own[:, 1], "o", markersize=3, color=colour, label=label, markeredgewidth=0)
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_title(f"{name}: {mode.partition(',')[0]} mode", fontsize=9)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right", frameon=False, fontsize=8)
    save_figure(figure, path)


if __name__ == "__main__":
    main()
