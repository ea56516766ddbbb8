"""Annotations of a collection: what may be said, what comes back, what it outlives."""

import csv
import random
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

import mmasc
from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from mmasc.collection.journal import FOLDER, JOURNAL, Journal
from mmasc.collection.returning import keep_removed
from mmasc.errors import MmascError
from tests.helpers.collections import labelled, second, write  # noqa: F401
from tests.helpers.windows import made


@pytest.fixture
def one(tmp_path) -> Collection:
    """A collection of one recording, id 7, a.wav, of 30 s."""
    made(tmp_path / "c")
    return Collection(tmp_path / "c")


def note(start: float = 1.0, end: float = 2.0, label: str = "frog", **rest) -> Annotation:
    return Annotation(**{"recording": 7, "start": start, "end": end, "label": label, **rest})


def said(collection: Collection) -> set[tuple]:
    """Path under the root, times, label, verdict, annotator of all."""
    annotations = collection.annotations
    return {
        (annotations.stored_path(item), item.start, item.end, item.label, item.verdict, item.by)
        for item in annotations.all()
    }


def errors(collection: Collection) -> list[str]:
    return [item.message for item in collection.check() if item.level == "error"]


def test_what_was_added_comes_back_with_all_its_values(one):
    whole = note(
        0.1, 0.30000000000000004, "Pipistrelle · 蝙蝠", verdict="unsure", by="bats.head", identity="ab12", score=0.1,
        question="a bat\nin the dark", note="line 1\nline 2", at="2024-05-01T04:13:20Z",
    )  # fmt: skip
    (name,) = one.annotations.add([whole])
    (found,) = Collection(one.store.folder).annotations.all()
    assert found == Annotation(**{**vars(whole), "id": name})
    one.compact()
    assert Collection(one.store.folder).annotations.all() == [found]
    assert one.annotations.to_table().column_names[:4] == ["id", "recording", "path", "start"]
    (row,) = one.annotations.to_table().to_pylist()
    assert row.pop("path") == one.path_of("a.wav")
    assert row == vars(found)


MANY = "x" * 100


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"low_hz": -1.0}, "0 <= low_hz <= high_hz, got -1.0 and None"),
        ({"high_hz": -1.0}, "0 <= low_hz <= high_hz, got None and -1.0"),
        ({"low_hz": 2.0, "high_hz": 1.0}, "0 <= low_hz <= high_hz, got 2.0 and 1.0"),
        ({"low_hz": True}, "low_hz must be a finite number, got True"),
        ({"high_hz": 10**400}, "high_hz must be a finite number, got 1000"),
        ({"start": None}, "start must be a finite number, got None"),
        ({"channel": 0}, "whole number from 1 on, got 0"),
        ({"channel": 1.0}, "whole number from 1 on, got 1.0"),
        ({"channel": True}, "whole number from 1 on, got True"),
        ({"channel": 1 << 63}, "whole number from 1 on, got 9223372036854775808"),
        ({"recording": -1}, "id of one, a whole number, got -1"),
        ({"recording": 1 << 63}, "id of one, a whole number, got 9223372036854775808"),
        ({"recording": 7.0}, "id of one, a whole number, got 7.0"),
        ({"id": "0" * 31 + "G"}, "is not 32 hexadecimal digits"),
        ({"at": 5}, "at must be a text"),
        ({"question": "\r"}, "question must be a text"),
        ({"label": 7}, "a text that is not empty, got 7"),
        ({"verdict": MANY}, "got 'x{59}…$"),
        ({"verdict": "x" * 58}, "got 'x{58}'$"),
        ({"label": "\udcff" + MANY}, r"the label '\\xffx{56}…' has bytes"),
        ({"label": "\udcff" + "x" * 56}, r"the label '\\xffx{56}' has bytes"),
        ({"start": -0.1}, "0 <= start <= end"),
        ({"start": 3.0}, "0 <= start <= end"),
        ({"start": float("nan")}, "start must be a finite number"),
        ({"end": float("inf")}, "end must be a finite number"),
        ({"score": float("nan")}, "score must be a finite number"),
        ({"label": " "}, "not empty"),
        ({"label": "fr\x1bog"}, "control characters"),
        ({"label": "fr\u202eog"}, "control characters"),
        ({"label": "K\udcc3\udca4uz"}, r"the label 'K\\xc3\\xa4uz' has bytes that are not text in UTF-8; .*LC_ALL"),
        ({"by": "J\udcf6rg"}, r"by 'J\\xf6rg' has bytes that are not"),
        ({"note": "\ud83d"}, "the note .* has bytes that are not"),
        ({"by": "a\nb"}, "by must be a text"),
        ({"note": "\x07"}, "note must be a text"),
        ({"identity": "\x07"}, "identity must be a text"),
        ({"verdict": "maybe"}, "present, absent, unsure"),
        ({"id": "7"}, "32 hexadecimal digits"),
        ({"recording": True}, "whole number"),
        ({"recording": 8}, "no recording with the id 8"),
        ({"end": 30.2}, r"a.wav lasts 30.000 s: .*30.200 s"),
        ({"start": 30.01, "end": 30.02}, r"a.wav lasts 30.000 s: .*30.010 s"),
    ],
)
def test_what_cannot_be_is_one_line_and_adds_nothing(one, values, words):
    with pytest.raises(MmascError, match=words) as caught:
        one.annotations.add([note(), note(**values)])
    assert "\n" not in str(caught.value)
    assert len(one.annotations) == 0


