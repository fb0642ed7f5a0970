"""Draw all figures, or those whose names start with one of the arguments, as PDF and PNG."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import matplotlib
import matplotlib.pyplot as plt

import figures
from figures._cache import arrays

FOLDER = Path(figures.__file__).parent
OUTPUT = FOLDER / "output"
STYLE = FOLDER / "style.mplstyle"


def select(available: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the names that start with one of `wanted`, all of them when it is empty."""
    for prefix in wanted:
        if not any(name.startswith(prefix) for name in available):
            raise SystemExit(f"no figure starts with {prefix!r}; there are: {', '.join(available)}")
    return [name for name in available if name.startswith(tuple(wanted) or "")]


def build(figure: ModuleType, output: Path = OUTPUT) -> tuple[Path, str]:
    """Compute and draw one figure in the house style; return its PNG and the data's origin."""
    name = figure.__name__.rpartition(".")[2]
    output.mkdir(parents=True, exist_ok=True)
    data, origin = arrays(figure)
    with plt.style.context(["default", STYLE]):
        drawn = figure.draw(data)
        # Without a date, equal figures are equal files.
        drawn.savefig(output / f"{name}.pdf", metadata={"CreationDate": None})
        drawn.savefig(output / f"{name}.png", dpi=200)
        plt.close(drawn)
    return output / f"{name}.png", origin


def main(wanted: Sequence[str]) -> int:
    """Draw the wanted figures, one line each; return 1 if one of them failed, else 0."""
    matplotlib.use("Agg")
    modules = (module.name for module in pkgutil.iter_modules([str(FOLDER)]))
    failed = []
    for name in select(sorted(name for name in modules if not name.startswith("_")), wanted):
        began = time.perf_counter()
        try:
            path, origin = build(importlib.import_module(f"figures.{name}"))
        except Exception:
            failed.append(name)
            traceback.print_exc()
            print(f"{name}: FAILED", flush=True)
        else:
            seconds = time.perf_counter() - began
            shown = os.path.relpath(path.with_suffix(""))
            print(f"{shown}.{{pdf,png}}  {seconds:.1f} s  {origin}", flush=True)
    if failed:
        print(f"{len(failed)} failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
