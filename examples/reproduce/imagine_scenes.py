"""What can be imagined from sounds of films by rule: every variant of the paper's Table 1, by one command.

    python examples/reproduce/imagine_scenes.py --work WORK --to examples/results

Films, in which all that is seen can be heard, are written to WORK; a VQ-VAE is trained once, and on it the
transformation network in every variant. Each is a run of its own and continues where it stopped. Figures are of films
that nothing was learned from: a table scenes.md, and scenes.png: frames, what the codebook makes of them, and what is
imagined from their sound alone.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch

from mmasc.evaluation.cost import machine
from mmasc.ivf.scenes import write_scenes
from mmasc.training.ivf.train import train_ivf, train_vqvae

# name in the table -> options of train_ivf
VARIANTS = {
    "index, with critic": {"variant": "index"},
    "index, without critic": {"variant": "index", "critic_weight": 0.0},
    "Q, with critic": {"variant": "q"},
    "without VQ, with critic": {"variant": "no-vq"},
    "index, with critic, both stages at once": {"variant": "index", "joint": True},
}
_COLUMNS = ("right_class", "right_frame", "right_indices", "psnr_db")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for films and runs")
    parser.add_argument("--to", type=Path, required=True, help="folder for the table and the picture")
    parser.add_argument("-n", type=int, default=2_400, help="number of films; a tenth is held out")
    parser.add_argument("--vqvae-steps", type=int, default=600)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--threads", type=int, help="number of threads of torch")
    parser.add_argument("--note", default="", help="a line about the runs, for the table")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    films, cache, first = options.work / "films", options.work / "pairs", options.work / "vqvae-alone"
    write_scenes(films, options.n, options.seed)
    seen = train_vqvae(
        films, first, steps=options.vqvae_steps, seed=options.seed, cache=cache, frames_per_second=8, remark=say
    )
    rows, minutes = {}, {"the VQ-VAE": minutes_of(first / "vqvae")}
    for name in options.variants:
        run = options.work / name.replace(", ", "-").replace(" ", "-")
        if not (run / "vqvae").exists():
            shutil.copytree(first / "vqvae", run / "vqvae")
        heard = train_ivf(
            films, run, steps=options.steps, seed=options.seed, cache=cache, learning_rate=1e-3, remark=say,
            **VARIANTS[name],
        )  # fmt: skip
        lines = [json.loads(line) for line in (run / "ivf" / "metrics.jsonl").read_text().splitlines()]
        apart = [abs(line["critic/distance"]) for line in lines if "critic/distance" in line]
        rows[name] = heard.validation["ivf"] | {"critic": max(apart, default=None)}
        minutes[name] = minutes_of(run / "ivf")
    write(options, seen.validation["vqvae"], rows, minutes)


def minutes_of(stage: Path) -> float:
    """How long the steps of a stage took, stops between them left out."""
    lines = [json.loads(line) for line in (stage / "metrics.jsonl").read_text().splitlines()]
    told, seconds, before = [line for line in lines if "steps_per_second" in line], 0.0, 0
    for line in told:
        seconds += (line["step"] - before) / line["steps_per_second"]
        before = line["step"]
    return seconds / 60


def write(
    options: argparse.Namespace, seen: dict[str, float], rows: dict[str, dict[str, float]], minutes: dict[str, float]
) -> None:
    """The table and the picture."""
    options.to.mkdir(parents=True, exist_ok=True)
    quoted = " ".join(f'"{name}"' for name in options.variants)
    chosen = "" if options.variants == list(VARIANTS) else f" --variants {quoted}"
    table = [
        "# Pictures imagined from films by rule",
        "",
        f"Made by `python examples/reproduce/imagine_scenes.py -n {options.n} --vqvae-steps {options.vqvae_steps} "
        f"--steps {options.steps} --seed {options.seed}{chosen}` on {machine()}, torch {torch.__version__} with "
        f"{torch.get_num_threads()} threads.",
        "",
        f"{options.n} films of 64 x 64 pixels and 2 s, a tenth of them held back: all figures are of those. The VQ-VAE "
        f"({options.vqvae_steps} steps) gives frames back with {seen['psnr_db']:.1f} dB PSNR and has "
        f"{100 * seen['codes_used']:.0f} % of its 512 codes in use (perplexity {seen['perplexity']:.0f}); it took "
        f"{minutes['the VQ-VAE']:.1f} minutes.",
        "",
        "| variant | right class of the nearest frame % | right frame % | right indices % | PSNR of the picture, dB | "
        "largest distance that the critic saw | minutes |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in rows.items():
        critic = "-" if row["critic"] is None else f"{row['critic']:.2f}"
        figures = [f"{100 * row[column]:.1f}" for column in _COLUMNS[:3]] + [f"{row['psnr_db']:.1f}", critic]
        table.append(f"| {name} | {' | '.join(figures)} | {minutes[name]:.1f} |")
    table += [
        "",
        "*Right class*: imagined features lie nearest to those of a frame of the same colour and shape (sixteen "
        "classes) among the held-back frames; *right frame*: of the film's own. Minutes are those of the steps.",
        "",
        *([options.note, ""] if options.note else []),
        "![frames, the codebook's version of them, imagined from sound alone](scenes.png)",
        "",
    ]
    (options.to / "scenes.md").write_text("\n".join(table), encoding="utf-8")
    run = options.work / options.variants[0].replace(", ", "-").replace(" ", "-") / "ivf" / "pictures"
    shutil.copy(sorted(run.glob("*.png"))[-1], options.to / "scenes.png")
    say(f"→ {options.to / 'scenes.md'}")


if __name__ == "__main__":
    main()
