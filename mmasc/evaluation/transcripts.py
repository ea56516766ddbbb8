"""Files of transcripts → word and character error rates of a corpus, with intervals over recordings.

A file is a table with a column `text` (and one that names the recording), lines of words, or lines that end with the
recording's name in brackets (as sclite and Sphinx have them); a folder holds one text file for each recording. The
recogniser and the way to its transcripts are the user's.

Source: Kumar, Vyas and Garg 2020, "From Image Classification to Audio Classification": transcripts with and without
annotation tokens.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from mmasc.errors import MmascError, show_path
from mmasc.evaluation.wer import pair_errors, without_annotations
from mmasc.metrics.predictions import draw_weights
from mmasc.storage.table_texts import text_of_file
from mmasc.storage.tables import read_table
from mmasc.storage.texts import listed

# Columns that name a recording, the first that a table has
NAME_COLUMNS = ("recording", "path", "file", "name", "id")
TEXT_COLUMN = "text"
_TABLES = (".csv", ".tsv")
_NAMED_LINE = re.compile(r"(?P<text>.*?)\s*\((?P<name>[^()\s]+)\)")
_N_DRAWS = 1_000


@dataclass(frozen=True)
class Transcripts:
    """Texts of recordings.

    Attributes:
        path: Where they come from.
        texts: Text by the name of the recording; by its number, as "1", where the file names none.
        named: Whether the file names its recordings.
    """

    path: Path
    texts: Mapping[str, str]
    named: bool


@dataclass(frozen=True)
class ErrorRate:
    """Errors of a corpus in one unit.

    Attributes:
        unit: "word" or "character".
        annotations: Whether annotation tokens <...>, [...], {...} count; without them they are removed from both sides.
        rate: (substitutions + deletions + insertions) / total, of the corpus.
        low, high: 95 % interval over recordings; None where there is one.
        substitutions, deletions, insertions, hits: Numbers over the corpus.
        total: Units of the references.
    """

    unit: str
    annotations: bool
    rate: float
    low: float | None
    high: float | None
    substitutions: int
    deletions: int
    insertions: int
    hits: int
    total: int


@dataclass(frozen=True)
class TranscriptReport:
    """What was compared, and how many errors there are.

    Attributes:
        recordings: Number of recordings of the reference, all of which count.
        missing: Recordings of the reference that the guess lacks: each word of them is a deletion.
        unused: Recordings of the guess that the reference lacks: they count nowhere.
        rates: Words and characters; where there are annotation tokens, with and without them.
    """

    recordings: int
    missing: list[str]
    unused: list[str]
    rates: list[ErrorRate]


def compare_transcripts(
    reference: str | Path | Mapping[str, str], guess: str | Path | Mapping[str, str], normalise: bool = True
) -> TranscriptReport:
    """Word and character error rates of transcripts against reference transcripts.

    Args:
        reference: The correct transcripts: a file, a folder, or texts by the names of their recordings.
        guess: The recognised transcripts, in one of the same forms.
        normalise: Compare in lower case and without punctuation.
    Returns:
        Rates over the corpus, never means of the recordings' rates.
    Raises:
        MmascError: If a file cannot be read or names a recording twice, the two do not fit together, the reference
            holds no word, or the extra asr is not installed.
    """
    said, heard = (one if isinstance(one, Mapping) else read_transcripts(one) for one in (reference, guess))
    spoken = said if isinstance(said, Mapping) else said.texts
    recognised = heard if isinstance(heard, Mapping) else heard.texts
    if isinstance(said, Transcripts) and isinstance(heard, Transcripts):
        _check_pair(said, heard)
    missing = [name for name in spoken if name not in recognised]
    if spoken and len(missing) == len(spoken):
        raise MmascError(
            f"the two have no recording in common: {listed(list(spoken)[:3])} there, "
            f"{listed(list(recognised)[:3])} here"
        )
    pairs = [(text, recognised.get(name, "")) for name, text in spoken.items()]
    if not any(without_annotations(text).split() for text, _ in pairs):
        raise MmascError("the reference holds no word: rates are shares of its words")
    tokens = any(without_annotations(text) != " ".join(text.split()) for pair in pairs for text in pair)
    rates = [
        _rate(unit, pairs, annotations, normalise)
        for annotations in ((True, False) if tokens else (True,))
        for unit in ("word", "character")
    ]
    unused = [name for name in recognised if name not in spoken]
    return TranscriptReport(len(spoken), missing, unused, rates)


def read_transcripts(path: str | Path) -> Transcripts:
    """Texts of a file or a folder, see the head of this module.

    Raises:
        MmascError: If it cannot be read, holds no transcript, or names a recording twice.
    """
    path = Path(path)
    if path.is_dir():
        texts = {file.stem: " ".join(text_of_file(file).split()) for file in sorted(path.glob("*.txt"))}
        if not texts:
            raise MmascError(f"{show_path(path)} holds no .txt file; give a folder with one for each recording")
        return Transcripts(path, texts, named=True)
    if not path.is_file():
        raise MmascError(f"{show_path(path)} does not exist; give a file or a folder of transcripts")
    if path.suffix.lower() in _TABLES:
        return _of_table(path)
    lines = [(number, line.strip()) for number, line in enumerate(text_of_file(path).splitlines(), 1)]
    while lines and not lines[-1][1]:
        lines.pop()
    if not lines:
        raise MmascError(f"{show_path(path)} is empty; a transcript has a line for each recording")
    found = [(number, _NAMED_LINE.fullmatch(line)) for number, line in lines if line]
    if not all(match for _, match in found):
        # Without names an empty line is a recording in which nothing was said
        return Transcripts(path, {str(number): line for number, line in lines}, named=False)
    named = [(number, match["name"], match["text"]) for number, match in found if match is not None]
    return Transcripts(path, _by_name(path, named), named=True)


def _of_table(path: Path) -> Transcripts:
    table = read_table(path)
    if TEXT_COLUMN not in table.columns:
        table.need(TEXT_COLUMN)  # says which columns there are
    names = [name for name in NAME_COLUMNS if name in table.columns]
    if not names:
        return Transcripts(path, {str(n): row[TEXT_COLUMN] for n, row in enumerate(table.rows, 1)}, named=False)
    table.need(names[0])
    return Transcripts(
        path, _by_name(path, [(row.line, row[names[0]], row[TEXT_COLUMN]) for row in table.rows]), named=True
    )


def _by_name(path: Path, rows: Sequence[tuple[int, str, str]]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for line, name, text in rows:
        if name in texts:
            raise MmascError(f"{show_path(path)}, line {line}: {name} has a transcript already; keep one of them")
        texts[name] = text
    return texts


def _check_pair(said: Transcripts, heard: Transcripts) -> None:
    """Refuse files of which one names its recordings, or that pair lines of different numbers."""
    if said.named != heard.named:
        names, plain = (said, heard) if said.named else (heard, said)
        raise MmascError(
            f"{show_path(names.path)} names its recordings, {show_path(plain.path)} does not; give names in both, or "
            "in neither and the same order"
        )
    if not said.named and len(said.texts) != len(heard.texts):
        raise MmascError(
            f"{show_path(said.path)} has {len(said.texts)} lines, {show_path(heard.path)} {len(heard.texts)}: without "
            "names of recordings both must have the same number of lines"
        )


def _rate(unit: str, pairs: Sequence[tuple[str, str]], annotations: bool, normalise: bool) -> ErrorRate:
    found = pair_errors([text for text, _ in pairs], [text for _, text in pairs], unit, annotations, normalise)
    # Columns: substitutions, deletions, insertions, hits
    counts = np.array([astuple(one) for one in found], np.int64)
    substitutions, deletions, insertions, hits = (int(one) for one in counts.sum(axis=0))
    errors, totals = counts[:, :3].sum(axis=1), counts[:, [0, 1, 3]].sum(axis=1)
    drawn = draw_weights([str(number) for number in range(len(pairs))], _N_DRAWS)
    low = high = None
    if drawn is not None:
        rates = drawn @ errors / np.maximum(drawn @ totals, 1)
        low, high = (float(one) for one in np.quantile(rates, [0.025, 0.975]))
    rate = float(errors.sum() / totals.sum())
    return ErrorRate(unit, annotations, rate, low, high, substitutions, deletions, insertions, hits, int(totals.sum()))
