"""The words that users read, in help, docstrings, messages and comments: turns that are hard to read are forbidden."""

import ast
import io
import re
import tokenize
from pathlib import Path

import click
import pytest

import mmasc
from mmasc.cli import cli
from mmasc.networks.registry import NETWORKS

PACKAGE = Path(mmasc.__file__).parent
ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "index.md"]

# Words and turns that a reader whose first language is another one stumbles over, and what to write instead
FORBIDDEN = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\banew\b": "again",
    r"\bbeside\b": "next to, in addition to",
    r"\bto the letter\b": "exactly",
    r"\belse but\b|\bbut for\b": "except for, ignoring",
    r"\brests\b": "leftovers",
    r"\bby heart\b": "exactly, without generalising",
    r"\b(what|who|which)ever\b": "any, every; the user, the caller",
    r"\bfor ever\b": "without end",
    r"(?<![Tt]here )\bis no (?!longer\b)[a-z]": "is not a",
    r"(?<![Tt]here )\bare no (?!longer\b)[a-z]": "are not",
    r"\b(is|are) not there\b": "does not exist, is missing",
    r"\btakes? (it|them|the folder) away\b": "delete, move",
    r"\b(labels?|tags?|logits?|steps|lines|trees|shots|clips|crops|pairs|frames|draws|items|answers?) an? "
    r"(clip|step|item|epoch|class|sound|recording|row|file|window|cell|batch|fold|query|hit)\b": "per",
    r"\b(one|two) an? (clip|step|item|epoch|class|sound|recording|row|file|window|cell|batch|fold|query|hit)\b": "per",
}
# A description of an option or an argument is a noun phrase that stands alone
FRAGMENTS = {
    r"^Of ": "name what it is: 'Number of ...', 'Weight of ...'",
    r"^That [a-z]+": "'Number of threads that ...'",
    r"^(In|For|On|From|Between|By) [a-z ]+\.$": "name what it is",
    r"^Only (these|this)\.$": "name what is selected",
}
# (file, words): texts that must stay as they are, with the reason
ALLOWED = {
    ("cli/doctor.py", "mend: "),  # a machine-readable key
}


def commands():
    """Every command with its words, groups and the commands of networks included."""
    todo = [((), cli)]
    while todo:
        words, command = todo.pop()
        yield words, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            todo += [((*words, name), command.get_command(context, name)) for name in command.list_commands(context)]
            if words == ("train",):
                name = sorted(NETWORKS)[0]
                todo.append(((*words, name), command.get_command(context, name)))


def faults(text, rules=FORBIDDEN):
    return [
        f"{found.group()!r}: write {better}"
        for bad, better in rules.items()
        for found in [re.search(bad, text)]
        if found
    ]


def texts_of(path):
    """(line, text) of the docstrings, strings and comments of a file; what stands in braces is code."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words)) for words, _ in commands()])
def test_help_is_plain_and_every_description_stands_alone(words):
    command = dict(commands())[words]
    assert not faults(f"{command.help or ''} {command.get_short_help_str(200)}")
    texts = {option.opts[0]: getattr(option, "help", None) or "" for option in command.params}
    found = {name: faults(text, FORBIDDEN | FRAGMENTS) for name, text in texts.items()}
    assert not {name: fault for name, fault in found.items() if fault}


def test_the_words_of_the_package_are_plain():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for line, text in texts_of(path):
            for allowed in [words for where, words in ALLOWED if where == name]:
                text = text.replace(allowed, "")
            found += [f"{name}:{line}: {fault}" for fault in faults(text)]
    assert not found, "\n".join(sorted(set(found)))


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_the_words_of_the_pages_are_plain(page):
    text = page.read_text(encoding="utf-8")
    # What programs print and write is tested where they are; lines keep their numbers
    prose = re.sub(r"^```.*?^```", lambda block: "\n" * block.group().count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    found = [
        f"{page.name}:{prose.count(chr(10), 0, match.start()) + 1}: {match.group()!r}: write {better}"
        for bad, better in FORBIDDEN.items()
        for match in re.finditer(bad, prose)
    ]
    assert not found, "\n".join(found)


def test_arguments_and_attributes_are_described_by_what_they_are():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                found += [
                    f"{name}: {node.name}: {line.strip()}"
                    for line in text.splitlines()
                    if re.match(r" +[a-z_]{2,}: Of ", line)
                ]
    assert not found, "\n".join(found)


def test_the_rules_find_what_they_forbid():
    bad = "Mend the path beside it anew; it is no file, matched to the letter: two labels a clip".lower()
    assert len(faults(bad)) == 6
    assert faults("Of the optimiser.", FRAGMENTS)
    assert faults("That decode ahead.", FRAGMENTS)
    assert not faults("There is no collection; 25 frames a second; it is no longer there.", FORBIDDEN | FRAGMENTS)


def test_files_that_packages_name_exist():
    """Docstrings of packages say which file does what; a file that is renamed is renamed there, too."""
    named = [
        (path.parent, name)
        for path in sorted(PACKAGE.rglob("__init__.py"))
        for name in re.findall(
            r"(?<![\w./])[a-z][a-z0-9_]*\*?\.py\b", ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        )
    ]
    assert len(named) > 200
    assert [f"{folder.name}: {name}" for folder, name in named if not any(folder.rglob(name))] == []
