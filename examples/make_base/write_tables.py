"""Write the tables that `base` learns from: trunk.csv and its parts, held.csv (by credit) and esc10.csv.

    python examples/make_base/write_tables.py --ambient AMBIENT --sounds SOUNDS --esc10 ESC-10 --pairs AV --pairs AV2 \
        --rendered RENDERED --unlabelled unlabelled.csv --free-sounds examples/make_base/free_sounds.csv --out TABLES

AMBIENT, SOUNDS and ESC-10 have a meta.csv (filename, label, credit or credit_group, texts, licence). A recording stands
once for its label and once for every other wording. The rows of trunk.csv are also written in parts, by where they come
from and by licence (parts/labelled-free.csv, parts/labelled-other.csv and so on): sounds are mixed within a part, so a
model of permissive licences alone hears crops that are prepared already. --permissive writes only what is under CC0,
CC BY, MIT, in the public domain or made here by rule; what is held back is the same.
"""

import argparse
import csv
import re
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

HELD_SHARE = 0.15
# Groups as large as this hold a whole package together and stay in the trunk
LARGEST_HELD = 45
FREE = ("CC0", "CC-BY-3", "CC-BY-4", "CC BY 3", "CC BY 4", "CC BY", "MIT", "public domain", "Public domain")
FREE += ("public-domain",)
COLUMNS = ("path", "label", "group", "licence", "source")
Entry = dict[str, str]


def rows_of(folder: Path, source: str) -> list[Entry]:
    """Rows of a folder's meta.csv: path, label, group, licence, source; one for each wording."""
    rows = []
    with (folder / "meta.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row.get("filename") or row.get("audio")
            if not name or not row["label"]:
                continue
            path = next(p for p in (folder / name, folder / "audio" / name) if p.is_file())
            group = row.get("credit_group") or row.get("credit") or name
            texts = [row["label"], *(one.strip() for one in (row.get("texts") or "").split("|") if one.strip())]
            one = {
                "path": str(path),
                "group": f"{source}: {group}",
                "licence": row.get("licence", ""),
                "source": source,
                "file": row.get("source_path", ""),
            }
            rows += [{**one, "label": text} for text in dict.fromkeys(texts)]
    return rows


def is_free(row: Entry) -> bool:
    """Whether a row's licence asks for no more than naming the author."""
    licence = row["licence"]
    return licence.startswith(FREE) and "Pixabay" not in licence and re.search(r"\bSA\b", licence) is None


def unlabelled_rows(table: Path, free: Path, held: set[str]) -> list[Entry]:
    """Sounds without labels, less those that are held back with one.

    Args:
        table: What collect_sounds.py wrote.
        free: CSV of package, pattern (of paths inside it, as fnmatch takes them) and licence, read by hand from the
            packages' copyright files; the first that matches says it, what none matches is not known to be free.
        held: Paths in packages of the recordings that are held back.
    """
    patterns: dict[str, list[tuple[str, str]]] = {}
    for row in read(free):
        patterns.setdefault(row["package"], []).append((row["pattern"], row["licence"]))
    rows = []
    for row in read(table):
        package = row["package"]
        _, _, inside = row["path"].partition(f"/{package}/")
        if f"{package}/{inside}" in held:
            continue
        licence = next((one for pattern, one in patterns.get(package, []) if fnmatchcase(inside, pattern)), "")
        rows.append({"path": row["path"], "label": "", "group": package, "licence": licence, "source": "unlabelled"})
    return rows


def held_groups(rows: list[Entry], seed: int) -> set[str]:
    """Credit groups to hold back: so that about a share of the recordings of each source is in them."""
    chosen: set[str] = set()
    for source in sorted({row["source"] for row in rows}):
        files: dict[str, set[str]] = {}
        for row in rows:
            if row["source"] == source:
                files.setdefault(row["group"], set()).add(row["path"])
        wanted, n = HELD_SHARE * sum(map(len, files.values())), 0
        names = sorted(files)
        for place in np.random.default_rng(seed).permutation(len(names)):
            if n + len(files[names[place]]) <= wanted and len(files[names[place]]) <= LARGEST_HELD:
                chosen.add(names[place])
                n += len(files[names[place]])
    return chosen


def read(path: Path) -> list[Entry]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[Entry]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    files = {row["path"] for row in rows}
    print(f"{path.name}: {len(rows)} rows, {len(files)} files, {len({row['label'] for row in rows})} texts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ambient", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--sounds", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--esc10", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--pairs", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--rendered", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--unlabelled", type=Path, metavar="CSV")
    parser.add_argument("--free-sounds", type=Path, default=Path(__file__).parent / "free_sounds.csv", metavar="CSV")
    parser.add_argument("--permissive", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    (options.out / "parts").mkdir(parents=True, exist_ok=True)
    real = [*rows_of(options.ambient, "ambient"), *rows_of(options.sounds, "sounds")]
    held = held_groups(real, options.seed)
    files = {row["file"] for row in real if row["group"] in held and row["file"]}
    parts = {
        "labelled": [row for row in real if row["group"] not in held]
        + [row for folder in options.pairs for row in rows_of(folder, "pairs")],
        "rendered": [row for folder in options.rendered for row in rows_of(folder, "rendered")],
        "unlabelled": unlabelled_rows(options.unlabelled, options.free_sounds, files) if options.unlabelled else [],
    }
    trunk = [row for rows in parts.values() for row in rows if is_free(row) or not options.permissive]
    for name, rows in parts.items():
        free = [row for row in rows if is_free(row)]
        if free:
            write(options.out / "parts" / f"{name}-free.csv", free)
        if len(free) < len(rows) and not options.permissive:
            write(options.out / "parts" / f"{name}-other.csv", [row for row in rows if not is_free(row)])
    esc10 = rows_of(options.esc10, "esc10")
    write(options.out / "trunk.csv", trunk)
    write(options.out / "held.csv", [row for row in real if row["group"] in held])
    write(options.out / "esc10.csv", [row for row in esc10 if is_free(row)] if options.permissive else esc10)


if __name__ == "__main__":
    main()
