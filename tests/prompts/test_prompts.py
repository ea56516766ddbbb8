"""Prompt files: what is read, what is refused with which line and mend, what lint finds, what is bundled."""

import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.special import softmax

from mmasc.cli import cli
from mmasc.cli.lists import ListCommand
from mmasc.errors import MmascError
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.prompts.lint import lint
from mmasc.prompts.prompts import Prompts, as_prompts, bundled_prompts, load_prompts
from mmasc.prompts.reader import MAX_BYTES, Finding, read_fields
from mmasc.studies.prompt_sweep import entropy_weights, sweep_prompts
from mmasc.studies.study import load_study, text_vectors
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.studies import make_collection

GOOD = """\
name: town  # a comment
description: Two sounds
templates: ["{}", "the sound of {}"]
labels:
  church_bells: [church bells, bells ringing]
  tram: a tram   that
    passes
"""

# what the file holds, line of the first fault, a part of the message
HOSTILE = {
    "unknown key": ("lables: {a: [b]}\n", 1, r"unknown key 'lables'; did you mean 'labels'\?"),
    "strange key": ("labels: {a: [b]}\nzzz: 1\n", 2, "unknown key 'zzz'; known keys: name, description, templates"),
    "no labels": ("name: x\n", 1, "no labels; add labels:"),
    "labels a list": ("name: x\nlabels: [dog, rain]\n", 2, "labels must be a mapping"),
    "labels nothing": ("labels:\n", 1, "labels must be a mapping"),
    "label without phrases": ("labels:\n  dog: []\n", 2, "label 'dog' must be a list of texts that is not empty"),
    "label with nothing": ("labels:\n  dog:\n  rain: [rain]\n", 2, "label 'dog' must be a list of texts"),
    "label a mapping": ("labels:\n  dog: {bark: loud}\n", 2, "label 'dog' must be a list of texts"),
    "empty phrase": ("labels:\n  dog:\n    - bark\n    - ' '\n", 4, "a phrase of 'dog' is empty"),
    "empty label": ("labels:\n  '': [x]\n", 2, "a label is empty"),
    "no as a label": ("labels:\n  yes: [x]\n  no: [y]\n", 2, "'yes', is true or false to YAML.*quote it: \"yes\""),
    "no as a phrase": ("labels:\n  a: [x, no]\n", 2, "a phrase of 'a', 'no', is true or false .*quote it: \"no\""),
    "number": ("labels:\n  a:\n  - 1\n", 3, "'1', is a number to YAML, not a text; quote it: \"1\""),
    "date": ("labels:\n  a: 2020-01-01\n", 2, "is a date to YAML"),
    "null": ("labels:\n  a: [~]\n", 2, "is nothing to YAML"),
    "phrase a mapping": ("labels:\n  a:\n  - dog: barking\n", 3, "a phrase of 'a' must be a text; quote it"),
    "name a number": ("name: 10\nlabels: {a: [b]}\n", 1, "the name, '10', is a number to YAML"),
    "equal labels": ("labels:\n  a: [x]\n  b: [y]\n  a: [z]\n", 4, "label 'a' stands already in line 2; keep one"),
    "equal keys": ("labels: {a: [b]}\nlabels: {c: [d]}\n", 2, "key 'labels' stands already in line 1"),
    "equal phrases": ("labels:\n  a:\n  - Rain\n  - rain\n", 4, "phrase 'rain' stands twice under 'a'"),
    "equal templates": ("templates:\n- a {}\n- a {}\nlabels: {a: [b]}\n", 3, "template 'a {}' stands twice"),
    "template without place": ("templates: [a sound]\nlabels: {a: [b]}\n", 1, "'a sound' has no {}; .*exactly one"),
    "template with two": ("templates: ['{} {}']\nlabels: {a: [b]}\n", 1, "has two or more {}; it needs exactly one"),
    "bare braces": ("templates: [{}]\nlabels: {a: [b]}\n", 1, 'a bare {} is an empty mapping to YAML; quote it: "{}"'),
    "no templates": ("templates: []\nlabels: {a: [b]}\n", 1, "templates must be a list of texts"),
    "alias": ("labels:\n  a: &x [p]\n  b: *x\n", 2, "anchors and aliases .* are not allowed"),
    "bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", 1, "anchors and aliases"),
    "merge key": ("labels:\n  <<: {a: [b]}\n", 2, 'quote it: "<<"'),
    "depth": ("labels: " + "[" * 100_000, 1, "nested too deeply"),
    "nested label": ("labels:\n  a:\n  - - - - x\n", 3, "nested too deeply"),
    "code": ("labels:\n  a: !!python/object/apply:os.system ['true']\n", 2, "tags .* are not allowed"),
    "tag": ("labels:\n  a: [!!str 1]\n", 2, "tags .* are not allowed"),
    "huge": ("#" * (MAX_BYTES + 1), 1, "larger than 1,000,000 bytes"),
    "tab": ("labels:\n\ta: [b]\n", 2, "a tab where YAML wants spaces; indent with spaces"),
    "open list": ("labels:\n  a: [b\n  c: [d]\n", 3, r"not YAML \(.*\); fix the indentation"),
    "indentation": ("labels:\n  a: [b]\n   c: [d]\n", 3, r"not YAML \(.*\); fix the indentation"),
    "open quote": ('labels:\n  a: ["b]\n', 3, "not YAML"),
    "two documents": ("labels: {a: [b]}\n---\nlabels: {a: [b]}\n", 2, "a second document begins"),
    "latin-1": (b"labels:\n  a: [b]\n  b: [caf\xe9]\n", 3, "not UTF-8; save the file as UTF-8"),
    "utf-16": ("labels: {a: [b]}\n".encode("utf-16"), 1, "not UTF-8"),
    "binary": (b"labels:\n  a: [\x00\x01]\n", 2, "character #x00 is not allowed"),
    "control character": ('labels:\n  a: ["b\\ac"]\n', 2, "holds a control character"),
    "empty": ("", 1, "the file is empty"),
    "only comments": ("# nothing\n\n", 1, "the file is empty"),
    "groups a list": ("labels: {a: [b]}\ngroups: [a]\n", 2, "groups must be a mapping"),
    "group with nothing": ("labels: {a: [b]}\ngroups:\n  x: []\n", 3, "group 'x' must be a list of texts"),
    "group of a stranger": ("labels: {dog: [b]}\ngroups: {x: [dogs]}\n", 2, "'dogs' in group 'x' .*mean 'dog'"),
    "label in two groups": ("labels: {a: [b]}\ngroups:\n  x: [a]\n  y: [a]\n", 4, "label 'a' stands twice in gro"),
    "equal groups": ("labels: {a: [b], c: [d]}\ngroups:\n  x: [a]\n  x: [c]\n", 4, "group 'x' stands twice"),
    "list": ("- dog\n- rain\n", 1, "not a mapping"),
    "text": ("just words\n", 1, "not a mapping"),
}


