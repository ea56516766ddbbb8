"""The demo: from a folder to a page that holds everything; names of files are not trusted, bad files do not stop it."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import matplotlib
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from mmasc.cli import cli
from mmasc.cli.doctor import examine
from mmasc.collection import Collection
from mmasc.demo.clips import Wanted, make_clips
from mmasc.demo.content import Clip, Entry, HitView, MapPoint, PageContent, Question, Verdict
from mmasc.demo.label_places import Placed, place_labels
from mmasc.demo.page import render_page
from mmasc.demo.pictures import PICTURE, draw_map, draw_spectrogram, map_positions, spectrogram, spectrogram_image
from mmasc.demo.result import HITS
from mmasc.demo.run import SYNTH_QUESTIONS, run_demo
from mmasc.demo.sounds import make_sounds
from mmasc.errors import MmascError
from mmasc.synth import SYNTH

matplotlib.use("Agg")
EVIL = "<img src=x onerror=alert(1)>\"'&amp;"


class Page(HTMLParser):
    """The page as a browser's parser sees it: tags with attributes, and the text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.open = [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open[-1:]):
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def tone(path, hertz=440.0, seconds=1.0, rate=8_000):
    """A sine tone as a WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate), rate)
    return path


def assert_contained(html):
    """The page asks nobody for anything: every address is inside it."""
    page = Page(html)
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "poster", "action", "data"):
            if name in attrs:
                assert attrs[name].startswith(("data:", "#")), (tag, attrs[name][:80])
        assert not any(name.startswith("on") for name in attrs), f"no script in attributes: {tag}"
    for address in re.findall(r"url\(([^)]{0,40})", html):
        assert address.startswith('"data:'), address
    assert "@import" not in html
    assert [attrs for attrs in page.all("script") if attrs.get("type") != "application/json"] == [{}]
    policy = next(attrs["content"] for attrs in page.all("meta") if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'")
    return page


def data_of(html):
    """The sounds of the list, as the script of the page reads them."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def made(folder):
    """The demo with its own sounds, once for all tests that look at it."""
    from tests.conftest import STANDIN_SPEC, StandIn

    lines = []
    result = run_demo(into=folder / "out", encoder=StandIn(STANDIN_SPEC), tell=lines.append)
    return result, lines, result.page.read_text("utf-8")


def test_the_page_holds_everything_it_shows(made):
    result, _, html = made
    page = assert_contained(html)
    assert len(page.all("audio")) == len(SYNTH) + 2, "every sound, and the two second takes that ask"
    for audio in page.all("audio"):
        content = base64.b64decode(audio["src"].partition("base64,")[2])
        assert soundfile.info(io.BytesIO(content)).duration == pytest.approx(5.0, abs=0.2)
    assert result.page_bytes == len(html.encode()) < 3_000_000
    for name in SYNTH:
        assert f"{name}.wav" in page.text
    for question in SYNTH_QUESTIONS:
        assert question in page.text
    assert f"{result.right} of {len(SYNTH)}" in page.text


def test_the_numbers_are_those_of_a_search_by_hand(made):
    """A second way: cosines of stored vectors and the text's vector, with numpy alone."""
    result, _, _ = made
    collection = Collection.open(result.collection)
    reader = collection.space("standin")
    vectors = reader.vectors()
    text = result.encoder.embed_text([SYNTH_QUESTIONS[0]])[0]
    cosines = vectors @ text / np.linalg.norm(vectors, axis=1) / np.linalg.norm(text)
    best = {}
    for recording, cosine in zip(reader.recording.tolist(), cosines.tolist(), strict=True):
        best[recording] = max(best.get(recording, -1.0), cosine)
    expected = sorted(best.values(), reverse=True)[:HITS]
    assert [hit["score"] for hit in result.texts[0].hits] == pytest.approx(expected, abs=1e-5)
    for one in result.labelled:
        assert sum(one.scores.values()) == pytest.approx(1.0)
        assert one.label == max(one.cosines, key=one.cosines.get)
        assert one.truth == one.file.stem


def test_the_account_says_where_everything_is(made):
    result, lines, _ = made
    account = "\n".join(lines)
    assert f"{len(SYNTH)} sounds of 5 s, made by rule" in account
    assert str(result.page) in account
    assert str(result.collection) in account
    assert f"{result.right} of {len(SYNTH)} are right" in account


