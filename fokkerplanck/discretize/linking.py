"""The text of a driver, made part of a generated module.

numba inlines and caches a call of a global of the same file; a function that is passed as an
argument is never cached.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["linked"]


def linked(driver: Callable[..., Any]) -> Iterator[str]:
    """Lines of the driver as `run`, its first argument now a global of that name."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(driver))).body
    assert isinstance(definition, ast.FunctionDef)
    del definition.args.args[0]
    definition.name, definition.returns = "run", None
    for argument in definition.args.args:
        argument.annotation = None
    if ast.get_docstring(definition) is not None:
        del definition.body[0]
    known = inspect.getclosurevars(driver).globals
    for name in sorted(known.keys() - {"np", "math"}):
        yield f"from {driver.__module__} import {name}"
    # In the text, hence in the file's name: machine code of an old driver is never reused.
    yield f"# driver {_fingerprint(driver)}"
    yield ""
    yield '@njit(cache=True, nogil=True, error_model="numpy")'
    yield ast.unparse(definition)


def _fingerprint(driver: Callable[..., Any]) -> str:
    """Hash of every file in the driver's folder, where all that it may call stands."""
    folder = Path(str(sys.modules[driver.__module__].__file__)).parent
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
