"""Takes of the sounds that mmasc makes by rule, other takes than the demo's: a folder and its table.

python examples/make_base/make_takes.py --out TAKES --table TABLES/takes.csv
"""

import argparse
import csv
from pathlib import Path

import soundfile

from mmasc.prompts.prompts import load_prompts
from mmasc.synth import synthesise

SEEDS = range(10, 16)
RATE = 32_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--table", type=Path, required=True, metavar="CSV")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, texts in load_prompts("demo").labels.items():
        for seed in SEEDS:
            path = options.out / f"{name}-{seed}.wav"
            soundfile.write(path, synthesise(str(name), RATE, 5.0, seed), RATE, "PCM_16")
            about = {"path": str(path), "group": f"takes: {name}", "licence": "CC0", "source": "takes"}
            rows += [{**about, "label": text} for text in texts]
    with options.table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "label", "group", "licence", "source"])
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    main()