def test_a_second_run_embeds_nothing_again(made, standin):
    result, _, html = made
    dates = {path: path.stat().st_mtime_ns for path in result.sounds.iterdir()}
    again = run_demo(into=result.page.parent, encoder=standin)
    assert (again.report.added, again.report.changed, again.report.skipped) == (0, 0, len(SYNTH))
    assert {path: path.stat().st_mtime_ns for path in result.sounds.iterdir()} == dates
    assert again.page.read_text("utf-8") == html


def test_a_spoilt_sound_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr("mmasc.demo.sounds.SYNTH", {"rain": SYNTH["rain"]})
    make_sounds(tmp_path)
    path = tmp_path / "rain.wav"
    right = path.read_bytes()
    path.write_bytes(b"spoilt")
    make_sounds(tmp_path)
    assert path.read_bytes() == right


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_files(tmp_path, standin, count):
    for number in range(count):
        tone(tmp_path / "sounds" / f"tone {number}.wav", 300 + 200 * number, 0.3 + number)
    result = run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin)
    page = assert_contained(result.page.read_text("utf-8"))
    assert len(result.labelled) == count
    assert result.known == 0
    assert ("Map" in page.text) == (count >= 3), "a map of two points says nothing"
    assert f"What mmasc hears in {count} sound" in page.text
    for asked in result.by_sound:
        assert str(asked.path) not in [hit["path"] for hit in asked.hits], "a sound does not find itself"


def test_questions_of_the_user_are_all_asked_in_their_order(tmp_path, standin):
    questions = [f"question {number}" for number in range(12)]
    reports = []
    result = run_demo(
        tone(tmp_path / "a.wav"), tmp_path / "out", encoder=standin, questions=questions, progress=reports.append
    )
    assert [asked.question for asked in result.texts] == questions
    assert [report.found for report in reports] == [1]


def test_one_file_instead_of_a_folder(tmp_path, standin):
    result = run_demo(tone(tmp_path / "one.wav"), tmp_path / "out", encoder=standin)
    assert [one.path for one in result.labelled] == ["one.wav"]


def test_many_files_are_all_listed_and_the_first_have_previews(tmp_path, standin):
    rng = np.random.default_rng(0)
    for number in range(60):
        (tmp_path / "sounds").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "sounds" / f"{number:03d}.wav", rng.uniform(-0.5, 0.5, 2_000), 8_000)
    lines = []
    result = run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin, shown=5, tell=lines.append)
    html = result.page.read_text("utf-8")
    page = assert_contained(html)
    assert len(result.labelled) == 60
    data = data_of(html)
    assert [entry[0] for entry in data["entries"]] == [one.path for one in result.labelled]
    assert [entry[4] for entry in data["entries"]] == [0, 1, 2, 3, 4] + [None] * 55
    for entry, one in zip(data["entries"], result.labelled, strict=True):
        assert data["labels"][entry[2][0][0]][0] == one.label
        assert entry[2][0][1] == pytest.approx(one.scores[one.label], abs=1e-3)
        if entry[4] is None:
            assert (result.page.parent / unquote(entry[5])).resolve() == one.file.resolve()
    assert "media-src data: file: 'self';" in html
    dots = [attrs for tag, attrs in page.tags if tag == "circle" and "data-entry" in attrs]
    assert [int(attrs["data-entry"]) for attrs in dots] == list(range(60)), "every dot on the map can be chosen"
    assert any("it lists all, holds 5 of them" in line for line in lines)
    assert any("and 44 more; of all 60" in line for line in lines)


def test_long_files_have_a_short_preview_and_a_hit_far_in_has_its_own(tmp_path, standin):
    """Silence but for one loud second at 40 s: whatever finds it must also let it be heard."""
    samples = np.full(60 * 8_000, 1e-4)
    samples[40 * 8_000 : 41 * 8_000] = np.random.default_rng(0).uniform(-0.9, 0.9, 8_000)
    (tmp_path / "sounds").mkdir()
    soundfile.write(tmp_path / "sounds" / "long.wav", samples, 8_000)
    result = run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin, questions=["bbbbccccbbbb"])
    assert result.texts[0].hits[0]["start"] == 40.0
    durations = []
    for audio in assert_contained(result.page.read_text("utf-8")).all("audio"):
        content = io.BytesIO(base64.b64decode(audio["src"].partition("base64,")[2]))
        heard, rate = soundfile.read(content)
        durations.append((round(len(heard) / rate), float(np.abs(heard).max()) > 0.3))
    assert durations == [(8, False), (1, True)]


