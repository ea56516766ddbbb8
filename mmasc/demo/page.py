"""One HTML page that holds everything it shows: pictures and sound inside, no request to anywhere.

In: the content (`content.py`). Out: the text of the page. Names of files are other people's text, so every name is
escaped, and the page's own policy forbids any script but ours.
"""

import base64
import hashlib
from importlib.resources import files
from string import Template

from mmasc.demo.content import PageContent
from mmasc.demo.library import entries_data, library_part
from mmasc.demo.map_part import map_part
from mmasc.demo.parts import (
    labels_part,
    notes_part,
    picture_rule,
    sound_part,
    spare_players,
    unread_part,
    words_part,
)
from mmasc.pages.html import text
from mmasc.version import __version__


def render_page(content: PageContent) -> str:
    """The page as HTML text, to be written as UTF-8.

    Args:
        content: Plain text throughout; it is escaped here, once.
    """
    folder = files("mmasc.demo")
    style = files("mmasc.pages").joinpath("page.css").read_text("utf-8")
    script = folder.joinpath("page.js").read_text("utf-8")
    listed = ("labels", "Sounds and labels", library_part(content))
    parts = [
        ("words", "Ask in words", words_part(content)),
        ("sound", "Ask with a sound", sound_part(content)),
        listed if content.entries else ("labels", "Labels", labels_part(content)),
        ("map", "Map", map_part(content)),
        ("unread", "Not read", unread_part(content)),
        ("notes", "To keep in mind", notes_part(content)),
    ]
    parts = [part for part in parts if part[2]]
    return Template(folder.joinpath("page.html").read_text("utf-8")).substitute(
        policy=_policy(f"\n{script}\n", any(entry.source for entry in content.entries)),
        version=__version__,
        title=text(content.title),
        style=style,
        pictures="\n".join(picture_rule(number, clip) for number, clip in enumerate(content.clips)),
        lead=text(content.lead),
        facts="\n".join(f"<div><dt>{text(what)}</dt><dd>{text(value)}</dd></div>" for value, what in content.facts),
        contents="".join(f'<a href="#{key}">{heading}</a>' for key, heading, _ in parts),
        sections="\n".join(
            f'<section id="{key}" aria-labelledby="h-{key}"><h2 id="h-{key}">{heading}</h2>\n{body}\n</section>'
            for key, heading, body in parts
        ),
        players=spare_players(content) + entries_data(content),
        footer=f"Made by mmasc {__version__} on this machine. The page loads nothing from the network"
        f"{'; sounds without a picture are played from their files' if content.entries else ''}. Keys: Tab to move, "
        "Enter to play, Escape to stop.",
        script=script,
    )


def _policy(script: str, plays_files: bool) -> str:
    """Nothing from outside and no script except this one (by its digest), so that no file name can run code.

    A page that does not hold all its sounds may play files from where it lies itself.
    """
    files = " file: 'self'" if plays_files else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; media-src data:{files}; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
