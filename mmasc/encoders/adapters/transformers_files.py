"""What a folder of the package transformers says of its model, without loading it or torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmasc.encoders.adapters.files import find_folder, licence_of, read_config, read_config_if_there
from mmasc.encoders.spec import EncoderSpec, Padding
from mmasc.errors import MmascError

_WHAT = "a model of the package transformers"
# Windows of networks that hear any length, where nothing is known of what they were trained on
_SECONDS = 10.0


@dataclass(frozen=True)
class Family:
    """How models of one type are asked.

    Attributes:
        kind: "clap", "pe" (perception encoders, sound and text), or "states" (sound alone, pooled states).
        modalities: What the space understands.
    """

    kind: str
    modalities: tuple[str, ...] = ("audio",)


_STATES = Family("states")
FAMILIES: dict[str, Family] = {
    "clap": Family("clap", ("audio", "text")),
    "pe_audio": Family("pe", ("audio", "text")),
    "pe_audio_video": Family("pe", ("audio", "text", "image", "film")),
    "audio-spectrogram-transformer": _STATES,
    **dict.fromkeys(
        ("wav2vec2", "wav2vec2-conformer", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio", "sew"),
        _STATES,
    ),
}


@dataclass(frozen=True)
class ModelFolder:
    """A folder and what stands in it.

    Attributes:
        folder: Where it is.
        config, extractor: Its config.json, and its preprocessor_config.json (or that part of processor_config.json).
        family: How the model is asked.
    """

    folder: Path
    config: dict[str, Any]
    extractor: dict[str, Any]
    family: Family

    @property
    def model_type(self) -> str:
        """Name of the architecture."""
        return str(self.config["model_type"])

    @property
    def longest_seconds(self) -> float | None:
        """Longest window, where the model hears no more."""
        rate = self.sample_rate
        if self.family.kind == "clap":
            return float(self.extractor.get("nb_max_samples") or self._setting("max_length_s", 10) * rate) / rate
        if self.model_type == "audio-spectrogram-transformer":
            return float(self._setting("max_length", 1024)) * 0.01  # frames of 10 ms
        return None

    @property
    def sample_rate(self) -> int:
        """Rate in Hz."""
        return int(self._setting("sampling_rate", 48_000 if self.family.kind in ("clap", "pe") else 16_000))

    @property
    def spec(self) -> EncoderSpec:
        """The specification."""
        states = self.family.kind == "states"
        dim = self.config.get("hidden_size", 768) if states else _projection(self.config, self.family.kind)
        padding: Padding = "minimum"
        return EncoderSpec(
            "transformers",
            "mmasc.encoders.adapters.transformers_models:TransformersEncoder",
            sample_rate=self.sample_rate,
            window_seconds=self.longest_seconds or _SECONDS,
            dim=int(dim),
            modalities=self.family.modalities,
            licence=licence_of(self.folder),
            weights="your own",
            padding=padding,  # packages fill windows themselves, as their models were trained
            minimum_seconds=0.1,
            description=f"{self.model_type} of the package transformers",
        )

    def _setting(self, key: str, otherwise: float) -> float:
        value = self.extractor.get(key)
        return value if isinstance(value, int | float) and value > 0 else otherwise


def read_folder(asked: str) -> ModelFolder:
    """A folder of a model that mmasc can ask.

    Args:
        asked: As `find_folder` takes it.
    Raises:
        MmascError: If it is not here, damaged, or of a type that gives no vectors.
    """
    folder = find_folder("transformers", asked)
    config = read_config(folder, "config.json", _WHAT)
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise MmascError(
            f"{folder} holds a model of type {str(model_type)[:60]!r}, which gives no pooled vector of a sound that "
            f"mmasc knows; known types: {', '.join(sorted(FAMILIES))}"
        )
    extractor = read_config_if_there(folder, "preprocessor_config.json")
    if not extractor:
        extractor = read_config(folder, "processor_config.json", _WHAT + ", with its preprocessor_config.json")
        inner = extractor.get("feature_extractor")
        extractor = inner if inner and isinstance(inner, dict) else extractor
    found = ModelFolder(folder, config, extractor, FAMILIES[model_type])
    _check_numbers(found)
    return found


def _check_numbers(found: ModelFolder) -> None:
    """Refuse sizes and rates that are none."""
    try:
        spec = found.spec
        if not 100 <= spec.sample_rate <= 10_000_000 or spec.dim > 1_000_000 or not spec.window_seconds <= 1e6:
            raise ValueError(f"{spec.sample_rate} Hz, {spec.dim} numbers, {spec.window_seconds:g} s")
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        reason = " ".join(str(error).split())[:150]
        raise MmascError(f"{found.folder} does not describe its input ({reason}); copy the folder again") from error


def describe(asked: str) -> EncoderSpec:
    """The specification of a model that is not loaded.

    Raises:
        MmascError: As `read_folder` does.
    """
    return read_folder(asked).spec


def _projection(config: dict[str, Any], kind: str) -> Any:
    if kind == "clap":
        return config.get("projection_dim", 512)
    return (config.get("text_config") or {}).get("hidden_size", 1024)
