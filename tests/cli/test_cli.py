"""The command line as users meet it: help everywhere, one line for what they can mend, machine-readable promises."""

import csv
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.cli import COMMANDS, LazyGroup, cli
from mmasc.collection import Collection
from mmasc.heads.conversion import predictor_of
from mmasc.heads.fitted import FittedHead
from mmasc.heads.registry import make_head
from mmasc.labelling.fit import stamp_of
from tests.helpers.command import run


def all_commands(group: click.Group = cli, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*prefix, name))
        if isinstance(command, click.Group):
            found += all_commands(command, (*prefix, name))
    return found


@pytest.mark.parametrize("command", all_commands(), ids=" ".join)
def test_every_command_explains_itself(command, capsys):
    status, out, err = run(*command, "--help", capsys=capsys)
    assert (status, err) == (0, "")
    assert out.startswith("Usage: mmasc " + " ".join(command))
    # A first sentence after the usage line, and every option with a help text
    assert len(out.splitlines()[2].strip()) > 20


def test_the_list_of_commands_tells_what_the_commands_say_of_themselves():
    assert isinstance(cli, LazyGroup)
    for name in COMMANDS:
        assert cli.get_command(click.Context(cli), name).name == name


def test_help_import_and_listing_load_no_torch():
    code = (
        "import sys, mmasc, mmasc.cli\n"
        "from click.testing import CliRunner\n"
        "for arguments in (['--help'], ['models', 'list'], ['embed', '--help'], ['prompts', 'list']):\n"
        "    result = CliRunner().invoke(mmasc.cli.cli, arguments)\n"
        "    assert result.exit_code == 0, result.output\n"
        "heavy = {'torch', 'faiss', 'lance', 'sklearn', 'transformers', 'librosa', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_asking_a_collection_for_words_loads_no_torch(tmp_path):
    generator = np.random.default_rng(0)
    soundfile.write(tmp_path / "noise.wav", generator.uniform(-0.1, 0.1, 64_000), 32_000)
    mmasc.embed(tmp_path / "noise.wav", tmp_path / "c", "mini")
    code = (
        "import sys, mmasc.cli\n"
        "from click.testing import CliRunner\n"
        "for arguments in (['collection', 'info'], ['search', 'rain', '--not', 'wind']):\n"
        "    place = 2 if arguments[0] == 'collection' else 1\n"
        "    arguments.insert(place, sys.argv[1])\n"
        "    result = CliRunner().invoke(mmasc.cli.cli, arguments)\n"
        "    assert result.exit_code == 0, result.output\n"
        "    heavy = {'torch', 'sklearn', 'scipy', 'transformers', 'librosa', 'matplotlib', 'soundfile'}\n"
        "    assert not heavy & set(sys.modules), (arguments, heavy & set(sys.modules))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "c")], check=True)
    # Nor do labels of what is stored
    code = (
        "import sys, mmasc.cli\n"
        "from click.testing import CliRunner\n"
        "for arguments in (['classify', sys.argv[1], '--prompts', 'demo', '--timeline', '--background', sys.argv[2]],\n"
        "                  ['head', 'apply', sys.argv[3], sys.argv[1], '--timeline']):\n"
        "    result = CliRunner().invoke(mmasc.cli.cli, arguments)\n"
        "    assert result.exit_code == 0, result.output\n"
        "    assert 'torch' not in sys.modules, arguments\n"
    )
    soundfile.write(tmp_path / "long.wav", generator.uniform(-0.1, 0.1, 32_000 * 12), 32_000)
    mmasc.embed(tmp_path / "long.wav", tmp_path / "background", "mini", hop_seconds=0.25)
    collection = Collection(tmp_path / "c")
    vectors = generator.normal(size=(6, 128))
    space = collection.space(None)
    stamp = stamp_of("prototypes", "kind", ("a", "b"), space.name, space.space, 6)
    model = make_head("prototypes").fit(vectors, np.array([0, 1] * 3))
    FittedHead(stamp, predictor_of(model, vectors)).save(tmp_path / "h.head")
    arguments = [str(tmp_path / name) for name in ("c", "background", "h.head")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)


@pytest.fixture
def filled(sounds, tmp_path, registered, capsys) -> Path:
    status, _, err = run(
        "embed", sounds, "--into", tmp_path / "c", "--encoder", registered, "--folders", "place", capsys=capsys
    )
    assert (status, err) == (0, "")
    return tmp_path / "c"


def test_embed_counts_what_it_did_and_lists_bad_files(sounds, tmp_path, registered, capsys):
    (sounds / "bad.wav").write_text("no sound")
    command = ("embed", sounds, "--into", tmp_path / "c", "--encoder", registered)
    status, out, err = run(*command, "--format", "json", capsys=capsys)
    numbers = json.loads(out)
    assert status == 0
    assert (numbers["found"], numbers["added"], numbers["failed"]) == (6, 5, 1)
    assert err.splitlines() == [line for line in err.splitlines() if line.startswith("failed: ") and "bad.wav" in line]
    status, out, _ = run(*command, capsys=capsys)
    assert "0 added, 0 changed, 5 already there, 1 failed" in out
    status, _, err = run(*command, "--strict", capsys=capsys)
    assert status == 1
    assert err.startswith("mmasc: ")
    assert "bad.wav" in err


def test_channels_that_cancel_each_other_are_not_called_truncated(tmp_path, registered, capsys):
    tone = np.sin(np.arange(8_000) * 0.3) * 0.3
    soundfile.write(tmp_path / "opposite.wav", np.stack([tone, -tone], 1), 8_000)
    command = ("embed", tmp_path / "opposite.wav", "--into", tmp_path / "c", "--encoder", registered)
    _, _, err = run(*command, capsys=capsys)
    assert err.startswith("lost in the mix: ")
    assert "truncated" not in err


def test_collection_info_keeps_its_promise(filled, standin, capsys):
    _, out, _ = run("collection", "info", filled, "--format", "json", capsys=capsys)
    info = json.loads(out)
    assert info["recordings"] == 5
    space = info["spaces"]["standin"]
    assert (space["identity"], space["encoder"], space["dim"]) == (standin.identity, "standin", 4)
    assert space["windows"] == 14
    _, out, _ = run("collection", "info", filled, capsys=capsys)
    assert "5 recordings" in out
    assert "place" in out


def test_search_prints_the_same_hits_in_every_format(filled, capsys):
    command = ("search", filled, "aab", "-k", "4", "--where", "place = 'wood'", "--windows")
    _, out, _ = run(*command, "--format", "jsonl", capsys=capsys)
    hits = [json.loads(line) for line in out.splitlines()]
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4]
    assert all({"path", "start", "end", "score", "place"} <= set(hit) for hit in hits)
    assert all(Path(hit["path"]).is_file() and hit["place"] == "wood" for hit in hits)
    _, out, _ = run(*command, "--format", "json", capsys=capsys)
    assert json.loads(out) == hits
    _, out, _ = run(*command, "--format", "csv", capsys=capsys)
    assert [float(row["score"]) for row in csv.DictReader(io.StringIO(out))] == [hit["score"] for hit in hits]
    _, out, _ = run(*command, capsys=capsys)
    assert len(out.splitlines()) == 5


def test_fewer_hits_than_asked_for_are_no_error(filled, capsys):
    for condition, windows in (("path is not null", 14), ("place = 'wood' and start < 1", 2)):
        status, out, err = run(
            *("search", filled, "aab", "-k", "999", "--where", condition, "--windows", "--format", "jsonl"),
            capsys=capsys,
        )
        assert (status, len(out.splitlines()), err) == (0, windows, "")


def test_search_takes_an_existing_file_for_a_sound(filled, sounds, capsys):
    _, out, _ = run("search", filled, sounds / "wood" / "d.wav", "--format", "jsonl", "-k", "1", capsys=capsys)
    assert {Path(json.loads(line)["path"]).name for line in out.splitlines()} == {"d.wav"}


def test_collection_commands_do_what_they_say(filled, sounds, tmp_path, capsys):
    status, out, _ = run("collection", "export", filled, "--to", tmp_path / "x", capsys=capsys)
    assert status == 0
    assert len(np.load(tmp_path / "x" / "vectors.npy")) == 14
    assert "1 recording removed" in run("collection", "remove", filled, sounds / "wood" / "d.wav", capsys=capsys)[1]
    status, out, _ = run("collection", "add", filled, sounds, capsys=capsys)
    assert "1 added, 0 changed, 4 already there" in out
    assert run("collection", "compact", filled, capsys=capsys)[0] == 0
    assert run("collection", "check", filled, capsys=capsys)[:2] == (0, "no faults found\n")
    moved = sounds.rename(tmp_path / "moved")
    assert run("collection", "check", filled, capsys=capsys)[0] == 0
    assert "root is" in run("collection", "move-root", filled, moved, capsys=capsys)[1]
    run("embed", moved / "pond", "--into", tmp_path / "d", "--encoder", "standin", capsys=capsys)
    assert "3 were already there" in run("collection", "merge", filled, tmp_path / "d", capsys=capsys)[1]


def wave(path: Path, samples: np.ndarray, rate: int = 8_000) -> str:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return str(path)


HOSTILE = {
    "missing path": (lambda at, c: ["embed", at / "nothing", "--into", at / "n"], "nothing"),
    "empty folder": (lambda at, c: ["embed", (at / "empty").mkdir() or at / "empty", "--into", at / "n"], r"\.wav"),
    "pattern that matches nothing": (lambda at, c: ["embed", f"{at}/*.xyz", "--into", at / "n"], r"\*\.xyz"),
    "unknown encoder": (lambda at, c: ["search", c, "a", "--space", "nope"], "it has: standin"),
    "unknown encoder to embed": (
        lambda at, c: ["embed", wave(at / "a.wav", np.zeros(99)), "--into", at / "n", "--encoder", "nope"],
        "there are: .*mini",
    ),
    "text file named .wav": (
        lambda at, c: [
            "embed",
            (at / "t.wav").write_text("hello") and at / "t.wav",
            "--into",
            c,
            "--encoder",
            "standin",
        ],
        "t.wav",
    ),
    "zero-length file": (
        lambda at, c: ["embed", (at / "z.wav").touch() or at / "z.wav", "--into", c, "--encoder", "standin"],
        "z.wav",
    ),
    "NaN samples": (
        lambda at, c: ["embed", wave(at / "nan.wav", np.full(9_000, np.nan)), "--into", c, "--encoder", "standin"],
        "nan.wav",
    ),
    "k of zero": (lambda at, c: ["search", c, "a", "-k", "0"], "0 is not in the range"),
    "empty query": (lambda at, c: ["search", c, ""], "query is empty"),
    "no query": (lambda at, c: ["search", c], "nothing to look for"),
    "condition that cannot be read": (lambda at, c: ["search", c, "a", "--where", "nope ="], "columns: path"),
    "picture in a space without": (
        lambda at, c: ["search", c, "--image", (at / "p.png").write_bytes(b"x") and at / "p.png"],
        "understands image",
    ),
    "sound that is not there": (lambda at, c: ["search", c, at / "rian.wav"], "rian.wav: no such file; fix the path"),
    "picture that is not there": (lambda at, c: ["search", c, "a", "--not", "p.PNG"], "as a text with --text"),
    "no collection": (lambda at, c: ["search", at / "nowhere", "a"], "holds no collection"),
    "newer format": (lambda at, c: ["collection", "info", newer(at, c)], "newer mmasc"),
    "hop longer than the window": (
        lambda at, c: [
            "embed",
            wave(at / "a.wav", np.zeros(99)),
            "--into",
            at / "n",
            "--encoder",
            "standin",
            "--hop",
            "9",
        ],
        "at most the window",
    ),
    "channels unknown": (lambda at, c: ["embed", at, "--into", c, "--channels", "third"], "'third' is not one of"),
    "remove without saying what": (lambda at, c: ["collection", "remove", c], "name the recordings to remove"),
    "device that is not there": (
        lambda at, c: ["embed", wave(at / "a.wav", np.zeros(99)), "--into", at / "n", "--device", "cuda:77"],
        "cuda:77",
    ),
}


def newer(at: Path, collection: Path) -> Path:
    (at / "newer").mkdir()
    raw = json.loads((collection / "collection.json").read_text())
    (at / "newer" / "collection.json").write_text(json.dumps({**raw, "format": 99}))
    return at / "newer"


@pytest.mark.parametrize("case", HOSTILE)
def test_bad_input_is_one_line_and_harms_nothing(case, filled, tmp_path, capsys):
    before = (filled / "collection.json").read_bytes()
    command, message = HOSTILE[case]
    status, out, err = run(*command(tmp_path, filled), capsys=capsys)
    assert status in (1, 2)
    lines = [line for line in err.splitlines() if not line.startswith(("Usage:", "Try "))]
    assert len([line for line in lines if line.strip()]) == 1, err
    import re

    assert re.search(message, err), err
    assert "Traceback" not in err + out
    assert json.loads(before)["spaces"] == json.loads((filled / "collection.json").read_text())["spaces"]


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (np.array([0.5]), 8_000),
        (np.random.default_rng(0).uniform(-1, 1, (9_000, 8)), 8_000),
        (np.random.default_rng(0).uniform(-1, 1, 192_000), 192_000),
        (np.zeros(20_000), 44_100),
    ],
    ids=["one sample", "8 channels", "192 kHz", "digital silence"],
)
def test_odd_but_valid_sounds_are_embedded(samples, rate, tmp_path, registered, capsys):
    path = wave(tmp_path / "odd.wav", samples, rate)
    status, out, err = run("embed", path, "--into", tmp_path / "c", "--encoder", registered, capsys=capsys)
    assert (status, err) == (0, "" if np.any(samples) else f"{path}: all of it is digital silence\n")
    assert out.startswith("1 added")
    assert run("collection", "check", tmp_path / "c", capsys=capsys)[0] == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_write_permission(filled, sounds, capsys):
    (sounds / "more.wav").write_bytes((sounds / "pond" / "a.wav").read_bytes())
    filled.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        status, _, err = run("embed", sounds, "--into", filled, "--encoder", "standin", capsys=capsys)
    finally:
        filled.chmod(stat.S_IRWXU)
    assert status == 1
    assert len(err.splitlines()) == 1
    assert str(filled) in err


