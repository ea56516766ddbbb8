"""An encoder of mmasc with the calls of sentence-transformers: `encode`, `similarity` and others, for texts and sounds.

Loads mmasc alone; what is written for a SentenceTransformer takes this in its place.
"""

from typing import Any

from mmasc.encoders.base import Encoder
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.integrations.items import loaded
from mmasc.integrations.lists import listed_inputs, vectors_of_each
from mmasc.integrations.space import LoadedSpace, in_form

_NOTHING_ELSE = (None, "float32", "sentence_embedding")


class SoundTransformer(LoadedSpace):
    """An encoder as a SentenceTransformer is used.

    Args:
        model_name_or_path: A name as `load_encoder` takes it, or a loaded encoder.
        device: Where an encoder that is named runs.
    """

    def __init__(self, model_name_or_path: str | Encoder = DEFAULT_ENCODER, device: str = "cpu") -> None:
        super().__init__(loaded(model_name_or_path, device))

    def encode(
        self,
        inputs: Any,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
        **others: Any,
    ) -> Any:
        """Vectors `[input dim]`, or `[dim]` of a single input.

        Args:
            inputs: One or a list of: a text; a sound (a path, also a text that ends as sound files do, or what
                `mmasc.integrations.sounds` names); a picture of PIL.
            batch_size, show_progress_bar: Taken and not used: inputs go one by one, so that none depends on others.
            convert_to_numpy, convert_to_tensor: numpy, or one tensor instead; without both a list of tensors.
            normalize_embeddings: Vectors of length 1.
            others: Arguments of the package (prompt, precision, truncate_dim) that ask for nothing else.
        Raises:
            ValueError: If one of the others asks for something else.
            MmascError: If the space has no texts, sounds or pictures, or a file cannot be read.
        """
        asked = [f"{name}={value!r}" for name, value in others.items() if value not in _NOTHING_ELSE]
        if asked:
            raise ValueError(f"{self.encoder.spec.name} has no {', '.join(asked)}; leave it out")
        items, single = listed_inputs(inputs)
        vectors = vectors_of_each(self.encoder, items)
        return in_form(vectors[0] if single else vectors, convert_to_numpy, convert_to_tensor, normalize_embeddings)

    encode_query = encode_document = encode  # no prompts: the same for both
