"""Any encoder of mmasc as a module of the HEAR benchmark: `hear-validator mmasc.integrations.hear -m base`.

HEAR hands over one text, the path of a model: it is a name as `load_encoder` takes it (base, mini:RUN, onnx:FILE).

Source: Turian et al. 2022, "HEAR: Holistic evaluation of audio representations", section 3 and its common API.
"""

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.encoders.base import Encoder
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.integrations.items import loaded
from mmasc.integrations.sounds import sound_vectors
from mmasc.integrations.stamps import seconds_around, stamp_vectors

_RATES = (16_000, 22_050, 44_100, 48_000)  # those in which HEAR has its data


class HearModel(torch.nn.Module):
    """An encoder with what HEAR asks of a model.

    Args:
        encoder: A loaded encoder.
        hop_seconds: From one time stamp to the next; HEAR wants at most 0.05.
        stamp_seconds: Sound around a time stamp; default: 1 s, or what the encoder needs at least or hears at most.
    """

    def __init__(self, encoder: Encoder, hop_seconds: float = 0.05, stamp_seconds: float | None = None) -> None:
        super().__init__()
        self.encoder, self.hop_seconds, spec = encoder, hop_seconds, encoder.spec
        self.stamp_seconds = stamp_seconds or seconds_around(spec)
        self.sample_rate = next((rate for rate in _RATES if rate >= spec.sample_rate), _RATES[-1])
        self.scene_embedding_size = self.timestamp_embedding_size = spec.dim


def load_model(
    model_file_path: str = "", hop_seconds: float = 0.05, stamp_seconds: float | None = None, device: str = "auto"
) -> HearModel:
    """The model of a name that `load_encoder` takes; "" for the default encoder. Other arguments as for `HearModel`.

    Raises:
        MmascError: As `load_encoder` does, and if the encoder hears no sound.
    """
    return HearModel(loaded(model_file_path or DEFAULT_ENCODER, device, hears=True), hop_seconds, stamp_seconds)


def get_scene_embeddings(audio: Float[Tensor, "sound time"], model: HearModel) -> Float32[Tensor, "sound dim"]:
    """A vector for each sound, samples in [-1, 1] at `model.sample_rate`: those of recordings in a collection."""
    return torch.from_numpy(sound_vectors(model.encoder, list(audio), model.sample_rate)).to(audio.device)


def get_timestamp_embeddings(
    audio: Float[Tensor, "sound time"], model: HearModel
) -> tuple[Float32[Tensor, "sound stamp dim"], Float[Tensor, "sound stamp"]]:
    """Vectors at time stamps, and these in milliseconds: each of the sound around its stamp, zeros beyond the ends."""
    vectors, stamps = stamp_vectors(model.encoder, audio, model.sample_rate, model.hop_seconds, model.stamp_seconds)
    times = torch.from_numpy(stamps * 1_000).repeat(len(audio), 1)
    return torch.from_numpy(vectors).to(audio.device), times.to(audio.device)
