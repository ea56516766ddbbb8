"""An audio network that learns from texts and from teachers at once, on crops that were prepared.

A crop pulls towards its texts as in `AlignmentStage`, and what is learned of each teacher towards that teacher's vector
of the very crop. Sounds without a text have teachers alone. Of a teacher with texts (`names:TAGGER`) what is learned
becomes the second part of the vector; of others it is a layer of the training, thrown away after it.

Papers: Hinton et al. 2015, "Distilling the knowledge in a neural network"; Romero et al. 2015, "FitNets" (vectors of a
layer as targets).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.errors import MmascError
from mmasc.networks.taught_config import TaughtConfig
from mmasc.storage.tensors import load_tensors
from mmasc.training.alignment.augment import augment
from mmasc.training.alignment.crops import power_of_steps
from mmasc.training.alignment.losses import bank_loss, cosine_loss
from mmasc.training.alignment.prepared import Prepared
from mmasc.training.alignment.stage import AlignmentStage, Material
from mmasc.training.alignment.teachers import Teacher
from mmasc.training.alignment.validation import embed_sounds, ranking
from mmasc.training.run_folder import read_config


@dataclass(frozen=True)
class TaughtMaterial(Material):
    """Rows in the order of their recordings, and the crops of the recordings.

    Attributes:
        prepared: One for each table; their rows are recordings.
        texts: Texts of each recording, over all tables; the first is its label, none means that nobody knows.
        teachers: Who heard the crops.
        content: SHA-256 of every sound.
        start: Checkpoint or weights to begin from.
    """

    prepared: Sequence[Prepared]
    texts: Sequence[Sequence[str]]
    teachers: Sequence[Teacher]
    content: Mapping[Path, str]
    start: Path | None = None

    @property
    def digests(self) -> dict[Path, str]:
        """SHA-256 of the sounds."""
        return dict(self.content)


class TaughtStage(AlignmentStage):
    """State of a run with teachers between its steps."""

    material: TaughtMaterial

    def __init__(self, config: Any, folder: Path, material: TaughtMaterial, *rest: Any) -> None:
        self.material, sets = material, material.prepared
        first = np.cumsum([0, *(len(one.paths) for one in sets)])
        self._recording = np.concatenate([one.row + n for one, n in zip(sets, first, strict=False)])
        self._partner = np.concatenate(
            [np.where(one.partner >= 0, one.partner + n, -1) for one, n in zip(sets, first, strict=False)]
        )
        self._weight = np.concatenate([one.weight for one in sets])
        self._crop_of = np.concatenate([np.arange(len(one.row)) for one in sets])
        self._set_of = np.repeat(np.arange(len(sets)), [len(one.row) for one in sets])
        self._centres = [_centre(sets, teacher) for teacher in material.teachers]
        super().__init__(config, folder, material, *rest)

    def train_step(self, generator: np.random.Generator) -> dict[str, float]:
        """One batch: texts where there are any, and every teacher."""
        config = self.config
        power, targets, heard, template = self._draw_crops(generator)
        rate = self._set_rate()
        self.network.train()
        with self.seeded(int(generator.integers(2**62))):
            features, vectors = self._hear(power)
            own = F.normalize(vectors[:, : config.network.dim], dim=1)
            losses, scale = self._text_losses(features, own, targets, template, generator)
            for number, teacher in enumerate(self.material.teachers):
                if teacher.text:
                    learned = vectors[:, config.network.dim :]
                else:
                    learned = self.heads[str(number)](F.dropout(features, config.network.dropout))
                losses[f"loss/teacher_{number + 1}"] = _teacher_loss(learned, heard[number].to(self.device))
        weights = {"loss/bank": 1.0, "loss/cosine": config.cosine_weight, "loss/class": config.class_weight}
        loss = torch.stack([weights.get(name, config.teacher_weight) * one for name, one in losses.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.average(self.trained)
        nn.utils.clip_grad_norm_(self.trained, config.gradient_norm)
        self.optimizer.step()
        values = {name: float(value.detach()) for name, value in losses.items()}
        return {"loss": float(loss.detach()), **values, "learning_rate": rate, "logit_scale": float(scale.detach())}

    def _text_losses(
        self,
        features: Float[Tensor, "batch feature"],
        own: Float[Tensor, "batch dim"],
        targets: Float32[Tensor, "batch text"],
        template: int,
        generator: np.random.Generator,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Losses of the crops that have a text, as shares of the batch; and the scale of cosines."""
        config = self.config
        scale = self.log_scale.exp().clamp_max(config.largest_scale)
        has_text = targets.sum(1) > 0
        share = has_text.float().mean().to(self.device)
        if not has_text.any():
            return {"loss/bank": own.sum() * 0}, scale
        targets = targets[has_text]
        kept = self._bank_subset(targets, generator)
        bank, wanted, own = self.bank[template][kept], targets[:, kept].to(self.device), own[has_text]
        losses = {
            "loss/bank": share * bank_loss(own, bank, wanted, scale, config.similar_share, config.similar_temperature),
            "loss/cosine": share * cosine_loss(own, bank, wanted),
        }
        if config.class_weight:
            head = F.dropout(features[has_text], config.network.dropout)
            losses["loss/class"] = share * F.cross_entropy(self.class_head(head), targets.to(self.device))
        return losses, scale

    def _draw_crops(
        self, generator: np.random.Generator
    ) -> tuple[Float32[Tensor, "batch mel frame"], Float32[Tensor, "batch text"], list[Tensor], int]:
        config, sets = self.config, self.material.prepared
        n = self.processes.share(config.batch, "sounds")
        chosen = generator.choice(len(self.chances), n, p=self.chances)
        places = list(zip(self._set_of[chosen].tolist(), self._crop_of[chosen].tolist(), strict=True))
        steps = np.stack([sets[one].decibels[crop] for one, crop in places])
        power, _, _ = augment(power_of_steps(steps), generator, config.augment)
        targets = np.zeros((n, len(self.texts)), np.float32)
        columns = (self._recording, self._partner, self._weight)
        drawn = zip(*(column[chosen].tolist() for column in columns), strict=True)
        for i, (recording, partner, weight) in enumerate(drawn):
            text = self._drawn_text(recording, generator)
            if text < 0:
                continue
            other = self._drawn_text(partner, generator) if partner >= 0 else -1
            share = weight if other >= 0 else 0.0
            targets[i, text] += 1 - share
            targets[i, other] += share  # nothing where there is no other
        heard = []
        for teacher, centre in zip(self.material.teachers, self._centres, strict=True):
            vectors = np.stack([sets[one].targets[teacher.name][crop] for one, crop in places]).astype(np.float32)
            silent = ~vectors.any(1)
            vectors = vectors - centre
            vectors[silent] = 0
            heard.append(torch.from_numpy(vectors))
        return torch.from_numpy(power), torch.from_numpy(targets), heard, int(generator.integers(len(config.templates)))

    def _drawn_text(self, recording: int, generator: np.random.Generator) -> int:
        texts = self._texts_of[recording]
        return texts[int(generator.integers(len(texts)))] if texts else -1

    def _chances(self) -> Float[np.ndarray, " crop"]:
        """Sounds with texts by the number of recordings of their label, those without all alike."""
        numbers = {text: number for number, text in enumerate(self.texts)}
        self._texts_of = [[numbers[text] for text in texts] for texts in self.material.texts]
        counts = Counter(texts[0] for texts in self._texts_of if texts)
        of_recording = np.array(
            [counts[texts[0]] ** -self.config.balance if texts else 0.0 for texts in self._texts_of]
        )
        told = of_recording > 0
        if told.all() or not told.any():
            of_recording[~told] = 1
        else:
            share = self.config.unlabelled_share
            of_recording[told] *= (1 - share) / of_recording[told].sum()
            of_recording[~told] = share / (~told).sum()
        chances: np.ndarray = of_recording[self._recording]
        return chances / chances.sum()

    def _heads(self) -> nn.ModuleDict:
        n_features = self.config.network.n_features
        return nn.ModuleDict(
            {
                str(number): nn.Linear(n_features, teacher.dim)
                for number, teacher in enumerate(self.material.teachers)
                if not teacher.text
            }
        )

    def _begin(self) -> None:
        start = self.material.start
        if start is None:
            return
        tensors, about = load_tensors(start)
        parts: list[tuple[str, nn.Module]] = [("network/", self.network), ("heads/", self.heads)]
        if about.get("kind") == "mmasc-mini":
            # An encoder: what training alone needs is not in it and begins at random
            parts = [("network.", self.network)]
            tensors["log_scale"] = torch.tensor(float(about["logit_scale"])).log()
        elif read_config(start.parent).get("data") == self.config.data:
            parts.append(("class_head/", self.class_head))  # the same texts in the same order
        for prefix, part in parts:
            state = {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
            try:
                part.load_state_dict(state)
            except RuntimeError as error:
                first = " ".join(str(error).split())[:150]
                raise MmascError(f"{start} is of another network or other teachers: {first}") from error
        with torch.no_grad():
            self.log_scale.copy_(tensors["log_scale"])

    def _more_tensors(self) -> dict[str, Tensor]:
        return {"taught_text_mean": torch.from_numpy(self._taught_mean())} if self._has_part() else {}

    def _has_part(self) -> bool:
        return isinstance(self.config.network, TaughtConfig)

    def _taught_mean(self) -> Float32[np.ndarray, " dim"]:
        return next(teacher for teacher in self.material.teachers if teacher.text).centre_of_texts()

    def _validate(self) -> dict[str, float]:
        """Rank of the right text among the texts of both tables, for every sound held back."""
        texts = sorted(set(self.texts) | {row.text for row in self.held_back})
        plain = self.text_side(texts)
        vectors = F.normalize(torch.from_numpy(plain) - self.text_mean, dim=1).numpy()
        if isinstance(self.config.network, TaughtConfig):
            own, taught = self.config.network.part_weights
            second = F.normalize(torch.from_numpy(plain - self._taught_mean()), dim=1).numpy()
            vectors = np.concatenate([own * vectors, taught * second], 1)
        sounds = embed_sounds(self.network, [self.sounds[row.path] for row in self.held_back], self.device)
        return ranking(sounds @ vectors.T, np.array([texts.index(row.text) for row in self.held_back]))


def _centre(sets: Sequence[Prepared], teacher: Teacher) -> Float32[np.ndarray, " dim"]:
    """The mean of a teacher's vectors; nothing where they stand next to texts."""
    if teacher.text:
        return np.zeros(teacher.dim, np.float32)
    return np.concatenate([one.targets[teacher.name] for one in sets]).mean(0, dtype=np.float64).astype(np.float32)


def _teacher_loss(learned: Float[Tensor, "batch dim"], heard: Float[Tensor, "batch dim"]) -> Tensor:
    """1 - cosine over the crops of which the teacher has something to say, as a share of the batch."""
    says = heard.abs().sum(1) > 0
    return ((1 - F.cosine_similarity(learned, heard, dim=1)) * says).mean()
