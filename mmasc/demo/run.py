"""The demo: a folder of sounds becomes a collection, answers questions in words and in sound, and leaves a page.

Nothing here is special: `embed`, `Collection.search` and `ZeroShotClassifier` do the work, in the order in which a
newcomer would call them. Without a folder the sounds are made by rule (`synth.py`), so it runs on any machine.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.collection import Collection
from mmasc.collection.ingest import embed
from mmasc.collection.report import EmbedReport
from mmasc.collection.vectors import recording_vectors
from mmasc.demo.lines import best, listed, printable, quoted, short
from mmasc.demo.result import HITS, MOST_LABELS, MOST_SHOWN, Asked, DemoResult, Labelled
from mmasc.demo.sounds import SECONDS, make_sounds, write_sound
from mmasc.encoders.base import Encoder
from mmasc.encoders.default_prompts import words_of
from mmasc.encoders.registry import load_encoder
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.errors import MmascError
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.printing import counted
from mmasc.prompts.prompts import Prompts, load_prompts
from mmasc.synth import SYNTH

_MOST_TEXTS = 8  # questions in words where the user asks none
_TOLD = 16  # sounds that are named one by one in the terminal
_TOLD_HITS = 2  # of a question, as a line has room for; the page shows all

# Said in other words than the prompt file has, so that the questions are not the labels over again
SYNTH_QUESTIONS = (
    "rain falling on the ground",
    "ocean surf at the beach",
    "a clock on the wall",
    "a dripping tap",
    "a motor running",
    "a campfire at night",
)
# In one recording, to try a timeline on
SEQUENCE = ("clock_tick", "church_bells", "thunder", "crickets")
FOLDER_QUESTIONS = ("birds singing", "an engine running", "water flowing", "an animal calling")


def run_demo(
    sounds: str | Path | None = None,
    into: str | Path = "mmasc-demo",
    prompts: str | Path | None = None,
    encoder: str | Encoder = DEFAULT_ENCODER,
    questions: Sequence[str] = (),
    shown: int = 48,
    device: str = "cpu",
    tell: Callable[[str], None] = lambda line: None,
    progress: Callable[[EmbedReport], None] | None = None,
) -> DemoResult:
    """Embed a folder of sounds, search it by text and by sound, label it, and write one page about it.

    Args:
        sounds: Folder or file; default: sounds that mmasc makes by rule, whose right labels are known.
        into: Folder for what is made; used again the next time, so that only new sounds are embedded.
        prompts: Prompt file, by name or path; default: "demo" for the sounds made by rule, for other sounds the words
            that the encoder was trained with.
        encoder: Name for `load_encoder`, or a loaded encoder whose space has text.
        questions: Texts to search for; default: a few everyday sounds, and for a folder also the labels.
        shown: Sounds whose previews are inside the page, 1 to 100; it lists all, and plays the others from their files.
        device: Device on which the encoder runs.
        tell: Called with every line of the account.
        progress: Called after every file that is embedded, with the report as it stands.
    Raises:
        MmascError: If there is no sound, none can be read, or the encoder's space has no text.
        ValueError: If `shown` is out of range.
    """
    if not 1 <= shown <= MOST_SHOWN:
        raise ValueError(f"shown must be 1 to {MOST_SHOWN}, got {shown}")
    from mmasc.demo.page_content import write_page

    into = Path(into)

    def say(line: str) -> None:
        # Names of files and questions may hold line ends and control sequences; a terminal must not obey them
        tell(printable(line))

    loaded = load_encoder(encoder, device) if isinstance(encoder, str) else encoder
    if not loaded.supports("text"):
        raise MmascError(
            f"the demo asks in words and {loaded.spec.name} has none in its space; try --encoder {DEFAULT_ENCODER}"
        )
    if prompts is None:
        phrases = (
            load_prompts("demo") if sounds is None else words_of(encoder if isinstance(encoder, str) else encoder.spec)
        )
    else:
        phrases = load_prompts(prompts)
    say("1  Sounds")
    folder = make_sounds(into / "sounds") if sounds is None else Path(sounds)
    if sounds is None:
        say(f"   {len(SYNTH)} sounds of {SECONDS:g} s, made by rule, in {folder}")
    else:
        say(f"   yours, in {folder}")
    result = _embed(folder, sounds is None, into, loaded, phrases, say, progress)
    collection = Collection.open(result.collection)
    _label(result, collection, say)
    _search(result, collection, questions, into, say)
    result.shown = min(shown, len(result.labelled))
    write_page(result)
    result.page_bytes = result.page.stat().st_size
    say("6  Page")
    holds = "its sounds and pictures are in it"
    if result.shown < len(result.labelled):
        holds = f"it lists all, holds {result.shown} of them and plays the others from their files"
    say(f"   {result.page} ({result.page_bytes / 1e6:.1f} MB; {holds})")
    asked = "bells in the distance" if sounds is None else "footsteps in the snow"
    say(f"   ask on: mmasc search {quoted(result.collection)} {quoted(asked)}")
    say(f"   or in the browser: mmasc serve {quoted(result.collection)}")
    return result


def _embed(
    folder: Path,
    made: bool,
    into: Path,
    encoder: Encoder,
    prompts: Prompts,
    tell: Callable[[str], None],
    progress: Callable[[EmbedReport], None] | None,
) -> DemoResult:
    collection = into / "collection" if made else into / _collection_name(folder)
    paths: list[str | Path] = [folder / f"{name}.wav" for name in SYNTH] if made else [folder]
    spec = encoder.spec
    tell("2  Vectors")
    tell(
        f"   encoder {spec.name}: {spec.dim} numbers for every {spec.window_seconds:g} s, in a space shared with words"
    )
    root = folder if folder.is_dir() else folder.parent
    if collection.exists() and Collection.open(collection).head.root != os.path.abspath(root):
        # The demo's folder was moved, its sounds with it
        Collection.open(collection).move_root(root)
    report = embed(paths, collection, encoder, space=_space_name(collection, encoder), root=root, progress=progress)
    for bad in report.failed:
        tell(f"   not read: {bad.reason}")
    for bad in report.truncated:
        tell(f"   {bad.reason}")
    fresh = report.added + report.changed
    if fresh:
        speed = f"{report.audio_seconds / max(report.seconds, 1e-9):.0f} times as fast as they sound"
        tell(f"   {counted(fresh, 'sound')} ({report.audio_seconds:.0f} s) in {report.seconds:.1f} s, {speed}")
    if report.skipped:
        tell(f"   {counted(report.skipped, 'sound')} had their vectors already")
    tell(f"   kept in {collection}")
    if not fresh and not report.skipped:
        raise MmascError(f"{folder}: none of {counted(report.found, 'file')} could be read; the lines above say why")
    _forget(Collection.open(collection), {bad.path for bad in report.failed})
    words = ZeroShotClassifier(encoder).fit(prompts).class_vectors_
    return DemoResult(into / "index.html", collection, folder, made, encoder, report, prompts, words)


def _forget(collection: Collection, unread: set[str]) -> None:
    """Recordings of an earlier run whose file is gone or cannot be read any more leave the demo's collection."""
    paths = [collection.path_of(path) for path in collection.recordings.column("path").to_pylist()]
    gone: list[str | Path] = [path for path in paths if path in unread or not os.path.exists(path)]
    if gone:
        collection.remove(gone)