def write(folder: Path, content: str | bytes, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_label_that_stands_three_times_is_told_by_its_first_line():
    fields, found = read_fields(b"labels:\n  a: [x]\n  a: [y]\n  b: [z]\n  a: [w]\n", "mine")
    assert fields["labels"] == {"a": ("x",), "b": ("z",)}
    assert [(one.line, "already in line 2;" in one.message) for one in found] == [(3, True), (5, True)]


def test_good_file_is_read_as_written(tmp_path):
    path = write(tmp_path, "\ufeff" + GOOD)
    assert load_prompts(path) == Prompts(
        name="town",
        description="Two sounds",
        templates=("{}", "the sound of {}"),
        labels={"church_bells": ("church bells", "bells ringing"), "tram": ("a tram that passes",)},
        path=path,
    )


def test_groups_hold_labels_wherever_they_stand_in_the_file(tmp_path):
    text = "groups:\n  pets: [dog, cat]\n  dog: [wolf]\nlabels: {cat: [c], dog: [d], wolf: [w], rain: [r]}\n"
    read = load_prompts(write(tmp_path, text))
    assert read.groups == {"pets": ("dog", "cat"), "dog": ("wolf",)}
    assert read.group_of == {"dog": "pets", "cat": "pets", "wolf": "dog"}
    assert read.lines["dog", ""] == 4
    with pytest.raises(ValueError, match="each in one group"):
        Prompts("x", "", ("{}",), {"a": ("b",)}, groups={"one": ("a",), "two": ("a",)})


def test_least_file_takes_its_name_from_the_file(tmp_path):
    read = load_prompts(str(write(tmp_path, "labels: {b: [x], a: y}")))
    assert (read.name, read.description, read.templates) == ("mine", "", ("{}",))
    assert list(read.labels.items()) == [("b", ("x",)), ("a", ("y",))]


def test_expand_puts_every_phrase_through_every_template():
    prompts = Prompts("p", "", ("{}", "a {{curly}} {}", "{}"), {"x": ("one", "two")})
    assert prompts.expand() == {"x": ["one", "a {{curly}} one", "two", "a {{curly}} two"]}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_with_line_and_mend(tmp_path, case):
    content, line, message = HOSTILE[case]
    path = write(tmp_path, content)
    with pytest.raises(MmascError, match=message) as refused:
        load_prompts(path)
    text = str(refused.value)
    assert text.startswith(f"{path}, line {line}: ")
    assert "\n" not in text
    assert len(text) < len(str(path)) + 250
    found = lint(path)
    assert found[0].level == "error"
    assert found[0].line == line


def test_errors_are_collected_and_counted(tmp_path):
    path = write(tmp_path, "colour: red\nlabels:\n  a: []\n  b: [1]\n")
    with pytest.raises(MmascError, match=r"line 1: unknown key 'colour'.* \(and 2 more: see `mmasc prompts lint`\)"):
        load_prompts(path)
    assert [finding.line for finding in lint(path)] == [1, 3, 4]


def test_endless_file_is_not_read_to_its_end():
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero here")
    with pytest.raises(MmascError, match="larger than"):
        load_prompts("/dev/zero")


def test_masses_of_texts_are_refused_before_they_take_minutes(tmp_path, monkeypatch):
    monkeypatch.setattr("mmasc.prompts.reader.MAX_NODES", 20)
    # file, keys (2), name, labels, each label (2) with its list (2), phrases (10): 19 nodes; then two more
    text = "name: x\nlabels:\n  a: [b, c, d, e, f, g]\n  h: [i, j, k, l]\n"
    assert load_prompts(write(tmp_path, text)).labels["h"] == ("i", "j", "k", "l")
    with pytest.raises(MmascError, match="line 5: more than 20 texts"):
        load_prompts(write(tmp_path, text + "  m: n"))


def test_missing_file_names_the_bundled_ones_and_a_folder_is_refused(tmp_path):
    with pytest.raises(MmascError, match=r"no prompt file 'esc5'; give the path of a YAML file or one of: .*esc50"):
        load_prompts("esc5")
    with pytest.raises(MmascError, match="is a folder"):
        load_prompts(tmp_path)


def test_a_file_of_a_bundled_name_is_reached_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "labels: {a: [b]}", "esc10")
    assert len(load_prompts("esc10").labels) == 10
    assert len(load_prompts("./esc10").labels) == 1
    assert len(load_prompts(Path("esc10")).labels) == 1


