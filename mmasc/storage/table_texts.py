"""Files that people and other programs wrote → their text, or a message about their encoding."""

from pathlib import Path

from mmasc.errors import MmascError, show_path

_SAVE = "save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"


def text_of_file(path: Path) -> str:
    """The text of a file that other programs may have written: UTF-8, or UTF-16 with a byte order mark.

    Bytes that are neither become lone surrogates, so that only the line in which they stand is lost.

    Raises:
        MmascError: If the file cannot be read or holds zero bytes.
    """
    return decoded_text(path, lenient=True)


def decoded_text(path: Path, lenient: bool = False) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MmascError(
            f"{show_path(path)} cannot be read ({error.strerror or error}); check the name and its permissions"
        ) from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        if lenient:
            return content.decode("utf-16", "replace").replace("\0", " ")
        raise MmascError(f"{show_path(path)}: text in UTF-16; {_SAVE}")
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise MmascError(f"{show_path(path)}: line {line} holds zero bytes, so this is not a table of text; {_SAVE}")
    try:
        return content.decode("utf-8-sig", "surrogateescape" if lenient else "strict")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise MmascError(
            f"{show_path(path)}: not UTF-8 (byte {content[error.start]:#04x} in line {line}; perhaps Latin-1); {_SAVE}"
        ) from error
