"""The state of an audio network that learns to meet a text side, between its steps."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from mmasc.devices import ProcessGroup
from mmasc.encoders.mini_text import TextSide
from mmasc.features import MINI
from mmasc.networks.taught_network import network_of
from mmasc.training.alignment.augment import augment, draw_crop
from mmasc.training.alignment.config import SPEEDS, AlignmentConfig
from mmasc.training.alignment.losses import bank_loss, cosine_loss
from mmasc.training.alignment.mel_cache import Row, Sound
from mmasc.training.alignment.validation import embed_sounds, ranking
from mmasc.training.run_folder import Metrics
from mmasc.training.schedules import falling_cosine, held_rate, one_cycle
from mmasc.training.stage import Say, Stage

_COURSES = {"cycle": one_cycle, "hold": held_rate, "fall": falling_cosine}


@dataclass(frozen=True)
class Material:
    """What is learned from and validated on.

    Attributes:
        rows: Sounds and texts to learn from.
        held_back: Those to validate on.
        sounds: The sounds of both, by path.
    """

    rows: list[Row]
    held_back: list[Row]
    sounds: Mapping[Path, Sound]

    @property
    def digests(self) -> dict[Path, str]:
        """SHA-256 of the sounds."""
        return {path: sound.digest for path, sound in self.sounds.items()}


class AlignmentStage(Stage):
    """State of a run between its steps."""

    config: AlignmentConfig

    def __init__(
        self,
        config: AlignmentConfig,
        folder: Path,
        material: Material,
        text_side: TextSide,
        device: torch.device,
        processes: ProcessGroup,
        say: Say,
    ) -> None:
        super().__init__(folder, config, config.steps, device, processes, say)
        self.checkpoint_steps = 100
        self.rows, self.held_back, self.sounds = material.rows, material.held_back, material.sounds
        self.text_side = text_side
        self.texts = sorted({row.text for row in self.rows} - {""})
        self.chances = self._chances()
        plain = np.stack([text_side([template.format(text) for text in self.texts]) for template in config.templates])
        # The mean over texts and templates says nothing of any of them; without it cosines tell texts apart.
        self.text_mean = torch.from_numpy(plain.mean((0, 1)))
        self.bank = F.normalize(torch.from_numpy(plain) - self.text_mean, dim=2).to(device)
        self.best = -math.inf
        self.validation: dict[str, float] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = network_of(config.network).to(device).to(memory_format=torch.channels_last)
            self.class_head = nn.Linear(config.network.n_features, len(self.texts)).to(device)
            self.log_scale = nn.Parameter(torch.tensor(math.log(config.initial_scale), device=device))
            self.heads = self._heads().to(device)
        learned = [*self.network.parameters(), *self.class_head.parameters(), *self.heads.parameters()]
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
        if list(self.heads.parameters()):
            self.parts["heads/"] = self.heads
        self._begin()
        self.restore()

    def _chances(self) -> Float[np.ndarray, " row"]:
        """How likely each row is to be drawn."""
        numbers = {text: number for number, text in enumerate(self.texts)}
        self.targets = np.array([numbers[row.text] for row in self.rows])
        counts = Counter(self.targets.tolist())
        weights = np.array([counts[target] ** -self.config.balance for target in self.targets.tolist()])
        chances: np.ndarray = weights / weights.sum()
        return chances

    def _heads(self) -> nn.ModuleDict:
        """Layers that are needed in training alone."""
        return nn.ModuleDict()

    def _begin(self) -> None:
        """What precedes the first step."""

    def checkpoint_due(self) -> bool:
        """Every `checkpoint_steps`."""
        return self.step % self.checkpoint_steps == 0

    def train_step(self, generator: np.random.Generator) -> dict[str, float]:
        """One batch: the softmax over the bank of texts, the cosine and the class head."""
        config = self.config
        power, targets, template = self._draw_batch(generator)
        rate = self._set_rate()
        self.network.train()
        with self.seeded(int(generator.integers(2**62))):
            features, joint = self._hear(power)
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

    def _set_rate(self) -> float:
        """The learning rate of this step, which the optimiser has from now on."""
        rate = _COURSES[self.config.course](self.step, self.config.steps, self.config.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _hear(self, power: Tensor) -> tuple[Tensor, Tensor]:
        """Features and vectors, float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.half):
            features, vectors = self.network(power.to(self.device))
        return features.float(), vectors.float()

    def _draw_batch(
        self, generator: np.random.Generator
    ) -> tuple[Float32[Tensor, "batch mel frame"], Float32[Tensor, "batch text"], int]:
        config = self.config
        n_frames = round(config.crop_seconds / MINI.frame_seconds)
        n_sounds = self.processes.share(config.batch, "sounds")
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
        self.validation = {str(name): float(value) for name, value in dict(about["validation"]).items()}
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
        tensors |= self._more_tensors()
        table = self.text_side.table
        if table is not None and self.config.text != "mini":
            # The package does not hold it, so the weights do.
            tensors |= {"text.table": torch.from_numpy(table.table), "text.scale": torch.from_numpy(table.scale)}
            about |= {"vocabulary": table.vocabulary}
        self.save(name, tensors, about)

    def _more_tensors(self) -> dict[str, Tensor]:
        """What an encoder needs besides."""
        return {}

    def _validate(self) -> dict[str, float]:
        """Rank of the right text among the texts of both tables, for every sound held back."""
        texts = sorted(set(self.texts) | {row.text for row in self.held_back})
        vectors = F.normalize(torch.from_numpy(self.text_side(texts)) - self.text_mean, dim=1).numpy()
        sounds = embed_sounds(self.network, [self.sounds[row.path] for row in self.held_back], self.device)
        scores = sounds @ vectors.T
        return ranking(scores, np.array([texts.index(row.text) for row in self.held_back]))
