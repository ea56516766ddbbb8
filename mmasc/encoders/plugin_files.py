"""Where plug-ins are found: installed packages that name them (entry points `mmasc.encoders`), and Python files.

Loads no torch, and runs a file only if its user trusts it (`mmasc.encoders.trust`).
"""

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType

from mmasc.encoders.plugin import EncoderPlugin
from mmasc.encoders.trust import trusted_source
from mmasc.errors import MmascError, show_path

GROUP = "mmasc.encoders"
_FILE = re.compile(r"(?P<file>.+\.py)(?::(?P<kind>[^\W\d]\w*)(?::(?P<path>.+))?)?", re.DOTALL)


def installed_plugins() -> Mapping[str, EntryPoint]:
    """Plug-ins of installed packages by name; nothing is loaded."""
    # Reading the entry points of all packages takes longer than a search, and each search asks
    return _installed(tuple((folder, _written(folder)) for folder in sys.path))


@lru_cache(maxsize=4)
def _installed(_: tuple[tuple[str, int], ...]) -> Mapping[str, EntryPoint]:
    return MappingProxyType({one.name: one for one in entry_points(group=GROUP)})


def _written(folder: str) -> int:
    """When something was last put into a folder or taken away; installing does."""
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


def is_plugin(name: str) -> bool:
    """Whether a name ("FILE.py:Class", or that of an installed plug-in) is that of a plug-in."""
    return _FILE.fullmatch(name) is not None or name.partition(":")[0] in installed_plugins()


def full_name(name: str) -> str:
    """The name with the whole path of its file, so that it is found from any folder."""
    found = _FILE.fullmatch(name)
    if found is None:
        return name
    return f"{os.path.abspath(found['file'])}{name[found.end('file') :]}"


def find_plugin(name: str) -> tuple[type[EncoderPlugin], str | None]:
    """The class that a name means, and what users wrote after it.

    Args:
        name: "FILE.py:Class", "FILE.py:Class:PATH", "FILE.py" (with one plug-in in it), or "NAME" and "NAME:PATH" of an
            installed one.
    Raises:
        MmascError: If there is none, the file is not trusted, or loading it raises.
    """
    found = _FILE.fullmatch(name)
    if found is not None:
        file = Path(found["file"])
        module = _module_of(file)
        return _class_in(module, found["kind"], file), found["path"]
    base, _, path = name.partition(":")
    point = installed_plugins()[base]
    try:
        kind = point.load()
    except Exception as error:  # somebody's package: anything may come
        raise MmascError(f"the encoder {base} ({point.value}) cannot be loaded: {_reason(error)}") from error
    if not (isinstance(kind, type) and issubclass(kind, EncoderPlugin)):
        raise MmascError(f"the encoder {base} ({point.value}) is not a subclass of mmasc.EncoderPlugin; correct it")
    return kind, path or None


def named_by_file(plugin: EncoderPlugin) -> str:
    """The name by which an object's class is found again, as "FILE.py:Class"; "" where it lies in no file."""
    file = getattr(sys.modules.get(type(plugin).__module__), "__file__", None)
    if not file or not file.endswith(".py") or "." in type(plugin).__qualname__:
        return ""
    return f"{os.path.abspath(file)}:{type(plugin).__name__}" + (f":{plugin.path}" if plugin.path else "")


def _module_of(file: Path) -> ModuleType:
    """A trusted file as a module; loaded once as long as it does not change."""
    source = trusted_source(file)
    digest = hashlib.sha256(os.fsencode(os.path.realpath(file)) + b"\0" + source).hexdigest()
    name = f"mmasc_plugin_{digest[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = os.path.abspath(file)
    sys.modules[name] = module  # dataclasses and others look there
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)  # noqa: S102 (its user trusts it)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        raise MmascError(f"{show_path(file)} cannot be loaded: {_reason(error)}") from error
    return module


def _class_in(module: ModuleType, kind: str | None, file: Path) -> type[EncoderPlugin]:
    classes = {
        name: one
        for name, one in vars(module).items()
        if isinstance(one, type) and issubclass(one, EncoderPlugin) and one.__module__ == module.__name__
    }
    if kind in classes:
        return classes[kind]
    if kind is None and len(classes) == 1:
        return next(iter(classes.values()))
    shown = ", ".join(sorted(classes)) or "none: write a subclass of mmasc.EncoderPlugin"
    asked = f"no encoder {kind}" if kind else "not one encoder alone"
    raise MmascError(f"{show_path(file)} holds {asked}; it has: {shown}")


def _reason(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    where = f", line {line}" if line else ""
    return f"{type(error).__name__} ({' '.join(str(error).split())[:200]}{where})"
