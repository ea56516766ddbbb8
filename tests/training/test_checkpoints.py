"""Files of a run: whole or as they were, in the order that a power cut allows, and read back as what was written."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from mmasc.errors import MmascError
from mmasc.storage.configs import config_from_dict, config_to_json, usable_config
from mmasc.storage.files import write_atomically
from mmasc.storage.tensors import load_tensors, save_tensors
from mmasc.training.run_folder import Metrics, claim_run, pack_optimizer, read_config, unpack_optimizer


@dataclass(frozen=True)
class Inner:
    width: int
    shares: tuple[float, ...] = (0.5, 0.5)


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    rate: float = 0.1
    later: Inner = field(default_factory=lambda: Inner(3))


MADE = Outer("x", Inner(2, (0.25, 0.75)))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Writing


def test_a_file_is_synced_before_it_gets_its_name(tmp_path, monkeypatch):
    path, calls, seen = tmp_path / "a.json", [], {}
    sync, replace = os.fsync, os.replace

    def noted_sync(number):
        if "replace" not in calls:
            # What is on the disk under the name beside is whole by then
            (beside,) = [one for one in tmp_path.iterdir() if one != path]
            seen["synced"] = beside.read_bytes()
        calls.append("sync")
        sync(number)

    def noted_replace(one, other):
        calls.append("replace")
        seen["old"] = path.read_bytes()
        replace(one, other)

    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(path, b"new")
    assert calls[:2] == ["sync", "replace"]
    assert seen == {"synced": b"new", "old": b"old"}
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_fails_half_way_leaves_the_old_file(tmp_path, monkeypatch, call):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


# Tensors


def test_tensors_and_their_record_come_back(tmp_path):
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "weights": torch.randn(3, 4, generator=generator),
        "turned": torch.randn(3, 4, generator=generator).T,
        "scalar": torch.tensor(2.5, requires_grad=True),
        "numbers": torch.arange(5),
        "half": torch.randn(2, generator=generator).to(torch.bfloat16),
    }
    about = {"kind": "x", "step": 7, "nested": {"shares": [0.1, 0.2]}, "nothing": None}
    save_tensors(tmp_path / "w.safetensors", tensors, about)
    found, told = load_tensors(tmp_path / "w.safetensors")
    assert told == about
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
    assert not found["scalar"].requires_grad
    # The same content is the same file, whatever order it was put together in
    turned = dict(reversed(about.items()))
    save_tensors(tmp_path / "v.safetensors", tensors, turned)
    assert (tmp_path / "v.safetensors").read_bytes() == (tmp_path / "w.safetensors").read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no tensors at all",
        save({"x": torch.zeros(2)}),  # nothing about them
        save({"x": torch.zeros(2)}, {"other": "{}"}),
        save({"x": torch.zeros(2)}, {"config": "{"}),
        save({"x": torch.zeros(50)}, {"config": "{}"})[:-20],
    ],
)
def test_files_that_are_no_weights_of_mmasc_are_named(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(MmascError, match=r"w\.safetensors cannot be read as weights of mmasc \(.*; train or copy"):
        load_tensors(path)


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(MmascError, match=r"w\.safetensors does not exist; name a run folder"):
        load_tensors(tmp_path / "w.safetensors")
    with pytest.raises(MmascError, match="cannot be read as weights of mmasc"):
        load_tensors(tmp_path)


# Configurations


def test_a_configuration_goes_through_json():
    values = json.loads(config_to_json(MADE))
    assert values["inner"] == {"width": 2, "shares": [0.25, 0.75]}
    assert config_from_dict(Outer, values, "here") == MADE
    # What came later has its default
    assert config_from_dict(Outer, {"name": "x", "inner": {"width": 2, "shares": [0.25, 0.75]}}, "here") == MADE


@pytest.mark.parametrize(
    ("values", "odd"),
    [
        ({"name": "x"}, "inner"),
        ({"inner": {"width": 2}}, "name"),
        ({"name": "x", "inner": {"width": 2}, "strange": 1}, "strange"),
        ({"strange": 1}, "inner, name, strange"),
        ({"name": "x", "inner": {}}, "width"),
        ({"name": "x", "inner": {"width": 2, "depth": 3}}, "depth"),
    ],
)
def test_fields_of_another_version_are_named(values, odd):
    with pytest.raises(MmascError, match=f"^here was written by another version of mmasc: it differs in {odd}; start"):
        config_from_dict(Outer, values, "here")


@pytest.mark.parametrize(
    "values",
    [
        {"name": 3, "inner": {"width": 2}},
        {"name": "x", "inner": {"width": True}},
        {"name": "x", "inner": {"width": 2.5}},
        {"name": "x", "inner": {"width": 2, "shares": 0.5}},
        {"name": "x", "inner": {"width": 2, "shares": [0.5, "much"]}},
        {"name": "x", "inner": 3},
    ],
)
def test_values_of_other_types_are_named(values):
    with pytest.raises(MmascError, match=r"^here holds no configuration .* \((name|width|shares|inner) is"):
        usable_config(Outer, values, "here")
    fit = {"name": "x", "inner": {"width": 2, "shares": [1, 0.5]}}
    assert usable_config(Outer, fit, "here") == config_from_dict(Outer, fit, "here")


def test_a_folder_is_claimed_once(tmp_path):
    folder = tmp_path / "deep" / "run"
    assert claim_run(folder, MADE) is False
    assert config_from_dict(Outer, read_config(folder), "here") == MADE
    assert claim_run(folder, MADE) is True
    assert names(folder) == ["config.json"]


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / ".hidden").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(MmascError, match="holds files but no run; choose a new or empty folder"):
        claim_run(tmp_path, MADE)
    (tmp_path / "notes.txt").unlink()
    assert claim_run(tmp_path, MADE) is False


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (Outer("y", MADE.inner), "name is 'y' there, 'x' here"),
        (Outer("x", Inner(9, MADE.inner.shares)), "inner.width is 9 there, 2 here"),
        (Outer("x", MADE.inner, rate=0.2, later=Inner(4)), "later.width is 4 there, 3 here"),
    ],
)
def test_a_run_of_another_configuration_is_refused_with_the_first_difference(tmp_path, other, difference):
    claim_run(tmp_path, other)
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(MmascError, match=rf"holds a run of another configuration \({difference}\); choose another"):
        claim_run(tmp_path, MADE)
    assert (tmp_path / "config.json").read_bytes() == before


def test_a_run_from_before_a_field_came_goes_on_at_its_default(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"name": "x", "inner": {"width": 2, "shares": [0.25, 0.75]}}))
    assert claim_run(tmp_path, MADE) is True
    with pytest.raises(MmascError, match=r"\(rate is 0.1 there, 0.3 here\)"):
        claim_run(tmp_path, Outer("x", MADE.inner, rate=0.3))
    with pytest.raises(MmascError, match=r"\(later.width is 3 there, 5 here\)"):
        claim_run(tmp_path, Outer("x", MADE.inner, later=Inner(5)))
    (tmp_path / "config.json").write_text(json.dumps({"inner": {"width": 2, "shares": [0.25, 0.75]}}))
    with pytest.raises(MmascError, match=r"\(name is None there, 'x' here\)"):
        claim_run(tmp_path, MADE)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_a_damaged_configuration_is_named(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    for read in (lambda: claim_run(tmp_path, MADE), lambda: read_config(tmp_path)):
        with pytest.raises(MmascError, match=r"config\.json is damaged \(.*\); choose another folder for the run"):
            read()


def test_what_is_no_configuration_is_named(tmp_path):
    with pytest.raises(MmascError, match="holds no config.json"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(MmascError, match=r"config\.json holds no configuration; choose another folder"):
        read_config(tmp_path)
    with pytest.raises(MmascError, match="holds a run of another configuration"):
        claim_run(tmp_path, MADE)


# Metrics


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_metrics_after_the_checkpoint_are_dropped_and_a_torn_line_too(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path, 0)
    assert not path.exists()
    for step in range(1, 5):
        metrics.write(step=step, loss=1 / step)
    with path.open("a") as file:
        file.write('{"step": 5, "lo')
    again = Metrics(path, 3)
    assert lines(path) == [{"step": step, "loss": 1 / step} for step in (1, 2, 3)]
    again.write(step=4, loss=9.0)
    assert lines(path)[-1] == {"step": 4, "loss": 9.0}
    assert len(lines(path)) == 4
    assert names(tmp_path) == ["metrics.jsonl"]


# Optimisers


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adam, lambda p, lr: torch.optim.SGD(p, lr, 0.9)])
def test_an_optimiser_goes_on_as_if_it_had_never_stopped(tmp_path, kind):
    def network():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))

    def steps(model, optimizer, numbers):
        for number in numbers:
            optimizer.zero_grad()
            generator = torch.Generator().manual_seed(number)
            model(torch.randn(4, 3, generator=generator)).square().sum().backward()
            optimizer.step()

    straight, first = network(), network()
    straight_optimizer, first_optimizer = (kind(one.parameters(), lr=0.01) for one in (straight, first))
    steps(straight, straight_optimizer, range(6))
    steps(first, first_optimizer, range(3))
    save_tensors(tmp_path / "o.safetensors", pack_optimizer(first_optimizer), {})
    second = network()
    second.load_state_dict(first.state_dict())
    optimizer = kind(second.parameters(), lr=0.01)
    unpack_optimizer(optimizer, load_tensors(tmp_path / "o.safetensors")[0])
    steps(second, optimizer, range(3, 6))
    for one, other in zip(straight.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
