"""The zero-shot study: numbers by other ways, pictures that show them, a page that is whole, one-line faults."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from sklearn.decomposition import PCA
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.metrics import confusion_matrix as oracle_confusion

from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.labelling.recordings import Selection, labelled_recordings
from mmasc.metrics.figures import class_colours, draw_confusion
from mmasc.prompts.prompts import Prompts
from mmasc.studies.plots import draw_sounds, draw_texts, principal_components
from mmasc.studies.report import report
from mmasc.studies.study import load_study, match_labels
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.command import run
from tests.helpers.known_set import SENTENCE, collection_of_a_known_set
from tests.helpers.studies import PHRASES, make_collection

GOOD = Prompts("good <b>words</b>", "", ("{}",), PHRASES)
BAD = Prompts("bad", "", ("{}", "{} d"), {**PHRASES, "Low Hum": ("bbcccdddd", "cd"), "silence": ("d",)})


@pytest.fixture(scope="module")
def collection(tmp_path_factory) -> Path:
    return make_collection(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def written(collection, tmp_path_factory):
    """A report on both prompt sets."""
    to = tmp_path_factory.mktemp("report") / "deep" / "study"
    return report(collection, "label", [GOOD, BAD], to, groups="place", encoder=StandIn(STANDIN_SPEC))


@pytest.fixture(scope="module")
def asked(collection):
    """True labels as the prompts spell them, unit vectors, and the cosines of both sets."""
    table = labelled_recordings(Collection(collection), Selection("label"))
    spelt = {"low_hum": "Low Hum"}
    true = np.array([spelt.get(table.classes[code], table.classes[code]) for code in table.codes])
    vectors = table.vectors / np.linalg.norm(table.vectors, axis=1, keepdims=True)
    standin = StandIn(STANDIN_SPEC)
    return true, vectors, [ZeroShotClassifier(standin).fit(one) for one in (GOOD, BAD)]


def test_numbers_are_those_of_scikit_learn(written, asked):
    true, vectors, classifiers = asked
    for result, classifier in zip(written.results, classifiers, strict=True):
        said = classifier.predict(vectors)
        np.testing.assert_array_equal(result.confusion, oracle_confusion(true, said, labels=result.labels))
        assert result.accuracy == pytest.approx((said == true).mean())
        assert result.interval[0] <= result.accuracy <= result.interval[1]
        present = [name for name in result.labels if name in {*true, *said}]
        assert result.macro_f1 == pytest.approx(f1_score(true, said, labels=present, average="macro", zero_division=0))
    good, bad = written.results
    assert good.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, classifiers[0].predict(vectors)))
    assert good.accuracy > bad.accuracy + 0.2
    assert (written.recordings, written.unlabelled, written.largest_class) == (30, 2, pytest.approx(1 / 3))
    assert written.chance == [pytest.approx(1 / 3), 0.25]
    assert written.interval_over == "groups of place"


def test_attraction_and_gap_are_means_by_hand(written, asked):
    true, vectors, classifiers = asked
    for result, classifier in zip(written.results, classifiers, strict=True):
        cosines, said = vectors @ classifier.class_vectors_.T, classifier.predict(vectors)
        for one in result.attraction:
            column = result.labels.index(one.label)
            assert (one.said, one.true) == ((said == one.label).mean(), (true == one.label).mean())
            assert one.mean_cosine == pytest.approx(cosines[:, column].mean())
            assert one.standard_deviation == pytest.approx(cosines[:, column].std())
        assert [one.said for one in result.attraction] == sorted((one.said for one in result.attraction), reverse=True)
        own = [cosines[item, result.labels.index(name)] for item, name in enumerate(true)]
        assert result.gap.matching == pytest.approx(np.mean(own))
        assert result.gap.other == pytest.approx((cosines.sum() - np.sum(own)) / (cosines.size - len(own)))
        different = [vectors[a] @ vectors[b] for a in range(30) for b in range(a)]
        assert result.gap.sounds == pytest.approx(np.mean(different))
        apart = vectors.mean(axis=0) - classifier.class_vectors_.mean(axis=0)
        assert result.gap.distance == pytest.approx(np.sqrt(apart @ apart))
        np.testing.assert_allclose(np.diagonal(result.prompt_cosines), 1)


def test_centring_mends_what_the_attracting_prompts_spoil(written):
    good, bad = written.results
    assert bad.attraction[0].said > 0.6 > bad.attraction[0].true
    assert bad.centred[0] > bad.accuracy
    assert good.prior_matched[0] > good.accuracy
    # "silence" is offered and never true: even shares would be a wrong prior
    assert bad.unused == ["silence"]
    assert bad.prior_matched is None
    assert (good.matched_exactly, good.matched_similarly) == (2, 1)


def test_components_are_those_of_scikit_learn():
    vectors = np.random.default_rng(22).normal(size=(40, 7)) * np.arange(1, 8)
    positions, shares = principal_components(vectors)
    oracle = PCA(2)
    expected = oracle.fit_transform(vectors)
    np.testing.assert_allclose(np.abs(positions), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(shares, oracle.explained_variance_ratio_)
    assert all(column[np.abs(column).argmax()] > 0 for column in positions.T)
    positions, shares = principal_components(np.array([[1.0, 0, 0], [3.0, 0, 0]]))
    np.testing.assert_allclose(positions, [[1, 0], [-1, 0]] if positions[0, 0] > 0 else [[-1, 0], [1, 0]], atol=1e-9)
    assert shares[0] == pytest.approx(1)
    with pytest.raises(ValueError, match="at least two vectors, got 1"):
        principal_components(np.ones((1, 3)))


def test_stars_lie_at_class_means_and_markers_at_texts():
    ax = Figure().add_subplot()
    sounds, codes = np.random.default_rng(23).normal(size=(12, 2)), np.arange(12) % 3
    draw_sounds(ax, sounds, codes, ["a", "$b$", "_c"])
    stars = np.concatenate([one.get_offsets() for one in ax.collections[1:]])
    np.testing.assert_allclose(stars, [sounds[codes == code].mean(axis=0) for code in range(3)])
    assert [one.get_text() for one in ax.texts] == ["a", "$b$", "_c"]
    assert not any(one.get_parse_math() for one in ax.texts)
    ax = Figure().add_subplot()
    draw_texts(ax, [sounds[:2], sounds[2:5]], [["a", "b"], ["a", "b", "other"]], [[0, 1], [0, 1, None]], 2, ["_x", "y"])
    places = np.concatenate([one.get_offsets() for one in ax.collections])
    np.testing.assert_allclose(places, sounds[:5])
    assert [one.get_text() for one in ax.texts] == ["a", "b", "a", "b"]
    assert [one.get_text() for one in ax.get_legend().get_texts()] == ["prompts _x", "prompts y"]


def test_markers_of_a_class_that_lie_close_together_share_a_name():
    first = np.array([[0.0, 0.0], [1.0, 1.0]])
    second = np.array([[0.01, 0.0], [0.5, 0.2]])
    ax = Figure().add_subplot()
    draw_texts(ax, [first, second], [["a", "b"], ["A", "B"]], [[0, 1], [0, 1]], 2, ["one", "two"])
    assert [text.get_text() for text in ax.texts] == ["a", "b", "B"]


def test_confusion_figure_has_true_labels_in_rows():
    ax = Figure().add_subplot()
    draw_confusion(ax, np.array([[3, 1], [0, 0]]), ["x", "y"])
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    assert {one.get_position(): one.get_text() for one in ax.texts}[(1, 0)] == "1"


@pytest.mark.parametrize("n_classes", [2, 10, 11, 60])
def test_classes_have_colours_of_their_own(n_classes):
    colours = {tuple(np.round(np.asarray(one)[:3], 3)) for one in class_colours(n_classes)}
    assert len(colours) == n_classes
    assert not any(np.ptp(one) < 0.02 for one in colours)  # grey is for what is no class


def test_the_folder_holds_numbers_pictures_and_page(written, asked):
    folder = written.page.parent
    kept = json.loads((folder / "report.json").read_text("utf-8"))
    assert kept["results"][0]["accuracy"] == written.results[0].accuracy
    assert kept["results"][0]["name"] == "good <b>words</b>"
    counts, right = (kept["results"][0]["reliability"][name] for name in ("counts", "right"))
    assert sum(counts) == 30
    assert all((value is None) == (count == 0) for value, count in zip(right, counts, strict=True))
    assert set(kept["figures"].values()) | {"report.json", "index.html"} == {one.name for one in folder.iterdir()}
    assert len(written.figures) == 3 + 2 * 5
    for path in written.figures.values():
        pixels = imread(path)[..., :3]
        assert pixels.shape[1] > 400
        assert pixels.std() > 0.02  # something is drawn


class Reader(HTMLParser):
    """Tags that a page opens, addresses that it names, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_is_whole_asks_nothing_of_anywhere_and_shows_names_as_they_are(written):
    page = written.page.read_text("utf-8")
    read = Reader(page)
    assert read.open == []
    assert read.tags.count("img") == len(written.figures)
    assert sum(address.startswith("data:image/png") for address in read.addresses) == len(written.figures)
    assert all(address.startswith(("#", "data:")) for address in read.addresses)
    assert not {"script", "iframe", "form", "b"} & set(read.tags)
    assert "default-src 'none'" in page
    assert not re.search(r"https?://", page)
    words = " ".join(read.words)
    assert "good <b>words</b>" in words
    assert "high $x$" in words
    for result in written.results:
        assert f"{100 * result.accuracy:.1f} %" in words
    assert "no sound has: silence" in words


