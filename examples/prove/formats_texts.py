"""Texts of people and of other programs: transcripts, grids of a sweep, parts of a job, tables of labels."""

from dataclasses import fields
from pathlib import Path

from one_format import Format, argument, text_file
from storms import mmasc as command

from mmasc.collection.shards import Shard
from mmasc.errors import MmascError
from mmasc.evaluation import value_sweep
from mmasc.label_files.formats import read_rows
from mmasc.training.supervised.config import SupervisedConfig

_SAID = (
    "recording,text\na.wav,the rain in spain\nb.wav,<unk> falls mainly [laughter] on the plain\nc.wav,ü is a letter\n"
)
_LINES = "the rain in spain (a)\nfalls mainly on the plain (b)\n<unk> nothing else (c)\n"
# As Raven, BirdNET-Analyzer and Audacity write them
_TIMES = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"
_RAVEN = f"{_TIMES}Begin File\tFile Offset (s)\tSpecies\tScore\n" + "".join(
    f"{n}\tSpectrogram 1\t1\t{n * 1.5}\t{n * 1.5 + 0.7}\t{200.5 * n}\t8000.0\ta/{n}.wav\t0.5\tfrog\t0.{n}\n"
    for n in range(1, 6)
)
_BIRDNET_RAVEN = f"{_TIMES}Common Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\n" + "".join(
    f"{n}\tSpectrogram 1\t1\t{3 * n}.0\t{3 * n + 3}.0\t0\t15000\tEurasian Wren\tweurwre\t0.8{n}\t/a/b c/{n}.wav\t{n}\n"
    for n in range(1, 6)
)
_BIRDNET_CSV = "Start (s),End (s),Scientific name,Common name,Confidence,File\n" + "".join(
    f'{3 * n}.0,{3 * n + 3}.0,Troglodytes troglodytes,"Wren, Eurasian",0.9{n},/a/{n}.WAV\n' for n in range(5)
)
_AUDACITY = "".join(f"{n}.25\t{n}.75\tfrog {n}\n\\\t{100 * n}.5\t{4000 + n}\n" for n in range(4)) + "5.0\t5.0\t\n"
_GRID = "n-hidden=32,64\nlearning-rate=1e-3,1e-4\nepochs=1,2\nschedule=cosine,constant\n"


def _grid(shared: Path, path: Path) -> None:
    grid = value_sweep.grid_of(argument(path).splitlines())
    combinations = [dict(zip(grid, one, strict=False)) for one in zip(*grid.values(), strict=False)]
    if not combinations:
        raise MmascError("there is nothing to try")
    value_sweep._check("mini-cnn", combinations, {one.name for one in fields(SupervisedConfig)}, {}, {})


def _shard(shared: Path, path: Path) -> None:
    try:
        shard = Shard.parse(argument(path))
    except ValueError as error:
        raise MmascError(str(error)) from error  # as the command line says it
    shard.files([shared / "sounds" / f"{n}.wav" for n in range(9)], str(shared))


def _score(shared: Path, path: Path) -> None:
    whole = path.parent / f"whole{path.suffix}"
    whole.write_text(_SAID if path.suffix == ".csv" else _LINES, encoding="utf-8")
    command("evaluate", "transcripts", whole, path, "--format", "json", "-q")


FORMATS = [
    Format("transcripts-csv", text_file("sample.csv", _SAID), _score, "text"),
    Format("transcripts-lines", text_file("sample.txt", _LINES), _score, "text"),
    Format("grid", text_file("sample.txt", _GRID), _grid, "text",
           named=False),
    Format("shard", text_file("sample.txt", "3/8"), _shard, "text", named=False),
    *[Format(f"labels-{name}", text_file(f"sample.{end}", content), lambda _, path: read_rows(path), "text")
      for name, end, content in (
          ("raven-table", "txt", _RAVEN), ("birdnet-raven", "selection.txt", _BIRDNET_RAVEN),
          ("birdnet-csv", "csv", _BIRDNET_CSV), ("audacity-track", "txt", _AUDACITY),
      )],
]  # fmt: skip
