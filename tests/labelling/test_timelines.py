"""Timelines from stored vectors are those of the files: prompts, heads and networks alike."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

import mmasc
from mmasc.collection import Collection
from mmasc.encoders.embedding import embed_file
from mmasc.errors import MmascError
from mmasc.heads.zeroshot import NONE, ZeroShotClassifier
from mmasc.labelling.apply import apply_head
from mmasc.labelling.classify import classify
from mmasc.labelling.fit import fit_head
from mmasc.labelling.sources import unlabelled_vectors
from mmasc.labelling.timelines import Classification
from mmasc.networks import NETWORKS
from mmasc.networks.load import build, load_network
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.command import run
from tests.helpers.small_network import SMALL, lived_in

PROMPTS = {"up": ["abcdd"], "down": ["b", "bb"], "loud": ["bbbcccd"]}


@pytest.fixture(scope="module")
def levels(tmp_path_factory) -> Path:
    """Recordings of changing levels and lengths, one of them stereo, one half silent, one all silent."""
    folder = tmp_path_factory.mktemp("levels") / "in"
    generator = np.random.default_rng(5)
    for item, seconds in enumerate([0.4, 1.0, 3.7, 6.25, 5.0, 2.0, 9.3]):
        steps = generator.uniform(-0.9, 0.9, (40, 2 if item == 3 else 1))
        samples = np.repeat(steps, 2_000, axis=0)[: round(seconds * 8_000)]
        if item == 4:
            samples[9_000:30_000] = 0
        if item == 5:
            samples[:] = 0
        path = folder / ("deep" if item % 2 else "flat") / f"{9 - item}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, 8_000)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.wav"))
    rows = [f"{name},{'ab'[place % 2]},{place}" for place, name in enumerate(names)]
    (folder.parent / "m.csv").write_text("\n".join(["path,kind,number", *rows]) + "\n")
    return folder


def stored(levels: Path, target: Path, **cut) -> Path:
    mmasc.embed(levels, target, StandIn(STANDIN_SPEC), metadata=levels.parent / "m.csv", **cut)
    return target


def assert_alike(ones: list[Classification], others: list[Classification]) -> None:
    assert [one.path for one in ones] == [one.path for one in others]
    for one, other in zip(ones, others, strict=True):
        assert (one.label, one.labels, one.windows) == (other.label, other.labels, other.windows)
        assert (one.duration, one.sample_rate, one.status.state) == (
            other.duration, other.sample_rate, other.status.state,
        )  # fmt: skip
        for name in ("scores", "cosines", "seconds"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-6), name
        assert [(event.start, event.end, event.label) for event in one.events] == [
            (event.start, event.end, event.label) for event in other.events
        ]
        assert [event.score for event in one.events] == pytest.approx([event.score for event in other.events], abs=1e-6)


@pytest.mark.parametrize("cut", [{}, {"hop_seconds": 0.3}, {"hop_seconds": 0.5, "channels": "each"}])
def test_timelines_from_stored_vectors_are_those_of_the_files(levels, standin, tmp_path, cut):
    collection = stored(levels, tmp_path / "c", **cut)
    for options in (
        {"timeline": True},
        {"timeline": True, "threshold": 0.45, "gap_seconds": 0.6, "minimum_seconds": 0.4, "top": 2},
        {"timeline": True, "multi_label": True, "minimum_cosine": 0.3},
        {"timeline": True, "threshold": 0.5, "offset_threshold": 0.4},
        {"timeline": True, "smooth_seconds": 0.7},
        {"timeline": True, "threshold": 0.5, "trim_seconds": 0.1},
        {},
    ):
        files = list(classify(levels, PROMPTS, standin, **cut, **options))
        assert_alike(list(classify(collection, PROMPTS, standin, **options)), files)
        assert any(one.label != NONE for one in files)
        assert files[-1].events or not options
    assert {one.label for one in classify(Collection(collection), PROMPTS, standin, where="path LIKE '%/4.wav'")} == {
        NONE  # all silent
    }
    head = fit_head(collection, "kind", head="logistic", folds=2).fitted
    for options in (
        {"timeline": True},
        {"timeline": True, "threshold": 0.6, "gap_seconds": 0.5},
        {"timeline": True, "threshold": 0.55, "offset_threshold": 0.5},
        {"timeline": True, "threshold": 0.6, "trim_seconds": 0.2},
    ):
        files = list(apply_head(head, levels, encoder=standin, **options))
        assert any(one.events for one in files)
        assert_alike(list(apply_head(head, collection, **options)), files)


def test_a_condition_on_windows_cuts_the_timeline(levels, standin, tmp_path):
    collection = stored(levels, tmp_path / "c")
    whole = {one.path: one for one in classify(collection, PROMPTS, standin, timeline=True)}
    late = list(classify(collection, PROMPTS, standin, timeline=True, where="start >= 2 AND number > 2"))
    assert 0 < len(late) < len(whole)
    for one in late:
        assert one.events
        assert min(event.start for event in one.events) >= 2
        assert sum(one.windows.values()) < sum(whole[one.path].windows.values())


def test_a_collection_is_asked_with_the_encoder_that_made_it(levels, standin, registered, tmp_path):
    collection = stored(levels, tmp_path / "c", hop_seconds=0.5)
    other = StandIn(replace(STANDIN_SPEC, name="other", modalities=("audio",)))
    other.identity = "other000" * 4
    mmasc.embed(levels, collection, other)
    assert_alike(list(classify(collection, PROMPTS)), list(classify(collection, PROMPTS, standin)))
    for options, message in [
        ({"encoder": "mini"}, "has no space of mini; it has: standin .standin., other .other."),
        ({"space": "none"}, "has no space 'none'"),
        ({"space": "other", "encoder": standin}, "space 'other' of .* belongs to encoder other"),
    ]:
        with pytest.raises(MmascError, match=message):
            classify(collection, PROMPTS, **options)
    with pytest.raises(MmascError, match="not both, nor several collections"):
        classify([collection, levels], PROMPTS, standin)
    with pytest.raises(ValueError, match="of its own"):
        classify(collection, PROMPTS, standin, hop_seconds=0.5)
    with pytest.raises(ValueError, match="space and where are for a collection"):
        classify(levels, PROMPTS, standin, where="number = 1")


def test_unlabelled_sounds_are_counted_in_windows(levels, standin, tmp_path):
    long = levels / "flat" / "3.wav"
    vectors = unlabelled_vectors(long, standin, hop_seconds=0.25)
    np.testing.assert_array_equal(vectors, embed_file(long, standin, 0.25).vectors)
    assert len(vectors) == 35
    shifted = list(classify(long, PROMPTS, standin, hop_seconds=0.25, centre_on=long))
    mmasc.embed(levels, tmp_path / "c", standin, hop_seconds=0.25)
    assert_alike(list(classify(tmp_path / "c", PROMPTS, standin, centre_on=long, where="path LIKE '%/3.wav'")), shifted)
    everything = unlabelled_vectors(tmp_path / "c", standin)
    heard = np.concatenate(
        [file.vectors[file.heard] for file in mmasc.embed_files(sorted(levels.rglob("*.wav")), standin, 0.25)]
    )
    np.testing.assert_allclose(np.sort(everything, axis=0), np.sort(heard, axis=0))


@pytest.fixture
def network(tmp_path, monkeypatch) -> str:
    """A small network with weights, as "NETWORK:FILE"."""
    monkeypatch.setitem(NETWORKS, "small", SMALL)
    made = build(SMALL, classes=("frog", "owl", "rain"))
    with torch.no_grad():
        lived_in(made.body, 3)
    folder = tmp_path / "run"
    folder.mkdir()
    about = {"network": "small", "classes": made.classes, "features": made.features, "arguments": {}}
    state = {name: tensor.contiguous() for name, tensor in made.body.state_dict().items()}
    save_file(state, str(folder / "best.safetensors"), {"config": json.dumps(about)})
    return f"small:{folder}"


def test_a_network_labels_windows_with_its_own_last_layer(network, tmp_path):
    generator = np.random.default_rng(0)
    for item, seconds in enumerate((1.0, 4.5)):
        soundfile.write(tmp_path / f"{item}.wav", generator.normal(size=round(seconds * 16_000)) * 0.1, 16_000)
    sounds = [tmp_path / "0.wav", tmp_path / "1.wav"]
    answers = list(apply_head(network, sounds, timeline=True))
    loaded = load_network(network)
    for path, answer in zip(sounds, answers, strict=True):
        samples = soundfile.read(path, dtype="float32")[0]
        logits = np.stack(
            [
                loaded.scores(samples[first : first + 16_000], 16_000)
                for first in range(0, len(samples) - 15_999, 16_000)
            ]
        )
        if len(samples) > 16_000:
            last = loaded.scores(samples[-16_000:], 16_000)
            mean = (logits.sum(axis=0) + 0.5 * last) / 4.5
        else:
            mean = logits[0]
        expected = np.exp(mean - mean.max())
        assert list(answer.scores.values()) == pytest.approx(list(expected / expected.sum()), rel=1e-4)
        assert list(answer.scores) == ["frog", "owl", "rain"]
        assert sum(answer.windows.values()) == len(logits) + (len(samples) > 16_000)
        first = np.exp(logits[0] - logits[0].max())
        assert answer.events[0].label == list(answer.scores)[logits[0].argmax()]
        if len(samples) == 16_000:
            assert answer.events[0].score == pytest.approx((first / first.sum()).max(), rel=1e-4)
    # The folder of the run alone, and vectors that were stored before
    assert_alike(list(apply_head(network.partition(":")[2], sounds, timeline=True)), answers)
    mmasc.embed(sounds, tmp_path / "c", network)
    assert_alike(list(apply_head(network, tmp_path / "c", timeline=True)), answers)
    (tmp_path / "run" / "config.json").write_text('{"loss": "bce"}')
    several = next(apply_head(network, sounds, threshold=0.0))
    assert set(several.labels) == {"frog", "owl", "rain"}
    assert sum(several.scores.values()) != pytest.approx(1)


def test_what_is_no_network_is_said(network, levels, standin, tmp_path):
    stored(levels, tmp_path / "c")
    with pytest.raises(MmascError, match="belongs to network small with identity .* not to standin"):
        apply_head(network, tmp_path / "c")
    with pytest.raises(MmascError, match="neither a head nor a run"):
        apply_head(tmp_path, levels)


def test_commands_label_a_collection_in_every_format(levels, registered, tmp_path, monkeypatch, capsys):
    collection = stored(levels, tmp_path / "c")
    fit_head(collection, "kind", head="logistic", folds=2, out=tmp_path / "k.head")
    (tmp_path / "p.yaml").write_text("labels:\n  up: [abcdd]\n  down: [b, bb]\n  loud: [bbbcccd]\n")
    for command in (("classify", "--prompts", tmp_path / "p.yaml"), ("head", "apply", tmp_path / "k.head")):
        encoder = ("--encoder", registered) if command[0] == "classify" else ()
        _, of_files, _ = run(*command, levels, *encoder, "--timeline", "--format", "jsonl", "-q", capsys=capsys)
        status, printed, _ = run(*command, collection, "--timeline", "--format", "jsonl", "-q", capsys=capsys)
        ones, others = ([json.loads(line) for line in text.splitlines()] for text in (printed, of_files))
        assert status == 0
        assert [one.keys() for one in ones] == [one.keys() for one in others]
        assert [[event["label"] for event in one["events"]] for one in ones] == [
            [event["label"] for event in one["events"]] for one in others
        ]
        for form in ("audacity", "raven"):
            target = tmp_path / f"{command[0]}-{form}"
            assert run(*command, collection, "--format", form, "--to", target, "-q", capsys=capsys)[0] == 0
            written = sorted(str(path.relative_to(target)) for path in target.rglob("*.txt"))
            assert written == sorted(f"{path.relative_to(levels)}.{form}.txt" for path in levels.rglob("*.wav"))
        status, printed, err = run(*command, collection, "--where", "number < 0", capsys=capsys)
        assert (status, printed, err) == (0, "", "no recording meets the condition of --where\n")
        status, _, err = run(*command, collection, "--hop", "0.5", "--channels", "each", capsys=capsys)
        assert status == 2
        assert "a collection was embedded already: leave out --hop, --channels" in " ".join(err.split())
    status, _, err = run("head", "apply", tmp_path / "k.head", levels, "--hop", "0.5", capsys=capsys)
    assert status == 2
    assert "a head hears recordings as it was fitted" in err


def test_clips_are_the_events_of_a_head(annotated, tmp_path, capsys):
    """`mmasc clips --head` cuts what `head apply --timeline` names."""
    from mmasc.labelling.fit_moments import fit_moments

    head = tmp_path / "levels.head"
    fit_moments(annotated, out=head)
    events = [
        (answer.path, event.start, event.end, event.label, event.score)
        for answer in apply_head(head, annotated, timeline=True)
        for event in answer.events
    ]
    places = [*("clips", annotated, "--head", head, "--to")]
    status, out, _ = run(*places, tmp_path / "all", "--format", "jsonl", capsys=capsys)
    cut = [json.loads(line) for line in out.splitlines()]
    assert (status, [tuple(one[name] for name in ("path", "start", "end", "label", "score")) for one in cut]) == (
        0,
        events,
    )
    assert all((tmp_path / "all" / one["clip"]).is_file() for one in cut)
    status, out, _ = run(
        *places, tmp_path / "up", "--label", "up", "-k", "3", "--spread", "1", "--format", "jsonl", capsys=capsys
    )
    found = [json.loads(line) for line in out.splitlines()]
    assert [one["label"] for one in found] == ["up"] * 3
    assert len({one["path"] for one in found}) == 3
    assert max(one["score"] for one in found) == max(event[4] for event in events if event[3] == "up")
    for arguments, message in [
        (("--head", head, "rain"), "one of these"),
        (("--label", "up", "--threshold", "0.5"), "are about --head"),
        (("--head", head, "--best"), "leave it out"),
    ]:
        status, _, err = run("clips", annotated, *arguments, "--to", tmp_path / "no", capsys=capsys)
        assert (status, message in " ".join(err.split())) == (2, True)
    status, _, err = run(*places, tmp_path / "no", "--label", "cat", capsys=capsys)
    assert (status, "has no label 'cat'; labels: down, loud, up" in err) == (1, True)


def test_a_recording_is_its_own_background(tmp_path, capsys):
    """A label is said where its cosine stands out in its recording, by the rule applied to vectors by hand."""
    generator = np.random.default_rng(3)
    for name, seconds in (("long", 60), ("short", 5)):
        steps = 0.3 + 0.02 * generator.standard_normal(seconds)
        steps[2] = -0.7
        samples = np.repeat(steps, 8_000) * np.sign(generator.standard_normal(seconds * 8_000) + 3)
        (tmp_path / "in").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "in" / f"{name}.wav", samples, 8_000)
    encoder = StandIn(STANDIN_SPEC)
    mmasc.embed(tmp_path / "in", tmp_path / "c", encoder)
    answers = classify(tmp_path / "in", PROMPTS, encoder, timeline=True, background="own")
    found = {Path(answer.path).stem: answer for answer in answers}
    assert answers.remarks == [
        "1 recording has fewer than 20 windows to be its own background: nothing had to stand out there"
    ]
    plain = ZeroShotClassifier(encoder).fit(PROMPTS)
    for name, answer in found.items():
        vectors = embed_file(tmp_path / "in" / f"{name}.wav", encoder).vectors
        cosines = plain.decision_function(vectors)
        best = cosines.argmax(axis=1)
        deviations = np.median(np.abs(cosines - np.median(cosines, axis=0)), axis=0) * 1.4826
        out = (cosines - np.median(cosines, axis=0)) / np.maximum(deviations, 1e-3)
        said = out[np.arange(len(best)), best] >= 3 if name == "long" else np.ones(len(best), bool)
        expected = {label: float(sum(said & (best == place))) for place, label in enumerate(plain.classes_.tolist())}
        assert answer.seconds == expected
    assert 0 < sum(found["long"].seconds.values()) < 30
    with pytest.raises(ValueError, match="about timelines"):
        classify(tmp_path / "in", PROMPTS, encoder, background="own")
    pooled = classify(tmp_path / "in", PROMPTS, encoder, timeline=True, background=tmp_path / "c")
    assert sum(answer.seconds[label] for answer in pooled for label in PROMPTS) < 30
    status, _, err = run("classify", tmp_path / "in", "--prompts", "demo", "--background", "own", capsys=capsys)
    assert (status, "add --timeline" in err) == (2, True)


def test_what_a_head_says_stands_out_in_its_recording(annotated, tmp_path, capsys):
    """With a background of its own, a window is said whose logit lies three deviations above the recording's median."""
    from mmasc.labelling.fit_moments import fit_moments

    head = tmp_path / "levels.head"
    fitted = fit_moments(annotated, head="prototypes", out=head).fitted
    levels = 0.02 * np.random.default_rng(1).standard_normal(40) - 0.2
    levels[7] = 0.85
    soundfile.write(tmp_path / "field.wav", np.repeat(levels, 8_000), 8_000)
    encoder = StandIn(STANDIN_SPEC)
    (answer,) = apply_head(head, tmp_path / "field.wav", encoder=encoder, timeline=True, background="own")
    scores = fitted.predict_proba(embed_file(tmp_path / "field.wav", encoder).vectors)
    inside = np.clip(scores, 1e-9, 1 - 1e-9)
    logits = np.log(inside / (1 - inside))
    deviations = np.maximum(1.4826 * np.median(abs(logits - np.median(logits, axis=0)), axis=0), 1e-3)
    said = (scores >= fitted.stamp.thresholds) & (logits >= np.median(logits, axis=0) + 3 * deviations)
    assert answer.seconds == dict(zip(["down", "loud", "up"], said.sum(axis=0).astype(float).tolist(), strict=True))
    assert answer.seconds["up"] >= 1
    for arguments in ((), ("--timeline", "--background", "other")):
        status, _, _ = run("head", "apply", head, annotated, "--background", "own", *arguments, capsys=capsys)
        assert status == 2
    with pytest.raises(ValueError, match="timeline=True"):
        apply_head(head, annotated, background="own")