def test_what_may_be_said_at_the_edges():
    edges = {"low_hz": 0, "high_hz": 0.0, "channel": 1, "note": "a\n\tb", "question": "a\n\tb", "id": "0f" * 16}
    found = note(0, 0, recording=np.int64(0), score=np.float32(0.5), **edges)
    assert (type(found.recording), type(found.start), type(found.score)) == (int, float, float)
    assert (found.low_hz, found.high_hz, found.channel) == (0.0, 0.0, 1)
    assert note(recording=(1 << 63) - 1, channel=(1 << 63) - 1, high_hz=5.0).high_hz == 5.0
    assert note(low_hz=3.0).low_hz == 3.0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"recording": 7.0}, "recording must be an id or a path, got float"),
        ({"label": 7}, "label must be a text, got int"),
        ({"by": ["ann"]}, "by must be a text, got list"),
    ],
)
def test_a_question_that_nothing_could_fit_is_refused(one, asked, words):
    with pytest.raises(ValueError, match=words):
        one.annotations.all(**asked)
    assert one.annotations.all(recording=7) == one.annotations.all(recording=np.int64(7)) == []


def test_an_annotation_is_found_by_the_beginning_of_its_id(one):
    names = [digits.ljust(32, "0") for digits in ("ab1", "ab2", "c")]
    one.annotations.add([note(id=name) for name in names])
    assert one.annotations.find("ab2").id == names[1]
    assert one.annotations.find(names[2]).id == names[2]
    with pytest.raises(MmascError, match="^2 annotations have an id that begins with 'ab'"):
        one.annotations.find("ab")
    with pytest.raises(MmascError, match="^no annotation has an id that begins with 'b'"):
        one.annotations.find("b")


def test_changes_of_some_annotations_are_renamed_undone_and_redone_alone(one):
    annotations = one.annotations
    (first,), (other,) = annotations.add([note()]), annotations.add([note(start=1.5)])
    assert annotations.rename("frog", "owl", ids=[first]) == 1
    with pytest.raises(MmascError, match="no annotation 'x'"):
        annotations.rename("frog", "owl", ids=[other, "x"])
    with pytest.raises(MmascError, match="no annotation has the label 'frog'"):
        annotations.rename("frog", "owl", ids=[first])
    annotations.remove(other)

    def labels():
        return {item.id: item.label for item in annotations.all()}

    assert labels() == {first: "owl"}
    assert len(annotations.undo(ids=[first])) == 1  # the last change of it: the new label
    assert labels() == {first: "frog"}
    assert len(annotations.undo(ids=[other])) == 1
    assert labels() == {first: "frog", other: "frog"}
    assert annotations.redo(0) == annotations.redo(ids=["0" * 32]) == []
    assert len(annotations.redo(ids=[first])) == 1
    assert labels() == {first: "owl", other: "frog"}
    assert len(annotations.redo()) == 1
    assert labels() == {first: "owl"}
    assert annotations.remove([]) == 0
    assert annotations.add([]) == []


def test_an_end_a_little_past_the_recording_is_its_end(one):
    one.annotations.add([note(29.0, 30.1), note(30.0, 30.0)])
    assert [(item.start, item.end) for item in one.annotations.all()] == [(29.0, 30.0), (30.0, 30.0)]


def test_filters_are_those_of_python(one):
    chance = random.Random(0)
    for _ in range(3):
        one.annotations.add(
            [
                note(chance.randrange(9), 9, chance.choice("ab"), by=chance.choice("xy"), verdict=verdict)
                for verdict in ("present", "absent", "unsure")
                for _ in range(4)
            ]
        )
    every = one.annotations.all()
    assert len(every) == 36
    assert every == sorted(every, key=lambda item: (item.start, item.end, item.label, item.by, "", item.id))
    for label in (None, "a", "c"):
        for by in (None, "x"):
            for verdict in (None, "absent"):
                wanted = [item for item in every if label in (None, item.label) and by in (None, item.by)]
                wanted = [item for item in wanted if verdict in (None, item.verdict)]
                assert one.annotations.all(label=label, by=by, verdict=verdict, recording="a.wav") == wanted
    with pytest.raises(MmascError, match="present, absent, unsure"):
        one.annotations.all(verdict="maybe")


