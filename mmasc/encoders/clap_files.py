"""The folder of a CLAP model as the hub has it: configuration, weights, tokens; checked, and turned into a model.

Everything is read from a local folder, and nothing in it runs.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmasc.errors import MmascError
from mmasc.features import CLAP
from mmasc.networks.building import UNBUILDABLE
from mmasc.storage.tensors import read_pickled
from mmasc.storage.texts import parse_json

# Every CLAP hears exactly this: 10 s at 48 kHz, 1001 frames
SAMPLES = 480_000
# Tokens that the models were trained on, begin and end of the sentence counted (laion_clap pads and cuts to it)
CONTEXT_TOKENS = 77
# Of the configuration, what shapes the networks; anything else in the file is not looked at
_SHARED_KEYS = ("projection_dim", "projection_hidden_act", "hidden_size", "num_hidden_layers", "num_attention_heads")
TEXT_KEYS = (
    *_SHARED_KEYS,
    "vocab_size",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
)
AUDIO_KEYS = (
    *_SHARED_KEYS,
    "window_size",
    "num_mel_bins",
    "spec_size",
    "hidden_act",
    "patch_size",
    "patch_stride",
    "num_classes",
    "depths",
    "enable_fusion",
    "fusion_type",
    "patch_embed_input_channels",
    "flatten_patch_embeds",
    "patch_embeds_hidden_size",
    "enable_patch_layer_norm",
    "qkv_bias",
    "mlp_ratio",
    "aff_block_r",
    "layer_norm_eps",
)
# Constants that networks are built with; some files keep them, some do not, and none is taken from a file
BUILT_IN = ("position_ids", "token_type_ids", "relative_position_index", "num_batches_tracked")
# What the released models were trained on, as their preprocessor_config.json calls it
_FRONT_END = {
    "sampling_rate": CLAP.sample_rate,
    "feature_size": CLAP.n_mels,
    "fft_window_size": CLAP.n_fft,
    "hop_length": CLAP.hop_length,
    "frequency_min": CLAP.f_min,
    "frequency_max": CLAP.f_max,
    "nb_max_samples": SAMPLES,
    "padding": "repeatpad",
    "top_db": None,
}


class ClapTokens:
    """Texts to token ids, begin and end of the sentence included; byte-level byte pairs as RoBERTa has them.

    Args:
        folder: Folder with vocab.json and merges.txt, or tokenizer.json.
        config: Configuration of the text network.
    """

    def __init__(self, folder: Path, config: Any) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers

        pairs, whole = (folder / "vocab.json", folder / "merges.txt"), folder / "tokenizer.json"
        try:
            if all(file.is_file() for file in pairs):
                bytes_to_words = pre_tokenizers.ByteLevel(add_prefix_space=False)
                self._tokens = Tokenizer(models.BPE.from_file(*map(str, pairs), unk_token="<unk>"))  # noqa: S106
                self._tokens.pre_tokenizer = bytes_to_words
            elif whole.is_file():
                self._tokens = Tokenizer.from_file(str(whole))
                self._tokens.no_padding()
                self._tokens.no_truncation()
            else:
                raise MmascError(f"{folder} lacks vocab.json and merges.txt (or tokenizer.json); copy them there")
            vocabulary = self._tokens.get_vocab()
            self._begin, self._end = vocabulary["<s>"], vocabulary["</s>"]
            model = parse_json(self._tokens.to_str())["model"]
            merges = [pair.split(" ") if isinstance(pair, str) else list(pair) for pair in model["merges"]]
        except MmascError:
            raise
        except Exception as error:  # the tokenizers library raises bare exceptions
            raise MmascError(f"the tokens in {folder} cannot be read ({error}); copy the folder again") from error
        if max(vocabulary.values()) >= config.vocab_size:
            raise MmascError(
                f"the tokens in {folder} are of another model: {len(vocabulary)} instead of {config.vocab_size}; "
                "copy the folder again"
            )
        # Positions begin after the padding token's, so that so many are lost
        self.context = min(CONTEXT_TOKENS, config.max_position_embeddings - config.pad_token_id - 1)
        self.digest = hashlib.sha256(json.dumps([sorted(vocabulary.items()), merges]).encode()).hexdigest()

    def __call__(self, text: str, name: str) -> list[int]:
        ids = [self._begin, *self._tokens.encode(text, add_special_tokens=False).ids, self._end]
        if len(ids) > self.context:
            shown = text if len(text) <= 60 else f"{text[:57]}..."
            raise MmascError(
                f"{shown!r} has {len(ids) - 2} tokens, {name} was trained on {self.context - 2}; shorten it"
            )
        return ids


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object of the folder.

    Raises:
        MmascError: If it is missing or damaged.
    """
    path = folder / name
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MmascError(f"{path} does not exist; name a folder with a CLAP model as the hub has it") from error
    except ValueError as error:
        raise MmascError(f"{path} is not JSON ({error}); copy the folder again") from error
    if not isinstance(value, dict):
        raise MmascError(f"{path} does not hold a JSON object; copy the folder again")
    return value


