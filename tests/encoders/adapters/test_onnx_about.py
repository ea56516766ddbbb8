"""What the YAML file next to an ONNX file may say, up to its limits; the rest is refused with its key."""

import pytest

from mmasc.encoders.adapters.onnx_about import LAYOUTS, describe, read_about
from mmasc.errors import MmascError

NEEDED = {"sample_rate": 8_000, "window_seconds": 0.5, "vector": "v"}


def about(folder, **said):
    (folder / "net.onnx").write_bytes(b"")
    lines = [f"{key}: {value}" for key, value in (NEEDED | said).items()]
    (folder / "net.yaml").write_text("\n".join(lines))
    return read_about(folder / "net.onnx")


@pytest.mark.parametrize(
    ("key", "least", "below"),
    [
        ("sample_rate", "100", "99"), ("window_seconds", "0.001", "0.0009"), ("full_scale", "0.000001", "0.0000009"),
        ("dim", "1", "0"), ("hop_seconds", "0.0", "-0.1"), ("minimum_seconds", "0.0", "-0.1"),
    ],
)  # fmt: skip
def test_numbers_lie_within_their_limits(tmp_path, key, least, below):
    assert getattr(about(tmp_path, **{key: least}), key) == float(least)
    assert getattr(about(tmp_path, **{key: 999_999_999}), key) == 999_999_999
    for wrong in (below, 1_000_000_000, "true", "[1]", "''", ".nan", ".inf"):
        with pytest.raises(MmascError, match=f"net.yaml: {key} must be a number of {float(least):g} or more, got "):
            about(tmp_path, **{key: wrong})


@pytest.mark.parametrize("key", ["sample_rate", "dim"])
def test_whole_numbers_have_no_fraction(tmp_path, key):
    assert type(getattr(about(tmp_path, **{key: "200.0"}), key)) is int
    with pytest.raises(MmascError, match=f"{key} must be a number"):
        about(tmp_path, **{key: "200.5"})


def test_what_is_taken_where_it_says_nothing(tmp_path):
    found = about(tmp_path)
    assert (found.input, found.scores, found.scores_are, found.classes) == (("batch", "time"), "", "logits", ())
    assert (found.full_scale, found.dim, found.hop_seconds, found.minimum_seconds) == (1.0, 0, 0.0, 0.0)
    assert (found.padding, found.licence, found.heard, found.description) == ("zeros", "not said", None, "")
    assert describe(str(tmp_path / "net.onnx")) is None  # nobody knows how wide its vectors are
    about(tmp_path, dim=1, hop_seconds=0.25, padding="repeat", heard="[one, two]", minimum_seconds=0.1)
    spec = describe(str(tmp_path / "net.onnx"))
    assert (spec.dim, spec.sample_rate, spec.window_seconds, spec.hop_seconds) == (1, 8_000, 0.5, 0.25)
    assert (spec.padding, spec.minimum_seconds, spec.weights, spec.name) == ("repeat", 0.1, "your own", "onnx")
    assert spec.target == "mmasc.encoders.adapters.onnx_models:OnnxEncoder"
    assert [one.name for one in spec.trained_on] == ["one", "two"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    assert about(tmp_path, input=f"[{', '.join(map(str, layout))}]").input == layout
    with pytest.raises(MmascError, match=r"input must be one of \[batch, time\]; \[time\]; .*, got "):
        about(tmp_path, input=f"[{', '.join(map(str, layout))}, 2]")


def test_names_of_classes(tmp_path):
    assert about(tmp_path, classes="[a, b]").classes == ("a", "b")
    (tmp_path / "names.txt").write_text(" a \n\n b c\n")
    assert about(tmp_path, classes="names.txt").classes == ("a", "b c")
    for wrong in ("[a, 1]", "[a, '']", "{a: b}", "5"):
        with pytest.raises(MmascError, match="classes must be a list of names, got "):
            about(tmp_path, classes=wrong)
    with pytest.raises(MmascError, match="heard must be a list of names, got 'names.txt'"):
        about(tmp_path, heard="names.txt")
    for missing in ("nothing.txt", "."):
        with pytest.raises(MmascError, match="the classes in .* cannot be read"):
            about(tmp_path, classes=missing)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"padding": "edges"}, "padding must be one of zeros, repeat, minimum, got 'edges'"),
        ({"scores_are": "odds"}, "scores_are must be one of logits, probabilities, got 'odds'"),
        ({"licence": 5}, "licence must be a text, got 5"),
        ({"vector": "x" * 99 + "]"}, None),
        ({"scores": "[" + "1, " * 50 + "1]"}, r"scores must be a text, got \[(1, ){33}…$"),
        ({"padding": "x" * 98}, "got 'x{98}'$"),
        ({"padding": "x" * 99}, "got 'x{99}…$"),
    ],
)
def test_texts(tmp_path, said, line):
    if line is None:
        assert about(tmp_path, **said).vector == said["vector"]
    else:
        with pytest.raises(MmascError, match=line):
            about(tmp_path, **said)
