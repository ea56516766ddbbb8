"""Labels in natural words become tags: a table to train a tagger on, split by credit.

    python examples/reproduce/ambient_tags.py meta.csv --to tags.csv
    mmasc train tagging --data tags.csv --dataset csv --data-option label_column=tags \
        --data-option label_separator=, --data-option group_column=group --folds 1 --recipe akiyama-2019 --out RUN

The table that comes in has the columns filename, label ("cat meowing in a kitchen") and credit (author and page; equal
credits are never on two sides of a fold). A word becomes a tag where recordings of enough credits have it: a word that
one author alone uses is learned as that author. Endings are taken off (cats, barking, barked are cat, bark, bark), so
that a tag is a word and not its form, and it is called by its commonest form; words without a sound (a, on, by ...) are
left out, and so are recordings whose words are all rare. What goes out: path, tags (between commas), fold, group.
"""

import argparse
import csv
import os
import re
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from mmasc.datasets.splits import make_folds

# Words that name no sound and no thing that sounds
SILENT = frozenset(
    """
    a an and at away background by close distant far from heavy in inside into light loud near of off on one or outside
    over quiet several short slow small some soft the through to two under up very with down out fast big
    """.split()  # noqa: SIM905 (fifty quoted words read worse)
)


def stem(word: str) -> str:
    """A word without the endings -s, -es, -ing, -ed, as far as a vowel and three letters are left."""
    for ending in ("ing", "ed", "es", "s"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and re.search("[aeiouy]", rest) and not word.endswith("ss"):
            if ending == "es" and not rest.endswith(("s", "x", "z", "ch", "sh")):
                continue
            # running → run, but calling → call
            doubled = ending in ("ing", "ed") and rest[-1] == rest[-2] and rest[-1] not in "aeioulsz"
            return rest[:-1] if doubled else rest
    return word


def words_of(label: str) -> list[str]:
    """The words of a label that may sound, in order."""
    return [word for word in re.findall("[a-z]+", label.lower()) if word not in SILENT and len(word) > 2]


def tags_of(label: str) -> list[str]:
    """The stems of these words, each once."""
    return list(dict.fromkeys(map(stem, words_of(label))))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--credits", type=int, default=4, help="minimum number of credits of a tag")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--stated-only", action="store_true", help="leave out rows whose licence_stated is not yes")
    options = parser.parse_args()
    with options.table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if options.stated_only:
        rows = [row for row in rows if row.get("licence_stated") == "yes"]
    credits: dict[str, set[str]] = defaultdict(set)
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for word in words_of(row["label"]):
            credits[stem(word)].add(row["credit"])
            forms[stem(word)][word] += 1
    vocabulary = sorted(tag for tag, known in credits.items() if len(known) >= options.credits)
    called = {tag: forms[tag].most_common(1)[0][0] for tag in vocabulary}
    kept = [(row, [tag for tag in tags_of(row["label"]) if tag in vocabulary]) for row in rows]
    kept = [(row, tags) for row, tags in kept if tags]
    targets = np.array([[float(tag in tags) for tag in vocabulary] for _, tags in kept], np.float32)
    with warnings.catch_warnings():
        # Clips are stratified by their rarest tag, which can have fewer of them than there are folds
        warnings.simplefilter("ignore", UserWarning)
        folds = make_folds(targets, [row["credit"] for row, _ in kept], options.folds, 0, str(options.table))
    with options.to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "tags", "fold", "group"])
        for (row, tags), fold in zip(kept, folds, strict=True):
            path = os.path.relpath(options.table.parent / row["filename"], options.to.parent)
            writer.writerow([path, ",".join(called[tag] for tag in tags), int(fold) + 1, row["credit"]])
    print(f"{len(kept)} of {len(rows)} recordings, {len(vocabulary)} tags: {' '.join(called.values())}")
    for fold in range(options.folds):
        print(f"fold {fold + 1}: {int((np.asarray(folds) == fold).sum())} recordings")


if __name__ == "__main__":
    main()
