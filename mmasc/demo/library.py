"""The list of all sounds as a part of the page: data for the script, which shows a page of it at a time."""

import json
from typing import Any

from mmasc.demo.content import PageContent
from mmasc.demo.parts import prompt_details
from mmasc.pages.html import text
from mmasc.printing import counted


def library_part(content: PageContent) -> str:
    """Search, filter, order and pages; the script fills the list."""
    count = len(content.entries)
    return (
        f'<p class="note">Labels come from words alone: each sound gets the label of the prompt file '
        f"<code>{text(content.prompt_name)}</code> whose phrases are nearest. The bars are probabilities among these "
        f"{counted(len(content.prompt_lines), 'label')} and no others; where they are low, look at the cosine too.</p>"
        f'<noscript><p class="note">The list of the {count} sounds needs JavaScript.</p></noscript>'
        '<form class="tools" id="tools"><label>Search '
        '<input type="search" id="find" placeholder="name or label"></label>'
        '<label>Label <select id="only"></select></label>'
        '<label>Order <select id="order"><option value="name">name</option><option value="label">label</option>'
        '<option value="sure">surest first</option><option value="unsure">least sure first</option>'
        '<option value="cosine">best cosine first</option><option value="long">longest first</option>'
        '<option value="short">shortest first</option></select></label></form>'
        '<p class="small" id="count" aria-live="polite"></p><ul class="cards" id="list"></ul>'
        '<p class="pages"><button type="button" id="back">Previous</button> '
        '<button type="button" id="next">Next</button>'
        f"</p>{prompt_details(content)}"
    )


def entries_data(content: PageContent) -> str:
    """The sounds as JSON for the script; a name cannot end the element, since no "<" stands in it."""
    if not content.entries:
        return ""
    labels = list(dict.fromkeys(label for entry in content.entries for label, _, _ in entry.labels))
    number = {label: place for place, label in enumerate(labels)}
    groups = {group: place for place, group in enumerate(content.groups)}
    group_of: dict[str, int] = {}
    for entry in content.entries:
        if entry.labels and entry.group in groups:
            group_of[entry.labels[0][0]] = groups[entry.group]
    data: dict[str, Any] = {
        "labels": [[label, group_of.get(label, -1)] for label in labels],
        "groups": list(content.groups),
        "entries": [
            [
                entry.name,
                round(entry.seconds, 2),
                [[number[label], round(score, 3), round(cosine, 3)] for label, score, cosine in entry.labels],
                groups.get(entry.group, -1),
                entry.clip,
                entry.source,
            ]
            for entry in content.entries
        ],
    }
    # Escapes keep the text harmless inside HTML, and names that are not UTF-8 writable
    written = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return f'\n<script type="application/json" id="data">{written}</script>'
