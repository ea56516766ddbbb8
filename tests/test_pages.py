"""README.md and the pages of docs/ are followed: console blocks in order, prompt files, Python, links."""

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from mmasc.cli import COMMANDS, main

ROOT = Path(__file__).parent.parent
PAGES = [Path("README.md"), *sorted(path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md"))]

# What a command must say besides ending well: (page, its beginning, what stands in its output)
FACTS = [
    ("README.md", "mmasc demo", "mmasc-demo/index.html"),
    ("README.md", 'mmasc search sounds.mmasc "waves', "1     sea_waves.wav"),
    ("README.md", "mmasc classify", "crickets"),
    ("docs/start.md", "mmasc demo", "14 of 14 are right"),
    ("docs/start.md", "mmasc search sounds.mmasc mmasc-demo/questions/rain", "1     rain.wav"),
    ("docs/start.md", "mmasc classify mmasc-demo/sounds/clock_tick.wav", "clock_tick"),
    ("docs/collections.md", "mmasc collection info", "14 recordings"),
    ("docs/collections.md", "mmasc collection check", "no faults found"),
    ("docs/collections.md", "mmasc search sounds.mmasc", "water_drops.wav"),
    ("docs/collections.md", 'mmasc search long.mmasc "thunder" -k 1', "0:09.00  0:16.12  0:10.00"),
    ("docs/collections.md", "mmasc clips sounds.mmasc", "rain_0000.00_0005.00_rain"),
    ("docs/collections.md", "mmasc collection remove", "1 recording"),
    ("docs/collections.md", "mmasc collection add", "1 added"),
    ("docs/segments.md", "mmasc collection index", "base   flat"),
    ("docs/clock.md", 'mmasc search field.mmasc "crickets"', "2024-05-01 21:30:00"),
    ("docs/clock.md", "mmasc collection clock", "6 of 6 recordings have a clock: 6 from names"),
    ("docs/clock.md", 'mmasc search field.mmasc "a rooster"', "2024-05-01 04:30:00"),
    ("docs/clock.md", "mmasc collection activity", "2 detections in 0.01 recorded hours, 2024-05-01 to 2024-05-04"),
    ("docs/collections.md", "mmasc collection duplicates", "part of rain.wav"),
    ("docs/collections.md", "mmasc collection cluster", "words: base-words → clusters.csv"),
    ("docs/prompts.md", "mmasc prompts lint", "0 errors"),
    ("docs/prompts.md", "mmasc classify mmasc-demo/sounds/rooster.wav", "rooster.wav,1,rooster crowing,animals,"),
    ("docs/prompts.md", "mmasc classify", '"label": "wet"'),
    ("docs/encoders.md", "mmasc models list", "mini"),
    ("docs/ultrasound.md", "mmasc embed pipistrelle.wav noctule.wav --into night.mmasc", "which base does not hear"),
    ("docs/ultrasound.md", "mmasc search night.mmasc", "1     noctule.wav"),
    ("docs/own_encoders.md", "mmasc models check", "ok    identity in a second process"),
    ("docs/own_encoders.md", "mmasc search bands.mmasc", "1     thunder.wav"),
    ("docs/formats.md", "mmasc doctor", "faiss,ok"),
    ("docs/labels.md", "mmasc head fit", "accuracy 1.000"),
    ("docs/labels.md", "mmasc head apply", "takes/wind/wind_1.wav  wind"),
    ("docs/labels.md", "mmasc prompts sweep", "28 recordings, 4 labels"),
    ("docs/labels.md", "mmasc prompts calibrate", "→ outdoors.json"),
    ("docs/labels.md", "mmasc report", "study/index.html"),
    ("docs/annotations.md", "mmasc label list", "thunder  absent   bo"),
    ("docs/moments.md", "mmasc head fit evenings.mmasc", "20 windows of 5 recordings"),
    ("docs/moments.md", "mmasc review", "on recordings not learnt from"),
    ("docs/moments.md", "mmasc clips", "5_0005.12_0010.24_rooster"),
    ("docs/moments.md", "mmasc head apply evening.head", "0:05.1      0:10.2  rooster"),
    ("docs/moments.md", "mmasc classify evenings.mmasc", "0:10.2      0:14.9  wind"),
    ("docs/annotations.md", "mmasc label undo", "undone: thunder renamed to storm"),
    ("docs/label_files.md", "mmasc label import", "1 added, 0 already there, 1 line not usable"),
    ("docs/label_files.md", "mmasc label compare", "(micro)     1     2      0.500   1.000  0.667"),
    ("docs/label_files.md", "mmasc classify", "End Time (s)"),
    ("docs/networks.md", "mmasc train mini-cnn", "runs/takes/fold-2"),
    ("docs/networks.md", "mmasc evaluate", "2 runs, 2 folds"),
    ("docs/papers.md", "mmasc sweep", "test folds had no part in the choice"),
    ("docs/papers.md", "mmasc head apply", "rain"),
    ("docs/papers.md", "mmasc evaluate transcripts", "words, without tokens"),
]
# What the Python of a page prints: its first and its last line end so
PRINTED = {
    "README.md": ("clock_tick.wav", "storm"),
    "docs/annotations.md": ("gust ann present - gusts.head absent", "gust ann present - gusts.head absent"),
    "docs/own_vectors.md": ("40 vectors, 2 recordings", "b.wav"),
    "docs/integrations.md": ("[ True]", "0"),
    "docs/python.md": ("clock_tick.wav", "(2, 128) [0.   1.88] [5.12 7.  ]"),
}


def text_of(page):
    return (ROOT / page).read_text("utf-8")


def blocks_of(page):
    return re.findall(r"^```(\w+)\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)


def commands_of(block):
    """Commands of a console block, each with the output that the page shows."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert not parts[0].strip(), "a console block begins with a command"
    return [part.partition("\n")[::2] for part in parts[1:]]


def needed_before(page):
    """Pages whose files this one uses, by its front matter."""
    found = re.match(r"---\n(.*?)^---\n", text_of(page), re.DOTALL | re.MULTILINE)
    return [page.parent / name for name in (yaml.safe_load(found[1]) if found else {}).get("after", [])]


def run(command):
    """Exit status, stdout and stderr of a command line, run as the console script runs it."""
    words = shlex.split(command)
    assert words[0] == "mmasc", command
    out, err, old = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = words
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stopped:
            main()
    finally:
        sys.argv = old
    return int(stopped.value.code or 0), out.getvalue(), err.getvalue()


def is_file(kind, block):
    """Whether a block of Python is a file that the reader writes: its first line says its name."""
    return kind == "python" and re.match(r"# \S+\.py\n", block) is not None


def follow(page):
    """Do what a reader of the page does, in the current folder: its outputs by command, and what its Python printed."""
    outputs, printed = {}, io.StringIO()
    for kind, block in blocks_of(page):
        if kind == "yaml" or is_file(kind, block):
            Path(re.match(r"# (\S+)\n", block)[1]).write_text(block, "utf-8")
    for kind, block in blocks_of(page):  # in the order of the page: what one makes, another uses
        if kind == "python" and not is_file(kind, block):
            with contextlib.redirect_stdout(printed):
                exec(compile(block, str(page), "exec"), {"__name__": "page"})
        for command, shown in commands_of(block) if kind == "console" else []:
            status, out, err = run(command)
            assert status == 0, f"{command}\n{err}"
            assert shown.strip(), f"{page} shows no output of: {command}"
            outputs[command] = out + err
    return outputs, printed.getvalue()


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A folder for all pages in which each is followed once, after those that it needs."""
    folder = tmp_path_factory.mktemp("reader")
    done = {}

    def one(page):
        for other in needed_before(page):
            one(other)
        if page not in done:
            with contextlib.chdir(folder):
                done[page] = follow(page)
        return done[page]

    return one


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_of_a_page_works(page, followed):
    outputs, printed = followed(page)
    for where, beginning, fact in FACTS:
        if where == page.as_posix():
            matching = [output for command, output in outputs.items() if command.startswith(beginning)]
            assert matching, f"no command of {page} begins with {beginning}"
            assert any(fact in output for output in matching), f"{beginning}: {fact!r} is not in\n{matching}"
    if page.as_posix() in PRINTED:
        first, last = PRINTED[page.as_posix()]
        assert printed.splitlines()[0].endswith(first)
        assert printed.splitlines()[-1].endswith(last)


def test_every_fact_is_of_a_page():
    assert {where for where, _, _ in FACTS} | set(PRINTED) <= {page.as_posix() for page in PAGES}


def test_calibration_repairs_the_labels_that_the_page_says(followed):
    outputs, _ = followed(Path("docs/labels.md"))
    plain, calibrated = (output for command, output in outputs.items() if "rain_7.wav" in command)
    assert [line.split()[1] for line in plain.splitlines()[1:]] == ["wind", "wind"]
    assert [line.split()[1] for line in calibrated.splitlines()[1:]] == ["rain", "rain"]


def test_the_timeline_of_the_page_is_what_was_played(followed):
    outputs, _ = followed(Path("docs/start.md"))
    timeline = next(output for command, output in outputs.items() if "--timeline" in command)
    heard = re.findall(r"^ +\d+:\d\d\.\d +\d+:\d\d\.\d +(\w+)", timeline, re.MULTILINE)
    assert heard == ["clock_tick", "church_bells", "thunder", "crickets"]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 8 * 1024


def test_the_numbers_of_the_encoder_stand_in_its_card():
    """Figures are never made up: each one of the page's section is in the card that comes with the weights."""
    card = (ROOT / "mmasc/encoders/weights/mini_card.md").read_text("utf-8")
    section = text_of("docs/encoders.md").partition("## The bundled encoder")[2].partition("\n## ")[0]
    numbers = re.findall(r"(?<![\w.-])(?:\d*\.\d+|\d{3,})(?![\w.])", section)
    assert len(numbers) >= 12
    for number in numbers:
        assert re.search(rf"(?<![\d]){re.escape(number)}(?!\d)", card), number


@pytest.mark.parametrize("page", [*PAGES, Path("CONTRIBUTING.md")], ids=str)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name) if name else page
        assert (ROOT / other).exists(), target
        assert not anchor or anchor in anchors_of(other), target


def anchors_of(page):
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, Path("CONTRIBUTING.md")], ids=str)
def test_the_commands_that_a_page_names_exist(page):
    console = [command for kind, block in blocks_of(page) if kind == "console" for command, _ in commands_of(block)]
    for name in re.findall(r"`mmasc (\w[\w-]*)", text_of(page)) + [command.split()[1] for command in console]:
        assert name in COMMANDS, name


