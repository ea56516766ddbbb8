"""Runs as `mmasc train NETWORK` leaves them, with weights that nobody trained: fixtures of tests of what reads runs."""

import json

import numpy as np
import pytest
import soundfile

from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.storage.configs import config_to_json
from mmasc.storage.tensors import save_tensors
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.data import DataChoice, digest_of
from tests.helpers.small_network import SMALL, lived_in

OPTIONS = {"label_column": "kind", "fold_column": "fold", "group_column": "take"}


@pytest.fixture
def data(tmp_path):
    """18 clips of three kinds in two folds, two clips a take, in two cities."""
    folder = tmp_path / "data"
    folder.mkdir()
    generator = np.random.default_rng(0)
    rows = ["path,kind,fold,take,city,device"]
    for number in range(18):
        kind, fold, city = "abc"[number % 3], 1 + number // 9, "lyon" if number % 9 < 6 else "oslo"
        noise = np.cumsum(generator.normal(size=16_000)) if kind == "a" else generator.normal(size=16_000)
        soundfile.write(folder / f"{number}.wav", 0.3 * noise / np.abs(noise).max(), 16_000)
        rows.append(f"{number}.wav,{kind},{fold},take{number // 2 + 100 * fold},{city},x")
    table = folder / "table.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


@pytest.fixture
def make_run(tmp_path, data, monkeypatch):
    """Write a run of the small network as `mmasc train` would."""
    monkeypatch.setitem(NETWORKS, "small", SMALL)
    table = DataChoice("csv", data, OPTIONS).read()

    def make(name, fold="1", seed=0, lines=3, **values):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        settings = dict(
            network="small",
            features="vggish",
            classes=table.classes,
            dataset="csv",
            data=str(data),
            dataset_options=OPTIONS,
            data_digest=digest_of(table),
            fold=fold,
            seed=seed,
            epochs=3,
        )
        config = SupervisedConfig(**(settings | values))
        (folder / "config.json").write_text(config_to_json(config))
        network = load_network("small", classes=config.classes, seed=seed)
        lived_in(network.body, seed)
        about = {"network": "small", "classes": list(config.classes), "features": "vggish", "arguments": {}}
        save_tensors(folder / "last.safetensors", network.body.state_dict(), about)
        written = [
            {"step": 10 * n, "epoch": n, "loss": 1 / n, "seconds": 7.0 * n, "clips_per_second": 10.0 + n}
            for n in range(1, lines + 1)
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
        return folder

    return make