def test_full_disk_is_one_line_and_what_was_stored_stays(filled, sounds, monkeypatch, capsys):
    import lance

    def full(*_arguments, **_options):
        raise OSError("LanceError(IO): No space left on device (os error 28), rust/lance-io/src/local.rs:1:1")

    (sounds / "more.wav").write_bytes((sounds / "pond" / "a.wav").read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(lance, "write_dataset", full)
        status, _, err = run("embed", sounds, "--into", filled, "--encoder", "standin", capsys=capsys)
    assert status == 1
    assert "No space left on device" in err
    assert "what was stored before is unharmed" in err
    assert run("collection", "check", filled, capsys=capsys)[0] == 0
    assert "1 added" in run("embed", sounds, "--into", filled, "--encoder", "standin", capsys=capsys)[1]


def test_ctrl_c_keeps_what_is_done_and_says_so(filled, sounds, monkeypatch, capsys):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("mmasc.collection.ingest.embed", interrupted)
    status, _, err = run("embed", sounds, "--into", filled, "--encoder", "standin", capsys=capsys)
    assert status == 130
    assert err.strip() == "mmasc: stopped; the work done so far is kept"


def test_a_reader_that_goes_away_is_no_error(filled):
    code = (
        "from mmasc.encoders import ENCODERS\nfrom tests.conftest import STANDIN_SPEC\n"
        "ENCODERS['standin'] = STANDIN_SPEC\n"
        "import sys\nfrom mmasc.cli import main\n"
        f"sys.argv = ['mmasc', 'search', {str(filled)!r}, 'abc', '-k', '14', '--format', 'jsonl']\nmain()\n"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    )
    process.stdout.close()
    assert process.wait(timeout=60) in (0, 1)
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_models_list_reads_the_registry(capsys):
    _, out, _ = run("models", "list", "--format", "json", capsys=capsys)
    rows = json.loads(out)
    assert {"mini", "mini-features", "mini-strict"} <= {row["name"] for row in rows}


def _options(command: click.Command, name: str = "mmasc"):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for one in command.list_commands(context):
            yield from _options(command.get_command(context, one), f"{name} {one}")
        return
    yield from ((f"{name} {option.opts[0]}", option) for option in command.params if isinstance(option, click.Option))


def test_no_option_takes_nan_or_infinity_for_a_number():
    numbers = [(name, one.type) for name, one in _options(cli) if isinstance(one.type, click.types.FloatParamType)]
    assert len(numbers) > 20
    for name, kind in numbers:
        for text in ("nan", "inf", "-inf", "1e999"):
            with pytest.raises(click.BadParameter, match="finite|range"):
                pytest.fail(f"{name} takes {kind.convert(text, None, None)}")
    assert {kind.convert("0.5", None, None) for name, kind in numbers if name.endswith("--hop")} == {0.5}


def test_results_never_replace_a_sound(noises, collection, capsys):
    sound = next(noises.rglob("*.wav"))
    before = sound.read_bytes()
    for format_ in ("csv", "raven"):
        status, out, err = run("search", collection, "a", "--format", format_, "--to", sound, capsys=capsys)
        assert (status, out) == (2, "")
        assert f"{sound} is a sound, which would be replaced; name another file." in err
    assert sound.read_bytes() == before
    files = {name.split()[-1] for name, one in _options(cli) if type(one.type).__name__ == "ResultPath"}
    assert files == {"--to", "--out"}
