"""Tables of W4, and what the figures say about its targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["report", "write"]

RESULTS = Path(__file__).parent / "results"
OURS, CEILING = "fokkerplanck EulerMaruyama", "ceiling: two normal numbers a path-step"


def report(results: dict[str, Any]) -> str:
    """Markdown: a table of all methods, what was skipped, and the ratios that count."""
    rows = sorted(results["rows"], key=lambda row: (row["threads"], -row["rate"]))
    lines = [
        "| method | threads | path-steps/s | per s of processor time | mean x | var x | load |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        moments = [f"{row[k]:.3f}" if row[k] is not None else "" for k in ("mean", "variance")]
        lines.append(
            f"| {row['method']} | {row['threads']} | {row['rate']:.2e} | {row['cpu']:.2e} | "
            f"{' | '.join(moments)} | {row['load']:.1f} |"
        )
    lines += ["", *(f"- {line}" for line in (*ratios(results["rows"]), *results["skipped"]))]
    environment = results["environment"]
    versions = ", ".join(
        f"{name} {version}" for name, version in environment["packages"].items() if version
    )
    lines += [
        "",
        f"{environment['date']}, {environment['cores']} cores {environment['machine']}, "
        f"Python {environment['python']}, {versions}.",
        "",
        *(f"{name}: {note}." for name, note in environment["notes"].items()),
    ]
    return "\n".join(lines) + "\n"


def ratios(rows: list[dict[str, Any]]) -> list[str]:
    """This package against the ceiling, its own second thread, and the best peer.

    One thread is compared in processor time, which other work on the machine disturbs less.
    """
    by_key = {(row["method"], row["threads"]): row for row in rows}
    ours, ceiling = by_key.get((OURS, 1)), by_key.get((CEILING, 1))
    lines = []
    if ours and ceiling:
        share = ours["cpu"] / ceiling["cpu"]
        lines.append(f"one thread: {share:.2f} of the generator's ceiling, in processor time")
    both = by_key.get((OURS, 2))
    if ours and both:
        lines.append(
            f"second thread: {both['rate'] / ours['rate']:.2f} times one in wall time at a load of "
            f"{both['load']:.1f}, {2 * both['cpu'] / ours['cpu']:.2f} if both had a processor to "
            "themselves (twice the ratio of processor times)"
        )
    for threads, clock, name in ((1, "cpu", "processor"), (2, "rate", "wall")):
        mine = by_key.get((OURS, threads))
        peers = [
            row
            for row in rows
            if row["threads"] == threads
            and not row["method"].startswith(("fokkerplanck", "ceiling"))
        ]
        if mine and peers:
            best = max(peers, key=lambda row: row[clock])
            lines.append(
                f"{threads} thread{'s' * (threads > 1)}: {mine[clock] / best[clock]:.1f} times "
                f"the best peer, {best['method']}, in {name} time"
            )
            if threads == 1 and ceiling:
                lines.append(f"the ceiling is {ceiling[clock] / best[clock]:.1f} times that peer")
    return lines


def write(results: dict[str, Any]) -> None:
    """Keep the figures as JSON and as a table."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "w4.json").write_text(json.dumps(results, indent=1) + "\n")
    title = "# W4: Euler–Maruyama steps a second\n\nMade by `python -m benchmarks w4 --write`.\n\n"
    (RESULTS / "w4.md").write_text(title + report(results))
