"""The table of W2."""

from __future__ import annotations

import csv
import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from benchmarks.w2_method import Method
from benchmarks.w2_problem import BARRIERS

__all__ = ["environment", "report", "write"]

RESULTS = Path(__file__).parent / "results"
INTRODUCTION = (
    "`V = (x² - 1)²`, `A = -V'`, `D = T`, box [-1.6, 1.6] with reflecting walls: mean time from "
    "x = -1 to x > 0.9, against the exact double integral. The barrier is 1, so barrier over noise "
    "is 1/T. N cells in the box; formulas have no grid. A relative error of -1 means that no digit "
    "is right; `< 0` marks a negative time; a word in brackets is the warning given, or the "
    "exception raised instead of a number."
)


def environment(methods: Sequence[Method]) -> dict[str, Any]:
    """What the figures depend on, without naming the machine."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "packages": {method.package: method.version for method in methods},
        "notes": {method.name: method.note for method in methods},
    }


def report(results: dict[str, Any]) -> str:
    """Table, what was skipped, versions and uses, as Markdown."""
    rows = results["rows"]
    barriers = [b for b in BARRIERS if any(row["barrier"] == b for row in rows)]
    columns = ["method", "N", *(f"1/T = {b:g}" for b in barriers), "ms"]
    lines = [columns, ["---"] * len(columns)]
    for method, cells in dict.fromkeys((row["method"], row["cells"]) for row in rows):
        found = {
            row["barrier"]: row for row in rows if (row["method"], row["cells"]) == (method, cells)
        }
        seconds = float(np.median([row["seconds"] for row in found.values()]))
        entries = [_entry(found[b]) if b in found else "" for b in barriers]
        lines.append([method, str(cells) if cells else "", *entries, f"{1e3 * seconds:.2g}"])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    parts = [INTRODUCTION, table]
    if results["skipped"]:
        parts.append("Not run:\n\n" + "\n".join(f"- {line}" for line in results["skipped"]))
    here = results["environment"]
    packages = ", ".join(
        f"{name} {version}" for name, version in here["packages"].items() if version
    )
    parts.append(
        f"Measured {here['date']}: Python {here['python']}, NumPy {here['numpy']}, SciPy "
        f"{here['scipy']}, {packages}; one BLAS thread. ms: median over the barriers, from "
        "formulas to the time."
    )
    uses = "\n".join(f"- {name}: {note}" for name, note in here["notes"].items())
    parts.append(f"### How each was used\n\n{uses}")
    return "\n\n".join(parts) + "\n"


def _entry(row: dict[str, Any]) -> str:
    warned = f" ({row['warned']})" if row["warned"] else ""
    if row["error"] is None:
        return f"no number{warned}"
    negative = " < 0" if row["mean_time"] < 0 else ""
    return f"{row['error']:.1e}{negative}{warned}"


def write(results: dict[str, Any]) -> None:
    """Keep the results in `results/w2.json`, `.csv` (rows only) and `.md`."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "w2.json").write_text(json.dumps(results, indent=1) + "\n")
    with (RESULTS / "w2.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, list(results["rows"][0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(results["rows"])
    title = "# W2: mean escape time in one dimension\n\nMade by `python -m benchmarks w2 --write`."
    (RESULTS / "w2.md").write_text(f"{title}\n\n{report(results)}")
