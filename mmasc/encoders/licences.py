"""Licences that forbid commercial use: a remark wherever such an encoder is loaded, once per process."""

from mmasc.encoders.spec import EncoderSpec, licence_remark
from mmasc.progress import current

_SAID: set[str] = set()


def say_licence(name: str, spec: EncoderSpec) -> None:
    """Report, once per process and encoder, that a licence forbids commercial use.

    Args:
        name: What the encoder was loaded as.
        spec: Its specification.
    """
    if spec.non_commercial and name not in _SAID:
        _SAID.add(name)
        current().remark(licence_remark(name, spec.licence))
