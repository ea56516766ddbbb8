"""What a run with teachers needs before its first step: tables, teachers, prepared crops, the shape of the network."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmasc.encoders.mini_text import TextSide
from mmasc.encoders.mini_weights import bundled_weights
from mmasc.errors import MmascError
from mmasc.features import MINI
from mmasc.networks.mini_config import MiniConfig
from mmasc.networks.taught_config import TaughtConfig
from mmasc.training.alignment.augment import AugmentConfig
from mmasc.training.alignment.config import MINIMUM_SECONDS, SPEEDS
from mmasc.training.alignment.crop_rule import CropRule
from mmasc.training.alignment.crops import Recordings
from mmasc.training.alignment.mel_cache import Row, load_sounds
from mmasc.training.alignment.prepared import Prepared, prepare, readable
from mmasc.training.alignment.taught import TaughtMaterial
from mmasc.training.alignment.teachers import load_teachers

Say = Callable[[str], None]
# Prepared crops are already mixed, pitched and cut; only augmentations that keep the teacher's answer are left
_LIGHT = AugmentConfig(mix_share=0.0, filter_share=0.3, filter_decibels=3.0, noise_share=0.25, lowpass_share=0.0)


@dataclass(frozen=True)
class Taught:
    """Material of a run, and what it says of its configuration.

    Attributes:
        material: To learn from.
        options: Fields of `AlignmentConfig`, those that were given and those of the teachers.
    """

    material: TaughtMaterial
    options: dict[str, Any]

    def shape(self, plain: MiniConfig) -> MiniConfig:
        """The network's shape: with a second part where a teacher has texts."""
        for teacher in self.material.teachers:
            if teacher.text:
                return TaughtConfig(**asdict(plain), taught_dim=teacher.dim)
        return plain


@dataclass(frozen=True)
class Lessons:
    """How a run is taught.

    Attributes:
        names: Teachers, as `load_encoder` takes them.
        cache: Where crops and targets are kept.
        seed: Seed of the crops.
        strict: A sound that cannot be read is an error.
        device: Device of the teachers.
        start: A run to begin from, or weights.
        each: Crops of a recording.
    """

    names: Sequence[str]
    cache: Path
    seed: int = 0
    strict: bool = False
    device: str = "cpu"
    start: str | Path | None = None
    each: int = CropRule.each


def teach(
    tables: Sequence[list[Row]],
    held_back: list[Row],
    lessons: Lessons,
    text_side: TextSide,
    options: dict[str, Any],
    say: Say,
) -> Taught:
    """Load teachers, and prepare the crops of all tables.

    Args:
        tables: Rows of each table; a recording may stand in several rows of one table, with other texts.
        held_back: Rows for validation.
        lessons: Who teaches, and how.
        text_side: Text side of the run.
        options: Fields of `AlignmentConfig` that were given.
        say: Called with progress.
    Raises:
        MmascError: If a teacher cannot teach, or no sound can be read.
    """
    teachers = load_teachers(lessons.names, text_side, lessons.device, bool(options.get("half", False)))
    rule = CropRule(seconds=options.get("crop_seconds", CropRule.seconds), each=lessons.each)
    cache, seed, strict = lessons.cache, lessons.seed, lessons.strict
    recordings = Recordings(cache)
    prepared: list[Prepared] = []
    texts: list[list[str]] = []
    content: dict[Path, str] = {}
    rows: list[Row] = []
    for table in tables:
        of_path: dict[Path, list[str]] = {}
        for row in table:
            of_path.setdefault(row.path, []).extend([row.text] if row.text else [])
        paths = list(of_path)
        paths = [paths[place] for place in readable(paths, recordings, strict, _every(say, "sounds decoded"), say)]
        prepared.append(prepare(paths, rule, seed, teachers, cache, _every(say, "sounds prepared")))
        texts += [of_path[path] for path in paths]
        content |= {path: recordings.digest(path) for path in paths}
        rows += [row for row in table if row.path in content]
    if not any(texts) and not any(teacher.text for teacher in teachers):
        raise MmascError("no row has a text; fill in the text column of some of them, or name a teacher with names")
    sounds = _sounds(held_back, cache, strict, say)
    held_back = [row for row in held_back if row.path in sounds]
    content |= {path: sound.digest for path, sound in sounds.items()}
    begin = _beginning(lessons.start)
    given = {"augment": _LIGHT, "crops": rule, "crop_seconds": rule.seconds, **options}
    given["teachers"] = tuple(teacher.key for teacher in teachers)
    given["start"] = hashlib.sha256(begin.read_bytes()).hexdigest()[:32] if begin else ""
    return Taught(TaughtMaterial(rows, held_back, sounds, prepared, texts, teachers, content, begin), given)


def _sounds(held_back: list[Row], cache: Path, strict: bool, say: Say) -> dict[Path, Any]:
    if not held_back:
        return {}
    paths = [row.path for row in held_back]
    return load_sounds(
        paths, MINI, SPEEDS[:1], MINIMUM_SECONDS, cache, _every(say, "sounds to validate on"), strict, say
    )


def _beginning(start: str | Path | None) -> Path | None:
    """The file that a run begins from: all of another run, or the weights of an encoder, by its name or file."""
    if start is None:
        return None
    path = bundled_weights(str(start)) or Path(start)
    if path.is_file() and path.suffix == ".safetensors":
        return path
    if not (path / "training.safetensors").is_file():
        raise MmascError(
            f"{start} cannot be started from: it is neither a run (a folder with training.safetensors) nor weights "
            "(a run's last.safetensors, or base or base-strict)"
        )
    return path / "training.safetensors"


def _every(say: Say, what: str) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done % 200 == 0 or done == total:
            say(f"{done} of {total} {what}")

    return progress