def test_labels_match_to_the_letter_first(collection):
    table = labelled_recordings(Collection(collection), Selection("label"))
    both = Prompts("p", "", ("{}",), {"LOW-HUM": ("a",), "low_hum": ("b",), "Middle": ("c",), "high $X$": ("d",)})
    match = match_labels(table, both)
    assert match.labels == {"low_hum": "low_hum", "middle": "Middle", "high $x$": "high $X$"}
    assert (match.exact, match.similar, match.unused) == (1, 2, ("LOW-HUM",))
    unclear = Prompts("p", "", ("{}",), {"LOW-HUM": ("a",), "Low Hum": ("b",), "middle": ("c",), "deep": ("d",)})
    with pytest.raises(MmascError) as refused:
        match_labels(table, unclear)
    message = str(refused.value)
    assert (
        "'p' have no label for 2 of the collection's 3 labels (recordings): 'high $x$' (10), 'low_hum' (10)" in message
    )
    assert "1 match exactly, 0 ignoring case" in message
    assert "\n" not in message


def test_few_sounds_are_not_centred(collection, tmp_path):
    found = report(
        collection,
        "label",
        [GOOD],
        tmp_path / "r",
        where="place IN ('place0', 'place1')",
        encoder=StandIn(STANDIN_SPEC),
    )
    assert found.recordings == 12
    assert found.results[0].centred is None
    assert found.results[0].prior_matched is None