def check_front_end(folder: Path, fused: bool) -> None:
    """Refuse models that were trained on other features than ours: their vectors would be wrong without a word."""
    nested = not (folder / "preprocessor_config.json").is_file() and (folder / "processor_config.json").is_file()
    name = "processor_config.json" if nested else "preprocessor_config.json"
    said = read_json(folder, name)
    if nested:
        inner = said.get("feature_extractor")
        said = inner if isinstance(inner, dict) else {}
    for key, value in {**_FRONT_END, "truncation": "fusion" if fused else "rand_trunc"}.items():
        if said.get(key, "nothing") != value:
            raise MmascError(
                f"{folder / name} says {key} {said.get(key, 'nothing')}, mmasc computes {value}: "
                "choose a model that was trained on these features"
            )


def build_model(about: dict[str, Any], folder: Path) -> Any:
    """transformers' ClapModel of a configuration, its weights not yet set."""
    from transformers.initialization import no_init_weights
    from transformers.models.clap.configuration_clap import ClapConfig
    from transformers.models.clap.modeling_clap import ClapModel

    arguments = {key: about[key] for key in ("projection_dim", "projection_hidden_act") if about.get(key) is not None}
    for part, keys in (("text_config", TEXT_KEYS), ("audio_config", AUDIO_KEYS)):
        inner = about.get(part)
        given = inner if isinstance(inner, dict) else {}
        # null stands for the default in old files
        arguments[part] = {key: given[key] for key in keys if given.get(key) is not None}
    try:
        with no_init_weights():
            return ClapModel(ClapConfig(**arguments))
    except (*UNBUILDABLE, TypeError) as error:
        reason = " ".join(str(error).split())
        raise MmascError(f"{folder / 'config.json'} describes no CLAP model ({reason}); copy it again") from error


def read_state(folder: Path, model: Any) -> dict[str, Tensor]:
    """The weights in a folder, float32, exactly those that the model has."""
    safe, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    file = safe if safe.is_file() else pickled
    try:
        if file == safe:
            state = load_file(str(file))
        else:
            state = read_pickled(file, mapped=True)
    except FileNotFoundError as error:
        raise MmascError(f"{folder} holds neither model.safetensors nor pytorch_model.bin; copy one there") from error
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MmascError(f"{file} cannot be read as weights ({reason}); copy or fetch it again") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise MmascError(f"{file} holds no named tensors; copy or fetch it again")
    mine = {key: tensor for key, tensor in model.state_dict().items() if not key.endswith(BUILT_IN)}
    state = {key: tensor for key, tensor in state.items() if not key.endswith(BUILT_IN)}
    odd = sorted(set(mine) ^ set(state)) or sorted(key for key in mine if mine[key].shape != state[key].shape)
    if odd:
        raise MmascError(
            f"{file} does not fit {folder / 'config.json'}: {len(odd)} tensors differ, the first is {odd[0]}; "
            "copy the folder again"
        )
    return state