def test_any_sequence_of_changes_is_that_of_a_list(one, monkeypatch):
    """A second way to work it out: actions in a list, those that count done again from the start."""
    monkeypatch.setattr("mmasc.collection.journal.FOLD_BYTES", 4_000)
    chance, actions, undone = random.Random(1), [], []

    def wanted() -> dict[str, str]:
        state: dict[str, str] = {}
        for counts, action in actions:
            if counts:
                action(state)
        return state

    for step in range(250):
        annotations, state = one.annotations, wanted()
        kind = chance.choice(["add", "add", "remove", "rename", "undo", "undo", "redo", "fold", "open", "torn"])
        if kind == "add":
            names = annotations.add([note(label=chance.choice("abc"), end=2 + step / 100) for _ in range(2)])
            labels = {name: annotations.find(name).label for name in names}
            actions.append([True, lambda state, labels=labels: state.update(labels)])
        elif kind == "remove" and state:
            names = chance.sample(sorted(state), min(2, len(state)))
            assert annotations.remove(names) == len(names)
            actions.append([True, lambda state, names=names: [state.pop(name, None) for name in names]])
        elif kind == "rename" and state:
            old, new = chance.choice(sorted(state.values())), chance.choice("abcd")
            assert annotations.rename(old, new) == list(state.values()).count(old)

            def action(state, old=old, new=new):
                state.update({name: new for name, label in state.items() if label == old})

            if old != new:
                actions.append([True, action])
        elif kind == "undo":
            n = chance.randrange(1, 4)
            chosen = [item for item in reversed(actions) if item[0]][:n]
            assert len(annotations.undo(n)) == len(chosen)
            for item in chosen:
                item[0] = False
            undone += [chosen] if chosen else []
        elif kind == "redo":
            chosen = undone.pop() if undone else []
            assert len(annotations.redo()) == len(chosen)
            for item in chosen:
                item[0] = True
        elif kind == "fold":
            one.compact()
        elif kind == "open":
            one = Collection(one.store.folder)
        elif kind == "torn" and (path := one.store.folder / FOLDER / JOURNAL).exists():
            with open(path, "ab") as file:
                file.write(b'{"crc32":"half a li')
        assert {item.id: item.label for item in one.annotations.all()} == wanted()
    assert errors(one) == []


def test_a_change_of_what_is_not_there_is_refused(one):
    one.annotations.add([note()])
    with pytest.raises(MmascError, match="no annotation 'x'"):
        one.annotations.remove([one.annotations.all()[0].id, "x"])
    with pytest.raises(MmascError, match="no annotation has the label 'owl'; labels of .*: frog"):
        one.annotations.rename("owl", "frog")
    with pytest.raises(MmascError, match="control characters"):
        one.annotations.rename("frog", "\x1b")
    with pytest.raises(MmascError, match="no annotation has an id"):
        one.annotations.find("zz")
    with pytest.raises(MmascError, match="give the id"):
        one.annotations.find("")
    assert len(one.annotations) == 1
    assert one.annotations.undo(5) == ["1 annotation of frog added"]
    assert one.annotations.undo() == one.annotations.undo(0) == []


def test_an_annotation_of_an_id_that_is_there_takes_its_place(one):
    (name,) = one.annotations.add([note()])
    one.annotations.add([note(id=name, verdict="absent", by="bo")])
    assert [(item.id, item.verdict) for item in one.annotations.all()] == [(name, "absent")]
    one.annotations.undo()
    assert [(item.id, item.verdict) for item in one.annotations.all()] == [(name, "present")]


def test_disagreements_are_contrary_verdicts_of_two_about_one_moment(one):
    pairs = [
        # Half of the shorter one and more
        (note(0, 2, by="a"), note(1, 4, verdict="absent", by="b"), True),
        (note(5, 7, by="a"), note(6.1, 9, verdict="absent", by="b"), False),
        (note(10, 14, "owl", by="a"), note(11, 11, "owl", verdict="absent", by="b"), True),
        (note(15, 16, "owl", by="a"), note(15, 16, "rain", verdict="absent", by="b"), False),
        (note(17, 18, by="a"), note(17, 18, verdict="unsure", by="b"), False),
        (note(19, 20, by="a"), note(19, 20, verdict="absent", by="a"), False),
        # Two versions of a head
        (note(21, 22, by="h", identity="1"), note(21, 22, verdict="absent", by="h", identity="2"), True),
    ]
    one.annotations.add([item for first, other, _ in pairs for item in (first, other)])
    found = {(first.start, other.start) for first, other in one.annotations.disagreements()}
    assert found == {(first.start, other.start) for first, other, wanted in pairs if wanted}
    assert len(one.annotations.all()) == 2 * len(pairs)


