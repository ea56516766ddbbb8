"""How long encoders take on this machine, plain against fast, side by side in one run.

    python examples/benchmark/encoders.py                     # every row that needs no downloaded weights
    python examples/benchmark/encoders.py --rows audioclip    # rows whose name begins so
    python examples/benchmark/encoders.py --backend           # with ONNX Runtime, which is exported first (a minute)

AudioCLIP and CLAP are timed on random weights: what a multiplication costs does not depend on its numbers. Rows "file"
go from a WAV file of 44.1 kHz to a vector. A row is a named function that makes the thing to be timed; the times of one
table are taken in turns, so that a machine that is busy for a while is busy for all of them. The least time of all
rounds counts.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from mmasc.cli.output import print_table
from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_file
from mmasc.encoders.esresnext import ESResNeXt
from mmasc.encoders.esresnext_fast import FastFrontEnd, FoldedTrunk
from mmasc.encoders.registry import load_encoder
from mmasc.features import CLAP, LogMel

Timed = Callable[[], object]
SAMPLE_RATE = 44_100


@cache
def network() -> ESResNeXt:
    """AudioCLIP's audio network on random weights; trained kernels are not whole numbers, nor are these."""
    torch.manual_seed(0)
    made = ESResNeXt().eval().requires_grad_(False)
    made.fbsp.m.uniform_(0.02, 1.5)
    made.fbsp.fc.add_(torch.rand(len(made.fbsp.fc)))
    return made


@cache
def noise() -> torch.Tensor:
    """Five seconds of mono noise in 16-bit range, [1 1 time]."""
    return torch.randint(-9000, 9000, (1, 1, 5 * SAMPLE_RATE), generator=torch.Generator().manual_seed(1)).float()


@cache
def mini(backend: str) -> Encoder:
    return load_encoder("mini", backend=backend)


def audioclip_front_end_plain() -> Timed:
    plain = network()
    return lambda: plain.decibels(noise())


def audioclip_front_end() -> Timed:
    fast = FastFrontEnd(network())
    return lambda: fast(noise())


def audioclip_head_plain() -> Timed:
    plain = network()
    return lambda: plain(noise())


def audioclip_head() -> Timed:
    front_end, trunk, fc = FastFrontEnd(network()), FoldedTrunk(network()), network().fc
    trunk = trunk.to(memory_format=torch.channels_last)
    return lambda: fc(trunk(front_end(noise())[0].contiguous(memory_format=torch.channels_last)))


def audioclip_head_onnx() -> Timed:
    from mmasc.networks.onnx import OnnxPart

    front_end, fc = FastFrontEnd(network()), network().fc
    trunk = OnnxPart(network(), "pool", front_end(noise())[0].clone(), "benchmark")
    return lambda: fc(trunk(front_end(noise())[0]))


def mini_eager() -> Timed:
    return _embedding("eager")


def mini_onnx() -> Timed:
    return _embedding("onnx")


def _embedding(backend: str) -> Timed:
    encoder = mini(backend)
    window = np.random.default_rng(1).uniform(-0.3, 0.3, (1, encoder.window_samples)).astype(np.float32)
    return lambda: encoder.embed(window)


def clap_features_plain() -> Timed:
    """The extractor that CLAP's authors ship."""
    from transformers import ClapFeatureExtractor

    extractor, window = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc"), clap_window()[0].numpy()
    return lambda: extractor(window, sampling_rate=48_000, return_tensors="np")


def clap_features() -> Timed:
    front_end = LogMel(CLAP)
    return lambda: front_end(clap_window())


def clap_network_plain() -> Timed:
    """The audio side of laion/clap-htsat-unfused on random weights; the features should cost little in comparison."""
    model, features = clap_model(), LogMel(CLAP)(clap_window()).transpose(1, 2)[:, None]
    return lambda: model.get_audio_features(input_features=features)


def clap_network() -> Timed:
    encoder, features = clap("eager"), LogMel(CLAP)(clap_window()).transpose(1, 2)[:, None]
    return lambda: encoder.pooled(features)  # type: ignore[attr-defined]


def clap_file_plain() -> Timed:
    """As the documentation of ClapModel has it: librosa reads and resamples, the processor's extractor, the model."""
    import librosa
    from transformers import ClapFeatureExtractor

    extractor, model = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc"), clap_model()

    def vector() -> torch.Tensor:
        samples, _ = librosa.load(file("clap"), sr=48_000)
        inputs = extractor(samples, sampling_rate=48_000, return_tensors="pt")
        return torch.nn.functional.normalize(model.get_audio_features(**inputs).pooler_output)

    return vector


