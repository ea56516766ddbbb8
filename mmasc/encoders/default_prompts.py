"""The words that an encoder was trained with: the prompt file that is used where users give none.

A spec names its file by text; the files lie with the other prompt files. Weights of users ("mini:runs/align") may
have learnt other words, so they have none.
"""

from mmasc.encoders.registry import spec_of
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.prompts.prompts import Prompts, load_prompts

_FIX = "give --prompts NAME|FILE, one of `mmasc prompts list` or a YAML file of your own"


def words_of(encoder: str | EncoderSpec) -> Prompts:
    """The prompt file with the words that an encoder was trained with, grouped.

    Args:
        encoder: Name as `load_encoder` takes it, or the spec of a loaded encoder with the weights of its name.
    Raises:
        MmascError: If no such file is known for it; the line says what to give instead.
    """
    if isinstance(encoder, EncoderSpec):
        name, spec, own = encoder.name, encoder, ""
    else:
        name, _, own = encoder.partition(":")
        known = spec_of(name)
        if known is None:
            from mmasc.weights.table import refuse

            refuse(name)
            raise MmascError(f"unknown encoder {name!r}; see: mmasc models list")
        spec = known
    if "text" not in spec.modalities:
        raise MmascError(f"{name} knows no words: its space holds no text; choose another encoder (mmasc models list)")
    if own:
        raise MmascError(f"the words that {encoder} was trained with are not known here; {_FIX}")
    if not spec.words:
        raise MmascError(f"{name} comes without a list of its words; {_FIX}")
    return load_prompts(spec.words)