def test_mappings_become_prompts_and_bad_ones_are_argument_errors():
    assert as_prompts({"a": "x", "b": ["y", "z"]}).labels == {"a": ("x",), "b": ("y", "z")}
    for bad in ({}, {"a": []}, {"a": [" "]}, {" ": ["x"]}):
        with pytest.raises(ValueError, match="label"):
            as_prompts(bad)
    with pytest.raises(ValueError, match="exactly once"):
        Prompts("p", "", ("no place",), {"a": ("x",)})


BUNDLED_SIZES = {
    "esc10": 10,
    "esc50": 50,
    "urbansound8k": 10,
    "tau2020-simple": 10,
    "tau2020-complex": 10,
    "audioset-speech": 10,
    "base-words": 428,
    "base-strict-words": 412,
    "mini-words": 235,
    "mini-strict-words": 232,
}


@pytest.mark.parametrize("name", BUNDLED_SIZES)
def test_bundled_files_are_complete_and_clean(name):
    assert name in bundled_prompts()
    read = load_prompts(name)
    assert read.name == name
    assert len(read.labels) == BUNDLED_SIZES[name]
    assert read.description
    assert lint(name) == []


@pytest.mark.parametrize("name", bundled_prompts())
def test_every_bundled_file_is_named_like_itself(name):
    assert load_prompts(name).name == name
    assert (files("mmasc.prompt_files") / f"{name}.yaml").is_file()


