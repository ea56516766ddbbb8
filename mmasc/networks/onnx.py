"""The network of an encoder, behind its front end, by ONNX Runtime: exported once, kept in MMASC_HOME, fast on CPUs.

Front ends stay in torch, so both backends hear the same numbers. Vectors agree to a cosine of 0.99999, not to the bit:
the backend is part of an encoder's identity.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmasc.errors import MmascError
from mmasc.storage.files import replacing
from mmasc.weights.store import home

_OPSET = 20
_EXTRA = "the onnx backend needs more packages: pip install 'mmasc[onnx]'"


class OnnxPart:
    """A method of a network as ONNX Runtime computes it: one float32 tensor in, one out, an item at a time.

    Runs on the CPU with as many threads as torch has; the same input gives the same bits.

    Args:
        network: Network in evaluation mode; it is not kept.
        method: Its method, which takes a tensor `[batch ...]` and returns one or several.
        example: Input of one item.
        identity: Identity of the encoder with backend "eager": names the file in the cache together with `method`.
        dynamic: Axes of the input whose length is free, with the name of each.
    Raises:
        MmascError: If the extra is not installed, or the file in the cache is damaged.
    """

    def __init__(
        self, network: nn.Module, method: str, example: Tensor, identity: str, dynamic: dict[int, str] | None = None
    ) -> None:
        shape = "x".join("n" if axis in (dynamic or {}) else str(size) for axis, size in enumerate(example.shape))
        self.path = home() / "onnx" / f"{identity}-{method}-{shape}-opset{_OPSET}.onnx"
        if not self.path.is_file():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as beside:
                export_module(_Method(network, method), example, beside, dynamic or {})
        self._session = open_session(self.path)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, x: Tensor) -> Any:
        """What the method returns: a tensor, or a tuple of them."""
        items = [self._session.run(None, {self._input: one.contiguous().numpy()}) for one in x.float().split(1)]
        outputs = tuple(torch.cat([torch.from_numpy(item[n]) for item in items]) for n in range(len(items[0])))
        return outputs[0] if len(outputs) == 1 else outputs


class _Method(nn.Module):
    """A method of a network as a module, which is what exporters take."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network, self.method = network, method

    def forward(self, x: Tensor) -> Any:
        return getattr(self.network, self.method)(x)


@contextmanager
def exporting(name: str) -> Iterator[None]:
    """Say in one line why the exporter could not write something.

    Args:
        name: Name of what is written.
    Raises:
        MmascError: If the block raises anything but what the system refused.
    """
    try:
        yield
    except MmascError:
        raise
    except Exception as error:  # the exporter's exceptions have no base class of their own
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, OSError) and cause.errno is not None:  # the disk, not the network
            raise OSError(cause.errno, cause.strerror, cause.filename) from error
        reason = " ".join(str(cause).split())[:160]
        raise MmascError(f"{name} cannot be written as ONNX ({reason})") from error


def export_module(
    module: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    path: Path,
    dynamic: dict[int, str],
    names: tuple[Sequence[str], Sequence[str]] | None = None,
) -> None:
    """Write a module as ONNX, in evaluation mode.

    Args:
        module: Module in float32, on the CPU.
        example: Its input or inputs.
        path: The file, in a folder that is there.
        dynamic: Axes of every input whose length is free, with the name of each.
        names: Names of the inputs and of the outputs in the file; default: the exporter's.
    Raises:
        MmascError: If the extra is not installed.
    """
    try:
        import onnx  # noqa: F401 (torch's exporter needs both)
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MmascError(f"{error.name} is not installed; {_EXTRA}") from error
    inputs = example if isinstance(example, tuple) else (example,)
    shapes = tuple(dict.fromkeys(dynamic, torch.export.Dim.DYNAMIC) for _ in inputs) if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        torch.onnx.export(
            module.eval(),
            inputs,
            str(path),
            dynamo=True,
            external_data=False,
            dynamic_shapes=shapes,
            input_names=names and list(names[0]),
            output_names=names and list(names[1]),
            opset_version=_OPSET,
            verbose=False,
        )


def open_session(path: Path, fix: str = "delete it, it will be made again") -> Any:
    """An ONNX file, ready to run on the CPU with as many threads as torch has.

    Args:
        path: Path of the file.
        fix: What to do where it is damaged, for the message.
    Raises:
        MmascError: If the extra is not installed, or the file is damaged.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MmascError(f"onnxruntime is not installed; {_EXTRA}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions have no base class of their own
        reason = " ".join(str(error).split())[:120]
        raise MmascError(f"{path} cannot be run ({reason}); {fix}") from error
