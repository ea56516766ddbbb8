"""Fitted heads and their files: arrays and a stamp in safetensors, nothing in them that could run.

The stamp says which space the head understands; a head refuses vectors of any other.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mmasc.audio.channels import CHANNELS
from mmasc.encoders.identity import require_identity
from mmasc.errors import MmascError
from mmasc.heads.familiarity import Familiarity
from mmasc.heads.one_against_rest import OneAgainstRest
from mmasc.heads.predictor import Predictor
from mmasc.heads.predictors import PREDICTORS
from mmasc.storage.files import make_folders, write_atomically
from mmasc.storage.texts import parse_json
from mmasc.windows.units import unit_as_normalizer

FORMAT = 2  # of heads of several labels; the others are written in format 1, which version 0.1.0 reads
_FORMAT_OF_ONE_LABEL = 1
_KEY = "mmasc_head"
# Next to the stamp, not in it: version 0.1.0 reads such files too, and answers with the labels as text
_LABEL_TYPE_KEY = "mmasc_label_type"
_MOMENTS_KEY = "mmasc_head_moments"
LABEL_TYPES: dict[str, Callable[[str], Any]] = {
    "text": str,
    "integer": int,
    "number": float,
    "boolean": {"True": True, "False": False}.__getitem__,
}
_SHORTEST_HOP_SECONDS = 1e-3  # a shorter one would never end
# What only heads of annotated moments have, in JSON next to the stamp
_OF_MOMENTS = ("thresholds", "background", "words")
_KINDS: dict[str, type[Predictor]] = {**PREDICTORS, OneAgainstRest.kind: OneAgainstRest}
# Files that people save heads in elsewhere, and that can run code when they are opened
_RUNS_CODE = {b"\x80": "a pickle", b"PK": "an archive", b"\x1f\x8b": "a compressed pickle", b"x": "a compressed pickle"}


@dataclass(frozen=True)
class HeadStamp:
    """What a head is and which vectors it understands.

    Attributes:
        head: Its name in the registry.
        label: Column that it was fitted to.
        classes: Labels, in the order of its scores.
        identity: Identity of the space: the digest of the encoder that made the vectors.
        encoder: Name of that encoder.
        space: Name of the space in the collection.
        dim: Numbers in a vector.
        window_seconds, hop_seconds, channels: How recordings were cut.
        recordings: How many it was fitted to.
        mmasc, scikit_learn: Versions that fitted it.
        format: Format of the file.
        label_type: What the labels are in Python: "text", "integer", "number" or "boolean", see `label_type_of`.
        thresholds: Where several labels can hold at once: from which probability on each of them does.
        background: The class that stands for none of the labels, where there is one.
        words: Labels whose words the head began with, see `mmasc.heads.from_words`; None where it learned from examples
            alone.
    """

    head: str
    label: str
    classes: tuple[str, ...]
    identity: str
    encoder: str
    space: str
    dim: int
    window_seconds: float
    hop_seconds: float
    channels: str
    recordings: int
    mmasc: str
    scikit_learn: str
    format: int = _FORMAT_OF_ONE_LABEL
    label_type: str = "text"
    thresholds: tuple[float, ...] | None = None
    background: str | None = None
    words: tuple[str, ...] | None = None


def label_type_of(labels: Iterable[Any]) -> str:
    """The type that labels have in common: "integer", "number", "boolean", or "text" for all others."""
    types = {type(label) for label in labels}
    names: dict[type, str] = {bool: "boolean", int: "integer", float: "number"}
    return names.get(types.pop(), "text") if len(types) == 1 else "text"


@dataclass(frozen=True)
class FittedHead:
    """A head as it is applied: from `fit_head`, or read by `FittedHead.load`; both answer the same bit for bit.

    Attributes:
        stamp: Description of the head.
        predictor: Computes the probabilities.
        source: The file that it was read from.
        familiarity: Recognises vectors that are unlike all classes; None in heads of few recordings or of older
            versions.
    """

    stamp: HeadStamp
    predictor: Predictor
    source: Path | None = field(default=None, compare=False)
    familiarity: Familiarity | None = field(default=None, compare=False)

    @property
    def classes_(self) -> np.ndarray:
        """Labels `[class]`, the columns of `predict_proba`, of the type that they have in the collection."""
        return np.array(_typed(self.stamp.classes, self.stamp.label_type))

    def predict_proba(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
        """Probabilities of recordings' vectors (of any length: they are made unit vectors here).

        Raises:
            ValueError: If the dim is another one, or a vector holds NaN or infinity.
        """
        if vectors.shape[1] != self.stamp.dim:
            raise ValueError(f"vectors must have {self.stamp.dim} numbers, got {vectors.shape[1]}")
        if not np.isfinite(vectors).all():
            raise ValueError("vectors hold NaN or infinity")
        return self.predictor.predict_proba(unit_as_normalizer(vectors))

    def predict(self, vectors: Float[np.ndarray, "item dim"]) -> np.ndarray:
        """The most probable label of each vector `[item]`, of the type of `classes_`.

        Where several labels can hold at once, instead 0 or 1 for every label `[item class]`, as scikit-learn has it.
        """
        if self.stamp.thresholds is not None:
            return (self.predict_proba(vectors) >= np.array(self.stamp.thresholds)).astype(np.int64)
        return self.classes_[self.predict_proba(vectors).argmax(axis=1)]

    def check_space(self, identity: str, encoder: str, where: str) -> None:
        """Refuse vectors that another encoder made.

        Args:
            identity, encoder: Identity and encoder of the vectors at hand.
            where: What holds them, for the message.
        Raises:
            MmascError: Which encoder made the head's vectors, and which made those at hand.
        """
        require_identity(
            (self.stamp.encoder, self.stamp.identity),
            (encoder, identity),
            str(self.source or "the head"),
            f"embed with the head's encoder, or fit a head to the vectors of {where}",
        )

    def save(self, path: str | Path) -> None:
        """Write the head, all of it or nothing.

        Raises:
            OSError: If the file cannot be written.
        """
        path = Path(path)
        make_folders(path.parent)
        arrays = {name: np.ascontiguousarray(array) for name, array in self.predictor.arrays().items()}
        if self.familiarity is not None:
            arrays |= self.familiarity.arrays()  # version 0.1.0 passes over them
        stamp = asdict(self.stamp)
        label_type, moments = stamp.pop("label_type"), {name: stamp.pop(name) for name in _OF_MOMENTS}
        metadata = {_KEY: json.dumps({**stamp, "kind": self.predictor.kind}, ensure_ascii=False)}
        if label_type != "text":
            metadata[_LABEL_TYPE_KEY] = label_type
        if moments["words"] is None:
            del moments["words"]  # heads without words are written as ever
        if any(value is not None for value in moments.values()):
            metadata[_MOMENTS_KEY] = json.dumps(moments, ensure_ascii=False)
        write_atomically(path, save(arrays, metadata))

    @classmethod
    def load(cls, path: str | Path) -> "FittedHead":
        """Read a head from a file, which may come from an untrusted source: no code in it is run.

        Raises:
            MmascError: If the file is missing, no head, damaged, contradicts itself, or was made by a newer mmasc.
        """
        path = Path(path)
        stamp, label_type, moments, arrays = _read(path)
        mend = "; fit it again with: mmasc head fit ... --out FILE"
        try:
            raw = parse_json(stamp)
            if isinstance(raw, dict) and isinstance(raw.get("format"), int) and raw["format"] > FORMAT:
                raise MmascError(f"{path} was made by a newer mmasc (format {raw['format']}); update mmasc")
            kind = raw.pop("kind")
            parsed = _with_moments(_parse_stamp(raw, label_type), parse_json(moments))
            predictor = _KINDS[kind].load(arrays)
            if (parsed.thresholds is not None) != (kind == OneAgainstRest.kind):
                raise ValueError("it has thresholds for other labels than it knows")
            if (predictor.n_classes, predictor.n_features) != (len(parsed.classes), parsed.dim):
                raise ValueError("classes or dim do not fit the arrays")
            familiarity = Familiarity.load(arrays, parsed.dim)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise MmascError(f"{path} is damaged: {error}{mend}") from error
        return cls(parsed, predictor, path, familiarity)


def _typed(classes: Sequence[str], label_type: str) -> list[Any]:
    """Labels as they are in Python.

    Raises:
        ValueError: If they are not of this type, or two are one.
    """
    if label_type not in LABEL_TYPES:
        raise ValueError(f"its labels are of an unknown type {label_type[:40]!r}")
    try:
        typed = [LABEL_TYPES[label_type](one) for one in classes]
    except (KeyError, ValueError) as error:
        raise ValueError(f"its labels are not of type {label_type}") from error
    if len(set(typed)) != len(typed) or any(isinstance(one, float) and not math.isfinite(one) for one in typed):
        raise ValueError(f"its labels are not different {label_type}s")
    return typed


def _read(path: Path) -> tuple[str, str, str, dict[str, np.ndarray]]:
    """Stamp, type of the labels, entry for moments, and arrays of a file."""
    if path.is_dir():
        raise MmascError(f"{path} is a folder; give the file that mmasc head fit --out wrote")
    if not path.exists():
        raise MmascError(f"{path}: no such file; fit a head with: mmasc head fit COLLECTION --label COLUMN --out FILE")
    try:
        with safe_open(path, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            arrays = {name: opened.get_tensor(name) for name in opened.keys()} if _KEY in metadata else {}  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        with open(path, "rb") as file:
            beginning = file.read(2)
        for magic, kind in _RUNS_CODE.items():
            if beginning.startswith(magic):
                raise MmascError(
                    f"{path} looks like {kind}, which can run code when it is opened, and was not opened; "
                    "give a file that mmasc head fit --out wrote"
                ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MmascError(
            f"{path} is damaged or no head ({reason}); fit it again with: mmasc head fit ... --out FILE"
        ) from error
    if _KEY not in metadata:
        raise MmascError(f"{path} holds arrays but no head; give a file that mmasc head fit --out wrote")
    return metadata[_KEY], metadata.get(_LABEL_TYPE_KEY, "text"), metadata.get(_MOMENTS_KEY, "{}"), arrays


def _parse_stamp(raw: dict[str, Any], label_type: str) -> HeadStamp:
    types = get_type_hints(HeadStamp)
    for name in ("label_type", *_OF_MOMENTS):
        del types[name]
    if set(raw) != set(types):
        raise ValueError(f"its stamp must have {sorted(types)}, got {sorted(raw)}")
    classes = raw["classes"]
    if not isinstance(classes, list) or not all(isinstance(one, str) for one in classes):
        raise ValueError("its classes are not a list of texts")
    if len(set(classes)) != len(classes):
        raise ValueError("a class occurs twice")
    for name, wanted in types.items():
        value = raw[name]
        if name != "classes" and (not isinstance(value, (float, int) if wanted is float else wanted) or value is True):
            raise ValueError(f"{name} of its stamp is {value!r}")
    if not _SHORTEST_HOP_SECONDS <= raw["hop_seconds"] <= raw["window_seconds"] < math.inf:
        raise ValueError(f"it hears {raw['window_seconds']:g} s every {raw['hop_seconds']:g} s")
    if raw["channels"] not in CHANNELS:
        raise ValueError(f"channels must be one of {', '.join(CHANNELS)}, got {raw['channels'][:40]!r}")
    _typed(classes, label_type)
    return HeadStamp(**{**raw, "classes": tuple(classes), "label_type": label_type})


def _with_moments(stamp: HeadStamp, raw: Any) -> HeadStamp:
    """A stamp with thresholds, background and words from untrusted JSON.

    Raises:
        ValueError: If they do not fit the classes.
    """
    if not isinstance(raw, dict) or not set(raw) <= set(_OF_MOMENTS):
        raise ValueError("its entry for moments is unknown")
    thresholds, background = raw.get("thresholds"), raw.get("background")
    if thresholds is not None:
        numbers = isinstance(thresholds, list) and all(
            isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= 1 for one in thresholds
        )
        if not numbers or len(thresholds) != len(stamp.classes):
            raise ValueError("its thresholds are not a probability for every label")
        thresholds = tuple(float(one) for one in thresholds)
    if background is not None and background not in stamp.classes:
        raise ValueError("its background is not one of its classes")
    words = raw.get("words")
    if words is not None:
        if not isinstance(words, list) or any(one not in stamp.classes for one in words):
            raise ValueError("the words that it began with are not among its classes")
        words = tuple(words)
    return replace(stamp, thresholds=thresholds, background=background, words=words)
