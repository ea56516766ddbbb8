"""What the columns of other programs' tables mean."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mmasc.errors import MmascError
from mmasc.storage.texts import listed

# Field → names of columns without blanks, signs and capitals; the first that is there counts
_MEANINGS = {
    "path": "path beginpath filepath file filename beginfile recording audiofile soundfile audio wav source infile",
    "start": "start begin onset starttime begintime starts begintimes startseconds startsec startsecs starttimes "
    "beginseconds beginsec onsets onsetseconds tmin from",
    "end": "end stop endtime stoptime ends endtimes endseconds endsec endsecs stopseconds stopsec offset offsets "
    "offsetseconds tmax to until",
    "duration": "duration durations durationseconds durationsec length lengths lengthseconds",
    "label": "label annotation annotations labels eventlabel commonname species speciesname class classname tag tags "
    "scientificname speciescode manualid code sound soundtype calltype call category type event text taxon "
    "primarylabel name autoid",
    "score": "score confidence probability prob",
    "verdict": "verdict",
    "low_hz": "lowhz lowfreqhz lowfreq lowfrequency lowfrequencyhz minfreq minfreqhz freqmin fmin freqlow",
    "high_hz": "highhz highfreqhz highfreq highfrequency highfrequencyhz maxfreq maxfreqhz freqmax fmax freqhigh",
    "channel": "channel",
    "by": "by annotator observer annotatedby labelledby labeledby author user",
    "at": "at annotatedat labelledat labeledat",
    "note": "note notes comment comments remark remarks",
    "clock": "clock",
    "identity": "identity",
    "question": "question",
}
_FOLDERS = ("indir", "folder")
_ZERO = re.compile(r"0([.,]0*)?")
# Columns of times in another unit, or under a name that is not among these: without them a label would be taken to hold
# for the whole recording
_LIKE_TIMES = re.compile(
    "(t|time|segment|event|window|clip|call|selection|audio|label)?(start|begin|onset|offset|end|stop)s?"
    "(time|times|point|pos|position|index)?(in)?"
    "(s|secs?|seconds?|ms|msecs?|millis|milliseconds?|us|samples?|frames?|mins?|minutes?|hours?)?"
)


@dataclass(frozen=True)
class Layout:
    """How a table names recordings and channels, beyond what its columns are called.

    Attributes:
        folders: Columns of folders that lie before the name of the file, outermost first.
        first_channel: Number that the table gives the first channel: 0 or 1.
    """

    folders: tuple[str, ...] = ()
    first_channel: int = 1


def layout_of(columns: Iterable[str], found: dict[str, str], rows: Iterable[Mapping[str, str]]) -> Layout:
    """The layout of a table.

    Kaleidoscope has the name in IN FILE, its folders in INDIR and FOLDER, and counts channels from 0; so does every
    table in which a channel 0 stands.

    Args:
        columns: Names as the table writes them.
        found: What `columns_of` says of them.
        rows: Texts by column.
    """
    by_word = {_word(name): name for name in reversed(list(columns))}
    kaleidoscope = _word(found.get("path", "")) == "infile"
    folders = tuple(by_word[word] for word in _FOLDERS if word in by_word) if kaleidoscope else ()
    channel = found.get("channel")
    zero = channel is not None and (kaleidoscope or any(_ZERO.fullmatch(row[channel].strip()) for row in rows))
    return Layout(folders, 0 if zero else 1)


def columns_of(columns: Iterable[str], label_column: str | None = None, source: str = "") -> dict[str, str]:
    """Field of a row → the column that holds it.

    Args:
        columns: Names as the table writes them.
        label_column: The column that holds the label, where its name does not say so.
        source: The table, for the message.
    Raises:
        MmascError: If there is no column of labels; it lists the columns that are there. Also if none says when labels
            begin, and there are some that look as if they did.
    """
    columns = list(columns)
    by_word: dict[str, str] = {}
    for name in columns:
        by_word.setdefault(_word(name), name)
    found = {}
    for meaning, words in _MEANINGS.items():
        column = next((by_word[word] for word in words.split() if word in by_word), None)
        if column is not None:
            found[meaning] = column
    if "start" not in found and "duration" in found and _word(found.get("end", "")) == "offset":
        found["start"] = found.pop("end")  # where something begins, and how long it is
    if "start" not in found:
        _refuse_other_times([name for word, name in by_word.items() if _LIKE_TIMES.fullmatch(word)], found, source)
    if label_column is not None:
        if label_column not in columns:
            raise MmascError(f"{source} has no column {label_column!r}; its columns are {listed(columns)}")
        found = {meaning: column for meaning, column in found.items() if column != label_column}
        found["label"] = label_column
    if "label" not in found:
        raise MmascError(
            f"{source} has no column of labels (label, annotation, species ...); its columns are {listed(columns)}; "
            "name the one that holds labels (--label-column)"
        )
    return found


def _word(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _refuse_other_times(names: list[str], found: dict[str, str], source: str) -> None:
    unknown = [name for name in names if name not in found.values()]
    if unknown:
        look = "looks like a time" if len(unknown) == 1 else "look like times"
        raise MmascError(
            f"{f'{source}: ' if source else ''}{listed(unknown)} {look} that cannot be read; call such columns start "
            "and end, and give seconds"
        )
