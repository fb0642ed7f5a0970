"""Tables of W1: every measurement, and the times at equal error."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._readme import replace_section
from benchmarks.w1_problem import PROBLEMS

__all__ = ["Equal", "at_equal_error", "measurements", "report", "write"]

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
OURS = "fokkerplanck"
COMPARED_CELLS = 256
KEYS = ("cpu", "cells")

Row = dict[str, Any]
Results = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Equal:
    """Processor seconds and cells a side for a given error; `bound`: less would do."""

    seconds: float
    cells: float
    bound: bool


def at_equal_error(rows: Sequence[Row], error: float) -> Equal | None:
    """What a method needs for an error: between its grids, on straight lines in logarithms.

    Where its coarsest grid is already better, what that grid needs; None where its finest is not
    good enough.
    """
    ordered = sorted(rows, key=lambda row: row["cells"])
    if ordered[0]["l1"] <= error:
        return Equal(ordered[0]["cpu"], ordered[0]["cells"], True)
    for coarse, fine in itertools.pairwise(ordered):
        if fine["l1"] <= error:
            share = np.log(coarse["l1"] / error) / np.log(coarse["l1"] / fine["l1"])
            seconds, cells = (coarse[key] * (fine[key] / coarse[key]) ** share for key in KEYS)
            return Equal(float(seconds), float(cells), False)
    return None


def report(results: Results) -> str:
    """All tables, as Markdown; `results` holds one run a problem."""
    parts = [summary(results)]
    for problem, run in results.items():
        title = f"### {problem.capitalize()} problem\n\n"
        parts.append(title + measurements(run["rows"]))
        if run["skipped"]:
            parts.append("Not run:\n\n" + "\n".join(f"- {line}" for line in run["skipped"]))
        parts.append(_versions(run["environment"]))
    notes = list(results.values())[-1]["environment"]["notes"]
    uses = "\n".join(f"- {name}: {note}" for name, note in notes.items())
    parts.append(f"### How each was used\n\n{uses}")
    return "\n\n".join(parts) + "\n"


def summary(results: Results) -> str:
    """The tables that answer the questions of W1."""
    text = "### At equal error\n\n" + _comparison(results)
    cold = [row for run in results.values() for row in run["cold"]]
    return f"{text}\n\n{_cold(cold)}" if cold else text


def _comparison(results: Results) -> str:
    header = (
        f"Each peer at its finest grid up to {COMPARED_CELLS} x {COMPARED_CELLS}, then how many "
        "times less processor time each of ours takes for the same L1 error, and with how many "
        "cells a side (interpolated in logarithms between its grids; `>`: its coarsest grid is "
        "already better; `-`: its finest grid is not good enough).\n\n"
    )
    rows = [row for run in results.values() for row in run["rows"]]
    ours = list(dict.fromkeys(r["method"] for r in rows if r["method"].startswith(OURS)))
    lines = []
    for problem, run in results.items():
        for peer in _finest([row for row in run["rows"] if not row["method"].startswith(OURS)]):
            line = [problem, peer["method"], str(peer["cells"]), f"{peer['l1']:.1e}"]
            line += [f"{peer['seconds']:.3g}", f"{peer['cpu']:.3g}"]
            lines.append(line + [_ratio(peer, _of(run["rows"], method)) for method in ours])
    columns = ["problem", "peer", "N", "L1 error", "wall s", "cpu s"]
    return header + _table(columns + [name.removeprefix(OURS).strip() for name in ours], lines)


def _of(rows: Sequence[Row], method: str) -> list[Row]:
    return [row for row in rows if row["method"] == method]


def _finest(rows: Sequence[Row]) -> list[Row]:
    best: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row["cells"]):
        if row["cells"] <= COMPARED_CELLS:
            best[row["method"]] = row
    return list(best.values())


def _ratio(peer: Row, rows: Sequence[Row]) -> str:
    found = at_equal_error(rows, peer["l1"]) if rows else None
    if found is None:
        return "-"
    sign = ">" if found.bound else ""
    return f"{sign}{peer['cpu'] / found.seconds:.2g}x (N = {found.cells:.0f})"


def _cold(cold: Sequence[Row]) -> str:
    lines = [
        [
            row["method"],
            "empty" if row["empty"] else "filled",
            f"{row['first']:.2f}",
            f"{row['second']:.2f}",
            f"{row['load']:.1f}",
        ]
        for row in cold
    ]
    columns = ("method", "caches of compiled code", "first density s", "second s", "load")
    title = (
        f"### Fresh processes\n\nIrreversible problem, N = {cold[0]['cells']}; wall seconds from "
        "imports to density (FiPy: with its calibration at 64 x 64).\n\n"
    )
    return title + _table(columns, lines)


def measurements(rows: Sequence[Row]) -> str:
    """Every run: times, errors and evidence."""
    columns: dict[str, Callable[[Row], str]] = {
        "method": lambda row: row["method"],
        "N": lambda row: str(row["cells"]),
        "wall s": lambda row: f"{row['seconds']:.3g}",
        "cpu s": lambda row: f"{row['cpu']:.3g}",
        "runs": lambda row: str(row["repeats"]),
        "load": lambda row: f"{row['load']:.1f}",
        "L1 error": lambda row: f"{row['l1']:.1e}",
        "smallest p": lambda row: f"{row['smallest']:.0e}",
        "negative mass": lambda row: f"{abs(row['negative_mass']):.0e}",
        "mass - 1": lambda row: f"{row['mass']:.0e}",
    }
    lines = [[column(row) for column in columns.values()] for row in rows]
    return _table(tuple(columns), lines)


def _versions(here: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in here["packages"].items())
    return (
        f"Measured {here['date']}: Python {here['python']}, NumPy {here['numpy']}, SciPy "
        f"{here['scipy']}, {packages}; {here['cores']} cores ({here['machine']}), one BLAS thread."
    )


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        "| " + " | ".join(cells) + " |" for cells in (columns, ["---"] * len(columns), *lines)
    )


def write(results: Results) -> None:
    """Keep the runs of these problems, and those of others as they are.

    In `results/w1.json`, `.csv` (rows only), `.md` (all tables) and the README (summary).
    """
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "w1.json"
    kept: Results = json.loads(file.read_text()) if file.exists() else {}
    merged = {name: (kept | results)[name] for name in PROBLEMS if name in kept | results}
    file.write_text(json.dumps(merged, indent=1) + "\n")
    rows = [row for run in merged.values() for row in run["rows"]]
    with (RESULTS / "w1.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    title = "# W1: stationary density\n\nMade by `python -m benchmarks w1 --write`.\n\n"
    (RESULTS / "w1.md").write_text(title + report(merged))
    replace_section("w1", summary(merged))