def test_bundled_labels_are_what_tables_of_the_datasets_hold():
    esc10, esc50 = load_prompts("esc10").labels, load_prompts("esc50").labels
    # every kind of ESC-10 is one of ESC-50, described alike
    assert {label: esc50[label] for label in esc10} == esc10
    # the corners of ESC-50's five groups of ten, from its table of targets
    corners = ["dog", "crow", "rain", "thunderstorm", "crying_baby", "drinking_sipping", "door_wood_knock"]
    corners += ["glass_breaking", "helicopter", "hand_saw"]
    assert [list(esc50)[target] for target in (0, 9, 10, 19, 20, 29, 30, 39, 40, 49)] == corners
    urban = "air_conditioner car_horn children_playing dog_bark drilling engine_idling gun_shot jackhammer siren"
    assert " ".join(load_prompts("urbansound8k").labels) == f"{urban} street_music"
    scenes = list(load_prompts("tau2020-simple").labels)
    assert scenes == sorted(scenes) == list(load_prompts("tau2020-complex").labels)
    assert scenes[3] == "metro_station"


def test_scene_prompts_are_the_studys_to_the_letter():
    assert [phrases for (phrases,) in load_prompts("tau2020-simple").labels.values()] == [
        "airport hall",
        "bus",
        "metro",
        "metro station",
        "park",
        "public square",
        "shopping mall",
        "pedestrian in the street",
        "urban street traffic",
        "tramway",
    ]
    assert [phrases for (phrases,) in load_prompts("tau2020-complex").labels.values()] == [
        "recording inside a busy airport station",
        "recording inside a travelling bus",
        "recording inside a travelling metro",
        "recording in a metro station",
        "recording of an urban outdoor park in a city",
        "recording of a large urban outdoor public square",
        "recording inside of a shopping mall",
        "recording of an urban street made by a walking pedestrian",
        "recording of the urban street car traffic",
        "recording inside a travelling tramway",
    ]


def test_lint_finds_underscores_and_shared_phrases_by_line(tmp_path):
    path = write(tmp_path, "templates: ['a_sound of {}']\nlabels:\n  a: [x_y, same]\n  b:\n  - z\n  - Same\n")
    assert lint(path) == [
        Finding(1, "warning", "'a_sound of {}' has underscores; write 'a sound of {}'"),
        Finding(3, "warning", "'x_y' has underscores; write 'x y'"),
        Finding(6, "warning", "'Same' stands under 'a' and 'b'; keep it under one"),
    ]
    assert lint({"a": "x"}) == [
        Finding(None, "warning", "only one label: every sound gets it unless a least cosine is set")
    ]


