"""W1: stationary density with a full tensor; time, error and sign of every method.

python -m benchmarks w1             # tables, about 20 minutes
python -m benchmarks w1 --write     # and benchmarks/results/w1.*, benchmarks/README.md
python -m benchmarks w1 --cells 64 128 --methods fokkerplanck FiPy
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

from benchmarks.w1_cold import cold_start
from benchmarks.w1_method import Method, TimeLimit
from benchmarks.w1_methods import METHODS
from benchmarks.w1_problem import IRREVERSIBLE, PROBLEMS, Errors, Problem, errors
from benchmarks.w1_reference import reference
from benchmarks.w1_report import report, write

__all__ = ["Row", "main", "measure"]

CELLS = (64, 128, 256, 512)
# What took longer than this is not repeated.
LONG = 20.0
# Cold starts, at the size at which the methods are compared.
COLD = ("fokkerplanck default", "FiPy Exponential", "scikit-fem Q2, tuned LU")
COLD_PROBLEM, COLD_CELLS = IRREVERSIBLE, 256


@dataclass(frozen=True)
class Row:
    """One method on one problem and grid: medians over the repeats, and the errors.

    `seconds` is wall time, `cpu` processor time, `load` the largest load average (one minute) of
    the machine when a repeat began; all are about the second solution of a process and later ones.
    """

    problem: str
    method: str
    cells: int
    seconds: float
    cpu: float
    repeats: int
    load: float
    l1: float
    smallest: float
    negative_mass: float
    mass: float


@dataclass
class Run:
    """A method on a problem and grid, with what was measured so far; solutions are not kept."""

    method: Method
    problem: Problem
    cells: int
    times: list[tuple[float, float, float]]
    found: Errors | None = None

    def time(self) -> None:
        """Solve once more."""
        load = os.getloadavg()[0]
        began, cpu = time.perf_counter(), time.process_time()
        solution = self.method.solve(self.problem, self.cells)
        self.times.append((time.perf_counter() - began, time.process_time() - cpu, load))
        if self.found is None:
            density = self.method.centres(solution, self.cells)
            self.found = errors(density, partial(reference, self.problem))

    def row(self) -> Row:
        """Medians and errors."""
        assert self.found is not None
        seconds, cpu, load = zip(*self.times, strict=True)
        return Row(
            self.problem.name,
            self.method.name,
            self.cells,
            statistics.median(seconds),
            statistics.median(cpu),
            len(self.times),
            max(load),
            **asdict(self.found),
        )


def measure(
    methods: Sequence[Method], problem: Problem, cells: Sequence[int], repeats: int
) -> Iterator[Row | str]:
    """Time everything, grid by grid; methods take turns, so that all meet the same load.

    Yields rows, and lines about what was skipped.
    """
    applicable = []
    for method in methods:
        refusal = method.refuses(problem) if method.version else "not installed"
        if refusal is None:
            _warm_up(method, problem, min(cells))
            applicable.append(method)
        else:
            yield f"{problem.name}: {method.name} ({method.package}): {refusal}"
    for n in cells:
        yield from _grid(applicable, problem, n, repeats)


def _warm_up(method: Method, problem: Problem, cells: int) -> None:
    """Compile and import; a method without anything to keep between calls needs none."""
    if method.package != "py-pde":
        method.solve(problem, cells)


def _grid(
    methods: Sequence[Method], problem: Problem, cells: int, repeats: int
) -> Iterator[Row | str]:
    runs = []
    for method in methods:
        if cells > method.largest:
            yield f"{problem.name}: {method.name}: not run at {cells} (takes minutes)"
            continue
        method.prepare(problem, cells)
        run = Run(method, problem, cells, [])
        try:
            run.time()
        except TimeLimit as reached:
            yield f"{problem.name}: {method.name}: no answer at {cells}: {reached}"
        else:
            runs.append(run)
    for _ in range(repeats - 1):
        for run in runs:
            if run.times[0][0] < LONG:
                run.time()
    for run in runs:
        yield run.row()


def environment() -> dict[str, Any]:
    """What the figures depend on, without naming the machine."""
    versions = {method.package: method.version for method in METHODS}
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "packages": versions,
        "notes": {method.name: method.note for method in METHODS},
    }


def cold_starts(methods: Sequence[Method], problem: Problem) -> list[dict[str, Any]]:
    """First answers of fresh processes, with caches of compiled code filled and empty."""
    if problem is not COLD_PROBLEM:
        return []
    found = []
    for method in methods:
        if method.name not in COLD or not method.version:
            continue
        for empty in (False, True) if method.package == "fokkerplanck" else (False,):
            load = os.getloadavg()[0]
            times = cold_start(method, problem, COLD_CELLS, empty=empty)
            found.append(
                {**times, "method": method.name, "cells": COLD_CELLS, "empty": empty, "load": load}
            )
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks w1", description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS, metavar="N")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--methods", nargs="+", default=[""], help="names start with one of these")
    parser.add_argument("--no-cold", action="store_true", help="no fresh processes")
    parser.add_argument("--write", action="store_true", help="keep the results")
    chosen = parser.parse_args(arguments)
    methods = [m for m in METHODS if m.name.startswith(tuple(chosen.methods))]
    problems = [PROBLEMS[name] for name in chosen.problems]
    results = {}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for problem in problems:
            items = []
            for item in measure(methods, problem, sorted(chosen.cells), chosen.repeats):
                print(item, flush=True)
                items.append(item)
            results[problem.name] = {
                "environment": environment(),
                "rows": [asdict(item) for item in items if isinstance(item, Row)],
                "skipped": [item for item in items if isinstance(item, str)],
                "cold": [] if chosen.no_cold else cold_starts(methods, problem),
            }
            if chosen.write:
                write(results)
    print(report(results))
    return 0
