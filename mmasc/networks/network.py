"""A supervised network with its front end: a waveform in, logits out. In evaluation mode, deterministic."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import soxr
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.features import load_front_end
from mmasc.networks.body import Body
from mmasc.networks.spec import NetworkSpec
from mmasc.networks.tag_conditioned import tag_vector


class Network(nn.Module):
    """A body with the front end that it was made for.

    Attributes:
        spec: What was known before loading.
        features: Name of the front end.
        front_end: Waveforms to features.
        body: Features to logits; its state dict is what is saved.
        classes: What the logits mean, in order; empty where nobody said it.
    """

    def __init__(self, spec: NetworkSpec, features: str, body: Body, classes: Sequence[str] = ()) -> None:
        super().__init__()
        self.spec, self.features, self.body, self.classes = spec, features, body, tuple(classes)
        self.front_end = load_front_end(features)

    def forward(
        self, waveforms: Float[Tensor, "batch channel time"], tags: Float[Tensor, "batch tag"] | None = None
    ) -> Float[Tensor, "batch class"]:
        """Logits of waveforms at the front end's rate, and of tags where the network reads them."""
        features = self.front_end(waveforms)
        return self.body(features) if tags is None else self.body(features, tags)

    def embedding(
        self, waveforms: Float[Tensor, "batch channel time"], tags: Float[Tensor, "batch tag"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """The layer before last."""
        features, body = self.front_end(waveforms), cast(Any, self.body)
        return body.embedding(features) if tags is None else body.embedding(features, tags)

    @property
    def sample_rate(self) -> int:
        """In Hz, of the waveforms that it reads."""
        return self.front_end.sample_rate

    @property
    def n_classes(self) -> int:
        """Logits that come out."""
        return self.body.n_classes

    @property
    def minimum_samples(self) -> int:
        """Length of the shortest waveform that it can take."""
        length = self.front_end.minimum_samples
        missing = self.body.minimum_frames - self.front_end.n_frames(length)
        if missing <= 0:
            return length
        longer = length
        while self.front_end.n_frames(longer) < self.body.minimum_frames:
            longer *= 2
        while longer - length > 1:
            middle = (length + longer) // 2
            if self.front_end.n_frames(middle) < self.body.minimum_frames:
                length = middle
            else:
                longer = middle
        return longer

    def scores(self, waveform: Any, sample_rate: int, tags: Any = None) -> Float[np.ndarray, " class"]:
        """Logits of one waveform, heard whole.

        Args:
            waveform: `[time]` or `[channel time]` in [-1, 1], torch or numpy. Channels are averaged for a network that
                reads one; one channel is doubled for a network that reads two.
            sample_rate: Sample rate in Hz; another rate than the network's is resampled.
            tags: Tags of the recording, for a network that reads them: numbers in the order of its vocabulary, or a
                mapping from words to numbers.
        Returns:
            float32, one logit per class.
        Raises:
            MmascError: If the tags are missing, or of another vocabulary.
            ValueError: If shape, values or rate are wrong, or the waveform is too short (the least length is named).
        """
        samples = self.prepare(waveform, sample_rate)
        known = None if tags is None else tag_vector(self.body, tags).to(samples.device)[None]
        with torch.inference_mode(), torch.autocast(samples.device.type, enabled=False):
            return self(samples[None], known)[0].float().cpu().numpy()

    def prepare(self, waveform: Any, sample_rate: int) -> Float[Tensor, "channel time"]:
        """A waveform as this network reads it: rate, channels, device; see `scores`."""
        samples = np.atleast_2d(np.asarray(torch.as_tensor(waveform).detach().cpu().to(torch.float32)))
        if samples.ndim != 2 or samples.shape[1] == 0:
            raise ValueError(f"waveform must be [time] or [channel, time] with time > 0, got {list(samples.shape)}")
        if sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, got {sample_rate}")
        if not np.isfinite(samples).all():
            raise ValueError("waveform holds NaN or infinite samples")
        if len(samples) != self.spec.channels:
            samples = np.repeat(samples.mean(axis=0, keepdims=True), self.spec.channels, axis=0)
        if sample_rate != self.sample_rate:
            samples = soxr.resample(samples.T, sample_rate, self.sample_rate, quality="HQ").T
        if samples.shape[1] < self.minimum_samples:
            least = self.minimum_samples / self.sample_rate
            raise ValueError(
                f"{self.spec.name} takes at least {least:.3f} s, got {samples.shape[1] / self.sample_rate:.3f} s"
            )
        device = next(self.body.parameters()).device
        return torch.from_numpy(np.ascontiguousarray(samples, np.float32)).to(device)

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable parameters, and all numbers of the state dict."""
        trainable = sum(parameter.numel() for parameter in self.body.parameters() if parameter.requires_grad)
        return trainable, sum(tensor.numel() for tensor in self.body.state_dict().values())
