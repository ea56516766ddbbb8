"""Uses mmasc, forks, and lets the child do the same things again: prints a line for each that the child did."""

import multiprocessing
import sys
import warnings
from pathlib import Path
from queue import Empty

import mmasc
from mmasc.synth import synthesise

SECONDS = 100.0  # for the child; one that hangs needs for ever


def use(folder: Path, say) -> None:
    """Embed, search, classify, fit and apply a head, all in this process."""
    encoder = mmasc.load_encoder("mini")
    sound = next((folder / "rec").rglob("*.wav"))
    say(f"embedded {len(mmasc.embed_file(sound, encoder).vectors)}")
    collection = mmasc.Collection.open(folder / "c")
    say(f"found {len(collection.search(text='rain', k=2, where='duration > 1'))}")
    say(f"classified {len(list(mmasc.classify(sound, {'rain': 'rain', 'wind': 'wind'}, encoder)))}")
    report = mmasc.fit_head(collection, "kind", head="boosting", folds=2)
    say(f"fitted {report.recordings}")
    say(f"applied {len(list(mmasc.apply_head(report.fitted, collection)))}")


def in_child(folder: Path, queue) -> None:
    use(folder, queue.put)
    try:
        mmasc.Collection.open(folder / "c").remove(where="duration > 1")
        queue.put("removed")
    except mmasc.MmascError as error:
        queue.put(str(error))
    queue.put("end")


if __name__ == "__main__":
    import soundfile

    warnings.simplefilter("ignore")  # Python itself warns of forks beside threads
    here = Path(sys.argv[1])
    for kind in ("rain", "wind"):
        (here / "rec" / kind).mkdir(parents=True)
        for seed in range(2):
            soundfile.write(here / "rec" / kind / f"{seed}.wav", synthesise(kind, seed=seed), 32_000)
    mmasc.embed(here / "rec", into=here / "c", folders=["kind"])
    use(here, lambda line: None)
    context = multiprocessing.get_context("fork")
    lines = context.Queue()
    child = context.Process(target=in_child, args=(here, lines))
    child.start()
    try:
        while (line := lines.get(timeout=SECONDS)) != "end":
            print(line, flush=True)
    except Empty:
        print(f"hangs (exit code {child.exitcode})")
    child.kill()
    child.join()
