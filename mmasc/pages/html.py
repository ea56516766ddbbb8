"""Text and bytes as parts of a page: escaped, or inside the page as data."""

import base64
from html import escape


def text(value: str) -> str:
    """Other people's text, safe between tags and inside quotes; bytes of file names that are not UTF-8 become marks."""
    return escape(value.encode("utf-8", "replace").decode("utf-8"), quote=True)


def data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
