"""What callers hand in from Python: every container of the right things is taken, others are refused."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import mmasc
from mmasc.audio import stream_audio
from mmasc.audio.memory import as_source, find_sounds
from mmasc.collection.query import Query
from mmasc.inputs import as_count, as_texts, as_vectors
from mmasc.labelling.fit import fit_head
from mmasc.labelling.folds import make_folds
from tests.helpers.heads import labelled

FORMATS = [
    ("wav", "PCM_16"),
    ("wav", "FLOAT"),
    ("flac", "PCM_24"),
    ("ogg", "VORBIS"),
    ("aiff", "PCM_16"),
    ("mp3", None),
    ("caf", "PCM_16"),
    ("w64", "PCM_16"),
    ("rf64", "PCM_16"),
    ("au", "PCM_16"),
]


@pytest.mark.parametrize(("kind", "subtype"), FORMATS)
def test_sounds_in_memory_are_the_sounds_of_their_files(tmp_path, kind, subtype, standin):
    path = tmp_path / f"a.{kind}"
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (12_000, 2))
    soundfile.write(path, samples, 8_000, subtype, format=kind.upper())
    expected, rate = mmasc.load_audio(path)
    content = path.read_bytes()
    with open(path, "rb") as opened:
        for sound in (content, bytearray(content), memoryview(content), io.BytesIO(content), opened):
            waveform, same = mmasc.load_audio(sound)
            assert same == rate
            torch.testing.assert_close(waveform, expected, rtol=0, atol=0)
    of_file, of_bytes = mmasc.embed_file(path, standin), mmasc.embed_file(content, standin)
    np.testing.assert_array_equal(of_bytes.vectors, of_file.vectors)
    with stream_audio(content[: len(content) * 2 // 3], 8_000) as cut, stream_audio(path, 8_000) as whole:
        assert sum(block.shape[1] for block in cut) < sum(block.shape[1] for block in whole)


def test_sounds_in_memory_have_names_in_messages(tmp_path):
    (tmp_path / "no.wav").write_bytes(b"this is no sound")
    with open(tmp_path / "no.wav", "rb") as opened, pytest.raises(mmasc.MmascError, match=r"no\.wav: no sound"):
        mmasc.load_audio(opened)
    with pytest.raises(mmasc.MmascError, match="<memory>: no sound that can be read"):
        mmasc.load_audio(b"this is no sound")
    with pytest.raises(mmasc.MmascError, match="<memory>: is empty"):
        mmasc.load_audio(b"")
    rest = io.BytesIO(b"written")
    rest.seek(0, io.SEEK_END)
    with pytest.raises(mmasc.MmascError, match=r"is at its end; .*seek\(0\)"):
        as_source(rest)
    with pytest.raises(mmasc.MmascError, match="gives str, not bytes"):
        as_source(io.StringIO("text"))
    with pytest.raises(mmasc.MmascError, match="a sound must be a path, .*got float"):
        as_source(1.5)


def test_paths_and_sounds_in_memory_mix(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(100) + 0.1, 8_000)
    content = (tmp_path / "a.wav").read_bytes()
    found = find_sounds([str(tmp_path), content, io.BytesIO(content)])
    assert found[0] == tmp_path / "a.wav"
    assert [one.content for one in found[1:]] == [content, content]
    assert find_sounds(np.array([str(tmp_path)])) == [tmp_path / "a.wav"]


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "b"],
        ("a", "b"),
        np.array(["a", "b"]),
        np.array(["a", "b"], object),
        (one for one in "ab"),
        {"a": 1, "b": 2}.keys(),
    ],
)
def test_texts_of_any_container(texts):
    assert as_texts(texts) == ("a", "b")


def test_a_single_text_and_none():
    assert as_texts("a") == as_texts(np.str_("a")) == as_texts(np.array("a")) == ("a",)
    assert as_texts(None) == as_texts([]) == ()
    assert type(as_texts(np.array(["a"]))[0]) is str


@pytest.mark.parametrize(
    "texts", [b"a", 1, 1.5, ["a", b"b"], ["a", None], ["a", float("nan")], {"a": "b"}, [["a"]], True]
)
def test_what_is_no_text_is_refused(texts):
    with pytest.raises(ValueError, match="must be a text or a list of texts") as caught:
        as_texts(texts)
    assert "\n" not in str(caught.value)


def test_counts():
    assert [as_count(one, "k") for one in (1, np.int8(100), np.uint64(7))] == [1, 100, 7]
    for wrong in (True, np.True_, 1.0, np.float32(2), "3", None, [1]):
        with pytest.raises(ValueError, match="k must be a whole number"):
            as_count(wrong, "k")
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        as_count(0, "k")


def test_vectors():
    assert as_vectors([1, 2, 3]).dtype == np.float32
    assert as_vectors(torch.ones(2, 3)).shape == (2, 3)
    whole = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    rows = np.empty(2, object)  # as a column of a table holds vectors
    rows[:] = [np.array(row) for row in whole.tolist()]
    for same in (whole.bfloat16(), whole.half(), whole.clone().requires_grad_(), rows, np.ma.masked_array(whole)):
        np.testing.assert_array_equal(as_vectors(same), whole)
    for wrong, said in [
        ([1.0, float("nan")], "finite"),
        ([1e300, 1.0], "finite"),
        ([[1.0, 2.0], [0.0, 0.0]], "zero"),
        (np.ones((1, 2, 3)), r"got \[1, 2, 3\]"),
        (["a"], "numbers"),
        ([True], "numbers"),
        ([[1.0], [1.0, 2.0]], "numbers"),
        (np.ones(2, complex), "numbers"),
        (None, "numbers"),
        (np.ma.masked_array([1.0, 2.0], mask=[False, True]), "masked"),
    ]:
        with pytest.raises(mmasc.MmascError, match=said) as caught:
            as_vectors(wrong)
        assert "\n" not in str(caught.value)


def _asked(picture) -> Query:
    nothing = {"text": (), "audio": (), "image": (), "vectors": None, "like": ()}
    return Query.of({**nothing, "image": picture}, nothing)


def test_pictures():
    picture = np.zeros((4, 5, 3), np.uint8)
    assert len(_asked(picture).images) == 1
    assert len(_asked(np.stack([picture] * 2)).images) == 2
    for wrong in (picture[..., 0], picture.astype(np.float32), np.zeros((0, 5, 3), np.uint8), b"png", 3, [None]):
        with pytest.raises((ValueError, TypeError), match="picture|iterable"):
            _asked(wrong)


def test_search_takes_what_callers_have(tmp_path, standin, sounds):
    mmasc.embed(sounds, tmp_path / "c", standin)
    collection = mmasc.Collection(tmp_path / "c")
    expected = collection.search(text=["ab", "cd"], encoder=standin, k=3)
    assert collection.search(text=np.array(["ab", "cd"]), encoder=standin, k=np.int64(3)) == expected
    path = sounds / "wood" / "d.wav"
    by_file = collection.search(audio=path, encoder=standin, k=2)
    by_bytes = collection.search(audio=path.read_bytes(), encoder=standin, k=2)
    assert [(hit["path"], hit["start"], hit["score"]) for hit in by_bytes] == [
        (hit["path"], hit["start"], hit["score"]) for hit in by_file
    ]
    with pytest.raises(mmasc.MmascError, match="cancel out"):
        collection.search(text="a", not_text="a", encoder=standin)


def test_damaged_vectors_get_no_hits(tmp_path, standin, sounds, monkeypatch):
    mmasc.embed(sounds, tmp_path / "c", standin)
    collection = mmasc.Collection(tmp_path / "c")
    collection.search(text="a", encoder=standin, k=1)
    reader = collection.space()
    read = type(reader).vectors

    def damaged(self, positions=None):
        vectors = read(self, positions).copy()
        vectors[(np.arange(len(self)) if positions is None else positions) % 2 == 0] = np.nan
        return vectors

    monkeypatch.setattr(type(reader), "vectors", damaged)
    hits = collection.search(text="a", encoder=standin, k=len(reader), windows=True)
    assert len(hits) == len(reader) // 2
    assert all(np.isfinite(hit["score"]) for hit in hits)


@pytest.mark.parametrize(
    ("waveforms", "said"),
    [
        (np.zeros((200, 2), np.float32), r"\[200, 2\], which looks like \[time, channel\]"),
        (torch.zeros(1_000_000, 1), "looks like"),
        (np.zeros(8_000, np.float32), r"must be \[batch, time\] with time > 0, got \[8000\]"),
        (np.zeros((1, 1, 8)), r"got \[1, 1, 8\]"),
        (np.zeros((2, 0)), "time > 0"),
        (np.zeros((1, 8), np.int16), "floats in .*got int16; divide int16 samples by 32768"),
        (torch.zeros(1, 8, dtype=torch.int16), "divide int16"),
        (np.zeros((1, 8), bool), "got bool"),
        (np.zeros((1, 8), complex), "got complex128"),
        (np.array([[None] * 8]), "got object"),
        (np.full((1, 8), np.nan), "NaN or infinite"),
        (np.full((1, 8), 1e300), "NaN or infinite"),
    ],
)
def test_waveforms_that_are_none(standin, waveforms, said):
    with pytest.raises(ValueError, match=said) as caught:
        standin.embed(waveforms)
    assert "\n" not in str(caught.value)


def test_waveforms_of_every_kind_give_the_same_vectors(standin):
    samples = np.random.default_rng(0).uniform(-1, 1, (3, 4_000)).astype(np.float16).astype(np.float32)
    expected = standin.embed(samples)
    readonly = samples.copy()
    readonly.flags.writeable = False
    for same in (
        samples.astype(np.float64),
        samples.astype(np.float16),
        samples.astype(">f4"),
        np.asfortranarray(samples),
        readonly,
        samples[:, ::-1][:, ::-1],
        torch.from_numpy(samples).double(),
        torch.from_numpy(samples).requires_grad_(),
        samples.tolist(),
    ):
        np.testing.assert_array_equal(standin.embed(same), expected)
    np.testing.assert_array_equal(np.concatenate([standin.embed(row[None]) for row in samples]), expected)


def test_many_short_windows_are_not_filled_at_once(standin, monkeypatch):
    filled = []
    fill = type(standin)._fill
    monkeypatch.setattr(type(standin), "_fill", lambda self, part: filled.append(len(part)) or fill(self, part))
    assert standin.embed(np.zeros((40, 50), np.float32)).shape == (40, 4)
    assert max(filled) == standin.windows_at_once


def test_texts_of_the_encoder(standin):
    np.testing.assert_array_equal(standin.embed_text(np.array(["a", "b"])), standin.embed_text(["a", "b"]))
    assert standin.embed_text("a").shape == (1, 4)
    assert standin.embed_text([]).shape == (0, 4)
    for wrong in (b"a", [1], [["a"]]):
        with pytest.raises(ValueError, match="must be a text"):
            standin.embed_text(wrong)


# What users call without the type checker of the tests: expression → type and message of what it raises
CALLS = {
    "mmasc.embed(3, into='c')": ("MmascError", "a path must be a text"),
    "mmasc.embed('.', into='c', space=' ')": ("MmascError", "the name of a space must be a text"),
    "mmasc.embed(b'a.wav', into='c')": ("MmascError", "a path must be a text"),
    "mmasc.embed([], into='c')": ("MmascError", "no path given"),
    "mmasc.find_audio([1])": ("MmascError", "a path must be a text"),
    "mmasc.load_audio(None)": ("MmascError", "a sound must be a path"),
    "mmasc.classify(None, 'demo')": ("MmascError", "a sound must be a path|a path must be"),
    "mmasc.classify('a.wav', None)": ("ValueError", "prompts must be"),
    "mmasc.classify('a.wav', 3)": ("ValueError", "prompts must be"),
    "mmasc.classify('a.wav', ['rain'])": ("ValueError", "prompts must be"),
    "mmasc.classify('a.wav', {})": ("ValueError", "at least one label"),
    "mmasc.classify('a.wav', {'a': b'rain'})": ("ValueError", "must be a text"),
    "mmasc.classify('a.wav', {'a': [1]})": ("ValueError", "must be a text"),
    "mmasc.classify('a.wav', {'a': None})": ("ValueError", "phrases that are not empty"),
    "mmasc.load_encoder(3)": ("MmascError|ValueError", "encoder"),
    "mmasc.Collection(3)": ("MmascError|ValueError|TypeError", ""),
    "mmasc.Collection('c0')": ("MmascError", "holds no collection"),
    "mmasc.Collection('c').search(text=b'rain')": ("ValueError", "must be a text"),
    "mmasc.Collection('c').search(text='rain', k=True)": ("ValueError", "whole number"),
    "mmasc.Collection('c').search(text='rain', k=1.5)": ("ValueError", "whole number"),
    "mmasc.Collection('c').search(text='rain', where=3)": ("MmascError", "a condition must be a text"),
    "mmasc.Collection('c').search(vectors=[1, 2])": ("MmascError", "numbers, got 2"),
    "mmasc.Collection('c').search(audio=3)": ("MmascError", "a sound must be"),
    "mmasc.Collection('c').search(audio=numpy.zeros(9))": ("MmascError", "embed_audio"),
    "mmasc.Collection('c').remove(where='')": ("MmascError", "it is empty"),
    "mmasc.Collection('c').add([])": ("MmascError", "no path given"),
    "mmasc.Collection('c').remove('no.wav')": ("MmascError", "no.wav: no recording of c lies there"),
    "mmasc.Collection('c').remove('')": ("MmascError", "'' is not a path"),
    "mmasc.Collection('c').remove([''])": ("MmascError", "'' is not a path"),
    "mmasc.Collection('c').remove([1])": ("MmascError", "a path must be a text"),
    "mmasc.Collection('c').remove(b's')": ("MmascError", "a path must be a text"),
    "mmasc.Collection('c').remove(HIT)": ("MmascError", "a path must be a text .*got Hit"),
    "mmasc.Collection('c').search(audio=HIT)": ("MmascError", "a sound must be a path.*got Hit"),
    "mmasc.Collection('c').search(like={'path': 'x'})": ("ValueError", "like must be a path"),
    "mmasc.Collection('c').search(like=('s/x/a.wav', 2, 3))": ("MmascError", "ends at 1 s, before 2 s"),
    "mmasc.Collection('c').search(text='rain', gap='1')": ("ValueError", "gap must be"),
    "mmasc.Collection('c').search(text='rain', encoder='base')": ("ValueError", "load_encoder.'base'.*got str"),
    "mmasc.embed_file('a.wav', 'base')": ("ValueError", "load_encoder.'base'.*got str"),
    "mmasc.embed_file('a.wav', None)": ("ValueError", "must be a loaded encoder"),
    "mmasc.Collection('c').set_metadata([1])": ("ValueError", "columns must be"),
    "mmasc.Collection('c').set_metadata({5: {'x': 1}})": ("MmascError", "no recording with the id 5"),
    "mmasc.Collection('c').set_metadata({ID: {3: 1}})": ("MmascError", "name of a column must be a text"),
    "mmasc.Collection('c').set_metadata({ID: {'x': [1]}})": ("MmascError", "'x': a value must be one number"),
    "mmasc.Collection('c').set_metadata({ID: {'x': b'1'}})": ("MmascError", "'x': a value must be one number"),
    "mmasc.Collection('c').set_metadata({ID: {'x': '\\udcff'}})": ("MmascError", "'x'.*UTF-8"),
    "mmasc.Collection('c').annotations.rename(None, 'x')": ("MmascError", "a label must be a text"),
    "mmasc.Collection('c').annotations.remove([None])": ("ValueError", "an id must be a text"),
    "mmasc.Collection('c').annotations.remove('abc')": ("MmascError", "has no annotation 'abc'"),
    "mmasc.Collection('c').annotations.undo('1')": ("ValueError", "n must be a whole number"),
    "mmasc.Collection('c').annotations.redo(-1)": ("ValueError", "n must be at least 0"),
    "mmasc.Collection('c').annotations.find(None)": ("MmascError", "give the id"),
    "mmasc.Collection('c').annotations.all(recording=1.5)": ("ValueError", "recording must be an id or a path"),
    "mmasc.Collection('c').annotations.all(label=['x'])": ("ValueError", "label must be a text"),
    # what is right says nothing
    "mmasc.Collection('c').annotations.duration_of(numpy.int64(ID))": ("nothing", ""),
    "mmasc.Collection('c').annotations.add(LABEL)": ("nothing", ""),
    "mmasc.Collection('c').annotations.remove(mmasc.Collection('c').annotations.all()[0].id)": ("nothing", ""),
    "mmasc.Collection('c').add('nowhere.wav')": ("MmascError", "nowhere.wav"),
    "mmasc.Collection('c').add('s', encoder='nobody')": ("MmascError", "unknown encoder"),
    "mmasc.Collection('c').add('s', encoder=3)": ("ValueError", "encoder must be a name"),
    "mmasc.embed('s', 'c', encoder=3)": ("ValueError", "encoder must be a name"),
    "mmasc.Collection('c').add('s', colour=3)": ("TypeError", "colour"),
    "mmasc.Collection('c').vectors('nolabel')": ("MmascError", "has no column"),
    "mmasc.Collection('c').vectors(where='x =')": ("MmascError", "cannot read the condition"),
    "mmasc.embed_audio([0.1, 0.2], None)": ("ValueError", "sample_rate must be"),
    "mmasc.embed_audio('a.wav', 8000)": ("ValueError", "waveform must be floats"),
    "mmasc.embed_audio([0.1], 8000, encoder=3)": ("MmascError|ValueError", "encoder"),
    "mmasc.fit_head('c', 'kind', head='prototypes', folds=1)": ("ValueError", "folds"),
    "mmasc.fit_head('c', 'nolabel')": ("MmascError", "has no column"),
    "mmasc.fit_head('c', 3)": ("MmascError", "has no column"),
}


@pytest.fixture(scope="module")
def raised(tmp_path_factory) -> dict[str, list[str]]:
    """What each of `CALLS` raises in a process of its own without the type checker."""
    folder = tmp_path_factory.mktemp("borders")
    for kind in ("x", "y"):
        (folder / "s" / kind).mkdir(parents=True)
        soundfile.write(folder / "s" / kind / "a.wav", np.zeros(32_000) + 0.1, 32_000)
    soundfile.write(folder / "a.wav", np.zeros(32_000) + 0.1, 32_000)
    code = (
        "import json, sys, mmasc\n"
        "mmasc.embed('s', into='c', folders=['kind'])\n"
        "import numpy\n"
        "HIT = mmasc.Collection('c').search(text='rain', k=1)[0]\n"
        "ID = mmasc.Collection('c').recordings['id'][0].as_py()\n"
        "LABEL = mmasc.Annotation(recording=numpy.int64(ID), start=0, end=0.5, label='knock')\n"
        "found = {}\n"
        "for call in json.loads(sys.argv[1]):\n"
        "    try:\n"
        "        eval(call)\n"
        "    except Exception as error:\n"
        "        found[call] = [type(error).__name__, str(error)]\n"
        "    else:\n"
        "        found[call] = ['nothing', '']\n"
        "print(json.dumps(found))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, json.dumps(list(CALLS))], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("call", CALLS)
def test_wrong_arguments_of_public_functions(raised, call):
    import re

    kind, message = raised[call]
    wanted_kind, wanted_message = CALLS[call]
    assert re.fullmatch(wanted_kind, kind), (kind, message)
    assert re.search(wanted_message, message), message
    assert "\n" not in message


# ------------------------------------------------------------------------------------------ one recording of a label


def test_the_only_recording_of_a_label_is_learnt_from_and_not_tested():
    codes = np.array([0] * 6 + [1] * 6 + [2, 3])
    folds = make_folds(labelled(codes), 3, set_aside=True)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(12))
    for fold in folds:
        assert {12, 13} <= set(fold.train.tolist())
        assert not set(fold.train.tolist()) & set(fold.test.tolist())


def test_the_only_recording_of_a_label_is_not_learnt_from_beside_its_group():
    codes = np.array([0, 1] * 6 + [2])
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 0])
    folds = make_folds(labelled(codes, groups), 3, set_aside=True)
    learnt = [12 in fold.train for fold in folds]
    assert sum(learnt) == 2
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_the_only_recording_of_a_label_in_official_folds():
    codes, folds = np.array([0, 1, 0, 1, 2]), np.array([1, 1, 2, 2, 2])
    made = make_folds(labelled(codes, folds=folds), set_aside=True)
    assert [fold.test.tolist() for fold in made] == [[0, 1], [2, 3]]
    assert [fold.train.tolist() for fold in made] == [[2, 3, 4], [0, 1]]


@pytest.mark.parametrize("codes", [[0, 1, 2], [0, 0, 0, 0, 0, 1]])
def test_there_are_no_folds_where_there_is_nothing_to_tell_apart(codes):
    assert make_folds(labelled(np.array(codes)), 2, set_aside=True) == []


@pytest.fixture
def few(tmp_path, standin) -> Path:
    """A collection of one recording for each of three labels."""
    for number, kind in enumerate("xyz"):
        (tmp_path / "r" / kind).mkdir(parents=True)
        tone = np.sin(np.arange(8_000) * 0.1) * 0.2 * (number + 1) + 0.1 * number
        soundfile.write(tmp_path / "r" / kind / "a.wav", tone, 8_000)
    mmasc.embed(tmp_path / "r", tmp_path / "c", standin, folders=["kind"])
    return tmp_path / "c"


@pytest.mark.parametrize("head", ["prototypes", "neighbours", "logistic", "svm-rbf", "svm-sigmoid"])
def test_one_recording_of_each_label_is_enough_and_nothing_is_made_up(few, head):
    report = fit_head(few, "kind", head=head)
    assert (report.accuracy, report.interval, report.macro_f1, report.log_loss) == (None, None, None, None)
    assert (report.tested, report.folds, report.not_tested) == (0, [], ["x", "y", "z"])
    assert [row["recordings"] for row in report.per_class.values()] == [1, 1, 1]
    answers = list(mmasc.apply_head(report.fitted, mmasc.Collection(few)))
    if head in ("prototypes", "neighbours"):
        assert [answer.label for answer in answers] == ["x", "y", "z"]


@pytest.mark.parametrize("head", ["boosting", "boosting-paper"])
def test_heads_that_need_more_say_so(few, head):
    with pytest.raises(mmasc.MmascError, match=f"one recording only, from which {head} learns nothing.*prototypes"):
        fit_head(few, "kind", head=head)


# ------------------------------------------------------------------------------------------ what changes a collection


def test_one_path_is_one_path_and_not_its_letters(tmp_path, standin, sounds):
    mmasc.embed(sounds, tmp_path / "c", standin)
    collection = mmasc.Collection(tmp_path / "c")
    stored = collection.recordings["path"].to_pylist()
    some = [stored[0], Path(stored[1]), (path for path in stored[2:3]), np.array(stored[3:4])]
    for removed, path in enumerate(some, 1):
        assert collection.remove(path) == 1
        assert collection.recordings["path"].to_pylist() == stored[removed:]
    assert collection.remove(None) == collection.remove([]) == 0


def test_values_of_columns_keep_their_kind(tmp_path, standin, sounds):
    """NumPy's and pandas' numbers are numbers, and what they hold for nothing is nothing, not a text that says so."""
    mmasc.embed(sounds, tmp_path / "c", standin)
    collection = mmasc.Collection(tmp_path / "c")
    one, other = collection.recordings["id"].to_pylist()[:2]
    unknown = type("NAType", (), {"__ne__": lambda self, other: self})()  # as pandas.NA: neither equal nor not
    given = {"n": np.int32(3), "x": np.float32(0.5), "t": np.str_("a"), "day": np.datetime64("2024-05-01")}
    collection.set_metadata({np.int64(one): {**given, "late": np.datetime64("NaT"), "none": unknown, "big": 2**70}})
    collection.set_metadata({other: {"n": None, "x": float("nan"), "t": unknown, "day": np.datetime64("NaT")}})
    rows = {row["id"]: row for row in collection.recordings.to_pylist()}
    kept = {"n": 3, "x": 0.5, "t": "a", "day": "2024-05-01", "late": None, "none": None, "big": str(2**70)}
    assert {name: rows[one][name] for name in kept} == kept
    assert {name: rows[other][name] for name in given} == dict.fromkeys(given)
