"""What can be imagined from a few real sounds with pictures: learned, held back, and what a guess would reach.

    python examples/reproduce/imagine_pairs.py --pairs meta.csv --run RUN --to examples/results

PAIRS is a table or a folder of films, as of `mmasc train ivf`; a run that was stopped continues where it stopped, and
`load_encoder("ivf:RUN")` loads it. A table pairs.md and a picture pairs.png are written. The picture shows none of the
pictures that were given, since those may not be ours to hand on: only what the codebook makes of them, and what is
imagined from the sound alone.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from mmasc.evaluation.cost import machine
from mmasc.ivf.decoding import PairConfig
from mmasc.ivf.imagination import Imagination, from_bytes, load_imagination, to_bytes
from mmasc.ivf.pairs import Pair, Pairs, prepare_pairs
from mmasc.ivf.sources import read_sources, split_sources
from mmasc.training.ivf.train import train_ivf

_SHOWN = 12


class Seen(NamedTuple):
    """Pairs with what a run makes of them; `codes` are the frames' own, `written` those imagined."""

    frames: Float[torch.Tensor, "pair 3 size size"]
    made: Float[torch.Tensor, "pair 3 size size"]
    imagined: Float[torch.Tensor, "pair 3 size size"]
    codes: Int[torch.Tensor, "pair cell cell"]
    written: Int[torch.Tensor, "pair cell cell"]
    distances: Float[torch.Tensor, "pair pair"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", required=True, help="table, or folder of films or with a table")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--to", type=Path, required=True, help="folder for the table and the picture")
    parser.add_argument("--group-column", help="column of the table; rows with the same value are never split")
    parser.add_argument("--held-back", type=float, default=0.2, help="share of films and pairs that is held out")
    parser.add_argument("--vqvae-steps", type=int, default=450)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--codes", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--note", action="append", default=[], help="line for the table, such as the source of the sounds"
    )
    parser.add_argument("--threads", type=int, help="number of threads of torch")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    vqvae = {"steps": options.vqvae_steps, "codes": options.codes, "validation_share": options.held_back}
    result = train_ivf(
        options.pairs, options.run, steps=options.steps, seed=options.seed, group_column=options.group_column,
        vqvae=vqvae, learning_rate=1e-3, remark=say,
    )  # fmt: skip
    network = load_imagination(options.run)
    pairs = prepare_pairs(read_sources(options.pairs, options.group_column), PairConfig(), options.run / "pairs")
    parts = split_sources(pairs.sources, options.held_back, options.seed)
    learned, held = (look(network, [pairs.middle(source) for source in part]) for part in parts)
    options.to.mkdir(parents=True, exist_ok=True)
    draw(options.to / "pairs.png", pairs, parts, (learned, held))
    text = table(options, pairs, parts, (learned, held), len(result.faults))
    (options.to / "pairs.md").write_text(text, encoding="utf-8")
    say(f"→ {options.to / 'pairs.md'}")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@torch.inference_mode()
def look(network: Imagination, pairs: list[Pair]) -> Seen:
    """What a run sees in frames, and imagines for the sounds that belong to them."""
    frames = from_bytes(torch.from_numpy(np.stack([pair.frame for pair in pairs])))
    windows = torch.from_numpy(np.stack([pair.window for pair in pairs]))
    made, quantised = network.vqvae(frames)
    written = network(windows)
    features, real = network.features_of(written), network.vqvae.quantizer.lookup(quantised.indices)
    return Seen(
        frames,
        made.clamp(-1, 1),
        network.vqvae.decoder(features).clamp(-1, 1),
        quantised.indices,
        network.indices_of(written),
        torch.cdist(features.flatten(1), real.flatten(1)),
    )


def figures(seen: Seen, learned: Seen) -> list[str]:
    """A row of the table; guesses know the frames learned from, and hear nothing."""
    commonest = learned.codes.mode(0).values
    return [
        f"{len(seen.frames)}",
        f"{decibels(seen.made, seen.frames):.1f}",
        f"{decibels(seen.imagined, seen.frames):.1f}",
        f"{decibels(learned.frames.mean(0).expand_as(seen.frames), seen.frames):.1f}",
        f"{100 * float((seen.written == seen.codes).float().mean()):.1f}",
        f"{100 * float((commonest == seen.codes).float().mean()):.1f}",
        f"{100 * float((seen.distances.argmin(1) == torch.arange(len(seen.frames))).float().mean()):.1f}",
        f"{100 / len(seen.frames):.1f}",
    ]


def decibels(made: Float[torch.Tensor, "pair 3 size size"], frames: Float[torch.Tensor, "pair 3 size size"]) -> float:
    """PSNR over all pixels of pictures in [-1, 1]."""
    return float(10 * torch.log10(4 / (made - frames).square().mean()))


