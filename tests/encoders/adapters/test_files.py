"""Where models lie: folders, what was fetched, the hub's cache; licences; no network unless it is asked for."""

import pytest

from mmasc.encoders.adapters.files import fetch_from_hub, file_digests, find_folder, hub_folder, licence_of
from mmasc.encoders.spec import forbids_commerce
from mmasc.errors import MmascError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    import huggingface_hub

    def no_network(*arguments, **named):
        raise AssertionError("the network was asked")

    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", no_network)
    return tmp_path / "home"


def test_a_model_that_is_not_here_says_how_to_fetch_it(home):
    with pytest.raises(MmascError, match=r"models fetch transformers:some/model@v1`.*hub/some--model/v1") as found:
        find_folder("transformers", "some/model@v1")
    assert "\n" not in str(found.value)
    with pytest.raises(MmascError, match="is not a folder"):
        find_folder("transformers", "/no/such/folder")
    with pytest.raises(MmascError, match="needs a model: transformers:FOLDER"):
        find_folder("transformers", "")


def test_fetched_models_and_folders_are_found(home, tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def download(repo, revision, local_dir, allow_patterns):
        asked.append((repo, revision))
        assert not any(pattern.endswith((".py", ".bin", ".pkl")) for pattern in allow_patterns)
        local_dir.mkdir(parents=True, exist_ok=True)
        (local_dir / "config.json").write_text("{}")
        if repo == "some/model":
            (local_dir / "model.safetensors").write_bytes(b"x")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    folder = fetch_from_hub("some/model@v1")
    assert folder == hub_folder("some/model@v1") == home / "hub" / "some--model" / "v1"
    assert find_folder("transformers", "some/model@v1") == folder == fetch_from_hub("some/model@v1")
    assert asked == [("some/model", "v1")]
    with pytest.raises(MmascError, match="no weights as safetensors"):
        fetch_from_hub("other/model")
    assert not hub_folder("other/model").exists()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **b: 1 / 0)
    with pytest.raises(MmascError, match="cannot be fetched .division by zero.; run the command again"):
        fetch_from_hub("third/model@x")
    with pytest.raises(MmascError, match="is not REPO@REVISION"):
        fetch_from_hub("nothing")
    for name in ("a/b@..", "a/b@.", "../b", "a/..", "a/b@", "/a/b"):
        with pytest.raises(MmascError, match="is not REPO@REVISION"):
            fetch_from_hub(name)
    assert find_folder("transformers", str(tmp_path)) == tmp_path


def test_models_in_the_cache_of_the_hub(tmp_path, monkeypatch):
    import huggingface_hub

    def cached(repo, name, revision):
        return str(tmp_path / "snapshot" / name) if (repo, name, revision) == ("a/b", "config.json", "main") else None

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    assert find_folder("transformers", "a/b") == tmp_path / "snapshot"
    with pytest.raises(MmascError, match="is not here"):
        find_folder("transformers", "a/b@v2")


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: cc-by-nc-4.0\n---\n", "cc-by-nc-4.0"),
        ("---\nlicense: other\nlicense_name: research-only\n---\n", "research-only"),
        ("no front matter", "not said"),
        ("---\n: [\n---\n", "not said"),
        ("---\nlicense: " + "[" * 100_000 + "\n---\n", "not said"),
        ("---\na: &a [x]\nlicense: *a\n---\n", "not said"),
        (None, "not said"),
    ],
)
def test_licences(tmp_path, card, licence):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence_of(tmp_path) == licence


def test_which_licences_forbid_commerce():
    forbidding = [
        "cc-by-nc-4.0",
        "CC BY-NC-SA 4.0",
        "Non-Commercial",
        "noncommercial",
        "research-only",
        "fair-noncommercial",
    ]
    assert all(forbids_commerce(one) for one in forbidding)
    assert not any(forbids_commerce(one) for one in ["MIT", "Apache-2.0", "CC BY 4.0", "cc-by-sa-4.0", "not said"])


def test_digests_of_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.safetensors").write_bytes(b"one")
    (tmp_path / "y.txt").write_bytes(b"two")
    found = file_digests(tmp_path, ["*.safetensors"])
    assert list(found) == ["a/x.safetensors"]
    assert found["a/x.safetensors"].startswith("7692c3ad3540bb80")  # sha256 of b"one"