def test_annotations_outlive_what_happens_to_a_collection(labelled, second):  # noqa: F811
    collection = Collection(labelled / "c")
    a, y = collection.annotations.recording_id("a/x.wav"), collection.annotations.recording_id("y.wav")
    collection.annotations.add(
        [
            Annotation(recording=a, start=0, end=1, label="frog", by="ann"),
            Annotation(recording=y, start=0.25, end=0.5, label="rain", verdict="absent"),
        ]
    )
    before = said(collection)
    assert before == {("a/x.wav", 0, 1, "frog", "present", "ann"), ("b/y.wav", 0.25, 0.5, "rain", "absent", "unnamed")}
    collection.add(labelled / "s", second, space="second")
    assert said(collection) == before
    collection.compact()
    assert said(collection) == before
    (labelled / "s").rename(labelled / "elsewhere")
    collection.move_root(labelled / "elsewhere")
    assert said(collection) == said(Collection(labelled / "c")) == before
    assert {item["path"] for item in collection.annotations.to_table().to_pylist()} == {
        str(labelled / "elsewhere/a/x.wav"),
        str(labelled / "elsewhere/b/y.wav"),
    }
    (labelled / "elsewhere/a/x.wav").rename(labelled / "elsewhere/a/z.wav")
    mmasc.embed(labelled / "elsewhere", labelled / "c", "standin")
    assert said(Collection(labelled / "c")) == {(p.replace("a/x", "a/z"), *rest) for p, *rest in before}
    assert errors(Collection(labelled / "c")) == []


def test_annotations_go_with_their_recording(labelled):  # noqa: F811
    collection = Collection(labelled / "c")
    old = Collection(labelled / "c")
    for path in ("a/x.wav", "b/x.wav"):
        number = collection.annotations.recording_id(path)
        collection.annotations.add([Annotation(recording=number, start=0, end=1, label="frog")])
    collection.remove(["a"])
    assert {path for path, *_ in said(collection)} == {"b/x.wav"}
    assert len(collection.annotations) == collection.info()["annotations"] == 1
    assert len(old.annotations) == 2  # who opened it before sees what there was
    assert [item.message for item in collection.check() if "annotation" in item.message] == [
        "1 annotation is of a recording that is not in the collection and is not shown; those by people (1) are kept, "
        "and there again when the same files are embedded again"
    ]
    # What cannot be seen is not undone
    assert collection.annotations.undo(2) == ["1 annotation of frog added"]
    assert collection.annotations.redo() == ["1 annotation of frog added"]
    collection.compact()
    assert len(Journal(labelled / "c").read().events) == 4
    # Another sound under its path is a new recording, the same sound is the one that it was
    sound = (labelled / "s/a/x.wav").read_bytes()
    write(labelled / "s/a/x.wav", 0.7)
    collection.add(labelled / "s")
    assert {path for path, *_ in said(collection)} == {"b/x.wav"}
    collection.remove(["a"])
    (labelled / "s/a/x.wav").write_bytes(sound)
    collection.add(labelled / "s")
    assert {path for path, *_ in said(collection)} == {"a/x.wav", "b/x.wav"}
    assert [item.message for item in collection.check() if "annotation" in item.message] == []


def test_what_heads_said_of_a_recording_that_was_removed_goes_with_a_compaction(labelled):  # noqa: F811
    collection = Collection(labelled / "c")
    number = collection.annotations.recording_id("a/x.wav")
    collection.annotations.add(
        [
            Annotation(recording=number, start=0, end=1, label="frog", by="ann"),
            Annotation(recording=number, start=0, end=1, label="owl", by="head", identity="1" * 32),
        ]
    )
    collection.remove(["a"])
    collection.compact()
    collection.add(labelled / "s")
    assert said(collection) == {("a/x.wav", 0, 1, "frog", "present", "ann")}


