"""What a network costs: numbers, bytes, multiplications, and how much faster than real time it runs here.

Counts of numbers follow the rules of DCASE task 1. 2020 (subtask B) and 2021 (subtask A): parameters that are not
zero, times the bytes of each; 2020's script leaves batch norms out, 2021's counts all four vectors of them. From 2022
on: all parameters, zeros as well, and the multiply-accumulates of one inference.

Sources: dcase.community, task 1 of 2020, 2021 and 2022; model_size_calculation.py of toni-heittola's 2020 and marmoi's
2021 baseline; Martín-Morató et al. 2022, arXiv:2206.03835.
"""

import math
import os
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from mmasc.networks.merging import body_inputs, example_waveforms, merged_body
from mmasc.networks.network import Network

BYTES = {"float32": 4, "float16": 2, "int8": 1}
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Cost:
    """What a network costs, the front end left out except for `real_time`.

    Attributes:
        parameters: Trainable numbers.
        state_numbers: All numbers of the state dict.
        nonzero: Numbers of its layers that are not zero, as DCASE counts them since 2021 (norms with their statistics).
        nonzero_without_norms: The same as DCASE 2020 counts them.
        merged_numbers: Numbers that are left when batch norms are merged, which is what needs to be shipped.
        merged_nonzero: Those of them that are not zero.
        bytes: Bytes of `merged_nonzero` at float32, float16 and int8 (scales of int8 tensors not counted).
        macs: Multiply-accumulates for a recording of `seconds`: convolutions, linear and recurrent layers, products.
        seconds: Length of that recording.
        real_time: Seconds of sound for each second of computing, front end included; None where not measured.
        threads: Number of threads of torch while it was measured.
    """

    parameters: int
    state_numbers: int
    nonzero: int
    nonzero_without_norms: int
    merged_numbers: int
    merged_nonzero: int
    bytes: dict[str, int]
    macs: int
    seconds: float
    real_time: float | None = None
    threads: int | None = None


def network_cost(network: Network, seconds: float | None = None, measure: bool = False) -> Cost:
    """Count a network; with `measure` also time it.

    Args:
        network: Network in evaluation mode, on the CPU.
        seconds: Length of the recording; default: what the network was made for.
        measure: Also find `real_time`, which takes some runs.
    Raises:
        ValueError: If `seconds` is less than the network can take.
    """
    waveforms = example_waveforms(network, seconds)
    inputs = body_inputs(network, waveforms)
    merged = merged_body(network.body, inputs)
    merged_numbers, merged_nonzero = _numbers(merged)
    parameters, state_numbers = network.parameter_counts()
    return Cost(
        parameters=parameters,
        state_numbers=state_numbers,
        nonzero=_numbers(network.body)[1],
        nonzero_without_norms=_numbers(network.body, without=_NORMS)[1],
        merged_numbers=merged_numbers,
        merged_nonzero=merged_nonzero,
        bytes={name: size * merged_nonzero for name, size in BYTES.items()},
        macs=count_macs(lambda: network.body(*inputs)),
        seconds=waveforms.shape[2] / network.sample_rate,
        real_time=real_time(network, seconds) if measure else None,
        threads=torch.get_num_threads() if measure else None,
    )