class Picky(StandIn):
    context_tokens = 3

    def unknown_words(self, text):
        return [word for word in text.split() if word.startswith("q")]


def test_lint_asks_the_encoder(tmp_path):
    text = "labels:\n  a: [a]\n  also: [aa aaa aaaa aaaaa]\n  b: [b qux quux]\n"
    found = lint(write(tmp_path, text), Picky(STANDIN_SPEC))
    assert [(finding.line, finding.level) for finding in found] == [(3, "error"), (3, "warning"), (4, "warning")]
    assert "becomes 4 words, standin reads 3 tokens" in found[0].message
    # letter counts plus 0.1: (1.1, 0.1, 0.1, 0.1) and (14.1, 0.1, 0.1, 0.1)
    first, second = np.array([1.1, 0.1, 0.1, 0.1]), np.array([14.1, 0.1, 0.1, 0.1])
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert f"'a' and 'also' are hard to tell apart for standin: cosine {cosine:.3f}" in found[1].message
    assert "standin does not know 'qux', 'quux' in 'b qux quux'" in found[2].message


def test_lint_counts_the_words_of_the_longest_template(tmp_path):
    text = "templates: ['{}', 'here comes a {}']\nlabels:\n  a: [aab]\n  b: [bbc]\n"
    found = lint(write(tmp_path, text), Picky(STANDIN_SPEC))
    assert [(one.line, one.message.partition(",")[0]) for one in found] == [
        (3, "'aab' becomes 4 words"),
        (4, "'bbc' becomes 4 words"),
    ]


class Latin(StandIn):
    def _text(self, texts):
        if not all(text.isascii() for text in texts):
            raise MmascError(f"cannot read {texts[0]!r}: write it in Latin letters")
        return super()._text(texts)


def test_lint_finds_what_the_encoder_cannot_read_and_raises_where_it_reads_nothing(tmp_path):
    path = write(tmp_path, "labels:\n  a: [a]\n  b: [дождь]\n  also: [aa aaa]\n")
    assert lint(path, Latin(STANDIN_SPEC)) == [
        Finding(3, "error", "cannot read 'дождь': write it in Latin letters"),
    ]
    with pytest.raises(MmascError, match="holds audio, no text; choose another encoder"):
        lint(path, StandIn(replace(STANDIN_SPEC, modalities=("audio",))))


def test_command_lists_bundled_files_and_labels(tmp_path):
    listed = CliRunner().invoke(cli, ["prompts", "list", "--format", "json"])
    assert listed.exit_code == 0
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert {name: rows[name]["labels"] for name in BUNDLED_SIZES} == BUNDLED_SIZES
    assert rows["tau2020-simple"]["phrases"] == 10
    one = CliRunner().invoke(cli, ["prompts", "list", str(write(tmp_path, GOOD)), "--format", "csv"])
    assert one.stdout == "label,phrases\nchurch_bells,church bells; bells ringing\ntram,a tram that passes\n"


def test_command_lint_exits_with_1_on_errors_only(tmp_path):
    bad = write(tmp_path, "labels:\n  a: []\n", "bad.yaml")
    fair = write(tmp_path, "labels:\n  a: [x_y]\n  b: [z]\n", "fair.yaml")
    run = CliRunner().invoke(cli, ["prompts", "lint", str(bad), str(fair), "--format", "jsonl"])
    assert run.exit_code == 1
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(row["file"], row["line"], row["level"]) for row in rows] == [
        (str(bad), 2, "error"),
        (str(fair), 2, "warning"),
    ]
    assert run.stderr == "2 files: 1 error, 1 warning\n"
    run = CliRunner().invoke(cli, ["prompts", "lint", str(fair)])
    assert (run.exit_code, run.stderr) == (0, "1 file: 0 errors, 1 warning\n")
    assert "underscores" in run.stdout


