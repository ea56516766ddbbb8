"""A comparison as Markdown, JSON and a picture."""

import json
from collections.abc import Sequence
from pathlib import Path

from mmasc.errors import MmascError
from mmasc.evaluation.compare import Comparison, Row, comparison_object, tests_of
from mmasc.evaluation.comparison_picture import write_picture
from mmasc.evaluation.published import Published
from mmasc.evaluation.row_texts import percent, row_name
from mmasc.evaluation.run_figures import time_text
from mmasc.printing import plain
from mmasc.storage.files import make_folders, write_atomically


def write_comparison(found: Comparison, folder: str | Path, name: str | None = None, command: str = "") -> list[Path]:
    """Write NAME.md, NAME.json and NAME.png.

    Args:
        found: What to write.
        folder: Folder to write into; created if it does not exist.
        name: Default: the kind of data set of all rows, else "comparison".
        command: Command that made it, to be named in the text.
    Raises:
        MmascError: If the folder's name belongs to a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise MmascError(f"{folder} is a file; name a folder for the table")
    make_folders(folder)
    kinds = {row.dataset for row in found.rows if row.dataset}
    name = name or (kinds.pop() if len(kinds) == 1 else "comparison")
    files = [folder / f"{name}.{ending}" for ending in ("md", "json", "png")]
    write_atomically(files[0], markdown(found, f"{name}.png", command).encode())
    write_atomically(files[1], (json.dumps(plain(comparison_object(found)), indent=1) + "\n").encode())
    write_picture(found, files[2])
    return files


def markdown(found: Comparison, picture: str = "", command: str = "") -> str:
    """The comparison as a page of Markdown."""
    kinds = list(dict.fromkeys(row.dataset for row in found.rows if row.dataset))
    parts = [
        f"# {', '.join(kinds) or 'Collections'}: what was measured here, and what was published",
        _about(found, command),
    ]
    if picture:
        parts.append(f"![accuracy with 95 % intervals]({picture})")
    networks = [row for row in found.rows if row.cost is not None]
    parts += ["## Accuracy", _accuracy_table(found.rows, kinds), *notes_on(found.rows), _note_on_published()]
    parts += ["## By fold", _fold_table(found.rows)]
    if networks:
        parts += ["## Cost", _cost_table(networks), _note_on_cost(networks)]
        trained = list(dict.fromkeys(row.trained_on for row in networks if row.trained_on))
        if trained:
            parts += ["Trained on: " + "; ".join(trained) + "."]
    parts += ["## Other metrics", _metric_table(found.rows)]
    if found.published:
        parts += ["## Published on the same data", _published_table(found)]
    return "\n\n".join(parts) + "\n"


def _about(found: Comparison, command: str) -> str:
    folds = " or ".join(str(number) for number in sorted({len(row.folds) for row in found.rows}))
    every = "Except in the rows marked *, every clip" if any(row.heard for row in found.rows) else "Every clip"
    versions = ", ".join(f"{name} {number}" for name, number in found.versions.items())
    commit = f"; commit {found.commit}" if found.commit else ""
    changed = " (+: with changes that are not committed)" if found.commit.endswith("+") else ""
    return "\n\n".join(
        [
            f"Made on {found.date}" + (f" by `{command}`" if command else "") + ".",
            f"{every} was tested by a system that had not learned from its fold ({folds} folds, each left out "
            "once), nor, where the data says what belongs together, from another clip of the same recording. Within "
            "a run nothing was chosen by its test fold: the weights are those of the last epoch, or of the best on a "
            "validation fold.",
            "Intervals are 95 %, drawn over whole recordings, each with all its seeds: how another choice of "
            "recordings would move the figure. How another training would is the spread, the standard deviation over "
            "seeds.",
            f"Speed was measured on {found.machine}. Versions: {versions}{commit}{changed}.",
        ]
    )


def _accuracy_table(rows: Sequence[Row], kinds: Sequence[str]) -> str:
    header = ["system", "features", "recipe", "accuracy %", "95 % interval", "seeds", "spread", "clips", "published %"]
    if len(kinds) > 1:
        header.insert(0, "data")
    tests = tests_of(rows)
    if len(set(tests)) > 1:
        header.insert(-1, "tested on")
    lines = []
    for row, tested in zip(rows, tests, strict=True):
        cells = [
            row.system + (" \\*" if row.heard else ""),
            row.features,
            row.recipe or "-",
            f"**{percent(row.accuracy)}**",
            "-" if row.interval is None else f"{percent(row.interval[0])} to {percent(row.interval[1])}",
            str(row.seeds),
            "-" if row.spread is None else percent(row.spread),
            str(row.clips),
            *([tested] if len(set(tests)) > 1 else []),
            "; ".join(_beside(item) for item in row.published) or "-",
        ]
        lines.append([row.dataset or "-", *cells] if len(kinds) > 1 else cells)
    return _table(header, lines, numbers=("accuracy %", "seeds", "spread", "clips"))


def notes_on(rows: Sequence[Row]) -> list[str]:
    """What must be known before figures of a table are compared: who learned from the test, who had another test."""
    sentences = dict.fromkeys(one.sentence for row in rows for one in row.heard)
    notes = [f"\\* {sentence}." for sentence in sentences]
    letters = tests_of(rows)
    if len(set(letters)) > 1:
        systems: dict[str, dict[str, None]] = {}
        for row, letter in zip(rows, letters, strict=True):
            systems.setdefault(letter, {})[row.system] = None
        groups = [f"{letter}: {', '.join(names)}" for letter, names in sorted(systems.items())]
        notes.append(
            f"Not all rows were tested on the same clips in the same folds ({'; '.join(groups)}): figures with "
            "different letters answer different questions."
        )
    return notes


def _beside(item: Published) -> str:
    metric = "" if item.metric == "accuracy" else f" ({item.metric.replace('_', ' ')})"
    return f"{percent(item.value)}{metric}: {item.measured} ({item.source.partition(';')[0]})"


def _note_on_published() -> str:
    return (
        "*Published* figures are of the same system as its paper had it, on what is named next to them. Where that is "
        "not the clips and folds of this table, the two figures answer different questions."
    )


def _fold_table(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.fold_names))
    lines = []
    for row in rows:
        own = dict(zip(row.fold_names, row.folds, strict=True))
        lines.append([row_name(row), *(percent(own[name]) if name in own else "-" for name in names)])
    return _table(["system", *(f"fold {name}" for name in names)], lines, numbers=[f"fold {name}" for name in names])


def _cost_table(rows: Sequence[Row]) -> str:
    header = [
        *("system", "parameters", "shipped numbers", "KiB float32", "KiB float16", "KiB int8", "million MACs"),
        *("x real time", "training a fold", "clips/s in training"),
    ]
    lines = []
    for row in rows:
        cost = row.cost
        assert cost is not None
        lines.append(
            [
                row_name(row),
                f"{cost.parameters:,}",
                f"{cost.merged_numbers:,}",
                *(f"{cost.bytes[kind] / 1024:,.1f}" for kind in ("float32", "float16", "int8")),
                f"{cost.macs / 1e6:,.1f}",
                "-" if cost.real_time is None else f"{cost.real_time:,.0f}",
                "-" if row.fold_seconds is None else time_text(row.fold_seconds),
                "-" if row.clips_per_second is None else f"{row.clips_per_second:,.0f}",
            ]
        )
    return _table(header, lines, numbers=header[1:])


def _note_on_cost(rows: Sequence[Row]) -> str:
    seconds = sorted({f"{row.cost.seconds:g}" for row in rows if row.cost is not None})
    threads = sorted({str(row.cost.threads) for row in rows if row.cost is not None and row.cost.threads is not None})
    timed = (
        f" *x real time*: seconds of sound a second, front end included, one clip at a time, "
        f"{'/'.join(threads)} threads of the machine named above."
        if threads
        else ""
    )
    return (
        f"Multiply-accumulates (MACs) of a clip of {' or '.join(seconds)} s, without the front end. *Shipped numbers* "
        "are those left when batch norms are merged into the layers before them; bytes are of those that are not "
        "zero, as DCASE task 1 counts them (2021: at most 128 KiB)." + timed
    )


def _metric_table(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.metrics if name != "accuracy"))
    shown = [name for name in names if not name.startswith("micro_")] if _one_label(rows) else names
    lines = [
        [row_name(row), *(f"{row.metrics[name]:.3f}" if name in row.metrics else "-" for name in shown)] for row in rows
    ]
    return _table(
        ["system", *(name.replace("_", " ") for name in shown)], lines, numbers=[n.replace("_", " ") for n in shown]
    )


def _one_label(rows: Sequence[Row]) -> bool:
    """Micro means are the accuracy there."""
    return not any(row.detail.get("multi_label") for row in rows)


def _published_table(found: Comparison) -> str:
    tested = list(dict.fromkeys(name for row in found.rows for name in row.fold_names))
    on_these = [item.on_folds(tested) for item in found.published]
    several = len({item.metric for item in found.published}) > 1
    header = [
        *("system", "%", *(["metric"] if several else [])),
        *([f"% on folds {', '.join(tested)}"] if any(value is not None for value in on_these) else []),
        *("measured on", "source", "note"),
    ]
    lines = [
        [
            item.system + (f", {item.features}" if item.features else ""),
            f"{100 * item.value:g}",
            *([item.metric.replace("_", " ")] if several else []),
            *(["-" if value is None else percent(value)] if len(header) > 5 + several else []),
            item.measured,
            item.source,
            item.note or "-",
        ]
        for item, value in zip(found.published, on_these, strict=True)
    ]
    return _table(header, lines, numbers=[name for name in header if name.startswith("%")])


def _table(header: Sequence[str], lines: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> str:
    """Columns of `numbers` stand at the right; bars inside cells are escaped."""
    rule = ["---:" if name in numbers else "---" for name in header]
    rows = [header, rule, *[[cell.replace("|", "\\|") for cell in line] for line in lines]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
