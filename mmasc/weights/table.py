"""The table of weights: addresses, sizes, digests, licences; and names that are refused, with the reason."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from mmasc.errors import MmascError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")  # plain http to this machine crosses no network


def is_guarded(address: str) -> bool:
    """Whether an address is HTTPS, or of this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


class RemoteFile(NamedTuple):
    """A file on a server; `sha256` (64 hex digits) and `size` (bytes) are None where nobody published them.

    `begins` is the beginning of the digest (8 hex digits or more) where no more of it was published, as in the names
    of torchvision's files.
    """

    address: str
    sha256: str | None
    size: int | None
    filename: str
    begins: str = ""


@dataclass(frozen=True)
class WeightFile:
    """Weights that have a name: one file or several that belong together.

    Attributes:
        name: What `fetch` and `find` take.
        files: What they consist of.
        licence: Licence of the weights.
        non_commercial: Whether the licence forbids commercial use.
        note: One line for people.
    Raises:
        ValueError: If a file name is a path, a digest is not a SHA-256, or an address is neither https nor loopback.
    """

    name: str
    files: tuple[RemoteFile, ...]
    licence: str
    non_commercial: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        for file in self.files:
            if Path(file.filename).name != file.filename or file.filename.startswith("."):
                raise ValueError(f"filename must be a plain name, got {file.filename!r}")
            if file.sha256 is not None and not _is_digest(file.sha256):
                raise ValueError(f"sha256 of {file.filename} must be 64 hex digits or None, got {file.sha256!r}")
            if file.begins and (len(file.begins) < 8 or set(file.begins) - set("0123456789abcdef")):
                raise ValueError(f"begins of {file.filename} must be 8 hex digits or more, got {file.begins!r}")
            if not is_guarded(file.address):
                raise ValueError(f"address must begin with https://, got {file.address!r}")

    @property
    def size(self) -> int:
        """Bytes of the files whose size is known."""
        return sum(file.size or 0 for file in self.files)


def _audioclip(filename: str, sha256: str) -> RemoteFile:
    release = "https://github.com/AndreyGuzhov/AudioCLIP/releases/download/v0.1"
    return RemoteFile(f"{release}/{filename}", sha256, 537_302_068, filename)


# The RoBERTa vocabulary is the same in every CLAP of the hub.
_VOCABULARY = ("vocab.json", "ed19656ea1707df69134c4af35c8ceda2cc9860bf2c3495026153a133670ab5e", 798_293)


_FRONT_END = ("preprocessor_config.json", "9739f58296aa6f9ac18008fd0150fb2649bc554985fbde86d0a4041c882ac753", 541)


def _hub(repository: str, revision: str, *files: tuple[str, str | None, int | None]) -> tuple[RemoteFile, ...]:
    folder = f"https://huggingface.co/{repository}/resolve/{revision}"
    return tuple(RemoteFile(f"{folder}/{filename}", sha256, size, filename) for filename, sha256, size in files)


def _imagenet(network: str, name: str, begins: str) -> WeightFile:
    filename = f"{name}-{begins}.pth"
    file = RemoteFile(f"https://download.pytorch.org/models/{filename}", None, None, filename, begins)
    return WeightFile(f"{network}-imagenet", (file,), "BSD-3-Clause", note="torchvision's first ImageNet weights")


