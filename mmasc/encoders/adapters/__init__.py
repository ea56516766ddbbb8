"""Encoders of other packages, as they are saved by them: each file here makes an `Encoder` of one package's models.

Loads none of them; `ADAPTERS` says what there is.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Adapter:
    """A package whose models are encoders.

    Attributes:
        name: What stands before the colon.
        takes: What stands after it.
        target: "module:Class", imported when an encoder is loaded.
        describe: "module:function" that knows a specification without loading weights; "" where there is none.
        description: One line for `mmasc models list`.
    """

    name: str
    takes: str
    target: str
    describe: str
    description: str


ADAPTERS: dict[str, Adapter] = {}
