"""The text side of `mini`: English text → tokens → mean of rows of a small table → unit vectors.

A static table cannot see word order or negation: "dog chasing cat" is "cat chasing dog", and "no dog" is close to
"dog".

Papers: Wu et al. 2016, "Google's Neural Machine Translation System", section 4.1 (WordPiece); Reimers and Gurevych
2019, "Sentence-BERT", and Wang et al. 2020, "MiniLM" (the sentence model that the table was distilled from).
"""

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int8
from safetensors import SafetensorError, safe_open

from mmasc.errors import MmascError
from mmasc.storage.texts import parse_json

# A longer "word" is not a word; the sentence model's tokenizer gives up at the same length.
_LONGEST_WORD = 100
# Blocks of ideographs, split into single characters as the sentence model does (first and last code point).
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """Greedy longest-match-first splitting of lower-cased, accent-free words into tokens of a vocabulary.

    Args:
        vocabulary: Tokens; "##" begins those that continue a word. The place of a token is its number.
    Source: Wu et al. 2016, section 4.1; splitting rules of the uncased BERT vocabulary (Devlin et al. 2019).
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.numbers = {token: number for number, token in enumerate(vocabulary)}
        self._longest = max(map(len, vocabulary), default=0)

    def __call__(self, text: str) -> list[int]:
        """Numbers of the tokens of a text; words that the vocabulary cannot spell are left out."""
        return [number for word in split_words(text) for number in self._pieces(word)]

    def _pieces(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return []
        pieces, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(min(len(word), start + self._longest), start, -1):
                number = self.numbers.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return []
            pieces.append(number)
            start = end
        return pieces


def split_words(text: str) -> list[str]:
    """Lower-case a text, strip accents, and split it at white space and around every punctuation mark.

    Control characters vanish, ideographs stand alone.
    """
    spaced = []
    for character in text:
        code, category = ord(character), unicodedata.category(character)
        if character in "\t\n\r" or category == "Zs":
            spaced.append(" ")
        elif code in (0, 0xFFFD) or category.startswith("C"):
            continue
        elif any(first <= code <= last for first, last in _IDEOGRAPHS):
            spaced.append(f" {character} ")
        else:
            spaced.append(character)
    plain = unicodedata.normalize("NFD", "".join(spaced).lower())
    return "".join(
        f" {character} " if _is_punctuation(character) else character
        for character in plain
        if unicodedata.category(character) != "Mn"
    ).split()


def _is_punctuation(character: str) -> bool:
    is_ascii_mark = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return is_ascii_mark or unicodedata.category(character).startswith("P")


class TextTable:
    """Static token vectors: a text's vector is the mean of its tokens' rows, made a unit vector.

    Args:
        vocabulary: One token per row of the table.
        table: int8 numbers, one row a token.
        scale: What a row is multiplied by.
    """

    def __init__(
        self, vocabulary: Sequence[str], table: Int8[np.ndarray, "token dim"], scale: Float32[np.ndarray, " token"]
    ) -> None:
        if not len(set(vocabulary)) == len(vocabulary) == len(table) == len(scale):
            sizes = f"{len(vocabulary)}, {len(table)}, {len(scale)}"
            raise ValueError(f"vocabulary (no token twice), table and scale must be equally long, got {sizes}")
        self.tokenizer = WordPiece(vocabulary)
        self.table, self.scale = table, scale

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.table.shape[1]

    @property
    def vocabulary(self) -> list[str]:
        """Tokens, in the order of the rows."""
        return list(self.tokenizer.numbers)

    def digest(self) -> str:
        """32 hex digits of SHA-256 over vocabulary, table and scale."""
        content = "\n".join(self.vocabulary).encode() + self.table.tobytes() + self.scale.tobytes()
        return hashlib.sha256(content).hexdigest()[:32]

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "text dim"]:
        """Unit vectors of texts, float32.

        Raises:
            MmascError: If a text holds no word that the table can spell (it knows words in Latin letters).
        """
        vectors = np.empty((len(texts), self.dim), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            tokens = self.tokenizer(text)
            if not tokens:
                raise MmascError(f"mini cannot read the text {text!r}: write it in English words and Latin letters")
            total = self.scale[tokens] @ self.table[tokens].astype(np.float32)
            norm = float(np.linalg.norm(total))
            if not norm > 0:
                raise MmascError(f"the words of {text!r} cancel each other out: use other words")
            vector[:] = total / norm
        return vectors


def load_text_table(path: str | Path | None = None) -> TextTable:
    """Read a text table: `NAME_text.safetensors` and `NAME_vocabulary.txt`, made by examples/make_mini/distill_text.py.

    Args:
        path: The safetensors file, with the vocabulary (one token a line) next to it; default: the table in the
            package.
    Raises:
        MmascError: If a file is missing or is not a text table.
    """
    where = Path(str(files("mmasc.encoders") / "weights" / "mini_text.safetensors")) if path is None else Path(path)
    words = where.with_name(f"{where.stem.removesuffix('_text')}_vocabulary.txt")
    try:
        with safe_open(str(where), "np") as stored:
            about = parse_json((stored.metadata() or {}).get("config", "{}"))
            if not isinstance(about, dict) or about.get("kind") != "mmasc-text-table":
                raise MmascError(f"{where} is not a text table; examples/make_mini/distill_text.py makes one")
            table, scale = stored.get_tensor("table"), stored.get_tensor("scale")
        vocabulary = words.read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, SafetensorError, ValueError) as error:
        raise MmascError(
            f"cannot read the text table {where} ({error}); examples/make_mini/distill_text.py makes one"
        ) from error
    try:
        return TextTable(vocabulary, table, scale)
    except ValueError as error:
        raise MmascError(f"{where} and {words.name} do not belong together: {error}") from error


class TextSide:
    """A frozen text encoder that sounds are trained towards: texts in, unit vectors out.

    Args:
        name: What a run's configuration calls it: "mini", a name of the registry, or "table-" and a digest.
        encode: Texts to vectors, any length.
        table: The static table behind it, where there is one that the package does not hold.
    """

    def __init__(
        self, name: str, encode: Callable[[Sequence[str]], np.ndarray], table: TextTable | None = None
    ) -> None:
        self.name, self.table, self._encode = name, table, encode

    @cached_property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self(["sound"]).shape[1]

    def __call__(self, texts: Sequence[str]) -> Float32[np.ndarray, "text dim"]:
        """Unit vectors of texts."""
        vectors = np.asarray(self._encode(texts), np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def load_text_side(name: str) -> TextSide:
    """The text side of that name: "mini" is the table in the package, another name an encoder of the registry.

    Args:
        name: "mini", a name that `load_encoder` takes, or the file of a text table (it ends in .safetensors).
    Raises:
        MmascError: If there is none, or the encoder has no text.
    """
    if name == "mini":
        table = load_text_table()
        return TextSide("mini", table, table)
    if name.endswith(".safetensors"):
        table = load_text_table(name)
        return TextSide(f"table-{table.digest()}", table, table)
    from mmasc.encoders.registry import load_encoder

    encoder = load_encoder(name)
    if not encoder.supports("text"):
        raise MmascError(f"the space of {name} holds no text; choose another text side")
    return TextSide(name, encoder.embed_text)
