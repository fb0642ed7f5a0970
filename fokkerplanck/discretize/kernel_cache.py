"""Generated modules: written once to a cache folder, imported from there by every process.

numba caches machine code beside the file that defines a function, and only functions that have a
file.  A file is named by the hash of its text, so that it never changes once written.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

__all__ = ["cache_folder", "load_module"]


def cache_folder() -> Path:
    """Folder of generated modules: $FOKKERPLANCK_CACHE, or fokkerplanck in $XDG_CACHE_HOME.

    Both empty, ``~/.cache/fokkerplanck``; where that cannot be written to, a temporary folder of
    this process, so that every process compiles anew.
    """
    chosen = os.environ.get("FOKKERPLANCK_CACHE")
    if chosen:
        folder = Path(chosen).expanduser().absolute()
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        folder = Path(base).expanduser().absolute() / "fokkerplanck"
    kernels = folder / "kernels"
    try:
        kernels.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kernels):
            return kernels
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return Path(_temporary_folder().name)


@cache
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    # Private to this process: code must not be imported from a place that others can write to.
    return tempfile.TemporaryDirectory(prefix="fokkerplanck-")


@cache
def load_module(source: str) -> ModuleType:
    """Import source text from its file in the cache folder, writing the file first if need be."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:24]
    path = cache_folder() / f"kernel_{digest}.py"
    if not _holds(path, source):
        _write(path, source)
    name = f"fokkerplanck_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # cached machine code looks its module up by name
    specification.loader.exec_module(module)
    return module


def _holds(path: Path, source: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == source
    except (OSError, UnicodeDecodeError):
        return False


def _write(path: Path, source: str) -> None:
    """Write aside and rename: another process sees the whole file or none."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8"
    ) as file:
        file.write(source)
    os.replace(file.name, path)
