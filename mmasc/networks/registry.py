"""The registry of supervised networks by name. Listing loads nothing; `load_network` is in load.py.

A new network is one class and one line here. A name with a path, "sp4sc:FILE", takes weights of a file or of a run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmasc.networks.audioset import AUDIOSET_NAMES, YAMNET_NAMES
from mmasc.networks.classes import FREESOUND_TAGS, TAU_SCENES
from mmasc.networks.spec import NetworkSpec

if TYPE_CHECKING:
    pass


NETWORKS: dict[str, NetworkSpec] = {
    spec.name: spec
    for spec in [
        *(
            NetworkSpec(
                name,
                f"mmasc.networks.panns:{cls}",
                features,
                n_classes,
                2048 if cls.startswith("Cnn14") else 512,
                sample_rate,
                arguments={"n_mels": n_mels, "n_channels": 1},
                classes=AUDIOSET_NAMES if n_classes == 527 else (),
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
            "mini-cnn",
            "mmasc.networks.mini_cnn:MiniCnn",
            "levelled",
            10,
            512,
            32_000,
            seconds=5.0,
            arguments={"n_mels": 64, "n_channels": 1},
            source="mmasc",
            description="the network of the encoder mini as a classifier, trained in minutes of one CPU core",
        ),
        NetworkSpec(
            "wavegram-logmel-cnn14",
            "mmasc.networks.wavegram:WavegramLogmelCnn14",
            "raw-32k",
            527,
            2048,
            32_000,
            classes=AUDIOSET_NAMES,
            source="Kong et al. 2020; qiuqiangkong/audioset_tagging_cnn",
            licence="CC-BY-4.0",
            description="CNN14 on log-mel bands and a learnt picture of the waveform",
        ),
        NetworkSpec(
            "sp4sc",
            "mmasc.networks.sp4sc:Sp4sc",
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
            "mmasc.networks.sp4sc:Sp4scMerged",
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
                f"mmasc.networks.vggish:{cls}",
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
            "yamnet",
            "mmasc.networks.yamnet:Yamnet",
            "yamnet",
            521,
            1024,
            16_000,
            # One patch, so that a window's scores tell when
            seconds=0.975,
            classes=YAMNET_NAMES,
            source="Plakal and Ellis; tensorflow/models, research/audioset/yamnet",
            weights="yamnet",
            description="YAMNet, 521 sounds of AudioSet",
        ),
        NetworkSpec(
            "resnet34",
            "mmasc.networks.resnet:ResNet",
            "sp4sc",
            10,
            512,
            44_100,
            arguments={"depth": 34, "n_channels": 1, "standardise": 0},
            classes=TAU_SCENES,
            source="Barberteguy 2023",
            description="ResNet-34 with one input channel",
        ),
        NetworkSpec(
            "resnet18",
            "mmasc.networks.resnet:ResNet",
            "dilated",
            10,
            512,
            22_050,
            arguments={"depth": 18, "n_channels": 1, "standardise": 0},
            source="Kumar et al. 2020",
            description="ResNet-18 with one input channel",
        ),
        NetworkSpec(
            "dilated-resnet18",
            "mmasc.networks.dilated:DilatedResNet",
            "dilated",
            10,
            512,
            22_050,
            arguments={"n_channels": 1},
            source="Kumar et al. 2020",
            description="ResNet-18 behind convolutions of four dilations",
        ),
        *(
            NetworkSpec(
                f"{trunk}{ending}",
                "mmasc.networks.transfer:TransferNetwork",
                "scenes-128",
                10,
                256 if pooling == "mlp" else width,
                44_100,
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
            "mmasc.networks.ivf_classifier:EightConvolutions",
            "log-mel",
            10,
            512,
            16_000,
            arguments={"n_channels": 1},
            classes=TAU_SCENES,
            source="Liu et al. 2021",
            description="eight convolutions; the classifier behind vectors made of sound",
        ),
        NetworkSpec(
            "rawwave-2019",
            "mmasc.networks.rawwave:RawWave",
            "raw-48k",
            10,
            128,
            48_000,
            channels=2,
            arguments={
                "widths": (64, 64, 128, 128, 128, 128, 128),
                "code": 128,
                "last_convolution": True,
                "output_bias": False,
                "n_channels": 2,
            },
            classes=TAU_SCENES,
            source="Jung et al. 2019",
            description="residual blocks on stereo samples, as released in 2019",
        ),
        NetworkSpec(
            "rawwave",
            "mmasc.networks.rawwave:RawWave",
            "raw-48k",
            10,
            64,
            48_000,
            channels=2,
            arguments={"n_channels": 2},
            classes=TAU_SCENES,
            source="Jung et al. 2020",
            description="residual blocks on stereo samples, exactly as in Table 1",
        ),
        *(
            NetworkSpec(
                f"{name}-tags",
                "mmasc.networks.tag_conditioned:TaggedNetwork",
                features,
                10,
                dim,
                rate,
                channels=channels,
                arguments={
                    "trunk": name,
                    "trunk_arguments": trunk_arguments,
                    "n_tags": 80,
                    "heads": 4,
                    "attention_layers": 3,
                    "join": "merge",
                    "shared": True,
                },
                classes=TAU_SCENES,
                source="Jung et al. 2020",
                description=f"{name} that reads 80 tags: attention on its filters, and joined to its code",
            )
            for name, features, dim, rate, channels, trunk_arguments in (
                # The reading that gives the published 676 thousand parameters
                ("rawwave", "raw-48k", 64, 48_000, 2, {"widths": (64, 64, 128, 128, 128, 128, 128)}),
                ("rawwave-2019", "raw-48k", 128, 48_000, 2, {}),
                ("cnn6", "panns", 512, 32_000, 1, {}),
                ("sp4sc", "sp4sc", 128, 44_100, 1, {}),
                ("mini-cnn", "levelled", 512, 32_000, 1, {}),
            )
        ),
        NetworkSpec(
            "tagging",
            "mmasc.networks.tagger:Tagger",
            "tagging-reflect",
            80,
            1024,
            44_100,
            arguments={"n_channels": 1, "noisy_head": False},
            classes=FREESOUND_TAGS,
            source="Akiyama and Sato 2019",
            licence="MIT",
            description="ResNet-34 that tags 80 kinds of sound",
        ),
    ]
}


def network_class(spec: NetworkSpec) -> Any:
    """The class of a network's body."""
    module, _, cls = spec.target.partition(":")
    return getattr(import_module(module), cls)
