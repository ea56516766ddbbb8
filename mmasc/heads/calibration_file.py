"""What was learnt about a set of prompts, kept in a small JSON file: shifts, temperature, thresholds, least cosine.

`mmasc.studies.prompt_tuning.tune_prompts` makes one from a few labels; `TunedZeroShot` answers with it. The file names
the space and the very texts that it was made for, and is refused with any other.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mmasc.encoders.identity import require_identity
from mmasc.encoders.text_encoder import TextEncoder
from mmasc.errors import MmascError
from mmasc.heads.shifted import TunedZeroShot
from mmasc.prompts.prompts import Prompts, as_prompts
from mmasc.storage.files import make_folders, write_atomically
from mmasc.storage.texts import parse_json
from mmasc.version import __version__

FORMAT = 1
_KIND = "mmasc calibration of prompts"
_MAX_BYTES = 4_000_000
_MEND = "make it again with: mmasc prompts calibrate ... --out FILE"


@dataclass(frozen=True)
class Calibration:
    """Learned settings for one set of prompts in one space: shifts, temperature, thresholds.

    Attributes:
        encoder, identity: Encoder and identity of the space.
        prompts: Name of the set, for people.
        texts: SHA-256 of all its labels and texts, see `digest_of`.
        labels: Labels in the order of the set.
        temperature: What softmax divides cosines by.
        shifts: What is subtracted from each label's cosines, in the order of the labels; all 0 for none.
        thresholds: Least probability of each label, in the order of the labels; None for none.
        minimum_cosine: Least shifted cosine; None for none.
        multi_label: Whether every label is judged by itself.
        recordings: Number of labelled recordings that it was learned from.
        mmasc: Version that made it.
        format: Format of the file.
        source: The file that it was read from, for messages.
    """

    encoder: str
    identity: str
    prompts: str
    texts: str
    labels: tuple[str, ...]
    temperature: float
    shifts: tuple[float, ...]
    thresholds: tuple[float, ...] | None
    minimum_cosine: float | None
    multi_label: bool
    recordings: int
    mmasc: str = __version__
    format: int = FORMAT
    source: Path | None = field(default=None, compare=False)

    def classifier(
        self, encoder: TextEncoder, prompts: Prompts | Mapping[str, str | Sequence[str]] | str | Path
    ) -> "TunedZeroShot":
        """A fitted classifier.

        Args:
            encoder: Encoder of the space, loaded, or its text side.
            prompts: The set that this was made for.
        Raises:
            MmascError: If the encoder or the texts are others; the line says which.
        """
        asked = as_prompts(prompts)
        require_identity(
            (self.encoder, self.identity),
            (encoder.spec.name, encoder.identity),
            str(self.source or "the calibration"),
            "use its encoder, or calibrate again with: mmasc prompts calibrate",
        )
        if digest_of(asked) != self.texts:
            raise MmascError(
                f"{self.source or 'the calibration'} was made for other labels or texts (prompts {self.prompts!r}) "
                f"than those of {asked.name!r}; use these, or calibrate again with: mmasc prompts calibrate"
            )
        if self.labels != tuple(asked.labels):
            raise MmascError(
                f"{self.source or 'the calibration'} is damaged: its labels are not those of its texts; {_MEND}"
            )
        by_name = None if self.thresholds is None else dict(zip(self.labels, self.thresholds, strict=True))
        tuned = TunedZeroShot(
            encoder,
            self.temperature,
            self.multi_label,
            by_name,
            self.minimum_cosine,
            dict(zip(self.labels, self.shifts, strict=True)),
        )
        tuned.fit(asked)
        return tuned

    def save(self, path: str | Path) -> None:
        """Write it as JSON; folders are made.

        Raises:
            OSError: If the file cannot be written.
        """
        path = Path(path)
        make_folders(path.parent)
        values = {name: value for name, value in asdict(self).items() if name != "source"}
        text = json.dumps({"kind": _KIND} | values, indent=1, ensure_ascii=False) + "\n"
        write_atomically(path, text.encode())

    @classmethod
    def load(cls, path: str | Path) -> "Calibration":
        """Read a calibration from a file, which may come from an untrusted source.

        Raises:
            MmascError: If it is missing, not a calibration, damaged, or made by a newer mmasc.
        """
        path = Path(path)
        if not path.is_file():
            raise MmascError(f"{path}: no such file; {_MEND}")
        if path.stat().st_size > _MAX_BYTES:
            raise MmascError(f"{path} is too large for a calibration; {_MEND}")
        try:
            raw = parse_json(path.read_text("utf-8"))
        except (ValueError, RecursionError) as error:
            raise MmascError(f"{path} is not JSON ({error}); {_MEND}") from error
        if not isinstance(raw, dict) or raw.pop("kind", None) != _KIND:
            raise MmascError(f"{path} is not a calibration of prompts; {_MEND}")
        if isinstance(raw.get("format"), int) and raw["format"] > FORMAT:
            raise MmascError(f"{path} was made by a newer mmasc (format {raw['format']}); update mmasc")
        try:
            return replace(_parsed(raw), source=path)
        except (TypeError, ValueError, OverflowError) as error:
            raise MmascError(f"{path} is damaged: {error}; {_MEND}") from error


def digest_of(prompts: Prompts) -> str:
    """SHA-256 of a set's labels and texts in their order; not of its name, nor of how the file is written."""
    return hashlib.sha256(json.dumps(list(prompts.expand().items())).encode()).hexdigest()


def _parsed(raw: dict[str, Any]) -> Calibration:
    """A calibration from untrusted JSON; TypeError or ValueError where something does not hold."""
    labels = raw.get("labels")
    if not isinstance(labels, list) or not labels or not all(isinstance(name, str) for name in labels):
        raise ValueError("its labels are not a list of texts")
    if len(set(labels)) != len(labels):
        raise ValueError("a label occurs twice")
    for name in ("encoder", "identity", "prompts", "texts", "mmasc"):
        if not isinstance(raw.get(name), str):
            raise ValueError(f"{name} is not a text")
    if not isinstance(raw.get("multi_label"), bool) or type(raw.get("recordings")) is not int:
        raise ValueError("multi_label or recordings is missing")
    if type(raw.get("format")) is not int:
        raise ValueError("format is not a number")
    if _number(raw.get("temperature"), "temperature") <= 0:
        raise ValueError("temperature is not above 0")
    shifts = _numbers(raw.get("shifts"), "shifts", labels)
    thresholds = None if raw.get("thresholds") is None else _numbers(raw["thresholds"], "thresholds", labels)
    if thresholds is not None and not all(0 <= number <= 1 for number in thresholds):
        raise ValueError("thresholds are not in [0, 1]")
    least = raw.get("minimum_cosine")
    if least is not None and not -1 <= _number(least, "minimum_cosine") <= 1:
        raise ValueError("minimum_cosine is not in [-1, 1]")
    if "source" in raw:
        raise ValueError("it has a source")
    return Calibration(**{**raw, "labels": tuple(labels), "shifts": shifts, "thresholds": thresholds})


def _numbers(value: object, name: str, labels: list[str]) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != len(labels):
        raise ValueError(f"{name} is not a list of {len(labels)} numbers")
    return tuple(_number(one, name) for one in value)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is not a finite number")
    return float(value)