def test_bad_files_are_listed_and_the_rest_goes_on(tmp_path, standin):
    tone(tmp_path / "sounds" / "good.wav")
    (tmp_path / "sounds" / "text.wav").write_text("no sound at all")
    (tmp_path / "sounds" / "empty.flac").write_bytes(b"")
    lines = []
    result = run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin, tell=lines.append)
    page = assert_contained(result.page.read_text("utf-8"))
    assert [one.path for one in result.labelled] == ["good.wav"]
    assert {Path(bad.path).name for bad in result.report.failed} == {"text.wav", "empty.flac"}
    assert "Not read" in page.text
    assert sum(line.startswith("   not read: ") for line in lines) == 2


def test_nothing_that_can_be_read_is_an_error(tmp_path, standin):
    (tmp_path / "text.wav").write_text("no sound at all")
    with pytest.raises(MmascError, match="none of 1 file could be read"):
        run_demo(tmp_path / "text.wav", tmp_path / "out", encoder=standin)


def test_a_file_that_went_away_leaves_the_page_too(tmp_path, standin):
    for name in "abc":
        tone(tmp_path / "sounds" / f"{name}.wav", 200 + 50 * ord(name))
    run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin)
    (tmp_path / "sounds" / "b.wav").unlink()
    (tmp_path / "sounds" / "c.wav").write_bytes(b"broken now")
    result = run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin)
    assert [one.path for one in result.labelled] == ["a.wav"]
    assert {hit["name"] for asked in result.texts for hit in asked.hits} == {"a.wav"}


def test_another_version_of_the_encoder_gets_a_space_of_its_own(tmp_path, standin):
    tone(tmp_path / "sounds" / "a.wav")
    run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin)
    standin.identity = "standin1" * 4
    result = run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin)
    assert Collection.open(result.collection).spaces == ["standin", "standin-standin1"]


def test_a_demo_that_was_moved_goes_on(tmp_path, standin, monkeypatch):
    monkeypatch.setattr(
        "mmasc.demo.run.SYNTH", {name: SYNTH[name] for name in ("white_noise", "crickets", "morse_code")}
    )
    run_demo(into=tmp_path / "here", encoder=standin)
    (tmp_path / "here").rename(tmp_path / "there")
    result = run_demo(into=tmp_path / "there", encoder=standin)
    assert (result.report.added, result.report.skipped) == (0, 3)
    assert [one.path for one in result.labelled] == ["white_noise.wav", "crickets.wav", "morse_code.wav"]


def test_two_folders_do_not_mix(tmp_path, standin):
    tone(tmp_path / "one" / "sounds" / "a.wav")
    tone(tmp_path / "two" / "sounds" / "b.wav")
    results = [run_demo(tmp_path / part / "sounds", tmp_path / "out", encoder=standin) for part in ("one", "two")]
    assert [[one.path for one in result.labelled] for result in results] == [["a.wav"], ["b.wav"]]


def test_names_of_files_are_text_and_nothing_else(tmp_path, standin):
    name = "<script>alert(1)<‌> & 'quoted' \"twice\" $title\nnext line\x1b[31m.wav".replace("/", "")
    tone(tmp_path / "sounds" / name)
    tone(tmp_path / "sounds" / "b.wav", 700)
    lines = []
    result = run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin, tell=lines.append)
    html = result.page.read_text("utf-8")
    assert_contained(html)
    assert {entry[0] for entry in data_of(html)["entries"]} == {name, "b.wav"}
    assert not any("\x1b" in line or "\n" in line for line in lines)


def test_every_place_of_the_page_escapes(standin):
    """Hostile text in every field that holds text: none of it becomes a tag or an attribute."""
    clip = Clip(EVIL, 0.0, 1.0, b"sound", "audio/mpeg", b"picture", "image/jpeg", 50.0, 16_000.0)
    hit = HitView(EVIL, 0.0, 1.0, 0.5, 0, 0)
    content = PageContent(
        title=EVIL,
        lead=EVIL,
        facts=[(EVIL, EVIL)],
        clips=[clip],
        texts=[Question(EVIL, [hit])],
        sounds=[Question(EVIL, [hit, HitView(EVIL, 0.0, 1.0, 0.5, None)], 0)],
        verdicts=[Verdict(EVIL, 0, EVIL, {EVIL: 0.9, "b": 0.1}, {EVIL: 0.5, "b": -0.1}, "b")],
        prompt_name=EVIL,
        prompt_lines=[(EVIL, EVIL)],
        points=[MapPoint(EVIL, 0.1, 0.2, "sound", 0, EVIL), MapPoint(EVIL, 1.0, 1.0, "word")],
        explained=0.5,
        groups=[EVIL],
        unread=[(EVIL, EVIL)],
        notes=[EVIL],
    )
    page = assert_contained(render_page(content))
    assert not page.all("img")
    assert page.text.count(EVIL[:4]) >= 12
    entries = [Entry(f"{EVIL}</script>", 1.0, [(EVIL, 0.9, 0.5)], EVIL, None, EVIL)]
    html = render_page(replace(content, entries=entries, verdicts=[]))
    assert not Page(html).all("img")
    assert data_of(html)["entries"][0][0] == f"{EVIL}</script>"


