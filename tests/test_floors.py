"""The layout: every file on a floor, no circles, names in strings that resolve, a function for every command, sizes.

The floors are those of `[tool.importlinter]` in pyproject.toml. Imports inside functions and for type checkers count.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

from mmasc.cli import cli

ROOT = Path(__file__).parent.parent
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "mmasc").rglob("*.py"))
}
MOST_LINES = 400
MOST_ARGUMENTS = 8
# Longer files, and how long they are: they may become shorter, no other may join them
LONG_FILES: dict[str, int] = {}
# Functions with more arguments: public entries with flat arguments, commands, definitions of networks
WIDE_FUNCTIONS: dict[str, int] = {
    "mmasc.cli.demo:demo": 9,
    "mmasc.cli.imagine:imagine": 9,
    "mmasc.collection.growing:Growing.add_vectors": 9,
    "mmasc.collection.searchable:Searchable.search": 20,
    "mmasc.collection.hits:Hit.__init__": 11,
    "mmasc.collection.ingest:embed": 23,
    "mmasc.datasets.folder_and_csv:read_csv": 10,
    "mmasc.demo.run:run_demo": 9,
    "mmasc.evaluation.tag_sweep:sweep_tags": 9,
    "mmasc.labelling.apply:apply_head": 20,
    "mmasc.labelling.classify:classify": 26,
    "mmasc.labelling.fit:fit_head": 14,
    "mmasc.networks.tag_conditioned:TaggedNetwork.__init__": 10,
    "mmasc.studies.clusters:find_clusters": 9,
    "mmasc.studies.prompt_sweep:sweep_prompts": 9,
    "mmasc.studies.prompt_tuning:tune_prompts": 15,
    "mmasc.studies.report:report": 9,
    "mmasc.training.alignment.train:train_alignment": 20,
    "mmasc.training.ivf.train:train_ivf": 28,
    "mmasc.training.ivf.train:train_vqvae": 27,
    "mmasc.training.supervised.train:train_network": 25,
    "mmasc.windows.timeline:find_events": 9,
}
# What every command calls; groups call nothing
COMMANDS = {
    "classify": "mmasc.labelling.classify:classify",
    "models centre": "mmasc.labelling.centring:centre_tagger",
    "collection activity": "mmasc.studies.activity:activity",
    "clips": "mmasc.collection.clips:cut_clips",
    "collection add": "mmasc.collection.collection:Collection.add",
    "collection add-vectors": "mmasc.collection.collection:Collection.add_vectors",
    "collection check": "mmasc.collection.collection:Collection.check",
    "collection clock": "mmasc.collection.collection:Collection.read_clocks",
    "collection cluster": "mmasc.studies.clusters:find_clusters",
    "collection compact": "mmasc.collection.collection:Collection.compact",
    "collection duplicates": "mmasc.collection.duplicates:find_duplicates",
    "collection export": "mmasc.collection.collection:Collection.export",
    "collection index": "mmasc.collection.collection:Collection.index",
    "collection info": "mmasc.collection.collection:Collection.info",
    "collection map": "mmasc.studies.window_map:map_windows",
    "collection merge": "mmasc.collection.collection:Collection.merge",
    "collection move-root": "mmasc.collection.collection:Collection.move_root",
    "collection publish": "mmasc.collection.collection:Collection.publish",
    "collection remove": "mmasc.collection.collection:Collection.remove",
    "compare": "mmasc.evaluation.compare:compare",
    "demo": "mmasc.demo.run:run_demo",
    "doctor": "mmasc.cli.doctor:examine",
    "embed": "mmasc.collection.ingest:embed",
    "evaluate": "mmasc.evaluation.evaluate:evaluate",
    "head apply": "mmasc.labelling.apply:apply_head",
    "head fit": "mmasc.labelling.fit:fit_head",
    "imagine": "mmasc.ivf.imagine:imagine_files",
    "label add": "mmasc.collection.annotations:Annotations.add",
    "review": "mmasc.labelling.review:review",
    "label compare": "mmasc.evaluation.label_comparison:compare_labels",
    "label export": "mmasc.collection.label_exchange:export_labels",
    "label import": "mmasc.collection.label_exchange:import_labels",
    "label list": "mmasc.collection.annotations:Annotations.all",
    "label redo": "mmasc.collection.annotations:Annotations.redo",
    "label remove": "mmasc.collection.annotations:Annotations.remove",
    "label rename": "mmasc.collection.annotations:Annotations.rename",
    "label undo": "mmasc.collection.annotations:Annotations.undo",
    "models check": "mmasc.encoders.determinism:check_encoder",
    "models export": "mmasc.encoders.export:export_encoder",
    "models fetch": "mmasc.weights.download:fetch",
    "models info": "mmasc.encoders.registry:load_encoder",
    "models list": "mmasc.encoders.registry:ENCODERS",
    "models trust": "mmasc.encoders.trust:trust",
    "prompts calibrate": "mmasc.studies.prompt_tuning:tune_prompts",
    "prompts lint": "mmasc.prompts.lint:lint",
    "prompts list": "mmasc.prompts.prompts:bundled_prompts",
    "prompts sweep": "mmasc.studies.prompt_sweep:sweep_prompts",
    "report": "mmasc.studies.report:report",
    "search": "mmasc.collection.collection:Collection.search",
    "serve": "mmasc.web.serve:serve",
    "sweep": "mmasc.evaluation.tag_sweep:sweep_tags",
    "train align": "mmasc.training.alignment.train:train_alignment",
    "train ivf": "mmasc.training.ivf.train:train_ivf",
    "train scenes": "mmasc.ivf.scenes:write_scenes",
    "train vqvae": "mmasc.training.ivf.train:train_vqvae",
}
# What looks, fetches or shows; what computes has a name in the package itself
NOT_IN_THE_FACE = {
    "demo",
    "doctor",
    "models fetch",
    "models trust",
    "prompts lint",
    "prompts list",
    "serve",
    "train scenes",
}
# Networks are commands too: `mmasc train NETWORK` is one function
TRAIN_NETWORK = "mmasc.training.supervised.train:train_network"


@cache
def trees() -> dict[str, ast.Module]:
    """What each file says; only the process that runs these tests reads them."""
    return {module: ast.parse(path.read_text("utf-8")) for module, path in FILES.items()}


def imports_of(module: str) -> set[str]:
    """Modules of the package that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module} imports relatively"
            found |= {
                f"{node.module}.{one.name}" if f"{node.module}.{one.name}" in FILES else node.module
                for one in node.names
            }
    return {one for one in found if one in FILES} - {module}


