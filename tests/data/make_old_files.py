"""How tests/data/0.1.0 was made: files as version 0.1.0 wrote them, tiny, and what it answered with them.

It runs with version 0.1.0 only and stands here to say what the files are:

    python -m tests.data.make_old_files FOLDER

Where a file names the folder that it was made in, `{here}` stands in its place. Runs are stopped half-way, `reached`
holds the weights that version 0.1.0 goes on to.
"""

import contextlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np

# Names that are not bundled, as `train_network` and `train_alignment` are told them
KINDS = {"whistle": 1_500.0, "hum": 150.0, "noise": None}
READ = {"dataset": "csv", "dataset_options": {"fold_column": "fold"}, "folds": ["1"]}
NETWORK = {"recipe": "plain", "epochs": 4, "batch": 4, "learning_rate": 1e-2}
ALIGN = {"audio": "tiny", "steps": 6, "batch": 3, "crop_seconds": 1.3}
CHANNELS = (2, 1, 1, 1)
VQVAE = {"size": 8, "steps": 8, "warm_steps": 2, "batch": 4, "codes": 4, "dim": 4, "validation_share": 0.0}
IVF = {"steps": 6, "batch": 4}
IVF_NETWORK = {"kind": "convolution", "width": 8, "heads": 2, "layers": 1, "cell_layers": 1, "dropout": 0.0}
CRITIC = {"widths": (4, 4)}
VQVAE_WIDTHS = {"hidden": 4, "residual_hidden": 4, "residual_blocks": 1}


def main(folder: Path) -> None:
    """Write everything; `folder` must not be there."""
    import mmasc

    if mmasc.__version__ != "0.1.0":
        raise SystemExit(f"this is mmasc {mmasc.__version__}; the files are those of 0.1.0")
    folder = folder.resolve()
    folder.mkdir(parents=True)
    write_sounds(folder)
    with small_registries():
        stopped(folder)
        reached(folder)
    write_collection(folder)
    for path in folder.rglob("*.json"):
        path.write_text(path.read_text("utf-8").replace(str(folder), "{here}"), "utf-8")
    left = [path for path in folder.rglob("*") if path.is_file() and str(folder).encode() in path.read_bytes()]
    if left:
        raise SystemExit(f"these name the folder that they were made in: {left}")


@contextlib.contextmanager
def small_registries():
    """Networks that are small enough to lie here, and sizes that no option reaches."""
    from unittest.mock import patch

    from mmasc.baselines import NETWORKS
    from mmasc.training import alignment_config, ivf
    from tests.small_network import FILTERS, FILTERS_TAGS

    plain = ivf.VqVaeConfig
    with (
        patch.dict(NETWORKS, {spec.name: spec for spec in (FILTERS, FILTERS_TAGS)}),
        patch.dict(alignment_config.AUDIO_NETWORKS, {"tiny": CHANNELS}),
        patch.object(ivf, "VqVaeConfig", lambda *sizes, **more: plain(*sizes, **more, **VQVAE_WIDTHS)),
    ):
        yield


def write_sounds(folder: Path) -> None:
    """Six recordings with a table, pictures, prompts, and a table of word vectors."""
    import soundfile
    from PIL import Image
    from safetensors.numpy import save_file

    chance = np.random.default_rng(0)
    (folder / "sounds").mkdir()
    rows, pairs = ["path,label,fold,site"], ["audio,image"]
    at = np.arange(2_400) / 8_000
    for number in range(6):
        kind = list(KINDS)[number % 3]
        noise, hz = chance.standard_normal(len(at)), KINDS[kind]
        sound = 0.1 * noise if hz is None else 0.3 * np.sin(2 * np.pi * hz * (1 + 0.1 * number) * at) + 0.001 * noise
        name = f"{kind}-{number}"
        soundfile.write(folder / "sounds" / f"{name}.wav", sound, 8_000)
        Image.fromarray(chance.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / "sounds" / f"{name}.png")
        rows.append(f"{name}.wav,{kind},{1 + number // 3},{'pond' if number % 2 else 'wood'}")
        pairs.append(f"{name}.wav,{name}.png")
    (folder / "sounds" / "table.csv").write_text("\n".join(rows) + "\n")
    (folder / "sounds" / "pairs.csv").write_text("\n".join(pairs) + "\n")
    (folder / "prompts.yaml").write_text(
        "name: two\ndescription: of these recordings\ntemplates: ['{}', 'the sound of {}']\nlabels:\n"
        "  whistle: [whistling, a whistle]\n  hum: [humming, an engine]\n  noise: [noise, a waterfall]\n"
    )
    (folder / "tags.yaml").write_text(
        "name: tags\ndescription: two tags\ntemplates: ['{}']\nlabels:\n  bird: [a bird]\n  engine: [an engine]\n"
    )
    words = [*KINDS, "the", "sound", "of", "a", "recording", "in", "distance"]
    config = {"config": json.dumps({"kind": "mmasc-text-table"})}
    table = chance.integers(-127, 128, (len(words), 4)).astype(np.int8)
    save_file({"table": table, "scale": np.ones(len(words), np.float32)}, folder / "own_text.safetensors", config)
    (folder / "own_vocabulary.txt").write_text("".join(f"{word}\n" for word in words))