def table(
    options: argparse.Namespace,
    pairs: Pairs,
    parts: tuple[list[int], list[int]],
    seen: tuple[Seen, Seen],
    n_faults: int,
) -> str:
    """What pairs.md says."""
    films = [sum(pairs.sources[source].picture is None for source in part) for part in parts]
    frames = sum(len(pairs.frames(source)) for source in parts[0])
    lines = (options.run / "vqvae" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = [json.loads(line) for line in lines if "validation/codes_used" in line][-1]
    names = ("learned from", "held back")
    rows = [f"| {name} | {' | '.join(figures(one, seen[0]))} |" for name, one in zip(names, seen, strict=True)]
    return "\n".join([
        "# Pictures imagined from a few real sounds",
        "",
        f"Made by `python examples/reproduce/imagine_pairs.py --pairs {Path(options.pairs).name} --run RUN "
        f"--to examples/results --held-back {options.held_back:g} --codes {options.codes} "
        f"--vqvae-steps {options.vqvae_steps} --steps {options.steps} --seed {options.seed} "
        f"--threads {torch.get_num_threads()}` on {machine()}, torch "
        f"{torch.__version__}, in {minutes(options.run):.0f} minutes.",
        "",
        f"{len(pairs)} sources were used: {sum(films)} films and {len(pairs) - sum(films)} sounds with a photograph "
        f"({n_faults} with a remark, such as a sound shorter than a window). Learned from {len(parts[0])} of them "
        f"({films[0]} films; {frames} frames of 64 x 64 pixels in all), {len(parts[1])} held back ({films[1]} films). "
        f"The VQ-VAE uses {round(last['validation/codes_used'] * options.codes)} of its {options.codes} codes "
        f"(perplexity {last['validation/perplexity']:.0f}).",
        "",
        "| | pairs | PSNR of the codebook's version, dB | PSNR imagined, dB | of the mean picture, dB | right indices "
        "% | commonest indices % | right frame % | by chance % |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *rows,
        "",
        "One window, around the middle of each source. *Right frame*: imagined features lie nearest to those of the "
        "source's own frame among all of that row. *Mean picture* and *commonest indices* are guesses that hear "
        "nothing: the mean of the frames learned from, and of every cell the code that most of them have.",
        "",
        verdict(seen),
        *(f"\n{note}" for note in options.note),
        "",
        "![what the codebook makes of the frames, and what is imagined from the sound alone](pairs.png)",
        "",
    ])  # fmt: skip


def minutes(run: Path) -> float:
    """That both stages took, by the speeds that they noted."""
    total = 0.0
    for stage in ("vqvae", "ivf"):
        before = 0
        for line in (run / stage / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
            noted = json.loads(line)
            if "steps_per_second" in noted:
                total += (noted["step"] - before) / noted["steps_per_second"]
                before = noted["step"]
    return total / 60


def verdict(seen: tuple[Seen, Seen]) -> str:
    """What the figures mean, in a sentence or two, from the figures themselves."""
    n, wins = len(seen[1].frames), int((seen[1].distances.argmin(1) == torch.arange(len(seen[1].frames))).sum())
    guess = float((seen[0].codes.mode(0).values == seen[1].codes).float().mean())
    right = float((seen[1].written == seen[1].codes).float().mean())
    better = "more" if right > guess else "fewer"
    return (
        f"So few pairs are learned by heart. Of what was held back, {wins} of {n} frames are found, where chance finds "
        f"one, and {better} indices are right than those of a guess that hears nothing. So this shows that training "
        "runs on real sounds and pictures, not that a picture can be told from a sound never heard before."
    )


def draw(path: Path, pairs: Pairs, parts: tuple[list[int], list[int]], seen: tuple[Seen, Seen]) -> None:
    """Codebook's version over imagined picture, with labels, for sources learned from and held back."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.15 * _SHOWN, 6.4), layout="constrained")
    halves = figure.subfigures(2)
    titles = ("Learned from", "Held back: never heard nor seen in training")
    for half, title, part, one in zip(halves, titles, parts, seen, strict=True):
        half.suptitle(f"{title} (above: what the codebook makes of the frame; below: imagined from the sound alone)")
        chosen = np.unique(np.linspace(0, len(part) - 1, min(_SHOWN, len(part))).round().astype(int)).tolist()
        axes = half.subplots(2, _SHOWN)
        for axis in axes.flat:
            axis.set_axis_off()
        for column, number in enumerate(chosen):
            shown: tuple[UInt8[torch.Tensor, "picture size size 3"], ...] = (
                to_bytes(one.made[number : number + 1]),
                to_bytes(one.imagined[number : number + 1]),
            )
            for axis, picture in zip(axes[:, column], shown, strict=True):
                axis.imshow(picture[0].numpy())
            axes[0, column].set_title(wrapped(pairs.sources[part[number]].label), fontsize=6.5)
    figure.savefig(path, dpi=110)


def wrapped(label: str, most: int = 18) -> str:
    """A label on at most three lines."""
    lines = [""]
    for word in label.split():
        if lines[-1] and len(lines[-1]) + len(word) >= most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:3])


if __name__ == "__main__":
    main()
