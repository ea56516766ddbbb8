"""Published figures of the systems that mmasc has, with what each was measured on.

They are printed next to our own and never as if they were of one measurement: folds, splits and selection differ, and
every figure says how.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A figure of a paper.

    Attributes:
        datasets: Kinds of `mmasc.datasets.DATASETS` that it is about.
        system: As its paper names it.
        ours: What it is here: networks of the registry or "encoder+head", blanks between; empty for what mmasc has not.
        features: Front end, where the paper compares several; empty for the system's own.
        metric: Name in `mmasc.metrics.predictions.measure`.
        value: As a share (accuracy 0.67 for 67 %).
        measured: On what, in a few words.
        source: Paper or repository.
        note: What else must be known.
        unseen: The value for cities that were not learned from, where the paper tells them apart: `value` is then that
            of the others.
        folds: The value of every official fold, in their order from "1" on; empty where the paper gives none.
    """

    datasets: tuple[str, ...]
    system: str
    ours: str
    value: float
    measured: str
    source: str
    features: str = ""
    metric: str = "accuracy"
    note: str = ""
    folds: tuple[float, ...] = ()
    unseen: float | None = None

    def on_folds(self, names: Sequence[str]) -> float | None:
        """The mean over some of its folds, by name; None where it is not given by fold, or they are others."""
        known = {str(number): value for number, value in enumerate(self.folds, 1)}
        if not names or not set(names) <= known.keys():
            return None
        return sum(known[name] for name in names) / len(names)


_ESC10 = "5 official folds, 400 clips"
_PICZAK_CNN = "Piczak 2015 (MLSP), from its confusion matrices"
_TOKOZUME = "Tokozume et al. 2018, README of mil-tokyo/bc_learning_sound"
_BARBERTEGUY = "Barberteguy 2023"
_PRUNED = "TAU 2020 Mobile pruned to 7,990 clips, split by file: places on both sides"
_PRUNED_WHOLE = "TAU 2020 Mobile pruned to 7,990 clips, all of them, labels of the file names"
_SCENES_2019 = "DCASE 2019 task 1a, fold 1"
_JUNG = "Jung et al. 2020; kernel and epoch were chosen on the test set by their earlier code"
_ZHOU = "Zhou, Bai and Du"
_SCENES_2018 = "DCASE 2018 task 1a, development set's test part"
_KUMAR = "Kumar, Vyas and Garg"
_LIU = "Liu et al. 2021 (ICASSP)"
_PANNS = "Kong et al. 2020; in the names of the weight files"
_AUDIOSET = "AudioSet's evaluation set, 527 classes"


def _esc10(system: str, value: float, source: str, ours: str = "", folds: str = "") -> Published:
    of_folds = tuple(round(float(percent) / 100, 6) for percent in folds.split())
    return Published(("esc10",), system, ours, value, _ESC10, source, folds=of_folds)


def _seen_unseen(system: str, features: str, seen: float, unseen: float, ours: str = "eight-conv") -> Published:
    return Published(
        ("tau2019",),
        system,
        ours,
        seen,
        "DCASE 2019 task 1a, seen cities; the list of clips is not given",
        _LIU,
        features,
        note=f"unseen cities {100 * unseen:.1f} %",
        unseen=unseen,
    )