def go_on(folder: Path, runs: Path, half: bool = False) -> None:
    """Every run in `runs` from where it is to its end, or to its middle."""
    from mmasc.ivf.critic import CriticConfig
    from mmasc.ivf.transformation import TransformationConfig
    from mmasc.training.alignment import train_alignment
    from mmasc.training.ivf import train_ivf, train_vqvae
    from mmasc.training.supervised import train_network

    table, pairs = folder / "sounds" / "table.csv", folder / "sounds" / "pairs.csv"
    pause = 2 if half else None
    train_network("filters", table, out=runs / "supervised", pause_at=pause, **READ, **NETWORK)
    with contextlib.chdir(folder):  # what runs keep of these names is what they were told
        tags = "prompts:tags.yaml@mini"
        train_network("filters-tags", table, out=runs / "tags", pause_at=pause, tags=tags, **READ, **NETWORK)
        text = "own_text.safetensors"
        train_alignment(table, runs / "align", text=text, pause_at=3 if half else None, **ALIGN)
    quiet = {"remark": lambda line: None, "picture_steps": 1_000, "cache": runs / "pairs"}
    train_vqvae(pairs, runs / "vqvae-only", stop=4 if half else None, **quiet, **VQVAE)
    sizes = {"network": TransformationConfig(**IVF_NETWORK), "critic": CriticConfig(**CRITIC)}
    train_ivf(pairs, runs / "ivf", stop=3 if half else None, vqvae=VQVAE, **quiet, **sizes, **IVF)
    shutil.rmtree(runs / "pairs")


def stopped(folder: Path) -> None:
    """Runs in the middle."""
    go_on(folder, folder / "stopped", half=True)
    for pictures in folder.rglob("pictures"):
        shutil.rmtree(pictures)
    for machine in folder.rglob("machine.json"):
        machine.unlink()


RUNS = {
    "supervised": "supervised",
    "tags": "tags",
    "align": "align",
    "vqvae": "vqvae-only/vqvae",
    "ivf": "ivf/ivf",
}


def reached(folder: Path) -> None:
    """The weights that these runs go on to."""
    work = folder / "work"
    shutil.copytree(folder / "stopped", work)
    go_on(folder, work)
    (folder / "reached").mkdir()
    for name, run in RUNS.items():
        shutil.copy(work / run / "last.safetensors", folder / "reached" / f"{name}.safetensors")
    shutil.rmtree(work)


def write_collection(folder: Path) -> None:
    """A collection of three spaces with an index, a head, a calibration, a decoded cache, and their answers."""
    from mmasc import Collection, apply_head, embed, fit_head, load_encoder, tune_prompts
    from mmasc.datasets import WaveformCache
    from mmasc.heads.tuned import Calibration

    sounds, collection = folder / "sounds", folder / "collection"
    for encoder in ("classic", "mini-features", "mini"):
        embed(sounds, collection, encoder, metadata=sounds / "table.csv")
    query = sounds / "whistle-0.wav"
    head, calibration = folder / "labels.head", folder / "calibration.json"
    opened = Collection(collection)
    found = {space: opened.search(audio=query, space=space, k=6) for space in ("classic", "mini-features")}
    found["mini"] = opened.search(text="whistling", space="mini", k=6)
    fit_head(collection, "label", "logistic", folds=2, space="mini-features", out=head)
    said = apply_head(head, collection)
    tune_prompts(
        *(collection, "label", folder / "prompts.yaml"), shift="none", thresholds=True, folds=2, space="mini",
        out=calibration,
    )  # fmt: skip
    encoder = load_encoder("mini")
    classifier = Calibration.load(calibration).classifier(encoder, folder / "prompts.yaml")
    vectors = np.stack(
        [encoder.embed(np.sin(hz * np.arange(48_000) / 5_000, dtype=np.float32)[None])[0] for hz in (1, 3)]
    )
    cache = WaveformCache(folder / "cache", 8_000)
    waveforms = cache.load([query])
    answers = {
        "search": {
            space: [[Path(hit["path"]).name, float(hit["score"])] for hit in hits] for space, hits in found.items()
        },
        "sites": sorted(str(site) for site in opened.recordings.column("site").to_pylist()),
        "head": [[Path(one.path).name, one.label] for one in said],
        "calibration": classifier.predict_proba(vectors).tolist(),
        "cache": float(np.abs(np.array(waveforms[0])).sum()),
    }
    (folder / "answers.json").write_text(json.dumps(answers, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
