"""Moments to judge: chosen by rule, never twice, a few of a recording; answers come back and are learnt from."""

import csv
import math

import numpy as np
import pytest

from mmasc.collection import Collection
from mmasc.collection.label_exchange import import_labels
from mmasc.errors import MmascError
from mmasc.labelling.choosing import Questions, choose
from mmasc.labelling.fit_moments import fit_moments
from mmasc.labelling.learning import learning, wilson_interval
from mmasc.labelling.moments import Moments, annotated_windows
from mmasc.labelling.review import WAYS, is_random, review
from mmasc.labelling.review_files import write_review
from tests.helpers.command import run
from tests.helpers.moments import SECONDS, annotation, labels_at, levels_of


@pytest.fixture
def begun(annotated, tmp_path):
    """The first recordings are annotated, the others are not; a head of them."""
    collection = Collection(annotated)
    forget_from(collection, 4)
    head = tmp_path / "levels.head"
    fit_moments(collection, out=head)
    return collection, head


def forget_from(collection, first):
    """Remove the annotations of this recording and those after it."""
    annotations = collection.annotations
    annotations.remove([one.id for one in annotations.all() if int(annotations.stored_path(one)[:2]) >= first])


def truth_of(item) -> bool:
    """Whether a person hears this label there."""
    level = levels_of(int(item.path[:2]))[round(item.start)]
    return item.label in labels_at(level)


@pytest.mark.parametrize("by", WAYS)
def test_judged_moments_are_never_asked(begun, by):
    collection, head = begun
    asked = set()
    for turn in range(4):
        found = review(collection, head, 6, by, each=6)
        assert len(found.items) == 6
        for item in found.items:
            assert (item.path, item.start, item.label) not in asked
            asked.add((item.path, item.start, item.label))
            assert int(item.path[:2]) >= 4 or turn  # windows of the first four carry labels
        answers = [
            annotation(
                collection,
                int(item.path[:2]),
                item.start,
                item.end,
                item.label,
                verdict=["absent", "unsure"][turn % 2],
                question=item.question,
            )
            for item in found.items
        ]
        collection.annotations.add(answers)
    assert {is_random(one) for one in answers} == {by == "random"}


def test_uncertain_asks_where_the_head_nearly_says_yes_and_likely_where_it_does(begun):
    collection, head = begun
    threshold = fit_moments(collection).per_label["up"]["threshold"]
    everything = review(collection, head, 1_000, "likely", ["up"], each=1_000)
    scores = sorted((item.score for item in everything.items), reverse=True)
    assert len(scores) == everything.open == 8 * SECONDS  # the last eight recordings, nobody has heard
    likely = review(collection, head, 5, "likely", ["up"], each=5)
    assert sorted((item.score for item in likely.items), reverse=True) == scores[:5]

    def distance(score):
        return abs(math.log(score / (1 - score)) - math.log(threshold / (1 - threshold)))

    uncertain = review(collection, head, 5, "uncertain", ["up"], each=5)
    assert sorted(distance(item.score) for item in uncertain.items) == pytest.approx(
        sorted(map(distance, scores))[:5], abs=1e-5
    )


@pytest.mark.parametrize("by", WAYS)
def test_questions_are_the_same_each_time_few_of_a_recording_and_apart(begun, by):
    collection, head = begun
    found = review(collection, head, 8, by, each=2)
    assert found == review(collection, head, 8, by, each=2)
    of = [item.recording for item in found.items]
    assert max(of.count(one) for one in of) <= 2
    places = [(item.recording, item.start) for item in found.items]
    assert len(set(places)) == len(places) == 8


def test_labels_take_turns(begun):
    collection, head = begun
    found = review(collection, head, 6, "uncertain", each=2)
    labels = [item.label for item in found.items]
    assert [labels.count(name) for name in ("down", "loud", "up")] == [2, 2, 2]


def questions(n=400, labels=2, seed=0, **more) -> Questions:
    generator = np.random.default_rng(seed)
    scores = generator.uniform(0, 1, (n, labels)) ** 4
    values = {
        "scores": scores,
        "margins": scores - 0.5,
        "recordings": np.arange(n) // 20,
        "starts": np.arange(n) % 20 * 1.0,
        "ends": np.arange(n) % 20 + 1.0,
        "sites": np.arange(n) // 200,
        "hours": np.arange(n) // 100 % 2,
        "answers": np.zeros(labels, int),
    }
    return Questions(**values | more)


def test_spread_covers_scores_sites_and_hours():
    rows = choose(questions(), 20, "spread", 3, np.random.default_rng(0))
    asked, (at, columns) = questions(), np.transpose(rows)
    assert np.bincount((asked.scores[at, columns] * 5).astype(int), minlength=5).tolist() == [4] * 5
    assert np.bincount(asked.sites[at]).tolist() == [10, 10]
    assert np.bincount(asked.hours[at]).tolist() == [10, 10]
    assert np.bincount(columns).tolist() == [10, 10]


def test_moments_of_long_recordings_lie_apart():
    long = {"recordings": np.zeros(400, int), "starts": np.arange(400) * 5.0, "ends": np.arange(400) * 5.0 + 5}
    for by in WAYS:
        rows = choose(questions(**long), 10, by, 10, np.random.default_rng(0))
        starts = sorted(row * 5.0 for row, _ in rows)
        assert len(starts) == 10
        assert min(np.diff(starts)) >= 35


def test_random_draws_windows_with_equal_chances():
    counts = np.zeros(40, int)
    for seed in range(300):
        rows = choose(questions(40), 4, "random", 40, np.random.default_rng(seed))
        counts[[row for row, _ in rows]] += 1
        assert all(questions(40).margins[row].argmax() == column for row, column in rows)
    assert counts.sum() == 1_200
    assert (abs(counts - 30) < 5 * np.sqrt(30)).all()


