"""The YAML file next to an ONNX file: rate, window, how sound goes in, which outputs are the vector and the classes.

    # birdnet.yaml, next to birdnet.onnx
    sample_rate: 48000
    window_seconds: 3.0
    input: [batch, time]
    vector: embeddings
    scores: logits
    classes: labels.txt

Loads neither torch nor ONNX Runtime.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mmasc.encoders.spec import EncoderSpec, TrainingSet
from mmasc.errors import MmascError
from mmasc.storage.yaml_texts import parse_yaml

# How a window goes in; a number stands for itself
LAYOUTS = (("batch", "time"), ("time",), ("batch", 1, "time"), ("batch", "time", 1), (1, "time"))
_NEEDED = ("sample_rate", "window_seconds", "vector")
_MOST_BYTES = 1 << 24  # of a file of classes
_SHOWN_LETTERS = 100
_CHOICES = {"scores_are": ("logits", "probabilities"), "padding": ("zeros", "repeat", "minimum")}


@dataclass(frozen=True)
class OnnxAbout:
    """What the YAML file says.

    Attributes:
        sample_rate: Rate in Hz.
        window_seconds: Length of a window.
        vector: Name of the output that is the vector; axes between the first and the last are averaged.
        input: Axes of the input: [batch, time], [time], [batch, 1, time], [batch, time, 1] or [1, time].
        scores: Name of the output with a number for each class; "" where there is none.
        scores_are: "logits" or "probabilities".
        classes: Names of the classes: a list, or a text file in the same folder with a line for each.
        full_scale: What the loudest sample is: 1, or 32768 for models that read 16-bit numbers.
        dim: Numbers of a vector, where it should be known before the file is loaded.
        hop_seconds, padding, minimum_seconds, licence, heard, description: As in `PluginSpec`.
    """

    sample_rate: int
    window_seconds: float
    vector: str
    input: tuple[str | int, ...] = ("batch", "time")
    scores: str = ""
    scores_are: str = "logits"
    classes: tuple[str, ...] = ()
    full_scale: float = 1.0
    dim: int = 0
    hop_seconds: float = 0.0
    padding: str = "zeros"
    minimum_seconds: float = 0.0
    licence: str = "not said"
    heard: tuple[str, ...] | None = None
    description: str = ""

    def spec(self, dim: int) -> EncoderSpec:
        """The specification.

        Args:
            dim: Numbers of a vector.
        """
        return EncoderSpec(
            "onnx",
            "mmasc.encoders.adapters.onnx_models:OnnxEncoder",
            sample_rate=self.sample_rate,
            window_seconds=self.window_seconds,
            dim=dim,
            licence=self.licence,
            weights="your own",
            padding=self.padding,  # type: ignore[arg-type]  # checked when it was read
            minimum_seconds=self.minimum_seconds,
            description=self.description,
            trained_on=None if self.heard is None else tuple(TrainingSet(one) for one in self.heard),
            hop_seconds=self.hop_seconds,
        )

    def shaping(self) -> dict[str, Any]:
        """What of it shapes a vector."""
        return {"input": list(self.input), "vector": self.vector, "full_scale": self.full_scale}


def read_about(file: Path) -> OnnxAbout:
    """What the YAML file of an ONNX file says.

    Args:
        file: The ONNX file; next to it lies a file of the same name that ends in .yaml.
    Raises:
        MmascError: If one of them is missing, or what is said cannot be used; the line names the key.
    """
    path = file.with_suffix(".yaml")
    if not file.is_file():
        raise MmascError(f"{file} does not exist; name an ONNX file as onnx:FILE")
    try:
        said = parse_yaml(path.read_text("utf-8"))
    except FileNotFoundError:
        raise MmascError(
            f"{path} does not exist: write a YAML file with {', '.join(_NEEDED)} (and input, scores, classes, licence)"
        ) from None
    except (OSError, ValueError) as error:
        raise MmascError(f"{path} cannot be read ({error}); correct it") from error
    if not isinstance(said, Mapping):
        raise MmascError(f"{path} holds no keys; write at least {', '.join(_NEEDED)}")
    known = {one.name: one for one in fields(OnnxAbout)}
    odd, lacking = sorted(str(key) for key in said if key not in known), [key for key in _NEEDED if key not in said]
    if odd or lacking:
        what = f"says {_shown(odd[0])}, which is not known" if odd else f"lacks {lacking[0]}"
        raise MmascError(f"{path} {what}; known: {', '.join(known)}")
    return OnnxAbout(**{key: _checked(path, key, value) for key, value in said.items()})


def describe(asked: str) -> EncoderSpec | None:
    """The specification of a file that is not loaded; None where the YAML does not say how wide its vectors are."""
    about = read_about(Path(asked).expanduser())
    return about.spec(about.dim) if about.dim else None


def _checked(path: Path, key: str, value: Any) -> Any:
    """A value of the right type, within its limits."""
    numbers: dict[str, tuple[type, float]] = {
        "sample_rate": (int, 100),
        "window_seconds": (float, 0.001),
        "full_scale": (float, 1e-6),
        "dim": (int, 1),
        "hop_seconds": (float, 0.0),
        "minimum_seconds": (float, 0.0),
    }
    if key in numbers:
        kind, least = numbers[key]
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not least <= value < 1e9
            or kind(value) != value
        ):
            raise MmascError(f"{path}: {key} must be a number of {least:g} or more, got {_shown(value)}")
        return kind(value)
    if key == "input":
        layout = tuple(value) if isinstance(value, list) else value
        if layout not in LAYOUTS:
            shown = "; ".join(str(list(one)).replace("'", "") for one in LAYOUTS)
            raise MmascError(f"{path}: input must be one of {shown}, got {_shown(value)}")
        return layout
    if key in ("classes", "heard"):
        if key == "classes" and isinstance(value, str):
            value = _lines(path, value)
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise MmascError(f"{path}: {key} must be a list of names, got {_shown(value)}")
        return tuple(value)
    if not isinstance(value, str) or value not in _CHOICES.get(key, (value,)):
        choices = f"one of {', '.join(_CHOICES[key])}" if key in _CHOICES else "a text"
        raise MmascError(f"{path}: {key} must be {choices}, got {_shown(value)}")
    return value


def _lines(path: Path, name: str) -> list[str]:
    """Lines of a text file next to the YAML file."""
    file = path.parent / name
    try:
        # A device may have lines without end
        if file.stat().st_size > _MOST_BYTES or not file.is_file():
            raise ValueError(f"it is not a text file of {_MOST_BYTES:,} bytes at most")
        return [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise MmascError(f"{path}: the classes in {_shown(name)} cannot be read ({error}); correct it") from error


def _shown(value: Any) -> str:
    """A value in a message, short."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}…"