@cache
def imports() -> dict[str, set[str]]:
    """Modules of the package that each file imports."""
    return {module: imports_of(module) for module in FILES}


def room(module: str) -> str:
    """The folder (or the file at the root) that a module is in."""
    return module.split(".")[1] if "." in module else ""


def floors() -> dict[str, int]:
    """Folder → floor, counted from below."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = (one for one in contracts if one["name"] == "floors")
    assert contract["exhaustive"]
    rows = [[name.strip(" ()") for name in row.split("|")] for row in contract["layers"]]
    return {name: len(rows) - number for number, row in enumerate(rows) for name in row}


def test_files_import_from_lower_floors_only():
    floor = floors()
    rooms = {room(module) for module in FILES} - {"", "__main__"}
    assert rooms <= set(floor), "every folder stands on a floor"
    upward = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if room(module) in rooms
        and room(module) != room(other)
        # nothing imports the face of the package: it hands on names of all floors
        and (other == "mmasc" or floor[room(other)] >= floor[room(module)])
    ]
    assert upward == []


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of two or more that reach each other."""
    reached: dict[str, set[str]] = {}
    for start in arrows:
        seen, waiting = set(), list(arrows[start])
        while waiting:
            if (one := waiting.pop()) not in seen:
                seen.add(one)
                waiting += arrows[one]
        reached[start] = seen
    groups = {tuple(sorted({one for one in reached[start] if start in reached[one]})) for start in arrows}
    return sorted(list(group) for group in groups if group)


