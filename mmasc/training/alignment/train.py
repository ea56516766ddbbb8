"""Train an audio network towards a frozen text side, on a table of sounds and texts of your own.

The loss is a softmax over a bank of all texts (Radford et al. 2021, "CLIP", with a classifier's bank in place of the
batch), with targets softened towards similar texts, plus a cosine and, in training only, a plain class head.

A run is a folder: config.json, metrics.jsonl, last.safetensors and, with validation, best.safetensors (both load as
`mini:FOLDER`), training.safetensors (everything to continue from). All chance of a step comes from the seed and the
number of the step, so a run that was killed continues to the very same weights.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int
from torch import Tensor, nn

from mmasc.devices import World, join_world, resolve_device
from mmasc.encoders.mini_text import TextSide, load_text_side
from mmasc.errors import MmascError
from mmasc.features import MINI
from mmasc.networks.mini_network import MiniConfig, MiniNetwork
from mmasc.training.alignment.augment import augment, draw_crop
from mmasc.training.alignment.config import AUDIO_NETWORKS, MINIMUM_SECONDS, SPEEDS, AlignmentConfig
from mmasc.training.alignment.losses import bank_loss, cosine_loss
from mmasc.training.alignment.mel_cache import Row, Sound, load_sounds, read_table, split_by_group
from mmasc.training.alignment.validation import embed_sounds, ranking
from mmasc.training.run_folder import Metrics, claim_run
from mmasc.training.schedules import one_cycle
from mmasc.training.stage import Say, Stage


@dataclass(frozen=True)
class AlignmentResult:
    """What `train_alignment` leaves.

    Attributes:
        folder: Folder of the run; `load_encoder(f"mini:{folder}")` loads it.
        step: Where it is.
        steps: Where it ends; less than that means that it was told to pause.
        n_sounds: Sounds that it learns from.
        n_texts: Different texts among them.
        validation: Last validation: top1, top10, mrr over the texts of both tables; empty without.
    """

    folder: str
    step: int
    steps: int
    n_sounds: int
    n_texts: int
    validation: dict[str, float]


def train_alignment(
    data: str | Path,
    out: str | Path,
    text_column: str = "label",
    path_column: str = "path",
    group_column: str | None = None,
    validation: str | Path | None = None,
    validation_share: float = 0.0,
    audio: str = "mini",
    text: str = "mini",
    seed: int = 0,
    steps: int = 2400,
    cache: str | Path | None = None,
    device: str = "cpu",
    strict: bool = False,
    checkpoint_steps: int = 100,
    pause_at: int | None = None,
    remark: Callable[[str], None] | None = None,
    **options: Any,
) -> AlignmentResult:
    """Train, or continue a run that was begun; a finished run is left as it is.

    Args:
        data: CSV of sounds and texts; paths in it are relative to its folder.
        out: Folder of the run.
        text_column, path_column: Columns of the table.
        group_column: Rows of one group are never split over training and validation.
        validation: Another such CSV to validate on.
        validation_share: Or this share of `data`, by group.
        audio: Network to train, a key of `AUDIO_NETWORKS`.
        text: Text side: "mini", an encoder of the registry with text, or a table's file.
        seed: Random seed.
        steps: Number of optimiser steps.
        cache: Folder that keeps mel power from run to run.
        device: As for `load_encoder`; the same weights to the bit need the same device and thread count.
        strict: A sound that cannot be read is an error; otherwise it is left out, and said so.
        checkpoint_steps: Steps from one checkpoint to the next.
        pause_at: Stop at this step, to continue later.
        remark: Called with lines about progress.
        options: Other fields of `AlignmentConfig`.
    Raises:
        MmascError: If the table or the folder is not fit.
        ValueError: If an option is out of range.
    """
    world, own_device = join_world(device)
    say = remark if remark is not None and world.first else _silent
    rows = read_table(Path(data), path_column, text_column, group_column)
    held_back: list[Row] = []
    if validation is not None:
        held_back = read_table(Path(validation), path_column, text_column, group_column)
    elif validation_share:
        rows, held_back = split_by_group(rows, validation_share, seed)
    sounds = load_sounds(
        [row.path for row in rows + held_back],
        MINI,
        SPEEDS,
        MINIMUM_SECONDS,
        Path(cache) if cache else None,
        _every(say, 100),
        strict,
        say,
    )
    rows, held_back = ([row for row in part if row.path in sounds] for part in (rows, held_back))
    if not rows:
        raise MmascError(f"no sound of {data} can be read; nothing to learn from")
    text_side = load_text_side(text)
    config = AlignmentConfig(
        data=_digest(rows, sounds),
        validation=_digest(held_back, sounds) if held_back else "",
        audio=audio,
        text=text_side.name,
        seed=seed,
        steps=steps,
        network=MiniConfig(n_mels=MINI.n_mels, channels=_network(audio), dim=text_side.dim),
        **options,
    )
    world.share(config.batch, "sounds")
    folder = Path(out)
    begun = world.first and claim_run(folder, config)
    world.wait()
    say(
        f"{'going on with' if begun else 'starting'} {folder}: {len(rows)} sounds, "
        f"{len({row.text for row in rows})} texts, {steps} steps"
    )
    stage = AlignmentStage(config, folder, rows, held_back, sounds, text_side, resolve_device(own_device), world, say)
    stage.checkpoint_steps = checkpoint_steps
    stage.go(steps if pause_at is None else min(pause_at, steps))
    return AlignmentResult(str(folder), stage.step, steps, len(rows), len(stage.texts), stage.validation)


class AlignmentStage(Stage):
    """State of a run between its steps."""

    config: AlignmentConfig

    def __init__(
        self,
        config: AlignmentConfig,
        folder: Path,
        rows: list[Row],
        held_back: list[Row],
        sounds: Mapping[Path, Sound],
        text_side: TextSide,
        device: torch.device,
        world: World,
        say: Say,
    ) -> None:
        super().__init__(folder, config, config.steps, device, world, say)
        self.checkpoint_steps = 100
        self.rows, self.held_back, self.sounds, self.text_side = rows, held_back, sounds, text_side
        self.texts = sorted({row.text for row in rows})
        numbers = {text: number for number, text in enumerate(self.texts)}
        self.targets = np.array([numbers[row.text] for row in rows])
        counts = Counter(self.targets.tolist())
        weights = np.array([counts[target] ** -config.balance for target in self.targets.tolist()])
        self.chances = weights / weights.sum()
        plain = np.stack([text_side([template.format(text) for text in self.texts]) for template in config.templates])
        # The mean over texts and templates says nothing of any of them; without it cosines tell texts apart.
        self.text_mean = torch.from_numpy(plain.mean((0, 1)))
        self.bank = F.normalize(torch.from_numpy(plain) - self.text_mean, dim=2).to(device)
        self.best = -math.inf
        self.validation: dict[str, float] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = MiniNetwork(config.network).to(device).to(memory_format=torch.channels_last)
            self.class_head = nn.Linear(config.network.n_features, len(self.texts)).to(device)
            self.log_scale = nn.Parameter(torch.tensor(math.log(config.initial_scale), device=device))
        learned = [*self.network.parameters(), *self.class_head.parameters()]
        decayed, kept = [p for p in learned if p.ndim > 1], [p for p in learned if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": [*kept, self.log_scale], "weight_decay": 0.0},
        ]
        self.trained = [*decayed, *kept, self.log_scale]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        self.parts = {
            "network/": self.network,
            "class_head/": self.class_head,
            "optimizer/": self.optimizer,
            "log_scale": self.log_scale,
        }
        self.restore()

    def checkpoint_due(self) -> bool:
        """Every `checkpoint_steps`."""
        return self.step % self.checkpoint_steps == 0

    def train_step(self, generator: np.random.Generator) -> dict[str, float]:
        """One batch: the softmax over the bank of texts, the cosine and the class head."""
        config = self.config
        power, targets, template = self._draw_batch(generator)
        rate = one_cycle(self.step, config.steps, config.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        with self.seeded(int(generator.integers(2**62))):
            features, joint = self.network(power.to(self.device))
            scale = self.log_scale.exp().clamp_max(config.largest_scale)
            kept = self._bank_subset(targets, generator)
            bank, wanted = self.bank[template][kept], targets[:, kept].to(self.device)
            losses = {
                "loss/bank": bank_loss(joint, bank, wanted, scale, config.similar_share, config.similar_temperature),
                "loss/cosine": cosine_loss(joint, bank, wanted),
            }
            loss = losses["loss/bank"] + config.cosine_weight * losses["loss/cosine"]
            if config.class_weight:
                head = F.dropout(features, config.network.dropout)
                losses["loss/class"] = F.cross_entropy(self.class_head(head), targets.to(self.device))
                loss = loss + config.class_weight * losses["loss/class"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.average(self.trained)
        nn.utils.clip_grad_norm_(self.trained, config.gradient_norm)
        self.optimizer.step()
        values = {name: float(value.detach()) for name, value in losses.items()}
        return {"loss": float(loss.detach()), **values, "learning_rate": rate, "logit_scale": float(scale.detach())}

    def _draw_batch(
        self, generator: np.random.Generator
    ) -> tuple[Float32[Tensor, "batch mel frame"], Float32[Tensor, "batch text"], int]:
        config = self.config
        n_frames = round(config.crop_seconds / MINI.frame_seconds)
        n_sounds = self.world.share(config.batch, "sounds")
        chosen = generator.choice(len(self.rows), n_sounds, p=self.chances)
        speeds = generator.integers(len(SPEEDS), size=n_sounds)
        crops = []
        for number, speed in zip(chosen.tolist(), speeds.tolist(), strict=True):
            sound = self.sounds[self.rows[number].path]
            crops.append(draw_crop(sound.decibels[speed], sound.loudness[speed], n_frames, generator, config.augment))
        power, partner, weight = augment(np.stack(crops), generator, config.augment)
        targets = np.zeros((n_sounds, len(self.texts)), np.float32)
        each = np.arange(n_sounds)
        np.add.at(targets, (each, self.targets[chosen]), 1 - weight)
        np.add.at(targets, (each, self.targets[chosen[partner]]), weight)
        return torch.from_numpy(power), torch.from_numpy(targets), int(generator.integers(len(config.templates)))

    def _bank_subset(
        self, targets: Float32[Tensor, "batch text"], generator: np.random.Generator
    ) -> Int[Tensor, " kept"]:
        """Texts that stand in the softmax: all, or those of the batch and others at random."""
        n_texts = targets.shape[1]
        if n_texts <= self.config.bank:
            return torch.arange(n_texts)
        needed = targets.sum(0).nonzero()[:, 0].numpy()
        others = np.setdiff1d(np.arange(n_texts), needed)
        more = generator.permutation(others)[: max(0, self.config.bank - len(needed))]
        return torch.from_numpy(np.sort(np.concatenate([needed, more])))

    def before_checkpoint(self, metrics: Metrics | None, last: bool) -> None:
        """Validate where sounds were held back; export, and the best of the validations by itself."""
        if self.held_back:
            self.validation = self._validate()
            if metrics is not None:
                line = {f"validation/{name}": value for name, value in self.validation.items()}
                metrics.write(step=self.step, **line)
            self.say("validation: " + ", ".join(f"{name} {value:.3f}" for name, value in self.validation.items()))
            if self.validation["mrr"] > self.best:
                self.best = self.validation["mrr"]
                self._export("best")
        self.export()

    def about(self) -> dict[str, Any]:
        """The latest and the best validation."""
        return {"best": self.best if self.held_back else None, "validation": self.validation}

    def recall(self, about: Mapping[str, Any]) -> None:
        """The latest and the best validation."""
        self.validation = dict(about["validation"])
        self.best = -math.inf if about["best"] is None else float(about["best"])

    def export(self) -> None:
        """Write last.safetensors."""
        self._export("last")

    def _export(self, name: str) -> None:
        """What an encoder loads: the network, the centre of the texts, the scale and the names of the other parts."""
        about = {
            "kind": "mmasc-mini",
            "network": asdict(self.config.network),
            "text": self.config.text,
            "logit_scale": float(self.log_scale.detach().exp().clamp_max(self.config.largest_scale)),
            "seed": self.config.seed,
            "step": self.step,
        }
        tensors = {f"network.{key}": tensor for key, tensor in self.network.state_dict().items()}
        tensors["text_mean"] = self.text_mean
        table = self.text_side.table
        if table is not None and self.config.text != "mini":
            # The package does not hold it, so the weights do.
            tensors |= {"text.table": torch.from_numpy(table.table), "text.scale": torch.from_numpy(table.scale)}
            about |= {"vocabulary": table.vocabulary}
        self.save(name, tensors, about)

    def _validate(self) -> dict[str, float]:
        """Rank of the right text among the texts of both tables, for every sound held back."""
        texts = sorted(set(self.texts) | {row.text for row in self.held_back})
        vectors = F.normalize(torch.from_numpy(self.text_side(texts)) - self.text_mean, dim=1).numpy()
        sounds = embed_sounds(self.network, [self.sounds[row.path] for row in self.held_back], self.device)
        scores = sounds @ vectors.T
        return ranking(scores, np.array([texts.index(row.text) for row in self.held_back]))


def _network(name: str) -> tuple[int, int, int, int]:
    if name not in AUDIO_NETWORKS:
        raise MmascError(f"unknown network {name!r}; there are: {', '.join(sorted(AUDIO_NETWORKS))}")
    return AUDIO_NETWORKS[name]


def _digest(rows: Sequence[Row], sounds: Mapping[Path, Sound]) -> str:
    # In their order, because it decides which of them a seed draws.
    lines = [f"{sounds[row.path].digest} {row.text}" for row in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _silent(line: str) -> None:
    pass


def _every(say: Callable[[str], None], n: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done % n == 0 or done == total:
            say(f"mel power of {done} of {total} sounds")

    return progress
