"""Do tags help? A network on ESC-10 with and without them, in the paper's best ways of joining, by one command.

    python examples/reproduce/tags_esc10.py ESC-10 --runs runs/tags --to examples/results \
        --source "zero-shot=prompts:esc50@mini-strict" --source "learned=tagging:runs/tagger"

Each source of tags gets a sweep of its own (`mmasc sweep` does the same for one source), the baseline is trained once.
The cells are those that the paper (Jung et al. 2020) found best of concatenation, attention and both, so that nothing
is chosen here. Runs continue where they stopped: stop it at any time and give the command again; `--no-training` makes
the table of what is there. Differences are of the same clips and seeds, their intervals of recordings drawn whole.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from mmasc.errors import MmascError
from mmasc.evaluation.cost import command_text, machine, without_folder
from mmasc.evaluation.evaluate import evaluate
from mmasc.evaluation.pooling import Evaluation
from mmasc.evaluation.tag_sweep import sweep_tags
from mmasc.metrics.predictions import measure_gain
from mmasc.networks.tag_presets import tag_preset

CELLS = {
    "best concatenation": "table2/before-code/layers=3",
    "best attention": "table3/heads=2/layers=1",
    "both": "table5/heads=4/layers=3",
}
BASELINE = "baseline"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ESC-10")
    parser.add_argument("--source", action="append", required=True, metavar="NAME=SOURCE", dest="sources")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--to", type=Path, required=True, help="folder for the table")
    parser.add_argument("--network", default="mini-cnn-tags")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", nargs="+", default=[], help="folds to test; default: all")
    parser.add_argument("--recipe", default="default")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        dest="values",
        help="values that replace those of the recipe",
    )
    parser.add_argument(
        "--cache", type=Path, help="folder for decoded waveforms; default: inside the folder for the runs"
    )
    parser.add_argument("--name", default="tags_esc10", help="name of the files that are written")
    parser.add_argument("--note", default="", help="a line about the sources, for the table")
    parser.add_argument("--no-training", action="store_true", help="write the table of finished runs only")
    parser.add_argument("--threads", type=int, help="number of threads of torch")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    sources = dict(text.split("=", 1) for text in options.sources)
    try:
        if not options.no_training:
            train(options, sources)
        write(options, sources)
    except MmascError as error:
        sys.exit(f"tags_esc10: {error}")


def train(options: argparse.Namespace, sources: dict[str, str]) -> None:
    """Every cell of every source, seed by seed, so that all have a figure early."""
    values = {name: json.loads(value) for name, _, value in (one.partition("=") for one in options.values)}
    first = next(iter(sources))
    for seed in options.seeds:
        for name, source in sources.items():
            sweep_tags(
                options.network,
                options.data,
                "esc10",
                options.runs / name,
                source,
                grid=[*([BASELINE] if name == first else []), *CELLS.values()],
                seeds=[seed],
                folds=options.folds,
                recipe=options.recipe,
                cache=options.cache or options.runs / "cache",
                remark=say,
                **values,
            )


def write(options: argparse.Namespace, sources: dict[str, str]) -> None:
    """The table, its numbers, and the picture."""
    first = next(iter(sources))
    baseline = _evaluated(options, first, BASELINE)
    rows = [_row("without tags", "", BASELINE, baseline, baseline)]
    for name in sources:
        for way, cell in CELLS.items():
            if (options.runs / name / cell).is_dir():
                rows.append(_row(f"{way}, {name} tags", name, cell, _evaluated(options, name, cell), baseline))
    options.to.mkdir(parents=True, exist_ok=True)
    about = {
        "command": command_text("reproduce/tags_esc10.py", sys.argv[1:]),
        "machine": machine(),
        "sources": {name: without_folder(source) for name, source in sources.items()},
        "rows": rows,
    }
    (options.to / f"{options.name}.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (options.to / f"{options.name}.md").write_text(_markdown(options, about), encoding="utf-8")
    _draw(rows, options.to / f"{options.name}.png")
    say(f"→ {options.to / options.name}.md")


def _evaluated(options: argparse.Namespace, source: str, cell: str) -> Evaluation:
    folder, cache = options.runs / source / cell, options.cache or options.runs / "cache"
    found = evaluate([folder], options.data, cache=cache, remark=say)
    if len(found) != 1:
        raise MmascError(f"{folder} holds runs of {len(found)} recipes; give each a folder")
    return found[0]


def _row(name: str, source: str, cell: str, found: Evaluation, baseline: Evaluation) -> dict[str, Any]:
    accuracy = found.metrics["accuracy"]
    row: dict[str, Any] = {
        "system": name,
        "cell": cell,
        "source": source,
        "accuracy": accuracy.value,
        "interval": accuracy.interval,
        "seeds": found.seeds,
        "seed_accuracies": found.seed_accuracies,
        "spread": found.spread,
        "folds": dict(zip(found.fold_names, found.folds, strict=True)),
        "clips": len(found.answers) // max(1, len(found.seeds)),
        "epochs": max(run.epochs for run in found.runs),
        "unfinished": found.missing + [run.folder for run in found.runs if run.unfinished],
        "published": tag_preset(cell).published,
        "seconds": [run.seconds for run in found.runs],
    }
    same = found.seeds == baseline.seeds and found.answers.groups == baseline.answers.groups
    if found is not baseline and same:
        gain = measure_gain(found.answers, baseline.answers)
        row |= {"gain": gain.value, "gain_interval": gain.interval}
    return row


def _markdown(options: argparse.Namespace, about: dict[str, Any]) -> str:
    rows = about["rows"]
    n_folds, seeds, epochs = len(rows[0]["folds"]), len(rows[0]["seeds"]), rows[0]["epochs"]
    lines = [
        f"# Do tags help? {options.network} on ESC-10",
        "",
        f"Made by `{about['command']}` on {about['machine']}, torch {torch.__version__}.",
        "",
        f"{n_folds} folds, each left out once, {seeds} {'seeds' if seeds > 1 else 'seed'}, {epochs} epochs, recipe "
        f"{options.recipe}. Intervals are 95 %, over recordings drawn whole, each with all its seeds; *gain* is the "
        "difference to the network without tags on the same clips and seeds, with the interval of that difference: one "
        "that holds 0 says that nothing was shown. The ways of joining are those that the paper found best; nothing "
        "was chosen on these clips.",
        "",
        "Sources: " + "; ".join(f"{name}: `{source}`" for name, source in about["sources"].items()) + ".",
        *(["", options.note] if options.note else []),
        "",
        "| system | accuracy % | 95 % interval | spread | gain, points | its interval | published % | its gain |",
        "| --- | ---: | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    for row in rows:
        spread = "-" if row["spread"] is None else f"{100 * row['spread']:.1f}"
        gain, ends = ("-", "-")
        if "gain" in row:
            gain, ends = f"{100 * row['gain']:+.1f}", _interval(row["gain_interval"], "+.1f")
        theirs = "-" if row["cell"] == BASELINE else f"{row['published'] - tag_preset(BASELINE).published:+.2f}"
        lines.append(
            f"| {row['system']} | **{100 * row['accuracy']:.1f}** | {_interval(row['interval'], '.1f')} | {spread} | "
            f"{gain} | {ends} | {row['published']:.2f} | {theirs} |"
        )
    lines += [
        "",
        "*Published* is accuracy on DCASE 2019 task 1a, fold 1, with another network: what can be "
        "compared with ours is "
        "the gain.",
        "",
        "| system | " + " | ".join(f"fold {fold}" for fold in rows[0]["folds"]) + " |",
        "| --- |" + " ---: |" * n_folds,
        *(
            f"| {row['system']} | " + " | ".join(f"{100 * value:.1f}" for value in row["folds"].values()) + " |"
            for row in rows
        ),
        "",
        f"![accuracy and gain with 95 % intervals]({options.name}.png)",
        "",
    ]
    left = [one for row in rows for one in row["unfinished"]]
    if left:
        lines += [f"Not finished: {', '.join(map(str, left))}.", ""]
    return "\n".join(lines)


def _interval(ends: Any, form: str) -> str:
    return "-" if ends is None else f"{100 * ends[0]:{form}} to {100 * ends[1]:{form}}"


def _draw(rows: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 1.6 + 0.42 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.2, 1))
    for place, row in enumerate(rows[::-1]):
        if row["interval"] is not None:
            left.plot([100 * end for end in row["interval"]], [place] * 2, color="C0", linewidth=2.4, alpha=0.45)
        left.plot([100 * value for value in row["seed_accuracies"]], [place] * len(row["seeds"]), "|", color="0.35")
        left.plot([100 * row["accuracy"]], [place], "o", color="C0")
        left.annotate(
            f"{100 * row['accuracy']:.1f}", (100 * row["accuracy"], place), (0, 7), textcoords="offset points", size=7,
            ha="center",
        )  # fmt: skip
        if "gain" in row:
            if row["gain_interval"] is not None:
                right.plot(
                    [100 * end for end in row["gain_interval"]], [place] * 2, color="C2", linewidth=2.4, alpha=0.45
                )
            right.plot([100 * row["gain"]], [place], "o", color="C2")
            theirs = row["published"] - tag_preset(BASELINE).published
            right.plot([theirs], [place], "D", color="C1", markerfacecolor="none")
    right.axvline(0, color="0.5", linewidth=0.8)
    right.plot([], [], "o", color="C2", label="here")
    right.plot([], [], "D", color="C1", markerfacecolor="none", label="published, DCASE 2019")
    right.legend(frameon=False, fontsize=8, loc="upper left")
    left.set_yticks(range(len(rows)), [row["system"] for row in rows[::-1]], fontsize=8)
    left.set_ylim(-0.7, len(rows) - 0.2)
    left.set_xlabel("accuracy, % (bar: 95 % interval, ticks: seeds)")
    right.set_xlabel("points above the network without tags")
    for ax in (left, right):
        ax.grid(axis="x", color="0.92", linewidth=0.6)
        ax.set_axisbelow(True)
    figure.savefig(path, dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    main()