def clap_file() -> Timed:
    return _file("clap", clap("eager"))


def clap_file_onnx() -> Timed:
    return _file("clap", clap("onnx"))


def _file(name: str, encoder: Encoder) -> Timed:
    return lambda: embed_file(file(name), encoder).vector


@cache
def folder() -> Path:
    """Where this run keeps its files; gone with it."""
    kept.append(tempfile.TemporaryDirectory())
    return Path(kept[-1].name)


kept: list[tempfile.TemporaryDirectory[str]] = []


@cache
def file(name: str) -> Path:
    """Ten seconds of noise at 44.1 kHz, 16 bit, mono."""
    samples = 0.1 * np.random.default_rng(2).standard_normal(10 * SAMPLE_RATE)
    soundfile.write(folder() / f"{name}.wav", samples, SAMPLE_RATE, subtype="PCM_16")
    return folder() / f"{name}.wav"


@cache
def clap_model() -> Any:
    """transformers' ClapModel of the size of laion/clap-htsat-unfused."""
    from transformers import ClapConfig, ClapModel

    torch.manual_seed(0)
    model = ClapModel(ClapConfig()).eval().requires_grad_(False)
    # As they are made, random texts are all alike, which the encoder takes for a broken model
    for parameter in model.text_model.parameters():
        if parameter.ndim == 2:
            parameter.mul_(5)
    return model


@cache
def clap(backend: str) -> Encoder:
    """The encoder `clap` with the weights of `clap_model`."""
    from transformers import ClapFeatureExtractor

    path = folder() / "clap"
    if not path.exists():
        clap_model().save_pretrained(path)
        ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc").save_pretrained(path)
        words = ["<s>", "<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz,\u0120"]
        (path / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
        (path / "merges.txt").write_text("#version: 0.2\n")
    return load_encoder(f"clap:{path}", backend=backend)


@cache
def clap_window() -> torch.Tensor:
    """Ten seconds of mono noise at 48 kHz, [1 time]."""
    return 0.1 * torch.randn(1, 480_000, generator=torch.Generator().manual_seed(1))


# name -> (what makes it, the row that it is held against)
ROWS: dict[str, tuple[Callable[[], Timed], str]] = {
    "audioclip front end, plain": (audioclip_front_end_plain, ""),
    "audioclip front end": (audioclip_front_end, "audioclip front end, plain"),
    "audioclip audio head, plain": (audioclip_head_plain, ""),
    "audioclip audio head": (audioclip_head, "audioclip audio head, plain"),
    "audioclip audio head, onnx": (audioclip_head_onnx, "audioclip audio head, plain"),
    "clap log-mel, plain": (clap_features_plain, ""),
    "clap log-mel": (clap_features, "clap log-mel, plain"),
    "clap audio network, plain": (clap_network_plain, ""),
    "clap audio network": (clap_network, "clap audio network, plain"),
    "clap file, plain": (clap_file_plain, ""),
    "clap file": (clap_file, "clap file, plain"),
    "clap file, onnx": (clap_file_onnx, "clap file, plain"),
    "mini": (mini_eager, ""),
    "mini, onnx": (mini_onnx, "mini"),
}


def measure(names: list[str], rounds: int) -> dict[str, tuple[float, float]]:
    """Least wall and processor time of one call in milliseconds, by row; rounds go through the rows in turns."""
    timed = {name: ROWS[name][0]() for name in names}
    best = dict.fromkeys(names, (np.inf, np.inf))
    with torch.inference_mode():
        for item in range(rounds + 1):
            for name, call in timed.items():
                wall, processor = time.perf_counter(), time.process_time()
                call()
                took = (time.perf_counter() - wall) * 1e3, (time.process_time() - processor) * 1e3
                if item:  # the first round warms up
                    best[name] = (min(best[name][0], took[0]), min(best[name][1], took[1]))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="beginning of the names of the rows to measure")
    parser.add_argument("--backend", action="store_true", help="add the rows of ONNX Runtime")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1, help="number of threads of torch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = [name for name in ROWS if name.startswith(options.rows) and (options.backend or "onnx" not in name)]
    best = measure(names, options.rounds)
    rows = []
    for name in names:
        against = ROWS[name][1]
        faster = best[against][0] / best[name][0] if against in best else None
        cheaper = best[against][1] / best[name][1] if against in best else None
        wall, processor = best[name]
        rows.append(
            {"row": name, "ms": wall, "processor ms": processor, "times faster": faster, "(processor)": cheaper}
        )
    print_table(rows, ["row", "ms", "processor ms", "times faster", "(processor)"])


if __name__ == "__main__":
    main()
