"""Batch norms become part of what comes before them: the same answers from fewer numbers and less work.

`fold` does it for one convolution or linear layer; `merge_batch_norms` finds the pairs of a whole network by running
it once.

Source: Jacob et al. 2018, arXiv:1712.05877, section 3.2, equation (14).
"""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

Layer = TypeVar("Layer", nn.Conv1d, nn.Conv2d, nn.Linear)
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Affine(nn.Module):
    """A batch norm that has no layer before it: x times a number plus a number, for each channel.

    Args:
        norm: Norm in evaluation mode; its numbers are copied.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        gain, shift = gain_and_shift(norm)
        self.register_buffer("scale", gain.float())
        self.register_buffer("shift", shift.float())

    def forward(self, x: Float[Tensor, "batch channel *place"]) -> Float[Tensor, "batch channel *place"]:
        """The input, scaled and shifted."""
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return x * self.scale.reshape(shape) + self.shift.reshape(shape)


def gain_and_shift(norm: nn.Module) -> tuple[Float[Tensor, " channel"], Float[Tensor, " channel"]]:
    """What a batch norm in evaluation mode multiplies with and adds, in float64."""
    running_mean, running_var = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    weight = torch.ones_like(running_var) if norm.weight is None else cast(Tensor, norm.weight).detach()
    bias = torch.zeros_like(running_var) if norm.bias is None else cast(Tensor, norm.bias).detach()
    gain = weight.double() / (running_var.double() + cast(float, norm.eps)).sqrt()
    return gain, bias.double() - running_mean.double() * gain


def fold(layer: Layer, norm: nn.Module | None) -> Layer:
    """A copy of a convolution or linear layer with the batch norm after it inside, worked out in float64.

    Args:
        layer: Stays as it is.
        norm: Norm in evaluation mode; None copies the layer and gives it a bias.
    """
    folded = copy.deepcopy(layer).requires_grad_(False)
    bias = torch.zeros(len(layer.weight)) if layer.bias is None else layer.bias.detach()
    bias = bias.to(layer.weight.device).double()
    weight = layer.weight.detach().double()
    if norm is not None:
        gain, shift = gain_and_shift(norm)
        weight = weight * gain.reshape((-1,) + (1,) * (weight.ndim - 1))
        bias = bias * gain + shift
    folded.weight = nn.Parameter(weight.float(), requires_grad=False)
    folded.bias = nn.Parameter(bias.float(), requires_grad=False)
    return folded.eval()


def merge_batch_norms(network: nn.Module, run: Callable[[nn.Module], Any]) -> tuple[nn.Module, int]:
    """A copy of a network without batch norms; the network stays as it is.

    A batch norm that is given what a layer returned, unchanged, becomes part of that layer; the others become `Affine`.
    A layer or norm that is used several times in one pass is left alone. The caller should compare the copy with the
    network: a layer whose output has other readers than its batch norm cannot be seen.

    Args:
        network: Network in evaluation mode, on the CPU.
        run: Calls the module that it is given on some input.
    Returns:
        The copy, and how many batch norms became part of a layer.
    """
    merged = copy.deepcopy(network).eval().requires_grad_(False)
    seen = _watch(merged, run)
    inside = 0
    for name, module in list(merged.named_modules()):
        if not isinstance(module, NORMS) or module.running_mean is None or seen.calls[name] != 1:
            continue
        before = seen.before.get(name)
        if before is not None and seen.calls[before] == 1:
            layer = cast(nn.Conv2d, merged.get_submodule(before))
            replace_module(merged, layer, fold(layer, module))
            replace_module(merged, module, nn.Identity())
            inside += 1
        else:
            replace_module(merged, module, Affine(module))
    return merged, inside


def replace_module(network: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in the place of another, under every name that the other has."""
    for parent in network.modules():
        for name, child in list(parent._modules.items()):
            if child is old:
                setattr(parent, name, new)


@dataclass
class _Seen:
    """What one pass showed: calls of each module, and which layer's output a batch norm was given."""

    calls: Counter[str] = field(default_factory=Counter)
    before: dict[str, str] = field(default_factory=dict)
    made: dict[int, tuple[str, int, Tensor]] = field(default_factory=dict)


def _watch(network: nn.Module, run: Callable[[nn.Module], Any]) -> _Seen:
    """Run a network once and see what feeds its batch norms."""
    seen = _Seen()

    def before(name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            made = seen.made.get(id(inputs[0]))
            # A tensor that was written to in place (an activation) is another one
            if made is not None and made[1] == inputs[0]._version:
                seen.before[name] = made[0]

        return hook

    def after(name: str) -> Any:
        def hook(module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            seen.calls[name] += 1
            # A linear layer's channels are the batch norm's only without places between them
            if isinstance(module, LAYERS) and not (isinstance(module, nn.Linear) and output.ndim != 2):
                seen.made[id(output)] = (name, output._version, output)  # kept, so that its id stays its own

        return hook

    handles = []
    for name, module in network.named_modules():
        if isinstance(module, LAYERS + NORMS):
            handles.append(module.register_forward_hook(after(name)))
        if isinstance(module, NORMS):
            handles.append(module.register_forward_pre_hook(before(name)))
    try:
        with torch.no_grad():
            run(network)
    finally:
        for handle in handles:
            handle.remove()
    return seen