def test_sounds_of_ones_own_are_labelled_with_the_words_of_the_encoder(tmp_path, standin):
    tone(tmp_path / "sounds" / "a.wav")
    lines = []
    result = run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin, tell=lines.append)
    assert result.prompts.name == standin.spec.words == "demo"
    other = tmp_path / "other.yaml"
    other.write_text("labels: {one: [abc], two: [bcd]}\ngroups: {letters: [one, two]}\n")
    result = run_demo(tmp_path / "sounds", tmp_path / "out", prompts=other, encoder=standin)
    assert result.prompts.name == "other"
    data = data_of(result.page.read_text("utf-8"))
    assert data["groups"] == ["letters"]
    assert data["entries"][0][3] == 0
    standin.spec = replace(standin.spec, words="")
    with pytest.raises(MmascError, match="standin comes without a list of its words; give --prompts"):
        run_demo(tmp_path / "sounds", tmp_path / "out", encoder=standin)


def test_bytes_that_are_no_utf8_do_not_stop_the_page():
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    content = PageContent(name, "", [], [], [], [], [], "demo", [], unread=[(name, "no sound")])
    assert "caf?.wav" in render_page(content).encode("utf-8").decode("utf-8")


def test_the_policy_allows_the_very_script_of_the_page(made):
    """Worked out again from the page itself: the digest of what stands between the script tags."""
    import hashlib

    html = made[2]
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in html or f"script-src 'sha256-{digest}'" in html


# --- pictures, previews, map ---------------------------------------------------------------------------------------


def test_a_picture_shows_a_tone_where_it_is():
    from matplotlib import pyplot

    seconds, hertz = 2.0, 2_000.0
    time = np.arange(round(seconds * PICTURE.sample_rate)) / PICTURE.sample_rate
    decibels = spectrogram(np.sin(2 * np.pi * hertz * time).astype(np.float32), PICTURE.sample_rate)
    figure, ax = pyplot.subplots()
    draw_spectrogram(ax, decibels)
    ticks = dict(zip([label.get_text() for label in ax.get_yticklabels()], ax.get_yticks(), strict=True))
    low, high = ax.get_ylim()
    band = decibels.mean(1).argmax()
    height = low + (band + 0.5) / len(decibels) * (high - low)
    assert height == pytest.approx(ticks["2,000"], abs=(high - low) / len(decibels))
    assert ax.get_xlim()[1] == pytest.approx(seconds, abs=0.05)
    pyplot.close(figure)


def test_pictures_are_small_and_silence_is_dark():
    from PIL import Image

    noise = np.random.default_rng(0).normal(0, 0.1, PICTURE.sample_rate * 8).astype(np.float32)
    image = spectrogram_image(spectrogram(noise, PICTURE.sample_rate), 360)
    opened = Image.open(io.BytesIO(image))
    assert opened.size == (360, 2 * PICTURE.n_mels)
    assert len(image) < 30_000
    dark = np.asarray(Image.open(io.BytesIO(spectrogram_image(spectrogram(0 * noise, PICTURE.sample_rate), 360))))
    assert dark.max() < 16
    assert spectrogram(noise[:3], PICTURE.sample_rate).shape[0] == PICTURE.n_mels


def test_a_picture_of_another_rate_is_refused():
    with pytest.raises(ValueError, match="sample_rate must be 32000 Hz, got 8000"):
        spectrogram(np.zeros(100, np.float32), 8_000)


def test_previews_are_the_parts_that_were_asked_for(tmp_path):
    """Two parts of one file, out of order, one past its end; and a file that is not there."""
    rate = 32_000
    samples = np.concatenate([np.full(rate, level) * np.sin(np.arange(rate) * 0.3) for level in (0.1, 0.5, 0.9)])
    soundfile.write(tmp_path / "steps.wav", samples, rate)
    path = tmp_path / "steps.wav"
    wanted = [
        Wanted(path, "last", 2.0, 5.0),
        Wanted(path, "first", 0.0, 1.0),
        Wanted(tmp_path / "gone.wav", "gone", 0.0, 1.0),
    ]
    clips, failed = make_clips(wanted)
    assert clips[2] is None
    assert [Path(name).name for name, _ in failed] == ["gone.wav"]
    for clip, level in zip(clips[:2], (0.9, 0.1), strict=True):
        heard, heard_rate = soundfile.read(io.BytesIO(clip.audio))
        assert (clip.seconds, heard_rate) == (1.0, rate)
        assert np.abs(heard[2_000:-4_000]).max() == pytest.approx(level, rel=0.1)


