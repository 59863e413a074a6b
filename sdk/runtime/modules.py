"""The script as a module, in a process where the modules of its folder come first."""

import importlib.util
import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import Any

# The name under which `multiprocessing` imports the script of its parent, from its path.
BY_PATH = "__mp_main__"


def load(script: str, at_start: "AbstractSet[str]") -> "dict[str, Any]":
    """Run `script` as an import would; return its names.

    It has the name that other files import it by, so that pickles of what it defines can be read
    where it can be imported. One that cannot be imported, as `my.script.py`, or would stand in the
    way of another module, as `queue.py`, is known by its path.
    """
    folder, file = os.path.split(script)
    sys.path[0] = folder
    _forget_shadowed(folder, at_start)
    name = file.removesuffix(".py")
    if not _is_importable(name, script):
        name = BY_PATH
    spec = importlib.util.spec_from_file_location(name, script)
    if spec is None:
        raise ImportError(f"{script} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if name == BY_PATH:
        module.__spec__ = None  # by it, multiprocessing would try to import the name
        sys.modules["__main__"] = module
    with open(script, "rb") as source:  # noqa: PTH123
        code = compile(source.read(), script, "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 -- a script is what this is for
    return module.__dict__


def _forget_shadowed(folder: str, at_start: "AbstractSet[str]") -> None:
    """Forget the modules that were loaded for us where `folder` has one of that name: a script that
    is run as a whole would find that one. The launcher keeps what it has."""
    there = {entry.partition(".")[0] for entry in os.listdir(folder)} - at_start  # noqa: PTH208
    loaded = {name.partition(".")[0] for name in sys.modules.keys() - at_start}
    shadowed = {name for name in loaded & there if _has_module(folder, name)}
    if not _is_ours_found():
        shadowed.add("sdk")
    if shadowed:
        for name in [name for name in sys.modules if name.partition(".")[0] in shadowed]:
            del sys.modules[name]


def _has_module(folder: str, name: str) -> bool:
    spec = PathFinder.find_spec(name, [folder])
    return spec is not None and spec.origin is not None  # a folder without __init__.py gives way


def _is_ours_found() -> bool:
    """Whether `import sdk` in the script means ours, and no package of that name."""
    spec = PathFinder.find_spec("sdk")
    return spec is None or spec.origin == sys.modules["sdk"].__file__


def _is_importable(name: str, script: str) -> bool:
    """Whether `import name` means this very file, here and in every process it starts."""
    if "." in name or name in sys.modules or name in sys.stdlib_module_names:
        return False
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin == script