WEIGHTS: dict[str, WeightFile] = {
    weight.name: weight
    for weight in [
        WeightFile(
            "audioclip-full",
            (
                _audioclip(
                    "AudioCLIP-Full-Training.pt", "2441d35b353352c8b1bbfb8f7c687f46314c3d2909e940eaf763b8c17f632c44"
                ),
            ),
            "MIT",
            note="all three towers trained on AudioSet",
        ),
        WeightFile(
            "audioclip-partial",
            (
                _audioclip(
                    "AudioCLIP-Partial-Training.pt", "1921885b6c3b5de0619f2ef4a9700ecbade758a398b34eb064230c30baef0c75"
                ),
            ),
            "MIT",
            note="sound trained towards the unchanged CLIP RN50",
        ),
        WeightFile(
            "clap-htsat-unfused",
            _hub(
                "laion/clap-htsat-unfused",
                "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a",
                ("config.json", "9efb9557bc804f2ca6e394486af2e45dfed0b18554909735a99c6220b84e4288", 5_390),
                _FRONT_END,
                _VOCABULARY,
                ("merges.txt", "fe36cab26d4f4421ed725e10a2e9ddb7f799449c603a96e7f29b5a3c82a95862", 456_356),
                ("pytorch_model.bin", "1cd3c601bc4afe0fa87be3de4c13dd2cfadd249fac1e29acf74a9b296c3219bb", 614_525_833),
            ),
            "Apache-2.0",
            note="LAION CLAP, small, trained on windows of 10 s",
        ),
        WeightFile(
            "clap-htsat-fused",
            _hub(
                "laion/clap-htsat-fused",
                "cca9e288ab447cee67d9ada1f85ddb46500f1401",
                ("config.json", None, None),
                ("preprocessor_config.json", None, None),
                _VOCABULARY,
                ("merges.txt", None, None),
                ("pytorch_model.bin", "1ed5d0215d887551ddd0a49ce7311b21429ebdf1e6a129d4e68f743357225253", None),
            ),
            "Apache-2.0",
            note="LAION CLAP, small, trained with feature fusion",
        ),
        WeightFile(
            "larger-clap-general",
            _hub(
                "laion/larger_clap_general",
                "ada0c23a36c4e8582805bb38fec3905903f18b41",
                ("config.json", "6268f76a067e3104bf9001e97d7dcc0fcfb16f3086cfb478ee72d95900d7fc1d", 643),
                _FRONT_END,
                _VOCABULARY,
                ("merges.txt", "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5", 456_318),
                ("pytorch_model.bin", "314eb00cce6ad68d25237b8446b659ccdb136ed4672c1bca470f142f72455026", 776_444_665),
            ),
            "Apache-2.0",
            note="LAION CLAP, larger, general sound, music and speech",
        ),
        WeightFile(
            "larger-clap-music-and-speech",
            _hub(
                "laion/larger_clap_music_and_speech",
                "195c3a3e68faebb3e2088b9a79e79b43ddbda76b",
                ("config.json", None, None),
                ("preprocessor_config.json", None, None),
                _VOCABULARY,
                ("merges.txt", None, None),
                ("pytorch_model.bin", "b73c5e596fda5b29b522a1ab3f0842977fe2b147bf8b78c2ec5f7ae6267038a1", 776_444_665),
            ),
            "Apache-2.0",
            note="LAION CLAP, larger, music and speech",
        ),
        WeightFile(
            "yamnet",
            (
                RemoteFile(
                    "https://storage.googleapis.com/audioset/yamnet.h5",
                    "13c3308955bbfaef262f175ac9c40e47b134573a93984f009220dd7cc12a1744",
                    None,
                    "yamnet.h5",
                ),
            ),
            "Apache-2.0",
            note="YAMNet, trained on AudioSet; a Keras file, which needs the extra keras",
        ),
        _imagenet("alexnet", "alexnet-owt", "7be5be79"),
        _imagenet("vgg16", "vgg16", "397923af"),
        _imagenet("resnet18", "resnet18", "f37072fd"),
        _imagenet("resnet34", "resnet34", "b627a593"),
        _imagenet("resnet50", "resnet50", "0676ba61"),
    ]
}


# Weights that people look for and that mmasc does not take, by encoder and by name, with the reason
REFUSED = dict.fromkeys(
    ("clap-music", "larger-clap-music", "larger_clap_music"),
    "laion/larger_clap_music is refused: its text side gives all texts nearly the same vector (mean cosine 0.9993), so "
    "that no text can be searched for; use clap-music-speech or clap-general",
)


def weight_file(name: str) -> WeightFile:
    """Weights by name.

    Raises:
        MmascError: If there are none of this name (the names are listed), or they are refused.
    """
    refuse(name)
    if name not in WEIGHTS:
        raise MmascError(f"there are no weights {name!r}; there are: {', '.join(sorted(WEIGHTS))}")
    return WEIGHTS[name]


def refuse(name: str) -> None:
    """Say why weights that people look for are not taken, if `name` is one of those.

    Raises:
        MmascError: With the reason.
    """
    if name in REFUSED:
        raise MmascError(REFUSED[name])
