"""Networks as ONNX files for other programs: batch norms merged, and proved equal before the file gets its name."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.errors import MmascError
from mmasc.features.log_mel import LogMel
from mmasc.features.log_mel_products import LogMelProducts
from mmasc.networks.folding import replace_module
from mmasc.networks.merging import body_inputs, example_waveforms, merged_body
from mmasc.networks.network import Network
from mmasc.networks.onnx import export_module, exporting, open_session
from mmasc.storage.files import replacing
from mmasc.version import __version__

_INPUTS = ("input", "tags")
_TRIED = 3  # inputs on which the file is compared with the network
# Of the largest logit (at least 1): float32 sums in another order differ by less, a wrong operator by far more
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """An ONNX file that was compared with the network that it came from.

    Attributes:
        path: The file.
        input_shape: What it reads, the batch left out: features `[channel frame band]`, or a waveform `[channel time]`.
        seconds: Length of sound that `input_shape` stands for.
        parameters, merged_parameters: Trainable numbers of the network, numbers in the file's layers.
        largest_difference: Between logits of the network and of the file, over all inputs tried.
        largest_logit: Its size, for comparison.
        tried: Inputs tried.
        bytes: Size of the file.
    """

    path: str
    input_shape: tuple[int, ...]
    seconds: float
    parameters: int
    merged_parameters: int
    largest_difference: float
    largest_logit: float
    tried: int
    bytes: int


def export_network(network: Network, path: str | Path, seconds: float | None = None) -> Exported:
    """Write a network as ONNX for recordings of one length and batches of any size.

    The file's input is `input`: what the front end `network.features` gives, `[batch channel frame band]` (waveforms
    for networks that read them); networks that read tags have a second one, `tags` `[batch tag]`. Its output is
    `logits` `[batch class]`. Name, classes, front end, rate and the words of the tags are in its metadata. The front
    end stays outside; `mmasc.encoders.export` writes networks with it.

    Args:
        network: Network on the CPU.
        path: The file, replaced if there is one.
        seconds: Length of the recordings; default: what the network was made for.
    Raises:
        MmascError: If the extra onnx is missing, the network has a part that ONNX cannot say, or the file's logits
            differ from the network's; then no file is left, and an older one stays as it was.
        ValueError: If `seconds` is less than the network can take.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise MmascError(f"{path.parent} is not a folder; make it first, or name another file")
    waveforms = [example_waveforms(network, seconds, seed) for seed in range(_TRIED)]
    inputs = [body_inputs(network, one, seed) for seed, one in enumerate(waveforms)]
    batch = tuple(torch.cat(parts) for parts in zip(*inputs, strict=True))
    with torch.no_grad():
        wanted = torch.cat([network.body(*one) for one in inputs]).numpy()
    body = merged_body(network.body, inputs[0])
    for module in list(body.modules()):
        if isinstance(module, LogMel):
            replace_module(body, module, LogMelProducts(module))
    with replacing(path) as beside:
        _write(body, batch, beside, network)
        # One by one, and as a batch
        difference = max(float(np.abs(_run(beside, way) - wanted).max()) for way in (inputs, [batch]))
        largest = float(np.abs(wanted).max())
        if not difference <= _TOLERANCE * max(largest, 1.0):
            raise MmascError(
                f"{network.spec.name} as ONNX differs from the network by {difference:.2e} (logits up to "
                f"{largest:.3g}); {path} was not written"
            )
        size = beside.stat().st_size
    return Exported(
        path=str(path),
        input_shape=tuple(batch[0].shape[1:]),
        seconds=waveforms[0].shape[2] / network.sample_rate,
        parameters=network.parameter_counts()[0],
        merged_parameters=sum(tensor.numel() for tensor in body.state_dict().values()),
        largest_difference=difference,
        largest_logit=largest,
        tried=_TRIED,
        bytes=size,
    )


def _write(body: nn.Module, example: tuple[Tensor, ...], path: Path, network: Network) -> None:
    """Write the file; the example is a batch of several, because a batch of one would be taken for a constant."""
    with exporting(network.spec.name):
        export_module(body, example, path, {0: "batch"}, (_INPUTS[: len(example)], ["logits"]))
    import onnx

    model = onnx.load(str(path))
    about = {
        "network": network.spec.name,
        "classes": "\n".join(network.classes),
        "tags": "\n".join(getattr(network.body, "vocabulary", ())),
        "features": network.features,
        "sample_rate": str(network.sample_rate),
        "mmasc": __version__,
    }
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(path))


def _run(path: Path, inputs: list[tuple[Tensor, ...]]) -> Float[np.ndarray, "item class"]:
    """Logits of one batch after the other."""
    session = open_session(path)
    rows = []
    for one in inputs:
        given = {name: part.numpy() for name, part in zip(_INPUTS, one, strict=False)}
        rows.append(session.run(None, given)[0])
    return np.concatenate(rows)
