"""List the words that the text side of `mini` learned as words: weights/mini_words.txt, the most frequent first.

    python examples/make_mini/list_words.py --captions audiocaps_train.csv --weights mmasc/encoders/weights

--captions is the table of distill_text.py: the same captions and spans are drawn again. A word counts that occurs twice
in them, or in a label that the sound side was trained towards.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

from distill_text import draw_texts

from mmasc.encoders.mini_text import split_words

LEAST = 2  # once is mostly a slip of the pen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path, required=True, metavar="CSV")
    parser.add_argument("--weights", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    counts = Counter(
        word for text in draw_texts(options.captions, 20_000, 30_000, 0) for word in split_words(text) if word.isalpha()
    )
    with (options.weights / "mini_attribution.csv").open(newline="", encoding="utf-8") as file:
        labels = {word for row in csv.DictReader(file) for word in split_words(row["label"]) if word.isalpha()}
    words = sorted(labels | {word for word, n in counts.items() if n >= LEAST}, key=lambda word: (-counts[word], word))
    path = options.weights / "mini_words.txt"
    path.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    print(f"{len(words)} words, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