def test_the_label_that_was_answered_least_comes_first():
    asked = questions(labels=3, answers=np.array([5, 0, 2]))
    assert [column for _, column in choose(asked, 2, "likely", 3, np.random.default_rng(0))] == [1, 2]


def test_nothing_is_asked_where_nothing_is_open():
    closed = questions(margins=np.full((400, 2), np.nan))
    for by in WAYS:
        assert choose(closed, 5, by, 3, np.random.default_rng(0)) == []
        assert choose(questions(0), 5, by, 3, np.random.default_rng(0)) == []


def test_the_table_goes_out_and_comes_back(begun, tmp_path):
    collection, head = begun
    found = review(collection, head, 9, "random", each=3)
    written = write_review(found, collection, tmp_path / "r", 0.5)
    assert (written.clips, written.failed) == (9, [])
    with written.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all((tmp_path / "r" / row["clip"]).is_file() for row in rows)
    assert {row["verdict"] for row in rows} == {""}
    words = ["yes", "No", "1", "0", "present", "absent", "unsure", "", " "]
    for row, word in zip(rows, words, strict=True):
        row["verdict"] = word
    with written.table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = import_labels(collection, written.table, by="ann")
    assert (len(done.added), done.unjudged, done.problems) == (7, 2, [])
    stored = {(one.start, one.end, one.label, one.recording): one for one in collection.annotations.all(by="ann")}
    expected = ["present", "absent", "present", "absent", "present", "absent", "unsure"]
    for item, verdict in zip(found.items, expected, strict=False):
        one = stored[item.start, item.end, item.label, item.recording]
        assert (one.verdict, one.identity, one.question) == (verdict, None, item.question)
        assert one.score == pytest.approx(item.score, abs=1e-6)
    assert found.identity in found.items[0].question
    assert import_labels(collection, written.table, by="ann").known == 7
    before = fit_moments(begun[0]).annotations
    assert before == len(collection.annotations)  # what was answered is learnt from
    with pytest.raises(MmascError, match="may hold answers"):
        write_review(found, collection, tmp_path / "r")


def test_answers_at_random_say_how_often_the_head_is_right(begun):
    collection, head = begun
    reader = collection.space()
    from mmasc.heads.fitted import FittedHead

    fitted = FittedHead.load(head)
    first = learning(collection, fitted, reader.name)
    assert (first.random, first.right_interval) == (0, None)
    found = review(collection, head, 12, "random", each=3)
    collection.annotations.add(
        [
            annotation(
                collection,
                int(item.path[:2]),
                item.start,
                item.end,
                item.label,
                verdict="present" if truth_of(item) else "absent",
                question=item.question,
            )
            for item in found.items
        ]
    )
    second = learning(collection, fitted, reader.name)
    assert second.random == 12
    assert second.right >= 9
    low, high = second.right_interval
    assert low < second.right / 12 <= high


def test_the_learning_curve_is_of_the_same_windows(annotated, tmp_path):
    collection = Collection(annotated)
    fitted = fit_moments(collection).fitted
    found = learning(collection, fitted, collection.space().name)
    report = fit_moments(collection)
    assert found.mean_average_precision == pytest.approx(report.mean_average_precision)
    assert found.curve[1.0] == found.mean_average_precision
    assert list(found.curve) == [0.25, 0.5, 1.0]
    assert found.unknown == ""
    doublings = math.log2((found.annotations + 20) / found.annotations)
    assert found.gain == pytest.approx((found.curve[1.0] - found.curve[0.5]) * doublings)
    assert found.windows == len(annotated_windows(collection, Moments()))


def test_what_cannot_be_known_is_said(annotated):
    collection = Collection(annotated)
    forget_from(collection, 3)
    found = learning(collection, fit_moments(collection).fitted, collection.space().name)
    assert found.gain is None
    assert "recordings are too few to tell" in found.unknown


def test_wilson():
    """The example of Wilson's paper's form: 9 of 10, to three digits from R's prop.test without correction."""
    assert wilson_interval(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert wilson_interval(0, 5)[0] == 0.0


def test_wrong_questions_are_refused(begun):
    collection, head = begun
    with pytest.raises(ValueError, match="by must be one of"):
        review(collection, head, by="best")
    with pytest.raises(MmascError, match="has no label 'cat'; labels: down, loud, up"):
        review(collection, head, labels=["cat"])


def test_the_command(begun, tmp_path, capsys):
    collection, head = begun
    folder = collection.store.folder
    status, out, err = run("review", folder, "--head", head, "-n", "4", "--to", tmp_path / "r", capsys=capsys)
    assert status == 0
    assert "mean average precision" in out
    assert "another 4 answers" in out
    assert "4 moments, 4 clips" in err
    table = tmp_path / "r" / "review.csv"
    table.write_text(table.read_text().replace(",,,", ",no,,"))
    status, out, err = run("label", "import", folder, table, "--by", "bo", capsys=capsys)
    assert (status, out) == (0, "4 added, 0 already there, 0 lines not usable\n")
    assert {one.verdict for one in collection.annotations.all(by="bo")} == {"absent"}
    status, out, _ = run(
        "review", folder, "--head", head, "--label", "up", "--no-figures", "--format", "csv", capsys=capsys
    )
    assert (status, {row["label"] for row in csv.DictReader(out.splitlines())}) == (0, {"up"})
    status, _, err = run("review", folder, "--head", head, "--to", tmp_path / "r", capsys=capsys)
    assert (status, "may hold answers" in err) == (1, True)