def test_no_files_import_each_other_in_a_circle():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles(imports()) == []


def named_in_strings() -> Iterator[tuple[str, str]]:
    """Places, and the "module:name" that stands there; kinds of features are names that never change."""
    for module, tree in trees().items():
        kinds = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "kind"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in kinds:
                if re.fullmatch(r"mmasc(\.\w+)+:\w+", node.value):
                    yield module, node.value
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    texts = [getattr(key, "value", None), getattr(value, "value", None)]
                    if all(isinstance(text, str) for text in texts) and texts[1] in FILES and texts[0].isidentifier():
                        yield module, f"{texts[1]}:{texts[0]}"


def resolve(target: str):
    module, _, names = target.partition(":")
    found = import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


def test_every_name_in_a_string_resolves():
    named = sorted(set(named_in_strings()))
    assert len(named) > 60
    for place, target in named:
        assert resolve(target) is not None, f"{target} in {place}"


def test_modules_in_strings_are_there():
    """`files("mmasc.x")`, `-m mmasc.x`, tables of commands."""
    named = {
        node.value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"mmasc(\.\w+)+", node.value)
    }
    assert len(named) > 10
    assert sorted(named - set(FILES) - {"mmasc.prompt_files"}) == []


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


def test_every_command_has_a_public_function():
    from mmasc.networks import NETWORKS

    found = {name for name, _ in commands(cli)}
    networks = {f"train {name}" for name in NETWORKS}
    assert found - networks == set(COMMANDS)
    for target in [*COMMANDS.values(), TRAIN_NETWORK]:
        assert resolve(target) is not None
        assert not target.rpartition(":")[2].startswith("_")


def test_every_command_that_computes_has_a_name_in_the_package_itself():
    import mmasc

    hidden = []
    for command, target in {**COMMANDS, "train NETWORK": TRAIN_NETWORK}.items():
        name = target.rpartition(":")[2].partition(".")[0]
        if name not in mmasc.__all__ or getattr(mmasc, name) is not resolve(f"{target.partition(':')[0]}:{name}"):
            hidden.append(command)
    assert set(hidden) == NOT_IN_THE_FACE


def test_no_name_is_both_of_a_module_and_of_something_in_its_package():
    """Or `mmasc.x` would be one or the other, by what was imported before."""
    packages = {module: path for module, path in FILES.items() if path.name == "__init__.py"}
    assert len(packages) > 20
    for package in packages:
        modules = {module.rpartition(".")[2] for module in FILES if module.rpartition(".")[0] == package}
        found = import_module(package)
        names = {*getattr(found, "__all__", ()), *getattr(found, "_LATE", ())}
        names |= {name for name, value in vars(found).items() if not isinstance(value, ModuleType)}
        assert names & modules == set(), package


def test_files_are_short():
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in FILES.items()}
    assert {module: n for module, n in lines.items() if n > LONG_FILES.get(module, MOST_LINES)} == {}
    short = [module for module in LONG_FILES if lines.get(module, 0) <= MOST_LINES]
    assert short == [], "these are short now: take them off the list"


def widths() -> Iterator[tuple[str, int]]:
    """Functions by "module:Class.name", and how many arguments they take."""
    for module, tree in trees().items():
        waiting = [("", tree)]
        while waiting:
            before, parent = waiting.pop()
            for node in ast.iter_child_nodes(parent):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    arguments = [one.arg for one in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
                    yield f"{module}:{before}{node.name}", len([one for one in arguments if one not in ("self", "cls")])
                    waiting.append((f"{before}{node.name}.", node))
                elif isinstance(node, ast.ClassDef):
                    waiting.append((f"{before}{node.name}.", node))
                else:
                    waiting.append((before, node))


def test_functions_take_few_arguments():
    wide = {name: number for name, number in widths() if number > MOST_ARGUMENTS}
    assert {name: number for name, number in wide.items() if number > WIDE_FUNCTIONS.get(name, 0)} == {}
    assert sorted(set(WIDE_FUNCTIONS) - set(wide)) == [], "these are narrow now: take them off the list"