def _collection_name(folder: Path) -> str:
    """One collection for each folder that the demo was shown: its name for people, a digest for certainty."""
    whole = os.path.abspath(folder)
    readable = re.sub(r"[^A-Za-z0-9]+", "-", os.path.basename(whole)).strip("-")[:24] or "sounds"
    return f"collection-{readable}-{hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]}"


def _space_name(collection: Path, encoder: Encoder) -> str:
    """The encoder's name, unless another version of this encoder has taken it here: then with its digest."""
    if not collection.exists():
        return encoder.spec.name
    spaces = Collection.open(collection).head.spaces
    for name, space in spaces.items():
        if space.identity == encoder.identity:
            return name
    return encoder.spec.name if encoder.spec.name not in spaces else f"{encoder.spec.name}-{encoder.identity[:8]}"


def _label(result: DemoResult, collection: Collection, tell: Callable[[str], None]) -> None:
    """Vectors of whole recordings out of the collection, and their labels: no sound is decoded again."""
    reader = collection.space(_name_of(result, collection))
    ids, vectors = recording_vectors(reader)
    vector_of = dict(zip(ids.tolist(), vectors, strict=True))
    order = {f"{name}.wav": place for place, name in enumerate(SYNTH)} if result.made else {}
    recordings = collection.recordings.select(["id", "path", "duration"]).to_pylist()
    rows = [(row, vector_of[row["id"]]) for row in recordings if row["id"] in vector_of]
    rows.sort(key=lambda one: (order.get(one[0]["path"], len(order)), one[0]["path"]))
    classifier = ZeroShotClassifier(result.encoder).fit(result.prompts)
    matrix = np.stack([vector for _, vector in rows])
    cosines, scores = classifier.decision_function(matrix), classifier.predict_proba(matrix)
    labels = [str(label) for label in classifier.classes_]
    for (row, vector), near, score in zip(rows, cosines, scores, strict=True):
        kept = np.sort(np.argsort(-near, kind="stable")[:MOST_LABELS])
        file = Path(collection.path_of(row["path"]))
        truth = file.stem if result.made and file.stem in labels and file.stem in SYNTH else None
        result.labelled.append(
            Labelled(
                row["path"],
                file,
                row["duration"],
                vector,
                labels[int(near.argmax())],
                {labels[place]: float(score[place]) for place in kept},
                {labels[place]: float(near[place]) for place in kept},
                truth,
            )
        )
    tell(f"3  Labels, from the words of the prompt file {result.prompts.name} ({counted(len(labels), 'label')})")
    width = max([16, *(len(one.label) for one in result.labelled[:_TOLD])])
    for one in result.labelled[:_TOLD]:
        judged = "" if one.truth is None else "  right" if one.truth == one.label else f"  not right: {one.truth}"
        tell(f"   {short(one.path)}  {one.label:<{width}} {one.scores[one.label]:4.0%}  cosine {best(one):.2f}{judged}")
    if len(result.labelled) > _TOLD:
        counts = Counter(one.label for one in result.labelled).most_common()
        tell(f"   and {len(result.labelled) - _TOLD} more; of all {len(result.labelled)}:")
        told = ", ".join(f"{label} {count}" for label, count in counts[:_TOLD])
        tell(f"   {told}{', and ' + counted(len(counts) - _TOLD, 'more label') if len(counts) > _TOLD else ''}")
    if result.known:
        tell(f"   {result.right} of {result.known} are right (these sounds were made to be told apart: no test of it)")