def test_a_removed_recording_that_is_there_again_is_there_once(labelled):  # noqa: F811
    """A remove that was killed names recordings that are still there: their ids are theirs."""
    collection = Collection(labelled / "c")
    number = collection.annotations.recording_id("a/x.wav")
    collection.annotations.add([Annotation(recording=number, start=0, end=1, label="frog")])
    with collection.store.transaction():
        keep_removed(collection.store, collection.head, np.array([number]))
    (labelled / "s/a/x.wav").rename(labelled / "s/moved.wav")
    collection.add(labelled / "s")
    shutil.copy(labelled / "s/moved.wav", labelled / "s/a/x.wav")
    collection.add(labelled / "s")
    assert {path for path, *_ in said(collection)} == {"moved.wav"}
    assert len(set(collection.recordings.column("id").to_pylist())) == len(collection.recordings)
    (labelled / "c/annotations/removed.json").write_text('{"removed": [{"id": 1}]}')  # damaged: new recordings
    collection.remove(["a"])
    collection.add(labelled / "s")
    assert errors(collection) == []


def test_merging_counts_one_id_once(labelled, registered):  # noqa: F811
    ours = Collection(labelled / "c")
    shutil.copytree(labelled / "c", labelled / "d")
    theirs = Collection(labelled / "d")
    here, there = (item.annotations.recording_id("a/x.wav") for item in (ours, theirs))
    both = ours.annotations.add([Annotation(recording=here, start=0, end=1, label="frog", by="ann")] * 3)
    kept, changed, removed = both
    theirs.annotations.add(
        [Annotation(recording=there, start=0, end=1, label="frog", by="ann", id=name, at="2020") for name in both]
    )
    theirs.annotations.add([Annotation(recording=there, start=0, end=0.5, label="owl", by="bo")])
    ours.annotations.remove([removed])
    write(labelled / "s/new.wav", 0.1)
    write(labelled / "s/b/y.wav", 0.3)  # other content there
    theirs.add(labelled / "s")
    for name in ("new.wav", "b/y.wav"):
        number = theirs.annotations.recording_id(name)
        theirs.annotations.add([Annotation(recording=number, start=0, end=1, label=name)])
    result = ours.merge(labelled / "d")
    assert (result["recordings"], result["annotations"], result["annotations_that_differ"]) == (1, 2, 2)
    assert said(ours) == {
        ("a/x.wav", 0, 1, "frog", "present", "ann"),
        ("a/x.wav", 0, 0.5, "owl", "present", "bo"),
        ("new.wav", 0, 1, "new.wav", "present", "unnamed"),
    }
    assert {kept, changed} < {item.id for item in ours.annotations.all()}
    assert ours.merge(labelled / "d")["annotations"] == 0
    assert len(ours.annotations) == 4
    # One change: undone at once; and then a merge brings them again
    assert ours.annotations.undo() == ["2 annotations of 2 labels added"]
    assert ours.merge(labelled / "d")["annotations"] == 2
    assert errors(ours) == []


def test_exported_annotations_are_the_table(labelled):  # noqa: F811
    collection = Collection(labelled / "c")
    assert [path.name for path in collection.export(labelled / "e")] == ["vectors.npy", "windows.parquet"]
    number = collection.annotations.recording_id("a/x.wav")
    collection.annotations.add([Annotation(recording=number, start=0, end=1 / 3, label='f"r,og', score=0.1)])
    table = collection.annotations.to_table()
    paths = collection.export(labelled / "e")
    assert pq.read_table(paths[-1]).equals(table)
    path = collection.export(labelled / "e", file_format="csv")[-1]
    with open(path, newline="") as file:
        (row,) = csv.DictReader(file)
    (wanted,) = table.to_pylist()
    assert row == {name: "" if value is None else str(value) for name, value in wanted.items()}
    collection.annotations.undo()
    assert len(pq.read_table(collection.export(labelled / "e")[-1])) == 0  # not those of before


def test_times_past_the_end_of_a_changed_recording_are_said(labelled):  # noqa: F811
    collection = Collection(labelled / "c")
    number = collection.annotations.recording_id("b/y.wav")
    collection.annotations.add([Annotation(recording=number, start=0, end=1, label="rain")])
    write(labelled / "s/b/y.wav", 0.3, seconds=0.5)
    collection.add(labelled / "s")
    assert len(collection.annotations) == 1
    (line,) = [item.message for item in collection.check() if "annotation" in item.message]
    assert line == "1 annotation ends after its recording (b/y.wav: rain to 1.000 s)"


def test_blanks_around_a_label_are_none_of_it(one):
    one.annotations.add([note(label=" frog "), note(label="frog", start=1.5), note(label="old", start=0.5)])
    assert one.annotations.rename("old", "\u3000frog ") == 1
    assert [item.label for item in one.annotations.all()] == ["frog"] * 3
