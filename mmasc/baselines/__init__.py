"""The registry of supervised networks: names to specs, and `load_network`. Listing loads nothing.

A new network is one class and one line here. A name with a path, "sp4sc:FILE", takes weights of a file or of a run.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmasc.baselines.spec import NetworkSpec
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError

if TYPE_CHECKING:
    from mmasc.baselines.network import Network

# The ten scenes of TAU Urban Acoustic Scenes, in the order of official checkpoints
TAU_SCENES = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)

NETWORKS: dict[str, NetworkSpec] = {
    spec.name: spec
    for spec in [
        *(
            NetworkSpec(
                name,
                f"mmasc.baselines.panns:{cls}",
                features,
                n_classes,
                2048 if cls.startswith("Cnn14") else 512,
                sample_rate,
                arguments={"n_mels": n_mels, "n_channels": 1},
                source="Kong et al. 2020; qiuqiangkong/audioset_tagging_cnn",
                licence="CC-BY-4.0" if n_classes == 527 else "Apache-2.0",
                description=description,
            )
            for name, cls, features, n_classes, sample_rate, n_mels, description in (
                ("cnn6", "Cnn6", "panns", 10, 32_000, 64, "CNN6 of PANNs with 10 classes"),
                ("cnn6-256", "Cnn6", "sp4sc", 10, 44_100, 256, "CNN6 of PANNs on the 256 bands of SP4SC"),
                ("cnn6-audioset", "Cnn6", "panns", 527, 32_000, 64, "CNN6 of PANNs, 527 sounds of AudioSet"),
                ("cnn10", "Cnn10", "panns", 527, 32_000, 64, "CNN10 of PANNs, 527 sounds of AudioSet"),
                ("cnn14", "Cnn14", "panns", 527, 32_000, 64, "CNN14 of PANNs, 527 sounds of AudioSet"),
                ("cnn14-16k", "Cnn14At16k", "panns-16k", 527, 16_000, 64, "CNN14 of PANNs for 16 kHz"),
            )
        ),
        NetworkSpec(
            "wavegram-logmel-cnn14",
            "mmasc.baselines.wavegram:WavegramLogmelCnn14",
            "raw-32k",
            527,
            2048,
            32_000,
            source="Kong et al. 2020; qiuqiangkong/audioset_tagging_cnn",
            licence="CC-BY-4.0",
            description="CNN14 on log-mel bands and a learnt picture of the waveform",
        ),
        NetworkSpec(
            "sp4sc",
            "mmasc.baselines.sp4sc:Sp4sc",
            "sp4sc",
            10,
            128,
            44_100,
            arguments={"n_mels": 256, "n_channels": 1},
            classes=TAU_SCENES,
            source="Puy, Jain, Bursuc 2021; valeoai/SP4ASC",
            description="SP4SC: acoustic scenes in 62,922 parameters",
        ),
        NetworkSpec(
            "sp4sc-merged",
            "mmasc.baselines.sp4sc:Sp4scMerged",
            "sp4sc",
            10,
            128,
            44_100,
            arguments={"n_mels": 256, "n_channels": 1},
            classes=TAU_SCENES,
            source="Puy, Jain, Bursuc 2021; valeoai/SP4ASC",
            description="SP4SC without batch norms, 62,474 numbers; a plain file is merged as it is read",
        ),
        *(
            NetworkSpec(
                name,
                f"mmasc.baselines.vggish:{cls}",
                "vggish",
                n_classes,
                dim,
                16_000,
                source=source,
                description=description,
            )
            for name, cls, n_classes, dim, source, description in (
                ("vggish", "Vggish", 128, 128, "Hershey et al. 2017", "VGGish as released: 128 numbers, no classes"),
                ("vggish-dnn", "VggishDnn", 10, 100, "Kumar et al. 2020", "VGGish with two layers on every patch"),
                ("vggish-rnn", "VggishRnn", 10, 128, "Kumar et al. 2020", "VGGish with a GRU over patches"),
                ("vgg-figure2b", "VggFigure2b", 128, 128, "Kumar et al. 2020", "VGG of figure 2b: 128 numbers"),
            )
        ),
        NetworkSpec(
            "resnet34",
            "mmasc.baselines.resnet:ResNet",
            "sp4sc",
            10,
            512,
            arguments={"depth": 34, "n_channels": 1, "standardise": 0},
            classes=TAU_SCENES,
            source="Barberteguy 2023",
            description="ResNet-34 with one input channel",
        ),
        NetworkSpec(
            "resnet18",
            "mmasc.baselines.resnet:ResNet",
            "dilated",
            10,
            512,
            arguments={"depth": 18, "n_channels": 1, "standardise": 0},
            source="Kumar et al. 2020",
            description="ResNet-18 with one input channel",
        ),
        NetworkSpec(
            "dilated-resnet18",
            "mmasc.baselines.dilated:DilatedResNet",
            "dilated",
            10,
            512,
            arguments={"n_channels": 1},
            source="Kumar et al. 2020",
            description="ResNet-18 behind convolutions of four dilations",
        ),
        *(
            NetworkSpec(
                f"{trunk}{ending}",
                "mmasc.baselines.transfer:TransferNetwork",
                "scenes-128",
                10,
                256 if pooling == "mlp" else width,
                arguments={"trunk": trunk, "pooling": pooling, "n_channels": 1, "standardise": 128},
                classes=TAU_SCENES,
                source="Zhou et al. 2018",
                description=f"{title} without its fully connected layers, {head}",
            )
            for trunk, width, title in (
                ("alexnet", 256, "AlexNet"),
                ("vgg16", 512, "VGG-16"),
                ("resnet50", 2048, "ResNet-50"),
            )
            for ending, pooling, head in (
                ("", "mean", "mean pooling"),
                ("-mlp", "mlp", "the paper's tanh head"),
                ("-attention", "attention", "attention pooling"),
            )
        ),
        NetworkSpec(
            "eight-conv",
            "mmasc.baselines.ivf_classifier:EightConvolutions",
            "log-mel",
            10,
            512,
            arguments={"n_channels": 1},
            classes=TAU_SCENES,
            source="Liu et al. 2021",
            description="eight convolutions; the classifier behind vectors made of sound",
        ),
    ]
}


def load_network(
    name: str,
    n_classes: int | None = None,
    classes: Sequence[str] = (),
    features: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    arguments: dict[str, Any] | None = None,
) -> "Network":
    """A supervised network with its front end, in evaluation mode.

    Args:
        name: A name of the registry for fresh weights; "name:path" for weights of a file (.safetensors, or a released
            .pt / .pth, which is read without running code) or of the folder of a training run.
        n_classes: Outputs of fresh weights; default: what the definition has.
        classes: Their names.
        features: Another front end than the network's own, by name.
        seed: Of fresh weights.
        device: "cpu", "cuda", "auto" ...
        arguments: Of the definition, by name, where they should differ from the registry's.
    Raises:
        MmascError: If the name is unknown (names are listed), or the weights are missing, damaged, or those of
            another network (what differs is named).
    """
    base, _, path = name.partition(":")
    if base not in NETWORKS:
        raise MmascError(f"unknown network {base!r}; there are: {', '.join(sorted(NETWORKS))}")
    from mmasc.baselines.files import build, read_network

    spec = NETWORKS[base]
    if path:
        return read_network(spec, path, device)
    return build(spec, n_classes, classes, features, seed, device, arguments)


def network_class(spec: NetworkSpec) -> Any:
    """The class of a network's body."""
    module, _, cls = spec.target.partition(":")
    return getattr(import_module(module), cls)


def network_spec(name: str) -> EncoderSpec | None:
    """A network of the registry as the registry of encoders would have it; None where there is none of that name."""
    if name not in NETWORKS:
        return None
    known = NETWORKS[name]
    return EncoderSpec(
        known.name,
        "mmasc.baselines.encoder:NetworkEncoder",
        sample_rate=known.sample_rate,
        window_seconds=known.seconds,
        dim=known.dim,
        padding="minimum",
        licence=known.licence,
        weights="your own",
        description=known.description,
    )
