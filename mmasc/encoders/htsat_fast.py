"""CLAP's audio network as it is used on CPUs: transformers' answer in less than two thirds of its time.

Log-mel frames → a picture of 256 x 256 → tokens → four stages of attention in windows → their mean. Tokens lie in the
order of the windows, so that cutting and shifting windows is one reordering between blocks; the affine part of a
layer norm is inside the product after it; the bias of positions and the mask of shifted windows are one table.

Papers: Chen et al. 2022, "HTS-AT", arXiv:2202.00874; Liu et al. 2021, "Swin transformer", arXiv:2103.14030.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

# Unused numbers between the rows of a matrix, which would else compete for the same places of a cache
_GAP = 16


class FastHtsat(nn.Module):
    """The audio network of a ClapAudioModel for sounds of at most one window: nothing is fused.

    Args:
        audio_model: ClapAudioModel in evaluation mode, of a shape that `fits`; its weights are copied.
    """

    def __init__(self, audio_model: Any) -> None:
        super().__init__()
        encoder = audio_model.audio_encoder
        # In a tuple, so that the whole network is not a part of this one
        self._encoder = (encoder,)
        self.batch_norm, self.patch, self.norm = encoder.batch_norm, encoder.patch_embed, encoder.norm
        self.blocks, self.merges = nn.ModuleList(), nn.ModuleList()
        size = tuple(encoder.patch_embed.grid_size)
        order = torch.arange(size[0] * size[1])
        for stage in encoder.layers:
            blocks = nn.ModuleList()
            for layer in stage.blocks:
                blocks.append(Block(layer, size, order))
                order = window_order(size, layer.window_size, layer.shift_size)
            self.blocks.append(blocks)
            if stage.downsample is not None:
                self.merges.append(Merge(stage.downsample, size, order))
                size = (size[0] // 2, size[1] // 2)
                order = torch.arange(size[0] * size[1])

    def forward(self, features: Float32[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch hidden"]:
        """As `ClapAudioModel` with `is_longer` false, before its projection; of several channels the first is heard."""
        return torch.cat([self.pool(one) for one in self.pictures(features).split(1)])

    def pictures(self, features: Float32[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch 1 height width"]:
        """Frames to pictures: each mel band standardised, stretched in time, a quarter of the time below the other."""
        normed = self.batch_norm(features[:, :1].transpose(1, 3)).transpose(1, 3)
        return self._encoder[0].reshape_mel2img(normed)

    def pool(self, picture: Float32[Tensor, "1 1 height width"]) -> Float32[Tensor, "1 hidden"]:
        """One picture to the mean of its last tokens."""
        x = self.patch.norm(rearrange(self.patch.proj(picture), "1 c height width -> (height width) c"))
        for number, blocks in enumerate(self.blocks):
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x)
            if number < len(self.merges):
                x = self.merges[number](x)
        return self.norm(x).mean(0, keepdim=True)


class Product(nn.Module):
    """A linear layer, with the affine part of the layer norm before it inside; worked out in float64.

    The shift is added behind the product: as its starting value it would be written once more.
    """

    matrix: Tensor
    shift: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, norm: nn.LayerNorm | None = None) -> None:
        super().__init__()
        matrix = weight.detach().double()
        shift = torch.zeros(len(matrix), dtype=torch.float64) if bias is None else bias.detach().double()
        if norm is not None:
            shift = shift + matrix @ norm.bias.detach().double()
            matrix = matrix * norm.weight.detach().double()
        self.register_buffer("matrix", F.pad(matrix.T.float(), (0, _GAP))[:, : len(shift)])
        self.register_buffer("shift", shift.float())

    def forward(self, x: Float[Tensor, "token c_in"]) -> Float[Tensor, "token c_out"]:
        return (x @ self.matrix).add_(self.shift)

    def onto(self, past: Float[Tensor, "token c_out"], x: Float[Tensor, "token c_in"]) -> None:
        """Add the answer to `past`, in place."""
        past.addmm_(x, self.matrix).add_(self.shift)


class Block(nn.Module):
    """Attention inside windows and two linear layers, each after a layer norm and with a way past it.

    Args:
        layer: transformers' ClapAudioLayer.
        size: Height and width of its tokens.
        before: The tokens by row as they come.
    """

    bias: Tensor
    order: Tensor | None

    def __init__(self, layer: Any, size: tuple[int, int], before: Int64[Tensor, " token"]) -> None:
        super().__init__()
        layer.set_shift_and_window_size(size)
        attention, last = layer.attention.self, layer.attention.output.dense
        self.n_heads: int = attention.num_attention_heads
        self.n_tokens: int = layer.window_size**2
        self.eps: float = layer.layernorm_before.eps
        # The division of the scores by the root of a head's size is in the queries
        root = math.sqrt(attention.attention_head_size)
        parts = (attention.query, root), (attention.key, 1.0), (attention.value, 1.0)
        weight = torch.cat([part.weight.detach().double() / by for part, by in parts])
        shift = None if attention.query.bias is None else torch.cat([p.bias.detach().double() / by for p, by in parts])
        self.qkv = Product(weight, shift, layer.layernorm_before)
        self.out = Product(last.weight, last.bias)
        self.widen = Product(layer.intermediate.dense.weight, layer.intermediate.dense.bias, layer.layernorm_after)
        self.narrow = Product(layer.output.dense.weight, layer.output.dense.bias)
        self.activation = layer.intermediate.intermediate_act_fn
        self.register_buffer("bias", position_bias(layer, size), persistent=False)
        self.register_buffer("order", moved(before, window_order(size, layer.window_size, layer.shift_size)))

    def forward(self, x: Float[Tensor, "token c"]) -> Float[Tensor, "token c"]:
        # New rows, which are then worked on in place; parts of them that stay in a cache were tried and gain nothing
        x = x.clone() if self.order is None else x.index_select(0, self.order)
        heads = rearrange(
            self.qkv(F.layer_norm(x, x.shape[1:], eps=self.eps)),
            "(window n) (three head c) -> three window head n c",
            n=self.n_tokens,
            three=3,
            head=self.n_heads,
        )
        mixed = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=self.bias, scale=1.0)
        self.out.onto(x, rearrange(mixed, "window head n c -> (window n) (head c)"))
        self.narrow.onto(x, self.activation(self.widen(F.layer_norm(x, x.shape[1:], eps=self.eps))))
        return x


class Merge(nn.Module):
    """Four neighbouring tokens to one of twice as many numbers.

    Args:
        merging: transformers' ClapAudioPatchMerging.
        size: Height and width of the tokens.
        before: The tokens by row as they come.
    """

    order: Tensor

    def __init__(self, merging: Any, size: tuple[int, int], before: Int64[Tensor, " token"]) -> None:
        super().__init__()
        self.eps: float = merging.norm.eps
        self.reduce = Product(merging.reduction.weight, merging.reduction.bias, merging.norm)
        tokens = torch.arange(size[0] * size[1]).reshape(size)
        fours = rearrange(tokens, "(row lower) (column right) -> (row column right lower)", lower=2, right=2)
        self.register_buffer("order", before.argsort()[fours])

    def forward(self, x: Float[Tensor, "token c"]) -> Float[Tensor, "quarter c2"]:
        x = rearrange(x.index_select(0, self.order), "(token four) c -> token (four c)", four=4)
        return self.reduce(F.layer_norm(x, x.shape[1:], eps=self.eps))


def fits(audio_model: Any) -> bool:
    """Whether `FastHtsat` can run a ClapAudioModel: windows divide the tokens of every stage, as in all released."""
    config, encoder = audio_model.config, audio_model.audio_encoder
    sides = [side for stage in encoder.input_resolutions for side in stage]
    whole = all(side <= config.window_size or side % config.window_size == 0 for side in sides)
    return bool(config.flatten_patch_embeds and whole and len({*encoder.patch_embed.grid_size}) == 1)


def window_order(size: tuple[int, int], window: int, shift: int) -> Int64[Tensor, " token"]:
    """Numbers of tokens, row by row of a picture, in the order of its windows after a cyclic shift up and left."""
    tokens = torch.arange(size[0] * size[1]).reshape(size).roll((-shift, -shift), (0, 1))
    return rearrange(tokens, "(a row) (b column) -> (a b row column)", row=window, column=window)


def moved(before: Int64[Tensor, " token"], after: Int64[Tensor, " token"]) -> Int64[Tensor, " token"] | None:
    """Rows of what lies in the order `before`, so that they lie in the order `after`; None where nothing moves."""
    return None if torch.equal(before, after) else before.argsort()[after]


def position_bias(layer: Any, size: tuple[int, int]) -> Float32[Tensor, "window head n n"]:
    """What is added to the scores of every window (of one, where all are alike): the learned bias of relative
    positions, and minus infinity between tokens that a shift brought together from opposite ends.

    The definition adds -100 there. Of a probability that leaves 1e-44, a denormal number, at which processors are
    slow: a quarter of the network's time went into them.
    """
    attention, n = layer.attention.self, layer.window_size**2
    bias = attention.relative_position_bias_table.detach()[attention.relative_position_index.reshape(-1)]
    bias = rearrange(bias, "(query key) head -> 1 head query key", key=n)
    mask = layer.get_attn_mask(*size, dtype=torch.float32, device="cpu")
    if mask is None:
        return bias.contiguous()
    return (bias + torch.where(mask < 0, -math.inf, 0.0)[:, None]).contiguous()