SAID = Prompts(
    "said", "", ("{}", "{} dd"), {"low hum": ("bb", "bbb c"), "middle": ("bbcddd",), "high $x$": ("abcdddd",)}
)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """A collection of thirty labelled recordings with vectors of the stand-in encoder."""
    return make_collection(tmp_path_factory.mktemp("sweep"))


def objective(weights, logits, regularisation):
    """What entropy_weights minimises, written out."""
    p, anchor = softmax(np.tensordot(weights, logits, 1), axis=1), softmax(logits.mean(axis=0), axis=1)
    entropy = -(p * np.log(p)).sum(axis=1)
    divergence = (anchor * np.log(anchor / p)).sum(axis=1)
    return (entropy + divergence).mean() + regularisation * (weights * np.log(weights * len(weights))).sum()


@pytest.mark.parametrize("regularisation", [0.02, 0.1, 1.0])
def test_entropy_weights_are_the_minimum_on_a_grid(regularisation):
    logits = np.random.default_rng(31).normal(size=(3, 40, 4)) * np.array([4.0, 1.0, 2.0])[:, None, None]
    weights = entropy_weights(logits, regularisation)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all()
    best = objective(weights, logits, regularisation)
    grid = np.linspace(0.01, 0.98, 40)
    others = [
        objective(np.array([a, b, 1 - a - b]), logits, regularisation) for a in grid for b in grid if a + b < 0.995
    ]
    assert best <= min(others) + 1e-6
    assert best < objective(np.full(3, 1 / 3), logits, regularisation)
    assert weights[0] == weights.max()  # the surest variant


def test_entropy_weights_of_equal_variants_are_even_and_follow_their_order():
    logits = np.random.default_rng(32).normal(size=(1, 30, 5)) * 3
    np.testing.assert_allclose(entropy_weights(np.repeat(logits, 4, axis=0)), 0.25, atol=1e-9)
    np.testing.assert_array_equal(entropy_weights(logits), [1.0])
    several = np.random.default_rng(33).normal(size=(4, 30, 5)) * np.arange(1, 5)[:, None, None]
    np.testing.assert_allclose(entropy_weights(several[::-1]), entropy_weights(several)[::-1], atol=1e-6)
    # a strong hold on even weights wins
    np.testing.assert_allclose(entropy_weights(several, 1e4), 0.25, atol=1e-3)
    with pytest.raises(ValueError, match="regularisation must be 0 or more"):
        entropy_weights(several, -1.0)


def test_variants_are_phrases_through_templates(standin):
    vectors = text_vectors(SAID, standin)
    assert vectors.shape == (4, 3, 4)
    expected = standin.embed_text(["bb", "bbcddd", "abcdddd", "bbb c", "bbb c dd"])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors[0], expected[:3], rtol=1e-6)
    np.testing.assert_allclose(vectors[1, 0], expected[3], rtol=1e-6)
    np.testing.assert_allclose(vectors[1, 1:], expected[1:3], rtol=1e-6)  # one phrase: it begins again
    np.testing.assert_allclose(vectors[3, 0], expected[4], rtol=1e-6)


