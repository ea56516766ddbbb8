"""Features compared on ESC-10: one small network on each, tested on recordings it knows and on others, by one command.

    python examples/reproduce/features_esc10.py ESC-10 --runs runs/features --to examples/results --ivf films=runs/films

The table of Liu et al. 2021 (constant Q, gammatone, MFCC, log-mel with and without deltas, imagined visual features) on
other data and with a smaller network: only the order can be compared with theirs. Runs continue where they stopped:
stop it at any time and give the command again; `--minutes` begins no run after so many, and `--no-training` makes the
table of what is there. `mmasc sweep NETWORK --front-ends ...` does the same for any data without the picture.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from mmasc.errors import MmascError
from mmasc.evaluation.cost import command_text, machine, without_folder
from mmasc.evaluation.feature_sweep import sweep_features
from mmasc.evaluation.feature_table import FeatureRow
from mmasc.evaluation.run_figures import time_text
from mmasc.evaluation.runs import find_runs

SEEN, UNSEEN = "#14696b", "#9a5a12"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ESC-10")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--to", type=Path, required=True, help="folder for the table")
    parser.add_argument("--dataset", default="esc10", help="kind of the data set")
    parser.add_argument("--network", default="eight-conv")
    parser.add_argument(
        "--front-ends", nargs="+", default=["table1"], metavar="NAME", help="features to compare; default: table1"
    )
    parser.add_argument(
        "--ivf",
        action="append",
        default=[],
        metavar="NAME=RUN",
        help="run of mmasc train ivf; may be given several times",
    )
    parser.add_argument("--widths", nargs=4, type=int, default=[8, 16, 32, 64], help="filters of the four blocks")
    parser.add_argument("--epochs", type=int, help="number of epochs; default: that of the recipe")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", nargs="+", default=[], help="folds to test; default: all")
    parser.add_argument(
        "--seen-share", type=float, default=0.3, help="share of every group that is held out and tested as seen"
    )
    parser.add_argument("--seen-by", default="", help="column to use instead of groups")
    parser.add_argument("--recipe", default="any-features")
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
    parser.add_argument("--name", default="features_esc10", help="name of the files that are written")
    parser.add_argument("--note", default="", help="a line about the runs, for the table")
    parser.add_argument("--minutes", type=float, help="minutes after which no further run begins")
    parser.add_argument("--no-training", action="store_true", help="write the table of finished runs only")
    parser.add_argument("--threads", type=int, help="number of threads of torch")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        write(options, compared(options))
    except MmascError as error:
        sys.exit(f"features_esc10: {error}")


def compared(options: argparse.Namespace) -> list[FeatureRow]:
    """Train what is missing, and test everything."""
    values = {name: json.loads(value) for name, _, value in (one.partition("=") for one in options.values)}
    if options.epochs:
        values["epochs"] = options.epochs
    return sweep_features(
        *(options.network, options.data, options.dataset, options.runs),
        [*options.front_ends, *(f"{name}=ivf:{run}" for name, _, run in (one.partition("=") for one in options.ivf))],
        seen_share=options.seen_share,
        seen_by=options.seen_by,
        folds=options.folds,
        seeds=options.seeds,
        recipe=options.recipe,
        arguments={"widths": options.widths},
        cache=options.cache or options.runs / "cache",
        minutes=0 if options.no_training else options.minutes,
        remark=say,
        **values,
    )


def write(options: argparse.Namespace, rows: list[FeatureRow]) -> None:
    """The table, its numbers, and the picture."""
    options.to.mkdir(parents=True, exist_ok=True)
    about = {
        "command": command_text("reproduce/features_esc10.py", sys.argv[1:]),
        "machine": machine(),
        "note": options.note,
        "rows": [
            {**asdict(row), "features": without_folder(row.features), "folder": Path(row.folder).name} for row in rows
        ],
    }
    (options.to / f"{options.name}.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (options.to / f"{options.name}.md").write_text(markdown(options, about, rows), encoding="utf-8")
    draw(rows, options.to / f"{options.name}.png")
    for ending in ("md", "json", "png"):
        say(f"→ {options.to / options.name}.{ending}")


def markdown(options: argparse.Namespace, about: dict[str, Any], rows: list[FeatureRow]) -> str:
    """The table with all that must be known to read it."""
    config = find_runs([rows[0].folder])[0].config
    folds, seeds = max(len(row.folds) for row in rows), max(len(row.seeds) for row in rows)
    lines = [
        f"# Features compared: {config.network} on {config.dataset}",
        "",
        f"Made by `{about['command']}` on {about['machine']}, torch {torch.__version__}.",
        "",
        f"One network ({config.network}, widths {', '.join(map(str, options.widths))}) and one recipe "
        f"({config.recipe}) for all features: {config.epochs} epochs, batches of {config.batch}, crops of "
        f"{config.crop_seconds:g} s, highest rate {config.learning_rate:g}. Within a run nothing was chosen by the "
        f"clips that are tested. {_count(folds, 'fold')}, each left out once, {_count(seeds, 'seed')}.",
        "",
        "*Unseen*: clips of the left-out fold, of whose recordings nothing was learned. *Seen*: about "
        f"{100 * config.seen_share:g} % of the clips of every {config.seen_by or 'recording'} with several on the "
        "learning side, never all of them: they were not learned from, others of the recording were. Intervals are "
        "95 %, over whole recordings, each with all its seeds and folds. Seen and unseen clips are different clips, "
        "with other shares of the classes: the two columns are to be read downwards.",
        *(["", about["note"]] if about["note"] else []),
        "",
        "| features | seen % | 95 % interval | clips | unseen % | 95 % interval | clips | published seen / unseen |",
        "| --- | ---: | --- | ---: | ---: | --- | ---: | --- |",
        *(f"| {' | '.join(_cells(row))} |" for row in rows),
        "",
        "*Published*: Liu et al. 2021, Table 1, on cities of DCASE 2019 task 1a that were learned from and on others, "
        "by a network of full width: another question, so only the order can be compared.",
        "",
        f"![seen and unseen with 95 % intervals]({options.name}.png)",
        "",
        "| features | parameters | clips/s in training | training a fold |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {row.name} | {row.parameters:,} | {_number(row.clips_per_second)} | "
            f"{'-' if row.seconds is None else time_text(row.seconds)} |"
            for row in rows
        ),
        "",
    ]
    missing = [f"{row.name}: {', '.join(row.missing)}" for row in rows if row.missing]
    if missing:
        lines += [f"Not there yet: {'; '.join(missing)}. Until they are, the rows are not of the same runs.", ""]
    return "\n".join(lines)


def _cells(row: FeatureRow) -> list[str]:
    theirs = "-" if row.published_seen is None else f"{row.published_seen:.1f} / {row.published_unseen:.1f}"
    return [
        row.name,
        *(_percent(row.seen), _interval(row.seen_low, row.seen_high), str(row.seen_clips)),
        *(_percent(row.unseen), _interval(row.unseen_low, row.unseen_high), str(row.unseen_clips)),
        theirs,
    ]


def _count(number: int, of: str) -> str:
    return f"{number} {of}{'s' if number > 1 else ''}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"**{value:.1f}**"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None else f"{low:.1f} to {high:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def draw(rows: list[FeatureRow], path: Path) -> None:
    """Seen above unseen for each of the features with intervals, their values at the right; published ones hollow."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 1.7 + 0.5 * len(rows)), layout="constrained")
    ax, figures = figure.add_subplot(), []
    for place, row in enumerate(rows[::-1]):
        for name, colour, height in (("seen", SEEN, place + 0.16), ("unseen", UNSEEN, place - 0.16)):
            value, low, high, theirs = (
                getattr(row, key) for key in (name, f"{name}_low", f"{name}_high", f"published_{name}")
            )
            if low is not None:
                ax.plot([low, high], [height, height], color=colour, linewidth=2.4, alpha=0.45)
            if value is not None:
                ax.plot([value], [height], "o", color=colour)
                figures.append((height, f"{value:.1f}"))
            if theirs is not None:
                ax.plot([theirs], [height], "D", color=colour, markerfacecolor="none")
    for name, colour in (("seen", SEEN), ("unseen", UNSEEN)):
        ax.plot([], [], "o", color=colour, label=f"{name} recordings, measured here")
        ax.plot([], [], "D", color=colour, markerfacecolor="none", label=f"{name} cities, published (DCASE 2019)")
    ax.set_yticks(range(len(rows)), [row.name for row in rows[::-1]], fontsize=9, parse_math=False)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlabel("accuracy, % (bar: 95 % interval over recordings)")
    ax.grid(axis="x", color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)
    right = ax.twinx()
    right.set_ylim(ax.get_ylim())
    right.set_yticks(*zip(*figures, strict=True), fontsize=8)
    right.tick_params(length=0)
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def say(line: str) -> None:
    """A line on stderr: the table is all that belongs elsewhere."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