def test_the_map_is_the_principal_components():
    """Against scikit-learn on the same centred vectors; and each cloud has its centre at zero."""
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    sounds, words = rng.normal(2, 1, (9, 6)).astype(np.float32), rng.normal(-3, 1, (5, 6)).astype(np.float32)
    at_sounds, at_words, explained = map_positions(sounds, words)
    units = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (sounds, words)]
    both = np.concatenate([vectors - vectors.mean(0) for vectors in units]).astype(np.float64)
    pca = PCA(2).fit(both)
    expected = pca.transform(both)
    found = np.concatenate([at_sounds, at_words])
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-6)
    assert explained == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-6)
    np.testing.assert_allclose(at_sounds.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(at_words.mean(0), 0, atol=1e-6)
    assert (found[np.abs(found).argmax(0), [0, 1]] > 0).all()


def test_a_map_of_too_little_is_refused():
    with pytest.raises(ValueError, match="at least two sounds and two words, got 1 and 5"):
        map_positions(np.ones((1, 4), np.float32), np.ones((5, 4), np.float32))


def test_a_drawn_map_names_everything_as_it_is():
    from matplotlib import pyplot

    figure, ax = pyplot.subplots()
    draw_map(ax, np.zeros((1, 2)), np.ones((1, 2)), ["$\\frac{a"], ["word"])
    figure.canvas.draw()
    assert {text.get_text() for text in ax.texts} == {"$\\frac{a", "word"}
    pyplot.close(figure)


def test_names_on_the_map_cover_neither_points_nor_each_other():
    rng = np.random.default_rng(0)
    points = [
        Placed(*rng.uniform([20, 20], [980, 580]).tolist(), f"name {number}", number % 3 == 0) for number in range(60)
    ]
    placed = place_labels(points, 1_000, 600)
    boxes = []
    for point, label in zip(points, placed, strict=True):
        if label is not None:
            x, y, anchor = label
            width = 7.2 * len(point.text)
            left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
            boxes.append((left, y - 11, left + width, y + 4))
    assert len(boxes) > 40, "most names find room"
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert right <= 1_000
        for other in boxes[number + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
        assert not any(left < point.x < right and top < point.y < bottom for point in points)


# --- commands ------------------------------------------------------------------------------------------------------


def test_doctor_looks_at_every_part_and_says_how_to_mend(monkeypatch):
    from mmasc.collection import index

    def no_faiss():
        raise MmascError("faiss is not installed")

    checks = {check.part: check for check in examine()}
    assert {"python", "mmasc", "torch", "faiss", "soundfile", "PyAV", "weights", "prompt files"} <= set(checks)
    assert checks["torch"].state == checks["faiss"].state == "ok"
    assert "WAV" in checks["soundfile"].found
    assert "esc10" in checks["prompt files"].found
    monkeypatch.setattr(index, "import_faiss", no_faiss)
    missing = next(check for check in examine() if check.part == "faiss")
    assert missing.state == "missing"
    assert "mmasc[cpu]" in missing.mend
    assert "mmasc[gpu]" in missing.mend


def test_doctor_fails_when_something_needed_is_missing(monkeypatch):
    from mmasc.cli import doctor

    def checks(*states):
        return lambda: iter([doctor.Check(f"part {state}", state, "found", "mend it so") for state in states])

    monkeypatch.setattr(doctor, "examine", checks("ok", "absent"))
    good = CliRunner().invoke(cli, ["doctor", "--format", "json"], standalone_mode=False)
    assert good.return_value == 0
    assert [row["state"] for row in json.loads(good.stdout)] == ["ok", "absent"]
    monkeypatch.setattr(doctor, "examine", checks("ok", "missing"))
    bad = CliRunner().invoke(cli, ["doctor"], standalone_mode=False)
    assert bad.return_value == 1
    assert "mend it so" in bad.stdout
    assert "missing: part missing" in bad.stderr


@pytest.mark.parametrize("arguments", [["--show", "0"], ["--show", "101"], ["--ask", " "], ["no/such/folder"]])
def test_wrong_usage_is_refused_before_anything_is_made(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["demo", *arguments]).exit_code == 2
    assert not list(tmp_path.iterdir())