def _search(
    result: DemoResult, collection: Collection, questions: Sequence[str], into: Path, tell: Callable[[str], None]
) -> None:
    tell("4  Search by text (cosine of the nearest sounds)")
    texts = questions or _questions(result)
    asked = [Asked(text, _hits(collection, result, text=text, k=HITS)) for text in dict.fromkeys(texts)]
    if not result.made and not questions:
        asked = sorted(asked, key=lambda one: -one.hits[0]["score"])[:_MOST_TEXTS]
    for one in asked:
        tell(f"   “{one.question}”: {listed(one.hits[:_TOLD_HITS])}")
    result.texts = asked
    tell("5  Search by sound")
    for name, file in _sound_questions(result, into):
        hits = _hits(collection, result, audio=file, k=HITS + 1)
        others = [hit for hit in hits if hit["path"] != str(file)][:HITS]
        result.by_sound.append(Asked(name, others, file))
        tell(f"   {name}: {listed(others[:_TOLD_HITS]) or 'there is no other sound to compare it with'}")


def _hits(collection: Collection, result: DemoResult, **query: Any) -> list[dict[str, Any]]:
    """The best window of every recording, with its path under the root as `name`."""
    space = _name_of(result, collection)
    hits = collection.search(**query, space=space, encoder=result.encoder, per_recording=True, windows=True)
    names = {str(one.file): one.path for one in result.labelled}
    return [{**hit, "name": names[hit["path"]]} for hit in hits]


def _name_of(result: DemoResult, collection: Collection) -> str:
    return next(name for name, space in collection.head.spaces.items() if space.identity == result.encoder.identity)


def _questions(result: DemoResult) -> list[str]:
    """What is asked in words where the user asks nothing: everyday sounds, of a folder also its frequent labels."""
    if result.made:
        return list(SYNTH_QUESTIONS)
    frequent = Counter(one.label for one in result.labelled).most_common(_MOST_TEXTS)
    return [*FOLDER_QUESTIONS, *(result.prompts.labels[label][0] for label, _ in frequent)]


def _sound_questions(result: DemoResult, into: Path) -> list[tuple[str, Path]]:
    """Sounds that ask: of ours, second takes that are not in the collection; of a folder, its first and middle file."""
    if not result.made:
        files = [result.labelled[item] for item in sorted({0, len(result.labelled) // 2})]
        return [(one.path, one.file) for one in files]
    asked = []
    for name in list(SYNTH)[:2]:
        path = into / "questions" / f"{name}_second_take.wav"
        write_sound(path, [name], seed=1)
        asked.append((f"{name}, a second take", path))
    write_sound(into / "questions" / "one_after_another.wav", SEQUENCE, seed=2)
    return asked
