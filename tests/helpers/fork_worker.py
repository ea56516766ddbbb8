"""Uses mmasc, forks, and lets the child do the same things again: prints a line for each that the child did."""

import multiprocessing
import sys
import warnings
from pathlib import Path
from queue import Empty

import soundfile

import mmasc
from mmasc.synth import synthesise

SECONDS = 100.0  # for the child; one that hangs needs for ever


def prepare(folder: Path) -> None:
    """Make sounds, a collection of them, and a head."""
    for kind in ("rain", "wind"):
        (folder / "rec" / kind).mkdir(parents=True, exist_ok=True)
        for seed in range(2):
            soundfile.write(folder / "rec" / kind / f"{seed}.wav", synthesise(kind, seed=seed), 32_000)
    mmasc.embed(folder / "rec", into=folder / "c", folders=["kind"])
    mmasc.fit_head(folder / "c", "kind", head="boosting", folds=2).fitted.save(folder / "kind.head")


def use(folder: Path, say) -> None:
    """Embed, classify and apply a head, all in this process."""
    encoder = mmasc.load_encoder("mini")
    sound = next((folder / "rec").rglob("*.wav"))
    say(f"embedded {len(mmasc.embed_file(sound, encoder).vectors)}")
    say(f"classified {len(list(mmasc.classify(sound, {'rain': 'rain', 'wind': 'wind'}, encoder)))}")
    say(f"applied {len(list(mmasc.apply_head(folder / 'kind.head', folder / 'rec')))}")


def use_collection(folder: Path, opened: mmasc.Collection | None, say) -> None:
    """Ask a collection that is open already, and open it again."""
    for ask in (lambda: opened or mmasc.Collection.open(folder / "c"), lambda: mmasc.Collection.open(folder / "c")):
        try:
            collection = ask()
            say(f"found {len(collection.search(text='rain', k=2, where='duration > 1'))}")
        except mmasc.MmascError as error:
            say(str(error))


def in_child(folder: Path, opened: mmasc.Collection | None, queue) -> None:
    use(folder, queue.put)
    use_collection(folder, opened, queue.put)
    queue.put("end")


def ask_child(folder: Path, opened: mmasc.Collection | None) -> None:
    """Fork, and print what the child says."""
    context = multiprocessing.get_context("fork")
    lines = context.Queue()
    child = context.Process(target=in_child, args=(folder, opened, lines))
    child.start()
    try:
        while (line := lines.get(timeout=SECONDS)) != "end":
            print(line, flush=True)
    except Empty:
        print(f"hangs (exit code {child.exitcode})")
    child.kill()
    child.join()


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Python itself warns of forks beside threads
    here, opened = Path(sys.argv[1]), None
    # "open": as a web server that opens its collection before it forks; "closed": it leaves that to its children
    if sys.argv[2] == "open":
        prepare(here)
        opened = mmasc.Collection.open(here / "c")
        opened.search(text="rain", k=2)
    use(here, lambda line: None)
    ask_child(here, opened)
