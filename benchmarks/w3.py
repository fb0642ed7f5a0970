"""W3: a density in time with a full tensor; time and error of every method at t = 1.

python -m benchmarks w3             # tables, some 5 minutes
python -m benchmarks w3 --write     # and benchmarks/results/w3.*

The irreversible problem of W1, from a normal density of covariance 0.05 in the left well, at
(-1, 0), to t = 1. Methods take turns, so that all meet the same load.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.w1 import environment
from benchmarks.w1_method import Method
from benchmarks.w1_problem import IRREVERSIBLE, Errors, errors
from benchmarks.w3_methods import METHODS
from benchmarks.w3_reference import reference
from benchmarks.w3_report import report, write

__all__ = ["Run", "main", "measure"]

CELLS = (64, 128, 256)
# What took longer than this is not repeated.
LONG = 20.0


@dataclass
class Run:
    """A method on a grid, with what was measured so far."""

    method: Method
    cells: int
    times: list[tuple[float, float]] = field(default_factory=list)
    load: float = 0.0
    found: Errors | None = None

    def time(self) -> None:
        """Solve once more."""
        self.load = max(self.load, os.getloadavg()[0])
        began, cpu = time.perf_counter(), time.process_time()
        solution = self.method.solve(IRREVERSIBLE, self.cells)
        self.times.append((time.perf_counter() - began, time.process_time() - cpu))
        if self.found is None:
            self.found = errors(self.method.centres(solution, self.cells), reference)

    def row(self) -> dict[str, Any]:
        """Medians and errors."""
        assert self.found is not None
        wall, cpu = (statistics.median(column) for column in zip(*self.times, strict=True))
        return {
            "method": self.method.name,
            "cells": self.cells,
            "seconds": wall,
            "cpu": cpu,
            "repeats": len(self.times),
            "load": self.load,
            **asdict(self.found),
        }


def measure(
    methods: Sequence[Method], cells: Sequence[int], repeats: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows, and lines about what was skipped."""
    runs, skipped = [], []
    for method in methods:
        refusal = method.refuses(IRREVERSIBLE) if method.version else "not installed"
        if refusal is not None:
            skipped.append(f"{method.name} ({method.package}): {refusal}")
            continue
        method.solve(IRREVERSIBLE, min(cells))  # compiles and imports
        runs += [Run(method, n) for n in cells if n <= method.largest]
    for repeat in range(repeats):
        for run in runs:
            if repeat == 0 or run.times[0][0] < LONG:
                run.time()
                print(run.row(), flush=True)
    return [run.row() for run in runs], skipped


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks w3", description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS, metavar="N")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=[""], help="names start with one of these")
    parser.add_argument("--write", action="store_true", help="keep the results")
    chosen = parser.parse_args(arguments)
    methods = [m for m in METHODS if m.name.startswith(tuple(chosen.methods))]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows, skipped = measure(methods, sorted(chosen.cells), chosen.repeats)
    here = environment() | {"notes": {method.name: method.note for method in methods}}
    results = {"environment": here, "rows": rows, "skipped": skipped}
    if chosen.write:
        write(results)
    print(report(results))
    return 0
