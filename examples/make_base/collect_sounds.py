"""Sounds of Debian packages for the teacher: download, unpack, choose. They need no labels.

    apt-get update
    python examples/make_base/collect_sounds.py --packages examples/make_base/packages.txt --to PACKAGES \
        --table unlabelled.csv

packages.txt has a package a line and how many of its files are taken at most, drawn by rule. Archives inside packages
(.pk3, .wz, .zip) are unpacked. Files shorter than 0.25 s are left out. The table has path, label (empty) and package.
"""

import argparse
import csv
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import soundfile

ENDINGS = {".ogg", ".oga", ".opus", ".wav", ".flac", ".mp3", ".au", ".aif", ".aiff"}
ARCHIVES = {".zip", ".pk3", ".wz"}


def fetch(package: str, to: Path) -> None:
    """Download a package as apt knows it and unpack it, once."""
    if (to / package).is_dir():
        return
    to.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-q", package], check=True, cwd=to, stdout=subprocess.DEVNULL)
    for file in to.glob(f"{package}_*.deb"):
        subprocess.run(["dpkg", "-x", str(file), str(to / package)], check=True)
        file.unlink()


def unpack(folder: Path) -> None:
    """Sounds of the archives in a folder, next to them."""
    for archive in sorted(path for path in folder.rglob("*") if path.suffix.lower() in ARCHIVES and path.is_file()):
        target = archive.with_name(f"{archive.name}.sounds")
        if target.exists() or not zipfile.is_zipfile(archive):
            continue
        with zipfile.ZipFile(archive) as packed:
            for number, item in enumerate(packed.infolist()):
                if Path(item.filename).suffix.lower() in ENDINGS:
                    target.mkdir(exist_ok=True)
                    (target / f"{number:05d}{Path(item.filename).suffix.lower()}").write_bytes(packed.read(item))


def seconds(path: Path) -> float:
    """Length of a file; 0 if nothing can be read of it."""
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.LibsndfileError, OSError):
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, metavar="TXT")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--table", type=Path, required=True, metavar="CSV")
    parser.add_argument("--no-fetch", action="store_true", help="take only what is in the folder already")
    options = parser.parse_args()
    rows = []
    for line in options.packages.read_text().split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        package, most = line.split()[:2]
        if not options.no_fetch:
            fetch(package, options.to)
        folder = options.to / package
        if not folder.is_dir():
            print(f"{package}: not there")
            continue
        unpack(folder)
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
        chosen, total = [], 0.0
        for place in np.random.default_rng(len(found)).permutation(len(found)):
            length = seconds(found[place])
            if length >= 0.25:
                chosen.append(found[place])
                total += length
            if len(chosen) == int(most):
                break
        rows += [{"path": str(path), "label": "", "package": package} for path in sorted(chosen)]
        print(f"{package}: {len(chosen)} of {len(found)} files, {total / 60:.0f} minutes", flush=True)
    with options.table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "label", "package"])
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} files")


if __name__ == "__main__":
    main()