def real_time(network: Network, seconds: float | None = None, runs: int = 5) -> float:
    """Seconds of sound for each second of computing: waveform to logits, one recording at a time, here and now.

    Args:
        network: As it will be used.
        seconds: Length of the recording; default: what the network was made for.
        runs: The median of so many counts, after one that does not.
    """
    device = next(network.body.parameters()).device
    waveforms = example_waveforms(network, seconds).to(device)
    tags = [item.to(device) for item in body_inputs(network, waveforms.cpu())[1:]] if network.body.n_tags else []
    taken = []
    with torch.inference_mode():
        for _ in range(runs + 1):
            begin = time.perf_counter()
            network(waveforms, *tags).cpu()
            taken.append(time.perf_counter() - begin)
    return waveforms.shape[2] / network.sample_rate / sorted(taken[1:])[runs // 2]


def count_macs(run: Callable[[], Any]) -> int:
    """Multiply-accumulates of convolutions, linear and recurrent layers and matrix products while a function runs.

    A product of a bias, an activation, a norm or a pooling is none: DCASE's rules and most tables leave them out too.
    Fourier transforms are left out.
    """
    with torch.no_grad(), _Counter() as counter:
        run()
    return counter.total


class _Counter(TorchFunctionMode):
    """Counts as functions of torch are called; a call inside a counted call is not seen twice."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function in _UNCOUNTED:
            raise ValueError(f"cannot count the products of {function.__name__}")
        output = function(*args, **(kwargs or {}))
        count = _COUNTS.get(function)
        if count is not None:
            self.total += count(output, *args, **(kwargs or {}))
        return output


def _convolution(output: Tensor, _input: Tensor, weight: Tensor, *_args: Any, **_named: Any) -> int:
    return output.numel() * math.prod(weight.shape[1:])


def _transposed(_output: Tensor, input: Tensor, weight: Tensor, *_args: Any, **_named: Any) -> int:
    return input.numel() * math.prod(weight.shape[1:])


def _linear(output: Tensor, _input: Tensor, weight: Tensor, *_args: Any, **_named: Any) -> int:
    return output.numel() * weight.shape[-1]


def _product(output: Tensor, first: Tensor, *_args: Any, **_named: Any) -> int:
    return output.numel() * first.shape[-1]


def _product_and_sum(output: Tensor, _start: Tensor, first: Tensor, *_args: Any, **_named: Any) -> int:
    return output.numel() * first.shape[-1]


def _sum_of_products(_output: Tensor, equation: str, *operands: Any, **_named: Any) -> int:
    """All sizes of all letters: what a product of two operands takes."""
    tensors = operands[0] if isinstance(operands[0], list | tuple) else operands
    if len(tensors) < 2:
        return 0
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, tensors, strict=True):
        if "..." in term:
            raise ValueError(f"cannot count the products of {equation!r}: write its axes out")
        sizes.update(zip(term, tensor.shape, strict=True))
    return math.prod(sizes.values()) * (len(tensors) - 1)


def _attention(output: Tensor, query: Tensor, key: Tensor, *_args: Any, **_named: Any) -> int:
    """Query times key, and its weights times the values."""
    weights = math.prod(query.shape[:-1]) * key.shape[-2]
    return weights * query.shape[-1] + weights * output.shape[-1]


def _recurrent(output: tuple[Tensor, ...], input: Tensor, _state: Any, weights: Any, *args: Any, **_named: Any) -> int:
    """Every weight matrix is used once for each item and step."""
    if not isinstance(weights, list | tuple):
        raise ValueError("cannot count recurrent layers of packed sequences: give one tensor")
    steps = input.shape[0] * input.shape[1]
    return steps * sum(weight.numel() for weight in weights if weight.ndim == 2)


_COUNTS: dict[Any, Callable[..., int]] = {
    **dict.fromkeys((functional.conv1d, functional.conv2d, functional.conv3d), _convolution),
    **dict.fromkeys(
        (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d), _transposed
    ),
    functional.linear: _linear,
    **dict.fromkeys(
        (torch.matmul, torch.mm, torch.bmm, Tensor.matmul, Tensor.mm, Tensor.bmm, Tensor.__matmul__), _product
    ),
    **dict.fromkeys((torch.addmm, torch.baddbmm, Tensor.addmm, Tensor.baddbmm), _product_and_sum),
    torch.einsum: _sum_of_products,
    functional.scaled_dot_product_attention: _attention,
    **dict.fromkeys((torch.gru, torch.lstm, torch.rnn_tanh, torch.rnn_relu), _recurrent),
}
# Products inside these are not seen one by one, and no network here needs them
_UNCOUNTED = {
    functional.multi_head_attention_forward,
    functional.bilinear,
    torch.tensordot,
    torch.chain_matmul,
    torch.linalg.multi_dot,
}


def _numbers(module: nn.Module, without: tuple[type[nn.Module], ...] = ()) -> tuple[int, int]:
    """Numbers of the layers, and how many of them are not zero; counters of batches are not parameters.

    A tensor that two layers share counts once.
    """
    seen: set[int] = set()
    total = nonzero = 0
    for part in module.modules():
        if isinstance(part, without):
            continue
        kept = [*part._parameters.items(), *part._buffers.items()]
        for name, tensor in kept:
            if tensor is None or name in part._non_persistent_buffers_set or not tensor.is_floating_point():
                continue
            if id(tensor) not in seen:
                seen.add(id(tensor))
                total += tensor.numel()
                nonzero += int(torch.count_nonzero(tensor))
    return total, nonzero


def machine() -> str:
    """The processor and how much of it torch uses, in a line for tables."""
    name = ""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        name = names[0] if names else ""
    if not name:
        import platform

        name = platform.processor() or platform.machine()
    gpu = f", {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""
    return f"{name}, {os.cpu_count()} cores, torch on {torch.get_num_threads()}{gpu}"


def command_text(script: str, words: Sequence[str]) -> str:
    """A command as a table can show it: without folders of this machine, without notes that stand in the table.

    Args:
        script: Under examples/.
        words: Its arguments, as `sys.argv[1:]` has them.
    """
    shown: list[str] = []
    given = iter(words)
    for word in given:
        if word == "--note":
            next(given, None)
        elif word != "--no-training":
            shown.append(shlex.quote(without_folder(word)))
    return " ".join(["python", f"examples/{script}", *shown])


def without_folder(word: str) -> str:
    """NAME=/folder/run, tagging:/folder/run and /folder/run by the last name alone."""
    head, sign, path = word.rpartition(":")
    if not sign:
        head, sign, path = word.rpartition("=")
    return head + sign + Path(path).name if Path(path).is_absolute() else word