def test_sweep_rows_are_the_accuracies_of_the_classifier(labelled, standin):
    templates = ["{}", "aaa {}"]
    found = sweep_prompts(
        labelled, "label", [SAID, {"low hum": "d", "middle": "c", "high $x$": "b"}], templates, encoder=standin
    )
    study = load_study(labelled, "label", [SAID], encoder=standin)
    true = study.true(0)
    rows = {(row.prompts, row.way, row.template): row for row in found.rows}

    def accuracy(prompts):
        return (ZeroShotClassifier(standin).fit(prompts).predict(study.vectors) == true).mean()

    assert rows["said", "as written", None].accuracy == pytest.approx(accuracy(SAID))
    for template in templates:
        through = replace(SAID, templates=(template,))
        assert rows["said", "template", template].accuracy == pytest.approx(accuracy(through))
    second = {"low hum": "bbb c dd", "middle": "bbcddd dd", "high $x$": "abcdddd dd"}
    assert rows["said", "variant", "phrase 2: {} dd"].accuracy == pytest.approx(accuracy(second))
    weighted = rows["said", "weighted by entropy", None]
    assert sum(weighted.weights.values()) == pytest.approx(1)
    assert list(weighted.weights)[:3] == ["phrase 1: {}", "phrase 2: {}", "phrase 1: {} dd"]
    written = [row.accuracy for row in found.rows if row.way in ("as written", "template", "variant")]
    assert (found.best, found.worst, found.spread) == (max(written), min(written), max(written) - min(written))
    assert found.spread > 0.1
    assert all(row.interval[0] <= row.accuracy <= row.interval[1] for row in found.rows)
    assert {row.prompts for row in found.rows if row.way == "centred"} == {"said", "labels"}
    assert found.matches["said"] == {"exact": 2, "similar": 1, "unused": 0}
    assert (found.recordings, found.unlabelled, found.classes) == (30, 2, 3)


def test_command_sweeps_files_and_templates(labelled, registered, tmp_path):
    text = "labels:\n  low hum: [{}]\n  middle: [bbcddd]\n  high $x$: [abcdddd]\n"
    files = [str(write(tmp_path, text.replace("{}", word), f"{word}.yaml")) for word in ("bb", "ddd")]
    command = ["prompts", "sweep", str(labelled), "--label", "label", "--prompts", *files]
    done = CliRunner().invoke(cli, [*command, "--templates", "{}", "a {}", "--format", "jsonl"])
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["prompts"] for row in rows if row["way"] == "template"] == ["bb", "bb", "ddd", "ddd"]
    assert all(0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 for row in rows)
    assert "bb: 1 label matches only when case, underscores and hyphens are ignored" in done.stderr
    assert "30 recordings, 3 labels: the choice of words changes the accuracy by" in done.stderr
    done = CliRunner().invoke(cli, [*command, "--format", "json", "--quiet"])
    assert (done.exit_code, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["spread"] == report["best"] - report["worst"] > 0
    done = CliRunner().invoke(cli, [*command, "--templates", "{}", "a {}", "--format", "csv", "--quiet"])
    weighted = [line for line in done.stdout.splitlines() if ",weighted by entropy," in line]
    assert len(weighted) == 2
    assert re.search(r",phrase 1: \{\}: 0\.\d{4}; phrase 1: a \{\}: 0\.\d{4}$", weighted[0])
    done = CliRunner().invoke(cli, [*command, "--templates", "no place"])
    assert done.exit_code == 2
    assert "a template must contain {} exactly once, got 'no place'" in done.stderr


def test_sweep_says_what_is_missing(labelled):
    with pytest.raises(MmascError, match="has no column 'kind'; it has: label, place, same"):
        sweep_prompts(labelled, "kind", [SAID])
    with pytest.raises(MmascError, match=r"no label for 1 of the collection's 3 .*: 'middle' \(10\); 0 match"):
        sweep_prompts(labelled, "label", [{"LOW-hum": "a", "High $X$": "b"}])


def test_lists_end_at_the_next_option():
    command = ListCommand("c", params=[], callback=lambda **options: options)
    command.params += [
        click.Argument(["what"]),
        click.Option(["--many"], multiple=True),
        click.Option(["--one"]),
        click.Option(["--on"], is_flag=True),
    ]

    def read(*words):
        return command.main(list(words), standalone_mode=False)

    assert read("x", "--many", "a", "b", "--one", "c", "--on") == {
        "what": "x",
        "many": ("a", "b"),
        "one": "c",
        "on": True,
    }
    assert read("x", "--many", "a", "--many", "b", "c")["many"] == ("a", "b", "c")
    assert read("--many", "a", "b", "--", "x") == {"what": "x", "many": ("a", "b"), "one": None, "on": False}
    assert read("--one", "-", "x")["what"] == "x"
