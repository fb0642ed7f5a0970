"""Tables of W3: every measurement, and the times at equal error."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.w1_report import _table, _versions, measurements

__all__ = ["cheapest", "report", "write"]

RESULTS = Path(__file__).parent / "results"
OURS = "fokkerplanck"

Row = dict[str, Any]


def cheapest(rows: Sequence[Row], error: float) -> Row | None:
    """The run of ours that takes the least processor time for an error, None where none does."""
    good = [row for row in rows if row["method"].startswith(OURS) and row["l1"] <= error]
    return min(good, key=lambda row: row["cpu"]) if good else None


def report(results: dict[str, Any]) -> str:
    """All tables, as Markdown."""
    rows = results["rows"]
    parts = [
        "### At equal error\n\n" + _comparison(rows),
        "### Measurements\n\n" + measurements(rows),
    ]
    if results["skipped"]:
        parts.append("Not run:\n\n" + "\n".join(f"- {line}" for line in results["skipped"]))
    parts.append(_versions(results["environment"]))
    notes = results["environment"]["notes"].items()
    uses = "\n".join(f"- {name}: {note}" for name, note in notes if note)
    parts.append(f"### How each was used\n\n{uses}")
    return "\n\n".join(parts) + "\n"


def _comparison(rows: Sequence[Row]) -> str:
    header = (
        "How many times less processor time our cheapest run takes whose L1 error is not larger: "
        "of all grids, and of the peer's own grid.\n\n"
    )
    lines = []
    for peer in rows:
        if peer["method"].startswith(OURS):
            continue
        line = [peer["method"], str(peer["cells"]), f"{peer['l1']:.1e}", f"{peer['cpu']:.3g}"]
        same = [row for row in rows if row["cells"] == peer["cells"]]
        line += [_ratio(peer, cheapest(rows, peer["l1"])), _ratio(peer, cheapest(same, peer["l1"]))]
        lines.append(line)
    columns = ["peer", "N", "L1 error", "cpu s", "our cheapest", "our cheapest, same N"]
    return header + _table(columns, lines)


def _ratio(peer: Row, ours: Row | None) -> str:
    if ours is None:
        return "-"
    tolerance = ours["method"].removeprefix(OURS).strip()
    return (
        f"{peer['cpu'] / ours['cpu']:.3g}x ({ours['cpu']:.2g} s, L1 {ours['l1']:.1e}, "
        f"N = {ours['cells']}, tolerance {tolerance})"
    )


def write(results: dict[str, Any]) -> None:
    """Keep the run in `results/w3.json`, `.csv` (rows only) and `.md` (all tables)."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "w3.json").write_text(json.dumps(results, indent=1) + "\n")
    with (RESULTS / "w3.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, list(results["rows"][0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(results["rows"])
    title = (
        "# W3: a density in time\n\nThe irreversible problem of W1 (full tensor) from a normal "
        "density with mean (-1, 0) and covariance 0.05 to t = 1; the reference errs by 2e-7 in L1 "
        "(`benchmarks/w3_reference.py`). Made by `python -m benchmarks w3 --write`.\n\n"
    )
    (RESULTS / "w3.md").write_text(title + report(results))
