"""Tables as BirdNET-Analyzer 2.4 and birdnet 1.3 lay them out: all kinds say the same labels."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.integrations.birdnet import read_birdnet
from mmasc.integrations.perch import read_perch
from tests.helpers.command import run

# Start, end, scientific name, common name, confidence
FOUND = [(0.0, 3.0, "Parus major", "Great Tit", 0.9012), (6.0, 9.0, "Strix aluco", "Tawny Owl", 0.1234)]


def csv(folder):
    lines = [f"{a},{b},{latin},{name},{sure},/data/wood/a.wav" for a, b, latin, name, sure in FOUND]
    lines.append("9.0,12.0,nocall,nocall,1.0,/data/wood/a.wav")
    return write(
        folder / "a.BirdNET.results.csv", "Start (s),End (s),Scientific name,Common name,Confidence,File", lines
    )


def raven(folder):
    head = "Selection View Channel Begin_Time_(s) End_Time_(s) Low_Freq_(Hz) High_Freq_(Hz) Common_Name Species_Code "
    head = (head + "Confidence Begin_Path File_Offset_(s)").replace(" ", "\t").replace("_", " ")
    rows = [
        f"{number}\tSpectrogram 1\t1\t{a}\t{b}\t0\t15000\t{name}\tcode\t{sure}\t/data/wood/a.wav\t{a}"
        for number, (a, b, _, name, sure) in enumerate(FOUND, 1)
    ]
    return write(folder / "a.BirdNET.selection.table.txt", head, rows)


def audacity(folder):
    rows = [f"{a}\t{b}\t{latin}, {name}\t{sure}" for a, b, latin, name, sure in FOUND]
    return write(folder / "a.BirdNET.results.txt", rows[0], rows[1:])


def kaleidoscope(folder):
    head = (
        "INDIR,FOLDER,IN FILE,OFFSET,DURATION,scientific_name,common_name,confidence,lat,lon,week,overlap,sensitivity"
    )
    rows = [f"/data,wood,a.wav,{a},3.0,{latin},{name},{sure},-1,-1,-1,0.0,1.0" for a, _, latin, name, sure in FOUND]
    return write(folder / "a.kaleidoscope.csv", head, rows)


def parquet(folder):
    columns = zip(*FOUND, strict=True)
    start, end, latin, name, sure = map(list, columns)
    names = [f"{one}_{other}" for one, other in zip(latin, name, strict=True)]
    table = {"input": ["/data/wood/a.wav"] * 2, "start_time": start, "end_time": end, "species_name": names}
    pq.write_table(pa.table({**table, "confidence": pa.array(sure, pa.float64())}), folder / "a.parquet")
    return folder / "a.parquet"


def package_csv(folder):
    head = "input,start_time,end_time,species_name,confidence"
    rows = [
        f"/data/wood/a.wav,00:00:{a:05.2f},00:00:{b:05.2f},{latin}_{name},{sure}" for a, b, latin, name, sure in FOUND
    ]
    return write(folder / "a.csv", head, rows)


def write(path, head, rows):
    path.write_text("\n".join([head, *rows]) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("made", [csv, raven, audacity, kaleidoscope, parquet, package_csv])
def test_all_kinds_say_the_same(tmp_path, made):
    found = read_birdnet(made(tmp_path))
    assert found.problems == []
    wanted = [(a, b, name, sure, "BirdNET", "present") for a, b, _, name, sure in FOUND]
    assert [(row.start, row.end, row.label, row.score, row.by, row.verdict) for row in found.rows] == wanted
    paths = {row.path for row in found.rows}
    assert paths == ({"a"} if made is audacity else {"/data/wood/a.wav"})
    if made in (csv, kaleidoscope):
        latin = "Scientific name" if made is csv else "scientific_name"
        other = read_birdnet(made(tmp_path), latin)
        assert [row.label for row in other.rows] == ["Parus major", "Strix aluco"]


def test_what_is_none_is_one_line(tmp_path):
    path = write(tmp_path / "x.csv", "a,b", ["1,2"])
    with pytest.raises(MmascError, match=r"x\.csv has no column label \(Common name, .*its columns are a, b"):
        read_birdnet(path)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(MmascError, match=r"x\.parquet cannot be read as parquet"):
        read_birdnet(tmp_path / "x.parquet")
    path = write(
        tmp_path / "y.csv", "Start (s),End (s),Common name,Confidence", ["0,3,Tit,0.5", "x,3,Tit,0.5", "5,3,Tit,1"]
    )
    found = read_birdnet(path)
    assert (len(found.rows), [problem.line for problem in found.problems]) == (1, [3, 4])


def test_perch(tmp_path):
    head = "idx,project,filename,window_start,window_end,label,logits"
    rows = ["7,mmasc,wood/a.wav,0.0,5.0,grti,1.25", '8,mmasc,"wood/a,b.wav",5.0,10.0,taow,-0.5']
    found = read_perch(write(tmp_path / "inference.csv", head, rows))
    assert [(row.path, row.start, row.end, row.label, row.score, row.by) for row in found.rows] == [
        ("wood/a.wav", 0, 5, "grti", 1.25, "Perch"),
        ("wood/a,b.wav", 5, 10, "taow", -0.5, "Perch"),
    ]


def test_by_command_into_a_collection(tmp_path, capsys):
    """A folder of results of recordings that came with vectors alone."""
    collection = Collection.create(tmp_path / "c", tmp_path / "s")
    vectors = np.random.default_rng(0).normal(size=(4, 8))
    starts = np.arange(4) * 3.0
    collection.add_vectors(vectors, "wood/a.wav", starts, starts + 3, "net", "some net", durations=[12.0] * 4)
    (tmp_path / "results").mkdir()
    for made in (csv, parquet):
        made(tmp_path / "results")
    command = ("label", "import", tmp_path / "c", tmp_path / "results", "--format", "birdnet")
    status, out, err = run(*command, capsys=capsys)
    assert (status, "2 added, 2 already there, 0 lines" in out) == (0, True), (out, err)
    annotations = Collection(tmp_path / "c").annotations.all()
    assert [(one.label, one.score, one.by) for one in annotations] == [
        ("Great Tit", 0.9012, "BirdNET"),
        ("Tawny Owl", 0.1234, "BirdNET"),
    ]
