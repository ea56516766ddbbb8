"""A study's numbers and figures as one page that holds everything it shows and asks nothing of anywhere."""

import base64
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from mmasc.pages.html import text
from mmasc.printing import counted
from mmasc.studies.report_numbers import PromptResult, StudyReport
from mmasc.version import __version__

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
table.numbers td, table.numbers th { padding: 6px 16px 6px 0; border: 0; border-bottom: 1px solid var(--line); }
table.numbers td { text-align: right; } table.numbers { font-size: 0.92rem; margin: 0 0 22px; }
table.numbers thead th { padding-bottom: 6px; text-align: right; }
table.numbers thead th:first-child { text-align: left; }
.figures { display: flex; flex-wrap: wrap; gap: 20px; align-items: flex-start; }
figure { margin: 0; background: #fff; border: 1px solid var(--line); border-radius: var(--radius); padding: 10px; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { color: #454d52; font-size: 0.86rem; padding: 8px 4px 0; max-width: 60em; overflow-wrap: anywhere; }
h3 { font-size: 1.08rem; margin: 26px 0 10px; overflow-wrap: anywhere; }
"""


def render_report(found: StudyReport) -> str:
    """The page as HTML text, to be written as UTF-8; names of labels, prompts and places are escaped here."""
    style = files("mmasc.pages").joinpath("page.css").read_text("utf-8")
    title = f"Prompts on {Path(found.collection).name or found.collection}"
    best = max(found.results, key=lambda result: result.accuracy)
    facts = [
        (f"{found.recordings:,}", "sounds"),
        (str(len(found.classes)), "labels"),
        (_percent(best.accuracy) + ("*" if found.heard.sentence else ""), f"accuracy of {best.name}"),
        (found.encoder, "encoder"),
    ]
    sections = [
        ("accuracy", "Accuracy", _accuracy_part(found)),
        (
            "confusions",
            "Confusions",
            _figure_of_each(
                found, "confusion", "Rows true, columns predicted, only labels that occur; colour: row share."
            ),
        ),
        ("attraction", "What attracts", _attraction_part(found)),
        ("components", "Principal components", _components_part(found)),
        ("cosines", "Prompts among each other", _figure_of_each(found, "cosines", "Cosines of the labels' vectors.")),
        ("gap", "Sounds and words", _gap_part(found)),
        ("reliability", "Are the probabilities right?", _reliability_part(found)),
        ("notes", "To keep in mind", _notes_part(found)),
    ]
    lead = (
        f"What words are worth on the column {found.label}: every sound gets the label whose prompts it is most like, "
        f"without training on their labels{'*' if found.heard.sentence else ''}."
    )
    body = "\n".join(
        f'<section id="{key}" aria-labelledby="h-{key}"><h2 id="h-{key}">{heading}</h2>\n{part}\n</section>'
        for key, heading, part in sections
    )
    contents = "".join(f'<a href="#{key}">{heading}</a>' for key, heading, _ in sections)
    listed = "".join(f"<div><dt>{text(what)}</dt><dd>{text(value)}</dd></div>" for value, what in facts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="mmasc {__version__}">
<title>{text(title)}</title>
<link rel="icon" href="data:,">
<style>
{style}
{_STYLE}
</style>
</head>
<body>
<a class="skip" href="#accuracy">Skip to the results</a>
<header class="wrap">
<p class="mark" aria-hidden="true"><i></i><i></i><i></i><i></i><i></i> mmasc</p>
<h1>{text(title)}</h1>
<p class="lead">{text(lead)}</p>
{_heard_line(found)}<dl class="facts">{listed}</dl>
<nav aria-label="Parts of this page">{contents}</nav>
</header>
<main class="wrap">
{body}
</main>
<footer class="wrap">
Made by mmasc {__version__} on this machine. The page holds its own pictures and loads nothing from elsewhere; the
numbers are in report.json next to it.
</footer>
</body>
</html>
"""


def _heard_line(found: StudyReport) -> str:
    """What the encoder learned from these very sounds, below the lead; nothing where nothing is known."""
    return f'<p class="note"><strong>* {text(found.heard.sentence)}.</strong></p>\n' if found.heard.sentence else ""


def _accuracy_part(found: StudyReport) -> str:
    rows: list[tuple[str, str, float, tuple[float, float], PromptResult | None]] = []
    for result in found.results:
        rows.append((result.name, "as written", result.accuracy, result.interval, result))
        for way, pair in (("centred", result.centred), ("prior matched", result.prior_matched)):
            if pair is not None:
                rows.append((result.name, way, *pair, None))
    cells = [
        [
            text(name),
            way,
            _percent(value),
            f"{_percent(low)} to {_percent(high)}",
            *(["", ""] if result is None else [_percent(result.balanced_accuracy), f"{result.macro_f1:.3f}"]),
        ]
        for name, way, value, (low, high), result in rows
    ]
    heading = "accuracy*" if found.heard.sentence else "accuracy"
    table = _table(["prompts", "asked", heading, "95 % interval", "balanced", "macro F1"], cells)
    guess = ", ".join(
        f"{_percent(chance)} ({text(result.name)})" for chance, result in zip(found.chance, found.results, strict=True)
    )
    return (
        f'<p class="note">Guessing gives {guess}, always saying the most frequent label '
        f"{_percent(found.largest_class)}. Intervals are 95 % bootstraps over {text(found.interval_over)}. Centred and "
        "prior matched: the same prompts, after what each of them draws in by itself is taken out, heard on these "
        f"sounds without their labels.</p>\n{table}"
    )


def _attraction_part(found: StudyReport) -> str:
    parts = [
        '<p class="note">A prompt can be like every sound. Its label is then said far more often than it is true, and '
        "its mean cosine over all sounds stands out.</p>"
    ]
    for number, result in enumerate(found.results, 1):
        cells = [
            [
                text(one.label),
                _percent(one.said),
                _percent(one.true),
                f"{one.mean_cosine:.3f}",
                f"{one.standard_deviation:.3f}",
            ]
            for one in result.attraction
            if one.said or one.true
        ]
        table = _table(["label", "said", "true", "mean cosine", "standard deviation"], cells)
        figure = _figure(found, f"attraction-{number}", "Shares of all sounds.", result)
        parts.append(
            f'<h3>{text(result.name)}</h3>\n<div class="figures">{figure}<div class="scroll">{table}</div></div>'
        )
    return "\n".join(parts)


def _components_part(found: StudyReport) -> str:
    captions = {
        "texts": "Vectors of the labels of every prompt set.",
        "sounds": "Sounds; stars are the means of the labels.",
        "joint": "Sounds and labels' vectors in one space: the axes are mostly those of the sounds.",
    }
    figures = []
    for name, caption in captions.items():
        first, second = found.components[name]
        caption += f" The two axes hold {_percent(first)} and {_percent(second)} of the variance."
        figures.append(_figure(found, f"pca-{name}", caption))
    return f'<div class="figures">{"".join(figures)}</div>'


def _gap_part(found: StudyReport) -> str:
    cells = [
        [
            text(result.name),
            *(
                f"{value:.3f}"
                for value in (
                    result.gap.distance,
                    result.gap.matching,
                    result.gap.other,
                    result.gap.sounds,
                    result.gap.texts,
                )
            ),
        ]
        for result in found.results
    ]
    headings = ["prompts", "distance of means", "sound, own label", "sound, other label", "two sounds", "two labels"]
    note = (
        '<p class="note">In a space trained by contrast sounds and words keep apart: the distance of their means is '
        "the modality gap. What counts is whether sounds are nearer to their own label than to others. Columns three "
        "to six are mean cosines.</p>"
    )
    return note + _table(headings, cells) + _figure_of_each(found, "gap", "Cosines of pairs, each outline of area 1.")


def _reliability_part(found: StudyReport) -> str:
    cells = [
        [text(result.name), f"{result.calibration_error:.3f}", f"{result.log_loss:.3f}"] for result in found.results
    ]
    table = _table(["prompts", "expected calibration error", "log loss, nats"], cells)
    return table + _figure_of_each(found, "reliability", "Below the dashed line, probabilities are too high.")


def _notes_part(found: StudyReport) -> str:
    notes = [
        f"Space {found.space}, encoder {found.encoder}, identity {found.identity}.",
        f"Left out: {counted(found.unlabelled, 'sound')} without a label, {found.without_vectors} without vectors.",
        "Centring and prior matching suppose that the sounds hold the labels in about equal shares.",
        "The best of many prompts, chosen on these sounds, will be less good on other sounds.",
    ]
    for result in found.results:
        note = (
            f"{result.name}: {counted(result.matched_exactly, 'label matches', 'labels match')} the collection's "
            "exactly, "
        )
        note += f"{result.matched_similarly} ignoring case, underscores and hyphens"
        notes.append(note + (f"; no sound has: {', '.join(result.unused)}." if result.unused else "."))
    return '<ul class="plain">' + "".join(f"<li>{text(note)}</li>" for note in notes) + "</ul>"


def _figure_of_each(found: StudyReport, figure: str, caption: str) -> str:
    """One figure of every prompt set, side by side where there is room."""
    shown = (_figure(found, f"{figure}-{number}", caption, one) for number, one in enumerate(found.results, 1))
    return f'<div class="figures">{"".join(shown)}</div>'


def _figure(found: StudyReport, name: str, caption: str, result: PromptResult | None = None) -> str:
    content = base64.b64encode(found.figures[name].read_bytes()).decode()
    said = caption if result is None else f"{result.name}. {caption}"
    image = f'<img src="data:image/png;base64,{content}" alt="{text(said)}">'
    return f"<figure>{image}<figcaption>{text(said)}</figcaption></figure>"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; the first of a row is its heading."""
    head = "".join(f'<th scope="col">{text(heading)}</th>' for heading in headings)
    body = "\n".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