def test_command_writes_a_report_and_prints_its_numbers(collection, registered, tmp_path, capsys):
    for name, labels in (("one", "low hum: [bb]"), ("two", "LOW_HUM: [d]")):
        text = f"labels:\n  {labels}\n  middle: [bbcddd]\n  high $x$: [aabbccdddd]\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    files = [str(tmp_path / f"{name}.yaml") for name in ("one", "two")]
    command = ("report", str(collection), "--label", "label", "--prompts", *files, "--to", str(tmp_path / "out"))
    status, out, err = run(*command, "--format", "jsonl", capsys=capsys)
    assert status == 0
    printed = json.loads(out)
    assert printed == json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert [one["name"] for one in printed["results"]] == ["one", "two"]
    assert "2 recordings without a label in 'label' were left out" in err
    assert f"30 recordings, 3 labels → {tmp_path / 'out' / 'index.html'}" in err
    status, out, err = run(*command, "--format", "csv", "--quiet", capsys=capsys)
    assert (status, err) == (0, "")
    assert out.splitlines()[0].startswith("prompts,accuracy,low,high,centred,prior_matched")
    assert [line.partition(",")[0] for line in out.splitlines()[1:]] == ["one", "two"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "kind"], "has no column 'kind'; it has: label, place, same; add columns with"),
        (["--label", "same"], "column 'same' of .* holds one label only, 'one', so .* name another"),
        (["--label", "place"], r"have no label for 6 of the collection's 6 labels \(recordings\): 'place0' \(6\)"),
        (["--label", "label", "--space", "clap"], "has no space 'clap'; it has: standin"),
        (["--label", "label", "--where", "colour = 3"], "cannot read the condition 'colour = 3'"),
        (["--label", "label", "--prompts", "nothing"], "no prompt file 'nothing'; give the path of a YAML file"),
        (["--label", "label", "--prompts", "P"], "two sets of prompts are called 'p'; give each file a name:"),
        (["--label", "label", "--to", "P"], r"p\.yaml is a file; give the name of a folder"),
    ],
)
def test_what_cannot_be_studied_is_one_line(arguments, message, collection, registered, tmp_path, capsys):
    path = tmp_path / "p.yaml"
    path.write_text("labels: {low hum: [bb], middle: [bbcddd], high $x$: [aabb]}\n")
    arguments = [str(path) if word == "P" else word for word in arguments]
    command = ["report", str(collection), "--to", str(tmp_path / "out"), "--prompts", str(path), *arguments]
    status, out, err = run(*command, capsys=capsys)
    assert (status, out) == (1, "")
    assert re.search(message, err), err
    assert err.startswith("mmasc: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_spaces_without_text_and_sets_of_one_label_are_refused(collection, monkeypatch):
    with pytest.raises(MmascError, match="prompts 'labels' have one label only"):
        load_study(collection, "label", [{"middle": "a"}], encoder=StandIn(STANDIN_SPEC))
    with pytest.raises(ValueError, match="at least one set of prompts"):
        load_study(collection, "label", [])
    from mmasc.encoders.registry import ENCODERS

    monkeypatch.setitem(ENCODERS, "standin", replace(STANDIN_SPEC, modalities=("audio",)))
    with pytest.raises(MmascError, match=r"has no text \(standin\), prompts cannot be asked of it; add one that has"):
        load_study(collection, "label", [GOOD])


def test_what_the_encoder_heard_before_stands_next_to_the_figures(written, tmp_path, monkeypatch, capsys):
    known = collection_of_a_known_set(tmp_path, monkeypatch)
    (tmp_path / "p.yaml").write_text("labels:\n  loud: [bc]\n  quiet: [dd]\n")
    asked = ("--label", "kind", "--prompts", tmp_path / "p.yaml")
    status, printed, _ = run("report", known, *asked, "--to", tmp_path / "r", capsys=capsys)
    assert status == 0
    assert f"note: {SENTENCE}\n" in printed
    page = (tmp_path / "r" / "index.html").read_text("utf-8")
    assert f"<strong>* {SENTENCE}.</strong>" in page
    assert ">accuracy*<" in page
    assert json.loads((tmp_path / "r" / "report.json").read_text())["heard"]["state"] == "set"
    status, printed, _ = run("prompts", "sweep", known, *asked, capsys=capsys)
    assert f"note: {SENTENCE}\n" in printed
    _, printed, _ = run("prompts", "sweep", known, *asked, "--format", "json", capsys=capsys)
    assert json.loads(printed)["heard"]["sentence"] == SENTENCE
    # Nothing is said where nothing is known
    assert "*" not in re.sub(r"(?s)<style>.*?</style>", "", written.page.read_text("utf-8"))
    assert written.heard.state == "unknown"