PUBLISHED: tuple[Published, ...] = (
    # ESC-10
    _esc10("human listeners", 0.957, "Piczak 2015 (ESC); about a dozen judgements per clip"),
    _esc10(
        "k-NN, MFCC and zero crossings", 0.667, "Piczak 2015 (ESC)", "classic+neighbours", "58.7 72.5 67.5 72.5 62.5"
    ),
    _esc10(
        "linear SVM, MFCC and zero crossings",
        0.675,
        "Piczak 2015 (ESC)",
        "classic+svm-linear",
        "57.5 78.7 65.0 73.7 62.5",
    ),
    _esc10(
        "random forest, MFCC and zero crossings",
        0.727,
        "Piczak 2015 (ESC)",
        "classic+forest",
        "57.5 77.5 77.5 77.5 73.7",
    ),
    _esc10("Piczak ConvNet, short, majority", 0.78, _PICZAK_CNN, folds="77.5 77.5 77.5 87.5 70.0"),
    _esc10("Piczak ConvNet, short, probability", 0.785, _PICZAK_CNN, folds="77.5 80.0 77.5 86.25 71.25"),
    _esc10("Piczak ConvNet, long, majority", 0.7975, _PICZAK_CNN, folds="76.25 87.5 73.75 83.75 77.5"),
    _esc10("Piczak ConvNet, long, probability", 0.8025, _PICZAK_CNN, folds="75.0 87.5 75.0 83.75 80.0"),
    _esc10("SoundNet, convolutional autoencoder", 0.743, "Aytar et al. 2016"),
    _esc10("SoundNet, 8 layers, learned from unlabelled video", 0.922, "Aytar et al. 2016"),
    _esc10("EnvNet", 0.872, _TOKOZUME),
    _esc10("EnvNet, between-class learning", 0.887, _TOKOZUME),
    _esc10("EnvNet-v2", 0.858, _TOKOZUME),
    _esc10("EnvNet-v2, between-class learning", 0.894, _TOKOZUME),
    _esc10("EnvNet-v2, strong augmentation", 0.891, _TOKOZUME),
    _esc10("EnvNet-v2, strong augmentation, between-class learning", 0.914, _TOKOZUME),
    _esc10("WaveMsNet", 0.9375, "Zhu et al. 2018, abstract"),
    _esc10("several features and a deep CNN", 0.9725, "Sharma et al. 2019, abstract"),
    # Urban scenes, first paper
    Published(("tau2020", "tau2021"), "ResNet", "resnet34", 0.81, _PRUNED, _BARBERTEGUY, note="at epoch 38"),
    Published(("tau2020", "tau2021"), "CNN6", "cnn6 cnn6-256", 0.70, _PRUNED, _BARBERTEGUY, note="at epoch 34"),
    Published(("tau2020", "tau2021"), "SP4SC", "sp4sc sp4sc-merged", 0.67, _PRUNED, _BARBERTEGUY, note="at epoch 100"),
    Published(
        ("tau2020", "tau2021"),
        "AudioCLIP and gradient boosting",
        "audioclip+boosting-paper",
        0.37337,
        "1,998 of 7,990 clips, split by file",
        _BARBERTEGUY,
    ),
    *(
        Published(
            ("tau2020", "tau2021"),
            f"AudioCLIP, zero-shot, {prompts} prompts",
            "",
            value,
            _PRUNED_WHOLE,
            _BARBERTEGUY,
            note="batch norm in training mode, samples in [-1, 1]; the largest class alone has 13.4 %",
        )
        for prompts, value in (("long", 0.11564), ("short", 0.0975))
    ),
    Published(
        ("tau2020", "tau2021"),
        "SP4SC, its authors",
        "sp4sc",
        0.671,
        "TAU 2020 Mobile, official fold",
        "valeoai/SP4ASC",
        note="log loss 0.94; with 30 augmented passes 67.0 % and 0.89",
    ),
    Published(("tau2020", "tau2021"), "DCASE 2021 baseline", "", 0.477, "TAU 2020 Mobile, official fold", "its README"),
    # Second paper
    Published(("tau2019",), "raw waveform network", "rawwave", 0.7363, _SCENES_2019, _JUNG),
    Published(("tau2019",), "Jung 2019, 636 thousand parameters", "rawwave-2019", 0.7581, _SCENES_2019, _JUNG),
    Published(("tau2019",), "tags joined and attention, 676 thousand", "rawwave-tags", 0.7675, _SCENES_2019, _JUNG),
    Published(("tau2019",), "Huang et al., 53 million", "", 0.7608, _SCENES_2019, _JUNG),
    Published(("tau2019",), "Zheng et al.", "", 0.6923, _SCENES_2019, _JUNG),
    # Third paper
    Published(
        ("urbansound8k",),
        "ResNet-18 with dilations",
        "dilated-resnet18",
        0.708,
        "UrbanSound8K, folds not named",
        _KUMAR,
    ),
    Published(("urbansound8k",), "ResNet-18", "resnet18", 0.697, "UrbanSound8K, folds not named", _KUMAR),
    Published(("urbansound8k",), "VGG", "vggish-dnn", 0.5951, "UrbanSound8K, folds not named", _KUMAR),
    *(
        Published(
            ("audioset",),
            system,
            ours,
            value,
            "AudioSet subset of 10 classes, about 4,000 clips",
            _KUMAR,
            metric=f"micro_{metric}",
            note="printed precision 0.66 and recall 0.64 give 0.650" if value == 0.654 else "",
        )
        for system, ours, *values in (
            ("ResNet-18 with dilations", "dilated-resnet18", 0.66, 0.64, 0.654),
            ("ResNet-18", "resnet18", 0.65, 0.65, 0.65),
            ("VGG, pretrained", "vggish-dnn", 0.8984, 0.7998, 0.8462),
        )
        for metric, value in zip(("precision", "recall", "f1"), values, strict=True)
    ),
    # Fourth paper
    _seen_unseen("constant Q", "cqt", 0.723, 0.646),
    _seen_unseen("gammatone", "gammatone", 0.775, 0.681),
    _seen_unseen("MFCC", "mfcc", 0.644, 0.596),
    _seen_unseen("log-mel", "log-mel", 0.734, 0.625),
    _seen_unseen("log-mel, deltas", "log-mel-delta", 0.765, 0.651),
    _seen_unseen("log-mel, deltas and delta-deltas", "log-mel-delta2", 0.772, 0.665),
    _seen_unseen("imagined video features without VQ", "ivf:no-vq", 0.783, 0.732, ""),
    _seen_unseen("imagined video features, quantised", "ivf:q", 0.815, 0.793, ""),
    _seen_unseen("imagined video features, indices", "ivf:index", 0.837, 0.825, ""),
    # Its Table 2: others as quoted there
    _seen_unseen("SoundNet", "", 0.758, 0.675, ""),
    _seen_unseen("Gao et al.", "", 0.770, 0.731, ""),
    _seen_unseen("Hu et al.", "", 0.775, 0.747, ""),
    _seen_unseen("Suh et al.", "", 0.781, 0.746, ""),
    _seen_unseen("Suh et al., with YouTube-8M", "", 0.824, 0.762, ""),
    *(
        Published(("esc50",), system, "", value, "ESC-50, 5 folds, as quoted there", _LIU)
        for system, value in (
            ("SVM, MFCC", 0.396),
            ("autoencoder", 0.399),
            ("random forest", 0.443),
            ("Piczak ConvNet", 0.645),
            ("SoundNet", 0.742),
            ("audio-visual learning", 0.793),
            ("human listeners", 0.813),
            ("transfer learning", 0.835),
            ("imagined video features", 0.837),
        )
    ),
    # Fifth paper
    *(
        Published(("tau2018",), f"{system} {start}", ours, value, _SCENES_2018, _ZHOU)
        for system, ours, *values in (
            ("AlexNet", "alexnet", 0.595, 0.643),
            ("VGG-16", "vgg16", 0.619, 0.706),
            ("ResNet", "resnet50", 0.616, 0.702),
        )
        for start, value in zip(("from scratch", "fine-tuned"), values, strict=True)
    ),
    *(
        Published(
            ("tau2018",),
            f"VGG-16, fine-tuned, {parts} fragments, the average channel",
            "vgg16",
            value,
            _SCENES_2018,
            _ZHOU,
        )
        for parts, value in ((3, 0.716), (6, 0.739), (9, 0.718), (12, 0.718))
    ),
    Published(("tau2018",), "VGG-16, fine-tuned, 6 fragments, three channels", "vgg16", 0.755, _SCENES_2018, _ZHOU),
    Published(
        ("tau2018",),
        "VGG-16 with MLP, fine-tuned, 6 fragments, three channels",
        "vgg16-mlp",
        0.778,
        _SCENES_2018,
        _ZHOU,
    ),
    Published(("tau2018",), "DCASE 2018 baseline", "", 0.597, _SCENES_2018, "its README"),
    # AudioSet
    *(
        Published(("audioset",), system, ours, value, _AUDIOSET, _PANNS, metric="mean_average_precision")
        for system, ours, value in (
            ("CNN6", "cnn6-audioset", 0.343),
            ("CNN10", "cnn10", 0.380),
            ("CNN14", "cnn14", 0.431),
            ("Wavegram-Logmel-CNN14", "wavegram-logmel-cnn14", 0.439),
        )
    ),
)


def published_for(dataset: str) -> list[Published]:
    """All figures about a kind of data set, the best first."""
    return sorted((item for item in PUBLISHED if dataset in item.datasets), key=lambda item: (item.metric, -item.value))


def published_features(features: str) -> Published | None:
    """What Liu et al. 2021 measured on seen and on unseen cities with features, in their Table 1.

    Args:
        features: Front end, by name; of imagined ones "ivf:VARIANT".
    """
    return next((item for item in PUBLISHED if item.unseen is not None and item.features == features), None)


def published_beside(dataset: str, ours: str, features: str = "", own_features: str = "") -> list[Published]:
    """Figures of one system on a kind of data set.

    Args:
        dataset: Kind.
        ours: A network of the registry, or "encoder+head".
        features: Front end that it was given.
        own_features: The network's own: figures that name no front end are about that one.
    """
    return [
        item
        for item in published_for(dataset)
        if ours in item.ours.split() and (item.features == features if item.features else features == own_features)
    ]