@pytest.mark.parametrize("page", [*PAGES, Path("CONTRIBUTING.md")], ids=str)
def test_make_rules_that_a_page_names_exist(page):
    makefile = text_of("Makefile")
    for rule in re.findall(
        r"make (\w+)\b(?= |\n)", "\n".join(block for kind, block in blocks_of(page) if kind == "sh")
    ):
        assert re.search(rf"^{rule}:", makefile, re.MULTILINE), rule


def test_every_page_is_in_the_contents_and_in_the_index():
    contents = yaml.safe_load(text_of(".mkdocs.yml"))["nav"]
    listed = {page for page in contents if isinstance(page, str)}
    assert listed == {page.name for page in PAGES if page.parent == Path("docs")}
    assert listed - {"index.md"} <= set(re.findall(r"\(([\w./-]+\.md)", text_of("docs/index.md")))


def test_every_public_name_is_in_the_reference():
    import mmasc

    shown = {
        name
        for page in (ROOT / "docs" / "reference").glob("*.md")
        for name in re.findall(r"^::: mmasc\.(\w+)$", page.read_text("utf-8"), re.MULTILINE)
    }
    constants = {name for name in mmasc.__all__ if name.isupper() or name.startswith("__")}
    assert shown == set(mmasc.__all__) - constants - {"MmascError"}
